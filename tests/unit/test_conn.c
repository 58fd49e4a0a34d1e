/* SPDX-License-Identifier: Apache-2.0 */
/* What a conn does with a peer of good manners; test_conn_rules has the others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn_impl.h"
#include "core/frame.h"
#include "unit/conn_pair.h"

#define ms PAIR_MS
#define s PAIR_S

static struct pair p;

static void begin(const struct pair_options *o)
{
	pair_init(&p, o);
	pair_up(&p);
}

static void end(void)
{
	assert_false(p.livelock);
	assert_false(p.late_timer);
	assert_false(p.i.wrong || p.r.wrong);
	pair_fini(&p);
}

/* Up, and a flow open from the initiator. */
static void begin_flow(const struct pair_options *o)
{
	begin(o);
	assert_int_equal(pair_open(&p, &p.i, "flow"), 0);
	pair_run(&p, 100 * ms);
	assert_non_null(p.r.in);
}

static void write_all(uint64_t bytes)
{
	assert_int_equal(pair_write(&p, &p.i, bytes), bytes);
}

static int in_state(void)
{
	return (int)p.r.in->state;
}

static int out_state(void)
{
	return (int)p.i.out->state;
}

/* ---- up and down ---- */

static void test_up_and_down(void **state)
{
	(void)state;
	begin(NULL);
	assert_int_equal(p.i.ups, 1);
	assert_int_equal(p.r.ups, 1);
	assert_string_equal(rmdt_conn_remote_name(p.i.conn), "there");
	assert_string_equal(rmdt_conn_remote_name(p.r.conn), "here");
	assert_int_equal(rmdt_conn_role(p.r.conn), RMDT_PIPE);
	rmdt_conn_close(p.i.conn, p.now_us, 1234, "enough");
	assert_int_equal(pair_open(&p, &p.i, "late"), -ENOTCONN);
	pair_run(&p, 100 * ms);
	assert_int_equal(p.i.downs, 1);
	assert_int_equal(p.r.downs, 1);
	assert_int_equal(p.r.down_code, 1234);
	assert_string_equal(p.r.down_reason, "enough");
	pair_run(&p, 5 * s);
	assert_true(rmdt_conn_is_drained(p.i.conn) && rmdt_conn_is_drained(p.r.conn));
	assert_true(rmdt_conn_deadline_us(p.i.conn) == RMDT_CONN_NEVER);
	end();
}

static void test_each_side_may_refuse(void **state)	/* H4 */
{
	(void)state;
	for (int who = 0; who < 2; who++) {
		pair_init(&p, NULL);
		(who ? &p.r : &p.i)->admit_code = RMDT_CODE_UNAUTHORISED;
		pair_run(&p, 2 * s);
		assert_int_equal(p.i.downs, 1);
		assert_int_equal(p.r.downs, 1);
		assert_int_equal(p.i.down_code, RMDT_CODE_UNAUTHORISED);
		assert_int_equal(p.r.down_code, RMDT_CODE_UNAUTHORISED);
		assert_string_equal(who ? p.i.down_reason : p.r.down_reason, "because");
		assert_int_equal(p.r.ups, 0);
		end();
	}
}

static void test_wrong_psk(void **state)	/* H5 */
{
	static const uint8_t one[32] = { 1 }, two[32] = { 2 };

	(void)state;
	pair_init(&p, &(struct pair_options){ .psk_i = one, .psk_r = two });
	pair_run(&p, 2 * s);
	assert_int_equal(p.i.down_code, RMDT_CODE_PSK);
	assert_int_equal(p.r.down_code, RMDT_CODE_PSK);
	assert_int_equal(p.r.ups, 0);
	end();
	begin(&(struct pair_options){ .psk_i = one, .psk_r = one });
	assert_true(rmdt_conn_used_psk(p.r.conn));
	end();
}

static bool nothing(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	(void)ctx, (void)to_responder, (void)data, (void)len;
	return false;
}

static void test_no_answer(void **state)
{
	(void)state;
	pair_init(&p, NULL);
	p.filter = nothing;
	pair_run(&p, 10 * s - 1);
	assert_int_equal(p.i.downs, 0);
	pair_run(&p, 2);
	assert_int_equal(p.i.downs, 1);
	assert_int_equal(p.i.down_code, RMDT_CODE_TIMEOUT);
	end();
}

/* Packets to the responder that are lost, by their numbers. */
static bool lose_these(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	unsigned *lost = ctx;

	(void)data, (void)len;
	if (!to_responder)
		return true;
	*lost >>= 1;
	return (*lost & 1) == 0;
}

/* FINISH is lost, and all that was sent behind it is dropped: the time it costs is bounded by round trips. */
static void finish_is_lost(unsigned lost, uint64_t limit_us)
{
	uint64_t from_us;

	lost <<= 1;
	pair_init(&p, NULL);
	p.filter = lose_these;
	p.ctx = &lost;
	from_us = p.now_us;
	while (p.i.ups == 0)
		pair_run(&p, ms);
	assert_int_equal(pair_open(&p, &p.i, "flow"), 0);
	write_all(20000);
	while (p.r.read_off < 20000 && p.now_us < from_us + 10 * s)
		pair_run(&p, ms);
	assert_in_range(p.now_us - from_us, 1, limit_us);
	end();
}

static void test_finish_is_lost(void **state)	/* H6 */
{
	(void)state;
	finish_is_lost(1 << 1, 120 * ms);		/* round trip of 10 ms known: repeated after 50 ms */
	finish_is_lost(1 << 0 | 1 << 2, 600 * ms);	/* INIT too: not known, 250 ms for each */
}

/* A conn that was closed in its handshake says nothing more and asks nothing more. */
static void test_closed_in_the_handshake(void **state)
{
	uint64_t packets;

	(void)state;
	pair_init(&p, NULL);
	pair_serve(&p, &p.i);
	rmdt_conn_close(p.i.conn, p.now_us, RMDT_CODE_LEFT, NULL);
	packets = p.i.packets;
	pair_run(&p, 5 * s);
	assert_int_equal(p.i.downs, 1);
	assert_int_equal(p.i.admits, 0);
	assert_int_equal(p.i.packets, packets);
	assert_true(rmdt_conn_is_drained(p.i.conn));
	end();
}

/* ---- flows ---- */

static void test_accept_and_deliver(void **state)
{
	(void)state;
	begin_flow(NULL);
	assert_int_equal(p.r.offers, 1);
	assert_string_equal(rmdt_inflow_open(p.r.in)->name, "flow");
	assert_true(p.i.out_flags & RMDT_OUT_ACCEPTED);
	write_all(3000000);
	pair_run(&p, 2 * s);
	assert_int_equal(p.r.read_off, 3000000);
	assert_int_equal(p.i.out->consumed_off, 3000000);
	assert_false(p.i.out_flags & RMDT_OUT_DONE);
	pair_finish(&p, &p.i);
	pair_run(&p, 100 * ms);
	assert_true(p.r.in_flags & RMDT_IN_FINAL);
	assert_true(p.i.out_flags & RMDT_OUT_DONE);
	assert_true(p.r.in_flags & RMDT_IN_GONE);
	assert_int_equal(out_state(), RMDT_OUTFLOW_DONE);
	end();
}

/* The end of an empty stream travels in a frame only, and may come together with OPEN. */
static void test_an_empty_stream_ends(void **state)
{
	(void)state;
	begin(NULL);
	assert_int_equal(pair_open(&p, &p.i, "empty"), 0);
	pair_finish(&p, &p.i);
	pair_run(&p, s);
	assert_true(p.r.in_flags & RMDT_IN_FINAL);
	assert_true(p.i.out_flags & RMDT_OUT_DONE);
	end();
}

struct lose {
	unsigned from, to, seen;	/* packets of that direction that are lost: from <= number < to */
	bool to_responder;
};

static bool lose(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	struct lose *l = ctx;
	unsigned k;

	(void)data, (void)len;
	if (to_responder != l->to_responder)
		return true;
	k = l->seen++;
	return k < l->from || k >= l->to;
}

/* FIN arrives before the OPEN that was lost: it must be heard all the same. */
static void test_fin_overtakes_open(void **state)
{
	struct lose l = { .from = 0, .to = 1, .to_responder = true };

	(void)state;
	begin(NULL);
	p.filter = lose;
	p.ctx = &l;
	assert_int_equal(pair_open(&p, &p.i, "empty"), 0);
	pair_serve(&p, &p.i);
	pair_finish(&p, &p.i);
	pair_run(&p, 2 * s);
	assert_true(p.i.out_flags & RMDT_OUT_DONE);
	end();
}

static void test_fin_while_the_offer_waits(void **state)
{
	(void)state;
	begin(NULL);
	p.r.hold_offers = true;
	assert_int_equal(pair_open(&p, &p.i, "empty"), 0);
	pair_finish(&p, &p.i);
	pair_run(&p, 2 * s);
	assert_non_null(p.r.offered);
	assert_int_equal(rmdt_conn_accept(p.r.conn, p.r.offered), 0);
	p.r.in = p.r.offered;
	pair_run(&p, s);
	assert_true(p.i.out_flags & RMDT_OUT_DONE);
	end();
}

static void test_refuse(void **state)	/* S3 */
{
	(void)state;
	begin(NULL);
	p.r.refuse_code = 1007;
	assert_int_equal(pair_open(&p, &p.i, "flow"), 0);
	write_all(100000);
	pair_run(&p, s);
	assert_int_equal(out_state(), RMDT_OUTFLOW_BROKEN);
	assert_int_equal(p.i.out->code, 1007);
	assert_string_equal(p.i.out->reason, "not now");
	assert_true(p.i.out_flags & RMDT_OUT_BROKEN);
	assert_true(rmdt_conn_is_settled(p.i.conn) && rmdt_conn_is_settled(p.r.conn));
	assert_int_equal(p.r.conn->n_ins, 0);
	end();
}

static void test_more_flows_than_are_taken(void **state)
{
	struct rmdt_open open = { .purpose = RMDT_PIPE };
	struct rmdt_outflow *of[6];
	unsigned live = 0, busy = 0;

	(void)state;
	begin_flow(NULL);		/* one; four are taken */
	p.r.hold_offers = true;
	for (int k = 0; k < 6; k++)
		assert_int_equal(rmdt_conn_out_open(p.i.conn, p.i.sendbuf, 0, &open, 0, &of[k]), 0);
	pair_run(&p, s);
	for (int k = 0; k < 6; k++) {
		live += of[k]->state == RMDT_OUTFLOW_OPENING;
		busy += of[k]->state == RMDT_OUTFLOW_BROKEN && of[k]->code == RMDT_CODE_BUSY;
	}
	assert_int_equal(live, 3);
	assert_int_equal(busy, 3);
	assert_int_equal(p.r.conn->n_ins, 4);
	for (int k = 0; k < 6; k++)	/* when one goes there is room for another */
		rmdt_conn_out_free(p.i.conn, of[k], 1, NULL);
	pair_run(&p, s);
	p.r.hold_offers = false;
	assert_int_equal(rmdt_conn_out_open(p.i.conn, p.i.sendbuf, 0, &open, 0, &of[0]), 0);
	pair_run(&p, s);
	assert_int_equal(of[0]->state, RMDT_OUTFLOW_LIVE);
	end();
}

static void test_both_directions_and_half_close(void **state)
{
	(void)state;
	begin_flow(NULL);
	assert_int_equal(pair_open(&p, &p.r, "back"), 0);
	write_all(50000);
	pair_finish(&p, &p.i);
	pair_run(&p, s);
	assert_true(p.i.out_flags & RMDT_OUT_DONE);
	assert_int_equal(pair_write(&p, &p.r, 70000), 70000);
	pair_run(&p, s);
	assert_int_equal(p.i.read_off, 70000);
	pair_finish(&p, &p.r);
	pair_run(&p, s);
	assert_true(p.r.out_flags & RMDT_OUT_DONE);
	end();
}

static bool lose_a_third(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	uint32_t *x = ctx;

	(void)to_responder, (void)data, (void)len;
	*x = *x * 1664525 + 1013904223;
	return *x >> 16 > 65536 / 3;
}

/* The longest OPEN that there is goes out also when much else has to be said. */
static void test_open_with_all_its_words(void **state)
{
	struct rmdt_open open = { .purpose = RMDT_TUNNEL, .priority = 2, .reply_to = 5, .meta_len = RMDT_META_BYTES };
	const struct rmdt_open *heard;
	struct rmdt_outflow *of;
	uint32_t n = 1;

	(void)state;
	begin_flow(NULL);
	assert_int_equal(pair_open(&p, &p.r, "back"), 0);
	pair_write(&p, &p.r, 2000000);
	p.filter = lose_a_third;	/* acks with many ranges */
	p.ctx = &n;
	pair_run(&p, 20 * ms);
	memset(open.name, 'n', RMDT_NAME_BYTES);
	memset(open.meta, 7, RMDT_META_BYTES);
	p.r.hold_offers = true;
	assert_int_equal(rmdt_conn_out_open(p.i.conn, p.i.sendbuf, 0, &open, 0, &of), 0);
	pair_run(&p, 5 * s);
	assert_non_null(p.r.offered);
	heard = rmdt_inflow_open(p.r.offered);
	assert_string_equal(heard->name, open.name);
	assert_int_equal(heard->meta_len, RMDT_META_BYTES);
	assert_memory_equal(heard->meta, open.meta, RMDT_META_BYTES);
	assert_int_equal(heard->purpose, RMDT_TUNNEL);
	assert_int_equal(heard->priority, 2);
	assert_int_equal(heard->reply_to, 5);
	end();
}

/* Flows of one priority take turns, a higher one goes first, and a flow keeps to its own rate. */
static void test_flows_share(void **state)
{
	struct pair_options o = { .common = { .cc = "fixed", .fixed_rate = 10000000, .max_flows = 8 } };
	struct rmdt_open open = { .purpose = RMDT_PIPE };
	struct rmdt_outflow *of[4];

	(void)state;
	begin_flow(&o);
	p.r.hold_offers = true;
	for (int k = 0; k < 4; k++) {
		open.priority = k < 2 ? 1 : 0;
		assert_int_equal(rmdt_conn_out_open(p.i.conn, p.i.sendbuf, 0, &open, k == 2 ? 1000000 : 0, &of[k]), 0);
		pair_run(&p, 50 * ms);
		assert_int_equal(rmdt_conn_accept(p.r.conn, p.r.offered), 0);
	}
	write_all(8000000);
	for (int k = 0; k < 3; k++)
		rmdt_conn_out_kick(p.i.conn, of[k]);
	pair_run(&p, 300 * ms);
	assert_in_range(of[2]->next_off, 250000, 400000);
	assert_int_equal(of[3]->next_off, 0);
	assert_true(of[0]->next_off > 300000);
	assert_in_range(of[0]->next_off, of[1]->next_off * 8 / 10, of[1]->next_off * 12 / 10);
	rmdt_conn_out_kick(p.i.conn, of[3]);
	pair_run(&p, 50 * ms);
	assert_true(of[3]->next_off > 300000);
	end();
}

static void test_reset(void **state)	/* S8 */
{
	(void)state;
	begin_flow(NULL);
	p.r.hold_reading = true;
	write_all(200000);
	pair_run(&p, s);
	rmdt_conn_out_free(p.i.conn, p.i.out, 1009, "broke");
	p.i.out = NULL;
	assert_false(rmdt_conn_is_settled(p.i.conn));
	pair_run(&p, s);
	assert_int_equal(in_state(), RMDT_INFLOW_BROKEN);
	assert_int_equal(p.r.in->code, 1009);
	assert_string_equal(p.r.in->reason, "broke");
	assert_true(p.r.in_flags & RMDT_IN_BROKEN);
	assert_false(p.r.in_flags & RMDT_IN_FINAL);
	assert_true(rmdt_conn_is_settled(p.i.conn));
	assert_null(p.i.conn->all_outs);
	rmdt_conn_in_free(p.r.conn, p.r.in);
	p.r.in = NULL;
	assert_null(p.r.conn->all_ins);
	end();
}

static void test_stop(void **state)	/* S9 */
{
	(void)state;
	begin_flow(NULL);
	write_all(200000);
	pair_run(&p, s);
	rmdt_conn_in_stop(p.r.conn, p.r.in, 1010, "full");
	assert_false(rmdt_conn_is_settled(p.r.conn));
	pair_run(&p, s);
	assert_int_equal(out_state(), RMDT_OUTFLOW_BROKEN);
	assert_int_equal(p.i.out->code, 1010);
	assert_string_equal(p.i.out->reason, "full");
	assert_true(p.r.in_flags & RMDT_IN_GONE);
	assert_true(rmdt_conn_is_settled(p.r.conn) && rmdt_conn_is_settled(p.i.conn));
	end();
}

/* A code of 0 would read as "ended well". */
static void test_no_end_without_a_reason(void **state)
{
	(void)state;
	begin_flow(NULL);
	rmdt_conn_out_free(p.i.conn, p.i.out, 0, NULL);
	p.i.out = NULL;
	pair_run(&p, s);
	assert_int_equal(in_state(), RMDT_INFLOW_BROKEN);
	assert_int_equal(p.r.in->code, RMDT_CODE_CLOSED);
	end();
}

/*
 * What was sent on flows that ended early is given back to the peer's credit: or a tunnel would stand still after so
 * many broken connections.
 */
static void test_ended_flows_give_their_credit_back(void **state)	/* S8, S9 */
{
	struct pair_options o = { .common = { .window_cap_bytes = 1u << 20 } };

	(void)state;
	begin(&o);
	for (int k = 0; k < 40; k++) {
		p.r.hold_reading = true;
		assert_int_equal(pair_open(&p, &p.i, "flow"), 0);
		write_all(100000);
		pair_run(&p, 200 * ms);
		assert_int_equal(p.r.in->high_off - p.r.in->start_off, 100000);
		if (k % 2) {	/* the receiver does not want it any more, and some of it is still under way */
			write_all(50000);
			pair_serve(&p, &p.i);
			rmdt_conn_in_free(p.r.conn, p.r.in);
			p.r.in = NULL;
			pair_run(&p, 100 * ms);
			rmdt_conn_out_free(p.i.conn, p.i.out, 1, NULL);
		} else {
			rmdt_conn_out_free(p.i.conn, p.i.out, 1, NULL);
			pair_run(&p, 100 * ms);
			rmdt_conn_in_free(p.r.conn, p.r.in);
			p.r.in = NULL;
		}
		p.i.out = NULL;
		assert_int_equal(rmdt_sendbuf_release(p.i.sendbuf, rmdt_sendbuf_head(p.i.sendbuf)), 0);
		pair_run(&p, 100 * ms);
		assert_null(p.r.conn->all_ins);
		assert_true(p.r.conn->rx_consumed == p.r.conn->rx_high);
		assert_true(p.i.conn->tx_used == p.r.conn->rx_high);
	}
	end();
}

static void test_marks(void **state)	/* S10 */
{
	(void)state;
	begin_flow(NULL);
	write_all(1000);
	pair_run(&p, s);
	rmdt_conn_in_mark(p.r.conn, p.r.in, 1, 500);
	rmdt_conn_in_mark(p.r.conn, p.r.in, 1, 400);	/* only rises */
	rmdt_conn_in_mark(p.r.conn, p.r.in, 3, 7);
	pair_run(&p, s);
	assert_true(p.i.out_flags & RMDT_OUT_MARKED);
	assert_int_equal(p.i.out->mark_off[0], 0);
	assert_int_equal(p.i.out->mark_off[1], 500);
	assert_int_equal(p.i.out->mark_off[3], 7);
	rmdt_conn_in_mark(p.r.conn, p.r.in, 0, UINT64_MAX);	/* as far as the wire can say it */
	pair_run(&p, s);
	assert_true(p.i.out->mark_off[0] == RMDT_WIRE_VARINT_MAX);
	end();
}

static void test_start_beyond_the_wire(void **state)
{
	struct rmdt_open open = { .priority = 1 };
	struct rmdt_outflow *of;

	(void)state;
	begin(NULL);
	assert_int_equal(pair_open(&p, &p.i, "flow"), 0);
	assert_int_equal(rmdt_conn_out_open(p.i.conn, p.i.sendbuf, CONN_MAX_START_OFF + 1, &open, 0, &of), -EINVAL);
	end();
}

/* A writer far ahead of the reader stops at the credit, and goes on when the reader does. */
static void test_credit_is_respected(void **state)	/* S4 */
{
	struct pair_options o = { .common = { .window_cap_bytes = 1u << 20 } };

	(void)state;
	begin_flow(&o);
	p.r.hold_reading = true;
	write_all(4u << 20);
	pair_run(&p, 5 * s);
	assert_int_equal(p.i.out->next_off, 1u << 20);
	assert_int_equal(rmdt_conn_counters(p.r.conn)->dropped_credit, 0);
	p.r.hold_reading = false;
	pair_run(&p, 5 * s);
	assert_int_equal(p.r.read_off, 4u << 20);
	end();
}

/* Two flows share the peer's credit; a reader that takes one of them only does not block for ever. */
static void test_a_pool_without_blocks(void **state)
{
	struct pair_options o = { .pool_bytes = 8 * RMDT_BLOCK_BYTES, .common = { .window_cap_bytes = 16u << 20 } };

	(void)state;
	begin_flow(&o);
	p.r.hold_reading = true;
	for (uint64_t done = 0; done < 3000000;)
		done += pair_write(&p, &p.i, 3000000 - done) ? 0 : 3000000;
	pair_run(&p, 3 * s);
	assert_true(rmdt_blocks_used(&p.r.pool) <= 8);
	p.r.hold_reading = false;
	pair_run(&p, 10 * s);
	assert_int_equal(p.r.read_off, rmdt_sendbuf_head(p.i.sendbuf));
	end();
}

/* ---- loss, reordering, replay ---- */

static void test_loss_is_repaired(void **state)
{
	uint32_t n = 1;

	(void)state;
	begin_flow(NULL);
	p.filter = lose_a_third;
	p.ctx = &n;
	write_all(1000000);
	pair_finish(&p, &p.i);
	pair_run(&p, 60 * s);
	assert_int_equal(p.r.read_off, 1000000);
	assert_true(p.i.out_flags & RMDT_OUT_DONE);
	assert_true(rmdt_conn_counters(p.i.conn)->chunk_bytes_repaired > 100000);
	end();
}

/* The first packets of a flow are lost, its DATA comes before its OPEN: S2. */
static void test_data_of_an_unknown_flow_is_repaired(void **state)
{
	struct lose l = { .from = 0, .to = 1, .to_responder = true };

	(void)state;
	begin(NULL);
	p.filter = lose;
	p.ctx = &l;
	assert_int_equal(pair_open(&p, &p.i, "flow"), 0);
	write_all(20000);
	pair_run(&p, 2 * s);
	assert_true(rmdt_conn_counters(p.r.conn)->dropped_unknown_flow > 0);
	assert_int_equal(p.r.read_off, 20000);
	end();
}

static void test_replay_and_reorder(void **state)
{
	static uint8_t copy[PAIR_PACKETS][2048];
	size_t len[PAIR_PACKETS];
	uint64_t received, replayed;
	unsigned n;

	(void)state;
	begin_flow(NULL);
	write_all(30000);
	pair_serve(&p, &p.i);
	n = p.n_packets;
	assert_in_range(n, 3, 100);
	for (unsigned k = 0; k < n; k++) {
		len[k] = p.packet[k].len;
		memcpy(copy[k], p.packet[k].data, len[k]);
	}
	received = rmdt_conn_counters(p.r.conn)->packets_received;
	for (unsigned k = n; k-- > 0;)	/* from the last to the first */
		pair_inject(&p, true, copy[k], len[k], &p.i.addr);
	assert_int_equal(rmdt_conn_counters(p.r.conn)->packets_received, received + n);
	replayed = rmdt_conn_counters(p.r.conn)->dropped_replayed;
	pair_run(&p, s);		/* and the originals */
	assert_int_equal(rmdt_conn_counters(p.r.conn)->dropped_replayed, replayed + n);
	assert_int_equal(p.r.read_off, 30000);
	assert_int_equal(rmdt_conn_counters(p.i.conn)->packets_lost, 0);
	end();
}

/* ---- rekeying ---- */

static void test_rekey_under_load(void **state)
{
	struct pair_options o = { .common = { .rekey_packets = 50, .suite = RMDT_CHACHA20_POLY1305 } };
	uint32_t n = 1;

	(void)state;
	begin_flow(&o);
	p.filter = lose_a_third;
	p.ctx = &n;
	for (int k = 0; k < 20; k++) {
		write_all(200000);
		pair_run(&p, 6 * s);	/* K7: a generation lives five seconds at least */
	}
	assert_int_equal(p.r.read_off, 4000000);
	assert_true(rmdt_conn_counters(p.i.conn)->rekeys >= 3);
	assert_int_equal(rmdt_conn_counters(p.i.conn)->dropped_forged, 0);
	assert_int_equal(rmdt_conn_counters(p.r.conn)->dropped_forged, 0);
	end();
}

static void test_cipher_none(void **state)	/* P6 */
{
	struct pair_options o = { .common = { .cipher_none = true } };

	(void)state;
	begin_flow(&o);
	write_all(100000);
	pair_run(&p, s);
	assert_int_equal(p.r.read_off, 100000);
	assert_true(p.i.conn->cipher_none && p.r.conn->cipher_none);
	end();
}

/* ---- messages ---- */

static void test_messages(void **state)
{
	uint8_t data[2000] = { 0 }, got[2000];
	size_t max;

	(void)state;
	begin(NULL);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, sizeof(data)), -EMSGSIZE);
	pair_run(&p, 5 * s);		/* so the path MTU is looked for */
	max = rmdt_conn_message_max(p.i.conn);
	assert_in_range(max, 1400, 1472);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, max + 1), -EMSGSIZE);
	for (size_t k = 0; k < max; k++)
		data[k] = (uint8_t)k;
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, max), 0);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, 0), 0);
	pair_run(&p, s);
	assert_true(p.r.messages > 0);
	assert_int_equal(rmdt_conn_message_take(p.r.conn, got, max - 1), -EMSGSIZE);
	assert_int_equal(rmdt_conn_message_take(p.r.conn, got, sizeof(got)), max);
	assert_memory_equal(got, data, max);
	assert_int_equal(rmdt_conn_message_take(p.r.conn, got, sizeof(got)), 0);
	assert_int_equal(rmdt_conn_message_take(p.r.conn, got, sizeof(got)), -EAGAIN);
	end();
}

static void test_messages_are_bounded(void **state)
{
	unsigned sent = 0, taken = 0;
	uint8_t data[100] = { 0 };

	(void)state;
	begin(NULL);
	while (rmdt_conn_message_send(p.i.conn, data, sizeof(data)) == 0)
		sent++;
	assert_int_equal(sent, RMDT_CONN_MESSAGE_QUEUE);
	pair_run(&p, 10 * s);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, sizeof(data)), 0);
	pair_run(&p, s);
	assert_int_equal(rmdt_conn_counters(p.r.conn)->messages_dropped, 1);
	while (rmdt_conn_message_take(p.r.conn, data, sizeof(data)) >= 0)
		taken++;
	assert_int_equal(taken, RMDT_CONN_MESSAGE_QUEUE);
	end();
}

/* The path shrank while a large message waited: it goes nowhere any more, and holds nobody up. */
static void test_a_message_that_does_not_fit_any_more(void **state)
{
	uint8_t data[1472] = { 0 };

	(void)state;
	begin_flow(NULL);
	pair_run(&p, 5 * s);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, rmdt_conn_message_max(p.i.conn)), 0);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, 10), 0);
	rmdt_conn_too_big(p.i.conn, p.now_us, 1300);
	pair_run(&p, s);
	assert_int_equal(rmdt_conn_counters(p.i.conn)->messages_dropped, 1);
	assert_int_equal(rmdt_conn_message_take(p.r.conn, data, sizeof(data)), 10);
	end();
}

/* ---- liveness ---- */

static void test_keepalive_and_death(void **state)	/* L1 */
{
	uint64_t packets;

	(void)state;
	begin(NULL);
	pair_run(&p, 5 * s);
	packets = p.i.packets;
	pair_run(&p, 60 * s);
	assert_in_range(p.i.packets - packets, 5, 100);
	assert_int_equal(p.i.downs, 0);
	p.filter = nothing;
	packets = p.now_us - p.i.conn->last_heard_us;
	pair_run(&p, 30 * s - packets - 1);
	assert_int_equal(p.i.downs, 0);
	pair_run(&p, 2);
	assert_int_equal(p.i.downs, 1);
	assert_int_equal(p.i.down_code, RMDT_CODE_TIMEOUT);
	end();
}

/* Both processes stood still for long. Whatever wakes first, timer or datagram, nobody is dead, nor immortal. */
static void test_a_pause_is_forgiven(void **state)	/* L1 */
{
	(void)state;
	for (int datagram_first = 0; datagram_first < 2; datagram_first++) {
		begin(NULL);
		pair_run(&p, s);
		if (datagram_first)
			rmdt_conn_message_send(p.r.conn, "hello", 5);
		pair_serve(&p, &p.r);
		p.now_us += 3600 * s;
		if (datagram_first)
			pair_deliver(&p);
		rmdt_conn_tick(p.i.conn, p.now_us);
		rmdt_conn_tick(p.r.conn, p.now_us);
		assert_true(p.i.conn->last_heard_us <= p.now_us);
		pair_run(&p, s);
		assert_int_equal(p.i.downs + p.r.downs, 0);
		p.filter = nothing;
		pair_run(&p, 31 * s);
		assert_int_equal(p.i.downs, 1);
		end();
	}
}

/* Datagrams that waited are heard one by one before the timers are looked at: the pause is forgiven once. */
static void test_a_pause_is_forgiven_once(void **state)
{
	static const uint8_t junk[40] = { 0x80 };

	(void)state;
	pair_init(&p, NULL);
	p.filter = nothing;
	pair_run(&p, s);
	p.now_us += 100 * s;
	for (int k = 0; k < 10; k++)
		pair_inject(&p, false, junk, sizeof(junk), &p.r.addr);
	pair_run(&p, 8 * s);
	assert_int_equal(p.i.downs, 0);
	pair_run(&p, 2 * s);
	assert_int_equal(p.i.downs, 1);
	end();
}

/* We hear the far end, but it does not hear us: then it is no use either. */
static bool only_back(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	(void)ctx, (void)data, (void)len;
	return !to_responder;
}

static void test_a_path_of_one_way(void **state)
{
	(void)state;
	begin_flow(NULL);
	p.filter = only_back;
	write_all(100000);
	pair_run(&p, 61 * s);
	assert_int_equal(p.i.downs, 1);
	assert_int_equal(p.r.downs, 1);
	end();
}

static void test_close_is_answered(void **state)	/* L5 */
{
	uint8_t straggler[2048];
	struct lose l = { .from = 0, .to = 1 };
	uint64_t packets;
	size_t len;

	(void)state;
	begin_flow(NULL);
	write_all(5000);
	pair_serve(&p, &p.i);
	len = p.packet[0].len;
	memcpy(straggler, p.packet[0].data, len);
	p.filter = lose;
	p.ctx = &l;
	rmdt_conn_close(p.r.conn, p.now_us, 1002, "bye");
	pair_serve(&p, &p.r);		/* this CLOSE is lost */
	pair_run(&p, 20 * ms);		/* but what is under way draws another */
	assert_int_equal(p.i.down_code, 1002);
	packets = p.r.packets;
	for (int k = 0; k < 10; k++) {
		pair_inject(&p, true, straggler, len, &p.i.addr);
		pair_serve(&p, &p.r);
	}
	assert_true(p.r.packets - packets < CONN_CLOSE_TIMES);
	end();
}

/* ---- paths ---- */

static void test_move(void **state)	/* L3 */
{
	struct rmdt_addr old;

	(void)state;
	begin_flow(NULL);
	write_all(100000);
	pair_run(&p, s);
	old = p.i.addr;
	p.i.addr = pair_address(9, 999);
	write_all(100000);
	pair_serve(&p, &p.i);
	p.now_us += p.delay_us;
	pair_deliver(&p);
	assert_true(rmdt_addr_equal(rmdt_conn_remote(p.r.conn), &old));	/* not before it has answered */
	pair_run(&p, 2 * s);
	assert_int_equal(p.r.moves, 1);
	assert_true(rmdt_addr_equal(rmdt_conn_remote(p.r.conn), &p.i.addr));
	assert_int_equal(p.r.read_off, 200000);
	end();
}

static void test_a_copy_from_elsewhere_does_not_move(void **state)	/* L3 */
{
	struct rmdt_addr spoofed = pair_address(66, 6666);
	uint8_t newest[2048], response[9];
	struct pair_packet late;
	size_t newest_len;

	(void)state;
	begin_flow(NULL);
	write_all(20000);
	pair_serve(&p, &p.i);
	late = p.packet[0];
	p.packet[0].data = calloc(1, late.len);	/* the true one is held up */
	newest_len = p.packet[p.n_packets - 1].len;
	memcpy(newest, p.packet[p.n_packets - 1].data, newest_len);
	/* The newest, overtaken by a copy: a candidate that never answers. */
	pair_inject(&p, true, newest, newest_len, &spoofed);
	assert_true(rmdt_addr_equal(&p.r.conn->candidate.addr, &spoofed));
	pair_run(&p, s);
	assert_int_equal(p.r.moves, 0);
	assert_true(rmdt_addr_equal(rmdt_conn_remote(p.r.conn), &p.i.addr));
	assert_int_equal(p.r.read_off, 20000);
	/* Nor does an answer to the challenge that comes from where we have always been. */
	assert_true(rmdt_addr_equal(&p.r.conn->candidate.addr, &spoofed));
	response[0] = RMDT_FRAME_RESPONSE;
	rmdt_wire_store_u64(response + 1, p.r.conn->candidate.nonce);
	pair_say(&p, &p.i, response, sizeof(response));
	pair_run(&p, s);
	assert_int_equal(p.r.moves, 0);
	/* A late or a forged one does not even make a candidate. */
	memset(&p.r.conn->candidate, 0, sizeof(p.r.conn->candidate));
	pair_inject(&p, true, late.data, late.len, &spoofed);
	free(late.data);
	newest[newest_len - 1] ^= 1;
	newest[7] += 100;
	pair_inject(&p, true, newest, newest_len, &spoofed);
	assert_int_equal(p.r.conn->candidate.addr.len, 0);
	end();
}

static bool only_there(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	(void)ctx, (void)data, (void)len;
	return to_responder;
}

/* All challenges of some seconds are lost: the new path is found all the same. */
static void test_a_move_through_an_outage(void **state)
{
	(void)state;
	begin(NULL);
	p.i.addr = pair_address(9, 999);
	for (int k = 0; k < 140; k++) {
		p.filter = k < 100 ? only_there : NULL;
		rmdt_conn_message_send(p.i.conn, "x", 1);
		pair_run(&p, 50 * ms);
		assert_int_equal(p.r.moves, k < 100 ? 0 : p.r.moves);
	}
	assert_int_equal(p.r.moves, 1);
	end();
}

static void test_mtu_grows_and_shrinks(void **state)	/* L4 */
{
	(void)state;
	begin_flow(NULL);
	pair_run(&p, 5 * s);
	assert_int_equal(p.i.conn->mtu, 1472);
	rmdt_conn_too_big(p.i.conn, p.now_us, 1400);
	assert_true(p.i.conn->mtu < 1400);
	write_all(100000);
	pair_run(&p, 5 * s);
	assert_int_equal(p.r.read_off, 100000);
	assert_true(p.i.conn->mtu < 1400);
	end();
}

static bool small_only(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	(void)ctx, (void)to_responder, (void)data;
	return len <= 1300;
}

static void test_black_hole(void **state)
{
	(void)state;
	begin_flow(NULL);
	pair_run(&p, 5 * s);
	assert_int_equal(p.i.conn->mtu, 1472);
	p.filter = small_only;
	write_all(500000);
	pair_run(&p, 30 * s);
	assert_int_equal(p.r.read_off, 500000);
	assert_in_range(p.i.conn->mtu, 1200, 1300);
	assert_true(rmdt_conn_counters(p.i.conn)->mtu_black_holes > 0);
	end();
}

/* ---- the rest ---- */

static void test_restart_hint(void **state)	/* H10 */
{
	struct rmdt_handshake_packet h = { .type = RMDT_HS_UNKNOWN, .version = RMDT_VERSION_1, .dcid = 0x0101, .scid = 0x0202 };
	struct rmdt_addr other = pair_address(66, 6666);
	uint8_t buf[64];
	size_t len;

	(void)state;
	begin(NULL);
	len = rmdt_handshake_write(buf, sizeof(buf), &h);
	pair_inject(&p, false, buf, len, &other);
	pair_serve(&p, &p.i);
	assert_int_equal(p.i.hints, 0);
	for (int k = 0; k < 100; k++) {
		pair_inject(&p, false, buf, len, &p.r.addr);
		pair_serve(&p, &p.i);
	}
	assert_int_equal(p.i.hints, 1);
	pair_run(&p, s);
	pair_inject(&p, false, buf, len, &p.r.addr);
	pair_serve(&p, &p.i);
	assert_int_equal(p.i.hints, 2);
	h.scid = 0x0203;
	pair_run(&p, s);
	len = rmdt_handshake_write(buf, sizeof(buf), &h);
	pair_inject(&p, false, buf, len, &p.r.addr);
	pair_serve(&p, &p.i);
	assert_int_equal(p.i.hints, 2);
	assert_true(rmdt_conn_is_up(p.i.conn));
	end();
}

static void test_settled(void **state)
{
	(void)state;
	begin_flow(NULL);
	assert_true(rmdt_conn_is_settled(p.i.conn) && rmdt_conn_is_settled(p.r.conn));
	write_all(1000);
	pair_finish(&p, &p.i);
	p.r.hold_done = true;
	pair_run(&p, s);
	assert_true(rmdt_conn_is_settled(p.r.conn));
	assert_int_equal(rmdt_conn_in_done(p.r.conn, p.r.in), 0);
	assert_false(rmdt_conn_is_settled(p.r.conn));	/* DONE must be heard */
	pair_serve(&p, &p.r);
	assert_false(rmdt_conn_is_settled(p.r.conn));
	pair_run(&p, 100 * ms);
	assert_true(rmdt_conn_is_settled(p.r.conn));
	assert_true(p.r.in_flags & RMDT_IN_GONE);
	end();
}

static void test_done_only_when_all_is_read(void **state)
{
	(void)state;
	begin_flow(NULL);
	p.r.hold_reading = p.r.hold_done = true;
	write_all(1000);
	pair_run(&p, s);
	assert_int_equal(rmdt_conn_in_done(p.r.conn, p.r.in), -EAGAIN);
	pair_finish(&p, &p.i);
	pair_run(&p, s);
	assert_int_equal(rmdt_conn_in_done(p.r.conn, p.r.in), -EAGAIN);
	p.r.hold_reading = false;
	pair_run(&p, s);
	pair_serve(&p, &p.r);
	assert_int_equal(rmdt_conn_in_done(p.r.conn, p.r.in), 0);
	assert_true(p.r.conn->rx_consumed == p.r.conn->rx_high);
	end();
}

/* Everything is freed in the middle of everything; the sanitizers look for what is left. */
static void test_free_at_any_time(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 60; k++) {
		pair_init(&p, NULL);
		pair_run(&p, k * 2 * ms);
		if (rmdt_conn_is_up(p.i.conn) && pair_open(&p, &p.i, "flow") == 0)
			pair_write(&p, &p.i, 300000);
		pair_run(&p, k % 7 * 3 * ms);
		if (k % 3 == 0 && p.r.in)
			rmdt_conn_in_free(p.r.conn, p.r.in), p.r.in = NULL;
		pair_run(&p, k % 5 * 3 * ms);
		if (k % 4 == 0 && p.i.out)
			rmdt_conn_out_free(p.i.conn, p.i.out, 1, NULL), p.i.out = NULL;
		if (k % 5 == 0)
			rmdt_conn_close(p.i.conn, p.now_us, 1, NULL);
		pair_serve(&p, &p.i);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up_and_down), cmocka_unit_test(test_each_side_may_refuse),
		cmocka_unit_test(test_wrong_psk), cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_finish_is_lost),
		cmocka_unit_test(test_closed_in_the_handshake),
		cmocka_unit_test(test_accept_and_deliver), cmocka_unit_test(test_an_empty_stream_ends),
		cmocka_unit_test(test_fin_overtakes_open), cmocka_unit_test(test_fin_while_the_offer_waits),
		cmocka_unit_test(test_refuse), cmocka_unit_test(test_more_flows_than_are_taken),
		cmocka_unit_test(test_both_directions_and_half_close),
		cmocka_unit_test(test_open_with_all_its_words), cmocka_unit_test(test_flows_share),
		cmocka_unit_test(test_reset), cmocka_unit_test(test_stop),
		cmocka_unit_test(test_no_end_without_a_reason),
		cmocka_unit_test(test_ended_flows_give_their_credit_back), cmocka_unit_test(test_marks),
		cmocka_unit_test(test_start_beyond_the_wire),
		cmocka_unit_test(test_credit_is_respected), cmocka_unit_test(test_a_pool_without_blocks),
		cmocka_unit_test(test_loss_is_repaired),
		cmocka_unit_test(test_data_of_an_unknown_flow_is_repaired),
		cmocka_unit_test(test_replay_and_reorder), cmocka_unit_test(test_rekey_under_load),
		cmocka_unit_test(test_cipher_none), cmocka_unit_test(test_messages),
		cmocka_unit_test(test_messages_are_bounded),
		cmocka_unit_test(test_a_message_that_does_not_fit_any_more),
		cmocka_unit_test(test_keepalive_and_death), cmocka_unit_test(test_a_pause_is_forgiven),
		cmocka_unit_test(test_a_pause_is_forgiven_once),
		cmocka_unit_test(test_a_path_of_one_way), cmocka_unit_test(test_close_is_answered),
		cmocka_unit_test(test_move), cmocka_unit_test(test_a_copy_from_elsewhere_does_not_move),
		cmocka_unit_test(test_a_move_through_an_outage),
		cmocka_unit_test(test_mtu_grows_and_shrinks), cmocka_unit_test(test_black_hole),
		cmocka_unit_test(test_restart_hint), cmocka_unit_test(test_settled),
		cmocka_unit_test(test_done_only_when_all_is_read), cmocka_unit_test(test_free_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

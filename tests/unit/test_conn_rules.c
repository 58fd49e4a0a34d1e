/* SPDX-License-Identifier: Apache-2.0 */
/* What a conn does with a peer that has the right keys and bad manners: each rule broken, each bound reached. */
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
#include "core/wire.h"
#include "unit/conn_pair.h"

#define ms PAIR_MS
#define s PAIR_S

static struct pair p;
static uint8_t text[4096];
static struct rmdt_wire_writer w;

/* Up, a flow open each way; the initiator has the bad manners. */
static void begin(const struct pair_options *o)
{
	pair_init(&p, o);
	pair_up(&p);
	assert_int_equal(pair_open(&p, &p.i, "there"), 0);
	assert_int_equal(pair_open(&p, &p.r, "back"), 0);
	pair_run(&p, 100 * ms);
	assert_non_null(p.r.in);
	rmdt_wire_writer_init(&w, text, sizeof(text));
}

static void end(void)
{
	pair_serve(&p, &p.r);
	assert_false(p.livelock);
	pair_fini(&p);
}

static void put(unsigned type, const uint64_t *numbers, unsigned n)
{
	rmdt_wire_put_u8(&w, (uint8_t)type);
	for (unsigned k = 0; k < n; k++)
		rmdt_wire_put_varint(&w, numbers[k]);
}
#define PUT(type, ...) put(type, (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)

static void put_open(uint64_t id, uint64_t start_off)
{
	PUT(RMDT_FRAME_OPEN, id, start_off);
	rmdt_wire_put_u8(&w, 1);
	rmdt_wire_put_u8(&w, RMDT_PIPE);
	for (int k = 0; k < 3; k++)	/* reply_to, name, meta */
		rmdt_wire_put_varint(&w, 0);
}

/* The initiator says what has been put. */
static void say(void)
{
	assert_false(w.bad);
	pair_say(&p, &p.i, text, rmdt_wire_written(&w));
	rmdt_wire_writer_init(&w, text, sizeof(text));
}

static void say_data(uint32_t flow, uint64_t off, size_t len, bool fin)
{
	pair_say_data(&p, &p.i, &(struct pair_chunk){ .flow = flow, .off = off, .len = len, .fin = fin });
}

static const struct rmdt_conn_counters *counters(void)
{
	return rmdt_conn_counters(p.r.conn);
}

static void expect_closed(unsigned code)
{
	assert_int_equal(p.r.conn->state, CONN_CLOSING);
	assert_int_equal(p.r.conn->down_code, code);
	end();
}

static void expect_up(void)
{
	assert_true(rmdt_conn_is_up(p.r.conn));
	end();
}

/* ---- acks ---- */

static void put_ack(uint64_t largest, uint64_t below)
{
	PUT(RMDT_FRAME_ACK, largest, 0);
	rmdt_wire_put_u32(&w, 0);
	for (int k = 0; k < 3; k++)
		rmdt_wire_put_varint(&w, 0);
	rmdt_wire_put_varint(&w, below);
}

static void test_ack_of_what_was_never_sent(void **state)	/* P7 */
{
	(void)state;
	begin(NULL);
	put_ack(rmdt_loss_next_pn(&p.r.conn->loss), 0);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);
}

static void test_ack_of_what_was_left_out(void **state)	/* P7 */
{
	uint64_t skipped;

	(void)state;
	begin(NULL);
	skipped = p.r.conn->skip_at = rmdt_loss_next_pn(&p.r.conn->loss);
	rmdt_conn_message_send(p.r.conn, "x", 1);
	pair_serve(&p, &p.r);
	assert_true(rmdt_loss_next_pn(&p.r.conn->loss) > skipped + 1);
	put_ack(skipped, 0);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);
}

static void test_ack_with_ranges_below_zero(void **state)
{
	(void)state;
	begin(NULL);
	put_ack(2, 3);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);
}

/* ---- positions ---- */

static void test_state_beyond_what_was_sent(void **state)	/* S5 */
{
	(void)state;
	begin(NULL);
	pair_write(&p, &p.r, 1000);
	pair_run(&p, 100 * ms);
	PUT(RMDT_FRAME_STATE, 0, 1000, 1000, 1u << 20);
	say();
	assert_true(rmdt_conn_is_up(p.r.conn));
	PUT(RMDT_FRAME_STATE, 0, 500, 400, 10);	/* old news */
	say();
	assert_int_equal(p.r.out->received_off, 1000);
	PUT(RMDT_FRAME_STATE, 0, 1001, 1000, 1u << 20);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);
}

static void test_consumed_beyond_received(void **state)
{
	(void)state;
	begin(NULL);
	PUT(RMDT_FRAME_STATE, 0, 0, 1, 1u << 20);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);
}

static void test_done_before_the_end(void **state)	/* S7 */
{
	(void)state;
	begin(NULL);
	pair_write(&p, &p.r, 1000);
	pair_run(&p, 100 * ms);
	PUT(RMDT_FRAME_DONE, 0);
	say();
	assert_false(p.r.out_flags & RMDT_OUT_DONE);
	expect_closed(RMDT_CODE_PROTOCOL);
}

static void test_the_end_is_for_good(void **state)	/* S6 */
{
	(void)state;
	begin(NULL);
	p.r.hold_done = true;
	PUT(RMDT_FRAME_FIN, 0, 100);
	say();
	PUT(RMDT_FRAME_FIN, 0, 100);
	say();
	assert_true(rmdt_conn_is_up(p.r.conn));
	PUT(RMDT_FRAME_FIN, 0, 99);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);

	begin(NULL);		/* the flag on a chunk */
	PUT(RMDT_FRAME_FIN, 0, 100);
	say();
	say_data(0, 0, 50, true);
	expect_closed(RMDT_CODE_PROTOCOL);

	begin(NULL);		/* below what is there */
	say_data(0, 0, 50, false);
	PUT(RMDT_FRAME_FIN, 0, 49);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);

	begin(NULL);		/* while the offer waits */
	p.r.hold_offers = true;
	put_open(7, 1000);
	PUT(RMDT_FRAME_FIN, 7, 1000);
	PUT(RMDT_FRAME_FIN, 7, 1001);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);
}

/* ---- credit ---- */

static void test_data_beyond_the_credit(void **state)	/* S4 */
{
	struct pair_options o = { .common = { .window_cap_bytes = 1u << 20 } };
	uint64_t received;

	(void)state;
	begin(&o);
	p.r.hold_reading = true;
	received = counters()->packets_received;
	say_data(0, (1u << 20) - 1000, 1001, false);
	say_data(0, UINT64_C(1) << 39, 10, false);
	say_data(0, (UINT64_C(1) << 40) - 10, 10, false);	/* before the start, or far behind the limit */
	say_data(0, (UINT64_C(1) << 40) - 1, 1000, false);
	assert_int_equal(counters()->dropped_credit, 4);
	assert_int_equal(counters()->packets_received, received);	/* so none will be acked */
	assert_int_equal(p.r.conn->rx_high, 0);
	say_data(0, (1u << 20) - 1000, 1000, false);
	assert_int_equal(counters()->packets_received, received + 1);
	assert_int_equal(p.r.conn->rx_high, 1u << 20);
	p.r.in = NULL;		/* stays as it is */
	put_open(1, 0);
	say();
	pair_serve(&p, &p.r);
	say_data(1, 0, 1, false);	/* a second flow, but the peer's credit is used up */
	assert_int_equal(counters()->dropped_credit, 5);
	expect_up();
}

static void test_reset_beyond_the_credit(void **state)
{
	struct pair_options o = { .common = { .window_cap_bytes = 1u << 20 } };

	(void)state;
	begin(&o);
	PUT(RMDT_FRAME_RESET, 0, 5, (1u << 20) + 1, 0);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);

	begin(&o);		/* less than came */
	say_data(0, 0, 100, false);
	PUT(RMDT_FRAME_RESET, 0, 5, 99, 0);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);

	begin(&o);		/* twice, with another high offset: not taken back */
	PUT(RMDT_FRAME_RESET, 0, 5, 100, 0);
	PUT(RMDT_FRAME_RESET, 0, 5, 100, 0);
	say();
	assert_int_equal(p.r.conn->rx_consumed, 100);
	expect_up();
}

/* ---- flows that are not there ---- */

static void test_data_of_flows_that_are_not_there(void **state)	/* S2 */
{
	uint64_t received;

	(void)state;
	begin(NULL);
	received = counters()->packets_received;
	say_data(5, 0, 100, false);
	assert_int_equal(counters()->dropped_unknown_flow, 1);
	assert_int_equal(counters()->packets_received, received);
	/* One that has ended: acked and thrown away, so that its sender's last repairs end. */
	p.r.hold_reading = true;
	say_data(0, 0, 100, false);
	rmdt_conn_in_stop(p.r.conn, p.r.in, 1, NULL);
	say_data(0, 100, 100, false);
	assert_int_equal(counters()->packets_received, received + 2);
	PUT(RMDT_FRAME_RESET, 0, 5, 200, 0);
	say();
	rmdt_conn_in_free(p.r.conn, p.r.in);
	p.r.in = NULL;
	assert_null(p.r.conn->all_ins);
	say_data(0, 200, 100, false);
	assert_int_equal(counters()->packets_received, received + 4);
	assert_int_equal(counters()->dropped_unknown_flow, 1);
	expect_up();
}

static void test_frames_about_flows_that_are_not_there(void **state)
{
	uint64_t received;

	(void)state;
	begin(NULL);
	received = counters()->packets_received;
	PUT(RMDT_FRAME_STATE, 9, 1, 1, 1);
	PUT(RMDT_FRAME_STOP, 9, 1, 0);
	PUT(RMDT_FRAME_DONE, 9);
	PUT(RMDT_FRAME_MARK, 9, 1, 1);
	say();
	assert_int_equal(counters()->packets_received, received + 1);
	PUT(RMDT_FRAME_FIN, 9, 1);	/* before its OPEN: it looks lost and will be said again */
	say();
	assert_int_equal(counters()->packets_received, received + 1);
	assert_int_equal(p.r.conn->n_ins, 1);
	expect_up();
}

static void test_open_of_an_id_that_was_used(void **state)	/* S1 */
{
	(void)state;
	begin(NULL);
	assert_int_equal(p.r.offers, 1);
	put_open(0, 0);
	say();
	pair_serve(&p, &p.r);
	assert_int_equal(p.r.offers, 1);
	PUT(RMDT_FRAME_RESET, 0, 1, 0, 0);
	put_open(0, 0);
	say();
	rmdt_conn_in_free(p.r.conn, p.r.in);
	p.r.in = NULL;
	put_open(0, 0);
	say();
	pair_serve(&p, &p.r);
	assert_int_equal(p.r.offers, 1);
	expect_up();
}

/* ---- bounds ---- */

static void test_flood_of_open(void **state)
{
	struct pair_options o = { .common = { .max_flows = 4 } };
	uint64_t received;

	(void)state;
	begin(&o);
	p.r.hold_offers = true;
	received = counters()->packets_received;
	for (unsigned id = 1; id < 10000; id++) {
		put_open(id, 0);
		say();
		p.r.conn->pending = false;
	}
	assert_int_equal(p.r.conn->n_ins, 4 + CONN_MAX_REFUSED);
	assert_int_equal(counters()->packets_received, received + 3 + CONN_MAX_REFUSED);
	expect_up();

	begin(&o);		/* with a peer that listens all are answered */
	p.r.hold_offers = true;
	for (unsigned id = 1; id < 200; id++) {
		put_open(id, 0);
		say();
	}
	pair_serve(&p, &p.r);
	assert_int_equal(p.r.conn->n_ins, 200);
	for (unsigned id = 4; id < 200; id++) {
		PUT(RMDT_FRAME_RESET, id, 11, 0, 0);
		say();
	}
	assert_int_equal(p.r.conn->n_ins, 4);
	expect_up();
}

static void test_ids_in_disorder(void **state)
{
	struct pair_options o = { .common = { .max_flows = 100000 } };

	(void)state;
	begin(&o);
	p.r.refuse_code = 1;
	for (unsigned id = 2; id < 2 * CONN_MAX_OPENED_RANGES + 10 && p.r.conn->state == CONN_UP; id += 2) {
		put_open(id, 0);
		say();
		PUT(RMDT_FRAME_RESET, id, 11, 0, 0);
		say();
	}
	expect_closed(RMDT_CODE_PROTOCOL);
}

static void test_flood_of_reset(void **state)
{
	uint64_t received;

	(void)state;
	begin(NULL);
	received = counters()->packets_received;
	for (unsigned id = 10; id < 20000 && p.r.conn->state == CONN_UP; id += 2) {
		PUT(RMDT_FRAME_RESET, id, 11, 0, 0);
		say();
	}
	assert_true(rmdt_ranges_count(&p.r.conn->opened) <= CONN_MAX_OPENED_RANGES);
	assert_true(p.r.conn->state == CONN_CLOSING || counters()->packets_received == received);
	end();
}

static void test_start_beyond_its_bound(void **state)
{
	(void)state;
	begin(NULL);
	p.r.hold_reading = true;
	put_open(1, CONN_MAX_START_OFF);
	say();
	pair_run(&p, s);
	assert_int_equal(p.r.offers, 2);
	assert_true(rmdt_conn_is_up(p.r.conn));
	put_open(2, CONN_MAX_START_OFF + 1);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);
}

static void test_lengths_beyond_their_bounds(void **state)	/* F1 */
{
	static const uint8_t zeros[RMDT_META_BYTES + 1];

	(void)state;
	for (int what = 0; what < 4; what++) {
		begin(NULL);
		switch (what) {
		case 0:
			PUT(RMDT_FRAME_STOP, 0, 1, RMDT_REASON_BYTES + 1);
			break;
		case 1:
			PUT(RMDT_FRAME_CLOSE, UINT64_C(1) << 32, 0);
			break;
		case 2:
			PUT(RMDT_FRAME_OPEN, 1, 0, 1, 1, 0, RMDT_NAME_BYTES + 1);
			break;
		default:
			PUT(RMDT_FRAME_OPEN, 1, 0, 1, 1, 0, 0, RMDT_META_BYTES + 1);
		}
		rmdt_wire_put_bytes(&w, zeros, sizeof(zeros));
		say();
		expect_closed(RMDT_CODE_PROTOCOL);
	}
}

static void test_frames_cut_short(void **state)	/* F1 */
{
	(void)state;
	for (unsigned type = RMDT_FRAME_ACK; type < RMDT_FRAME_COUNT; type++) {
		begin(NULL);
		PUT(type);
		say();
		expect_closed(RMDT_CODE_PROTOCOL);
	}
}

static void test_unknown_frames(void **state)	/* F1 */
{
	(void)state;
	for (unsigned type = RMDT_FRAME_COUNT; type < 256; type += 7) {
		begin(NULL);
		rmdt_wire_put_u8(&w, (uint8_t)type);
		rmdt_wire_put_varint(&w, 5);
		rmdt_wire_put_zeros(&w, 5);
		PUT(RMDT_FRAME_MARK, 0);
		rmdt_wire_put_u8(&w, 1);
		rmdt_wire_put_varint(&w, 77);
		say();
		if (type < RMDT_FRAME_SKIPPABLE) {
			expect_closed(RMDT_CODE_PROTOCOL);
			continue;
		}
		assert_int_equal(p.r.out->mark_off[1], 77);	/* what stands behind it is heard */
		rmdt_wire_put_u8(&w, (uint8_t)type);
		rmdt_wire_put_varint(&w, 5);
		rmdt_wire_put_zeros(&w, 4);
		say();
		expect_closed(RMDT_CODE_PROTOCOL);
	}
}

static void test_messages_pile_up(void **state)
{
	(void)state;
	begin(NULL);
	for (unsigned k = 0; k < 2 * RMDT_CONN_MESSAGE_QUEUE; k++) {
		PUT(RMDT_FRAME_MESSAGE, 3, 1, 2, 3);
		say();
	}
	assert_int_equal(counters()->messages_dropped, RMDT_CONN_MESSAGE_QUEUE);
	expect_up();
}

static void test_large_messages_pile_up(void **state)
{
	static uint8_t large[65000];

	(void)state;
	begin(NULL);
	rmdt_wire_writer_init(&w, large, sizeof(large));
	PUT(RMDT_FRAME_MESSAGE, 60000);
	rmdt_wire_put_zeros(&w, 60000);
	for (unsigned k = 0; k < 100; k++)
		pair_say(&p, &p.i, large, rmdt_wire_written(&w));
	assert_int_equal(counters()->messages_dropped, 100 - RMDT_CONN_MESSAGE_BYTES / 60000);
	while (rmdt_conn_message_take(p.r.conn, large, sizeof(large)) == 60000)
		;
	assert_int_equal(p.r.conn->rx_messages->bytes, 0);
	expect_up();
}

/* A peer that talks, but never acks: what is remembered for it has an end. */
static bool only_data(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	(void)ctx, (void)len;
	return !to_responder || (data[0] & 0xc0) == 0x40;
}

static void test_a_peer_that_never_acks(void **state)
{
	struct pair_options o = { .common = { .dead_after_us = 5 * s } };

	(void)state;
	begin(&o);
	p.filter = only_data;
	for (uint64_t k = 0; k < 80 && rmdt_conn_is_up(p.r.conn); k++) {
		say_data(0, k * 100, 100, false);
		pair_serve(&p, &p.r);
		p.now_us += 100 * ms;
	}
	assert_int_equal(p.r.down_code, RMDT_CODE_TIMEOUT);
	end();
}

/* ---- packets that are not ours ---- */

static void test_reflected_and_strange_packets(void **state)
{
	uint8_t buf[2048];
	size_t len;
	uint64_t forged, received;

	(void)state;
	begin(NULL);
	pair_write(&p, &p.i, 1000);
	pair_serve(&p, &p.i);
	len = p.packet[0].len;
	memcpy(buf, p.packet[0].data, len);
	received = rmdt_conn_counters(p.i.conn)->packets_received;
	forged = rmdt_conn_counters(p.i.conn)->dropped_forged;
	pair_inject(&p, false, buf, len, &p.r.addr);	/* back to its sender: another's id */
	assert_int_equal(rmdt_conn_counters(p.i.conn)->dropped_forged, forged);
	rmdt_wire_store_u32(buf + 1, p.i.cid);
	buf[6] = 1;		/* not seen before */
	pair_inject(&p, false, buf, len, &p.r.addr);	/* with his own */
	assert_int_equal(rmdt_conn_counters(p.i.conn)->dropped_forged, forged + 1);
	assert_int_equal(rmdt_conn_counters(p.i.conn)->packets_received, received);
	for (unsigned bit = 0; bit < 8; bit++) {	/* P4, and forms */
		uint64_t before = counters()->packets_received;

		memcpy(buf, p.packet[0].data, len);
		buf[0] ^= (uint8_t)(1u << bit);
		pair_inject(&p, true, buf, len, &p.i.addr);
		assert_int_equal(counters()->packets_received, before);
	}
	for (size_t cut = 0; cut < len; cut++)	/* P1 */
		pair_inject(&p, true, p.packet[0].data, cut, &p.i.addr);
	pair_run(&p, s);
	assert_int_equal(p.r.read_off, 1000);
	expect_up();
}

/* ---- numbers of packets ---- */

struct numbers {
	uint64_t last[2];
	bool any[2], wrong;
};

static bool watch(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	struct numbers *n = ctx;
	uint64_t pn = rmdt_wire_load_u32(data + 5);

	(void)len;
	if ((data[0] & 0xc0) == 0xc0)
		return true;
	n->wrong |= n->any[to_responder] && pn <= n->last[to_responder];
	n->any[to_responder] = true;
	n->last[to_responder] = pn;
	return pn % 7 != 3;
}

/* P2: under one key no number twice, or the key is lost. */
static void test_no_number_is_used_twice(void **state)
{
	struct numbers n = { 0 };

	(void)state;
	pair_init(&p, NULL);
	p.filter = watch;
	p.ctx = &n;
	pair_up(&p);
	assert_int_equal(pair_open(&p, &p.i, "flow"), 0);
	pair_write(&p, &p.i, 300000);
	pair_run(&p, 5 * s);
	pair_write(&p, &p.i, 300000);
	pair_serve(&p, &p.i);
	rmdt_conn_close(p.i.conn, p.now_us, 1, NULL);
	pair_run(&p, 10 * s);
	assert_false(n.wrong);
	assert_true(n.any[0] && n.any[1]);
	end();
}

/* The same when the books are full and nothing can be entered any more. */
static void test_full_books(void **state)
{
	struct numbers n = { 0 };

	(void)state;
	for (int what = 0; what < 3; what++) {
		begin(NULL);
		memset(&n, 0, sizeof(n));
		p.filter = watch;
		p.ctx = &n;
		rmdt_conn_message_send(p.i.conn, "x", 1);
		pair_serve(&p, &p.i);
		p.i.conn->loss.map.max_pkts = (size_t)rmdt_sentmap_count(&p.i.conn->loss.map);
		if (what == 0)
			pair_write(&p, &p.i, 10000);
		else if (what == 1)
			rmdt_conn_message_send(p.i.conn, "y", 1);
		else
			rmdt_conn_due(p.i.conn, CDUE_PING);
		pair_serve(&p, &p.i);
		p.i.conn->loss.map.max_pkts = 4096;
		rmdt_conn_due(p.i.conn, CDUE_CLOSE);
		if (p.i.conn->state == CONN_UP)
			rmdt_conn_close(p.i.conn, p.now_us, 1, NULL);
		pair_serve(&p, &p.i);
		assert_false(n.wrong);
		end();
	}
}

/* ---- the handshake's packets at a conn ---- */

static void test_handshake_packets_when_up(void **state)
{
	static const uint8_t noise[64];
	uint8_t buf[2048];

	(void)state;
	begin(NULL);
	for (unsigned type = RMDT_HS_INIT; type <= RMDT_HS_UNKNOWN; type++) {
		struct rmdt_handshake_packet h = { .type = type, .suite = 1, .version = 1, .dcid = p.r.cid, .scid = 1,
			.noise = noise, .noise_len = sizeof(noise), .cookie = noise, .cookie_len = 8,
			.code = 5, .reason = "go", .reason_len = 2 };
		size_t len = rmdt_handshake_write(buf, sizeof(buf), &h);
		uint64_t bytes = p.r.bytes;

		pair_inject(&p, true, buf, len, &p.i.addr);
		pair_serve(&p, &p.r);
		assert_true(p.r.bytes - bytes <= 3 * len);
		assert_true(rmdt_conn_is_up(p.r.conn));
	}
	pair_write(&p, &p.i, 1000);
	pair_run(&p, s);
	assert_int_equal(p.r.read_off, 1000);
	expect_up();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ack_of_what_was_never_sent), cmocka_unit_test(test_ack_of_what_was_left_out),
		cmocka_unit_test(test_ack_with_ranges_below_zero), cmocka_unit_test(test_state_beyond_what_was_sent),
		cmocka_unit_test(test_consumed_beyond_received), cmocka_unit_test(test_done_before_the_end),
		cmocka_unit_test(test_the_end_is_for_good), cmocka_unit_test(test_data_beyond_the_credit),
		cmocka_unit_test(test_reset_beyond_the_credit),
		cmocka_unit_test(test_data_of_flows_that_are_not_there),
		cmocka_unit_test(test_frames_about_flows_that_are_not_there),
		cmocka_unit_test(test_open_of_an_id_that_was_used), cmocka_unit_test(test_flood_of_open),
		cmocka_unit_test(test_ids_in_disorder), cmocka_unit_test(test_flood_of_reset),
		cmocka_unit_test(test_start_beyond_its_bound), cmocka_unit_test(test_lengths_beyond_their_bounds),
		cmocka_unit_test(test_frames_cut_short), cmocka_unit_test(test_unknown_frames),
		cmocka_unit_test(test_messages_pile_up),
		cmocka_unit_test(test_large_messages_pile_up), cmocka_unit_test(test_a_peer_that_never_acks),
		cmocka_unit_test(test_reflected_and_strange_packets), cmocka_unit_test(test_no_number_is_used_twice),
		cmocka_unit_test(test_full_books), cmocka_unit_test(test_handshake_packets_when_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Flows from their opening to their many ends. */
#include <errno.h>

#include "unit/conn_steps.h"

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

/* One piece of 100 bytes in a pause of a stream, whose first packet is lost if so wished. How long until it is there? */
static uint64_t small_piece_takes(bool is_lost)
{
	struct lose l = { .from = 0, .to = is_lost, .to_responder = true };
	uint64_t from_us = p.now_us, want = p.r.read_off + 100;

	p.filter = lose;
	p.ctx = &l;
	write_all(100);
	while (p.r.read_off < want && p.now_us - from_us < s)
		pair_run(&p, ms);
	from_us = p.now_us - from_us;
	pair_run(&p, s);
	p.filter = NULL;
	return from_us;
}

/* A keystroke that is lost comes an eighth of a round trip later; on a path that loses nothing none goes twice. */
static void test_a_lost_small_piece_comes_soon(void **state)
{
	(void)state;
	begin(NULL);
	p.delay_us = 50 * ms;
	assert_int_equal(pair_open(&p, &p.i, "keys"), 0);
	pair_run(&p, s);
	for (unsigned i = 0; i < 50; i++)
		(void)small_piece_takes(false);
	/* A new path counts as one that loses. */
	assert_in_range(small_piece_takes(true), 60 * ms, 70 * ms);
	pair_run(&p, CONN_LOSSY_US);
	p.i.conn->counters.chunk_bytes_repaired = 0;
	for (unsigned i = 0; i < 20; i++)
		assert_in_range(small_piece_takes(false), 50 * ms, 52 * ms);
	assert_int_equal(p.i.conn->counters.chunk_bytes_repaired, 0);
	/* Of the first loss it learns by a timeout. */
	assert_in_range(small_piece_takes(true), 150 * ms, 400 * ms);
	for (unsigned i = 0; i < 20; i++)
		assert_in_range(small_piece_takes(true), 60 * ms, 70 * ms);
	assert_in_range(p.i.conn->counters.chunk_bytes_repaired, 2000, 4400);
	pair_run(&p, CONN_LOSSY_US);
	p.i.conn->counters.chunk_bytes_repaired = 0;
	for (unsigned i = 0; i < 20; i++)
		assert_in_range(small_piece_takes(false), 50 * ms, 52 * ms);
	assert_int_equal(p.i.conn->counters.chunk_bytes_repaired, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept_and_deliver),
		cmocka_unit_test(test_an_empty_stream_ends),
		cmocka_unit_test(test_fin_overtakes_open),
		cmocka_unit_test(test_fin_while_the_offer_waits), cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_more_flows_than_are_taken),
		cmocka_unit_test(test_both_directions_and_half_close),
		cmocka_unit_test(test_open_with_all_its_words), cmocka_unit_test(test_flows_share),
		cmocka_unit_test(test_reset), cmocka_unit_test(test_stop),
		cmocka_unit_test(test_no_end_without_a_reason),
		cmocka_unit_test(test_ended_flows_give_their_credit_back),
		cmocka_unit_test(test_marks), cmocka_unit_test(test_start_beyond_the_wire),
		cmocka_unit_test(test_credit_is_respected),
		cmocka_unit_test(test_a_pool_without_blocks),
		cmocka_unit_test(test_a_lost_small_piece_comes_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

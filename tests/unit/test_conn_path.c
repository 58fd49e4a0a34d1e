/* SPDX-License-Identifier: Apache-2.0 */
/* What the way between two conns does to packets, and its changes. */
#include "unit/conn_steps.h"

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

/* Once the responder has said DONE: that packet is lost, the next one passes, and then nothing. */
static bool lose_done(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	unsigned *n = ctx;

	(void)data;
	(void)len;
	if (to_responder || !p.r.in || p.r.in->state != RMDT_INFLOW_DONE)
		return true;
	return ++*n == 2;
}

static void test_a_lost_end_is_said_again_with_the_probe(void **state)
{
	unsigned n = 0;

	(void)state;
	begin_flow(NULL);
	p.i.conn->lossy_until_us = 0;	/* no piece goes twice and draws that next packet */
	p.filter = lose_done;
	p.ctx = &n;
	write_all(1000);
	pair_finish(&p, &p.i);
	pair_run(&p, 2 * s);
	assert_true(n > 1);
	assert_true(p.i.out_flags & RMDT_OUT_DONE);
	p.filter = NULL;
	end();
}

/* The first packets of a flow are lost, both that hold its OPEN, and its DATA comes before it: S2. */
static void test_data_of_an_unknown_flow_is_repaired(void **state)
{
	struct lose l = { .from = 0, .to = 2, .to_responder = true };

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loss_is_repaired),
		cmocka_unit_test(test_a_lost_end_is_said_again_with_the_probe),
		cmocka_unit_test(test_data_of_an_unknown_flow_is_repaired),
		cmocka_unit_test(test_replay_and_reorder), cmocka_unit_test(test_move),
		cmocka_unit_test(test_a_copy_from_elsewhere_does_not_move),
		cmocka_unit_test(test_a_move_through_an_outage),
		cmocka_unit_test(test_mtu_grows_and_shrinks), cmocka_unit_test(test_black_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

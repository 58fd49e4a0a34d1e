/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of flows before a peer with bad manners: positions, credit, ids, floods of flows. */
#include "unit/conn_rude.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_beyond_what_was_sent),
		cmocka_unit_test(test_consumed_beyond_received),
		cmocka_unit_test(test_done_before_the_end),
		cmocka_unit_test(test_the_end_is_for_good),
		cmocka_unit_test(test_data_beyond_the_credit),
		cmocka_unit_test(test_reset_beyond_the_credit),
		cmocka_unit_test(test_data_of_flows_that_are_not_there),
		cmocka_unit_test(test_frames_about_flows_that_are_not_there),
		cmocka_unit_test(test_open_of_an_id_that_was_used),
		cmocka_unit_test(test_flood_of_open),
		cmocka_unit_test(test_ids_in_disorder),
		cmocka_unit_test(test_flood_of_reset),
		cmocka_unit_test(test_start_beyond_its_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

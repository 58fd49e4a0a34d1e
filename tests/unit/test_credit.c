/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/credit.h"

#define MIB ((uint64_t)1024 * 1024)

static void test_start(void **state)
{
	struct rmdt_credit c;

	(void)state;
	rmdt_credit_init(&c, 1000, 16 * MIB, 500 * MIB);
	assert_int_equal(rmdt_credit_limit(&c), 1000 + 16 * MIB);
	assert_false(rmdt_credit_due(&c, 1000));
	rmdt_credit_init(&c, 0, 16 * MIB, 3 * MIB);
	assert_int_equal(rmdt_credit_limit(&c), 3 * MIB);
}

static void test_due(void **state)
{
	struct rmdt_credit c;

	(void)state;
	rmdt_credit_init(&c, 0, 16 * MIB, 16 * MIB);
	rmdt_credit_on_consumed(&c, 2 * MIB - 1, 1000, 1000000);
	assert_false(rmdt_credit_due(&c, 2 * MIB));
	/* Nearly all used: a 32nd is enough. */
	assert_true(rmdt_credit_due(&c, 15 * MIB));
	rmdt_credit_on_consumed(&c, 2 * MIB, 1000, 1000000);
	assert_true(rmdt_credit_due(&c, 2 * MIB));
	assert_int_equal(rmdt_credit_limit(&c), 18 * MIB);
	rmdt_credit_announced(&c, 18 * MIB);
	assert_false(rmdt_credit_due(&c, 18 * MIB));
	rmdt_credit_on_consumed(&c, 2 * MIB + 1400, 1000, 1000000);
	assert_false(rmdt_credit_due(&c, 18 * MIB));
	/* Whoever used everything and is then consumed gets an announcement. */
	rmdt_credit_on_consumed(&c, 18 * MIB, 1000, 1000000);
	assert_true(rmdt_credit_due(&c, 18 * MIB));
	/* Going back is ignored. */
	rmdt_credit_announced(&c, 5);
	rmdt_credit_on_consumed(&c, 5, 1000, 1000000);
	assert_int_equal(rmdt_credit_limit(&c), 34 * MIB);
}

struct path {
	uint64_t bytes_per_ms;		/* of the network */
	uint64_t reads_per_ms;		/* of the reader */
	uint64_t rtt_ms;
	uint64_t sleep_ms;		/* of every second the reader sleeps so long */
};

/*
 * A sender without congestion control over a path: limits take half a round trip, bytes the other
 * half. Returns the window that it comes to within 20 s.
 */
static uint64_t settle(struct rmdt_credit *c, const struct path *path)
{
	static uint64_t limit_at[2000], sent_at[2000];
	uint64_t sent = 0, highest = 0, consumed = 0, half = path->rtt_ms / 2;

	for (uint64_t ms = 0; ms < 20000; ms++) {
		uint64_t limit = ms >= half ? limit_at[(ms - half) % 2000] : 0;

		sent += path->bytes_per_ms;
		if (sent > limit)
			sent = limit;
		sent_at[ms % 2000] = sent;
		highest = ms >= half ? sent_at[(ms - half) % 2000] : 0;
		rmdt_credit_on_data(c, highest);
		if (ms % 1000 >= path->sleep_ms)
			consumed += path->reads_per_ms;
		if (consumed > highest)
			consumed = highest;
		rmdt_credit_on_consumed(c, consumed, path->rtt_ms * 1000, ms * 1000);
		if (rmdt_credit_due(c, highest))
			rmdt_credit_announced(c, rmdt_credit_limit(c));
		limit_at[ms % 2000] = c->limit_off;
	}
	return c->window_bytes;
}

static void test_grows_to_the_path(void **state)
{
	/* 10 Gbit/s over 100 ms: 125 MB in flight. */
	struct path path = { 1250000, 5000000, 100, 0 };
	struct rmdt_credit c;
	uint64_t window;

	(void)state;
	rmdt_credit_init(&c, 0, RMDT_CREDIT_FLOW_BYTES, 2000 * MIB);
	window = settle(&c, &path);
	assert_true(window >= 500000000 && window <= 1000000000);
	/* The path is full: what came within 20 s is nearly all that could. */
	assert_true(c.consumed_off > 1250000ull * 20000 * 90 / 100);
	rmdt_credit_init(&c, 0, RMDT_CREDIT_FLOW_BYTES, 100 * MIB);
	assert_int_equal(settle(&c, &path), 100 * MIB);
}

static void test_stays_small(void **state)
{
	struct path lan = { 1250000, 5000000, 1, 0 };
	struct path sleepy_reader = { 1250000, 50000000, 1, 500 };
	struct path slow_reader = { 1250000, 10000, 100, 0 };
	struct rmdt_credit c;

	(void)state;
	rmdt_credit_init(&c, 0, RMDT_CREDIT_FLOW_BYTES, 2000 * MIB);
	assert_int_equal(settle(&c, &lan), RMDT_CREDIT_FLOW_BYTES);
	rmdt_credit_init(&c, 0, RMDT_CREDIT_FLOW_BYTES, 2000 * MIB);
	assert_int_equal(settle(&c, &slow_reader), RMDT_CREDIT_FLOW_BYTES);
	rmdt_credit_init(&c, 0, RMDT_CREDIT_FLOW_BYTES, 2000 * MIB);
	assert_int_equal(settle(&c, &sleepy_reader), RMDT_CREDIT_FLOW_BYTES);
}

static uint64_t send_limit(enum rmdt_policy_kind kind, uint64_t cwnd, uint64_t sent, uint64_t cap)
{
	return rmdt_credit_send_limit(&(struct rmdt_credit_send){
		.kind = kind, .cap_bytes = cap, .max_cwnd_bytes = cwnd, .sent_bytes = sent });
}

static void test_send_limit(void **state)
{
	(void)state;
	assert_int_equal(send_limit(RMDT_POLICY_BLOCK, 0, 0, 500 * MIB), 4 * MIB);
	assert_int_equal(send_limit(RMDT_POLICY_BLOCK, 0, 10 * MIB, 500 * MIB), 4 * MIB);
	assert_int_equal(send_limit(RMDT_POLICY_BLOCK, 10 * MIB, 10 * MIB, 500 * MIB), 15 * MIB);
	assert_int_equal(send_limit(RMDT_POLICY_BLOCK, 10 * MIB, 100 * MIB, 500 * MIB), 40 * MIB);
	assert_int_equal(send_limit(RMDT_POLICY_BLOCK, UINT64_MAX, 450 * MIB, 500 * MIB), 500 * MIB);
	assert_int_equal(send_limit(RMDT_POLICY_BLOCK, 0, 0, MIB), MIB);
	assert_int_equal(send_limit(RMDT_POLICY_DROP, 10 * MIB, 100 * MIB, 500 * MIB), 105 * MIB);
	assert_int_equal(send_limit(RMDT_POLICY_QUORUM, 0, 499 * MIB, 500 * MIB), 500 * MIB);
}

/* Bytes pile up behind a hole while the reader has taken all it could: the window grows, but not for nothing. */
static void test_window_grows_for_a_reader_that_waits_for_repairs(void **state)
{
	struct rmdt_credit c;

	(void)state;
	rmdt_credit_init(&c, 0, 1000, 1500);
	rmdt_credit_on_data(&c, 1000);
	rmdt_credit_on_starved(&c, 100, 1000);		/* nothing was consumed yet */
	assert_int_equal(rmdt_credit_limit(&c), 1000);
	rmdt_credit_on_consumed(&c, 250, 100, 1000000);
	rmdt_credit_announced(&c, rmdt_credit_limit(&c));
	rmdt_credit_on_starved(&c, 100, 1000000);
	assert_int_equal(rmdt_credit_limit(&c), 250 + 1500);	/* doubled, cut to the most allowed */
	rmdt_credit_init(&c, 0, 1000, 8000);
	rmdt_credit_on_consumed(&c, 300, 100, 1000000);
	rmdt_credit_announced(&c, rmdt_credit_limit(&c));
	rmdt_credit_on_data(&c, 900);			/* 400 of 1000 left: not pressed */
	rmdt_credit_on_starved(&c, 100, 1000000);
	assert_int_equal(rmdt_credit_limit(&c), 1300);
	rmdt_credit_on_data(&c, 1100);
	rmdt_credit_on_starved(&c, 100, 1000000);
	assert_int_equal(rmdt_credit_limit(&c), 2300);
	rmdt_credit_announced(&c, 2300);
	rmdt_credit_on_data(&c, 2300);			/* again, with the same gap: no */
	rmdt_credit_on_starved(&c, 100, 2000000);
	assert_int_equal(rmdt_credit_limit(&c), 2300);
}

/* A thousand flows that all stop being read at once find room for their first windows, and the next one for its. */
static void test_first_windows_of_many(void **state)
{
	const uint64_t max = 250 * MIB;
	uint64_t sum = 0;

	(void)state;
	for (uint32_t n = 1; n <= 1000; n++) {
		uint64_t first = rmdt_credit_first_shared(max, n);

		assert_true(first >= RMDT_CREDIT_SHARED_BYTES);
		assert_true(n == 1 || first <= rmdt_credit_first_shared(max, n - 1));
		sum += first;
	}
	assert_true(sum < max);
	assert_true(rmdt_credit_first_shared(max, 1) >= 15 * MIB);
	assert_int_equal(rmdt_credit_first_shared(max, 0), rmdt_credit_first_shared(max, 1));
	assert_int_equal(rmdt_credit_first_shared(65536, 5), 65536);
}

/* A share bounds what is announced from then on, is announced in parts of itself, and leaves the least that any flow has. */
static void test_share(void **state)
{
	struct rmdt_credit c;

	(void)state;
	rmdt_credit_init(&c, 0, 16 * MIB, 64 * MIB);
	rmdt_credit_set_share(&c, MIB);
	assert_int_equal(rmdt_credit_limit(&c), 16 * MIB);	/* a word is a word */
	rmdt_credit_on_data(&c, 16 * MIB);
	rmdt_credit_on_consumed(&c, 15 * MIB, 1000, 1000000);
	assert_int_equal(rmdt_credit_limit(&c), 16 * MIB);
	rmdt_credit_on_consumed(&c, 15 * MIB + MIB / 16, 1000, 2000000);
	assert_int_equal(rmdt_credit_limit(&c), 16 * MIB + MIB / 16);
	assert_true(rmdt_credit_due(&c, 16 * MIB));
	assert_false(rmdt_credit_due(&c, 15 * MIB));
	rmdt_credit_set_share(&c, 0);
	rmdt_credit_announced(&c, 16 * MIB + MIB / 16);
	rmdt_credit_on_consumed(&c, 17 * MIB, 1000, 3000000);
	assert_int_equal(rmdt_credit_limit(&c), 17 * MIB + RMDT_CREDIT_SHARED_BYTES);
	rmdt_credit_set_share(&c, 1000 * MIB);
	assert_true(rmdt_credit_limit(&c) <= 17 * MIB + 64 * MIB);
	rmdt_credit_open(&c);
	assert_int_equal(rmdt_credit_limit(&c), 17 * MIB + 64 * MIB);
}

/* However many stand still one after another, each leaves something for the next. */
static void test_shares_leave_room(void **state)
{
	uint64_t held = 0, cap = 400 * MIB;

	(void)state;
	for (int k = 0; k < 20; k++)
		held += rmdt_credit_share(cap - held);
	assert_true(held < cap && cap - held > MIB);
}

static void test_slow(void **state)
{
	struct rmdt_credit c;

	(void)state;
	rmdt_credit_init(&c, 0, 16 * MIB, 64 * MIB);
	rmdt_credit_on_consumed(&c, 1000, 1000, 1000);
	assert_true(rmdt_credit_is_slow(&c));
	rmdt_credit_on_consumed(&c, 70000, 1000, 1500);
	assert_false(rmdt_credit_is_slow(&c));
	rmdt_credit_on_consumed(&c, 70001, 1000, 5000);
	assert_true(rmdt_credit_is_slow(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window_grows_for_a_reader_that_waits_for_repairs),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_grows_to_the_path),
		cmocka_unit_test(test_stays_small),
		cmocka_unit_test(test_send_limit),
		cmocka_unit_test(test_first_windows_of_many),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_shares_leave_room),
		cmocka_unit_test(test_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

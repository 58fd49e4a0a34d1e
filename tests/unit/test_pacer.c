/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pacer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MTU 1400

static void test_sizes(void **state)
{
	static const struct {
		uint64_t rate, train, burst;
	} rows[] = {
		{ 1, 2 * MTU, 4 * MTU },                   /* slow: packet pairs */
		{ 12500000, 12500, 25000 },                /* 100 Mbit/s: 1 ms */
		{ 125000000, 65536, 131072 },              /* 1 Gbit/s: full trains */
		{ 12500000000, 65536, 12500000 },          /* 100 Gbit/s: 1 ms of trains */
		{ 99999999999, 65536, 99999999 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rmdt_pacer p;

		rmdt_pacer_init(&p, 1, rows[i].rate, MTU);
		assert_int_equal(rmdt_pacer_train_bytes(&p), rows[i].train);
		assert_int_equal(p.burst_bytes, rows[i].burst);
		assert_int_equal(rmdt_pacer_budget(&p, 1), rows[i].burst);
	}
}

static void test_unlimited_and_stopped(void **state)
{
	struct rmdt_pacer p;

	(void)state;
	rmdt_pacer_init(&p, 0, RMDT_PACER_UNLIMITED, MTU);
	rmdt_pacer_spend(&p, 5, UINT64_MAX);
	assert_true(rmdt_pacer_budget(&p, 5) == UINT64_MAX);
	assert_int_equal(rmdt_pacer_next_us(&p, 5, UINT64_MAX), 5);

	rmdt_pacer_set_rate(&p, 6, 0);
	rmdt_pacer_spend(&p, 6, rmdt_pacer_budget(&p, 6));
	assert_int_equal(rmdt_pacer_budget(&p, UINT64_C(1) << 60), 0);
	assert_true(rmdt_pacer_next_us(&p, UINT64_C(1) << 60, 1) == UINT64_MAX);
}

static void test_debt_is_earned_back(void **state)
{
	struct rmdt_pacer p;

	(void)state;
	/* 1 byte per microsecond; burst 4 packets. */
	rmdt_pacer_init(&p, 1000, 1000000, MTU);
	rmdt_pacer_spend(&p, 1000, 4 * MTU + 500);
	assert_int_equal(rmdt_pacer_budget(&p, 1000), 0);
	assert_int_equal(rmdt_pacer_budget(&p, 1500), 0);
	assert_int_equal(rmdt_pacer_budget(&p, 1501), 1);
	assert_int_equal(rmdt_pacer_next_us(&p, 1501, MTU), 1500 + MTU);
	assert_int_equal(rmdt_pacer_budget(&p, 1500 + MTU - 1), MTU - 1);
	assert_int_equal(rmdt_pacer_budget(&p, 1500 + MTU), MTU);
	/* More than the burst is never promised. */
	assert_int_equal(rmdt_pacer_next_us(&p, 1500 + MTU, UINT64_MAX), 1500 + 4 * MTU);
	assert_int_equal(rmdt_pacer_next_us(&p, 1500 + MTU, 0), 1500 + MTU);
}

static void test_idle_and_time_going_back(void **state)
{
	struct rmdt_pacer p;

	(void)state;
	rmdt_pacer_init(&p, 1000, 1000000, MTU);
	rmdt_pacer_spend(&p, 1000, 4 * MTU);
	assert_int_equal(rmdt_pacer_budget(&p, UINT64_MAX), 4 * MTU);
	rmdt_pacer_spend(&p, UINT64_MAX, 4 * MTU);
	assert_int_equal(rmdt_pacer_budget(&p, 5), 0);

	/* Just a bit longer than the burst takes. */
	rmdt_pacer_init(&p, 0, 1000000, MTU);
	rmdt_pacer_spend(&p, 0, 4 * MTU);
	assert_int_equal(rmdt_pacer_budget(&p, 4 * MTU + 2), 4 * MTU);
}

static void test_rate_change(void **state)
{
	struct rmdt_pacer p;

	(void)state;
	rmdt_pacer_init(&p, 0, 1000000000, MTU);
	assert_int_equal(rmdt_pacer_budget(&p, 0), 1000000);
	/* Slower: credit shrinks to the new burst at once. */
	rmdt_pacer_set_rate(&p, 0, 1000000);
	assert_int_equal(rmdt_pacer_budget(&p, 0), 4 * MTU);
	/* Faster: nothing is given for free, what was earned before counts at the old rate. */
	rmdt_pacer_spend(&p, 0, 4 * MTU);
	rmdt_pacer_set_rate(&p, 100, 1000000000);
	assert_int_equal(rmdt_pacer_budget(&p, 100), 100);
	assert_int_equal(rmdt_pacer_budget(&p, 101), 1100);
	/* A debt made at a fast rate does not stall a slow one for long. */
	rmdt_pacer_spend(&p, 101, 1000000);
	rmdt_pacer_set_rate(&p, 101, 1000000);
	assert_int_equal(rmdt_pacer_next_us(&p, 101, 1), 101 + 4 * MTU + 1);
	/* A larger packet widens a small burst. */
	rmdt_pacer_set_mtu(&p, 101, 9000);
	assert_int_equal(p.burst_bytes, 36000);
}

/*
 * A sender that always has data and wakes when told, a bit late at random: over any stretch it
 * must send rate * time, but for one burst and one train.
 */
static void test_no_drift(void **state)
{
	static const uint64_t rates[] = { 7,	     12345,	  1000003,	 124999999,
					  1250000001, 9999999967, 99999999977 };
	uint32_t seed = 3;

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct rmdt_pacer p;
		uint64_t now_us = 1, sent = 0, start_us, due;

		rmdt_pacer_init(&p, now_us, rates[i], MTU);
		rmdt_pacer_spend(&p, now_us, p.burst_bytes);
		start_us = now_us;
		for (int step = 0; step < 20000; step++) {
			uint64_t train = rmdt_pacer_train_bytes(&p) - step % 7;

			while (rmdt_pacer_budget(&p, now_us) >= train) {
				rmdt_pacer_spend(&p, now_us, train);
				sent += train;
			}
			now_us = rmdt_pacer_next_us(&p, now_us, train);
			seed = seed * 1664525 + 1013904223;
			/* Late by less than the slack of a burst over a train. */
			now_us += (seed >> 8) % 256 * (p.burst_bytes - train) / 260 * 1000000 /
				  rates[i] / 256;
		}
		due = (uint64_t)((unsigned __int128)(now_us - start_us) * rates[i] / 1000000);
		assert_true(sent <= due);
		assert_true(due - sent <= p.burst_bytes + 1);
	}
}

/* Asking often must neither lose nor gain a byte. */
static void test_asking_costs_nothing(void **state)
{
	struct rmdt_pacer p;

	(void)state;
	rmdt_pacer_init(&p, 0, 333333, MTU);
	rmdt_pacer_spend(&p, 0, p.burst_bytes + 1000000);
	for (uint64_t t = 1; t <= 3000000; t++)
		(void)rmdt_pacer_budget(&p, t);
	/* 3 s at 333333 bytes/s are 999999 bytes: one byte is still owed. */
	assert_int_equal(rmdt_pacer_budget(&p, 3000000), 0);
	assert_int_equal(rmdt_pacer_next_us(&p, 3000000, 1), 3000007);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_unlimited_and_stopped),
		cmocka_unit_test(test_debt_is_earned_back),
		cmocka_unit_test(test_idle_and_time_going_back),
		cmocka_unit_test(test_rate_change),
		cmocka_unit_test(test_no_drift),
		cmocka_unit_test(test_asking_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rtt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S UINT64_C(1000000)

static void test_before_the_first_sample(void **state)
{
	struct rmdt_rtt r;

	(void)state;
	rmdt_rtt_init(&r, 0);
	assert_false(rmdt_rtt_is_known(&r));
	assert_int_equal(r.srtt_us, RMDT_RTT_INITIAL_US);
	assert_int_equal(rmdt_rtt_floor_us(&r), RMDT_RTT_INITIAL_US);
	/* srtt + 4 * srtt / 2 + delay */
	assert_int_equal(rmdt_rtt_pto_us(&r, 25000), 3 * RMDT_RTT_INITIAL_US + 25000);
	rmdt_rtt_init(&r, 100000);
	assert_int_equal(rmdt_rtt_pto_us(&r, 0), 300000);
}

static void test_first_sample_replaces_the_guess(void **state)
{
	struct rmdt_rtt r;

	(void)state;
	rmdt_rtt_init(&r, 0);
	rmdt_rtt_sample(&r, 5 * S, 80000, 20000);
	assert_true(rmdt_rtt_is_known(&r));
	assert_int_equal(r.latest_us, 80000);
	assert_int_equal(r.srtt_us, 80000);
	assert_int_equal(r.rttvar_us, 40000);
	assert_int_equal(r.min_us, 80000);
}

static void test_ack_delay_never_goes_below_the_minimum(void **state)
{
	struct rmdt_rtt r;

	(void)state;
	rmdt_rtt_init(&r, 0);
	rmdt_rtt_sample(&r, S, 80000, 0);
	/* 100 ms of which 20 ms were the peer's: just the path's 80 ms. */
	rmdt_rtt_sample(&r, S + 1, 100000, 20000);
	assert_int_equal(r.srtt_us, 80000);
	assert_int_equal(r.rttvar_us, 30000);
	/* A delay that cannot be true is not subtracted. */
	rmdt_rtt_sample(&r, S + 2, 88000, 20000);
	assert_int_equal(r.srtt_us, 81000);
	rmdt_rtt_sample(&r, S + 3, 81000, UINT64_MAX);
	assert_int_equal(r.srtt_us, 81000);
	assert_int_equal(r.min_us, 80000);
}

static void test_converges(void **state)
{
	struct rmdt_rtt r;

	(void)state;
	rmdt_rtt_init(&r, 0);
	rmdt_rtt_sample(&r, 0, 300000, 0);
	for (uint64_t i = 1; i <= 100; i++)
		rmdt_rtt_sample(&r, i * 1000, 40, 0);
	assert_in_range(r.srtt_us, 40, 44);
	assert_in_range(r.rttvar_us, 0, 8);
	/* Granularity keeps the timer above the noise. */
	assert_in_range(rmdt_rtt_pto_us(&r, 0), 1040, 1044);
}

static void test_zero_sample_counts_as_one(void **state)
{
	struct rmdt_rtt r;

	(void)state;
	rmdt_rtt_init(&r, 0);
	rmdt_rtt_sample(&r, 0, 0, 0);
	assert_int_equal(r.min_us, 1);
	assert_int_equal(r.srtt_us, 1);
}

/* The minimum must hold for half a window at least and be forgotten after a whole one. */
static void test_minimum_ages(void **state)
{
	uint64_t step_us = 100000;

	(void)state;
	for (uint64_t phase_us = 0; phase_us < RMDT_RTT_MIN_WINDOW_US; phase_us += S) {
		struct rmdt_rtt r;
		uint64_t low_us = phase_us;

		rmdt_rtt_init(&r, 0);
		for (uint64_t t = 0; t <= low_us; t += step_us)
			rmdt_rtt_sample(&r, t, 50000, 0);
		rmdt_rtt_sample(&r, low_us, 20000, 0);
		for (uint64_t t = low_us + step_us; t < low_us + 11 * S; t += step_us) {
			rmdt_rtt_sample(&r, t, 70000, 0);
			if (t < low_us + RMDT_RTT_MIN_WINDOW_US / 2)
				assert_int_equal(r.min_us, 20000);
			if (t >= low_us + RMDT_RTT_MIN_WINDOW_US)
				assert_int_equal(r.min_us, 70000);
		}
	}
}

static void test_minimum_after_silence(void **state)
{
	struct rmdt_rtt r;

	(void)state;
	rmdt_rtt_init(&r, 0);
	rmdt_rtt_sample(&r, S, 20000, 0);
	rmdt_rtt_sample(&r, 100 * S, 90000, 0);
	assert_int_equal(r.min_us, 90000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_the_first_sample),
		cmocka_unit_test(test_first_sample_replaces_the_guess),
		cmocka_unit_test(test_ack_delay_never_goes_below_the_minimum),
		cmocka_unit_test(test_converges),
		cmocka_unit_test(test_zero_sample_counts_as_one),
		cmocka_unit_test(test_minimum_ages),
		cmocka_unit_test(test_minimum_after_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

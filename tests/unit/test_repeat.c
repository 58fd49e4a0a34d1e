/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/repeat.h"

#define RTT_US 100000
#define MUCH 1000000000

static uint64_t wait_us;

static int setup(void **state)
{
	static struct rmdt_repeat r;

	rmdt_repeat_init(&r);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	rmdt_repeat_fini(*state);
	return 0;
}

/* What goes out at now_us, all of it; bytes. */
static uint64_t send_all(struct rmdt_repeat *r, uint64_t budget_bytes, uint64_t now_us)
{
	struct rmdt_range range;
	uint64_t sum = 0;

	while (rmdt_repeat_next(r, RTT_US, budget_bytes, now_us, &range, &wait_us)) {
		uint64_t len = range.end - range.start < 1000 ? range.end - range.start : 1000;

		assert_true(len > 0);
		rmdt_repeat_sent(r, range.start, range.start + len);
		sum += len;
		assert_true(sum < 100000000);
	}
	assert_true(wait_us > now_us);
	return sum;
}

static void test_nothing_doubted_nothing_sent(void **state)
{
	assert_int_equal(send_all(*state, MUCH, 1), 0);
	assert_true(wait_us == UINT64_MAX);
}

static void test_repeats_soon_and_then_every_half_round_trip(void **state)
{
	struct rmdt_repeat *r = *state;
	unsigned times = 0;

	assert_int_equal(send_all(r, MUCH, 1000000), 0);
	rmdt_repeat_doubt(r, 5000, 8000);
	/* Not at the same moment as the repair. */
	assert_int_equal(send_all(r, MUCH, 1000100), 0);
	assert_int_equal(wait_us, 1000000 + RTT_US / 8);
	for (uint64_t now_us = wait_us; now_us < 1000000 + RTT_US; now_us = wait_us) {
		uint64_t sent = send_all(r, MUCH, now_us);

		assert_true(sent == 3000 || sent == 6000);	/* the first pass may follow at once */
		times += (unsigned)(sent / 3000);
	}
	assert_in_range(times, 2, 3);
}

/* Pacing may stretch a pass beyond the time of the next one. */
static void test_never_asks_for_a_time_gone_by(void **state)
{
	struct rmdt_repeat *r = *state;
	struct rmdt_range range;
	uint64_t now_us = 1000000;

	rmdt_repeat_doubt(r, 0, 5000);
	for (unsigned i = 0; i < 40; i++) {
		if (rmdt_repeat_next(r, RTT_US, MUCH, now_us, &range, &wait_us)) {
			rmdt_repeat_sent(r, range.start, range.start + 1000);
			now_us += RTT_US / 4;
		} else {
			assert_true(wait_us > now_us);
			now_us = wait_us;
		}
	}
}

static void test_stops_when_acked(void **state)
{
	struct rmdt_repeat *r = *state;

	rmdt_repeat_doubt(r, 5000, 8000);
	rmdt_repeat_doubt(r, 9000, 10000);
	assert_true(send_all(r, MUCH, 1000000) >= 4000);
	rmdt_repeat_acked(r, 6000, 8000);
	rmdt_repeat_clip(r, 6000);
	assert_int_equal(send_all(r, MUCH, 2000000), 1000);
	rmdt_repeat_acked(r, 9000, 10000);
	assert_int_equal(send_all(r, MUCH, 3000000), 0);
	assert_true(wait_us == UINT64_MAX);
}

static void test_acked_before_its_turn_is_not_repeated(void **state)
{
	struct rmdt_repeat *r = *state;

	rmdt_repeat_doubt(r, 5000, 8000);
	rmdt_repeat_acked(r, 5000, 7500);
	assert_true(send_all(r, MUCH, 1000000) <= 1000);
}

/* A repair that falls into a pass is repeated between its chunks; the pass goes on where it was. */
static void test_a_pass_is_not_thrown_back(void **state)
{
	struct rmdt_repeat *r = *state;
	uint64_t now_us = 1000000, sum = 0;
	struct rmdt_range range;

	rmdt_repeat_doubt(r, 100000, 110000);
	(void)send_all(r, 10000, now_us);
	now_us += RTT_US;
	assert_true(rmdt_repeat_next(r, RTT_US, MUCH, now_us, &range, &wait_us));
	rmdt_repeat_sent(r, range.start, range.start + 9000);
	rmdt_repeat_doubt(r, 5000, 6000);
	now_us = r->fresh_us;
	assert_true(rmdt_repeat_next(r, RTT_US, MUCH, now_us, &range, &wait_us));
	assert_int_equal(range.start, 5000);
	rmdt_repeat_sent(r, 5000, 6000);
	/* What is left of the pass is its last chunk. */
	while (now_us < r->pass_us && rmdt_repeat_next(r, RTT_US, MUCH, now_us, &range, &wait_us)) {
		rmdt_repeat_sent(r, range.start, range.end);
		sum += range.end - range.start;
	}
	assert_int_equal(sum, 1000);
}

static void test_keeps_to_its_budget(void **state)
{
	struct rmdt_repeat *r = *state;
	uint64_t sum = 0;

	rmdt_repeat_doubt(r, 0, 10000);
	for (unsigned i = 0; i < 100; i++)
		sum += send_all(r, 15000, 1000000 + i * RTT_US);
	/* The first repetition of all; a second is more than its part of what is left. */
	assert_int_equal(sum, 10000);
	rmdt_repeat_acked(r, 0, 9000);
	for (unsigned i = 0; i < 100; i++)
		sum += send_all(r, 15000, 20000000 + i * RTT_US);
	/* Little is left to repeat, and that is repeated while a pass is a small part of what is left. */
	assert_in_range(sum, 11000, 13000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_doubted_nothing_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_repeats_soon_and_then_every_half_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_asks_for_a_time_gone_by, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stops_when_acked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_acked_before_its_turn_is_not_repeated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_pass_is_not_thrown_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keeps_to_its_budget, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

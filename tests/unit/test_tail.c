/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/tail.h"

static struct rmdt_range r;
static uint64_t wait_us;

static void test_nothing_sent_nothing_repeated(void **state)
{
	struct rmdt_tail t = { 0 };

	(void)state;
	assert_false(rmdt_tail_next(&t, 1000, &r, &wait_us));
	assert_true(wait_us == UINT64_MAX);
}

static void test_goes_once_more_when_due(void **state)
{
	struct rmdt_tail t = { 0 };

	(void)state;
	rmdt_tail_sent(&t, 100, 200, 5000);
	assert_false(rmdt_tail_next(&t, 4999, &r, &wait_us));
	assert_int_equal(wait_us, 5000);
	assert_true(rmdt_tail_next(&t, 5000, &r, &wait_us));
	assert_int_equal(r.start, 100);
	assert_int_equal(r.end, 200);
	rmdt_tail_forget(&t);
	assert_false(rmdt_tail_next(&t, 6000, &r, &wait_us));
	assert_true(wait_us == UINT64_MAX);
}

static void test_typing_on_does_not_put_it_off(void **state)
{
	struct rmdt_tail t = { 0 };

	(void)state;
	rmdt_tail_sent(&t, 100, 110, 5000);
	rmdt_tail_sent(&t, 110, 120, 6000);
	assert_true(rmdt_tail_next(&t, 5000, &r, &wait_us));
	assert_int_equal(r.start, 100);
	assert_int_equal(r.end, 120);
	/* What has no part in it begins anew. */
	rmdt_tail_sent(&t, 5000, 5010, 9000);
	assert_false(rmdt_tail_next(&t, 8000, &r, &wait_us));
	assert_int_equal(wait_us, 9000);
}

static void test_much_is_not_watched(void **state)
{
	struct rmdt_tail t = { 0 };

	(void)state;
	rmdt_tail_sent(&t, 0, RMDT_TAIL_BYTES, 5000);
	assert_true(rmdt_tail_next(&t, 5000, &r, &wait_us));
	rmdt_tail_sent(&t, RMDT_TAIL_BYTES, RMDT_TAIL_BYTES + 1, 6000);
	assert_false(rmdt_tail_next(&t, 9000, &r, &wait_us));
	assert_true(wait_us == UINT64_MAX);
}

static void test_what_arrived_is_not_repeated(void **state)
{
	struct rmdt_tail t = { 0 };

	(void)state;
	rmdt_tail_sent(&t, 100, 200, 5000);
	rmdt_tail_acked(&t, 0, 100);
	assert_true(rmdt_tail_next(&t, 5000, &r, &wait_us));
	assert_int_equal(r.start, 100);
	rmdt_tail_acked(&t, 100, 150);
	assert_true(rmdt_tail_next(&t, 5000, &r, &wait_us));
	assert_int_equal(r.start, 150);
	rmdt_tail_acked(&t, 0, 1000);
	assert_false(rmdt_tail_next(&t, 5000, &r, &wait_us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_sent_nothing_repeated),
		cmocka_unit_test(test_goes_once_more_when_due),
		cmocka_unit_test(test_typing_on_does_not_put_it_off),
		cmocka_unit_test(test_much_is_not_watched),
		cmocka_unit_test(test_what_arrived_is_not_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

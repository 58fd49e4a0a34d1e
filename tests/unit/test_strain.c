/* SPDX-License-Identifier: Apache-2.0 */
#include "core/strain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LOOK ((uint64_t)RMDT_STRAIN_LOOK_US)
#define START UINT64_C(5000000)

static struct rmdt_strain begin(void)
{
	struct rmdt_strain s;

	rmdt_strain_looked(&s, START);
	return s;
}

static void test_pressed_all_the_time(void **state)
{
	struct rmdt_strain s = begin();

	(void)state;
	for (uint64_t t = 0; t < LOOK; t += 50)
		assert_false(rmdt_strain_pressed(&s, START + t));
	assert_true(rmdt_strain_pressed(&s, START + LOOK));
	/* Each look begins a new time. */
	rmdt_strain_looked(&s, START + LOOK);
	assert_false(rmdt_strain_pressed(&s, START + 2 * LOOK - 1));
	assert_true(rmdt_strain_pressed(&s, START + 2 * LOOK));
}

static void test_one_rest_acquits(void **state)
{
	struct rmdt_strain s = begin();

	(void)state;
	assert_false(rmdt_strain_pressed(&s, START + 10));
	assert_false(rmdt_strain_rested(&s, START + 20));
	assert_false(rmdt_strain_pressed(&s, START + LOOK - 1));
	assert_false(rmdt_strain_pressed(&s, START + LOOK));
	assert_false(rmdt_strain_pressed(&s, START + 5 * LOOK));
	/* Until the look, which is due at the next rest. */
	assert_true(rmdt_strain_rested(&s, START + 5 * LOOK));
	rmdt_strain_looked(&s, START + 5 * LOOK);
	assert_true(rmdt_strain_pressed(&s, START + 6 * LOOK));
}

/* What was done last must be seen, also when nothing follows it. */
static void test_a_look_after_the_last_rest(void **state)
{
	struct rmdt_strain s = begin();

	(void)state;
	assert_true(rmdt_strain_next_us(&s) == UINT64_MAX);
	assert_false(rmdt_strain_rested(&s, START + 20));
	assert_true(rmdt_strain_next_us(&s) == START + LOOK);
	assert_true(rmdt_strain_rested(&s, START + LOOK));
	rmdt_strain_looked(&s, START + LOOK);
	assert_true(rmdt_strain_next_us(&s) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pressed_all_the_time),
		cmocka_unit_test(test_one_rest_acquits),
		cmocka_unit_test(test_a_look_after_the_last_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

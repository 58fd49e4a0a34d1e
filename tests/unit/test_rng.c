/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rng.h"

static void test_same_seed_same_bytes(void **state)
{
	uint8_t seed[32] = { 1, 2, 3 }, a[100], b[100];
	struct rmdt_rng x, y;

	(void)state;
	rmdt_rng_init(&x, seed);
	rmdt_rng_init(&y, seed);
	rmdt_rng_bytes(&x, a, sizeof(a));
	rmdt_rng_bytes(&y, b, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
	rmdt_rng_bytes(&x, a, sizeof(a));
	assert_memory_not_equal(a, b, sizeof(a));
}

static void test_other_seed_other_bytes(void **state)
{
	uint8_t seed[32] = { 0 }, other[32] = { 0 };
	struct rmdt_rng x, y;

	(void)state;
	other[31] = 1;
	rmdt_rng_init(&x, seed);
	rmdt_rng_init(&y, other);
	assert_int_not_equal(rmdt_rng_u64(&x), rmdt_rng_u64(&y));
}

/* Every bit is set about as often as not. */
static void test_bits_are_even(void **state)
{
	uint8_t seed[32] = { 9 };
	unsigned ones[64] = { 0 };
	struct rmdt_rng x;

	(void)state;
	rmdt_rng_init(&x, seed);
	for (int i = 0; i < 4000; i++) {
		uint64_t v = rmdt_rng_u64(&x);

		for (int bit = 0; bit < 64; bit++)
			ones[bit] += v >> bit & 1;
	}
	for (int bit = 0; bit < 64; bit++)
		assert_in_range(ones[bit], 1800, 2200);
}

/*
 * A later state does not tell what was drawn before: the state after a draw is not the one before.
 */
static void test_state_moves_on(void **state)
{
	uint8_t seed[32] = { 4 }, before[32], out[1];
	struct rmdt_rng x;

	(void)state;
	rmdt_rng_init(&x, seed);
	memcpy(before, x.state, 32);
	rmdt_rng_bytes(&x, out, 1);
	assert_memory_not_equal(before, x.state, 32);
	rmdt_rng_fini(&x);
	memset(before, 0, 32);
	assert_memory_equal(before, x.state, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_seed_same_bytes),
			cmocka_unit_test(test_other_seed_other_bytes),
		cmocka_unit_test(test_bits_are_even), cmocka_unit_test(test_state_moves_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

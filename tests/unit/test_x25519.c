/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "core/x25519.h"
#include "tests/unit/hex.h"

#define KEY RMDT_X25519_BYTES

static void check(const uint8_t *got, const char *hex)
{
	uint8_t want[KEY];

	hex_bytes(hex, want, sizeof want);
	assert_memory_equal(got, want, KEY);
}

/* RFC 7748, 5.2: k and u begin as the base point; each step k becomes X25519(k, u), u the old k. */
static void test_iterated(void **state)
{
	uint8_t k[KEY] = { 9 }, u[KEY] = { 9 }, next[KEY];

	(void)state;
	for (int i = 1; i <= 1000; i++) {
		assert_int_equal(rmdt_x25519_shared(k, u, next), 0);
		memcpy(u, k, KEY);
		memcpy(k, next, KEY);
		if (i == 1)
			check(k, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
	}
	check(k, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

static void test_public(void **state)
{
	const uint8_t base[KEY] = { 9 };
	uint8_t a[KEY], b[KEY], pub_a[KEY], pub_b[KEY], shared_a[KEY], shared_b[KEY];
	uint64_t seed = 25519;

	(void)state;
	assert_int_equal(rmdt_x25519_public(base, pub_a), 0);
	check(pub_a, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
	seeded_bytes(&seed, a, KEY);
	seeded_bytes(&seed, b, KEY);
	assert_int_equal(rmdt_x25519_public(a, pub_a), 0);
	assert_int_equal(rmdt_x25519_public(b, pub_b), 0);
	assert_int_equal(rmdt_x25519_shared(a, pub_b, shared_a), 0);
	assert_int_equal(rmdt_x25519_shared(b, pub_a, shared_b), 0);
	assert_memory_equal(shared_a, shared_b, KEY);
}

/* Points of small order, and the same not reduced: no private key gives a secret with them. */
static void test_small_order(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	uint8_t priv[KEY], point[KEY], shared[KEY], before[KEY];
	uint64_t seed = 7748;

	(void)state;
	for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
		seeded_bytes(&seed, priv, KEY);
		memset(shared, 0xaa, KEY);
		memset(before, 0xaa, KEY);
		hex_bytes(points[i], point, KEY);
		assert_int_equal(rmdt_x25519_shared(priv, point, shared), -EBADMSG);
		assert_memory_equal(shared, before, KEY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iterated),
		cmocka_unit_test(test_public),
		cmocka_unit_test(test_small_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

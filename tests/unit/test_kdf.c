/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/kdf.h"
#include "tests/unit/hex.h"

static void check(const uint8_t *got, const char *hex, size_t len)
{
	uint8_t want[64];

	assert_int_equal(hex_bytes(hex, want, sizeof want), len);
	assert_memory_equal(got, want, len);
}

/* FIPS 180-2, "abc", in two pieces and with an empty one. */
static void test_sha256(void **state)
{
	const struct rmdt_piece pieces[] = { { "a", 1 }, { NULL, 0 }, { "bc", 2 } };
	uint8_t out[RMDT_HASH_BYTES];

	(void)state;
	assert_int_equal(rmdt_kdf_sha256(pieces, 3, out), 0);
	check(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 32);
}

/* RFC 4231, test case 1; its key of 20 bytes is the same as with zeros behind it. */
static void test_hmac(void **state)
{
	const struct rmdt_piece pieces[] = { { "Hi ", 3 }, { "There", 5 } };
	uint8_t key[RMDT_HASH_BYTES] = { 0 }, out[RMDT_HASH_BYTES];

	(void)state;
	memset(key, 0x0b, 20);
	assert_int_equal(rmdt_kdf_hmac(key, pieces, 2, out), 0);
	check(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", 32);
}

/* RFC 5869, test case 1, the first 32 bytes: the info is label and context together. */
static void test_expand(void **state)
{
	uint8_t prk[32], out[32], context[9];

	(void)state;
	hex_bytes("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", prk, 32);
	hex_bytes("f1f2f3f4f5f6f7f8f9", context, 9);
	assert_int_equal(rmdt_kdf_expand(prk, "\xf0", (struct rmdt_piece){ context, 9 }, out, 32),
			 0);
	check(out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf", 32);
}

static void test_expand_short(void **state)
{
	const struct rmdt_piece none = { NULL, 0 };
	uint8_t prk[32] = { 1 }, a[32], b[13] = { [12] = 0x77 };

	(void)state;
	assert_int_equal(rmdt_kdf_expand(prk, "x", none, a, 32), 0);
	assert_int_equal(rmdt_kdf_expand(prk, "x", none, b, 12), 0);
	assert_memory_equal(a, b, 12);
	assert_int_equal(b[12], 0x77);
	assert_int_equal(rmdt_kdf_expand(prk, "y", none, b, 12), 0);
	assert_memory_not_equal(a, b, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_expand_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base64.h"
#include "tests/unit/hex.h"

static void test_rfc4648(void **state)
{
	static const char *const rows[][3] = {	/* text, padded, without */
		{ "", "", "" },
		{ "f", "Zg==", "Zg" },
		{ "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" },
		{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/", "+/+/" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t len = strlen(rows[i][0]);

		for (int pad = 0; pad < 2; pad++) {
			const char *want = rows[i][pad ? 1 : 2];
			char text[16];
			uint8_t bytes[16];

			rmdt_base64_encode((const uint8_t *)rows[i][0], len, pad, text);
			assert_string_equal(text, want);
			assert_int_equal(rmdt_base64_decode(want, strlen(want), bytes), len);
			assert_memory_equal(bytes, rows[i][0], len);
		}
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"Z", "=", "==", "====", "Z===", "Zg=", "Zg===", "Zm9v=", "Zm9v====", "Zh==", "Zm9=",
		"Zm=v", "Z g==", "Zg==\n", " Zg==", "Zm9-", "Zm9_", "Zm9v\xff\xff\xff\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		uint8_t bytes[16];

		assert_int_equal(rmdt_base64_decode(bad[i], strlen(bad[i]), bytes), -EINVAL);
	}
}

static void test_both_ways(void **state)
{
	uint8_t bytes[100], back[100];
	char text[RMDT_BASE64_CHARS(100) + 1];
	uint64_t seed = 64;

	(void)state;
	for (size_t len = 0; len <= sizeof bytes; len++) {
		seeded_bytes(&seed, bytes, len);
		rmdt_base64_encode(bytes, len, true, text);
		assert_int_equal(strlen(text), RMDT_BASE64_CHARS(len));
		assert_int_equal(rmdt_base64_decode(text, strlen(text), back), len);
		assert_memory_equal(bytes, back, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc4648),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/trust.h"
#include "tests/unit/hex.h"

#define KEY RMDT_TRUST_KEY_BYTES
#define B64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="	/* of 00 01 .. 1f */

static uint8_t counting[KEY];

static int setup(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < KEY; i++)
		counting[i] = i;
	return 0;
}

static void test_fingerprint(void **state)
{
	char text[RMDT_TRUST_FINGERPRINT_BYTES];

	(void)state;
	assert_int_equal(rmdt_trust_fingerprint(counting, text), 0);
	assert_string_equal(text, "SHA256:Yw3NKWbEM2aRElRIu7JbT/QSpJxzLbLIq8G4WBvXEN0");
	assert_int_equal(strlen(text) + 1, RMDT_TRUST_FINGERPRINT_BYTES);
}

static void test_base64(void **state)
{
	char text[RMDT_TRUST_BASE64_BYTES];
	uint8_t key[KEY] = { 0xaa }, before[KEY] = { 0xaa };

	(void)state;
	rmdt_trust_base64(counting, text);
	assert_string_equal(text, B64);
	/* Without padding, one byte more, one less, and unused bits: not a key. */
	assert_int_equal(rmdt_trust_unbase64(B64, 43, key), -EINVAL);
	assert_int_equal(rmdt_trust_unbase64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",
					     44, key), -EINVAL);
	assert_int_equal(rmdt_trust_unbase64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
					     44, key), -EINVAL);
	assert_int_equal(rmdt_trust_unbase64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",
					     44, key), -EINVAL);
	assert_memory_equal(key, before, KEY);
	assert_int_equal(rmdt_trust_unbase64(B64, 44, key), 0);
	assert_memory_equal(key, counting, KEY);
}

static void test_format(void **state)
{
	char text[256];
	char big[RMDT_TRUST_LINE_MAX_BYTES + 1];

	(void)state;
	assert_int_equal(rmdt_trust_public_format(counting, "me@here", text, sizeof text), 65);
	assert_string_equal(text, "rmdt-x25519 " B64 " me@here\n");
	assert_int_equal(rmdt_trust_public_format(counting, NULL, text, 58), 57);
	assert_string_equal(text, "rmdt-x25519 " B64 "\n");
	assert_int_equal(rmdt_trust_public_format(counting, NULL, text, 57), -ENOBUFS);
	assert_int_equal(rmdt_trust_id_format(counting, "a\nb\tc", text, sizeof text), 71);
	assert_string_equal(text, "rmdt-x25519-private " B64 " a?b?c\n");
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	assert_int_equal(rmdt_trust_public_format(counting, big, text, sizeof text), -ENOBUFS);
}

static void test_id_parse(void **state)
{
	static const char *const good[] = {
		"rmdt-x25519-private " B64,
		"rmdt-x25519-private " B64 "\n",
		"# a remark\n\n  rmdt-x25519-private\t " B64 "  some words \r\n\n# end\n",
	};
	char err[RMDT_TRUST_ERR_BYTES] = "untouched";

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		uint8_t key[KEY];

		assert_int_equal(rmdt_trust_id_parse(good[i], strlen(good[i]), key, err), 0);
		assert_memory_equal(key, counting, KEY);
	}
	assert_string_equal(err, "untouched");
}

static void test_id_refused(void **state)
{
	static const struct {
		const char *text, *err;
	} bad[] = {
		{ "", "there is no key in it" },
		{ "# only\n\n", "there is no key in it" },
		{ "rmdt-x25519 " B64, "line 1: expected the word rmdt-x25519-private" },
		{ "\nrmdt-x25519-private AAEC\n",
		  "line 2: not a key: expected 44 characters of base64" },
		{ "rmdt-x25519-private\n", "line 1: not a key: expected 44 characters of base64" },
		{ "rmdt-x25519-private " B64 "\nrmdt-x25519-private " B64 "\n",
		  "line 2: a second line after the key" },
		{ "rmdt-x25519-private " B64 " \x01", "line 1: the line has a control character" },
	};
	uint8_t key[KEY] = { 0xaa }, before[KEY] = { 0xaa };
	char err[RMDT_TRUST_ERR_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(rmdt_trust_id_parse(bad[i].text, strlen(bad[i].text), key, err),
				 -EINVAL);
		assert_string_equal(err, bad[i].err);
		assert_memory_equal(key, before, KEY);
	}
}

/* A message about a private key never shows any of it; one about a public key does. */
static void test_no_secret_in_messages(void **state)
{
	static const char text[] = "rmdt-x25519-private AAECAwQFBgcICQoLDA0ODxAREhMU";
	uint8_t key[KEY];
	char err[RMDT_TRUST_ERR_BYTES];

	(void)state;
	assert_int_equal(rmdt_trust_id_parse(text, strlen(text), key, err), -EINVAL);
	assert_null(strstr(err, "AAEC"));
	assert_int_equal(rmdt_trust_id_parse(text + 20, strlen(text + 20), key, err), -EINVAL);
	assert_null(strstr(err, "AAEC"));
	assert_int_equal(rmdt_trust_public_parse("rmdt-x25519 AAEC", 16, key, err), -EINVAL);
	assert_string_equal(err,
			    "line 1: \"AAEC\": not a key: expected 44 characters of base64");
}

static void test_public_parse(void **state)
{
	char text[RMDT_TRUST_LINE_MAX_BYTES + 100];
	uint8_t key[KEY];
	char err[RMDT_TRUST_ERR_BYTES];
	int len;

	(void)state;
	len = rmdt_trust_public_format(counting, "c", text, sizeof text);
	assert_int_equal(rmdt_trust_public_parse(text, (size_t)len, key, err), 0);
	assert_memory_equal(key, counting, KEY);
	memset(text + len - 1, 'x', sizeof text - (size_t)len + 1);
	assert_int_equal(rmdt_trust_public_parse(text, sizeof text, key, err), -EINVAL);
	assert_non_null(strstr(err, "the line is longer than 4096 bytes"));
}

/* ---- psk */

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void test_psk_forms(void **state)
{
	static const char *const forms[] = {
		HEX, HEX "\n", B64, B64 "\n", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"  000102030405060708090A0B0C0D0E0F\r\n  101112131415161718191A1B1C1D1E1F\r\n",
		"AAECAwQFBgcICQoLDA0O\nDxAREhMUFRYXGBkaGxwdHh8=\n",
	};
	uint8_t want[KEY], psk[KEY], raw[33];
	char err[RMDT_TRUST_ERR_BYTES];

	(void)state;
	hex_bytes("fab493f6910a58e55365ef79523bea7beca858eaf4430d30ebff350e9cd04f9e", want, KEY);
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		assert_int_equal(rmdt_trust_psk_parse(forms[i], strlen(forms[i]), psk, err), 0);
		assert_memory_equal(psk, want, KEY);
	}
	assert_int_equal(rmdt_trust_psk_parse(counting, KEY, psk, err), 0);
	assert_memory_equal(psk, want, KEY);
	/* Raw bytes all count, a newline too. */
	memcpy(raw, counting, KEY);
	raw[KEY] = '\n';
	assert_int_equal(rmdt_trust_psk_parse(raw, sizeof raw, psk, err), 0);
	assert_memory_not_equal(psk, want, KEY);
}

static void test_psk_refused(void **state)
{
	static const struct {
		const char *text, *err;
	} bad[] = {
		{ "", "too short" },
		{ "\n", "too short" },
		{ "password", "base64" },	/* 8 characters: base64 of 6 bytes */
		{ "correct horse battery staple!", "too short" },
		{ "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e", "too short" },
		{ HEX "0", "odd number of hex digits" },
		{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", "too short" },
		{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g+", "cut off" },
		{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", "wrong end" },
		{ "0000000000000000000000000000000000000000000000000000000000000000", "not random" },
	};
	static char big[RMDT_TRUST_PSK_MAX_BYTES + 1];
	uint8_t psk[KEY] = { 0xaa }, before[KEY] = { 0xaa };
	char err[RMDT_TRUST_ERR_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(rmdt_trust_psk_parse(bad[i].text, strlen(bad[i].text), psk, err),
				 -EINVAL);
		assert_non_null(strstr(err, bad[i].err));
		assert_true(strlen(bad[i].text) < 8 || !strstr(err, bad[i].text));
	}
	big[0] = 1;
	assert_int_equal(rmdt_trust_psk_parse(big, sizeof big, psk, err), -EINVAL);
	assert_memory_equal(psk, before, KEY);
	assert_int_equal(rmdt_trust_psk_parse(big, sizeof big - 1, psk, err), 0);
	/* 31 raw bytes are too few, 32 are enough. */
	assert_int_equal(rmdt_trust_psk_parse(counting, 31, psk, err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_id_parse),
		cmocka_unit_test(test_id_refused),
		cmocka_unit_test(test_no_secret_in_messages),
		cmocka_unit_test(test_public_parse),
		cmocka_unit_test(test_psk_forms),
		cmocka_unit_test(test_psk_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

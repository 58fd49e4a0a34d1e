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

#include <openssl/evp.h>

#include "core/aead.h"
#include "tests/unit/hex.h"

#define TAG RMDT_AEAD_TAG_BYTES
#define MOST 66000	/* more than the largest packet */

struct vector {
	enum rmdt_suite suite;
	const char *key, *iv;
	uint64_t pn;
	const char *ad, *text, *sealed;
};

static const struct vector vectors[] = {
	/* AES-256-GCM: test cases 13, 14 and 16 of the GCM specification. */
	{ RMDT_AES_256_GCM,
	  "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", 0, "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
	{ RMDT_AES_256_GCM,
	  "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", 0, "", "00000000000000000000000000000000",
	  "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
	{ RMDT_AES_256_GCM,
	  "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", 0, "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
	/* ChaCha20-Poly1305: RFC 9001, A.5, which also shows how pn goes into the nonce. */
	{ RMDT_CHACHA20_POLY1305,
	  "c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8",
	  "e0459b3474bdd0e44a41c144", 654360564, "4200bff4", "01",
	  "655e5cd55c41f69080575d7999c25a5bfb" },
};

static void test_vectors(void **state)
{
	uint8_t key[32], iv[12], ad[64], text[64], want[128], got[128];

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const struct vector *v = &vectors[i];
		size_t ad_len = hex_bytes(v->ad, ad, sizeof ad);
		size_t len = hex_bytes(v->text, text, sizeof text);
		size_t want_len = hex_bytes(v->sealed, want, sizeof want);
		struct rmdt_aead *a;

		hex_bytes(v->key, key, sizeof key);
		hex_bytes(v->iv, iv, sizeof iv);
		a = rmdt_aead_new(v->suite, key, iv);
		assert_non_null(a);
		assert_int_equal(rmdt_aead_seal(a, v->pn, ad, ad_len, text, len, got), want_len);
		assert_memory_equal(got, want, want_len);
		assert_int_equal(rmdt_aead_open(a, v->pn, ad, ad_len, want, want_len, got), len);
		assert_memory_equal(got, text, len);
		rmdt_aead_free(a);
	}
}

/* Computed in one go by the library itself, in a way that shares nothing with ours. */
static void reference_seal(enum rmdt_suite suite, const uint8_t *key, const uint8_t *nonce,
			   const uint8_t *ad, int ad_len, const uint8_t *in, int len, uint8_t *out)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, suite == RMDT_AES_256_GCM ? "AES-256-GCM" :
					      "ChaCha20-Poly1305", NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, key, nonce, NULL), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, ad, ad_len), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, out + n, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, out + len), 1);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
}

static const size_t lengths[] = {
	1, 15, 16, 17, 31, 32, 33, 127, 128, 129, 255, 256, 257, 767, 768, 769,
	1199, 1200, 1400, 1452, 4096, 8948, 60000, 65475, MOST - TAG,
};

static void compare_with_reference(enum rmdt_suite suite)
{
	uint8_t *in = malloc(MOST), *want = malloc(MOST), *got = malloc(MOST);
	uint8_t key[32], iv[12], nonce[12], ad[64];
	uint64_t seed = 91 + suite;

	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		size_t len = lengths[i], ad_len = 1 + seeded_next(&seed) % sizeof ad;
		uint64_t pn = seeded_next(&seed);
		struct rmdt_aead *a;

		seeded_bytes(&seed, key, sizeof key);
		seeded_bytes(&seed, iv, sizeof iv);
		seeded_bytes(&seed, ad, sizeof ad);
		seeded_bytes(&seed, in, len);
		memcpy(nonce, iv, 12);
		for (int b = 0; b < 8; b++)
			nonce[4 + b] ^= (uint8_t)(pn >> (56 - 8 * b));
		reference_seal(suite, key, nonce, ad, (int)ad_len, in, (int)len, want);

		a = rmdt_aead_new(suite, key, iv);
		assert_int_equal(rmdt_aead_seal(a, pn, ad, ad_len, in, len, got), len + TAG);
		assert_memory_equal(got, want, len + TAG);
		assert_int_equal(rmdt_aead_open(a, pn, ad, ad_len, want, len + TAG, got), len);
		assert_memory_equal(got, in, len);
		/* In place, both ways. */
		assert_int_equal(rmdt_aead_seal(a, pn, ad, ad_len, got, len, got), len + TAG);
		assert_memory_equal(got, want, len + TAG);
		assert_int_equal(rmdt_aead_open(a, pn, ad, ad_len, got, len + TAG, got), len);
		assert_memory_equal(got, in, len);
		/* The tag is not written over when opening. */
		assert_memory_equal(got + len, want + len, TAG);
		rmdt_aead_free(a);
	}
	free(in);
	free(want);
	free(got);
}

static void test_reference(void **state)
{
	(void)state;
	compare_with_reference(RMDT_AES_256_GCM);
	compare_with_reference(RMDT_CHACHA20_POLY1305);
}

static void tamper(enum rmdt_suite suite)
{
	const uint8_t key[32] = { 1 }, iv[12] = { 2 };
	struct rmdt_aead *a = rmdt_aead_new(suite, key, iv);
	uint8_t ad[20] = "the clear header...", text[100] = "text", sealed[116], bad[116], out[116];

	assert_int_equal(rmdt_aead_seal(a, 7, ad, 20, text, 100, sealed), 116);
	for (size_t i = 0; i < 116; i++) {
		memcpy(bad, sealed, sizeof bad);
		bad[i] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(rmdt_aead_open(a, 7, ad, 20, bad, 116, out), -EBADMSG);
	}
	for (size_t i = 0; i < 20; i++) {
		ad[i] ^= 0x80;
		assert_int_equal(rmdt_aead_open(a, 7, ad, 20, sealed, 116, out), -EBADMSG);
		ad[i] ^= 0x80;
	}
	for (unsigned bit = 0; bit < 64; bit++)
		assert_int_equal(rmdt_aead_open(a, 7 ^ UINT64_C(1) << bit, ad, 20, sealed, 116,
						out), -EBADMSG);
	for (size_t len = 0; len < 116; len++)
		assert_int_equal(rmdt_aead_open(a, 7, ad, 20, sealed, len, out), -EBADMSG);
	assert_int_equal(rmdt_aead_open(a, 7, ad, 19, sealed, 116, out), -EBADMSG);
	/* All that did no harm. */
	assert_int_equal(rmdt_aead_open(a, 7, ad, 20, sealed, 116, out), 100);
	assert_memory_equal(out, text, 100);
	rmdt_aead_free(a);
}

static void test_tampering(void **state)
{
	(void)state;
	tamper(RMDT_AES_256_GCM);
	tamper(RMDT_CHACHA20_POLY1305);
}

static void empty(enum rmdt_suite suite)
{
	const uint8_t key[32] = { 1 }, iv[12] = { 2 };
	struct rmdt_aead *a = rmdt_aead_new(suite, key, iv);
	uint8_t only_tag[TAG], other[TAG];

	assert_int_equal(rmdt_aead_seal(a, 1, NULL, 0, NULL, 0, only_tag), TAG);
	assert_int_equal(rmdt_aead_open(a, 1, NULL, 0, only_tag, TAG, NULL), 0);
	assert_int_equal(rmdt_aead_seal(a, 1, "ad", 2, NULL, 0, other), TAG);
	assert_memory_not_equal(only_tag, other, TAG);
	assert_int_equal(rmdt_aead_open(a, 1, "ad", 2, other, TAG, NULL), 0);
	assert_int_equal(rmdt_aead_open(a, 1, "ad", 2, only_tag, TAG, NULL), -EBADMSG);
	assert_int_equal(rmdt_aead_open(a, 1, NULL, 0, other, TAG, NULL), -EBADMSG);
	rmdt_aead_free(a);
}

static void test_nothing(void **state)
{
	(void)state;
	empty(RMDT_AES_256_GCM);
	empty(RMDT_CHACHA20_POLY1305);
}

static void test_arguments(void **state)
{
	const uint8_t key[32] = { 0 }, iv[12] = { 0 };
	const size_t huge = (size_t)RMDT_AEAD_IN_MAX_BYTES + 1;
	struct rmdt_aead *a = rmdt_aead_new(RMDT_AES_256_GCM, key, iv);
	uint8_t byte = 0;

	(void)state;
	assert_null(rmdt_aead_new((enum rmdt_suite)0, key, iv));
	assert_null(rmdt_aead_new((enum rmdt_suite)3, key, iv));
	assert_int_equal(rmdt_aead_seal(a, 0, NULL, 0, &byte, huge, &byte), -EINVAL);
	assert_int_equal(rmdt_aead_seal(a, 0, &byte, huge, &byte, 1, &byte), -EINVAL);
	assert_int_equal(rmdt_aead_open(a, 0, NULL, 0, &byte, huge, &byte), -EBADMSG);
	assert_int_equal(rmdt_aead_open(a, 0, &byte, huge, &byte, 16, &byte), -EBADMSG);
	assert_non_null(rmdt_aead_engine(a));
	rmdt_aead_free(a);
	rmdt_aead_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_tampering),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

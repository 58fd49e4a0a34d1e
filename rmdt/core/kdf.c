/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kdf.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

int rmdt_kdf_sha256(const struct rmdt_piece *pieces, size_t n, uint8_t out[RMDT_HASH_BYTES])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(ctx, pieces[i].p, pieces[i].len) == 1;
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		ERR_clear_error();
	return ok ? 0 : -ENOMEM;
}

int rmdt_kdf_hmac(const uint8_t key[RMDT_HASH_BYTES], const struct rmdt_piece *pieces, size_t n,
		  uint8_t out[RMDT_HASH_BYTES])
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	bool ok = ctx && EVP_MAC_init(ctx, key, RMDT_HASH_BYTES, params) == 1;
	size_t len = 0;

	for (size_t i = 0; ok && i < n; i++)
		if (pieces[i].len > 0)
			ok = EVP_MAC_update(ctx, pieces[i].p, pieces[i].len) == 1;
	ok = ok && EVP_MAC_final(ctx, out, &len, RMDT_HASH_BYTES) == 1;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	if (!ok)
		ERR_clear_error();
	return ok ? 0 : -ENOMEM;
}

int rmdt_kdf_expand(const uint8_t prk[RMDT_HASH_BYTES], const char *label,
		    struct rmdt_piece context, uint8_t *out, size_t out_len)
{
	static const uint8_t counter = 1;	/* RFC 5869: 32 bytes at most need one round only */
	const struct rmdt_piece pieces[] = {
		{ label, strlen(label) }, context, { &counter, 1 },
	};
	uint8_t okm[RMDT_HASH_BYTES];
	int r;

	assert(out_len <= sizeof okm);
	r = rmdt_kdf_hmac(prk, pieces, 3, okm);
	if (r == 0)
		memcpy(out, okm, out_len);
	OPENSSL_cleanse(okm, sizeof okm);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/x25519.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

int rmdt_x25519_public(const uint8_t priv[RMDT_X25519_BYTES], uint8_t pub[RMDT_X25519_BYTES])
{
	uint8_t result[RMDT_X25519_BYTES];
	size_t len = sizeof result;
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, priv,
						     RMDT_X25519_BYTES);
	int r = -ENOMEM;

	if (key && EVP_PKEY_get_raw_public_key(key, result, &len) == 1 && len == sizeof result) {
		memcpy(pub, result, sizeof result);
		r = 0;
	}
	EVP_PKEY_free(key);
	if (r < 0)
		ERR_clear_error();
	return r;
}

/* OpenSSL refuses an all-zero result already; that it does so is not left to its versions. */
static int derive(EVP_PKEY_CTX *ctx, uint8_t out[RMDT_X25519_BYTES])
{
	static const uint8_t zero[RMDT_X25519_BYTES];
	size_t len = RMDT_X25519_BYTES;

	if (EVP_PKEY_derive(ctx, out, &len) != 1 || len != RMDT_X25519_BYTES)
		return -EBADMSG;
	return CRYPTO_memcmp(out, zero, sizeof zero) == 0 ? -EBADMSG : 0;
}

int rmdt_x25519_shared(const uint8_t priv[RMDT_X25519_BYTES],
		       const uint8_t peer_pub[RMDT_X25519_BYTES],
		       uint8_t shared[RMDT_X25519_BYTES])
{
	uint8_t result[RMDT_X25519_BYTES];
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, priv,
						     RMDT_X25519_BYTES);
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer_pub,
						     RMDT_X25519_BYTES);
	EVP_PKEY_CTX *ctx = key && peer ? EVP_PKEY_CTX_new(key, NULL) : NULL;
	int r = -ENOMEM;

	/* Not validated by set_peer: whatever point it is, the all-zero check judges it. */
	if (ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) == 1)
		r = derive(ctx, result);
	if (r == 0)
		memcpy(shared, result, sizeof result);
	else
		ERR_clear_error();
	OPENSSL_cleanse(result, sizeof result);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	EVP_PKEY_free(key);
	return r;
}

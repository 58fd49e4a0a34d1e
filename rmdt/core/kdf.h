/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256, HMAC and HKDF (RFC 5869) over OpenSSL, in the few shapes that we need.
 * All return 0, or -ENOMEM when the library failed; outputs are written only on success.
 */
#ifndef RMDT_CORE_KDF_H
#define RMDT_CORE_KDF_H

#include <stddef.h>
#include <stdint.h>

#define RMDT_HASH_BYTES 32	/* SHA-256, and all that is derived with it here */

/* A borrowed piece of input; p may be NULL when len is 0. */
struct rmdt_piece {
	const void *p;
	size_t len;
};

/* Hash of the pieces, one after the other. */
int rmdt_kdf_sha256(const struct rmdt_piece *pieces, size_t n, uint8_t out[RMDT_HASH_BYTES]);

/* HMAC-SHA256 of the pieces, one after the other. */
int rmdt_kdf_hmac(const uint8_t key[RMDT_HASH_BYTES], const struct rmdt_piece *pieces, size_t n,
		  uint8_t out[RMDT_HASH_BYTES]);

/* HKDF-Expand to out_len <= 32 bytes; `info` is `label` (without its NUL) followed by `context`. */
int rmdt_kdf_expand(const uint8_t prk[RMDT_HASH_BYTES], const char *label,
		    struct rmdt_piece context, uint8_t *out, size_t out_len);

#endif

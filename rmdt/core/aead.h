/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authenticated encryption of packets, one object per key. An object is used by one thread at a
 * time; different objects are independent. Both suites have 32-byte keys, 12-byte nonces and
 * 16-byte tags. The nonce of a packet is iv XOR its big-endian 64-bit number, right-aligned
 * (as RFC 9001, 5.3); the caller never seals twice with one number.
 */
#ifndef RMDT_CORE_AEAD_H
#define RMDT_CORE_AEAD_H

#include <stddef.h>
#include <stdint.h>

#define RMDT_AEAD_KEY_BYTES 32
#define RMDT_AEAD_IV_BYTES 12
#define RMDT_AEAD_TAG_BYTES 16
#define RMDT_AEAD_IN_MAX_BYTES (1 << 30)	/* the library counts in int */

enum rmdt_suite {		/* values go on the wire, in the prologue of the handshake */
	RMDT_AES_256_GCM = 1,
	RMDT_CHACHA20_POLY1305 = 2,
};

struct rmdt_aead;

/* NULL when out of memory or when `suite` is unknown. Key and iv are copied. */
struct rmdt_aead *rmdt_aead_new(enum rmdt_suite suite, const uint8_t key[RMDT_AEAD_KEY_BYTES],
				const uint8_t iv[RMDT_AEAD_IV_BYTES]);

/* Wipes the key. NULL is allowed. */
void rmdt_aead_free(struct rmdt_aead *a);

/*
 * Encrypts `in` and writes in_len + 16 bytes to `out`, ciphertext then tag. `out` is `in` or does
 * not overlap it; `ad` overlaps neither. Returns in_len + 16; -EINVAL when in_len or ad_len is
 * above RMDT_AEAD_IN_MAX_BYTES; -ENOMEM when the library failed.
 */
int rmdt_aead_seal(struct rmdt_aead *a, uint64_t pn, const void *ad, size_t ad_len,
		   const void *in, size_t in_len, void *out);

/*
 * Decrypts ciphertext and tag, in_len bytes together, to `out` (in_len - 16 bytes, never the tag's
 * room); `out` is `in` or does not overlap it. Returns the plaintext's length; -EBADMSG when the
 * input is shorter than a tag or not authentic: then the content of `out` is undefined and nothing
 * else has changed.
 */
int rmdt_aead_open(struct rmdt_aead *a, uint64_t pn, const void *ad, size_t ad_len,
		   const void *in, size_t in_len, void *out);

/* "openssl" or "ipsec-mb": what this object computes with, for the log. */
const char *rmdt_aead_engine(const struct rmdt_aead *a);

#endif

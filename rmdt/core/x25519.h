/* SPDX-License-Identifier: Apache-2.0 */
/* X25519 (RFC 7748) through OpenSSL. Any 32 bytes are a private key; clamping happens inside. */
#ifndef RMDT_CORE_X25519_H
#define RMDT_CORE_X25519_H

#include <stdint.h>

#define RMDT_X25519_BYTES 32	/* private key, public key and shared secret alike */

/* 0, or -ENOMEM. */
int rmdt_x25519_public(const uint8_t priv[RMDT_X25519_BYTES], uint8_t pub[RMDT_X25519_BYTES]);

/* 0; -EBADMSG when the shared secret is all zero (the peer's point has small order); -ENOMEM. */
int rmdt_x25519_shared(const uint8_t priv[RMDT_X25519_BYTES],
		       const uint8_t peer_pub[RMDT_X25519_BYTES],
		       uint8_t shared[RMDT_X25519_BYTES]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stateless retry. A loaded responder answers a first message with a cookie and forgets it; the
 * initiator sends the same first message again with the cookie beside it, which proves that it
 * receives at its address. Nothing is stored per cookie. A cookie is good for the address, the
 * message and the connection id that it was made for, for RMDT_COOKIE_LIFE_US.
 */
#ifndef RMDT_CORE_COOKIE_H
#define RMDT_CORE_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMDT_COOKIE_BYTES 24		/* bucket (4), number of the secret (4), HMAC (16) */
#define RMDT_COOKIE_SECRET_BYTES 32
/* Time is cut in buckets of this size; a cookie of the present or the last bucket is good. */
#define RMDT_COOKIE_BUCKET_US UINT64_C(10000000)
#define RMDT_COOKIE_LIFE_US (2 * RMDT_COOKIE_BUCKET_US)	/* at most; at least half of it */
/* A secret makes cookies for this long; must exceed the life, since only the last one is kept. */
#define RMDT_COOKIE_SECRET_US UINT64_C(120000000)

struct rmdt_cookie {
	uint8_t secret[2][RMDT_COOKIE_SECRET_BYTES];	/* indexed by number & 1 */
	uint32_t number;	/* of the secret in use; number - 1 is still accepted */
	uint64_t since_us;	/* when it came into use */
	bool has_last;		/* the other secret is valid */
};

/* What a cookie is bound to; all borrowed for the call. */
struct rmdt_cookie_bind {
	const void *addr;	/* address and port of the initiator, in any fixed encoding */
	size_t addr_len;
	const void *message;	/* the first message without the cookie */
	size_t message_len;
	const void *cid;	/* the initiator's connection id */
	size_t cid_len;
};

/* The secret is fresh random bytes; the caller may wipe its copy. */
void rmdt_cookie_init(struct rmdt_cookie *c, const uint8_t secret[RMDT_COOKIE_SECRET_BYTES],
		      uint64_t now_us);
void rmdt_cookie_fini(struct rmdt_cookie *c);

/* True when the caller should call rmdt_cookie_rotate with a fresh secret. */
bool rmdt_cookie_wants_secret(const struct rmdt_cookie *c, uint64_t now_us);
void rmdt_cookie_rotate(struct rmdt_cookie *c, const uint8_t secret[RMDT_COOKIE_SECRET_BYTES],
			uint64_t now_us);

/* 0, or -ENOMEM. */
int rmdt_cookie_make(const struct rmdt_cookie *c, const struct rmdt_cookie_bind *bind,
		     uint64_t now_us, uint8_t out[RMDT_COOKIE_BYTES]);

/* True when the cookie is ours, for this very message from this address, and fresh. */
bool rmdt_cookie_verify(const struct rmdt_cookie *c, const struct rmdt_cookie_bind *bind,
			uint64_t now_us, const void *cookie, size_t cookie_len);

#endif

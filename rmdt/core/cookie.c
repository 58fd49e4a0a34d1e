/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cookie.h"

#include <string.h>

#include <openssl/crypto.h>

#include "core/kdf.h"

#define MAC_OFF 8
#define MAC_BYTES (RMDT_COOKIE_BYTES - MAC_OFF)

_Static_assert(RMDT_COOKIE_SECRET_BYTES == RMDT_HASH_BYTES, "the secret is the key of the HMAC");
_Static_assert(RMDT_COOKIE_SECRET_US > RMDT_COOKIE_LIFE_US, "only one old secret is kept");

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Wraps after 1,361 years of uptime; differences are taken modulo 2^32 all the same. */
static uint32_t bucket_of(uint64_t now_us)
{
	return (uint32_t)(now_us / RMDT_COOKIE_BUCKET_US);
}

/* `head` is bucket and number; the lengths keep one part from growing into the next. */
static int mac_make(const struct rmdt_cookie *c, uint32_t number, const uint8_t head[MAC_OFF],
		    const struct rmdt_cookie_bind *bind, uint8_t mac[RMDT_HASH_BYTES])
{
	uint8_t lens[12];
	const struct rmdt_piece pieces[] = {
		{ "rmdt cookie", 11 }, { head, MAC_OFF }, { lens, sizeof lens },
		{ bind->addr, bind->addr_len }, { bind->cid, bind->cid_len },
		{ bind->message, bind->message_len },
	};

	put_u32(lens, (uint32_t)bind->addr_len);
	put_u32(lens + 4, (uint32_t)bind->cid_len);
	put_u32(lens + 8, (uint32_t)bind->message_len);
	return rmdt_kdf_hmac(c->secret[number & 1], pieces, sizeof pieces / sizeof *pieces, mac);
}

void rmdt_cookie_init(struct rmdt_cookie *c, const uint8_t secret[RMDT_COOKIE_SECRET_BYTES],
		      uint64_t now_us)
{
	memset(c, 0, sizeof *c);
	memcpy(c->secret[0], secret, RMDT_COOKIE_SECRET_BYTES);
	c->since_us = now_us;
}

void rmdt_cookie_fini(struct rmdt_cookie *c)
{
	OPENSSL_cleanse(c, sizeof *c);
}

bool rmdt_cookie_wants_secret(const struct rmdt_cookie *c, uint64_t now_us)
{
	return now_us >= c->since_us + RMDT_COOKIE_SECRET_US;
}

void rmdt_cookie_rotate(struct rmdt_cookie *c, const uint8_t secret[RMDT_COOKIE_SECRET_BYTES],
			uint64_t now_us)
{
	c->number++;
	memcpy(c->secret[c->number & 1], secret, RMDT_COOKIE_SECRET_BYTES);
	c->has_last = true;
	c->since_us = now_us;
}

int rmdt_cookie_make(const struct rmdt_cookie *c, const struct rmdt_cookie_bind *bind,
		     uint64_t now_us, uint8_t out[RMDT_COOKIE_BYTES])
{
	uint8_t head[MAC_OFF], mac[RMDT_HASH_BYTES];
	int r;

	put_u32(head, bucket_of(now_us));
	put_u32(head + 4, c->number);
	r = mac_make(c, c->number, head, bind, mac);
	if (r < 0)
		return r;
	memcpy(out, head, MAC_OFF);
	memcpy(out + MAC_OFF, mac, MAC_BYTES);
	return 0;
}

bool rmdt_cookie_verify(const struct rmdt_cookie *c, const struct rmdt_cookie_bind *bind,
			uint64_t now_us, const void *cookie, size_t cookie_len)
{
	const uint8_t *p = cookie;
	uint8_t mac[RMDT_HASH_BYTES];
	uint32_t number;

	if (cookie_len != RMDT_COOKIE_BYTES)
		return false;
	/* The cheap questions first: stale cookies cost no HMAC. */
	if (bucket_of(now_us) - get_u32(p) > 1)
		return false;
	number = get_u32(p + 4);
	if (number != c->number && !(c->has_last && number == c->number - 1))
		return false;
	return mac_make(c, number, p, bind, mac) == 0 &&
	       CRYPTO_memcmp(mac, p + MAC_OFF, MAC_BYTES) == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_ADDR_H
#define RMDT_CORE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define RMDT_ADDR_BYTES 28
#define RMDT_ADDR_LOCAL_BYTES 20

/*
 * A network address that the core only compares and hands back: the shell stores a sockaddr in it,
 * normalised so that equal addresses are equal bytes.
 */
struct rmdt_addr {
	uint32_t len;			/* bytes used; 0: none */
	uint8_t bytes[RMDT_ADDR_BYTES];	/* rest is zero */
	/*
	 * Of a datagram that came: to which of our addresses, so that answers can leave from there.
	 * Zeros: whichever the system takes. It is no part of what is compared.
	 */
	uint8_t local[RMDT_ADDR_LOCAL_BYTES];
};

static inline bool rmdt_addr_equal(const struct rmdt_addr *a, const struct rmdt_addr *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* Does it say from where answers leave? */
static inline bool rmdt_addr_has_local(const struct rmdt_addr *a)
{
	static const uint8_t none[RMDT_ADDR_LOCAL_BYTES];

	return memcmp(a->local, none, sizeof(none)) != 0;
}

#endif

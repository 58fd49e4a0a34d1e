/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of paths, so that the next start need not find it out again: per key and
 * address of the far end (without its port) the rate that the path carried and its least RTT. A
 * memory is a hint: whoever uses it must see it confirmed.
 *
 * As text, one line each: "ADDRESS rmdt-x25519 BASE64 rate=BYTES_PER_S rtt=MICROSECONDS
 * seen=SECONDS_SINCE_1970".
 */
#ifndef RMDT_CORE_PATHS_H
#define RMDT_CORE_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cidr.h"
#include "core/trust.h"

/*
 * More far ends than one sender comes back to; the oldest go first. A look-up is linear and done
 * once per handshake.
 */
#define RMDT_PATHS_MAX		256
/* Older than that it says nothing any more. */
#define RMDT_PATHS_AGE_S	(UINT64_C(7) * 86400)
/* A shorter path is found out at once. */
#define RMDT_PATHS_LEAST_RTT_US	UINT64_C(2000)
/* Beyond these a memory is a mistake: 1 Tbit/s, a minute. */
#define RMDT_PATHS_MOST_RATE	UINT64_C(125000000000)
#define RMDT_PATHS_MOST_RTT_US	UINT64_C(60000000)

#define RMDT_PATHS_LINE_BYTES	256	/* longest line, with newline and NUL */
#define RMDT_PATHS_TEXT_BYTES	((RMDT_PATHS_MAX + 2) * RMDT_PATHS_LINE_BYTES)

struct rmdt_path {
	uint8_t key[RMDT_TRUST_KEY_BYTES];
	struct rmdt_trust_addr addr;
	uint64_t rate;			/* bytes/s */
	uint64_t rtt_us;
	uint64_t seen_s;		/* since 1970 */
};

struct rmdt_paths {
	struct rmdt_path at[RMDT_PATHS_MAX];
	size_t n;
};

/*
 * The path to this key at this address, not older than RMDT_PATHS_AGE_S at now_s; NULL: not
 * remembered.
 */
const struct rmdt_path *rmdt_paths_find(const struct rmdt_paths *paths,
					const uint8_t key[RMDT_TRUST_KEY_BYTES],
					const struct rmdt_trust_addr *addr, uint64_t now_s);

/*
 * Remembers a path, in place of an older memory of the same one (a newer one stays), or else of the
 * oldest of all, unless it is older still. Not worth it, and left out: too short a path, or
 * impossible values.
 */
void rmdt_paths_put(struct rmdt_paths *paths, const struct rmdt_path *path);

/*
 * Puts what the lines of a text say, without what is too old or from the future at now_s. Lines
 * that cannot be read are left out; their number, and `err` then describes the first: "NAME:LINE:
 * ...".
 */
unsigned rmdt_paths_parse(struct rmdt_paths *paths, const char *name, const char *text, size_t len,
			  uint64_t now_s,
			  char err[RMDT_TRUST_ERR_BYTES]);

/* The text of all, oldest first, into a buffer of RMDT_PATHS_TEXT_BYTES. Its length. */
size_t rmdt_paths_format(const struct rmdt_paths *paths, char *out);

#endif

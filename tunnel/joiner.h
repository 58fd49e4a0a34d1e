/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_JOINER_H
#define TUNNEL_JOINER_H

#include <stddef.h>
#include <stdint.h>

#include "tunnel/datagram.h"

/* Pieces of datagrams that wait for their rest. Pure: time is an argument. */

#define JOINER_SESSION_MAX	8	/* incomplete datagrams of one session: reordering is rarely deeper */
#define JOINER_MAX		256	/* of all: they are searched one by one */
#define JOINER_BYTES_MAX	(256u * 1024u)	/* held for all sessions together */
#define JOINER_PATIENCE_US	UINT64_C(500000)	/* pieces leave together; what is later than this was lost */

struct joining;

/* All 0 is an empty joiner. */
struct joiner {
	struct joining *oldest, *newest;
	size_t n, bytes;
	uint64_t dropped;		/* datagrams given up, in all */
	uint8_t *whole;			/* what was given out last */
};

void joiner_fini(struct joiner *joiner);
/*
 * A piece of a datagram of a session of `owner` (an association; only compared). The whole datagram and its length once the last piece is
 * there: valid until the next call; NULL: not yet, or no memory. The oldest ones give way when there is no room.
 */
const uint8_t *joiner_add(struct joiner *joiner, const void *owner, const struct datagram *piece, uint64_t now_us,
			  size_t *len);
/* Gives up what has waited too long. */
void joiner_expire(struct joiner *joiner, uint64_t now_us);
/* The owner is gone: its pieces go, uncounted. */
void joiner_forget(struct joiner *joiner, const void *owner);

#endif

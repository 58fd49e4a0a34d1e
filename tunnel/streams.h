/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_STREAMS_H
#define TUNNEL_STREAMS_H

#include <ev.h>
#include <stdint.h>

#include "tunnel/pollset.h"
#include "tunnel/stall.h"
#include "tunnel/stream.h"

/* All streams of a relay: their numbers, their sockets, and whose turn it is when there is much to move. */

struct relay;

#define STREAMS_BUCKETS 1024

struct streams {
	struct relay *relay;
	struct stream *first;
	struct stream *bucket[STREAMS_BUCKETS];	/* by number; the entry's */
	struct pollset sockets;
	struct stream *turn, **turn_end;
	struct ev_idle turns;
	struct stall stall;
	uint32_t next_number;
	uint32_t limit;			/* more clients than this are reset */
};

int streams_new(struct relay *relay, struct streams **streams);
void streams_free(struct streams *streams);	/* resets what is left; NULL is fine */

/* A new one, without a socket and flows; NULL: no memory. stream_free takes it out again, by streams_remove. */
struct stream *streams_add(struct streams *streams, enum stream_state state);
void streams_remove(struct stream *stream);

/* Can be found by its number from now on. */
void streams_list_number(struct stream *stream);
struct stream *streams_find(struct streams *streams, uint32_t number);	/* NULL: none */

/* Is pumped later, after others. */
void streams_queue_turn(struct stream *stream);

/* An association is there: those who wait take it. NULL is fine. */
void streams_on_link_up(struct streams *streams);
/* Its streams end with it, but for requests that it never took in. NULL is fine. */
void streams_on_link_down(struct streams *streams, const struct link *link);

#endif

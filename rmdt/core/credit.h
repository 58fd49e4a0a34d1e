/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_CREDIT_H
#define RMDT_CORE_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/policy.h"

/*
 * The size of a receive window, for one flow or for the sum of a peer's flows, and when to announce
 * it. A window doubles when half of it has both arrived and been consumed within two round trips.
 * So it comes to rest at four to eight times bandwidth * RTT, which leaves room for bytes that wait
 * while others are repaired, twice if need be; on a path that loses more it grows further, see
 * rmdt_credit_on_starved. Arrival counts, too, since a reader that wakes
 * up and takes a full buffer at once says nothing about the path.
 */

/*
 * First windows. A window is a promise, not memory: blocks are touched as bytes arrive, and a
 * reader that keeps up leaves only a few in use. A first window is a quarter of the largest, within
 * these bounds: 16 MiB are 130 ms at 1 Gbit/s, so a LAN never grows beyond them even behind a slow
 * reader; 64 MiB fill 500 Mbit/s at 300 ms while a loss of its first flight is repaired, and twice.
 */
#define RMDT_CREDIT_FLOW_BYTES (16u * 1024u * 1024u)
#define RMDT_CREDIT_FLOW_MAX_BYTES (64u * 1024u * 1024u)

/* The first window of a flow, and of the sum of a peer's flows, where none may pass max_bytes. */
uint64_t rmdt_credit_first_flow(uint64_t max_bytes);
uint64_t rmdt_credit_first_peer(uint64_t max_bytes);

/*
 * Flows that share an association with many others (a tunnel's): how much of what is shared one of them may hold. All of
 * them may stop being read at once, and still the next one must find room: so first windows are small and become smaller
 * with the number of flows (a thousand of them together take no more than there is), and no window may hold more than a
 * part of what the others leave free: with k that stand still a 1 / (1 + k / 4) is left, and never nothing.
 */
#define RMDT_CREDIT_SHARED_BYTES (128u * 1024u)	/* what a flow may always hold; 10 Mbit/s at 100 ms */
#define RMDT_CREDIT_SHARE_PART 4u		/* of what is free */

/* The first window of the n-th flow that is open, n from 1. */
uint64_t rmdt_credit_first_shared(uint64_t max_bytes, uint32_t n);
/* What one may hold now of what has so much free. */
uint64_t rmdt_credit_share(uint64_t free_bytes);

/* Shorter round trips count as this: below it scheduling, not the path, is what is measured. */
#define RMDT_CREDIT_RTT_MIN_US 1000u

/* Fields are private to credit.c. */
struct rmdt_credit {
	uint64_t window_bytes;
	uint64_t max_bytes;
	uint64_t share_bytes;		/* bounds the window from outside */
	uint64_t limit_off;		/* announced last */
	uint64_t consumed_off;
	uint64_t highest_off;
	uint64_t epoch_off;		/* consumed_off when the measurement began */
	uint64_t epoch_highest_off;	/* and highest_off */
	uint64_t epoch_us;
	uint64_t grown_off;		/* consumed_off when the window last grew */
	uint64_t grown_us;
};

/* Announced so far: start_off + the first window, min(first_bytes, max_bytes). */
void rmdt_credit_init(struct rmdt_credit *credit, uint64_t start_off, uint64_t first_bytes,
		      uint64_t max_bytes);

/* Bytes up to highest_off have arrived. (For a peer: offsets are sums over its flows.) */
void rmdt_credit_on_data(struct rmdt_credit *credit, uint64_t highest_off);

/* The reader has consumed up to consumed_off; rtt_us is the peer's least RTT, 0 unknown. */
void rmdt_credit_on_consumed(struct rmdt_credit *credit, uint64_t consumed_off, uint64_t rtt_us,
			     uint64_t now_us);

/*
 * The reader has taken all that was ready: what it waits for is under repair. If the sender has used most of its credit
 * meanwhile, the window is what holds it up, so it doubles: at most once a round trip, and only after a quarter of it was
 * consumed since it last grew, so that a gap which never closes earns nothing.
 */
void rmdt_credit_on_starved(struct rmdt_credit *credit, uint64_t rtt_us, uint64_t now_us);

/*
 * The window may be this large and no larger, although at least RMDT_CREDIT_SHARED_BYTES; for a flow among others. What was
 * announced stays so.
 */
void rmdt_credit_set_share(struct rmdt_credit *credit, uint64_t share_bytes);
/* The window is as large as it ever may be, and is to be announced: its parts are bounded instead. */
void rmdt_credit_open(struct rmdt_credit *credit);

/* Whether less than 64 KiB were consumed in the last two round trips: memory kept for the next bytes is kept in vain. */
bool rmdt_credit_is_slow(const struct rmdt_credit *credit);

/* The limit to announce if anything is sent now: consumed + window, never lower than before. */
uint64_t rmdt_credit_limit(const struct rmdt_credit *credit);

/*
 * Whether an announcement is worth a packet of its own: it moves the limit by 1/8 window, or by
 * 1/32 when the sender has less than 1/8 left beyond highest_off. (An idle sender that used all
 * its credit gets the whole window, so none is ever stuck.)
 */
bool rmdt_credit_due(const struct rmdt_credit *credit, uint64_t highest_off);

/* limit_off was announced. */
void rmdt_credit_announced(struct rmdt_credit *credit, uint64_t limit_off);

/* Send buffers of flows that block are never limited below this. */
#define RMDT_CREDIT_SEND_MIN_BYTES (4u * 1024u * 1024u)

/* A writer may be so far ahead of the network: it wakes up only with acks, eight times a round trip. */
#define RMDT_CREDIT_AHEAD_BYTES (4u * 1024u * 1024u)

struct rmdt_credit_send {
	enum rmdt_policy_kind kind;
	uint64_t cap_bytes;		/* most the buffer may take */
	uint64_t max_cwnd_bytes;	/* largest congestion window among the receivers */
	uint64_t sent_bytes;		/* kept in the buffer and sent to one receiver at least */
};

/*
 * Soft limit of a send buffer, for rmdt_sendbuf_set_limit: what is sent already, and ahead of it half a window, at least
 * 4 MiB. More would only fill memory and leave the cache. Under block it is also at most 4 windows: what is in flight,
 * in repair and in repair again; the other policies need the room to tell slow from fast.
 */
uint64_t rmdt_credit_send_limit(const struct rmdt_credit_send *in);

#endif

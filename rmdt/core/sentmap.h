/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_SENTMAP_H
#define RMDT_CORE_SENTMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rate.h"

/*
 * The packets of one direction that have been sent and are not settled yet, in a ring indexed by
 * packet number. Numbers are given out here, one by one, from 0; every number has an entry, so
 * that what an ack names is found at once.
 */

/* What a packet is; a set of bits. */
enum rmdt_sent_kind {
	RMDT_SENT_ELICITING = 1, /* the peer owes an ack for it */
	RMDT_SENT_INFLIGHT = 2,  /* counts as bytes in flight */
	RMDT_SENT_DATA = 4,      /* one chunk of a flow: flow, off, len are set */
	RMDT_SENT_CTRL = 8,      /* control frames: token is set */
	RMDT_SENT_PROBE = 16,    /* path MTU probe: its loss says nothing of congestion */
	RMDT_SENT_FIN = 32,      /* DATA: the chunk ends the flow */
	RMDT_SENT_ECT = 64,      /* went out as ECN-capable */
	RMDT_SENT_REPAIR = 128,  /* DATA: not for the first time */
};

enum rmdt_sent_state {
	RMDT_SENT_STANDING, /* neither acked nor lost */
	RMDT_SENT_ACKED,
	RMDT_SENT_LOST,    /* declared lost, kept for a while to notice a late ack */
	RMDT_SENT_SKIPPED, /* the number was never sent: an ack of it is a lie */
};

struct rmdt_sent {
	uint64_t sent_us; /* never less than that of the packet before */
	union {
		uint64_t off;   /* DATA: offset of the chunk in its flow */
		uint64_t token; /* CTRL: whatever the owner needs to find what was in it */
	};
	uint64_t lost_us;             /* when declared lost; set by loss */
	uint32_t flow;                /* DATA: flow id; CTRL: free for the owner */
	uint32_t len;                 /* DATA: bytes of the chunk; CTRL: free for the owner */
	uint32_t bytes;               /* size on the wire */
	uint8_t kind;                 /* bits of enum rmdt_sent_kind */
	uint8_t state;                /* enum rmdt_sent_state; set by sentmap and loss */
	struct rmdt_rate_stamp stamp; /* for the delivery rate */
};

struct rmdt_sentmap {
	struct rmdt_sent *ring; /* owned; NULL until the first add */
	size_t cap;             /* power of two, or 0 */
	size_t max_pkts;        /* most entries held */
	uint64_t base;          /* lowest packet number held */
	uint64_t next;          /* next packet number to give out */
};

/* `max_pkts` bounds the entries, rounded up to a power of two. Allocates nothing. */
void rmdt_sentmap_init(struct rmdt_sentmap *m, size_t max_pkts);
void rmdt_sentmap_fini(struct rmdt_sentmap *m);

/*
 * Enters a copy of *s as RMDT_SENT_STANDING under the next number, which rmdt_sentmap_next told.
 * 0; -ENOBUFS when full (settled entries at the front give way first); -ENOMEM.
 */
int rmdt_sentmap_add(struct rmdt_sentmap *m, const struct rmdt_sent *s);
/* Enters the next number as one that is never sent. Errors as for add. */
int rmdt_sentmap_skip(struct rmdt_sentmap *m);

/* Packet number that the next add or skip gives out. */
static inline uint64_t rmdt_sentmap_next(const struct rmdt_sentmap *m)
{
	return m->next;
}

/* Entries held: from base up to next. */
static inline size_t rmdt_sentmap_count(const struct rmdt_sentmap *m)
{
	return (size_t)(m->next - m->base);
}

/* Entry of `pn`; NULL when it is not held. Valid until the next add, skip, release or trim. */
static inline struct rmdt_sent *rmdt_sentmap_get(const struct rmdt_sentmap *m, uint64_t pn)
{
	if (pn < m->base || pn >= m->next)
		return NULL;
	return &m->ring[pn & (m->cap - 1)];
}

/*
 * Drops from the front what is settled: acked and skipped entries, and those declared lost at or
 * before `until_us`.
 */
void rmdt_sentmap_release(struct rmdt_sentmap *m, uint64_t until_us);
/* Gives memory back: shrinks the ring to what is held. For idle times. */
void rmdt_sentmap_trim(struct rmdt_sentmap *m);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_PMTU_H
#define RMDT_CORE_PMTU_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Packetization layer path MTU discovery (RFC 8899) for one path. All sizes are UDP payload bytes.
 * The owner asks for a probe size, sends one padded packet of it, and says what became of it;
 * and it says which ordinary packets arrived or were lost, so that a black hole is noticed.
 */

/* Every path that can be used at all carries this. */
#define RMDT_PMTU_BASE 1200
/* Largest UDP payload over IPv4. */
#define RMDT_PMTU_MAX 65507
/* One lost probe may be congestion; as many as this in a row mean that the size does not fit. */
#define RMDT_PMTU_TRIES 3
/* The search ends when the answer is known this closely. */
#define RMDT_PMTU_STEP 16
/* A path may have become wider: search again this long after a search ended. */
#define RMDT_PMTU_RAISE_US UINT64_C(600000000)
/* Packets above base lost in a row, over at least 2 probe timeouts, that make a black hole. */
#define RMDT_PMTU_BLACK_HOLE_PKTS 6
#define RMDT_PMTU_BLACK_HOLE_PTOS 2

enum rmdt_pmtu_state {
	RMDT_PMTU_SEARCHING,
	RMDT_PMTU_DONE,  /* waits for the raise timer */
	RMDT_PMTU_FIXED, /* set by the user: never probes, never changes */
};

struct rmdt_pmtu {
	enum rmdt_pmtu_state state;
	uint32_t base;           /* what is taken to work */
	uint32_t max;            /* what the interface or the user allows */
	uint32_t current;        /* largest size known to work: use this */
	uint32_t bound;          /* no larger size is tried; nor this one once bound_tried */
	bool bound_tried;        /* `bound` has failed, or is current */
	uint32_t probe;          /* size being tried; 0 none */
	uint32_t tries;          /* probes of that size lost */
	bool probe_in_flight;
	uint64_t probe_until_us; /* the probe in flight counts as lost then */
	uint64_t raise_us;       /* DONE: when to search again; UINT64_MAX never */
	uint32_t lost_run;       /* packets above base lost, and none so large acked since */
	uint32_t lost_size;      /* smallest of them */
	uint64_t lost_since_us;  /* when the first of them was declared lost */
	uint64_t black_holes;    /* times that the path stopped carrying what it had carried */
};

/*
 * Starts at `base` and searches up to `max`. 0 for either means RMDT_PMTU_BASE, RMDT_PMTU_MAX;
 * max below base lowers base to it.
 */
void rmdt_pmtu_init(struct rmdt_pmtu *p, uint32_t base, uint32_t max);
/* Always `size`: no probe, no black hole. */
void rmdt_pmtu_init_fixed(struct rmdt_pmtu *p, uint32_t size);

/* Largest payload to send now. */
static inline uint32_t rmdt_pmtu_current(const struct rmdt_pmtu *p)
{
	return p->current;
}

/*
 * Size of the probe to send now, or 0. A probe in flight whose timer has run out counts as lost
 * first. Asking does not mean sending: rmdt_pmtu_probe_sent says so.
 */
uint32_t rmdt_pmtu_next_probe(struct rmdt_pmtu *p, uint64_t now_us);
/* A probe of the size last told by next_probe is out; it is lost if not acked in `timeout_us`. */
void rmdt_pmtu_probe_sent(struct rmdt_pmtu *p, uint64_t now_us, uint64_t timeout_us);
/* When next_probe may have news: probe timer, raise timer; 0 now; UINT64_MAX never. */
uint64_t rmdt_pmtu_deadline_us(const struct rmdt_pmtu *p);

/* Fates of probes, also of late ones. */
void rmdt_pmtu_on_probe_acked(struct rmdt_pmtu *p, uint64_t now_us, uint32_t size);
void rmdt_pmtu_on_probe_lost(struct rmdt_pmtu *p, uint64_t now_us, uint32_t size);

/* Fates of all other packets of `size` bytes. */
void rmdt_pmtu_on_packet_acked(struct rmdt_pmtu *p, uint32_t size);
/*
 * `pto_us` is the current probe timeout. True when this makes a black hole: current has fallen to
 * base, and a new search has begun that goes no higher than the size that failed, until the raise
 * timer. Small packets should go on meanwhile: their acks are what shows the loss of large ones.
 */
bool rmdt_pmtu_on_packet_lost(struct rmdt_pmtu *p, uint64_t now_us, uint32_t size,
			      uint64_t pto_us);
/* The local stack refused a packet of `size` bytes as too long (EMSGSIZE). */
void rmdt_pmtu_on_emsgsize(struct rmdt_pmtu *p, uint64_t now_us, uint32_t size);

#endif

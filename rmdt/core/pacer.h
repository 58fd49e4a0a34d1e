/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_PACER_H
#define RMDT_CORE_PACER_H

#include <stdint.h>

/* Fastest rate that is paced; at or above it the pacer lets everything pass. */
#define RMDT_PACER_MAX_RATE UINT64_C(100000000000)
/* A rate that lets everything pass. */
#define RMDT_PACER_UNLIMITED UINT64_MAX
/* Largest train: what one GSO send carries. */
#define RMDT_PACER_TRAIN_BYTES UINT64_C(65536)
/* Trains and bursts are sized to about this much of the rate: one wake-up's worth. */
#define RMDT_PACER_SLICE_US UINT64_C(1000)

/*
 * A token bucket in millionths of a byte, so that rate times microseconds adds without rounding.
 * Credit may go below zero: a train goes out whole and its debt is earned back before the next.
 */
struct rmdt_pacer {
	uint64_t rate;        /* bytes per second; 0 stops, RMDT_PACER_UNLIMITED passes all */
	uint64_t burst_bytes; /* most credit that can be held */
	uint64_t train_bytes; /* what to send in one go, see rmdt_pacer_train_bytes */
	uint64_t mtu_bytes;   /* one packet: floor of train */
	int64_t credit;       /* millionths of a byte, at last_us */
	uint64_t last_us;
};

/* Starts with a full burst at `now_us`. `mtu_bytes` is the size of one packet on the wire. */
void rmdt_pacer_init(struct rmdt_pacer *p, uint64_t now_us, uint64_t rate, uint64_t mtu_bytes);
/*
 * New rate in bytes per second from `now_us` on. What was earned at the old rate is kept, up to
 * the new burst; a debt is kept in bytes, but never more than one new burst of it.
 */
void rmdt_pacer_set_rate(struct rmdt_pacer *p, uint64_t now_us, uint64_t rate);
void rmdt_pacer_set_mtu(struct rmdt_pacer *p, uint64_t now_us, uint64_t mtu_bytes);

/* Bytes that may be sent now; 0 while in debt; UINT64_MAX when unlimited. */
uint64_t rmdt_pacer_budget(struct rmdt_pacer *p, uint64_t now_us);
/*
 * Charges `bytes` that are being sent. A train may be sent whenever budget is at least
 * min(train, burst_bytes), and then is charged whole, even beyond the budget.
 */
void rmdt_pacer_spend(struct rmdt_pacer *p, uint64_t now_us, uint64_t bytes);
/*
 * Earliest time at which budget is min(want_bytes, burst_bytes): `now_us` itself when it is now,
 * UINT64_MAX when the rate is 0.
 */
uint64_t rmdt_pacer_next_us(struct rmdt_pacer *p, uint64_t now_us, uint64_t want_bytes);

/* Bytes to send in one go at this rate: a slice of the rate, from 2 packets to a full train. */
static inline uint64_t rmdt_pacer_train_bytes(const struct rmdt_pacer *p)
{
	return p->train_bytes;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_RTT_H
#define RMDT_CORE_RTT_H

#include <stdbool.h>
#include <stdint.h>

/* What a path is taken to be before the first sample. */
#define RMDT_RTT_INITIAL_US UINT64_C(250000)
/* The minimum is forgotten after this long, so that a path that grew longer is believed. */
#define RMDT_RTT_MIN_WINDOW_US UINT64_C(10000000)
/* Timers are no finer than this; a lower variance would make a probe timeout fire by itself. */
#define RMDT_RTT_GRANULARITY_US UINT64_C(1000)

/* Round trip time of one path, estimated as RFC 9002 section 5 does, in microseconds. */
struct rmdt_rtt {
	uint64_t latest_us; /* last sample as measured; 0 before the first */
	uint64_t srtt_us;   /* smoothed; the initial value before the first sample */
	uint64_t rttvar_us; /* mean deviation */
	uint64_t min_us;    /* least of the last 5 to 10 s; UINT64_MAX before the first sample */
	uint64_t samples;   /* number of samples taken */

	uint64_t bucket_start_us; /* when the current half window began */
	uint64_t bucket_min_us;   /* least in the current half window */
	uint64_t previous_min_us; /* least in the half window before */
};

/* `initial_us` 0 means RMDT_RTT_INITIAL_US. Also used to start over on a new path. */
void rmdt_rtt_init(struct rmdt_rtt *r, uint64_t initial_us);

/*
 * Takes one sample: `sample_us` from sending to the arrival of the ack, of which the peer says it
 * spent `ack_delay_us` itself (the caller caps it at the delay the peer has promised). The delay is
 * subtracted only as far as the result stays at or above the minimum.
 */
void rmdt_rtt_sample(struct rmdt_rtt *r, uint64_t now_us, uint64_t sample_us,
		     uint64_t ack_delay_us);

static inline bool rmdt_rtt_is_known(const struct rmdt_rtt *r)
{
	return r->samples > 0;
}

/* Least RTT, or srtt while there is no sample: never a sentinel. */
static inline uint64_t rmdt_rtt_floor_us(const struct rmdt_rtt *r)
{
	return r->samples ? r->min_us : r->srtt_us;
}

/* Probe timeout without backoff: srtt + max(4 rttvar, granularity) + max_ack_delay_us. */
uint64_t rmdt_rtt_pto_us(const struct rmdt_rtt *r, uint64_t max_ack_delay_us);

#endif

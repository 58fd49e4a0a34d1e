/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_TESTS_SIM_CCSIM_H
#define RMDT_TESTS_SIM_CCSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/cc.h"

/*
 * Congestion controllers over one bottleneck in virtual time, packet by packet. Each flow has a
 * sender (controller, pacer in trains, packet-threshold loss detection, repair in new packets) and
 * a receiver that acks densely at first and then some eight times per RTT. Same config, same
 * result.
 */

#define CCSIM_MAX_FLOWS 4
#define CCSIM_MAX_STEPS 4

/* What a datagram costs on the wire beyond itself, and what of it is no payload. */
#define CCSIM_WIRE_OVERHEAD_BYTES 28
#define CCSIM_CHUNK_OVERHEAD_BYTES 45

struct ccsim_flow {
	const char *cc;			/* NULL: no such flow */
	struct rmdt_cc_config config;	/* mss_bytes 0: 1472 */
	uint64_t start_us;
	uint64_t bytes;			/* payload to deliver; 0: endless */
	uint64_t pause_us, resume_us;	/* application has nothing to send between; 0: never */
};

struct ccsim_step {
	uint64_t at_us;			/* 0: no step */
	uint64_t rate;			/* bytes/s from then on; 0: unchanged */
	int loss_ppm;			/* from then on; negative: unchanged */
	uint64_t rtt_us;		/* from then on; 0: unchanged */
};

struct ccsim_config {
	uint64_t rate;			/* bytes/s on the wire */
	uint64_t rtt_us;		/* without queue */
	uint64_t queue_us;		/* depth of the queue at `rate` */
	int loss_ppm;			/* independent, of data packets, behind the queue */
	int burst_pkts;			/* mean length of a run of losses; 0: independent */
	int ack_loss_ppm;		/* ACKs lost on the way back; the next one tells it all */
	uint64_t jitter_us;		/* most that the way forth wanders, from 10 ms to 10 ms */
	uint64_t ack_hold_us;		/* ACKs reach the sender in groups of this distance */
	uint64_t late_us;		/* by the receiver's clock its first packets come so late */
	/* no dense ACKs at the start: the first train shows nothing */
	bool sparse_acks;
	uint64_t ecn_us;		/* queue delay that marks CE; 0: never */
	uint64_t duration_us;		/* end, unless every flow is complete before */
	uint64_t measure_us;		/* steady state is measured from here to the end */
	uint64_t seed;
	struct ccsim_flow flow[CCSIM_MAX_FLOWS];
	struct ccsim_step step[CCSIM_MAX_STEPS];
	FILE *trace;			/* a line per flow and 50 ms; NULL: none */
};

struct ccsim_flow_result {
	double goodput;			/* payload bytes/s in the measured time */
	double wire_share;		/* of the link's bytes in the measured time */
	double loss;			/* lost of sent packets in the measured time */
	/* from start to the last byte at the receiver; 0: not yet */
	double complete_s;
	double sent_ratio;		/* payload bytes sent over delivered, whole run */
	uint64_t delivered_bytes;	/* payload, whole run */
};

struct ccsim_result {
	struct ccsim_flow_result flow[CCSIM_MAX_FLOWS];
	double queue_median_ms;		/* in the measured time */
	double queue_p95_ms;
	double queue_loss;		/* of packets sent, dropped by the queue, measured time */
};

void ccsim_run(const struct ccsim_config *config, struct ccsim_result *result);

#endif

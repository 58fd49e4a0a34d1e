/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_TESTS_SIM_CCSIM_IMPL_H
#define RMDT_TESTS_SIM_CCSIM_IMPL_H

#include "core/rate.h"
#include "tests/sim/ccsim.h"

/* What the parts of ccsim share. */

#define HEAP_MAX (1u << 16)
#define QUEUE_SAMPLES_MAX 100000

enum event_kind {
	EVENT_SEND, EVENT_ACK_TICK, EVENT_ACK_NOW, EVENT_ACK, EVENT_PTO, EVENT_SAMPLE
};

struct event {
	uint64_t at_us, order;
	enum event_kind kind;
	int flow;
	uint64_t from_pn, to_pn;	/* EVENT_ACK: what arrived since the last */
	uint32_t ce_pkts;
};

struct packet {
	struct rmdt_rate_stamp stamp;
	uint64_t arrive_us;
	bool dropped, ce, acked;
};

struct flow {
	const struct ccsim_flow *config;
	struct rmdt_cc *cc;
	struct rmdt_rate rate;
	struct packet *ring;
	uint32_t mss_bytes, payload_bytes;
	uint64_t next_pn;		/* sender: next to send */
	uint64_t loss_pn;		/* sender: everything below is acked or declared lost */
	uint64_t arrived_pn;		/* receiver: everything below has been looked at */
	uint64_t in_flight_bytes;
	uint64_t unsent_bytes;		/* payload, repairs included */
	uint64_t delivered_bytes;	/* payload */
	uint64_t first_arrive_us;
	uint64_t last_arrive_us, last_ack_out_us, last_ack_in_us;
	uint64_t next_send_us;
	bool send_pending;
	uint64_t srtt_us, min_rtt_us;
	int probes;			/* packets that may go beyond the window */
	int silent;			/* probe timeouts in a row */
	uint64_t complete_us;
	bool cwnd_limited;
	/* measured time */
	uint64_t base_delivered_bytes, base_wire_bytes, base_sent_pkts, base_lost_pkts;
	uint64_t wire_bytes, lost_pkts, sent_pkts;
	uint64_t trace_delivered_bytes;
};

struct sim {
	const struct ccsim_config *config;
	struct flow flow[CCSIM_MAX_FLOWS];
	struct event heap[HEAP_MAX];
	size_t events;
	uint64_t order, now_us, random;
	uint64_t rate, rtt_us;
	int loss_ppm;
	bool in_burst;
	uint64_t lost_us;		/* last loss of a run */
	double jitter_from_us, jitter_to_us;
	uint64_t jitter_at_us;		/* when it set out from the one for the other */
	double free_us;			/* when the bottleneck has sent all it holds */
	uint64_t queue_drops, base_queue_drops;
	float *queue_ms;
	size_t queue_samples;
	uint64_t next_trace_us;
	bool measuring;
};

/* ccsim_events.c: what happens when; of one moment in the order in which it was pushed. */
void ccsim_push(struct sim *sim, struct event event);
void ccsim_push_at(struct sim *sim, uint64_t at_us, enum event_kind kind, int flow);
struct event ccsim_pop(struct sim *sim);

/* ccsim_link.c: the bottleneck and the path behind it. */
double ccsim_random(struct sim *sim);	/* from 0 to less than 1 */
double ccsim_queue_us(const struct sim *sim);
/* Sends a packet on its way: when it arrives, or that it will not. */
void ccsim_cross_link(struct sim *sim, struct flow *flow, struct packet *packet);

/* ccsim_result.c: what is measured and told. */
void ccsim_measure(struct sim *sim);
void ccsim_fill_result(struct sim *sim, struct ccsim_result *result);

#endif

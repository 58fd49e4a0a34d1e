/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/ccsim_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/bbr1.h"

#define RING_PKTS (1u << 18)	/* packets of a flow that are not settled; 375 MB of them */
#define SAMPLE_US 2000
#define DENSE_PKTS 96		/* so many first packets are acked in small groups */
#define DENSE_GROUP 8
#define ACKS_PER_RTT 8
#define PACKET_THRESHOLD 3
#define TRAIN_BYTES 65536
#define SLICE_US 1000

static struct packet *packet_at(struct flow *flow, uint64_t pn)
{
	return &flow->ring[pn & (RING_PKTS - 1)];
}

static void send_packet(struct sim *sim, int index)
{
	struct flow *flow = &sim->flow[index];
	uint64_t pn = flow->next_pn++;
	struct packet *packet = packet_at(flow, pn);
	uint64_t payload_bytes = flow->payload_bytes;

	assert(flow->next_pn - flow->loss_pn < RING_PKTS);
	rmdt_cc_on_sent(flow->cc, flow->mss_bytes, flow->in_flight_bytes, sim->now_us);
	rmdt_rate_on_sent(&flow->rate, &packet->stamp, flow->mss_bytes, flow->in_flight_bytes,
			  sim->now_us);
	flow->in_flight_bytes += flow->mss_bytes;
	flow->unsent_bytes -= payload_bytes < flow->unsent_bytes ? payload_bytes :
								   flow->unsent_bytes;
	flow->sent_pkts++;
	ccsim_cross_link(sim, flow, packet);
	if (!sim->config->sparse_acks && pn < DENSE_PKTS && pn % DENSE_GROUP == DENSE_GROUP - 1)
		ccsim_push_at(sim, packet->arrive_us, EVENT_ACK_NOW, index);
}

static bool has_data(const struct sim *sim, const struct flow *flow)
{
	const struct ccsim_flow *config = flow->config;

	if (config->resume_us != 0 && sim->now_us >= config->pause_us &&
	    sim->now_us < config->resume_us)
		return false;
	return flow->unsent_bytes > 0;
}

/* Send what window and pacer allow now, and come back when the pacer allows more. */
static void try_send(struct sim *sim, int index)
{
	struct flow *flow = &sim->flow[index];
	uint64_t rate = rmdt_cc_pacing_rate(flow->cc), train_bytes, sent_bytes = 0;

	flow->cwnd_limited = false;
	train_bytes = rate * SLICE_US / 1000000;
	if (train_bytes < 2 * flow->mss_bytes)
		train_bytes = 2 * flow->mss_bytes;
	if (train_bytes > TRAIN_BYTES)
		train_bytes = TRAIN_BYTES;
	while (has_data(sim, flow) && flow->next_send_us <= sim->now_us) {
		if (flow->in_flight_bytes >= rmdt_cc_cwnd_bytes(flow->cc) && flow->probes == 0) {
			flow->cwnd_limited = true;
			break;
		}
		if (flow->probes > 0)
			flow->probes--;
		send_packet(sim, index);
		sent_bytes += flow->mss_bytes;
		if (sent_bytes >= train_bytes) {
			if (flow->next_send_us + SLICE_US < sim->now_us)
				flow->next_send_us = sim->now_us - SLICE_US;
			flow->next_send_us += sent_bytes * 1000000 / rate;
			sent_bytes = 0;
		}
	}
	if (sent_bytes > 0) {
		if (flow->next_send_us + SLICE_US < sim->now_us)
			flow->next_send_us = sim->now_us - SLICE_US;
		flow->next_send_us += sent_bytes * 1000000 / rate;
	}
	if (!has_data(sim, flow) && flow->in_flight_bytes < rmdt_cc_cwnd_bytes(flow->cc))
		rmdt_rate_set_app_limited(&flow->rate, flow->in_flight_bytes);
	if (has_data(sim, flow) && !flow->cwnd_limited && !flow->send_pending) {
		flow->send_pending = true;
		ccsim_push_at(sim, flow->next_send_us, EVENT_SEND, index);
	}
}

/* The receiver reports what arrived since its last ACK. */
static void make_ack(struct sim *sim, int index)
{
	struct flow *flow = &sim->flow[index];
	struct event ack = { .kind = EVENT_ACK, .flow = index, .from_pn = flow->arrived_pn };
	uint64_t pn = flow->arrived_pn, hold_us = sim->config->ack_hold_us;
	bool any = false;

	for (; pn < flow->next_pn && packet_at(flow, pn)->arrive_us <= sim->now_us; pn++) {
		const struct packet *packet = packet_at(flow, pn);

		if (packet->dropped)
			continue;
		any = true;
		ack.ce_pkts += packet->ce;
	}
	if (!any || ccsim_random(sim) * 1e6 < sim->config->ack_loss_ppm)
		return;
	flow->arrived_pn = ack.to_pn = pn;
	ack.at_us = sim->now_us + sim->rtt_us / 2;
	if (hold_us != 0)
		ack.at_us = (ack.at_us / hold_us + 1) * hold_us;
	ccsim_push(sim, ack);
}

/* As the receiver tells it: to a thread that wakes up late, the first train looks shorter. */
static uint64_t seen_us(const struct sim *sim, struct flow *flow, uint64_t pn)
{
	uint64_t at_us = packet_at(flow, pn)->arrive_us;
	uint64_t awake_us = flow->first_arrive_us + sim->config->late_us;

	return at_us > awake_us ? at_us : awake_us;
}

/* Lost is what was sent three packets, or an eighth of an RTT, before one that arrived. */
static uint64_t lost_below(struct flow *flow, uint64_t largest)
{
	uint64_t pn = largest > PACKET_THRESHOLD ? largest - PACKET_THRESHOLD : 0;
	uint64_t sent_us = packet_at(flow, largest)->stamp.sent_us;

	while (pn < largest &&
	       packet_at(flow, pn)->stamp.sent_us + flow->min_rtt_us / 8 < sent_us)
		pn++;
	return pn;
}

static void detect_loss(struct sim *sim, struct flow *flow, struct rmdt_rate_sample *sample,
			uint64_t below_pn)
{
	struct rmdt_cc_loss loss = { .now_us = sim->now_us };

	for (; flow->loss_pn < below_pn; flow->loss_pn++) {
		struct packet *packet = packet_at(flow, flow->loss_pn);

		if (packet->acked)
			continue;
		loss.lost_pkts++;
		loss.newest = &packet->stamp;
	}
	if (loss.lost_pkts == 0)
		return;
	loss.lost_bytes = (uint64_t)loss.lost_pkts * flow->mss_bytes;
	flow->in_flight_bytes -= loss.lost_bytes;
	flow->unsent_bytes += (uint64_t)loss.lost_pkts * flow->payload_bytes;
	flow->lost_pkts += loss.lost_pkts;
	loss.in_flight_bytes = flow->in_flight_bytes;
	rmdt_rate_on_lost(&flow->rate, sample, loss.lost_bytes);
	rmdt_cc_on_loss(flow->cc, &loss);
}

static void note_rtt(struct flow *flow, uint64_t rtt_us)
{
	flow->srtt_us = flow->srtt_us == 0 ? rtt_us : (flow->srtt_us * 7 + rtt_us) / 8;
	if (flow->min_rtt_us == 0 || rtt_us < flow->min_rtt_us)
		flow->min_rtt_us = rtt_us;
}

static void take_ack(struct sim *sim, const struct event *event)
{
	struct flow *flow = &sim->flow[event->flow];
	struct rmdt_rate_sample sample;
	struct rmdt_cc_ack ack = { .sample = &sample, .now_us = sim->now_us };
	uint64_t largest = 0;
	uint32_t rx_us;

	rmdt_rate_ack_start(&flow->rate, &sample, flow->in_flight_bytes);
	for (uint64_t pn = event->from_pn; pn < event->to_pn; pn++) {
		struct packet *packet = packet_at(flow, pn);

		if (packet->dropped)
			continue;
		packet->acked = true;
		largest = pn;
		flow->in_flight_bytes -= flow->mss_bytes;
		ack.acked_pkts++;
		rmdt_rate_on_acked(&flow->rate, &sample, &packet->stamp, flow->mss_bytes,
				   sim->now_us);
	}
	flow->delivered_bytes += (uint64_t)ack.acked_pkts * flow->payload_bytes;
	if (flow->config->bytes != 0 && flow->delivered_bytes >= flow->config->bytes &&
	    flow->complete_us == 0)
		flow->complete_us = packet_at(flow, largest)->arrive_us;
	/* The time between arrival and report is known to both sides: it is no path delay. */
	ack.rtt_us = sim->now_us - packet_at(flow, largest)->stamp.sent_us;
	note_rtt(flow, ack.rtt_us);
	detect_loss(sim, flow, &sample, lost_below(flow, largest));
	rx_us = (uint32_t)seen_us(sim, flow, largest);
	rmdt_rate_ack_finish(&flow->rate, &sample, &rx_us, flow->min_rtt_us, sim->now_us);
	ack.in_flight_bytes = flow->in_flight_bytes;
	ack.delivered_bytes = flow->rate.delivered_bytes;
	ack.srtt_us = flow->srtt_us;
	ack.min_rtt_us = flow->min_rtt_us;
	ack.ce_pkts = event->ce_pkts;
	ack.cwnd_limited = flow->cwnd_limited;
	rmdt_cc_on_ack(flow->cc, &ack);
	flow->last_ack_in_us = sim->now_us;
	flow->silent = 0;
	try_send(sim, event->flow);
}

static uint64_t pto_us(const struct flow *flow)
{
	uint64_t srtt_us = flow->srtt_us != 0 ? flow->srtt_us : 1000000;

	return (srtt_us * 3 / 2 + 20000) << (flow->silent < 6 ? flow->silent : 6);
}

static void check_pto(struct sim *sim, int index)
{
	struct flow *flow = &sim->flow[index];
	uint64_t due_us = flow->last_ack_in_us + pto_us(flow);

	if (flow->in_flight_bytes == 0) {
		flow->last_ack_in_us = sim->now_us;
	} else if (sim->now_us >= due_us) {
		flow->silent++;
		flow->probes = 2;
		flow->last_ack_in_us = sim->now_us;
		flow->next_send_us = sim->now_us;
		if (flow->silent == 3)
			rmdt_cc_on_silence(flow->cc, sim->now_us);
		/* Nothing new to send: repeat what may be lost, so that an ACK comes. */
		if (flow->unsent_bytes == 0) {
			send_packet(sim, index);
			flow->probes = 0;
		}
		try_send(sim, index);
		due_us = flow->last_ack_in_us + pto_us(flow);
	}
	ccsim_push_at(sim, due_us > sim->now_us ? due_us : sim->now_us + 1000, EVENT_PTO, index);
}

static void take_step(struct sim *sim)
{
	for (int i = 0; i < CCSIM_MAX_STEPS; i++) {
		const struct ccsim_step *step = &sim->config->step[i];

		if (step->at_us == 0 || sim->now_us < step->at_us)
			continue;
		if (step->rate != 0)
			sim->rate = step->rate;
		if (step->rtt_us != 0)
			sim->rtt_us = step->rtt_us;
		if (step->loss_ppm >= 0)
			sim->loss_ppm = step->loss_ppm;
	}
}

static void take_sample(struct sim *sim)
{
	take_step(sim);
	ccsim_measure(sim);
	/* An application that pauses or resumes. */
	for (int i = 0; i < CCSIM_MAX_FLOWS; i++) {
		struct flow *flow = &sim->flow[i];

		if (flow->cc == NULL || flow->config->resume_us == 0)
			continue;
		if (sim->now_us / SAMPLE_US == flow->config->resume_us / SAMPLE_US) {
			if (flow->in_flight_bytes == 0)
				rmdt_cc_on_idle_restart(flow->cc, sim->now_us);
			try_send(sim, i);
		}
	}
	ccsim_push_at(sim, sim->now_us + SAMPLE_US, EVENT_SAMPLE, 0);
}

static void tick_ack(struct sim *sim, int index)
{
	struct flow *flow = &sim->flow[index];
	uint64_t gap_us = sim->config->rtt_us / ACKS_PER_RTT;

	if (flow->srtt_us != 0)
		gap_us = flow->srtt_us / ACKS_PER_RTT;
	if (gap_us < 1000)
		gap_us = 1000;
	make_ack(sim, index);
	ccsim_push_at(sim, sim->now_us + gap_us, EVENT_ACK_TICK, index);
}

static void start_flow(struct sim *sim, int index)
{
	const struct ccsim_flow *config = &sim->config->flow[index];
	struct flow *flow = &sim->flow[index];
	struct rmdt_cc_config cc_config = config->config;
	int rc;

	if (config->cc == NULL)
		return;
	if (cc_config.mss_bytes == 0)
		cc_config.mss_bytes = 1472;
	flow->config = config;
	flow->mss_bytes = cc_config.mss_bytes;
	flow->payload_bytes = flow->mss_bytes - CCSIM_CHUNK_OVERHEAD_BYTES;
	flow->unsent_bytes = config->bytes != 0 ? config->bytes : UINT64_C(1) << 60;
	flow->ring = calloc(RING_PKTS, sizeof(*flow->ring));
	assert(flow->ring != NULL);
	rmdt_rate_init(&flow->rate);
	if (strcmp(config->cc, "bbr1") == 0)
		rc = rmdt_cc_new_from_ops(&flow->cc, &bbr1_ops, &cc_config, config->start_us);
	else
		rc = rmdt_cc_new(&flow->cc, config->cc, &cc_config, config->start_us);
	assert(rc == 0);
	(void)rc;
	flow->next_send_us = flow->last_ack_in_us = config->start_us;
	flow->send_pending = true;
	ccsim_push_at(sim, config->start_us, EVENT_SEND, index);
	ccsim_push_at(sim, config->start_us + 1000, EVENT_ACK_TICK, index);
	ccsim_push_at(sim, config->start_us + 1000, EVENT_PTO, index);
}

static void dispatch(struct sim *sim, const struct event *event)
{
	switch (event->kind) {
	case EVENT_SEND:
		sim->flow[event->flow].send_pending = false;
		try_send(sim, event->flow);
		break;
	case EVENT_ACK_TICK:
		tick_ack(sim, event->flow);
		break;
	case EVENT_ACK_NOW:
		make_ack(sim, event->flow);
		break;
	case EVENT_ACK:
		take_ack(sim, event);
		break;
	case EVENT_PTO:
		check_pto(sim, event->flow);
		break;
	case EVENT_SAMPLE:
		take_sample(sim);
		break;
	}
}

static bool complete(const struct sim *sim)
{
	for (int i = 0; i < CCSIM_MAX_FLOWS; i++)
		if (sim->flow[i].cc != NULL && sim->flow[i].complete_us == 0)
			return false;
	return true;
}

void ccsim_run(const struct ccsim_config *config, struct ccsim_result *result)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	assert(sim != NULL);
	sim->config = config;
	sim->rate = config->rate;
	sim->rtt_us = config->rtt_us;
	sim->loss_ppm = config->loss_ppm;
	sim->random = config->seed * UINT64_C(0x9E3779B97F4A7C15) + 88172645463325252;
	sim->queue_ms = calloc(QUEUE_SAMPLES_MAX, sizeof(*sim->queue_ms));
	assert(sim->queue_ms != NULL);
	for (int i = 0; i < CCSIM_MAX_FLOWS; i++)
		start_flow(sim, i);
	ccsim_push_at(sim, 0, EVENT_SAMPLE, 0);
	while (!complete(sim)) {
		struct event event = ccsim_pop(sim);

		if (event.at_us > config->duration_us)
			break;
		sim->now_us = event.at_us;
		dispatch(sim, &event);
	}
	ccsim_fill_result(sim, result);
	for (int i = 0; i < CCSIM_MAX_FLOWS; i++) {
		rmdt_cc_free(sim->flow[i].cc);
		free(sim->flow[i].ring);
	}
	free(sim->queue_ms);
	free(sim);
}

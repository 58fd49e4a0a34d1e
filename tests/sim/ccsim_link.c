/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/ccsim_impl.h"

#define JITTER_STEP_US 10000
#define BURST_MAX_GAP_US 10000

double ccsim_random(struct sim *sim)
{
	sim->random ^= sim->random << 13;
	sim->random ^= sim->random >> 7;
	sim->random ^= sim->random << 17;
	return (double)(sim->random >> 11) / 9007199254740992.0;
}

double ccsim_queue_us(const struct sim *sim)
{
	return sim->free_us > (double)sim->now_us ? sim->free_us - (double)sim->now_us : 0.0;
}

/* Delay wanders in straight lines between random points, as on real paths. */
static uint64_t wander_us(struct sim *sim)
{
	double part;

	if (sim->config->jitter_us == 0)
		return 0;
	if (sim->now_us >= sim->jitter_at_us + JITTER_STEP_US) {
		sim->jitter_from_us = sim->jitter_to_us;
		sim->jitter_to_us = ccsim_random(sim) * (double)sim->config->jitter_us;
		sim->jitter_at_us = sim->now_us;
	}
	part = (double)(sim->now_us - sim->jitter_at_us) / JITTER_STEP_US;
	return (uint64_t)(sim->jitter_from_us + (sim->jitter_to_us - sim->jitter_from_us) * part);
}

/* Independent losses, or runs of them with the same share overall. */
static bool is_lost(struct sim *sim)
{
	double share = sim->loss_ppm / 1e6, length = sim->config->burst_pkts;

	if (length <= 1)
		return ccsim_random(sim) < share;
	/* A run of losses does not wait for the next packet to come. */
	if (sim->now_us > sim->lost_us + BURST_MAX_GAP_US)
		sim->in_burst = false;
	if (sim->in_burst)
		sim->in_burst = ccsim_random(sim) >= 1 / length;
	else
		sim->in_burst = ccsim_random(sim) < share / (1 - share) / length;
	if (sim->in_burst)
		sim->lost_us = sim->now_us;
	return sim->in_burst;
}

/* The packet meets the queue, the random loss and the way; sets when and whether it arrives. */
void ccsim_cross_link(struct sim *sim, struct flow *flow, struct packet *packet)
{
	const struct ccsim_config *config = sim->config;
	double wait_us = ccsim_queue_us(sim), wire = flow->mss_bytes + CCSIM_WIRE_OVERHEAD_BYTES;
	double depth_bytes = (double)config->rate * (double)config->queue_us / 1e6;
	uint64_t arrive_us;

	packet->dropped = packet->ce = packet->acked = false;
	if (wait_us * (double)sim->rate / 1e6 + wire > depth_bytes) {
		packet->dropped = true;
		packet->arrive_us = flow->last_arrive_us;
		sim->queue_drops++;
		return;
	}
	packet->ce = config->ecn_us != 0 && wait_us > (double)config->ecn_us;
	wait_us += wire * 1e6 / (double)sim->rate;
	sim->free_us = (double)sim->now_us + wait_us;
	arrive_us = sim->now_us + (uint64_t)wait_us + sim->rtt_us / 2;
	arrive_us += wander_us(sim);
	if (arrive_us < flow->last_arrive_us)
		arrive_us = flow->last_arrive_us;
	packet->arrive_us = flow->last_arrive_us = arrive_us;
	if (flow->first_arrive_us == 0)
		flow->first_arrive_us = arrive_us;
	packet->dropped = is_lost(sim);
	flow->wire_bytes += (uint64_t)wire;
}

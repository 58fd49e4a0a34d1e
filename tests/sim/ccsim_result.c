/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/ccsim_impl.h"

#include <stdlib.h>
#include <string.h>

#define TRACE_US 50000

static void trace(struct sim *sim)
{
	for (int i = 0; i < CCSIM_MAX_FLOWS; i++) {
		struct flow *flow = &sim->flow[i];
		struct rmdt_cc_info info;

		if (flow->cc == NULL)
			continue;
		rmdt_cc_info_get(flow->cc, &info);
		fprintf(sim->config->trace, "%7.2f %d %-12s del %7.2f pace %7.2f bw %7.2f Mbit/s "
			"cwnd %8.1f infl %8.1f kB rtt %6.1f q %6.1f ms p %u lost %llu\n",
			(double)sim->now_us / 1e6, i, info.state,
			(double)(flow->rate.delivered_bytes -
				 flow->trace_delivered_bytes) * 8 / TRACE_US,
			(double)info.pacing_rate * 8e-6, (double)info.bandwidth * 8e-6,
			(double)info.cwnd_bytes / 1e3, (double)flow->in_flight_bytes / 1e3,
			(double)flow->srtt_us / 1e3, ccsim_queue_us(sim) / 1e3,
				info.random_loss_ppm,
			(unsigned long long)flow->lost_pkts);
		flow->trace_delivered_bytes = flow->rate.delivered_bytes;
	}
}

void ccsim_measure(struct sim *sim)
{
	const struct ccsim_config *config = sim->config;

	if (!sim->measuring && sim->now_us >= config->measure_us) {
		sim->measuring = true;
		sim->base_queue_drops = sim->queue_drops;
		for (int i = 0; i < CCSIM_MAX_FLOWS; i++) {
			struct flow *flow = &sim->flow[i];

			flow->base_delivered_bytes = flow->delivered_bytes;
			flow->base_wire_bytes = flow->wire_bytes;
			flow->base_sent_pkts = flow->sent_pkts;
			flow->base_lost_pkts = flow->lost_pkts;
		}
	}
	if (sim->measuring && sim->queue_samples < QUEUE_SAMPLES_MAX)
		sim->queue_ms[sim->queue_samples++] = (float)(ccsim_queue_us(sim) / 1e3);
	if (config->trace != NULL && sim->now_us >= sim->next_trace_us) {
		sim->next_trace_us += TRACE_US;
		trace(sim);
	}
}

static int compare_float(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void fill_flow(const struct sim *sim, const struct flow *flow,
		      struct ccsim_flow_result *result)
{
	double seconds = (double)(sim->now_us - sim->config->measure_us) / 1e6;
	double sent = (double)(flow->sent_pkts - flow->base_sent_pkts);

	if (sim->measuring) {
		result->goodput = (double)(flow->delivered_bytes -
					   flow->base_delivered_bytes) / seconds;
		result->wire_share = (double)(flow->wire_bytes - flow->base_wire_bytes) / seconds /
				     (double)sim->rate;
		result->loss = (double)(flow->lost_pkts - flow->base_lost_pkts) / sent;
	}
	if (flow->complete_us != 0)
		result->complete_s = (double)(flow->complete_us - flow->config->start_us) / 1e6;
	result->delivered_bytes = flow->delivered_bytes;
	result->sent_ratio = (double)flow->sent_pkts * flow->payload_bytes /
			     (double)flow->delivered_bytes;
}

void ccsim_fill_result(struct sim *sim, struct ccsim_result *result)
{
	uint64_t sent_pkts = 0;

	memset(result, 0, sizeof(*result));
	for (int i = 0; i < CCSIM_MAX_FLOWS; i++) {
		const struct flow *flow = &sim->flow[i];

		if (flow->cc == NULL)
			continue;
		fill_flow(sim, flow, &result->flow[i]);
		sent_pkts += flow->sent_pkts - flow->base_sent_pkts;
	}
	if (sim->queue_samples == 0)
		return;
	qsort(sim->queue_ms, sim->queue_samples, sizeof(*sim->queue_ms), compare_float);
	result->queue_median_ms = sim->queue_ms[sim->queue_samples / 2];
	result->queue_p95_ms = sim->queue_ms[sim->queue_samples * 95 / 100];
	result->queue_loss = (double)(sim->queue_drops - sim->base_queue_drops) / (double)sent_pkts;
}

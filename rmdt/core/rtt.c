/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rtt.h"

/* Two half windows: the minimum of both is never older than the window, never younger than half. */
#define HALF_WINDOW_US (RMDT_RTT_MIN_WINDOW_US / 2)

void rmdt_rtt_init(struct rmdt_rtt *r, uint64_t initial_us)
{
	if (initial_us == 0)
		initial_us = RMDT_RTT_INITIAL_US;
	*r = (struct rmdt_rtt){
		.srtt_us = initial_us,
		.rttvar_us = initial_us / 2,
		.min_us = UINT64_MAX,
		.bucket_min_us = UINT64_MAX,
		.previous_min_us = UINT64_MAX,
	};
}

static void update_min(struct rmdt_rtt *r, uint64_t now_us, uint64_t sample_us)
{
	uint64_t age_us = now_us > r->bucket_start_us ? now_us - r->bucket_start_us : 0;

	if (r->samples == 0 || age_us >= 2 * HALF_WINDOW_US) {
		r->previous_min_us = UINT64_MAX;
		r->bucket_min_us = UINT64_MAX;
		r->bucket_start_us = now_us;
	} else if (age_us >= HALF_WINDOW_US) {
		r->previous_min_us = r->bucket_min_us;
		r->bucket_min_us = UINT64_MAX;
		r->bucket_start_us += HALF_WINDOW_US;
	}
	if (sample_us < r->bucket_min_us)
		r->bucket_min_us = sample_us;
	r->min_us = r->bucket_min_us < r->previous_min_us ? r->bucket_min_us : r->previous_min_us;
}

void rmdt_rtt_sample(struct rmdt_rtt *r, uint64_t now_us, uint64_t sample_us,
		     uint64_t ack_delay_us)
{
	uint64_t adjusted_us, deviation_us;

	/* A coarse clock can show nothing at all on loopback; nobody else has to expect a 0. */
	if (sample_us == 0)
		sample_us = 1;
	r->latest_us = sample_us;
	update_min(r, now_us, sample_us);
	if (r->samples++ == 0) {
		r->srtt_us = sample_us;
		r->rttvar_us = sample_us / 2;
		return;
	}
	adjusted_us = sample_us;
	if (ack_delay_us <= sample_us && sample_us - ack_delay_us >= r->min_us)
		adjusted_us -= ack_delay_us;
	deviation_us = adjusted_us > r->srtt_us ? adjusted_us - r->srtt_us
						: r->srtt_us - adjusted_us;
	/* The variance is rounded up, srtt to the nearest: on loopback both are a few units. */
	r->rttvar_us = (3 * r->rttvar_us + deviation_us + 3) / 4;
	r->srtt_us = (7 * r->srtt_us + adjusted_us + 4) / 8;
}

uint64_t rmdt_rtt_pto_us(const struct rmdt_rtt *r, uint64_t max_ack_delay_us)
{
	uint64_t spread_us = 4 * r->rttvar_us;

	if (spread_us < RMDT_RTT_GRANULARITY_US)
		spread_us = RMDT_RTT_GRANULARITY_US;
	return r->srtt_us + spread_us + max_ack_delay_us;
}

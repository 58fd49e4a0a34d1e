/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bbr_model.h"

#include <string.h>

#define US_PER_S UINT64_C(1000000)

/* Below it, RTT is made by schedulers: a rate over one such RTT is noise. */
#define SHORT_RTT_US 1000
/* A queue is a delay of this share of the RTT, within bounds, and of some packets. */
#define QUEUE_RTT_DIVISOR 16
#define QUEUE_LEAST_US 1000
#define QUEUE_MOST_US 15000
#define QUEUE_PKTS 4
/* Rounds, and the intervals of rates on short paths, last at least this long. */
#define MIN_ROUND_US 4000
/* Rounds per slot of the aggregation filter. */
#define EXTRA_ROUNDS 5
/* Aggregation is forgiven up to this much time at full rate. */
#define EXTRA_MAX_US 100000
/* On short paths a thread that woke up late looks like aggregation; to follow it only fills sockets. */
#define EXTRA_SHORT_US 500
/* An RTT so little above the least one proves the least one still true. */
#define NEAR_RTT_DIVISOR 32
#define NEAR_RTT_US 200
/* Window in which sending and arrival are compared, as a share of the RTT. */
#define WINDOW_RTT_DIVISOR 4
#define MIN_WINDOW_US 4000
#define WINDOW_JITTERS 4
/* ACKs over which jitter is averaged; how much of it is the sender's own trains and packets. */
#define NOISE_MEMORY 8
#define NOISE_USUAL_RTT_DIVISOR 64
#define NOISE_USUAL_US 1000
#define NOISE_USUAL_PKTS 4
/* No more than this share of a rate is taken for luck. */
#define LUCK_DIVISOR 16
/* How long the most that a path carried is remembered, at least. */
#define PEAK_SLOT_US 120000000

void rmdt_bbr_model_init(struct rmdt_bbr_model *model, uint64_t now_us)
{
	memset(model, 0, sizeof(*model));
	rmdt_bbr_loss_init(&model->loss);
	rmdt_bbr_start_init(&model->start);
	rmdt_bbr_model_reset_lo(model);
	model->inflight_hi = RMDT_BBR_UNLIMITED;
	model->round_start_us = now_us;
	model->round_rtt_us = UINT64_MAX;
	model->min_rtt_seen_us = now_us;
	model->extra_start_us = now_us;
	model->peak_us = now_us;
}

void rmdt_bbr_model_reset_lo(struct rmdt_bbr_model *model)
{
	model->bw_lo = RMDT_BBR_UNLIMITED;
	model->inflight_lo = RMDT_BBR_UNLIMITED;
}

uint64_t rmdt_bbr_model_bw(const struct rmdt_bbr_model *model)
{
	uint64_t bw = rmdt_bbr_max_get(&model->bw);

	return bw < model->bw_lo ? bw : model->bw_lo;
}

uint32_t rmdt_bbr_model_random_ppm(const struct rmdt_bbr_model *model, uint32_t mss_bytes)
{
	if (!rmdt_bbr_loss_is_known(&model->loss, mss_bytes))
		return 0;
	return rmdt_bbr_loss_baseline_ppm(&model->loss);
}

uint64_t rmdt_bbr_model_sending(const struct rmdt_bbr_model *model, uint64_t rate,
				uint32_t mss_bytes)
{
	uint32_t random_ppm = rmdt_bbr_model_random_ppm(model, mss_bytes);

	return rate * RMDT_BBR_PPM / (RMDT_BBR_PPM - random_ppm);
}

uint64_t rmdt_bbr_model_bdp(const struct rmdt_bbr_model *model, uint64_t sending_rate)
{
	return sending_rate * model->min_rtt_us / US_PER_S;
}

bool rmdt_bbr_model_is_short(const struct rmdt_bbr_model *model)
{
	return model->min_rtt_us != 0 && model->min_rtt_us < SHORT_RTT_US;
}

uint64_t rmdt_bbr_model_queue_us(const struct rmdt_bbr_model *model)
{
	uint64_t least_us = UINT64_MAX;

	for (int i = 0; i < RMDT_BBR_RECENT_RTTS; i++)
		if (model->recent_rtt_us[i] != 0 && model->recent_rtt_us[i] < least_us)
			least_us = model->recent_rtt_us[i];
	if (least_us == UINT64_MAX || least_us < model->min_rtt_us)
		return 0;
	return least_us - model->min_rtt_us;
}

/* Time that some packets take at the bottleneck. */
static uint64_t pkts_us(const struct rmdt_bbr_model *model, uint32_t pkts, uint32_t mss_bytes)
{
	uint64_t bw = rmdt_bbr_max_get(&model->bw);

	return bw == 0 ? 0 : (uint64_t)pkts * mss_bytes * US_PER_S / bw;
}

/* Jitter beyond what batches and large packets make by themselves. */
static uint64_t jitter_us(const struct rmdt_bbr_model *model, uint32_t mss_bytes)
{
	uint64_t usual_us = model->min_rtt_us / NOISE_USUAL_RTT_DIVISOR + NOISE_USUAL_US +
			    pkts_us(model, NOISE_USUAL_PKTS, mss_bytes);

	return model->noise_us > usual_us ? model->noise_us - usual_us : 0;
}

uint64_t rmdt_bbr_model_queue_thresh_us(const struct rmdt_bbr_model *model, uint32_t mss_bytes)
{
	uint64_t thresh_us = model->min_rtt_us / QUEUE_RTT_DIVISOR;

	if (thresh_us < QUEUE_LEAST_US)
		thresh_us = QUEUE_LEAST_US;
	if (thresh_us > QUEUE_MOST_US)
		thresh_us = QUEUE_MOST_US;
	/* On a slow path a few packets are a delay of their own. */
	return thresh_us + pkts_us(model, QUEUE_PKTS, mss_bytes) + jitter_us(model, mss_bytes) / 2;
}

uint32_t rmdt_bbr_model_share(const struct rmdt_bbr_model *model)
{
	uint64_t peak = rmdt_bbr_max_get(&model->peak);

	if (peak == 0 || model->last_bw >= peak)
		return 1000;
	return (uint32_t)(model->last_bw * 1000 / peak);
}

void rmdt_bbr_model_note_ceiling(struct rmdt_bbr_model *model)
{
	uint64_t bw = rmdt_bbr_max_get(&model->bw);

	if (bw < rmdt_bbr_max_get(&model->peak))
		rmdt_bbr_max_reset(&model->peak, bw);
}

void rmdt_bbr_model_shrink_bw(struct rmdt_bbr_model *model, uint32_t keep_pm)
{
	for (int i = 0; i < RMDT_BBR_SLOTS; i++)
		model->bw.slot[i] = model->bw.slot[i] / 1000 * keep_pm;
}

static void update_round(struct rmdt_bbr_model *model, const struct rmdt_cc_ack *ack,
			 uint32_t mss_bytes)
{
	model->round_start = false;
	if (ack->sample->prior_delivered_bytes < model->round_end_bytes ||
	    ack->now_us < model->round_start_us + MIN_ROUND_US)
		return;
	model->round_start = true;
	model->round_count++;
	model->last_bw = model->round_bw;
	model->last_rtt_us = model->round_rtt_us;
	model->last_max_rtt_us = model->round_max_rtt_us;
	model->last_app_limited = model->round_app_limited;
	model->last_loss_ppm = rmdt_bbr_loss_round_ppm(&model->loss);
	model->last_excess_ppm = rmdt_bbr_loss_excess_ppm(&model->loss, mss_bytes);
	model->last_ce_ppm = rmdt_bbr_loss_round_ce_ppm(&model->loss);
	rmdt_bbr_loss_end_round(&model->loss, mss_bytes);
	model->round_end_bytes = ack->delivered_bytes;
	model->round_bw = 0;
	model->round_rtt_us = UINT64_MAX;
	model->round_max_rtt_us = 0;
	model->round_app_limited = false;
}

static void update_peak(struct rmdt_bbr_model *model, uint64_t now_us)
{
	if (now_us > model->peak_us + PEAK_SLOT_US) {
		rmdt_bbr_max_advance(&model->peak);
		model->peak_us = now_us;
	}
	rmdt_bbr_max_add(&model->peak, model->last_bw);
}

/* The rate of a whole round by the sender's clock, for paths on which one RTT is too short. */
static void add_round_rate(struct rmdt_bbr_model *model, const struct rmdt_cc_ack *ack)
{
	uint64_t elapsed_us = ack->now_us - model->round_start_us;
	uint64_t bytes = ack->delivered_bytes - model->round_start_bytes;
	uint64_t rate = elapsed_us == 0 ? 0 : bytes * US_PER_S / elapsed_us;

	if (!model->last_app_limited || rate > rmdt_bbr_max_get(&model->bw))
		rmdt_bbr_max_add(&model->bw, rate);
	if (rate > model->last_bw)
		model->last_bw = rate;
}

/*
 * A queue that grows or shrinks changes the delay of the way steadily; what changes from ACK to
 * ACK is jitter. It is measured at the receiver: what ACKs suffer on their way does not count.
 */
static void update_noise(struct rmdt_bbr_model *model, const struct rmdt_rate_sample *sample)
{
	int64_t shift_us = (int64_t)sample->train_rx_us - (int64_t)sample->train_send_us;
	int64_t change_us = shift_us - model->shift_us;

	if (sample->train_bytes == 0 || sample->train_rx_us == 0)
		return;
	model->shift_us = shift_us;
	if (change_us < 0)
		change_us = -change_us;
	model->noise_us = (model->noise_us * (NOISE_MEMORY - 1) + (uint64_t)change_us) /
			  NOISE_MEMORY;
}

/* The highest of many samples is the luckiest one: take off what luck jitter can bring. */
static uint64_t sober_rate(const struct rmdt_bbr_model *model,
			   const struct rmdt_rate_sample *sample, uint32_t mss_bytes)
{
	uint64_t luck_us = jitter_us(model, mss_bytes);

	if (luck_us > sample->interval_us / LUCK_DIVISOR)
		luck_us = sample->interval_us / LUCK_DIVISOR;
	return sample->rate * sample->interval_us / (sample->interval_us + luck_us);
}

static void update_bw(struct rmdt_bbr_model *model, const struct rmdt_cc_ack *ack,
		      uint32_t mss_bytes)
{
	const struct rmdt_rate_sample *sample = ack->sample;
	bool small = model->min_rtt_us < MIN_ROUND_US;
	uint64_t rate;

	if (model->round_start) {
		if (small && model->round_count > 1)
			add_round_rate(model, ack);
		model->round_start_us = ack->now_us;
		model->round_start_bytes = ack->delivered_bytes;
		update_peak(model, ack->now_us);
	}
	if (sample->rate == 0)
		return;
	model->round_app_limited |= sample->app_limited;
	if (small && model->round_count > 4)
		return;
	rate = sober_rate(model, sample, mss_bytes);
	if (rate > model->round_bw)
		model->round_bw = rate;
	if (!sample->app_limited || rate >= rmdt_bbr_max_get(&model->bw))
		rmdt_bbr_max_add(&model->bw, rate);
}

static void update_rtt(struct rmdt_bbr_model *model, const struct rmdt_cc_ack *ack)
{
	uint64_t near_us;

	if (ack->rtt_us == 0)
		return;
	model->recent_rtt_us[model->recent_next++ % RMDT_BBR_RECENT_RTTS] = ack->rtt_us;
	if (ack->rtt_us < model->round_rtt_us)
		model->round_rtt_us = ack->rtt_us;
	if (ack->rtt_us > model->round_max_rtt_us)
		model->round_max_rtt_us = ack->rtt_us;
	near_us = model->min_rtt_us / NEAR_RTT_DIVISOR + NEAR_RTT_US;
	if (model->min_rtt_us == 0 || ack->rtt_us <= model->min_rtt_us + near_us)
		model->min_rtt_seen_us = ack->now_us;
	if (model->min_rtt_us == 0 || ack->rtt_us < model->min_rtt_us)
		model->min_rtt_us = ack->rtt_us;
}

/* How many bytes were acked beyond what the rate accounts for: that much more must be in flight. */
static void update_extra(struct rmdt_bbr_model *model, const struct rmdt_cc_ack *ack)
{
	uint64_t bw = rmdt_bbr_model_bw(model), expected_bytes, extra_bytes, most_us;

	if (bw == 0)
		return;
	if (model->round_count >= model->extra_rounds + EXTRA_ROUNDS) {
		rmdt_bbr_max_advance(&model->extra);
		model->extra_rounds = model->round_count;
	}
	expected_bytes = bw * (ack->now_us - model->extra_start_us) / US_PER_S;
	if (model->extra_bytes <= expected_bytes) {
		model->extra_bytes = 0;
		model->extra_start_us = ack->now_us;
		expected_bytes = 0;
	}
	model->extra_bytes += ack->sample->newly_acked_bytes;
	extra_bytes = model->extra_bytes - (expected_bytes < model->extra_bytes ?
					    expected_bytes : model->extra_bytes);
	most_us = rmdt_bbr_model_is_short(model) ? EXTRA_SHORT_US : EXTRA_MAX_US;
	if (extra_bytes > bw * most_us / US_PER_S)
		extra_bytes = bw * most_us / US_PER_S;
	rmdt_bbr_max_add(&model->extra, extra_bytes);
}

void rmdt_bbr_model_on_ack(struct rmdt_bbr_model *model, const struct rmdt_cc_ack *ack,
			   uint32_t mss_bytes)
{
	const struct rmdt_rate_sample *sample = ack->sample;
	uint64_t window_us, jitter = jitter_us(model, mss_bytes) * WINDOW_JITTERS;

	model->round_start = false;
	model->window_done = false;
	model->delivered_bytes = ack->delivered_bytes;
	if (ack->ce_pkts != 0)
		rmdt_bbr_loss_on_ce(&model->loss, (uint64_t)ack->ce_pkts * mss_bytes);
	if (sample->newly_acked_bytes == 0)
		return;
	update_rtt(model, ack);
	rmdt_bbr_loss_on_acked(&model->loss, sample->newly_acked_bytes, sample->sent_us,
			       mss_bytes);
	update_round(model, ack, mss_bytes);
	update_noise(model, sample);
	update_bw(model, ack, mss_bytes);
	update_extra(model, ack);
	window_us = model->min_rtt_us / WINDOW_RTT_DIVISOR;
	if (window_us < MIN_WINDOW_US)
		window_us = MIN_WINDOW_US;
	window_us = window_us > jitter ? window_us : jitter;
	model->window_done = rmdt_bbr_start_on_ack(&model->start, sample, window_us,
						    mss_bytes);
}

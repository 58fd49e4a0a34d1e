/* SPDX-License-Identifier: Apache-2.0 */
/* State and model become a rate and a window. */
#include "core/bbr.h"

/* Gains in thousandths. */
#define STARTUP_PACING_GAIN 2773	/* 4 ln 2: the least that doubles every round */
#define STARTUP_CWND_GAIN 2500
#define DRAIN_PACING_GAIN 500
#define DOWN_PACING_GAIN 900
#define CRUISE_PACING_GAIN 990		/* a percent less, so that no queue is left standing ... */
#define CRUISE_EMPTY_PACING_GAIN 1000	/* ... unless there is hardly any */
#define CRUISE_QUEUE_LEAST_US 4000	/* less is none here: a lucky least RTT and late threads look like that */
#define QUEUED_LESS 30			/* taken off while there is one, when yielding */
#define SHORT_PACING_GAIN 1250		/* threads, not the path, make the noise there */
#define UP_PACING_GAIN 1250
#define UP_FAST_PACING_GAIN 2000
#define UP_LEAST_PACING_GAIN 1080
#define UP_GENTLE_PACING_GAIN 1020	/* where the queue is known to hold little */
#define UP_QUEUE_DIVISOR 3
#define UP_FOUND 50			/* more than the rate before: there is more, ... */
#define UP_FOUND_SHARE 600		/* ... or so much of what is asked */
#define UP_FOUND_MUCH 1400
/* Two: a lost packet is repaired within the flight, even when its repair is lost. */
#define CWND_GAIN 2000
#define UP_CWND_GAIN 2250
#define PROBE_RTT_CWND_GAIN 500
#define JUMP_CWND_GAIN 1250

/* One round of probing up should not build a longer queue than this. */
#define UP_QUEUE_US 30000
/*
 * On short paths: time of the rate that may be in flight while threads sleep, and so many packets
 * or bytes at least; the bytes as far as they are no more than some milliseconds.
 */
#define SHORT_SLACK_US 1000
#define SHORT_LEAST_PKTS 16
#define SHORT_LEAST_BYTES (4 * 65536)
#define SHORT_LEAST_US 4000
/* The first flight takes a thousandth of a second. */
#define FLIGHT_HZ 1000
/* No jump puts more than this at risk on one measurement. */
#define JUMP_MAX_BYTES (16 * 1024 * 1024)
/* Nor more than this on memory alone, before the first train is acked: the path may be another one now. */
#define JUMP_UNSEEN_MAX_BYTES (4 * 1024 * 1024)
/* A queue longer than that helps nobody. */
#define INSIST_MAX_US 500000
/* Share of the path, in thousandths, from which to yield, and to yield fully. */
#define YIELD_FROM 400
#define YIELD_FULLY 600
/* The same from which to insist on more, and to insist fully. */
#define INSIST_FROM 450
#define INSIST_FULLY 300

uint64_t rmdt_bbr_yielding(const struct rmdt_bbr *bbr)
{
	uint64_t share = rmdt_bbr_model_share(&bbr->model);

	if (share <= YIELD_FROM)
		return 0;
	if (share >= YIELD_FULLY)
		return RMDT_BBR_ONE;
	return (share - YIELD_FROM) * RMDT_BBR_ONE / (YIELD_FULLY - YIELD_FROM);
}

uint64_t rmdt_bbr_insisting(const struct rmdt_bbr *bbr)
{
	uint64_t share = rmdt_bbr_model_share(&bbr->model);

	if (!rmdt_bbr_is_shared(bbr) || share >= INSIST_FROM)
		return 0;
	if (share <= INSIST_FULLY)
		return RMDT_BBR_ONE;
	return (INSIST_FROM - share) * RMDT_BBR_ONE / (INSIST_FROM - INSIST_FULLY);
}

/*
 * A smaller step on a long path: a round of it lasts longer. And none that would overflow a queue that is known to be short
 * before the answer comes: losses would teach us nothing, and would be everybody's.
 */
static uint64_t up_step(const struct rmdt_bbr *bbr)
{
	uint64_t rtt_us = rmdt_bbr_larger(bbr->model.min_rtt_us, 1);
	uint64_t step = rmdt_bbr_larger(UP_QUEUE_US * RMDT_BBR_ONE / rtt_us, UP_LEAST_PACING_GAIN - RMDT_BBR_ONE);
	uint64_t gentle;

	step = rmdt_bbr_smaller(step, UP_PACING_GAIN - RMDT_BBR_ONE);
	if (bbr->full_queue_us == 0 || rmdt_bbr_insisting(bbr) > 0)
		return step;
	gentle = bbr->full_queue_us / UP_QUEUE_DIVISOR * RMDT_BBR_ONE / rtt_us;
	return rmdt_bbr_smaller(step, rmdt_bbr_larger(gentle, UP_GENTLE_PACING_GAIN - RMDT_BBR_ONE));
}

uint64_t rmdt_bbr_up_growth(const struct rmdt_bbr *bbr)
{
	return RMDT_BBR_ONE + rmdt_bbr_smaller(UP_FOUND, rmdt_bbr_scale(up_step(bbr), UP_FOUND_SHARE));
}

static uint64_t up_gain(const struct rmdt_bbr *bbr)
{
	uint64_t bw = rmdt_bbr_max_get(&bbr->model.bw);

	/* It found something: there may be much more. */
	if (bw > rmdt_bbr_scale(bbr->up_bw, UP_FOUND_MUCH))
		return UP_FAST_PACING_GAIN;
	if (bw > rmdt_bbr_scale(bbr->up_bw, rmdt_bbr_up_growth(bbr)))
		return UP_PACING_GAIN;
	return RMDT_BBR_ONE + up_step(bbr);
}

/* A queue above it is let run empty while cruising. */
static uint64_t cruise_thresh_us(const struct rmdt_bbr *bbr)
{
	uint64_t thresh_us = rmdt_bbr_queue_thresh_us(bbr, 1), least_us = CRUISE_QUEUE_LEAST_US;

	if (bbr->full_queue_us != 0)
		least_us = rmdt_bbr_smaller(least_us, bbr->full_queue_us / 2);
	return rmdt_bbr_larger(thresh_us, least_us);
}

static uint64_t pacing_gain(const struct rmdt_bbr *bbr)
{
	uint64_t queue_us = rmdt_bbr_model_queue_us(&bbr->model), thresh_us = cruise_thresh_us(bbr);

	switch (bbr->state) {
	case RMDT_BBR_STARTUP:
		return STARTUP_PACING_GAIN;
	case RMDT_BBR_DRAIN:
		return DRAIN_PACING_GAIN;
	case RMDT_BBR_DOWN:
		return DOWN_PACING_GAIN;
	case RMDT_BBR_UP:
		return up_gain(bbr);
	case RMDT_BBR_CRUISE:
	case RMDT_BBR_REFILL:
	case RMDT_BBR_PROBE_RTT:
		break;
	}
	if (rmdt_bbr_model_is_short(&bbr->model))
		return SHORT_PACING_GAIN;
	if (2 * queue_us < thresh_us)
		return CRUISE_EMPTY_PACING_GAIN;
	if (queue_us <= thresh_us)
		return CRUISE_PACING_GAIN;
	return CRUISE_PACING_GAIN - QUEUED_LESS * rmdt_bbr_yielding(bbr) / RMDT_BBR_ONE;
}

/*
 * The first bytes leave at once, as the train that measures the path, also of one that is remembered. When the whole flight is
 * lost, its repair does once more; after that the path is too slow for it, and hears less.
 */
static bool is_first_flight(const struct rmdt_bbr *bbr)
{
	uint64_t bytes = bbr->model.start.burst_bytes;

	if (bbr->jump_rate == 0)
		bytes *= RMDT_BBR_FLIGHTS;
	return bbr->state == RMDT_BBR_STARTUP && !bbr->measured && bbr->burst_bytes < bytes;
}

static void set_pacing(struct rmdt_bbr *bbr)
{
	uint64_t rate = rmdt_bbr_sending_rate(bbr), gained;

	gained = rmdt_bbr_scale(rate, pacing_gain(bbr));
	if (bbr->state == RMDT_BBR_STARTUP) {
		gained = rmdt_bbr_larger(gained, bbr->jump_rate);
		if (bbr->tested_bytes < bbr->test_bytes)
			gained = rmdt_bbr_larger(gained, bbr->capacity);
		if (bbr->capacity != 0)
			gained = rmdt_bbr_smaller(gained, bbr->capacity);
	}
	if (is_first_flight(bbr))
		gained = rmdt_bbr_larger(gained, rmdt_cc_initial_cwnd_bytes(&bbr->cc) * FLIGHT_HZ);
	bbr->cc.pacing_rate = rmdt_bbr_larger(gained, 1);
}

static uint64_t cwnd_gain(const struct rmdt_bbr *bbr)
{
	if (bbr->state == RMDT_BBR_STARTUP)
		return STARTUP_CWND_GAIN;
	return bbr->state == RMDT_BBR_UP ? UP_CWND_GAIN : CWND_GAIN;
}

static uint64_t short_slack_bytes(const struct rmdt_bbr *bbr)
{
	uint64_t bw = rmdt_bbr_model_bw(&bbr->model);
	uint64_t bytes = bw * SHORT_SLACK_US / RMDT_BBR_US_PER_S;
	uint64_t least_bytes = SHORT_LEAST_BYTES;

	if (bw != 0)
		least_bytes = rmdt_bbr_smaller(least_bytes,
					       bw * SHORT_LEAST_US / RMDT_BBR_US_PER_S);
	bytes = rmdt_bbr_larger(bytes, (uint64_t)SHORT_LEAST_PKTS * rmdt_bbr_mss(bbr));
	return rmdt_bbr_larger(bytes, least_bytes);
}

/*
 * In a queue shared with others, the share of the queue is the share of the path: leave part of it
 * to them, or they lose packets whenever they grow.
 */
static uint64_t shared_cwnd_bytes(const struct rmdt_bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	uint64_t hold_us, yield = rmdt_bbr_yielding(bbr);

	if (!rmdt_bbr_is_shared(bbr) || bbr->full_queue_us == 0)
		return UINT64_MAX;
	hold_us = bbr->full_queue_us - rmdt_bbr_scale(bbr->full_queue_us / 2, yield);
	return rmdt_bbr_sending_rate(bbr) * (model->min_rtt_us + hold_us) / RMDT_BBR_US_PER_S +
	       rmdt_bbr_max_get(&model->extra) + rmdt_bbr_quanta_bytes(bbr);
}

/*
 * Several of our kind hold a queue of one RTT at most. A longer one is the work of flows that fill
 * any queue: who has little of the path then keeps the queue's time in flight too, or loses it all.
 */
static uint64_t insisting_bytes(const struct rmdt_bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	uint64_t queue_us = rmdt_bbr_smaller(rmdt_bbr_model_queue_us(model), INSIST_MAX_US);

	if (!rmdt_bbr_is_shared(bbr) || queue_us < model->min_rtt_us || rmdt_bbr_model_is_short(model))
		return 0;
	return rmdt_bbr_scale(rmdt_bbr_sending_rate(bbr) * queue_us / RMDT_BBR_US_PER_S,
			      RMDT_BBR_ONE - rmdt_bbr_yielding(bbr));
}

static void set_cwnd(struct rmdt_bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	uint64_t cwnd = rmdt_bbr_scale(rmdt_bbr_bdp_bytes(bbr), cwnd_gain(bbr)), jump_bytes;
	uint64_t jump_most = bbr->measured ? JUMP_MAX_BYTES : JUMP_UNSEEN_MAX_BYTES;

	if (cwnd != 0)
		cwnd += rmdt_bbr_max_get(&model->extra) + rmdt_bbr_quanta_bytes(bbr);
	cwnd += insisting_bytes(bbr);
	if (rmdt_bbr_model_is_short(model))
		cwnd += short_slack_bytes(bbr);
	if (bbr->state == RMDT_BBR_STARTUP) {
		jump_bytes = rmdt_bbr_model_bdp(model, bbr->jump_rate);
		jump_bytes = rmdt_bbr_scale(jump_bytes, JUMP_CWND_GAIN);
		cwnd = rmdt_bbr_larger(cwnd, rmdt_bbr_smaller(jump_bytes, jump_most));
		cwnd = rmdt_bbr_larger(cwnd, rmdt_cc_initial_cwnd_bytes(&bbr->cc));
	} else {
		cwnd = rmdt_bbr_smaller(cwnd, rmdt_bbr_larger(model->inflight_hi, rmdt_bbr_bdp_bytes(bbr)));
		cwnd = rmdt_bbr_smaller(cwnd, model->inflight_lo);
		cwnd = rmdt_bbr_smaller(cwnd, shared_cwnd_bytes(bbr));
	}
	if (bbr->state == RMDT_BBR_PROBE_RTT)
		cwnd = rmdt_bbr_scale(rmdt_bbr_bdp_bytes(bbr), PROBE_RTT_CWND_GAIN);
	if (bbr->silent)
		cwnd = 0;
	bbr->cc.cwnd_bytes = rmdt_bbr_larger(cwnd, rmdt_cc_min_cwnd_bytes(&bbr->cc));
}

void rmdt_bbr_set_pace(struct rmdt_bbr *bbr)
{
	set_pacing(bbr);
	set_cwnd(bbr);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BBR in the structure of its third version: find the rate (startup), empty the queue that took
 * (drain), then hold the rate and ask from time to time whether there is more (probe).
 *
 * It differs where links lose by chance. The share lost by chance is learned (core/bbr_loss.h) and
 * compensated: to have a rate arrive, more is sent. Congestion is loss beyond that share, or a
 * little of it together with a queue. And it starts by reading the capacity off the first train
 * (core/bbr_start.h).
 */
#include "core/bbr.h"

#include <stddef.h>

#define PROBE_WAIT_US 2000000		/* cruising at least so long ... */
#define PROBE_WAIT_SPREAD_US 1000000	/* ... and up to so much longer */
#define FIRST_PROBE_WAIT_US 500000	/* the first time no longer than that, ... */
#define FIRST_PROBE_RTTS 4		/* ... rather so many RTTs, ... */
#define FIRST_PROBE_LEAST_US 20000
#define FIRST_PROBES 10			/* ... and twice as long each time, up to the usual */
#define DRAIN_ROUNDS 3			/* before it is asked whether there is a queue at all */
#define DRAIN_LESS 875			/* a round at half the rate makes the RTT as short as that, if there is */
#define DOWN_ROUNDS 4			/* a queue that stays longer is not ours */
#define LONE_CYCLES 4			/* without others, before the peak is what we have */
#define UP_ROUNDS 2			/* without growth, and a probe is over */
#define UP_ARRIVED 1250			/* no more than that is believed at once */
#define UP_HI_GAIN 1250			/* how a bound rises in each round of a probe */
#define CALM_GAIN 950			/* a cut to less leaves the path part empty */
#define MIN_RTT_STALE_US 5000000
#define PROBE_RTT_US 200000
#define PROBE_RTT_NEAR_DIVISOR 32
#define LONG_IDLE_US 10000000
#define PROVEN_ROUNDS 4
/* So much loss by chance, and what ended a probe was that. */
#define LEARNED_PPM 15000
/* What is kept of the rate after a long silence: a capacity to confirm, a rate to begin with. */
#define RESTART_KEEP 250
#define RESTART_JUMP 500

static struct rmdt_bbr *bbr_of(struct rmdt_cc *cc)
{
	return (struct rmdt_bbr *)cc;
}

static uint64_t random_below(struct rmdt_bbr *bbr, uint64_t limit)
{
	bbr->random ^= bbr->random << 13;
	bbr->random ^= bbr->random >> 7;
	bbr->random ^= bbr->random << 17;
	return bbr->random % limit;
}

/* A start can be fooled: ask soon whether it was; on a short path, where that costs little, less and less often. */
static uint64_t cruise_wait_us(struct rmdt_bbr *bbr)
{
	uint64_t wait_us = PROBE_WAIT_US + random_below(bbr, PROBE_WAIT_SPREAD_US);
	uint64_t first_us = rmdt_bbr_larger(bbr->model.min_rtt_us * FIRST_PROBE_RTTS, FIRST_PROBE_LEAST_US);

	first_us = rmdt_bbr_smaller(first_us, FIRST_PROBE_WAIT_US);
	if (bbr->cruises == 0 || (bbr->cruises < FIRST_PROBES && first_us < FIRST_PROBE_WAIT_US))
		wait_us = rmdt_bbr_smaller(wait_us, first_us << bbr->cruises++);
	return wait_us - rmdt_bbr_scale(wait_us * 3 / 4, rmdt_bbr_insisting(bbr));
}

void rmdt_bbr_enter(struct rmdt_bbr *bbr, enum rmdt_bbr_state state, uint64_t now_us)
{
	struct rmdt_bbr_model *model = &bbr->model;

	bbr->state = state;
	bbr->state_start_us = now_us;
	bbr->state_start_round = model->round_count;
	switch (state) {
	case RMDT_BBR_DOWN:
		/* Alone for long, and no probe found more: so much is all there is. */
		if (++bbr->lone_cycles >= LONE_CYCLES)
			rmdt_bbr_model_note_ceiling(model);
		rmdt_bbr_max_advance(&model->bw);
		break;
	case RMDT_BBR_CRUISE:
		bbr->cruise_wait_us = cruise_wait_us(bbr);
		break;
	case RMDT_BBR_REFILL:
		rmdt_bbr_model_reset_lo(model);
		if (rmdt_bbr_insisting(bbr) > 0)
			model->inflight_hi = RMDT_BBR_UNLIMITED;
		bbr->strong_rounds = 0;
		/* What is sent from now on decides when the refill is through. */
		model->round_end_bytes = model->delivered_bytes;
		break;
	case RMDT_BBR_UP:
		bbr->up_rtt_us = model->min_rtt_us + rmdt_bbr_model_queue_us(model);
		bbr->up_bw = rmdt_bbr_max_get(&model->bw);
		bbr->full_bw = bbr->up_bw;
		bbr->full_bw_rounds = 0;
		break;
	case RMDT_BBR_DRAIN:
		bbr->drain_rtt_us = 0;
		break;
	case RMDT_BBR_STARTUP:
	case RMDT_BBR_PROBE_RTT:
		break;
	}
}

/*
 * There is room as long as more arrives, or more leaves without a longer queue. A long one ends the probe even while the rate
 * still grows: that is measured over a round trip, and what arrived in the last part of it is what the bottleneck carries.
 */
static bool has_probed(struct rmdt_bbr *bbr)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t bw = rmdt_bbr_max_get(&model->bw), thresh_us = rmdt_bbr_model_queue_thresh_us(model, rmdt_bbr_mss(bbr));
	uint64_t rtt_us = model->min_rtt_us + rmdt_bbr_model_queue_us(model);

	if (rmdt_bbr_yielding(bbr) == 0)
		return false;
	if (rtt_us > bbr->up_rtt_us + 2 * thresh_us) {
		rmdt_bbr_max_add(&model->bw, rmdt_bbr_smaller(model->start.arrival_rate, rmdt_bbr_scale(bw, UP_ARRIVED)));
		return true;
	}
	return rtt_us > bbr->up_rtt_us + thresh_us && bw < rmdt_bbr_scale(bbr->full_bw, rmdt_bbr_up_growth(bbr));
}

static void run_up(struct rmdt_bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t bw = rmdt_bbr_max_get(&model->bw);

	if (rmdt_bbr_state_rounds(bbr) < 1)
		return;
	if (has_probed(bbr)) {
		rmdt_bbr_enter(bbr, RMDT_BBR_DOWN, ack->now_us);
		return;
	}
	if (!model->round_start)
		return;
	if (model->inflight_hi != RMDT_BBR_UNLIMITED)
		model->inflight_hi = rmdt_bbr_scale(model->inflight_hi, UP_HI_GAIN);
	if (bw >= rmdt_bbr_scale(bbr->full_bw, rmdt_bbr_up_growth(bbr))) {
		bbr->full_bw = bw;
		bbr->full_bw_rounds = 0;
	} else if (++bbr->full_bw_rounds >= UP_ROUNDS) {
		rmdt_bbr_enter(bbr, RMDT_BBR_DOWN, ack->now_us);
	}
}

/*
 * What is lost while less is sent tells what chance takes. Until that is known each probe of a path that loses by chance ends
 * at once, and a rate that a start left too low would stay. When chance explains it, ask again, without the bound.
 */
static bool is_learning_loss(struct rmdt_bbr *bbr)
{
	struct rmdt_bbr_model *model = &bbr->model;

	if (!bbr->learns_loss)
		return false;
	if (!rmdt_bbr_has_queue(bbr, 2) && !rmdt_bbr_loss_is_known(&model->loss, rmdt_bbr_mss(bbr)))
		return true;
	bbr->learns_loss = false;
	if (rmdt_bbr_model_random_ppm(model, rmdt_bbr_mss(bbr)) > LEARNED_PPM) {
		model->inflight_hi = RMDT_BBR_UNLIMITED;
		bbr->cruises = 0;
	}
	return false;
}

static void run_probe_bw(struct rmdt_bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t full_bytes = rmdt_bbr_full_bytes(bbr);

	switch (bbr->state) {
	case RMDT_BBR_DOWN:
		if (rmdt_bbr_insisting(bbr) >= RMDT_BBR_ONE / 2)
			rmdt_bbr_enter(bbr, RMDT_BBR_CRUISE, ack->now_us);
		else if (rmdt_bbr_state_rounds(bbr) >= 1 && !is_learning_loss(bbr) && (ack->in_flight_bytes <= full_bytes ||
					       rmdt_bbr_state_rounds(bbr) >= DOWN_ROUNDS))
			rmdt_bbr_enter(bbr, RMDT_BBR_CRUISE, ack->now_us);
		break;
	case RMDT_BBR_CRUISE:
		if (ack->now_us >= bbr->state_start_us + bbr->cruise_wait_us)
			rmdt_bbr_enter(bbr, RMDT_BBR_REFILL, ack->now_us);
		break;
	case RMDT_BBR_REFILL:
		if (model->round_start && rmdt_bbr_state_rounds(bbr) >= 1)
			rmdt_bbr_enter(bbr, RMDT_BBR_UP, ack->now_us);
		break;
	case RMDT_BBR_UP:
		run_up(bbr, ack);
		break;
	case RMDT_BBR_STARTUP:
	case RMDT_BBR_DRAIN:
	case RMDT_BBR_PROBE_RTT:
		break;
	}
}

static bool wants_probe_rtt(const struct rmdt_bbr *bbr, const struct rmdt_cc_ack *ack)
{
	return bbr->state != RMDT_BBR_STARTUP && bbr->state != RMDT_BBR_DRAIN &&
	       bbr->state != RMDT_BBR_PROBE_RTT && !ack->sample->app_limited &&
	       ack->now_us > bbr->model.min_rtt_seen_us + MIN_RTT_STALE_US;
}

static void start_probe_rtt(struct rmdt_bbr *bbr, uint64_t now_us)
{
	rmdt_bbr_enter(bbr, RMDT_BBR_PROBE_RTT, now_us);
	bbr->probe_rtt_from_us = bbr->model.min_rtt_us + rmdt_bbr_model_queue_us(&bbr->model);
	bbr->probe_rtt_done_us = 0;
	bbr->probe_rtt_us = UINT64_MAX;
}

/*
 * Less in flight did not make it shorter: a longer path, which is believed at once. Else what is left may be a queue of others
 * that our leaving did not empty: the path is believed to be longer step by step, and the queue will be gone before it is.
 */
static void judge_probe_rtt(struct rmdt_bbr *bbr)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t near_us = bbr->probe_rtt_from_us / PROBE_RTT_NEAR_DIVISOR;

	if (bbr->probe_rtt_us == UINT64_MAX || bbr->probe_rtt_us <= model->min_rtt_us)
		return;
	if (bbr->probe_rtt_us + near_us >= bbr->probe_rtt_from_us)
		model->min_rtt_us = bbr->probe_rtt_us;
	else
		model->min_rtt_us += (bbr->probe_rtt_us - model->min_rtt_us) / 4;
}

/* Half the path's content for a round or 200 ms: the RTT then is that of the empty path. */
static void run_probe_rtt(struct rmdt_bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;

	if (bbr->probe_rtt_done_us == 0) {
		if (ack->in_flight_bytes > bbr->cc.cwnd_bytes + rmdt_bbr_quanta_bytes(bbr) &&
		    rmdt_bbr_state_rounds(bbr) < 2)
			return;
		bbr->probe_rtt_done_us = ack->now_us + rmdt_bbr_smaller(PROBE_RTT_US, model->min_rtt_us);
		/* What is sent from now on tells. */
		model->round_end_bytes = model->delivered_bytes;
		bbr->probe_rtt_round = model->round_count;
		return;
	}
	if (model->round_count == bbr->probe_rtt_round)
		return;
	if (ack->rtt_us != 0)
		bbr->probe_rtt_us = rmdt_bbr_smaller(bbr->probe_rtt_us, ack->rtt_us);
	if (ack->now_us < bbr->probe_rtt_done_us)
		return;
	judge_probe_rtt(bbr);
	model->min_rtt_seen_us = ack->now_us;
	rmdt_bbr_enter(bbr, RMDT_BBR_CRUISE, ack->now_us);
}

/*
 * Ends when the path is full and its queue empty. When a round at half the rate leaves the RTT as it was, there is
 * no queue of ours: the path has become longer, and more must be in flight to fill it.
 */
static void run_drain(struct rmdt_bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;
	bool stays;

	if (ack->in_flight_bytes <= rmdt_bbr_full_bytes(bbr)) {
		rmdt_bbr_enter(bbr, RMDT_BBR_DOWN, ack->now_us);
		return;
	}
	if (!model->round_start || model->last_rtt_us == UINT64_MAX)
		return;
	stays = model->last_rtt_us >= rmdt_bbr_scale(bbr->drain_rtt_us, DRAIN_LESS);
	bbr->drain_rtt_us = model->last_rtt_us;
	if (rmdt_bbr_state_rounds(bbr) < DRAIN_ROUNDS || !stays)
		return;
	model->min_rtt_us = rmdt_bbr_larger(model->min_rtt_us, model->last_rtt_us);
	model->min_rtt_seen_us = ack->now_us;
	bbr->cruises = 0;	/* the rate was held down by it: ask soon */
	rmdt_bbr_enter(bbr, RMDT_BBR_DOWN, ack->now_us);
}

/* What is worth remembering is what the path gave for a while, not what the first test of it gave. */
static void note_proven(struct rmdt_bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;

	if (!model->round_start || model->last_app_limited || bbr->state == RMDT_BBR_STARTUP)
		return;
	if (++bbr->found_rounds >= PROVEN_ROUNDS)
		bbr->proven_rate = rmdt_bbr_max_get(&model->bw);
}

/* After the state is settled: are we sending less than the path carries? */
static void set_calm(struct rmdt_bbr *bbr, uint64_t now_us)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	uint64_t bw = rmdt_bbr_max_get(&model->bw);
	bool calm = bbr->state == RMDT_BBR_DRAIN || bbr->state == RMDT_BBR_DOWN ||
		    bbr->state == RMDT_BBR_PROBE_RTT;
	enum rmdt_bbr_calm kind = RMDT_BBR_BUSY;

	if (bbr->state == RMDT_BBR_CRUISE && model->bw_lo < rmdt_bbr_scale(bw, CALM_GAIN))
		calm = true;
	/* With a queue that stays in spite of it, losses need not be chance. */
	if (calm)
		kind = rmdt_bbr_has_queue(bbr, 2) ? RMDT_BBR_CALM_QUEUED : RMDT_BBR_CALM;
	rmdt_bbr_loss_set_calm(&bbr->model.loss, kind, now_us);
}

static void bbr_on_ack(struct rmdt_cc *cc, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr *bbr = bbr_of(cc);
	struct rmdt_bbr_model *model = &bbr->model;

	rmdt_bbr_model_on_ack(model, ack, rmdt_bbr_mss(bbr));
	if (bbr->silent) {	/* what the outage swallowed says nothing about the rate */
		rmdt_bbr_start_restart_window(&model->start);
		model->window_done = false;
	}
	bbr->silent = false;
	if (ack->sample->newly_acked_bytes == 0)
		return;
	rmdt_bbr_react(bbr, ack);
	if (bbr->state == RMDT_BBR_STARTUP)
		rmdt_bbr_run_startup(bbr, ack);
	else if (bbr->state == RMDT_BBR_PROBE_RTT)
		run_probe_rtt(bbr, ack);
	else
		run_probe_bw(bbr, ack);
	if (bbr->state == RMDT_BBR_DRAIN)
		run_drain(bbr, ack);
	if (wants_probe_rtt(bbr, ack))
		start_probe_rtt(bbr, ack->now_us);
	note_proven(bbr);
	set_calm(bbr, ack->now_us);
	rmdt_bbr_set_pace(bbr);
}

static void bbr_on_loss(struct rmdt_cc *cc, const struct rmdt_cc_loss *loss)
{
	if (!bbr_of(cc)->silent)
		rmdt_bbr_loss_on_lost(&bbr_of(cc)->model.loss, loss->lost_bytes, loss->newest->sent_us);
}

static void bbr_on_spurious(struct rmdt_cc *cc, uint64_t bytes, uint64_t sent_us, uint64_t now_us)
{
	struct rmdt_bbr *bbr = bbr_of(cc);

	(void)sent_us;
	(void)now_us;
	rmdt_bbr_loss_on_spurious(&bbr->model.loss, bytes);
	rmdt_bbr_model_reset_lo(&bbr->model);
}

static void bbr_on_sent(struct rmdt_cc *cc, uint32_t bytes, uint64_t in_flight_bytes,
			uint64_t now_us)
{
	struct rmdt_bbr *bbr = bbr_of(cc);

	(void)in_flight_bytes;
	bbr->last_sent_us = now_us;
	if (bbr->tested_bytes < bbr->test_bytes) {
		bbr->tested_bytes += bytes;
		if (bbr->tested_bytes >= bbr->test_bytes)
			rmdt_bbr_set_pace(bbr);
	}
	if (bbr->burst_bytes >= RMDT_BBR_FLIGHTS * bbr->model.start.burst_bytes)
		return;
	bbr->burst_bytes += bytes;
	if (bbr->burst_bytes >= bbr->model.start.burst_bytes)
		rmdt_bbr_set_pace(bbr);
}

/* Start over, with what the path carried as a capacity to be confirmed. */
static void restart(struct rmdt_bbr *bbr, uint64_t bw, uint64_t now_us)
{
	struct rmdt_bbr_model *model = &bbr->model;

	rmdt_bbr_max_reset(&model->bw, rmdt_bbr_scale(bw, RESTART_KEEP));
	rmdt_bbr_model_reset_lo(model);
	model->inflight_hi = RMDT_BBR_UNLIMITED;
	model->min_rtt_seen_us = now_us;
	bbr->capacity = bw;
	bbr->jump_rate = rmdt_bbr_scale(bw, RESTART_JUMP);
	bbr->test_bytes = 0;
	bbr->full_bw = 0;
	bbr->full_bw_rounds = 0;
	bbr->less_windows = 0;
	rmdt_bbr_start_restart_window(&model->start);
	rmdt_bbr_enter(bbr, RMDT_BBR_STARTUP, now_us);
	rmdt_bbr_loss_set_calm(&model->loss, RMDT_BBR_BUSY, now_us);
	rmdt_bbr_set_pace(bbr);
}

static void bbr_on_silence(struct rmdt_cc *cc, uint64_t now_us)
{
	struct rmdt_bbr *bbr = bbr_of(cc);

	if (bbr->silent)
		return;
	bbr->silent = true;
	bbr->heard_bytes = bbr->model.delivered_bytes + 1;
	restart(bbr, rmdt_bbr_max_get(&bbr->model.bw), now_us);
}

static void bbr_on_idle_restart(struct rmdt_cc *cc, uint64_t now_us)
{
	struct rmdt_bbr *bbr = bbr_of(cc);

	rmdt_bbr_start_restart_window(&bbr->model.start);
	bbr->model.min_rtt_seen_us = now_us;
	if (bbr->last_sent_us != 0 && now_us > bbr->last_sent_us + LONG_IDLE_US &&
	    rmdt_bbr_model_bw(&bbr->model) != 0)
		restart(bbr, rmdt_bbr_max_get(&bbr->model.bw), now_us);
}

/* A path that no longer carries large packets lost them all, whatever the rate was. */
static void bbr_set_mss(struct rmdt_cc *cc, uint32_t old_mss_bytes)
{
	struct rmdt_bbr *bbr = bbr_of(cc);
	uint64_t peak = rmdt_bbr_max_get(&bbr->model.peak);

	if (rmdt_bbr_mss(bbr) < old_mss_bytes && peak != 0) {
		bbr->heard_bytes = bbr->model.delivered_bytes + 1;
		restart(bbr, rmdt_bbr_larger(peak, rmdt_bbr_max_get(&bbr->model.bw)), bbr->last_sent_us);
	}
	rmdt_bbr_set_pace(bbr);
}

static void bbr_init(struct rmdt_cc *cc, uint64_t now_us)
{
	struct rmdt_bbr *bbr = bbr_of(cc);

	rmdt_bbr_model_init(&bbr->model, now_us);
	bbr->model.start.burst_bytes = rmdt_cc_initial_cwnd_bytes(cc);
	bbr->random = cc->config.seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	if (bbr->random == 0)
		bbr->random = 1;
	bbr->model.min_rtt_us = cc->config.initial_rtt_us;
	bbr->state = RMDT_BBR_STARTUP;
	bbr->state_start_us = now_us;
	if (bbr->model.min_rtt_us != 0)
		rmdt_bbr_learn_capacity(bbr);
	rmdt_bbr_set_pace(bbr);
}

static const char *bbr_state_name(const struct rmdt_cc *cc)
{
	static const char *const names[] = {
		[RMDT_BBR_STARTUP] = "startup", [RMDT_BBR_DRAIN] = "drain", [RMDT_BBR_DOWN] = "probe down",
		[RMDT_BBR_CRUISE] = "cruise", [RMDT_BBR_REFILL] = "refill", [RMDT_BBR_UP] = "probe up",
		[RMDT_BBR_PROBE_RTT] = "probe rtt",
	};

	return names[((const struct rmdt_bbr *)cc)->state];
}

static void bbr_info(const struct rmdt_cc *cc, struct rmdt_cc_info *info)
{
	const struct rmdt_bbr *bbr = (const struct rmdt_bbr *)cc;

	info->bandwidth = rmdt_bbr_model_bw(&bbr->model);
	info->path_rate = bbr->proven_rate;
	info->min_rtt_us = bbr->model.min_rtt_us;
	info->random_loss_ppm = rmdt_bbr_model_random_ppm(&bbr->model, rmdt_bbr_mss(bbr));
}

const struct rmdt_cc_ops rmdt_cc_bbr_ops = {
	.name = "bbr",
	.size_bytes = sizeof(struct rmdt_bbr),
	.init = bbr_init,
	.on_sent = bbr_on_sent,
	.on_ack = bbr_on_ack,
	.on_loss = bbr_on_loss,
	.on_spurious = bbr_on_spurious,
	.on_silence = bbr_on_silence,
	.on_idle_restart = bbr_on_idle_restart,
	.set_mss = bbr_set_mss,
	.state = bbr_state_name,
	.info = bbr_info,
};

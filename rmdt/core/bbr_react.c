/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do about congestion, told from chance (core/bbr_loss.h) and from others' queues. A cut
 * lasts for the rest of a probing cycle; a path that became slower is believed at once.
 */
#include "core/bbr.h"

/* Congestion, in millionths of excess loss: with a queue, its own or shared; without one. */
#define EXCESS_WITH_QUEUE_PPM 20000
#define EXCESS_YIELDING_PPM 2000
#define EXCESS_ALONE_PPM 50000
#define EXCESS_UNKNOWN_PPM 150000	/* the same, while nothing is known of chance */
#define EXCESS_STRONG_PPM 200000
#define EXCESS_INSISTING_PPM 100000	/* more than otherwise, when insisting fully */
#define CE_PPM 10000
#define LO_BETA 700			/* a cut keeps so much, or what was delivered */
#define YIELD_MOST 200			/* taken off at a cut when yielding fully */
#define LEAVE_ROOM 30			/* taken off each time when others keep the queue full, ... */
#define LEAVE_ROOM_US 100000		/* ... no more often than that */
#define FULL_QUEUE_DIVISOR 8
#define SHARED_ROUNDS 3			/* rounds with a queue that show that others make it */
#define SLOWER 750			/* of the old rate, in thousandths */
#define STRONG_ROUNDS 2
#define SLOW_ROUNDS 3
#define CUT_ROUNDS 2			/* before a cut is felt */
#define CLEAR_ROUNDS 4
/* A baseline that rose by so much since a cut says that the cut was none of the queue's. */
#define BASELINE_ROSE_PPM 15000
#define HI_GAIN 1050			/* no probe is bounded below this much of the BDP */

bool rmdt_bbr_is_shared(const struct rmdt_bbr *bbr)
{
	return bbr->shared_rounds >= SHARED_ROUNDS;
}

/* Did a queue stand through the whole round that just ended? */
static bool saw_queue(const struct rmdt_bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;

	return model->last_rtt_us != UINT64_MAX && model->last_rtt_us > model->min_rtt_us + rmdt_bbr_queue_thresh_us(bbr, 1);
}

/* Congestion in the round that just ended? */
static bool is_congested(const struct rmdt_bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	uint32_t random_ppm = rmdt_bbr_model_random_ppm(model, rmdt_bbr_mss(bbr));
	uint32_t limit_ppm = EXCESS_ALONE_PPM + random_ppm / 2;

	if (!rmdt_bbr_loss_is_known(&model->loss, rmdt_bbr_mss(bbr)))
		limit_ppm = EXCESS_UNKNOWN_PPM;
	if (saw_queue(bbr))
		limit_ppm = EXCESS_WITH_QUEUE_PPM;
	if (saw_queue(bbr) && rmdt_bbr_is_shared(bbr))
		limit_ppm -= (uint32_t)rmdt_bbr_scale(EXCESS_WITH_QUEUE_PPM - EXCESS_YIELDING_PPM,
					     rmdt_bbr_yielding(bbr));
	limit_ppm += (uint32_t)rmdt_bbr_scale(EXCESS_INSISTING_PPM, rmdt_bbr_insisting(bbr));
	return model->last_ce_ppm > CE_PPM || model->last_excess_ppm > limit_ppm;
}

/* A path that became longer looks like a queue of others, but for its standing still. */
static bool is_fought_over(const struct rmdt_bbr *bbr)
{
	return rmdt_bbr_is_shared(bbr) && (bbr->full_queue_us != 0 ||
		bbr->shared_most_us > bbr->shared_least_us + rmdt_bbr_queue_thresh_us(bbr, 1));
}

/*
 * Others keep the queue full: take part in that no more, but send what comes through, and a little less, until they have their
 * share. Who grows by filling queues and backs off from loss gets room only so.
 */
static void leave_room(struct rmdt_bbr *bbr, uint64_t now_us)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t bw = rmdt_bbr_max_get(&model->bw), yield = rmdt_bbr_yielding(bbr), keep;

	if (bbr->state != RMDT_BBR_CRUISE || !saw_queue(bbr) || !is_fought_over(bbr) || yield == 0 ||
	    now_us < bbr->yielded_us + LEAVE_ROOM_US)
		return;
	bbr->yielded_us = now_us;
	keep = RMDT_BBR_ONE - rmdt_bbr_scale(LEAVE_ROOM, yield);
	if (model->last_bw < bw)
		rmdt_bbr_model_shrink_bw(model, (uint32_t)keep);
}

/* A queue, and much less delivered than the path once did: is it no longer that path? */
static bool is_slower(const struct rmdt_bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;

	return saw_queue(bbr) && !model->last_app_limited && rmdt_bbr_insisting(bbr) == 0 &&
	       model->last_bw < rmdt_bbr_scale(rmdt_bbr_max_get(&model->bw), SLOWER);
}

/* Believe what is delivered now, and empty the queue that the old belief has made. */
static void forget_rate(struct rmdt_bbr *bbr, uint64_t now_us)
{
	struct rmdt_bbr_model *model = &bbr->model;

	rmdt_bbr_max_reset(&model->bw, model->last_bw);
	rmdt_bbr_model_reset_lo(model);
	model->inflight_hi = RMDT_BBR_UNLIMITED;
	bbr->strong_rounds = 0;
	bbr->slow_rounds = 0;
	rmdt_bbr_enter(bbr, RMDT_BBR_DRAIN, now_us);
}

/* Less for the rest of the cycle. A cut needs two rounds to be felt. */
static void cut(struct rmdt_bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t bw = rmdt_bbr_model_bw(model);
	uint64_t inflight, keep = RMDT_BBR_ONE - YIELD_MOST * rmdt_bbr_yielding(bbr) / RMDT_BBR_ONE;

	if (model->bw_lo != RMDT_BBR_UNLIMITED && model->round_count < bbr->cut_round + CUT_ROUNDS)
		return;
	bbr->cut_round = model->round_count;
	bbr->clear_rounds = 0;
	bbr->cut_baseline_ppm = rmdt_bbr_model_random_ppm(model, rmdt_bbr_mss(bbr));
	model->bw_lo = rmdt_bbr_smaller(bw, rmdt_bbr_larger(model->last_bw, rmdt_bbr_scale(bw, LO_BETA)));
	if (rmdt_bbr_is_shared(bbr) && saw_queue(bbr)) {
		model->bw_lo = rmdt_bbr_scale(model->bw_lo, keep);
		rmdt_bbr_model_shrink_bw(model, (uint32_t)keep);
	}
	inflight = rmdt_bbr_larger(rmdt_bbr_scale(bbr->cc.cwnd_bytes, LO_BETA),
				   ack->in_flight_bytes);
	model->inflight_lo = rmdt_bbr_larger(inflight, rmdt_bbr_full_bytes(bbr));
}

/* No congestion in this round: was a cut mistaken, or is it no longer needed? */
static void relax(struct rmdt_bbr *bbr)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint32_t random_ppm = rmdt_bbr_model_random_ppm(model, rmdt_bbr_mss(bbr));

	if (model->bw_lo == RMDT_BBR_UNLIMITED)
		return;
	bbr->clear_rounds = saw_queue(bbr) ? 0 : bbr->clear_rounds + 1;
	if (bbr->clear_rounds >= CLEAR_ROUNDS ||
	    random_ppm > bbr->cut_baseline_ppm + BASELINE_ROSE_PPM)
		rmdt_bbr_model_reset_lo(model);
}

/*
 * How long a queue the bottleneck holds: what it was when it overflowed, by our probe or with others in it. More, when more was
 * seen without loss; and it is asked again: each round of a probe without loss makes it a little more.
 */
static void note_full_queue(struct rmdt_bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	uint64_t queue_us = model->last_max_rtt_us > model->min_rtt_us ? model->last_max_rtt_us - model->min_rtt_us : 0;
	bool is_up = bbr->state == RMDT_BBR_UP, probed = is_up || bbr->state == RMDT_BBR_DOWN;
	uint32_t limit_ppm = EXCESS_UNKNOWN_PPM;

	if (rmdt_bbr_loss_is_known(&model->loss, rmdt_bbr_mss(bbr)))
		limit_ppm = EXCESS_YIELDING_PPM;
	else if (queue_us < RMDT_BBR_QUEUE_LEAST_US)
		return;		/* as likely chance */
	if ((probed || saw_queue(bbr)) && model->last_excess_ppm > limit_ppm) {
		bbr->full_queue_us = rmdt_bbr_larger(queue_us, 1);
	} else if (bbr->full_queue_us != 0) {
		if (is_up)
			bbr->full_queue_us += bbr->full_queue_us / FULL_QUEUE_DIVISOR;
		bbr->full_queue_us = rmdt_bbr_larger(bbr->full_queue_us, queue_us);
	}
}

/* Our own queues are gone soon after a probe; one that stays while cruising is others' too. */
static void note_sharing(struct rmdt_bbr *bbr)
{
	if (bbr->shared_rounds == 0)
		bbr->shared_least_us = bbr->shared_most_us = bbr->model.last_rtt_us;
	if (saw_queue(bbr)) {
		bbr->shared_least_us = rmdt_bbr_smaller(bbr->shared_least_us, bbr->model.last_rtt_us);
		bbr->shared_most_us = rmdt_bbr_larger(bbr->shared_most_us, bbr->model.last_rtt_us);
	}
	if (!saw_queue(bbr))
		bbr->shared_rounds -= bbr->shared_rounds > 0;
	else if (bbr->state == RMDT_BBR_CRUISE && bbr->shared_rounds < 2 * SHARED_ROUNDS)
		bbr->shared_rounds++;
	if (bbr->shared_rounds > 0)
		bbr->lone_cycles = 0;
	note_full_queue(bbr);
}

void rmdt_bbr_react(struct rmdt_bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;
	bool strong = model->last_excess_ppm > EXCESS_STRONG_PPM;

	if (!model->round_start || bbr->state == RMDT_BBR_STARTUP || bbr->state == RMDT_BBR_DRAIN)
		return;
	note_sharing(bbr);
	bbr->strong_rounds = strong ? bbr->strong_rounds + 1 : 0;
	bbr->slow_rounds = is_slower(bbr) ? bbr->slow_rounds + 1 : 0;
	if (model->last_bw != 0 && (bbr->strong_rounds >= STRONG_ROUNDS ||
				    bbr->slow_rounds >= SLOW_ROUNDS)) {
		forget_rate(bbr, ack->now_us);
		return;
	}
	if (!is_congested(bbr)) {
		relax(bbr);
		leave_room(bbr, ack->now_us);
		return;
	}
	if (bbr->state == RMDT_BBR_UP) {
		model->inflight_hi = rmdt_bbr_larger(ack->sample->in_flight_at_send_bytes,
					     rmdt_bbr_scale(rmdt_bbr_bdp_bytes(bbr), HI_GAIN));
		bbr->learns_loss = !rmdt_bbr_loss_is_known(&model->loss, rmdt_bbr_mss(bbr));
		rmdt_bbr_enter(bbr, RMDT_BBR_DOWN, ack->now_us);
		if (!rmdt_bbr_is_shared(bbr))
			return;
	}
	cut(bbr, ack);
}


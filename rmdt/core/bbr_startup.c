/* SPDX-License-Identifier: Apache-2.0 */
/* When to end the start: the decisions over what core/bbr_start.h measures. */
#include "core/bbr.h"

/* Shares of what is sent that arrives, in thousandths: no chance takes the rest; of the best. */
#define START_LEAST 700
#define START_LESS 850
#define START_LESS_QUEUED 900
/* How far a capacity is believed at once: with one witness, with two. */
#define BELIEVE_ONE 500
#define BELIEVE_BOTH 900
/* One witness on a short path, where the round trip until it is confirmed or not is soon over. */
#define BELIEVE_ONE_NEAR 800
#define NEAR_US 30000
/*
 * A train is a millisecond long and may say twice too much; a whole round at that rate would
 * overflow the queue. So its capacity is sent for this share of one first: a window and a bit.
 */
#define TEST_SHARE 312
/* A train may say so much less than what is remembered and still confirm it. */
#define ALIKE 700
/* A train that says so much more than is remembered says that there is more, or that the memory is of no use. */
#define FASTER 1250
#define FAR_FASTER 4000
/* Less than this of what is remembered, when the bottleneck was found: the path is another one. */
#define WRONG 500
/* A sending rate within these bounds of the capacity tests it. */
#define TEST_FROM 920
#define TEST_TO 1080
/* Growth of a round that is growth, and rounds without it that end the start. */
#define GROWTH 1250
#define FLAT_ROUNDS 3
#define FLAT_ROUNDS_QUEUED 2
/* Loss beyond any chance, and rounds in a row with it, that end the start of a slow writer, too. */
#define LOSSY_PPM 200000
#define LOSSY_ROUNDS 2

/*
 * The capacity that the first train showed, or that was remembered, or both: two witnesses that
 * agree are believed further than one.
 */
void rmdt_bbr_learn_capacity(struct rmdt_bbr *bbr)
{
	const struct rmdt_cc_config *config = &bbr->cc.config;
	uint64_t train = rmdt_bbr_start_train_rate(&bbr->model.start, rmdt_bbr_mss(bbr));
	uint64_t rtt_us = bbr->model.min_rtt_us, hint = config->hint_rate;
	uint64_t believe_one = rtt_us <= NEAR_US ? BELIEVE_ONE_NEAR : BELIEVE_ONE;
	bool both, test;

	if (hint != 0 && config->hint_rtt_us != 0 &&
	    (rtt_us < config->hint_rtt_us / 2 || rtt_us > config->hint_rtt_us * 2))
		hint = 0;
	/* A path so much faster than remembered is another one, or was shared then. */
	if (train > rmdt_bbr_scale(hint, FAR_FASTER))
		hint = 0;
	if (train == 0 && hint == 0)
		return;
	both = hint != 0 && train >= rmdt_bbr_scale(hint, ALIKE);
	if (train == 0 || (both && hint <= train && train <= rmdt_bbr_scale(hint, FASTER)))
		bbr->capacity = hint;
	else
		bbr->capacity = train;
	test = train != 0 && (!both || bbr->capacity > hint) && rtt_us > NEAR_US;
	bbr->test_bytes = test ? rmdt_bbr_model_bdp(&bbr->model, bbr->capacity) : 0;
	bbr->test_bytes = rmdt_bbr_scale(bbr->test_bytes, TEST_SHARE);
	bbr->jump_rate = both ? rmdt_bbr_scale(rmdt_bbr_smaller(train, hint), BELIEVE_BOTH) :
				rmdt_bbr_scale(bbr->capacity, believe_one);
}

/* What a window of the start says. */
enum verdict { GROWING, SATURATED, CONFIRMED };

/*
 * Of what is sent a share arrives, in the time it took to send: the share that chance leaves. When
 * it falls below the best seen, more is sent than the bottleneck carries, and its rate is what
 * arrives. A queue makes it certain; without one (there may be hardly any) it takes two windows.
 * When as much leaves as the measured capacity and it arrives, the capacity is confirmed.
 */
static enum verdict judge_window(struct rmdt_bbr *bbr)
{
	const struct rmdt_bbr_start *start = &bbr->model.start;
	uint64_t sent = start->sending_rate;
	uint64_t passed = start->arrival_rate * RMDT_BBR_ONE / rmdt_bbr_larger(sent, 1);
	bool less = passed < rmdt_bbr_scale(bbr->best_passed, START_LESS);

	bbr->less_windows = less ? bbr->less_windows + 1 : 0;
	if (passed < START_LEAST || bbr->less_windows >= 2 ||
	    (rmdt_bbr_has_queue(bbr, 1) && passed < rmdt_bbr_scale(bbr->best_passed, START_LESS_QUEUED)))
		return SATURATED;
	bbr->best_passed = rmdt_bbr_smaller(rmdt_bbr_larger(bbr->best_passed, passed), RMDT_BBR_ONE);
	if (bbr->capacity != 0 && sent >= rmdt_bbr_scale(bbr->capacity, TEST_FROM) &&
	    sent <= rmdt_bbr_scale(bbr->capacity, TEST_TO))
		return CONFIRMED;
	return GROWING;
}

static void leave_startup(struct rmdt_bbr *bbr, enum rmdt_bbr_state state, uint64_t now_us)
{
	uint64_t bw = rmdt_bbr_max_get(&bbr->model.bw);

	/* A memory that was wrong must not fool the next start, however short this transfer is. */
	if (state == RMDT_BBR_DRAIN && bw < rmdt_bbr_scale(bbr->cc.config.hint_rate, WRONG))
		bbr->proven_rate = bw;
	bbr->capacity = 0;
	bbr->jump_rate = 0;
	bbr->test_bytes = 0;
	rmdt_bbr_enter(bbr, state, now_us);
}

/* Growth of less than a quarter in three rounds: the end, however it comes. */
static void judge_round(struct rmdt_bbr *bbr, uint64_t now_us)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t bw = rmdt_bbr_max_get(&model->bw);

	if (bw >= rmdt_bbr_scale(bbr->full_bw, GROWTH)) {
		bbr->full_bw = bw;
		bbr->full_bw_rounds = 0;
		return;
	}
	bbr->full_bw_rounds++;
	if (bbr->full_bw_rounds >= (rmdt_bbr_has_queue(bbr, 2) ? FLAT_ROUNDS_QUEUED : FLAT_ROUNDS))
		leave_startup(bbr, RMDT_BBR_DRAIN, now_us);
}

/*
 * A slow writer never shows what the path could carry, so its rounds say nothing of growth. But its bursts, and above all
 * their repairs, may well be too much for the path.
 */
static void judge_limited_round(struct rmdt_bbr *bbr, uint64_t now_us)
{
	bool lossy = bbr->model.last_loss_ppm > LOSSY_PPM && rmdt_bbr_has_queue(bbr, 1);

	bbr->lossy_rounds = lossy ? bbr->lossy_rounds + 1 : 0;
	if (bbr->lossy_rounds >= LOSSY_ROUNDS)
		leave_startup(bbr, RMDT_BBR_DRAIN, now_us);
}

void rmdt_bbr_run_startup(struct rmdt_bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;
	enum verdict verdict = GROWING;

	/* What was on its way when the path failed was lost by that, not by the rate at which it was sent. */
	if (ack->sample->prior_delivered_bytes < bbr->heard_bytes) {
		rmdt_bbr_start_restart_window(&model->start);
		return;
	}
	/*
	 * Much must have been in flight, and more than the answer to a probe have arrived: of a flight that was lost as a whole
	 * nothing is learned. (Not much more: a shallow queue on a slow path drops most of any flight.)
	 */
	if (ack->sample->rate != 0 && !ack->sample->app_limited &&
	    ack->sample->in_flight_at_send_bytes >= rmdt_cc_initial_cwnd_bytes(&bbr->cc) / 2 &&
	    ack->sample->delivered_bytes >= 2 * (uint64_t)rmdt_bbr_mss(bbr))
		bbr->measured = true;
	if (ack->sample->first_flight)
		rmdt_bbr_learn_capacity(bbr);
	if (rmdt_bbr_max_get(&model->bw) > rmdt_bbr_scale(bbr->capacity, 1100))
		bbr->capacity = 0;
	if (model->window_done && model->round_count > 1 && !ack->sample->app_limited)
		verdict = judge_window(bbr);
	if (verdict != GROWING) {
		rmdt_bbr_max_add(&model->bw, model->start.arrival_rate);
		leave_startup(bbr, verdict == SATURATED ? RMDT_BBR_DRAIN : RMDT_BBR_UP, ack->now_us);
		return;
	}
	if (model->round_start && model->last_app_limited)
		judge_limited_round(bbr, ack->now_us);
	else if (model->round_start)
		judge_round(bbr, ack->now_us);
}


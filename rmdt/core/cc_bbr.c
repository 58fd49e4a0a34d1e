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
#include "core/bbr_model.h"
#include "core/cc.h"

#include <stddef.h>

#define US_PER_S UINT64_C(1000000)

/* Gains in thousandths. */
#define GAIN_ONE 1000
#define STARTUP_PACING_GAIN 2773	/* 4 ln 2: the least that doubles every round */
#define STARTUP_CWND_GAIN 2500
#define DRAIN_PACING_GAIN 500
#define DOWN_PACING_GAIN 900
#define CRUISE_PACING_GAIN 990		/* a percent less, so that no queue is left standing */
#define QUEUED_LESS 30			/* taken off while there is one, when yielding */
#define SHORT_PACING_GAIN 1250		/* threads, not the path, make the noise there */
#define UP_PACING_GAIN 1250
#define UP_FAST_PACING_GAIN 2000
#define UP_LEAST_PACING_GAIN 1080
#define CWND_GAIN 2000
#define UP_CWND_GAIN 2250
#define PROBE_RTT_CWND_GAIN 500

/* One round of probing up should not build a longer queue than this. */
#define UP_QUEUE_US 30000
/* On short paths: time of the rate that may be in flight while threads sleep. */
#define SHORT_SLACK_US 1000
#define SHORT_LEAST_PKTS 16
#define SHORT_LEAST_BYTES (4 * 65536)
/* No jump puts more than this at risk on one measurement. */
#define JUMP_MAX_BYTES (16 * 1024 * 1024)

#define PROBE_WAIT_US 2000000		/* cruising at least so long ... */
#define PROBE_WAIT_SPREAD_US 1000000	/* ... and up to so much longer */
#define FIRST_PROBE_WAIT_US 500000
#define DOWN_ROUNDS 4			/* a queue that stays longer is not ours */
#define MIN_RTT_STALE_US 5000000
#define PROBE_RTT_US 200000
#define LONG_IDLE_US 10000000

/* Congestion, in millionths of excess loss: with a queue; without one; nothing learned yet. */
#define EXCESS_WITH_QUEUE_PPM 20000
#define EXCESS_YIELDING_PPM 2000
#define EXCESS_ALONE_PPM 50000
#define EXCESS_UNKNOWN_PPM 150000
#define EXCESS_STRONG_PPM 200000
#define CE_PPM 10000

/* Shares of what is sent that arrives, in thousandths: no chance takes the rest; of the best. */
#define START_LEAST 700
#define START_LESS 850
#define START_LESS_QUEUED 900
#define LO_BETA 700
#define YIELD_FROM 400			/* share of the path, in thousandths, above which to yield */
#define YIELD_FULLY 600
#define YIELD_MOST 200			/* taken off at a cut when yielding fully */
#define INSIST_MAX_US 500000		/* a queue longer than that helps nobody */
#define SHARED_ROUNDS 3			/* rounds with a queue that show that others make it */
#define SLOWER 750			/* of the old rate, in thousandths */
#define CLEAR_ROUNDS 4
/* A baseline that rose by so much since a cut says that the cut was none of the queue's. */
#define BASELINE_ROSE_PPM 15000

enum bbr_state {
	BBR_STARTUP, BBR_DRAIN, BBR_DOWN, BBR_CRUISE, BBR_REFILL, BBR_UP, BBR_PROBE_RTT
};

struct bbr {
	struct rmdt_cc cc;
	struct rmdt_bbr_model model;
	enum bbr_state state;
	uint64_t random;		/* state of the generator that spreads probes */

	/* Startup. */
	uint64_t capacity;		/* bytes/s measured or remembered; 0: none */
	uint64_t jump_rate;		/* bytes/s to go to on its word; 0: none */
	uint64_t full_bw;		/* best rate when growth was last seen */
	uint32_t full_bw_rounds;	/* rounds without growth since */
	uint64_t best_passed;		/* best share of arriving to sending, in thousandths */
	uint32_t less_windows;		/* windows in a row with clearly less */

	/* Probing. */
	uint64_t state_start_us;
	uint64_t state_start_round;
	uint64_t cruise_wait_us;
	uint32_t cruises;
	uint64_t up_rtt_us;		/* RTT when the probe began */
	uint64_t up_bw;			/* rate then */
	uint32_t strong_rounds;		/* rounds in a row with strong excess loss */
	uint32_t slow_rounds;		/* rounds in a row with a queue and far less delivered */
	uint32_t clear_rounds;		/* rounds in a row without queue or loss while cut */
	uint32_t shared_rounds;		/* rounds in a row with a queue that is not ours */
	uint64_t full_queue_us;		/* delay of the queue when it overflowed; 0: never seen */
	uint64_t cut_round;		/* round of the last cut */
	uint32_t cut_baseline_ppm;	/* baseline at the last cut */

	/* ProbeRTT. */
	uint64_t probe_rtt_done_us;	/* 0: flight not yet down */
	uint64_t probe_rtt_round;
	uint64_t probe_rtt_us;		/* least RTT seen in it */

	uint64_t last_sent_us;
	bool silent;			/* nothing heard for several timeouts */
};

static struct bbr *bbr_of(struct rmdt_cc *cc)
{
	return (struct bbr *)cc;
}

static uint32_t mss_of(const struct bbr *bbr)
{
	return bbr->cc.config.mss_bytes;
}

static uint64_t random_below(struct bbr *bbr, uint64_t limit)
{
	bbr->random ^= bbr->random << 13;
	bbr->random ^= bbr->random >> 7;
	bbr->random ^= bbr->random << 17;
	return bbr->random % limit;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t scale(uint64_t value, uint64_t gain)
{
	return value / GAIN_ONE * gain + value % GAIN_ONE * gain / GAIN_ONE;
}

static uint64_t sending_rate(const struct bbr *bbr)
{
	return rmdt_bbr_model_sending(&bbr->model, rmdt_bbr_model_bw(&bbr->model), mss_of(bbr));
}

static uint64_t bdp_bytes(const struct bbr *bbr)
{
	return rmdt_bbr_model_bdp(&bbr->model, sending_rate(bbr));
}

/* What the sender hands out at once, thrice: one leaving, one on the way, one being acked. */
static uint64_t quanta_bytes(const struct bbr *bbr)
{
	uint64_t train_bytes = bbr->cc.pacing_rate / 1000;

	return 3 * max_u64(min_u64(train_bytes, 65536), 2 * (uint64_t)mss_of(bbr));
}

/* A smaller step on a long path: a round of it lasts longer. */
static uint64_t up_gain(const struct bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	uint64_t step = UP_QUEUE_US * GAIN_ONE / max_u64(model->min_rtt_us, 1);

	/* It found something: there may be much more. */
	if (rmdt_bbr_max_get(&model->bw) > scale(bbr->up_bw, 1400))
		return UP_FAST_PACING_GAIN;
	if (rmdt_bbr_max_get(&model->bw) > scale(bbr->up_bw, 1050))
		return UP_PACING_GAIN;
	return max_u64(min_u64(GAIN_ONE + step, UP_PACING_GAIN), UP_LEAST_PACING_GAIN);
}

/* Is there a queue now, of so many times what counts as one? */
static bool has_queue(const struct bbr *bbr, uint64_t times)
{
	return rmdt_bbr_model_queue_us(&bbr->model) >
	       times * rmdt_bbr_model_queue_thresh_us(&bbr->model, mss_of(bbr));
}

/*
 * How far to yield to others, in thousandths: the more of the path one has, the further. A flow
 * with less than its half insists, so that neither a timid rival starves nor a bold one wins.
 */
static uint64_t yielding(const struct bbr *bbr)
{
	uint64_t share = rmdt_bbr_model_share(&bbr->model);

	if (share <= YIELD_FROM)
		return 0;
	if (share >= YIELD_FULLY)
		return GAIN_ONE;
	return (share - YIELD_FROM) * GAIN_ONE / (YIELD_FULLY - YIELD_FROM);
}

static bool is_shared(const struct bbr *bbr)
{
	return bbr->shared_rounds >= SHARED_ROUNDS;
}

static uint64_t pacing_gain(const struct bbr *bbr)
{
	switch (bbr->state) {
	case BBR_STARTUP:
		return STARTUP_PACING_GAIN;
	case BBR_DRAIN:
		return DRAIN_PACING_GAIN;
	case BBR_DOWN:
		return DOWN_PACING_GAIN;
	case BBR_UP:
		return up_gain(bbr);
	case BBR_CRUISE:
	case BBR_REFILL:
	case BBR_PROBE_RTT:
		break;
	}
	if (rmdt_bbr_model_is_short(&bbr->model))
		return SHORT_PACING_GAIN;
	if (!has_queue(bbr, 1))
		return CRUISE_PACING_GAIN;
	return CRUISE_PACING_GAIN - QUEUED_LESS * yielding(bbr) / GAIN_ONE;
}

static void set_pacing(struct bbr *bbr)
{
	uint64_t rate = sending_rate(bbr), gained;

	if (rate == 0) {
		/* The first flight leaves at once, as the train that measures the path. */
		rate = max_u64(rmdt_cc_initial_cwnd_bytes(&bbr->cc) * 1000, bbr->jump_rate);
		bbr->cc.pacing_rate = rate;
		return;
	}
	gained = scale(rate, pacing_gain(bbr));
	if (bbr->state == BBR_STARTUP) {
		gained = max_u64(gained, bbr->jump_rate);
		if (bbr->capacity != 0)
			gained = min_u64(gained, bbr->capacity);
	}
	bbr->cc.pacing_rate = max_u64(gained, 1);
}

static uint64_t cwnd_gain(const struct bbr *bbr)
{
	if (bbr->state == BBR_STARTUP)
		return STARTUP_CWND_GAIN;
	return bbr->state == BBR_UP ? UP_CWND_GAIN : CWND_GAIN;
}

static uint64_t short_slack_bytes(const struct bbr *bbr)
{
	uint64_t bytes = rmdt_bbr_model_bw(&bbr->model) * SHORT_SLACK_US / US_PER_S;

	bytes = max_u64(bytes, (uint64_t)SHORT_LEAST_PKTS * mss_of(bbr));
	return max_u64(bytes, SHORT_LEAST_BYTES);
}

/*
 * In a queue shared with others, the share of the queue is the share of the path: leave part of it
 * to them, or they lose packets whenever they grow.
 */
static uint64_t shared_cwnd_bytes(const struct bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	uint64_t hold_us, yield = yielding(bbr);

	if (!is_shared(bbr) || bbr->full_queue_us == 0)
		return UINT64_MAX;
	hold_us = bbr->full_queue_us - scale(bbr->full_queue_us / 2, yield);
	return sending_rate(bbr) * (model->min_rtt_us + hold_us) / US_PER_S +
	       rmdt_bbr_max_get(&model->extra) + quanta_bytes(bbr);
}

/*
 * Several of our kind hold a queue of one RTT at most. A longer one is the work of flows that fill
 * any queue: who has little of the path then keeps the queue's time in flight too, or loses it all.
 */
static uint64_t insisting_bytes(const struct bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	uint64_t queue_us = min_u64(rmdt_bbr_model_queue_us(model), INSIST_MAX_US);

	if (!is_shared(bbr) || queue_us < model->min_rtt_us)
		return 0;
	return scale(sending_rate(bbr) * queue_us / US_PER_S, GAIN_ONE - yielding(bbr));
}

static void set_cwnd(struct bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	uint64_t cwnd = scale(bdp_bytes(bbr), cwnd_gain(bbr)), jump_bytes;

	if (cwnd != 0)
		cwnd += rmdt_bbr_max_get(&model->extra) + quanta_bytes(bbr);
	cwnd += insisting_bytes(bbr);
	if (rmdt_bbr_model_is_short(model))
		cwnd += short_slack_bytes(bbr);
	if (bbr->state == BBR_STARTUP) {
		jump_bytes = rmdt_bbr_model_bdp(model, bbr->jump_rate);
		cwnd = max_u64(cwnd, min_u64(scale(jump_bytes, 1250), JUMP_MAX_BYTES));
		cwnd = max_u64(cwnd, rmdt_cc_initial_cwnd_bytes(&bbr->cc));
	} else {
		cwnd = min_u64(cwnd, max_u64(model->inflight_hi, bdp_bytes(bbr)));
		cwnd = min_u64(cwnd, model->inflight_lo);
		cwnd = min_u64(cwnd, shared_cwnd_bytes(bbr));
	}
	if (bbr->state == BBR_PROBE_RTT)
		cwnd = scale(bdp_bytes(bbr), PROBE_RTT_CWND_GAIN);
	if (bbr->silent)
		cwnd = 0;
	bbr->cc.cwnd_bytes = max_u64(cwnd, rmdt_cc_min_cwnd_bytes(&bbr->cc));
}

static void enter(struct bbr *bbr, enum bbr_state state, uint64_t now_us)
{
	struct rmdt_bbr_model *model = &bbr->model;

	bbr->state = state;
	bbr->state_start_us = now_us;
	bbr->state_start_round = model->round_count;
	switch (state) {
	case BBR_DOWN:
		rmdt_bbr_max_advance(&model->bw);
		break;
	case BBR_CRUISE:
		bbr->cruise_wait_us = PROBE_WAIT_US + random_below(bbr, PROBE_WAIT_SPREAD_US);
		/* A start can be fooled: ask soon whether it was. */
		if (bbr->cruises++ == 0)
			bbr->cruise_wait_us = FIRST_PROBE_WAIT_US;
		break;
	case BBR_REFILL:
		rmdt_bbr_model_reset_lo(model);
		bbr->strong_rounds = 0;
		/* What is in flight now decides when the refill is through. */
		model->round_end_bytes = UINT64_MAX;
		break;
	case BBR_UP:
		bbr->up_rtt_us = model->min_rtt_us + rmdt_bbr_model_queue_us(model);
		bbr->up_bw = rmdt_bbr_max_get(&model->bw);
		bbr->full_bw = bbr->up_bw;
		bbr->full_bw_rounds = 0;
		break;
	case BBR_STARTUP:
	case BBR_DRAIN:
	case BBR_PROBE_RTT:
		break;
	}
}

/* Rounds of feedback since the state began. */
static uint64_t state_rounds(const struct bbr *bbr)
{
	return bbr->model.round_count - bbr->state_start_round;
}

/*
 * The capacity that the first train showed, or that was remembered, or both: two witnesses that
 * agree are believed further than one.
 */
static void learn_capacity(struct bbr *bbr)
{
	const struct rmdt_cc_config *config = &bbr->cc.config;
	uint64_t train = rmdt_bbr_start_train_rate(&bbr->model.start, mss_of(bbr));
	uint64_t rtt_us = bbr->model.min_rtt_us, hint = config->hint_rate;

	if (hint != 0 && config->hint_rtt_us != 0 &&
	    (rtt_us < config->hint_rtt_us / 2 || rtt_us > config->hint_rtt_us * 2))
		hint = 0;
	if (train == 0 && hint == 0)
		return;
	if (train == 0 || (hint != 0 && train >= hint)) {
		bbr->capacity = hint;
		bbr->jump_rate = scale(hint, train == 0 ? 500 : 900);
	} else {
		bbr->capacity = train;
		bbr->jump_rate = scale(train, hint != 0 && train >= scale(hint, 700) ? 900 : 500);
	}
}

/* What a window of the start says. */
enum verdict { GROWING, SATURATED, CONFIRMED };

/*
 * Of what is sent a share arrives, in the time it took to send: the share that chance leaves. When
 * it falls below the best seen, more is sent than the bottleneck carries, and its rate is what
 * arrives. A queue makes it certain; without one (there may be hardly any) it takes two windows.
 * When as much leaves as the measured capacity and it arrives, the capacity is confirmed.
 */
static enum verdict judge_window(struct bbr *bbr)
{
	const struct rmdt_bbr_start *start = &bbr->model.start;
	uint64_t sent = start->sending_rate;
	uint64_t passed = start->arrival_rate * GAIN_ONE / max_u64(sent, 1);
	bool less = passed < scale(bbr->best_passed, START_LESS);

	bbr->less_windows = less ? bbr->less_windows + 1 : 0;
	if (passed < START_LEAST || bbr->less_windows >= 2 ||
	    (has_queue(bbr, 1) && passed < scale(bbr->best_passed, START_LESS_QUEUED)))
		return SATURATED;
	bbr->best_passed = min_u64(max_u64(bbr->best_passed, passed), GAIN_ONE);
	if (bbr->capacity != 0 && sent >= scale(bbr->capacity, 920) &&
	    sent <= scale(bbr->capacity, 1080))
		return CONFIRMED;
	return GROWING;
}

static void leave_startup(struct bbr *bbr, enum bbr_state state, uint64_t now_us)
{
	bbr->capacity = 0;
	bbr->jump_rate = 0;
	enter(bbr, state, now_us);
}

/* Growth of less than a quarter in three rounds: the end, however it comes. */
static void judge_round(struct bbr *bbr, uint64_t now_us)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t bw = rmdt_bbr_max_get(&model->bw);

	if (bw >= scale(bbr->full_bw, 1250)) {
		bbr->full_bw = bw;
		bbr->full_bw_rounds = 0;
		return;
	}
	bbr->full_bw_rounds++;
	if (bbr->full_bw_rounds >= 3 || (has_queue(bbr, 2) && bbr->full_bw_rounds >= 2))
		leave_startup(bbr, BBR_DRAIN, now_us);
}

static void run_startup(struct bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;
	enum verdict verdict = GROWING;

	if (ack->sample->first_flight)
		learn_capacity(bbr);
	if (rmdt_bbr_max_get(&model->bw) > scale(bbr->capacity, 1100))
		bbr->capacity = 0;
	if (model->window_done && model->round_count > 1 && !ack->sample->app_limited)
		verdict = judge_window(bbr);
	if (verdict != GROWING) {
		rmdt_bbr_max_add(&model->bw, model->start.arrival_rate);
		leave_startup(bbr, verdict == SATURATED ? BBR_DRAIN : BBR_UP, ack->now_us);
		return;
	}
	if (model->round_start && !model->last_app_limited)
		judge_round(bbr, ack->now_us);
}

/* Did a queue stand through the whole round that just ended? */
static bool saw_queue(const struct bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;

	return model->last_rtt_us != UINT64_MAX && model->last_rtt_us > model->min_rtt_us +
	       rmdt_bbr_model_queue_thresh_us(model, mss_of(bbr));
}

/* Congestion in the round that just ended? */
static bool is_congested(const struct bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	uint32_t random_ppm = rmdt_bbr_model_random_ppm(model, mss_of(bbr));
	uint32_t limit_ppm = EXCESS_ALONE_PPM + random_ppm / 2;

	if (!rmdt_bbr_loss_is_known(&model->loss, mss_of(bbr)))
		limit_ppm = EXCESS_UNKNOWN_PPM;
	if (saw_queue(bbr))
		limit_ppm = EXCESS_WITH_QUEUE_PPM;
	if (saw_queue(bbr) && is_shared(bbr))
		limit_ppm -= (uint32_t)scale(EXCESS_WITH_QUEUE_PPM - EXCESS_YIELDING_PPM,
					     yielding(bbr));
	return model->last_ce_ppm > CE_PPM || model->last_excess_ppm > limit_ppm;
}

/* A queue, and much less delivered than the path once did: is it no longer that path? */
static bool is_slower(const struct bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;

	return saw_queue(bbr) && !model->last_app_limited &&
	       model->last_bw < scale(rmdt_bbr_max_get(&model->bw), SLOWER);
}

/* Believe what is delivered now, and empty the queue that the old belief has made. */
static void forget_rate(struct bbr *bbr, uint64_t now_us)
{
	struct rmdt_bbr_model *model = &bbr->model;

	rmdt_bbr_max_reset(&model->bw, model->last_bw);
	rmdt_bbr_model_reset_lo(model);
	model->inflight_hi = RMDT_BBR_UNLIMITED;
	bbr->strong_rounds = 0;
	bbr->slow_rounds = 0;
	enter(bbr, BBR_DRAIN, now_us);
}

/* Less for the rest of the cycle. A cut needs two rounds to be felt. */
static void cut(struct bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t bw = rmdt_bbr_model_bw(model);
	uint64_t keep = GAIN_ONE - YIELD_MOST * yielding(bbr) / GAIN_ONE;

	if (model->bw_lo != RMDT_BBR_UNLIMITED && model->round_count < bbr->cut_round + 2)
		return;
	bbr->cut_round = model->round_count;
	bbr->clear_rounds = 0;
	bbr->cut_baseline_ppm = rmdt_bbr_model_random_ppm(model, mss_of(bbr));
	model->bw_lo = min_u64(bw, max_u64(model->last_bw, scale(bw, LO_BETA)));
	if (is_shared(bbr) && saw_queue(bbr)) {
		model->bw_lo = scale(model->bw_lo, keep);
		rmdt_bbr_model_shrink_bw(model, (uint32_t)keep);
	}
	model->inflight_lo = max_u64(scale(bbr->cc.cwnd_bytes, LO_BETA), ack->in_flight_bytes);
	model->inflight_lo = max_u64(model->inflight_lo, bdp_bytes(bbr) + quanta_bytes(bbr));
}

/* No congestion in this round: was a cut mistaken, or is it no longer needed? */
static void relax(struct bbr *bbr)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint32_t random_ppm = rmdt_bbr_model_random_ppm(model, mss_of(bbr));

	if (model->bw_lo == RMDT_BBR_UNLIMITED)
		return;
	bbr->clear_rounds = saw_queue(bbr) ? 0 : bbr->clear_rounds + 1;
	if (bbr->clear_rounds >= CLEAR_ROUNDS ||
	    random_ppm > bbr->cut_baseline_ppm + BASELINE_ROSE_PPM)
		rmdt_bbr_model_reset_lo(model);
}

/* Our own queues are gone soon after a probe; one that stays while cruising is others' too. */
static void note_sharing(struct bbr *bbr)
{
	const struct rmdt_bbr_model *model = &bbr->model;

	if (!saw_queue(bbr))
		bbr->shared_rounds -= bbr->shared_rounds > 0;
	else if (bbr->state == BBR_CRUISE && bbr->shared_rounds < 2 * SHARED_ROUNDS)
		bbr->shared_rounds++;
	if (saw_queue(bbr) && model->last_excess_ppm > EXCESS_YIELDING_PPM)
		bbr->full_queue_us = model->last_max_rtt_us - model->min_rtt_us;
}

static void react(struct bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;
	bool strong = model->last_excess_ppm > EXCESS_STRONG_PPM;

	if (!model->round_start || bbr->state == BBR_STARTUP || bbr->state == BBR_DRAIN)
		return;
	note_sharing(bbr);
	bbr->strong_rounds = strong ? bbr->strong_rounds + 1 : 0;
	bbr->slow_rounds = is_slower(bbr) ? bbr->slow_rounds + 1 : 0;
	if ((bbr->strong_rounds >= 2 || bbr->slow_rounds >= 3) && model->last_bw != 0) {
		forget_rate(bbr, ack->now_us);
		return;
	}
	if (!is_congested(bbr)) {
		relax(bbr);
		return;
	}
	if (bbr->state == BBR_UP) {
		model->inflight_hi = max_u64(ack->sample->in_flight_at_send_bytes,
					     scale(bdp_bytes(bbr), 1050));
		enter(bbr, BBR_DOWN, ack->now_us);
		if (!is_shared(bbr))
			return;
	}
	cut(bbr, ack);
}

/* There is room as long as more arrives, or more leaves without a longer queue. */
static void run_up(struct bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t bw = rmdt_bbr_max_get(&model->bw);
	uint64_t rtt_us = model->min_rtt_us + rmdt_bbr_model_queue_us(model);
	bool queue = rtt_us > bbr->up_rtt_us + rmdt_bbr_model_queue_thresh_us(model, mss_of(bbr));

	if (state_rounds(bbr) < 1)
		return;
	if (queue && bw < scale(bbr->full_bw, 1050) && yielding(bbr) > 0) {
		enter(bbr, BBR_DOWN, ack->now_us);
		return;
	}
	if (!model->round_start)
		return;
	if (model->inflight_hi != RMDT_BBR_UNLIMITED)
		model->inflight_hi = scale(model->inflight_hi, UP_PACING_GAIN);
	if (bw >= scale(bbr->full_bw, 1050)) {
		bbr->full_bw = bw;
		bbr->full_bw_rounds = 0;
	} else if (++bbr->full_bw_rounds >= 2) {
		enter(bbr, BBR_DOWN, ack->now_us);
	}
}

static void run_probe_bw(struct bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t full_bytes = bdp_bytes(bbr) + quanta_bytes(bbr);

	switch (bbr->state) {
	case BBR_DOWN:
		if (state_rounds(bbr) >= 1 && (ack->in_flight_bytes <= full_bytes ||
					       state_rounds(bbr) >= DOWN_ROUNDS))
			enter(bbr, BBR_CRUISE, ack->now_us);
		break;
	case BBR_CRUISE:
		if (ack->now_us >= bbr->state_start_us + bbr->cruise_wait_us)
			enter(bbr, BBR_REFILL, ack->now_us);
		break;
	case BBR_REFILL:
		if (model->round_end_bytes == UINT64_MAX)
			model->round_end_bytes = ack->delivered_bytes;
		else if (model->round_start)
			enter(bbr, BBR_UP, ack->now_us);
		break;
	case BBR_UP:
		run_up(bbr, ack);
		break;
	case BBR_STARTUP:
	case BBR_DRAIN:
	case BBR_PROBE_RTT:
		break;
	}
}

static void start_probe_rtt(struct bbr *bbr, uint64_t now_us)
{
	enter(bbr, BBR_PROBE_RTT, now_us);
	bbr->probe_rtt_done_us = 0;
	bbr->probe_rtt_us = UINT64_MAX;
}

/* Half the path's content for a round or 200 ms: the RTT then is that of the empty path. */
static void run_probe_rtt(struct bbr *bbr, const struct rmdt_cc_ack *ack)
{
	struct rmdt_bbr_model *model = &bbr->model;

	if (ack->rtt_us != 0)
		bbr->probe_rtt_us = min_u64(bbr->probe_rtt_us, ack->rtt_us);
	if (bbr->probe_rtt_done_us == 0) {
		if (ack->in_flight_bytes > bbr->cc.cwnd_bytes + quanta_bytes(bbr) &&
		    state_rounds(bbr) < 2)
			return;
		bbr->probe_rtt_done_us = ack->now_us + min_u64(PROBE_RTT_US, model->min_rtt_us);
		return;
	}
	if (ack->now_us < bbr->probe_rtt_done_us)
		return;
	/*
	 * More than before: a longer path, or a queue of others that our leaving did not empty. The
	 * former is believed step by step, the latter is gone before it is.
	 */
	if (bbr->probe_rtt_us > model->min_rtt_us)
		model->min_rtt_us += (bbr->probe_rtt_us - model->min_rtt_us) / 4;
	model->min_rtt_seen_us = ack->now_us;
	enter(bbr, BBR_CRUISE, ack->now_us);
}

/* After the state is settled: are we sending less than the path carries? */
static void set_calm(struct bbr *bbr, uint64_t now_us)
{
	const struct rmdt_bbr_model *model = &bbr->model;
	bool calm = bbr->state == BBR_DRAIN || bbr->state == BBR_DOWN ||
		    bbr->state == BBR_PROBE_RTT;

	if (bbr->state == BBR_CRUISE && model->bw_lo < scale(rmdt_bbr_max_get(&model->bw), 950))
		calm = true;
	/* A queue that stays in spite of it is not ours to empty; its losses are no chance. */
	rmdt_bbr_loss_set_calm(&bbr->model.loss, calm && !has_queue(bbr, 2), now_us);
}

static void bbr_on_ack(struct rmdt_cc *cc, const struct rmdt_cc_ack *ack)
{
	struct bbr *bbr = bbr_of(cc);
	struct rmdt_bbr_model *model = &bbr->model;

	bbr->silent = false;
	rmdt_bbr_model_on_ack(model, ack, mss_of(bbr));
	if (ack->sample->newly_acked_bytes == 0)
		return;
	react(bbr, ack);
	if (bbr->state == BBR_STARTUP)
		run_startup(bbr, ack);
	else if (bbr->state == BBR_PROBE_RTT)
		run_probe_rtt(bbr, ack);
	else
		run_probe_bw(bbr, ack);
	if (bbr->state == BBR_DRAIN && ack->in_flight_bytes <= bdp_bytes(bbr) + quanta_bytes(bbr))
		enter(bbr, BBR_DOWN, ack->now_us);
	if (bbr->state != BBR_STARTUP && bbr->state != BBR_DRAIN && bbr->state != BBR_PROBE_RTT &&
	    ack->now_us > model->min_rtt_seen_us + MIN_RTT_STALE_US && !ack->sample->app_limited)
		start_probe_rtt(bbr, ack->now_us);
	set_calm(bbr, ack->now_us);
	set_pacing(bbr);
	set_cwnd(bbr);
}

static void bbr_on_loss(struct rmdt_cc *cc, const struct rmdt_cc_loss *loss)
{
	rmdt_bbr_loss_on_lost(&bbr_of(cc)->model.loss, loss->lost_bytes, loss->newest->sent_us);
}

static void bbr_on_spurious(struct rmdt_cc *cc, uint64_t bytes, uint64_t sent_us, uint64_t now_us)
{
	struct bbr *bbr = bbr_of(cc);

	(void)sent_us;
	(void)now_us;
	rmdt_bbr_loss_on_spurious(&bbr->model.loss, bytes);
	rmdt_bbr_model_reset_lo(&bbr->model);
}

static void bbr_on_sent(struct rmdt_cc *cc, uint32_t bytes, uint64_t in_flight_bytes,
			uint64_t now_us)
{
	(void)bytes;
	(void)in_flight_bytes;
	bbr_of(cc)->last_sent_us = now_us;
}

/* Start over, with what the path carried as a capacity to be confirmed. */
static void restart(struct bbr *bbr, uint64_t now_us)
{
	struct rmdt_bbr_model *model = &bbr->model;
	uint64_t bw = rmdt_bbr_max_get(&model->bw);

	rmdt_bbr_max_reset(&model->bw, scale(bw, 250));
	rmdt_bbr_model_reset_lo(model);
	model->inflight_hi = RMDT_BBR_UNLIMITED;
	model->min_rtt_seen_us = now_us;
	bbr->capacity = bw;
	bbr->jump_rate = scale(bw, 500);
	bbr->full_bw = 0;
	bbr->full_bw_rounds = 0;
	enter(bbr, BBR_STARTUP, now_us);
	rmdt_bbr_loss_set_calm(&model->loss, false, now_us);
	set_pacing(bbr);
	set_cwnd(bbr);
}

static void bbr_on_silence(struct rmdt_cc *cc, uint64_t now_us)
{
	struct bbr *bbr = bbr_of(cc);

	bbr->silent = true;
	restart(bbr, now_us);
}

static void bbr_on_idle_restart(struct rmdt_cc *cc, uint64_t now_us)
{
	struct bbr *bbr = bbr_of(cc);

	rmdt_bbr_start_restart_window(&bbr->model.start);
	bbr->model.min_rtt_seen_us = now_us;
	if (bbr->last_sent_us != 0 && now_us > bbr->last_sent_us + LONG_IDLE_US &&
	    rmdt_bbr_model_bw(&bbr->model) != 0)
		restart(bbr, now_us);
}

static void bbr_set_mss(struct rmdt_cc *cc, uint32_t old_mss_bytes)
{
	struct bbr *bbr = bbr_of(cc);

	(void)old_mss_bytes;
	set_pacing(bbr);
	set_cwnd(bbr);
}

static void bbr_init(struct rmdt_cc *cc, uint64_t now_us)
{
	struct bbr *bbr = bbr_of(cc);

	rmdt_bbr_model_init(&bbr->model, now_us);
	bbr->random = cc->config.seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	if (bbr->random == 0)
		bbr->random = 1;
	bbr->model.min_rtt_us = cc->config.initial_rtt_us;
	bbr->state = BBR_STARTUP;
	bbr->state_start_us = now_us;
	if (bbr->model.min_rtt_us != 0)
		learn_capacity(bbr);
	set_pacing(bbr);
	set_cwnd(bbr);
}

static const char *bbr_state_name(const struct rmdt_cc *cc)
{
	static const char *const names[] = {
		[BBR_STARTUP] = "startup", [BBR_DRAIN] = "drain", [BBR_DOWN] = "probe down",
		[BBR_CRUISE] = "cruise", [BBR_REFILL] = "refill", [BBR_UP] = "probe up",
		[BBR_PROBE_RTT] = "probe rtt",
	};

	return names[((const struct bbr *)cc)->state];
}

static void bbr_info(const struct rmdt_cc *cc, struct rmdt_cc_info *info)
{
	const struct bbr *bbr = (const struct bbr *)cc;

	info->bandwidth = rmdt_bbr_model_bw(&bbr->model);
	info->min_rtt_us = bbr->model.min_rtt_us;
	info->random_loss_ppm = rmdt_bbr_model_random_ppm(&bbr->model, mss_of(bbr));
}

const struct rmdt_cc_ops rmdt_cc_bbr_ops = {
	.name = "bbr",
	.size_bytes = sizeof(struct bbr),
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

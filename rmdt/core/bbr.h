/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_BBR_H
#define RMDT_CORE_BBR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bbr_model.h"
#include "core/cc.h"

/*
 * The state of the controller "bbr" and what its parts owe each other: cc_bbr.c moves between
 * states, bbr_startup.c ends the start, bbr_react.c answers congestion, bbr_pace.c turns state and
 * model into rate and window. For these four files only.
 */

#define RMDT_BBR_US_PER_S UINT64_C(1000000)
/* Less than that is no queue, however short a queue the bottleneck holds. */
#define RMDT_BBR_QUEUE_LEAST_US 1500
/* Gains and shares are in thousandths. */
#define RMDT_BBR_ONE 1000
/* A first flight that was lost as a whole leaves so often. */
#define RMDT_BBR_FLIGHTS 2

enum rmdt_bbr_state {
	RMDT_BBR_STARTUP,	/* find the rate */
	RMDT_BBR_DRAIN,		/* empty the queue that took */
	RMDT_BBR_DOWN,		/* a little less, after a probe */
	RMDT_BBR_CRUISE,	/* hold the rate */
	RMDT_BBR_REFILL,	/* a round at the full rate, before a probe */
	RMDT_BBR_UP,		/* ask whether there is more */
	RMDT_BBR_PROBE_RTT	/* half the flight, to see the empty path's RTT */
};

struct rmdt_bbr {
	struct rmdt_cc cc;
	struct rmdt_bbr_model model;
	enum rmdt_bbr_state state;
	uint64_t random;		/* state of the generator that spreads probes */

	/* Startup. */
	uint64_t burst_bytes;		/* sent of the first flights, counted no further */
	uint64_t capacity;		/* bytes/s measured or remembered; 0: none */
	uint64_t jump_rate;		/* bytes/s to go to on its word; 0: none */
	uint64_t test_bytes;		/* to be sent at the capacity, as a test of it */
	uint64_t tested_bytes;		/* so many of these are sent */
	uint64_t full_bw;		/* best rate when growth was last seen */
	uint32_t full_bw_rounds;	/* rounds without growth since */
	bool measured;			/* some rate was the path's and not the application's */
	uint32_t found_rounds;		/* rounds at full speed since the start had found the rate */
	uint64_t proven_rate;		/* delivered bytes/s in such a round; 0: none yet */
	uint64_t best_passed;		/* best share of arriving to sending, in thousandths */
	uint32_t less_windows;		/* windows in a row with clearly less */
	uint64_t heard_bytes;		/* packets sent before so many were delivered witness nothing */
	uint32_t lossy_rounds;		/* of the application's making, in a row with a queue and heavy loss */

	uint64_t drain_rtt_us;		/* of the round of a drain that ended last; 0: none yet */

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
	uint32_t lone_cycles;		/* probing cycles in a row without a queue that is not ours */
	uint64_t shared_least_us;	/* least and largest of the rounds' RTTs while it is so */
	uint64_t shared_most_us;
	uint64_t yielded_us;		/* when some of the rate was last left to others */
	uint64_t full_queue_us;		/* delay of the queue when it overflowed; 0: never seen */
	uint64_t cut_round;		/* round of the last cut */
	uint32_t cut_baseline_ppm;	/* baseline at the last cut */
	bool learns_loss;		/* a probe ended by loss of unknown kind: hold back until it is known */

	/* ProbeRTT. */
	uint64_t probe_rtt_from_us;	/* RTT when it began */
	uint64_t probe_rtt_round;	/* round in which the flight was down */
	uint64_t probe_rtt_done_us;	/* 0: flight not yet down */
	uint64_t probe_rtt_us;		/* least RTT seen in it */

	uint64_t last_sent_us;
	bool silent;			/* nothing heard for several timeouts */
};

static inline uint32_t rmdt_bbr_mss(const struct rmdt_bbr *bbr)
{
	return bbr->cc.config.mss_bytes;
}

static inline uint64_t rmdt_bbr_larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t rmdt_bbr_smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t rmdt_bbr_scale(uint64_t value, uint64_t gain)
{
	return value / RMDT_BBR_ONE * gain + value % RMDT_BBR_ONE * gain / RMDT_BBR_ONE;
}

static inline uint64_t rmdt_bbr_sending_rate(const struct rmdt_bbr *bbr)
{
	return rmdt_bbr_model_sending(&bbr->model, rmdt_bbr_model_bw(&bbr->model),
				      rmdt_bbr_mss(bbr));
}

static inline uint64_t rmdt_bbr_bdp_bytes(const struct rmdt_bbr *bbr)
{
	return rmdt_bbr_model_bdp(&bbr->model, rmdt_bbr_sending_rate(bbr));
}

/* What the sender hands out at once, thrice: one leaving, one on the way, one being acked. */
static inline uint64_t rmdt_bbr_quanta_bytes(const struct rmdt_bbr *bbr)
{
	uint64_t train_bytes = bbr->cc.pacing_rate / 1000;

	train_bytes = rmdt_bbr_smaller(train_bytes, 65536);
	return 3 * rmdt_bbr_larger(train_bytes, 2 * (uint64_t)rmdt_bbr_mss(bbr));
}

/* In flight at most when the path is full and its queue empty. */
static inline uint64_t rmdt_bbr_full_bytes(const struct rmdt_bbr *bbr)
{
	return rmdt_bbr_bdp_bytes(bbr) + rmdt_bbr_quanta_bytes(bbr);
}

/* So many times what counts as a queue; where the bottleneck is known to hold little, half of that will do. */
static inline uint64_t rmdt_bbr_queue_thresh_us(const struct rmdt_bbr *bbr, uint64_t times)
{
	uint64_t thresh_us = times * rmdt_bbr_model_queue_thresh_us(&bbr->model, rmdt_bbr_mss(bbr));

	if (bbr->full_queue_us == 0)
		return thresh_us;
	return rmdt_bbr_smaller(thresh_us, rmdt_bbr_larger(bbr->full_queue_us / 2, RMDT_BBR_QUEUE_LEAST_US));
}

static inline bool rmdt_bbr_has_queue(const struct rmdt_bbr *bbr, uint64_t times)
{
	return rmdt_bbr_model_queue_us(&bbr->model) > rmdt_bbr_queue_thresh_us(bbr, times);
}

/* Rounds of feedback since the state began. */
static inline uint64_t rmdt_bbr_state_rounds(const struct rmdt_bbr *bbr)
{
	return bbr->model.round_count - bbr->state_start_round;
}

/* Go to a state. Any state from any. */
void rmdt_bbr_enter(struct rmdt_bbr *bbr, enum rmdt_bbr_state state, uint64_t now_us);

/*
 * How far to yield to others, in thousandths: the more of the path one has, the further. A flow
 * with less than its half insists, so that neither a timid rival starves nor a bold one wins.
 */
uint64_t rmdt_bbr_yielding(const struct rmdt_bbr *bbr);

/* How far, in thousandths, to bear what others do to a flow that has less than its share. */
uint64_t rmdt_bbr_insisting(const struct rmdt_bbr *bbr);

/* Others fill the queue too. */
bool rmdt_bbr_is_shared(const struct rmdt_bbr *bbr);

/* A rate so much higher, in thousandths, is what a probe looks for. */
uint64_t rmdt_bbr_up_growth(const struct rmdt_bbr *bbr);

/* Set pacing_rate and cwnd_bytes by state and model. */
void rmdt_bbr_set_pace(struct rmdt_bbr *bbr);

/* Take the capacity that the first train showed, or that is remembered; none: no change. */
void rmdt_bbr_learn_capacity(struct rmdt_bbr *bbr);

/* In startup: an ACK that the model has taken. May leave for drain or up. */
void rmdt_bbr_run_startup(struct rmdt_bbr *bbr, const struct rmdt_cc_ack *ack);

/* In any state: answer to congestion in the round that just ended. May change the state. */
void rmdt_bbr_react(struct rmdt_bbr *bbr, const struct rmdt_cc_ack *ack);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* CUBIC (RFC 9438) with the slow start exit of HyStart++ (RFC 9406), paced. */
#include "core/cc.h"

#include <stddef.h>

#define CUBIC_C 0.4		/* packets per second cubed */
#define CUBIC_BETA 0.7
#define CUBIC_ALPHA (3.0 * (1.0 - CUBIC_BETA) / (1.0 + CUBIC_BETA))

/* HyStart++: how much a round's least RTT must grow, and the careful phase that tests it. */
#define HYSTART_MIN_THRESH_US 4000
#define HYSTART_MAX_THRESH_US 16000
#define HYSTART_RTT_DIVISOR 8
#define HYSTART_LEAST_SAMPLES 3	/* few: a receiver sends some eight ACKs per round */
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS 5

#define NO_SSTHRESH UINT64_MAX

/* Used for the first flight when no RTT is known: send it at once, it is small. */
#define FIRST_FLIGHT_US 1000

/* What a loss changed, to put it back if the loss was not one. */
struct undo {
	uint64_t cwnd_bytes;	/* 0: nothing to undo */
	uint64_t ssthresh_bytes;
	uint64_t epoch_us;
	double w_max, k_s;
	double w_est;
	uint64_t lost_bytes;	/* lost in the episode and not yet shown spurious */
};

struct cubic {
	struct rmdt_cc cc;
	uint64_t ssthresh_bytes;
	uint64_t recovery_us;		/* start of the latest episode; losses before it are old */
	bool in_recovery;		/* recovery_us has a meaning */
	uint64_t epoch_us;		/* start of the curve; 0: none yet */
	double w_max;			/* packets */
	double k_s;			/* seconds from the epoch to w_max */
	double w_est;			/* packets: what Reno would have */
	double acked_pkts;		/* fraction of growth left over */
	struct undo undo;

	uint64_t round_end_bytes;	/* delivered_bytes that ends the round */
	uint64_t round_rtt_us;		/* least RTT of this round; UINT64_MAX: none */
	uint64_t last_round_rtt_us;
	uint32_t round_samples;
	uint32_t css_rounds_left;	/* 0: not in the careful phase */
	uint64_t css_base_rtt_us;

	uint64_t srtt_us;		/* 0: unknown */
	uint64_t min_rtt_us;		/* 0: unknown */
};

static struct cubic *cubic_of(struct rmdt_cc *cc)
{
	return (struct cubic *)cc;
}

/* By Newton's method; the core does without libm. */
static double cube_root(double x)
{
	double root = x > 1.0 ? x / 3.0 + 1.0 : 1.0;

	if (x <= 0.0)
		return 0.0;
	for (int i = 0; i < 60; i++)
		root = (2.0 * root + x / (root * root)) / 3.0;
	return root;
}

static double cwnd_pkts(const struct cubic *cubic)
{
	return (double)cubic->cc.cwnd_bytes / cubic->cc.config.mss_bytes;
}

static void set_pacing(struct cubic *cubic)
{
	struct rmdt_cc *cc = &cubic->cc;
	bool slow_start = cc->cwnd_bytes < cubic->ssthresh_bytes;
	uint64_t srtt_us = cubic->srtt_us;

	if (srtt_us == 0)
		srtt_us = FIRST_FLIGHT_US;
	cc->pacing_rate = cc->cwnd_bytes * (slow_start ? 2000 : 1250) / srtt_us * 1000 + 1;
}

static void restart_hystart(struct cubic *cubic)
{
	cubic->round_rtt_us = UINT64_MAX;
	cubic->last_round_rtt_us = UINT64_MAX;
	cubic->round_samples = 0;
	cubic->css_rounds_left = 0;
}

static void cubic_init(struct rmdt_cc *cc, uint64_t now_us)
{
	struct cubic *cubic = cubic_of(cc);

	(void)now_us;
	cc->cwnd_bytes = rmdt_cc_initial_cwnd_bytes(cc);
	cubic->ssthresh_bytes = NO_SSTHRESH;
	restart_hystart(cubic);
	set_pacing(cubic);
}

static void cubic_on_sent(struct rmdt_cc *cc, uint32_t bytes, uint64_t in_flight_bytes,
			  uint64_t now_us)
{
	(void)cc;
	(void)bytes;
	(void)in_flight_bytes;
	(void)now_us;
}

/* A round ended: fall back from the careful phase, or leave slow start when it has lasted. */
static void hystart_round(struct cubic *cubic, uint64_t delivered_bytes)
{
	cubic->round_end_bytes = delivered_bytes + cubic->cc.cwnd_bytes;
	cubic->last_round_rtt_us = cubic->round_rtt_us;
	cubic->round_rtt_us = UINT64_MAX;
	cubic->round_samples = 0;
	if (cubic->css_rounds_left != 0 && --cubic->css_rounds_left == 0)
		cubic->ssthresh_bytes = cubic->cc.cwnd_bytes;
}

static void hystart_on_ack(struct cubic *cubic, const struct rmdt_cc_ack *ack)
{
	uint64_t thresh_us;

	if (ack->delivered_bytes >= cubic->round_end_bytes)
		hystart_round(cubic, ack->delivered_bytes);
	if (ack->rtt_us == 0)
		return;
	if (ack->rtt_us < cubic->round_rtt_us)
		cubic->round_rtt_us = ack->rtt_us;
	cubic->round_samples++;
	if (cubic->round_samples < HYSTART_LEAST_SAMPLES || cubic->last_round_rtt_us == UINT64_MAX)
		return;
	if (cubic->css_rounds_left != 0) {
		if (cubic->round_rtt_us < cubic->css_base_rtt_us)
			cubic->css_rounds_left = 0;
		return;
	}
	thresh_us = cubic->last_round_rtt_us / HYSTART_RTT_DIVISOR;
	if (thresh_us < HYSTART_MIN_THRESH_US)
		thresh_us = HYSTART_MIN_THRESH_US;
	if (thresh_us > HYSTART_MAX_THRESH_US)
		thresh_us = HYSTART_MAX_THRESH_US;
	if (cubic->round_rtt_us >= cubic->last_round_rtt_us + thresh_us) {
		cubic->css_base_rtt_us = cubic->round_rtt_us;
		cubic->css_rounds_left = CSS_ROUNDS;
	}
}

static void start_epoch(struct cubic *cubic, uint64_t now_us)
{
	double window = cwnd_pkts(cubic);

	cubic->epoch_us = now_us;
	cubic->w_est = window;
	cubic->acked_pkts = 0.0;
	if (cubic->w_max > window) {
		cubic->k_s = cube_root((cubic->w_max - window) / CUBIC_C);
	} else {
		cubic->w_max = window;
		cubic->k_s = 0.0;
	}
}

/* Congestion avoidance: the larger of the cubic curve, one RTT ahead, and Reno's line. */
static void grow(struct cubic *cubic, const struct rmdt_cc_ack *ack)
{
	uint32_t mss_bytes = cubic->cc.config.mss_bytes;
	double acked = (double)ack->sample->newly_acked_bytes / mss_bytes;
	double window = cwnd_pkts(cubic), target, t_s;

	if (cubic->epoch_us == 0)
		start_epoch(cubic, ack->now_us);
	t_s = (double)(ack->now_us - cubic->epoch_us + cubic->srtt_us) / 1e6 - cubic->k_s;
	target = CUBIC_C * t_s * t_s * t_s + cubic->w_max;
	if (target < window)
		target = window;
	if (target > 1.5 * window)
		target = 1.5 * window;
	cubic->w_est += (cubic->w_est < cubic->w_max ? CUBIC_ALPHA : 1.0) * acked / window;
	cubic->acked_pkts += (target - window) / window * acked;
	if (cubic->w_est > window + cubic->acked_pkts)
		cubic->acked_pkts = cubic->w_est - window;
	cubic->cc.cwnd_bytes += (uint64_t)(cubic->acked_pkts * mss_bytes);
	cubic->acked_pkts -= (double)(uint64_t)(cubic->acked_pkts * mss_bytes) / mss_bytes;
}

static void reduce(struct cubic *cubic, uint64_t now_us)
{
	struct rmdt_cc *cc = &cubic->cc;
	double window = cwnd_pkts(cubic);
	uint64_t least_bytes = rmdt_cc_min_cwnd_bytes(cc);

	cubic->undo = (struct undo){
		.cwnd_bytes = cc->cwnd_bytes,
		.ssthresh_bytes = cubic->ssthresh_bytes,
		.epoch_us = cubic->epoch_us,
		.w_max = cubic->w_max,
		.k_s = cubic->k_s,
		.w_est = cubic->w_est,
	};
	/* Fast convergence: a window that shrinks from peak to peak makes room for others. */
	if (window < cubic->w_max)
		cubic->w_max = window * (1.0 + CUBIC_BETA) / 2.0;
	else
		cubic->w_max = window;
	cc->cwnd_bytes = (uint64_t)(window * CUBIC_BETA * cc->config.mss_bytes);
	if (cc->cwnd_bytes < least_bytes)
		cc->cwnd_bytes = least_bytes;
	cubic->ssthresh_bytes = cc->cwnd_bytes;
	cubic->epoch_us = 0;
	cubic->recovery_us = now_us;
	cubic->in_recovery = true;
	set_pacing(cubic);
}

static void cubic_on_ack(struct rmdt_cc *cc, const struct rmdt_cc_ack *ack)
{
	struct cubic *cubic = cubic_of(cc);
	const struct rmdt_rate_sample *sample = ack->sample;
	bool old = cubic->in_recovery && sample->sent_us <= cubic->recovery_us;

	if (ack->srtt_us != 0)
		cubic->srtt_us = ack->srtt_us;
	cubic->min_rtt_us = ack->min_rtt_us;
	if (ack->ce_pkts != 0 && !old) {
		reduce(cubic, ack->now_us);
		cubic->undo.cwnd_bytes = 0;
		return;
	}
	if (sample->newly_acked_bytes != 0 && !old && cc->cwnd_bytes < cubic->ssthresh_bytes) {
		hystart_on_ack(cubic, ack);
		if (ack->cwnd_limited)
			cc->cwnd_bytes += cubic->css_rounds_left != 0 ?
				sample->newly_acked_bytes / CSS_GROWTH_DIVISOR :
				sample->newly_acked_bytes;
	} else if (sample->newly_acked_bytes != 0 && !old && ack->cwnd_limited) {
		grow(cubic, ack);
	}
	set_pacing(cubic);
}

static void cubic_on_loss(struct rmdt_cc *cc, const struct rmdt_cc_loss *loss)
{
	struct cubic *cubic = cubic_of(cc);

	if (!cubic->in_recovery || loss->newest->sent_us > cubic->recovery_us)
		reduce(cubic, loss->now_us);
	cubic->undo.lost_bytes += loss->lost_bytes;
}

/* When every loss of the episode turns out to be none, the episode did not happen. */
static void cubic_on_spurious(struct rmdt_cc *cc, uint64_t bytes, uint64_t sent_us,
			      uint64_t now_us)
{
	struct cubic *cubic = cubic_of(cc);
	struct undo *undo = &cubic->undo;

	(void)now_us;
	if (undo->cwnd_bytes == 0 || sent_us > cubic->recovery_us)
		return;
	undo->lost_bytes -= bytes < undo->lost_bytes ? bytes : undo->lost_bytes;
	if (undo->lost_bytes != 0)
		return;
	if (cc->cwnd_bytes < undo->cwnd_bytes)
		cc->cwnd_bytes = undo->cwnd_bytes;
	cubic->ssthresh_bytes = undo->ssthresh_bytes;
	cubic->epoch_us = undo->epoch_us;
	cubic->w_max = undo->w_max;
	cubic->k_s = undo->k_s;
	cubic->w_est = undo->w_est;
	cubic->in_recovery = false;
	undo->cwnd_bytes = 0;
	set_pacing(cubic);
}

static void cubic_on_silence(struct rmdt_cc *cc, uint64_t now_us)
{
	struct cubic *cubic = cubic_of(cc);

	reduce(cubic, now_us);
	cc->cwnd_bytes = rmdt_cc_min_cwnd_bytes(cc);
	restart_hystart(cubic);
	set_pacing(cubic);
}

/* The curve stands still while nothing is sent; what the path gave may be gone. */
static void cubic_on_idle_restart(struct rmdt_cc *cc, uint64_t now_us)
{
	struct cubic *cubic = cubic_of(cc);
	uint64_t initial_bytes = rmdt_cc_initial_cwnd_bytes(cc);

	(void)now_us;
	if (cc->cwnd_bytes > initial_bytes && cubic->ssthresh_bytes == NO_SSTHRESH)
		cubic->ssthresh_bytes = cc->cwnd_bytes;
	if (cc->cwnd_bytes > 2 * initial_bytes)
		cc->cwnd_bytes /= 2;
	cubic->epoch_us = 0;
	restart_hystart(cubic);
	set_pacing(cubic);
}

static void cubic_set_mss(struct rmdt_cc *cc, uint32_t old_mss_bytes)
{
	struct cubic *cubic = cubic_of(cc);
	double scale = (double)old_mss_bytes / cc->config.mss_bytes;

	/* The curve counts packets; the window in bytes stays what the path was seen to carry. */
	cubic->w_max *= scale;
	cubic->undo.cwnd_bytes = 0;
	cubic->epoch_us = 0;
	set_pacing(cubic);
}

static const char *cubic_state(const struct rmdt_cc *cc)
{
	const struct cubic *cubic = (const struct cubic *)cc;

	if (cc->cwnd_bytes >= cubic->ssthresh_bytes)
		return "avoidance";
	return cubic->css_rounds_left != 0 ? "careful start" : "slow start";
}

static void cubic_info(const struct rmdt_cc *cc, struct rmdt_cc_info *info)
{
	const struct cubic *cubic = (const struct cubic *)cc;

	info->min_rtt_us = cubic->min_rtt_us;
	if (cubic->srtt_us != 0)
		info->bandwidth = cc->cwnd_bytes * 1000 / cubic->srtt_us * 1000;
}

const struct rmdt_cc_ops rmdt_cc_cubic_ops = {
	.name = "cubic",
	.size_bytes = sizeof(struct cubic),
	.init = cubic_init,
	.on_sent = cubic_on_sent,
	.on_ack = cubic_on_ack,
	.on_loss = cubic_on_loss,
	.on_spurious = cubic_on_spurious,
	.on_silence = cubic_on_silence,
	.on_idle_restart = cubic_on_idle_restart,
	.set_mss = cubic_set_mss,
	.state = cubic_state,
	.info = cubic_info,
};

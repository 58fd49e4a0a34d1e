/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/bbr1.h"

#include <string.h>

#define BW_ROUNDS 10
#define PHASES 8
#define PROBE_RTT_EVERY_US 10000000
#define PROBE_RTT_US 200000

enum bbr1_state { BBR1_STARTUP, BBR1_DRAIN, BBR1_PROBE_BW, BBR1_PROBE_RTT };

struct bbr1 {
	struct rmdt_cc cc;
	enum bbr1_state state;
	uint64_t bw[BW_ROUNDS];		/* best rate of each of the last rounds */
	uint64_t round, round_end_bytes;
	uint64_t full_bw;
	int full_rounds;
	int phase;
	uint64_t phase_us;
	uint64_t min_rtt_us, min_rtt_seen_us, probe_rtt_until_us;
};

static uint64_t best_bw(const struct bbr1 *bbr)
{
	uint64_t best = 0;

	for (int i = 0; i < BW_ROUNDS; i++)
		if (bbr->bw[i] > best)
			best = bbr->bw[i];
	return best;
}

static double gain(const struct bbr1 *bbr)
{
	static const double cycle[PHASES] = { 1.25, 0.75, 1, 1, 1, 1, 1, 1 };

	if (bbr->state == BBR1_STARTUP)
		return 2.885;
	if (bbr->state == BBR1_DRAIN)
		return 0.35;
	return bbr->state == BBR1_PROBE_BW ? cycle[bbr->phase] : 1.0;
}

static void set_out(struct bbr1 *bbr)
{
	double bw = (double)best_bw(bbr);
	double bdp_bytes = bw * (double)bbr->min_rtt_us / 1e6;
	double mss_bytes = bbr->cc.config.mss_bytes;

	if (bw <= 0)
		return;
	bbr->cc.pacing_rate = (uint64_t)(bw * gain(bbr) * 0.99) + 1;
	bbr->cc.cwnd_bytes = (uint64_t)(bdp_bytes * (bbr->state == BBR1_STARTUP ? 2.885 : 2.0) +
					bdp_bytes / 8 + 3 * 65536);
	if (bbr->state == BBR1_PROBE_RTT)
		bbr->cc.cwnd_bytes = (uint64_t)(4 * mss_bytes);
	if (bbr->cc.cwnd_bytes < rmdt_cc_initial_cwnd_bytes(&bbr->cc) &&
	    bbr->state == BBR1_STARTUP)
		bbr->cc.cwnd_bytes = rmdt_cc_initial_cwnd_bytes(&bbr->cc);
}

static void init(struct rmdt_cc *cc, uint64_t now_us)
{
	struct bbr1 *bbr = (struct bbr1 *)cc;

	bbr->min_rtt_seen_us = now_us;
	cc->cwnd_bytes = 10 * (uint64_t)cc->config.mss_bytes;
	cc->pacing_rate = cc->cwnd_bytes * 1000;
}

static void on_round(struct bbr1 *bbr)
{
	uint64_t bw = best_bw(bbr);

	bbr->round++;
	bbr->bw[bbr->round % BW_ROUNDS] = 0;
	if (bbr->state != BBR1_STARTUP)
		return;
	if (bw >= bbr->full_bw + bbr->full_bw / 4) {
		bbr->full_bw = bw;
		bbr->full_rounds = 0;
	} else if (++bbr->full_rounds >= 3) {
		bbr->state = BBR1_DRAIN;
	}
}

static void on_min_rtt(struct bbr1 *bbr, const struct rmdt_cc_ack *ack)
{
	bool stale = ack->now_us > bbr->min_rtt_seen_us + PROBE_RTT_EVERY_US;

	if (bbr->min_rtt_us == 0 || ack->rtt_us <= bbr->min_rtt_us || stale) {
		bbr->min_rtt_us = ack->rtt_us;
		bbr->min_rtt_seen_us = ack->now_us;
	}
	if (stale && bbr->state != BBR1_PROBE_RTT) {
		bbr->state = BBR1_PROBE_RTT;
		bbr->probe_rtt_until_us = ack->now_us + PROBE_RTT_US + ack->rtt_us;
	}
	if (bbr->state == BBR1_PROBE_RTT && ack->now_us >= bbr->probe_rtt_until_us) {
		bbr->state = BBR1_PROBE_BW;
		bbr->phase = 2;
		bbr->phase_us = ack->now_us;
	}
}

static void on_ack(struct rmdt_cc *cc, const struct rmdt_cc_ack *ack)
{
	struct bbr1 *bbr = (struct bbr1 *)cc;
	const struct rmdt_rate_sample *sample = ack->sample;
	uint64_t bdp_bytes;

	if (sample->newly_acked_bytes == 0)
		return;
	if (sample->prior_delivered_bytes >= bbr->round_end_bytes) {
		bbr->round_end_bytes = ack->delivered_bytes;
		on_round(bbr);
	}
	if (sample->rate > bbr->bw[bbr->round % BW_ROUNDS])
		bbr->bw[bbr->round % BW_ROUNDS] = sample->rate;
	on_min_rtt(bbr, ack);
	bdp_bytes = best_bw(bbr) / 1000 * bbr->min_rtt_us / 1000;
	if (bbr->state == BBR1_DRAIN && ack->in_flight_bytes <= bdp_bytes) {
		bbr->state = BBR1_PROBE_BW;
		bbr->phase = 2;
		bbr->phase_us = ack->now_us;
	}
	if (bbr->state == BBR1_PROBE_BW && ack->now_us > bbr->phase_us + bbr->min_rtt_us) {
		bbr->phase = (bbr->phase + 1) % PHASES;
		bbr->phase_us = ack->now_us;
	}
	set_out(bbr);
}

static void on_sent(struct rmdt_cc *cc, uint32_t bytes, uint64_t in_flight_bytes, uint64_t now_us)
{
	(void)cc;
	(void)bytes;
	(void)in_flight_bytes;
	(void)now_us;
}

static void on_loss(struct rmdt_cc *cc, const struct rmdt_cc_loss *loss)
{
	(void)cc;
	(void)loss;
}

static void on_spurious(struct rmdt_cc *cc, uint64_t bytes, uint64_t sent_us, uint64_t now_us)
{
	(void)cc;
	(void)bytes;
	(void)sent_us;
	(void)now_us;
}

static void on_time(struct rmdt_cc *cc, uint64_t now_us)
{
	(void)cc;
	(void)now_us;
}

static void set_mss(struct rmdt_cc *cc, uint32_t old_mss_bytes)
{
	(void)cc;
	(void)old_mss_bytes;
}

static const char *state(const struct rmdt_cc *cc)
{
	static const char *const names[] = { "startup", "drain", "probe bw", "probe rtt" };

	return names[((const struct bbr1 *)cc)->state];
}

static void info(const struct rmdt_cc *cc, struct rmdt_cc_info *out)
{
	out->bandwidth = best_bw((const struct bbr1 *)cc);
	out->min_rtt_us = ((const struct bbr1 *)cc)->min_rtt_us;
}

const struct rmdt_cc_ops bbr1_ops = {
	.name = "bbr1",
	.size_bytes = sizeof(struct bbr1),
	.init = init,
	.on_sent = on_sent,
	.on_ack = on_ack,
	.on_loss = on_loss,
	.on_spurious = on_spurious,
	.on_silence = on_time,
	.on_idle_restart = on_time,
	.set_mss = set_mss,
	.state = state,
	.info = info,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A constant rate that the operator vouches for, on a reserved path. It never reacts to loss; the
 * window only keeps a dead path from filling memory.
 */
#include "core/cc.h"

#include <stddef.h>

/* Before an RTT is known. Long enough for two satellite hops. */
#define UNKNOWN_RTT_US 1000000

/* Covers grouping of ACKs and the sender's own wake-ups. */
#define SLACK_US 50000

struct fixed {
	struct rmdt_cc cc;
	uint64_t srtt_us;	/* 0: unknown */
	uint64_t min_rtt_us;	/* 0: unknown */
};

static struct fixed *fixed_of(struct rmdt_cc *cc)
{
	return (struct fixed *)cc;
}

static void fixed_update(struct fixed *fixed)
{
	struct rmdt_cc *cc = &fixed->cc;
	uint64_t rtt_us = fixed->srtt_us != 0 ? fixed->srtt_us : UNKNOWN_RTT_US;
	uint64_t initial_bytes = rmdt_cc_initial_cwnd_bytes(cc);

	cc->pacing_rate = cc->config.fixed_rate;
	cc->cwnd_bytes = cc->config.fixed_rate / 1000 * ((rtt_us * 2 + SLACK_US) / 1000);
	if (cc->cwnd_bytes < initial_bytes)
		cc->cwnd_bytes = initial_bytes;
}

static void fixed_init(struct rmdt_cc *cc, uint64_t now_us)
{
	struct fixed *fixed = fixed_of(cc);

	(void)now_us;
	fixed->srtt_us = cc->config.initial_rtt_us;
	fixed_update(fixed);
}

static void fixed_on_sent(struct rmdt_cc *cc, uint32_t bytes, uint64_t in_flight_bytes,
			  uint64_t now_us)
{
	(void)bytes;
	(void)in_flight_bytes;
	(void)now_us;
	/* The rate may have been set anew. */
	if (cc->pacing_rate != cc->config.fixed_rate)
		fixed_update(fixed_of(cc));
}

static void fixed_on_ack(struct rmdt_cc *cc, const struct rmdt_cc_ack *ack)
{
	struct fixed *fixed = fixed_of(cc);

	if (ack->srtt_us != 0)
		fixed->srtt_us = ack->srtt_us;
	fixed->min_rtt_us = ack->min_rtt_us;
	fixed_update(fixed);
}

static void fixed_on_loss(struct rmdt_cc *cc, const struct rmdt_cc_loss *loss)
{
	(void)cc;
	(void)loss;
}

static void fixed_on_spurious(struct rmdt_cc *cc, uint64_t bytes, uint64_t sent_us,
			      uint64_t now_us)
{
	(void)cc;
	(void)bytes;
	(void)sent_us;
	(void)now_us;
}

static void fixed_on_time(struct rmdt_cc *cc, uint64_t now_us)
{
	(void)now_us;
	fixed_update(fixed_of(cc));
}

static void fixed_set_mss(struct rmdt_cc *cc, uint32_t old_mss_bytes)
{
	(void)old_mss_bytes;
	fixed_update(fixed_of(cc));
}

static const char *fixed_state(const struct rmdt_cc *cc)
{
	(void)cc;
	return "fixed";
}

static void fixed_info(const struct rmdt_cc *cc, struct rmdt_cc_info *info)
{
	info->min_rtt_us = ((const struct fixed *)cc)->min_rtt_us;
}

const struct rmdt_cc_ops rmdt_cc_fixed_ops = {
	.name = "fixed",
	.size_bytes = sizeof(struct fixed),
	.init = fixed_init,
	.on_sent = fixed_on_sent,
	.on_ack = fixed_on_ack,
	.on_loss = fixed_on_loss,
	.on_spurious = fixed_on_spurious,
	.on_silence = fixed_on_time,
	.on_idle_restart = fixed_on_time,
	.set_mss = fixed_set_mss,
	.state = fixed_state,
	.info = fixed_info,
};

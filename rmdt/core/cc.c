/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cc.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MSS_BYTES 1200
#define DEFAULT_INITIAL_CWND_PKTS 32
#define DEFAULT_MIN_CWND_PKTS 4
#define DEFAULT_FIXED_RATE 12500000

/*
 * One train of 64 KiB is what a sender hands to the kernel at once. The first flight is no more
 * than that: large datagrams do not make a path deeper. Two packets at least are needed to see
 * a distance between arrivals, four to survive the loss of two.
 */
#define INITIAL_CWND_BYTES 65536
#define INITIAL_CWND_LEAST_PKTS 4

/* A rate so near the cap is the cap. */
#define CAP_NEAR_DIVISOR 10

/* Below a packet per second nothing would ever be learned about the path. */
#define LEAST_PACING_RATE 1000

static const struct rmdt_cc_ops *const all_ops[] = {
	&rmdt_cc_bbr_ops,
	&rmdt_cc_cubic_ops,
	&rmdt_cc_fixed_ops,
};

#define OPS_COUNT (sizeof(all_ops) / sizeof(all_ops[0]))

const struct rmdt_cc_ops *rmdt_cc_find(const char *name)
{
	for (size_t i = 0; i < OPS_COUNT; i++)
		if (strcmp(all_ops[i]->name, name) == 0)
			return all_ops[i];
	return NULL;
}

const char *rmdt_cc_name_at(size_t index)
{
	return index < OPS_COUNT ? all_ops[index]->name : NULL;
}

static void fill_defaults(struct rmdt_cc_config *config)
{
	if (config->mss_bytes == 0)
		config->mss_bytes = DEFAULT_MSS_BYTES;
	if (config->initial_cwnd_pkts == 0)
		config->initial_cwnd_pkts = DEFAULT_INITIAL_CWND_PKTS;
	if (config->min_cwnd_pkts == 0)
		config->min_cwnd_pkts = DEFAULT_MIN_CWND_PKTS;
	if (config->fixed_rate == 0)
		config->fixed_rate = DEFAULT_FIXED_RATE;
}

int rmdt_cc_new(struct rmdt_cc **out, const char *name, const struct rmdt_cc_config *config,
		uint64_t now_us)
{
	const struct rmdt_cc_ops *ops = rmdt_cc_find(name);

	if (ops == NULL)
		return -EINVAL;
	return rmdt_cc_new_from_ops(out, ops, config, now_us);
}

int rmdt_cc_new_from_ops(struct rmdt_cc **out, const struct rmdt_cc_ops *ops,
			 const struct rmdt_cc_config *config, uint64_t now_us)
{
	struct rmdt_cc *cc = calloc(1, ops->size_bytes);

	if (cc == NULL)
		return -ENOMEM;
	cc->ops = ops;
	if (config != NULL)
		cc->config = *config;
	fill_defaults(&cc->config);
	ops->init(cc, now_us);
	assert(cc->cwnd_bytes > 0 && cc->pacing_rate > 0);
	*out = cc;
	return 0;
}

void rmdt_cc_free(struct rmdt_cc *cc)
{
	free(cc);
}

void rmdt_cc_on_sent(struct rmdt_cc *cc, uint32_t bytes, uint64_t in_flight_bytes,
		     uint64_t now_us)
{
	cc->ops->on_sent(cc, bytes, in_flight_bytes, now_us);
}

void rmdt_cc_on_ack(struct rmdt_cc *cc, const struct rmdt_cc_ack *ack)
{
	cc->ops->on_ack(cc, ack);
}

void rmdt_cc_on_loss(struct rmdt_cc *cc, const struct rmdt_cc_loss *loss)
{
	cc->ops->on_loss(cc, loss);
}

void rmdt_cc_on_spurious(struct rmdt_cc *cc, uint64_t bytes, uint64_t sent_us, uint64_t now_us)
{
	cc->ops->on_spurious(cc, bytes, sent_us, now_us);
}

void rmdt_cc_on_silence(struct rmdt_cc *cc, uint64_t now_us)
{
	cc->ops->on_silence(cc, now_us);
}

void rmdt_cc_on_idle_restart(struct rmdt_cc *cc, uint64_t now_us)
{
	cc->ops->on_idle_restart(cc, now_us);
}

void rmdt_cc_set_mss(struct rmdt_cc *cc, uint32_t mss_bytes)
{
	uint32_t old_mss_bytes = cc->config.mss_bytes;

	if (mss_bytes == 0 || mss_bytes == old_mss_bytes)
		return;
	cc->config.mss_bytes = mss_bytes;
	cc->ops->set_mss(cc, old_mss_bytes);
}

void rmdt_cc_set_initial_rtt(struct rmdt_cc *cc, uint64_t rtt_us, uint64_t now_us)
{
	cc->config.initial_rtt_us = rtt_us;
	memset((char *)cc + sizeof(*cc), 0, cc->ops->size_bytes - sizeof(*cc));
	cc->ops->init(cc, now_us);
}

void rmdt_cc_set_hint(struct rmdt_cc *cc, uint64_t rate, uint64_t rtt_us)
{
	cc->config.hint_rate = rate;
	cc->config.hint_rtt_us = rtt_us;
}

void rmdt_cc_set_cap_rate(struct rmdt_cc *cc, uint64_t rate)
{
	cc->config.cap_rate = rate;
}

void rmdt_cc_set_fixed_rate(struct rmdt_cc *cc, uint64_t rate)
{
	if (rate != 0)
		cc->config.fixed_rate = rate;
}

uint64_t rmdt_cc_cwnd_bytes(const struct rmdt_cc *cc)
{
	uint64_t least_bytes = rmdt_cc_min_cwnd_bytes(cc);

	return cc->cwnd_bytes > least_bytes ? cc->cwnd_bytes : least_bytes;
}

uint64_t rmdt_cc_pacing_rate(const struct rmdt_cc *cc)
{
	uint64_t rate = cc->pacing_rate;

	if (cc->config.cap_rate != 0 && rate > cc->config.cap_rate)
		rate = cc->config.cap_rate;
	return rate > LEAST_PACING_RATE ? rate : LEAST_PACING_RATE;
}

void rmdt_cc_info_get(const struct rmdt_cc *cc, struct rmdt_cc_info *info)
{
	memset(info, 0, sizeof(*info));
	info->name = cc->ops->name;
	info->state = cc->ops->state(cc);
	info->cwnd_bytes = rmdt_cc_cwnd_bytes(cc);
	info->pacing_rate = rmdt_cc_pacing_rate(cc);
	info->capped = cc->config.cap_rate != 0 && cc->pacing_rate > cc->config.cap_rate;
	cc->ops->info(cc, info);
	/* What a cap allows says nothing of the path. */
	if (cc->config.cap_rate != 0 && info->path_rate >= cc->config.cap_rate - cc->config.cap_rate / CAP_NEAR_DIVISOR)
		info->path_rate = 0;
}

uint64_t rmdt_cc_initial_cwnd_bytes(const struct rmdt_cc *cc)
{
	uint64_t mss_bytes = cc->config.mss_bytes;
	uint64_t bytes = cc->config.initial_cwnd_pkts * mss_bytes;

	if (bytes > INITIAL_CWND_BYTES)
		bytes = INITIAL_CWND_BYTES;
	if (bytes < INITIAL_CWND_LEAST_PKTS * mss_bytes)
		bytes = INITIAL_CWND_LEAST_PKTS * mss_bytes;
	return bytes;
}

uint64_t rmdt_cc_min_cwnd_bytes(const struct rmdt_cc *cc)
{
	return (uint64_t)cc->config.min_cwnd_pkts * cc->config.mss_bytes;
}

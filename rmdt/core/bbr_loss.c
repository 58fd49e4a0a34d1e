/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bbr_loss.h"

#include <string.h>

/* Calm packets the baseline remembers: enough to see 0.1 %, few enough to follow a change. */
#define CALM_MEMORY_PKTS 8000
/* Calm packets before the baseline is trusted. */
#define CALM_KNOWN_PKTS 400
/* Losses come in runs: so many packets are one throw of the dice. */
#define RUN_PKTS 8
#define QUEUED_LEAST_RUNS 50
/* Above this, chance is no explanation that we would sustain. */
#define BASELINE_MAX_PPM 300000

void rmdt_bbr_loss_init(struct rmdt_bbr_loss *loss)
{
	memset(loss, 0, sizeof(*loss));
}

static uint32_t share_ppm(uint64_t part, uint64_t rest)
{
	return part == 0 ? 0 : (uint32_t)(part * RMDT_BBR_PPM / (part + rest));
}

static uint32_t square_root(uint64_t x)
{
	uint64_t low = 0, high = UINT32_C(1) << 31;

	while (low < high) {
		uint64_t middle = (low + high + 1) / 2;

		if (middle * middle <= x)
			low = middle;
		else
			high = middle - 1;
	}
	return (uint32_t)low;
}

/* Three standard deviations of so many throws, taking chance to be at least 0.1 %. */
static uint64_t spread_ppm(uint64_t share, uint64_t throws)
{
	return 3 * (uint64_t)square_root((share > 1000 ? share : 1000) * RMDT_BBR_PPM / throws);
}

/*
 * A baseline that is too high makes its own losses: more is sent to make up for them, and a queue
 * overflows. What was lost when less was sent is the most that chance can take.
 */
static void judge_queued(struct rmdt_bbr_loss *loss, uint32_t mss_bytes)
{
	uint64_t acked_bytes = loss->queued_acked_bytes, lost_bytes = loss->queued_lost_bytes;
	uint64_t runs = (acked_bytes + lost_bytes) / mss_bytes / RUN_PKTS, most;

	if (runs < QUEUED_LEAST_RUNS)
		return;
	loss->queued_acked_bytes = 0;
	loss->queued_lost_bytes = 0;
	most = share_ppm(lost_bytes, acked_bytes);
	most += spread_ppm(most, runs);
	if (most < rmdt_bbr_loss_baseline_ppm(loss))
		loss->calm_lost_bytes = loss->calm_acked_bytes * most / (RMDT_BBR_PPM - most);
}

void rmdt_bbr_loss_set_calm(struct rmdt_bbr_loss *loss, enum rmdt_bbr_calm calm, uint64_t now_us)
{
	if (loss->time[loss->latest].calm == calm)
		return;
	loss->latest = (loss->latest + 1) % RMDT_BBR_TIMES;
	loss->time[loss->latest] = (struct rmdt_bbr_time){ .from_us = now_us, .calm = calm };
}

/*
 * What an ACK tells of was sent after what the ACK before told of, and not after sent_us: only if
 * both were sent in one time, all of it was.
 */
static enum rmdt_bbr_calm kind_of(const struct rmdt_bbr_loss *loss, uint64_t sent_us)
{
	uint64_t until_us = UINT64_MAX;

	for (uint32_t i = 0; i < RMDT_BBR_TIMES; i++) {
		const struct rmdt_bbr_time *time =
			&loss->time[(loss->latest + RMDT_BBR_TIMES - i) % RMDT_BBR_TIMES];

		if (sent_us > time->from_us)
			return sent_us <= until_us && loss->reported_us > time->from_us ?
				time->calm : RMDT_BBR_BUSY;
		until_us = time->from_us;
	}
	return RMDT_BBR_BUSY;
}

void rmdt_bbr_loss_on_acked(struct rmdt_bbr_loss *loss, uint64_t bytes, uint64_t sent_us,
			    uint32_t mss_bytes)
{
	enum rmdt_bbr_calm calm = kind_of(loss, sent_us);

	loss->round_acked_bytes += bytes;
	if (sent_us > loss->reported_us)
		loss->reported_us = sent_us;
	if (calm == RMDT_BBR_CALM_QUEUED)
		loss->queued_acked_bytes += bytes;
	if (calm != RMDT_BBR_CALM)
		return;
	loss->calm_acked_bytes += bytes;
	if (loss->calm_acked_bytes > (uint64_t)CALM_MEMORY_PKTS * mss_bytes) {
		loss->calm_acked_bytes /= 2;
		loss->calm_lost_bytes /= 2;
	}
}

void rmdt_bbr_loss_on_lost(struct rmdt_bbr_loss *loss, uint64_t bytes, uint64_t sent_us)
{
	enum rmdt_bbr_calm calm = kind_of(loss, sent_us);

	loss->round_lost_bytes += bytes;
	if (calm == RMDT_BBR_CALM_QUEUED)
		loss->queued_lost_bytes += bytes;
	else if (calm == RMDT_BBR_CALM)
		loss->calm_lost_bytes += bytes;
}

void rmdt_bbr_loss_on_spurious(struct rmdt_bbr_loss *loss, uint64_t bytes)
{
	uint64_t calm_bytes = loss->calm_lost_bytes, round_bytes = loss->round_lost_bytes;

	loss->calm_lost_bytes -= bytes < calm_bytes ? bytes : calm_bytes;
	loss->round_lost_bytes -= bytes < round_bytes ? bytes : round_bytes;
}

void rmdt_bbr_loss_on_ce(struct rmdt_bbr_loss *loss, uint64_t bytes)
{
	loss->round_ce_bytes += bytes;
}

void rmdt_bbr_loss_end_round(struct rmdt_bbr_loss *loss, uint32_t mss_bytes)
{
	judge_queued(loss, mss_bytes);
	loss->round_acked_bytes = 0;
	loss->round_lost_bytes = 0;
	loss->round_ce_bytes = 0;
}

uint32_t rmdt_bbr_loss_baseline_ppm(const struct rmdt_bbr_loss *loss)
{
	uint32_t ppm = share_ppm(loss->calm_lost_bytes, loss->calm_acked_bytes);

	return ppm < BASELINE_MAX_PPM ? ppm : BASELINE_MAX_PPM;
}

bool rmdt_bbr_loss_is_known(const struct rmdt_bbr_loss *loss, uint32_t mss_bytes)
{
	return loss->calm_acked_bytes >= (uint64_t)CALM_KNOWN_PKTS * mss_bytes;
}

uint32_t rmdt_bbr_loss_round_ppm(const struct rmdt_bbr_loss *loss)
{
	return share_ppm(loss->round_lost_bytes, loss->round_acked_bytes);
}

uint32_t rmdt_bbr_loss_round_ce_ppm(const struct rmdt_bbr_loss *loss)
{
	uint64_t bytes = loss->round_acked_bytes;

	if (loss->round_ce_bytes >= bytes)
		return bytes == 0 ? 0 : RMDT_BBR_PPM;
	return (uint32_t)(loss->round_ce_bytes * RMDT_BBR_PPM / bytes);
}

uint32_t rmdt_bbr_loss_excess_ppm(const struct rmdt_bbr_loss *loss, uint32_t mss_bytes)
{
	uint64_t share = rmdt_bbr_loss_round_ppm(loss);
	uint64_t usual = rmdt_bbr_loss_baseline_ppm(loss);
	uint64_t pkts = (loss->round_acked_bytes + loss->round_lost_bytes) / mss_bytes;
	uint64_t slack;

	if (share <= usual || pkts == 0)
		return 0;
	slack = spread_ppm(usual, pkts);
	return share > usual + slack ? (uint32_t)(share - usual - slack) : 0;
}

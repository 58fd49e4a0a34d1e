/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bbr_loss.h"

#include <string.h>

/* Calm packets the baseline remembers: enough to see 0.1 %, few enough to follow a change. */
#define CALM_MEMORY_PKTS 8000
/* Calm packets before the baseline is trusted. */
#define CALM_KNOWN_PKTS 400
/* Above this, chance is no explanation that we would sustain. */
#define BASELINE_MAX_PPM 300000

void rmdt_bbr_loss_init(struct rmdt_bbr_loss *loss)
{
	memset(loss, 0, sizeof(*loss));
}

void rmdt_bbr_loss_set_calm(struct rmdt_bbr_loss *loss, bool calm, uint64_t now_us)
{
	bool is_calm = loss->calm_seen && loss->calm_until_us == UINT64_MAX;

	if (calm == is_calm)
		return;
	if (calm) {
		loss->calm_from_us = now_us;
		loss->calm_until_us = UINT64_MAX;
		loss->calm_seen = true;
	} else {
		loss->calm_until_us = now_us;
	}
}

/*
 * What an ACK tells of was sent after what the ACK before told of, and not after sent_us: only if
 * both are in calm times, all of it is.
 */
static bool was_calm(const struct rmdt_bbr_loss *loss, uint64_t sent_us)
{
	return loss->calm_seen && loss->reported_us > loss->calm_from_us &&
	       sent_us <= loss->calm_until_us;
}

void rmdt_bbr_loss_on_acked(struct rmdt_bbr_loss *loss, uint64_t bytes, uint64_t sent_us,
			    uint32_t mss_bytes)
{
	bool calm = was_calm(loss, sent_us);

	loss->round_acked_bytes += bytes;
	if (sent_us > loss->reported_us)
		loss->reported_us = sent_us;
	if (!calm)
		return;
	loss->calm_acked_bytes += bytes;
	if (loss->calm_acked_bytes > (uint64_t)CALM_MEMORY_PKTS * mss_bytes) {
		loss->calm_acked_bytes /= 2;
		loss->calm_lost_bytes /= 2;
	}
}

void rmdt_bbr_loss_on_lost(struct rmdt_bbr_loss *loss, uint64_t bytes, uint64_t sent_us)
{
	loss->round_lost_bytes += bytes;
	if (was_calm(loss, sent_us))
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

void rmdt_bbr_loss_end_round(struct rmdt_bbr_loss *loss)
{
	loss->round_acked_bytes = 0;
	loss->round_lost_bytes = 0;
	loss->round_ce_bytes = 0;
}

static uint32_t share_ppm(uint64_t part, uint64_t rest)
{
	return part == 0 ? 0 : (uint32_t)(part * RMDT_BBR_PPM / (part + rest));
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

uint32_t rmdt_bbr_loss_excess_ppm(const struct rmdt_bbr_loss *loss, uint32_t mss_bytes)
{
	uint64_t share = rmdt_bbr_loss_round_ppm(loss);
	uint64_t usual = rmdt_bbr_loss_baseline_ppm(loss);
	uint64_t pkts = (loss->round_acked_bytes + loss->round_lost_bytes) / mss_bytes;
	uint64_t variance, slack;

	if (share <= usual || pkts == 0)
		return 0;
	/* Three standard deviations of so many throws, taking chance to be at least 0.1 %. */
	variance = (usual > 1000 ? usual : 1000) * RMDT_BBR_PPM / pkts;
	slack = 3 * (uint64_t)square_root(variance);
	return share > usual + slack ? (uint32_t)(share - usual - slack) : 0;
}

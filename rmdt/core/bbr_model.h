/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_BBR_MODEL_H
#define RMDT_CORE_BBR_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bbr_filter.h"
#include "core/bbr_loss.h"
#include "core/bbr_start.h"
#include "core/cc.h"

/*
 * What bbr believes about the path: how fast it delivers, how long an empty path takes, how much
 * is lost by chance, how ACKs clump. The model is updated by ACKs and decides nothing.
 *
 * "delivered" rates count what arrives; sending rates are higher by the share lost by chance.
 */

/* Rates at or above it are unknown limits. */
#define RMDT_BBR_UNLIMITED UINT64_MAX

/* How many ACKs the queue estimate looks back: the least of them, against jitter. */
#define RMDT_BBR_RECENT_RTTS 4

struct rmdt_bbr_model {
	struct rmdt_bbr_max bw;		/* delivered bytes/s; a slot is a probing cycle */
	struct rmdt_bbr_max peak;	/* delivered bytes/s; a slot is half a minute */
	uint64_t peak_us;		/* when its slot began */
	struct rmdt_bbr_max extra;	/* bytes acked beyond the rate; a slot is some rounds */
	struct rmdt_bbr_loss loss;
	struct rmdt_bbr_start start;

	uint64_t bw_lo;			/* short term bound, bytes/s; RMDT_BBR_UNLIMITED: none */
	uint64_t inflight_lo;		/* short term bound, bytes; RMDT_BBR_UNLIMITED: none */
	uint64_t inflight_hi;		/* long term bound, bytes; RMDT_BBR_UNLIMITED: none */

	uint64_t min_rtt_us;		/* 0: none yet */
	uint64_t min_rtt_seen_us;	/* when an RTT near it was last seen */
	uint64_t recent_rtt_us[RMDT_BBR_RECENT_RTTS];
	uint32_t recent_next;

	uint64_t delivered_bytes;	/* by the connection, with the last ACK */

	int64_t shift_us;		/* change of the way's delay between the last two ACKs */
	uint64_t noise_us;		/* how much that changes: jitter, but not a growing queue */

	/* Rounds: one RTT of feedback, but never shorter than a few milliseconds. */
	uint64_t round_count;
	uint64_t round_end_bytes;	/* delivered_bytes at whose sending the next round begins */
	uint64_t round_start_us;
	uint64_t round_start_bytes;	/* delivered_bytes then */
	bool round_start;		/* this ACK began a round */
	bool window_done;		/* this ACK completed a window of start */
	bool round_app_limited;		/* some sample of the present round was */
	uint64_t round_bw;		/* best sample of the present round, bytes/s */
	uint64_t round_rtt_us;		/* least RTT of the present round; UINT64_MAX: none */
	uint64_t round_max_rtt_us;	/* and the largest */
	/* The round that just ended; valid when round_start. */
	uint64_t last_bw;
	uint64_t last_rtt_us;
	uint64_t last_max_rtt_us;
	uint32_t last_loss_ppm, last_excess_ppm, last_ce_ppm;
	bool last_app_limited;

	uint64_t extra_start_us;	/* epoch of the aggregation estimate */
	uint64_t extra_bytes;
	uint64_t extra_rounds;		/* round_count at which its slot began */
};

void rmdt_bbr_model_init(struct rmdt_bbr_model *model, uint64_t now_us);

void rmdt_bbr_model_on_ack(struct rmdt_bbr_model *model, const struct rmdt_cc_ack *ack,
			   uint32_t mss_bytes);

/* Bytes per second delivered, short term bound applied; 0: not known yet. */
uint64_t rmdt_bbr_model_bw(const struct rmdt_bbr_model *model);

/* The rate to send at so that `rate` arrives: chance takes its share. */
uint64_t rmdt_bbr_model_sending(const struct rmdt_bbr_model *model, uint64_t rate,
				uint32_t mss_bytes);

/* Share lost by chance as far as it is trusted. */
uint32_t rmdt_bbr_model_random_ppm(const struct rmdt_bbr_model *model, uint32_t mss_bytes);

/* Bytes in flight that fill the path at that sending rate without a queue. */
uint64_t rmdt_bbr_model_bdp(const struct rmdt_bbr_model *model, uint64_t sending_rate);

/* Delay of the queue now, by the least of the last few RTTs. */
uint64_t rmdt_bbr_model_queue_us(const struct rmdt_bbr_model *model);

/* A queue delay above it is a queue and no noise. */
uint64_t rmdt_bbr_model_queue_thresh_us(const struct rmdt_bbr_model *model, uint32_t mss_bytes);

/* An RTT so short that threads' wake-ups, not the path, make most of it. */
bool rmdt_bbr_model_is_short(const struct rmdt_bbr_model *model);

/* What the last round delivered, in thousandths of the most that the path was seen to carry. */
uint32_t rmdt_bbr_model_share(const struct rmdt_bbr_model *model);

/* The path carries no more than the present rate. */
void rmdt_bbr_model_note_ceiling(struct rmdt_bbr_model *model);

/* Take back a share of the rate that was believed: keep_pm thousandths stay. */
void rmdt_bbr_model_shrink_bw(struct rmdt_bbr_model *model, uint32_t keep_pm);

void rmdt_bbr_model_reset_lo(struct rmdt_bbr_model *model);

#endif

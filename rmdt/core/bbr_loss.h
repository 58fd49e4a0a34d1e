/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_BBR_LOSS_H
#define RMDT_CORE_BBR_LOSS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Tells loss by a full queue from loss by chance. A radio link or a dirty fibre loses its share at
 * any sending rate; a full queue loses nothing once less is sent than it drains. So the share lost
 * of what was sent while the controller held back ("calm" times) is the baseline, and only what
 * exceeds it is congestion.
 */

/* In millionths, the unit of all shares here. */
#define RMDT_BBR_PPM 1000000u

/* How much is sent, against what the path carries. */
enum rmdt_bbr_calm {
	RMDT_BBR_BUSY,		/* as much, or more */
	RMDT_BBR_CALM,		/* less */
	RMDT_BBR_CALM_QUEUED	/* less, it is thought; but there is a queue */
};

/* A time of one kind. What was sent in it is told of a round trip later. */
struct rmdt_bbr_time {
	uint64_t from_us;
	enum rmdt_bbr_calm calm;
};

/* So many changes of kind can happen within a round trip without loss of memory. */
#define RMDT_BBR_TIMES 8

struct rmdt_bbr_loss {
	/* Baseline: bytes sent in calm times, old ones fading away. */
	uint64_t calm_acked_bytes;
	uint64_t calm_lost_bytes;
	/* The same of calm times with a queue, which can only prove the baseline too high. */
	uint64_t queued_acked_bytes;
	uint64_t queued_lost_bytes;
	uint64_t reported_us;		/* send time of the newest packet acked up to now */
	/* The latest times, the present one at `latest`; what was sent in older ones is forgotten. */
	struct rmdt_bbr_time time[RMDT_BBR_TIMES];
	uint32_t latest;

	/* The present round. */
	uint64_t round_acked_bytes;
	uint64_t round_lost_bytes;
	uint64_t round_ce_bytes;
};

void rmdt_bbr_loss_init(struct rmdt_bbr_loss *loss);

/* What is sent from now on. Idempotent. */
void rmdt_bbr_loss_set_calm(struct rmdt_bbr_loss *loss, enum rmdt_bbr_calm calm, uint64_t now_us);

/*
 * bytes were acked or lost, of which the newest was sent at sent_us. For one ACK: its losses
 * first.
 */
void rmdt_bbr_loss_on_acked(struct rmdt_bbr_loss *loss, uint64_t bytes, uint64_t sent_us,
			    uint32_t mss_bytes);
void rmdt_bbr_loss_on_lost(struct rmdt_bbr_loss *loss, uint64_t bytes, uint64_t sent_us);
void rmdt_bbr_loss_on_spurious(struct rmdt_bbr_loss *loss, uint64_t bytes);
void rmdt_bbr_loss_on_ce(struct rmdt_bbr_loss *loss, uint64_t bytes);

/* A round ends. */
void rmdt_bbr_loss_end_round(struct rmdt_bbr_loss *loss, uint32_t mss_bytes);

/* Share lost by chance, as seen up to now; at most 30 %. */
uint32_t rmdt_bbr_loss_baseline_ppm(const struct rmdt_bbr_loss *loss);

/* Whether enough calm packets were seen for the baseline to be trusted. */
bool rmdt_bbr_loss_is_known(const struct rmdt_bbr_loss *loss, uint32_t mss_bytes);

/* Share lost, and share marked CE, of the present round. */
uint32_t rmdt_bbr_loss_round_ppm(const struct rmdt_bbr_loss *loss);
uint32_t rmdt_bbr_loss_round_ce_ppm(const struct rmdt_bbr_loss *loss);

/*
 * How far the present round's loss exceeds the baseline, less the chance spread of a round so
 * small; 0 if it does not.
 */
uint32_t rmdt_bbr_loss_excess_ppm(const struct rmdt_bbr_loss *loss, uint32_t mss_bytes);

#endif

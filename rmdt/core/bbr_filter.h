/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_BBR_FILTER_H
#define RMDT_CORE_BBR_FILTER_H

#include <stdint.h>

/*
 * The largest value of the last RMDT_BBR_SLOTS slots of time. The owner says when a slot ends, so
 * that a slot may be a probing cycle or a number of rounds. All zero is an empty filter.
 */
#define RMDT_BBR_SLOTS 2

struct rmdt_bbr_max {
	uint64_t slot[RMDT_BBR_SLOTS];	/* slot[0] is the present one */
};

void rmdt_bbr_max_add(struct rmdt_bbr_max *max, uint64_t value);

/* Begin a new slot; the oldest is forgotten. */
void rmdt_bbr_max_advance(struct rmdt_bbr_max *max);

/* Forget everything but this value. */
void rmdt_bbr_max_reset(struct rmdt_bbr_max *max, uint64_t value);

uint64_t rmdt_bbr_max_get(const struct rmdt_bbr_max *max);

#endif

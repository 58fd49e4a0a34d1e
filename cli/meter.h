/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_METER_H
#define CLI_METER_H

#include <stdint.h>

/*
 * The present rate of something that only grows, smoothed over about a second. All 0 is a new
 * meter.
 */
struct meter {
	uint64_t last_us;		/* 0: nothing seen yet */
	uint64_t last_bytes;
	double bytes_per_s;
};

/* bytes: the total until now. */
void meter_add(struct meter *meter, uint64_t bytes, uint64_t now_us);
uint64_t meter_rate(const struct meter *meter);				/* bytes/s */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's clock, the only one: microseconds of CLOCK_MONOTONIC. The core gets it as an
 * argument.
 */
#ifndef RMDT_IO_CLOCK_H
#define RMDT_IO_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t rmdt_clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

#endif

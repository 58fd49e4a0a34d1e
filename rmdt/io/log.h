/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for the operator, through the callback of the engine's options. */
#ifndef RMDT_IO_LOG_H
#define RMDT_IO_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "io/config.h"

#define RMDT_LOG_LINE_BYTES 512		/* longer lines are cut */

/* Constant after init; used by all threads. */
struct rmdt_log {
	void (*write)(void *ctx, int level, const char *line);	/* NULL: silent */
	void *ctx;
	int level;			/* the least important one that is written */
};

/* Of lines that strangers can cause: so many at once, then one in so long. */
#define RMDT_LOG_BURST		10u
#define RMDT_LOG_EVERY_US	UINT64_C(10000000)

/* Zeros: nothing was told yet. The owner locks it. */
struct rmdt_log_limit {
	uint64_t full_us;		/* when a whole burst may be told again */
	unsigned untold;
};

/* May one more be told? If so, *untold is how many were not since the last. */
bool rmdt_log_may(struct rmdt_log_limit *limit, uint64_t now_us, unsigned *untold);

__attribute__((format(printf, 3, 4)))
void rmdt_log(const struct rmdt_log *log, enum rmdt_log_level level, const char *format, ...);

#endif

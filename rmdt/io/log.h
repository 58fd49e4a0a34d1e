/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for the operator, through the callback of the engine's options. */
#ifndef RMDT_IO_LOG_H
#define RMDT_IO_LOG_H

#include "io/config.h"

#define RMDT_LOG_LINE_BYTES 512		/* longer lines are cut */

/* Constant after init; used by all threads. */
struct rmdt_log {
	void (*write)(void *ctx, int level, const char *line);	/* NULL: silent */
	void *ctx;
	int level;			/* the least important one that is written */
};

__attribute__((format(printf, 3, 4)))
void rmdt_log(const struct rmdt_log *log, enum rmdt_log_level level, const char *format, ...);

#endif

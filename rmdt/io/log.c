/* SPDX-License-Identifier: Apache-2.0 */
#include "io/log.h"

#include <stdarg.h>
#include <stdio.h>

bool rmdt_log_may(struct rmdt_log_limit *limit, uint64_t now_us, unsigned *untold)
{
	uint64_t full_us = limit->full_us > now_us ? limit->full_us : now_us;

	if (full_us - now_us > (RMDT_LOG_BURST - 1) * RMDT_LOG_EVERY_US) {
		limit->untold++;
		return false;
	}
	limit->full_us = full_us + RMDT_LOG_EVERY_US;
	*untold = limit->untold;
	limit->untold = 0;
	return true;
}

/* Also the 32 that UTF-8 writes in two bytes: terminals obey those as well. */
static void tame(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
		else if (*c < ' ' || *c == 0x7f)
			*c = '?';
	}
}

void rmdt_log(const struct rmdt_log *log, enum rmdt_log_level level, const char *format, ...)
{
	char line[RMDT_LOG_LINE_BYTES];
	va_list ap;

	if (!log->write || (int)level > log->level)
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	/*
	 * Reasons and names come from strangers: none of them may move the cursor of a terminal or
	 * begin a line.
	 */
	tame(line);
	log->write(log->ctx, (int)level, line);
}

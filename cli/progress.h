/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/report.h"

/*
 * Standard error: lines for the operator and, below them, a live table with a row per remote. Lines
 * may come from any thread; the table is drawn by one.
 */

enum progress_style {
	PROGRESS_NONE,			/* no table */
	PROGRESS_TABLE,			/* redrawn in place, on a terminal */
	PROGRESS_LINES, /* plain rows every PROGRESS_LINES_US, where asked for without a terminal */
};

#define PROGRESS_TABLE_US 200000
#define PROGRESS_LINES_US 5000000

struct progress_row {
	const struct report_remote *remote;	/* name, fate, bytes, rtt, packets */
	uint64_t rate_bytes_per_s;
	uint64_t lag_bytes;		/* not yet consumed there, of what we have read */
	uint64_t eta_us;		/* UINT64_MAX: not known */
	const char *note;		/* "connecting", what limits it ...; may be NULL */
};

#define PROGRESS_ROW_BYTES 512

/*
 * One row in at most `columns` columns: what does not fit is left out from the right, the name is
 * cut last.
 */
char *progress_format_row(const struct progress_row *row, size_t columns,
			  char buf[PROGRESS_ROW_BYTES]);

struct progress;

/* forced: show progress also where stderr is no terminal. -ENOMEM. */
int progress_new(struct progress **progress, const char *program, bool quiet, bool forced);
void progress_free(struct progress *progress);	/* removes the table; NULL is ok */

/* A line on stderr, "PROGRAM: ...", above the table. From any thread. */
void progress_say(struct progress *progress, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Draws when it is time again. */
void progress_draw(struct progress *progress, const struct progress_row *rows, size_t n,
		   uint64_t now_us);
/* Takes the table off the screen; the next progress_draw brings it back. */
void progress_clear(struct progress *progress);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/text.h"

#define NAME_COLUMNS 22			/* of a row, when there is room */
#define DEFAULT_COLUMNS 80
#define DEFAULT_LINES 24

struct progress {
	char program[32];
	enum progress_style style;
	bool colour;
	pthread_mutex_t lock;		/* protects what follows, and stderr */
	char *table;			/* the text on the screen now; NULL: none */
	size_t table_lines;
	uint64_t drawn_us;		/* 0: never */
};

/* ---- a row ----------------------------------------------------------------------------------- */

/* The columns after the name, most important first. */
enum { CELL_BYTES, CELL_RATE, CELL_RTT, CELL_LOSS, CELL_LAG, CELL_ETA, CELL_NOTE, CELLS };

static void fill_cells(const struct progress_row *row, char cells[CELLS][48])
{
	const struct report_remote *remote = row->remote;
	char text[TEXT_BYTES];

	snprintf(cells[CELL_BYTES], 48, "%9s", text_size(remote->bytes, text));
	snprintf(cells[CELL_RATE], 48, "%11s", text_rate(row->rate_bytes_per_s, text));
	snprintf(cells[CELL_RTT], 48, "rtt %8s",
		 remote->rtt_us > 0 ? text_rtt(remote->rtt_us, text) : "-");
	snprintf(cells[CELL_LOSS], 48, "loss %7s", remote->packets_sent == 0 ? "-" :
		 text_percent(remote->packets_lost, remote->packets_sent, text));
	snprintf(cells[CELL_LAG], 48, "lag %8s", text_size(row->lag_bytes, text));
	cells[CELL_ETA][0] = '\0';
	if (row->eta_us != UINT64_MAX)
		snprintf(cells[CELL_ETA], 48, "eta %s",
			 text_seconds(row->eta_us / 1000000 * 1000000, text));
	snprintf(cells[CELL_NOTE], 48, "%s", row->note != NULL ? row->note : "");
}

/* A state that ends a receiver's row: there is nothing more to measure. */
static bool final_row(const struct progress_row *row, char *buf, size_t size)
{
	const struct report_remote *remote = row->remote;
	char text[TEXT_BYTES], time[TEXT_BYTES], reason[RMDT_REASON_BYTES + 1];

	if (remote->fate == REPORT_PENDING)
		return false;
	if (remote->fate == REPORT_COMPLETE) {
		snprintf(buf, size, "%9s  complete in %s", text_size(remote->bytes, text),
			 text_seconds(remote->time_us, time));
		return true;
	}
	text_plain(remote->reason[0] != '\0' ? remote->reason : rmdt_code_text(remote->code),
		   reason, sizeof(reason));
	snprintf(buf, size, "%9s  LOST: %s", text_size(remote->bytes, text), reason);
	return true;
}

char *progress_format_row(const struct progress_row *row, size_t columns,
			  char buf[PROGRESS_ROW_BYTES])
{
	char name[REPORT_NAME_BYTES], cells[CELLS][48], rest[256];
	size_t used, name_columns = columns < 60 ? 14 : NAME_COLUMNS;

	if (columns >= PROGRESS_ROW_BYTES)
		columns = PROGRESS_ROW_BYTES - 1;
	text_plain(row->remote->name, name, sizeof(name));
	if (final_row(row, rest, sizeof(rest))) {
		snprintf(buf, columns + 1, "%-*.*s %s", (int)name_columns, (int)name_columns, name,
			 rest);
		return buf;
	}
	fill_cells(row, cells);
	snprintf(buf, columns + 1, "%-*.*s", (int)name_columns, (int)name_columns, name);
	used = strlen(buf);
	for (int i = 0; i < CELLS; i++) {
		size_t len = strlen(cells[i]);

		if (len == 0)
			continue;
		if (used + 1 + (i > 0) + len > columns)
			break;
		used += (size_t)sprintf(buf + used, i > 0 ? "  %s" : " %s", cells[i]);
	}
	return buf;
}

/* ---- the screen ------------------------------------------------------------------------------ */

static bool set(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0';
}

static bool is_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

static void screen_size(size_t *columns, size_t *lines)
{
	struct winsize size;
	bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;

	*columns = known && size.ws_col > 0 ? size.ws_col : DEFAULT_COLUMNS;
	*lines = known && size.ws_row > 0 ? size.ws_row : DEFAULT_LINES;
}

int progress_new(struct progress **progress, const char *program, bool quiet, bool forced)
{
	struct progress *new = calloc(1, sizeof(*new));

	if (new == NULL)
		return -ENOMEM;
	snprintf(new->program, sizeof(new->program), "%s", program);
	new->style = quiet && !forced ? PROGRESS_NONE :
		     is_terminal() ? PROGRESS_TABLE : forced ? PROGRESS_LINES : PROGRESS_NONE;
	new->colour = new->style == PROGRESS_TABLE && !set("NO_COLOR");
	pthread_mutex_init(&new->lock, NULL);
	*progress = new;
	return 0;
}

void progress_free(struct progress *progress)
{
	if (progress == NULL)
		return;
	progress_clear(progress);
	pthread_mutex_destroy(&progress->lock);
	free(progress);
}

/*
 * One write per change of the screen, so that nothing flickers and lines of several processes stay
 * whole.
 */
static void emit(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, text, len);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
}

/* Goes to the first line of the table and clears from there on. */
static void erase(const struct progress *progress, FILE *to)
{
	if (progress->table_lines > 0)
		fprintf(to, "\r\033[%zuA\033[J", progress->table_lines);
}

static void flush(FILE *to, char **text, size_t *len)
{
	fclose(to);
	if (*text != NULL)
		emit(*text, *len);
	free(*text);
}

void progress_say(struct progress *progress, const char *format, ...)
{
	char *text = NULL;
	size_t len = 0;
	va_list args;
	FILE *to = open_memstream(&text, &len);

	if (to == NULL)
		return;
	pthread_mutex_lock(&progress->lock);
	erase(progress, to);
	fprintf(to, "%s: ", progress->program);
	va_start(args, format);
	vfprintf(to, format, args);
	va_end(args);
	putc('\n', to);
	if (progress->table != NULL)
		fputs(progress->table, to);
	flush(to, &text, &len);
	pthread_mutex_unlock(&progress->lock);
}

static void print_row(const struct progress *progress, const struct progress_row *row,
		      size_t columns, FILE *to)
{
	/* By fate: green is complete, red is lost. */
	static const char *const colours[] = { "", "\033[32m", "\033[31m" };
	char text[PROGRESS_ROW_BYTES];
	const char *colour = progress->colour ? colours[row->remote->fate] : "";

	progress_format_row(row, columns, text);
	fprintf(to, "%s%s%s\n", colour, text, colour[0] != '\0' ? "\033[0m" : "");
}

/* The rows as text. On a screen with fewer lines, those that are not complete matter more. */
static char *compose(const struct progress *progress, const struct progress_row *rows, size_t n,
		     size_t *printed)
{
	size_t columns, lines, len, shown = 0, room = n;
	char *text = NULL;
	FILE *to = open_memstream(&text, &len);

	if (to == NULL)
		return NULL;
	screen_size(&columns, &lines);
	if (progress->style == PROGRESS_TABLE && n + 1 > lines)
		room = lines > 3 ? lines - 2 : 1;
	/* A row as wide as the screen would wrap on some terminals. */
	if (progress->style == PROGRESS_LINES)
		columns = PROGRESS_ROW_BYTES;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n && shown < room; i++) {
			bool is_first = n <= room || rows[i].remote->fate != REPORT_COMPLETE;

			if (is_first == (pass == 0)) {
				print_row(progress, &rows[i], columns - 1, to);
				shown++;
			}
		}
	}
	if (shown < n)
		fprintf(to, "and %zu more\n", n - shown);
	*printed = shown + (shown < n);
	fclose(to);
	return text;
}

void progress_draw(struct progress *progress, const struct progress_row *rows, size_t n,
		   uint64_t now_us)
{
	uint64_t every_us =
		progress->style == PROGRESS_TABLE ? PROGRESS_TABLE_US : PROGRESS_LINES_US;
	char *text = NULL, *table;
	size_t len = 0, lines;
	FILE *to;

	if (progress->style == PROGRESS_NONE ||
	    (progress->drawn_us > 0 && now_us - progress->drawn_us < every_us))
		return;
	progress->drawn_us = now_us;
	table = compose(progress, rows, n, &lines);
	to = table != NULL ? open_memstream(&text, &len) : NULL;
	if (to == NULL) {
		free(table);
		return;
	}
	pthread_mutex_lock(&progress->lock);
	if (progress->style == PROGRESS_TABLE) {
		erase(progress, to);
		free(progress->table);
		progress->table = strdup(table);
		progress->table_lines = progress->table != NULL ? lines : 0;
	}
	fputs(table, to);
	free(table);
	flush(to, &text, &len);
	pthread_mutex_unlock(&progress->lock);
}

void progress_clear(struct progress *progress)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (to == NULL)
		return;
	pthread_mutex_lock(&progress->lock);
	erase(progress, to);
	flush(to, &text, &len);
	free(progress->table);
	progress->table = NULL;
	progress->table_lines = 0;
	pthread_mutex_unlock(&progress->lock);
}

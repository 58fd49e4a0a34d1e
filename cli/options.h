/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include <rmdt/rmdt.h>

/*
 * Reading a command line. Each program has a table of its own options; every setting of
 * rmdt_settings() is a long option as well: --KEY VALUE, --KEY=VALUE, and for flags --KEY,
 * --KEY=no, --no-KEY. The tables also print the usage.
 */

enum options_arg {
	OPTIONS_ARG_NONE,
	OPTIONS_ARG_NEEDED,		/* attached (-sX, --send=X) or the next word */
	OPTIONS_ARG_OPTIONAL, /* the same, but a next word that begins with '-' is not taken */
};

struct options_entry {
	int id;				/* the program's own number */
	char letter;			/* '\0': none */
	const char *name;		/* long name; NULL ends a table */
	enum options_arg arg;
	const char *value;		/* how the usage shows the value */
	const char *help;
};

/* A command line being read. Everything is borrowed. */
struct options {
	const struct options_entry *table;
	char **argv;			/* NULL-terminated, without the program's name */
	const char *cluster;		/* rest of a word like -kq; NULL: none */
	bool only_operands;		/* "--" was read */
};

#define OPTIONS_SHOWN_BYTES 64

struct options_match {
	const struct options_entry *option;	/* the program's option, or NULL */
	const struct rmdt_setting *setting;	/* a setting, or NULL; both NULL: an operand */
	const char *value;		/* value or operand; NULL: none was given */
	char shown[OPTIONS_SHOWN_BYTES];	/* the option as typed, without its value */
};

void options_init(struct options *options, const struct options_entry *table, char **argv);

/*
 * The next option or operand: 1. 0 at the end. -EINVAL with err (RMDT_ERROR_BYTES) naming the text
 * at fault.
 */
int options_next(struct options *options, struct options_match *match, char *err);

/* A line per option of the table. */
void options_print(const struct options_entry *table, FILE *file);
/* A line per setting: those whose keys are listed (NULL-terminated), or all when keys is NULL. */
void options_print_settings(const char *const *keys, FILE *file);

#endif

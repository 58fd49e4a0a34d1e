/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <errno.h>
#include <string.h>

#define COLUMN 30			/* where the help texts of the usage begin */
#define CHOICE_COLUMNS 16		/* a longer list of choices goes with the help */

static bool is_flag(const struct rmdt_setting *setting)
{
	return strcmp(setting->kind, "flag") == 0;
}

static bool same_name(const char *name, const char *text, size_t len)
{
	return strlen(name) == len && strncmp(name, text, len) == 0;
}

static const struct rmdt_setting *find_setting(const char *text, size_t len)
{
	size_t n;
	const struct rmdt_setting *settings = rmdt_settings(&n);

	for (size_t i = 0; i < n; i++) {
		if (same_name(settings[i].key, text, len))
			return &settings[i];
	}
	return NULL;
}

static const struct options_entry *find_name(const struct options_entry *table, const char *text,
					     size_t len)
{
	for (; table->name != NULL; table++) {
		if (same_name(table->name, text, len))
			return table;
	}
	return NULL;
}

static const struct options_entry *find_letter(const struct options_entry *table, char letter)
{
	for (; table->name != NULL; table++) {
		if (table->letter == letter)
			return table;
	}
	return NULL;
}

void options_init(struct options *options, const struct options_entry *table, char **argv)
{
	*options = (struct options){ .table = table, .argv = argv };
}

static int unknown(const char *text, size_t len, char *err)
{
	snprintf(err, RMDT_ERROR_BYTES, "unknown option \"%.*s\"", len > 64 ? 64 : (int)len, text);
	return -EINVAL;
}

/* Takes the next word as the value when the option wants one. */
static int take_value(struct options *options, struct options_match *match, enum options_arg arg,
		      const char *words, char *err)
{
	const char *next = options->argv[0];

	if (arg == OPTIONS_ARG_NONE ||
	    (arg == OPTIONS_ARG_OPTIONAL && (next == NULL || next[0] == '-')))
		return 1;
	if (next == NULL) {
		snprintf(err, RMDT_ERROR_BYTES, "\"%s\" wants a value: %s", match->shown, words);
		return -EINVAL;
	}
	match->value = next;
	options->argv++;
	return 1;
}

static int refuse_value(const struct options_match *match, const char *value, char *err)
{
	snprintf(err, RMDT_ERROR_BYTES, "\"%s\" takes no value, but \"%.64s\" was given",
		 match->shown, value);
	return -EINVAL;
}

static int read_own(struct options *options, struct options_match *match, const char *value,
		    char *err)
{
	if (value == NULL)
		return take_value(options, match, match->option->arg, match->option->value, err);
	if (match->option->arg == OPTIONS_ARG_NONE)
		return refuse_value(match, value, err);
	match->value = value;
	return 1;
}

static int read_setting(struct options *options, struct options_match *match, const char *value,
			char *err)
{
	match->value = value;
	if (value != NULL)
		return 1;
	if (!is_flag(match->setting))
		return take_value(options, match, OPTIONS_ARG_NEEDED, match->setting->kind, err);
	match->value = "yes";
	return 1;
}

static int read_negated(struct options_match *match, const char *value, char *err)
{
	if (value != NULL)
		return refuse_value(match, value, err);
	match->value = "no";
	return 1;
}

/* word: what follows "--". */
static int read_long(struct options *options, struct options_match *match, const char *word,
		     char *err)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] == '=' ? word + len + 1 : NULL;

	snprintf(match->shown, sizeof(match->shown), "--%.*s", len > 48 ? 48 : (int)len, word);
	match->option = find_name(options->table, word, len);
	if (match->option != NULL)
		return read_own(options, match, value, err);
	match->setting = find_setting(word, len);
	if (match->setting != NULL)
		return read_setting(options, match, value, err);
	if (len > 3 && strncmp(word, "no-", 3) == 0) {
		match->setting = find_setting(word + 3, len - 3);
		if (match->setting != NULL && is_flag(match->setting))
			return read_negated(match, value, err);
		match->setting = NULL;
	}
	return unknown(word - 2, len + 2, err);
}

static int read_letter(struct options *options, struct options_match *match, char *err)
{
	char letter = *options->cluster++;
	const char *rest = options->cluster;

	snprintf(match->shown, sizeof(match->shown), "-%c", letter);
	match->option = find_letter(options->table, letter);
	if (match->option == NULL)
		return unknown(match->shown, 2, err);
	if (*rest == '\0' || match->option->arg != OPTIONS_ARG_NONE)
		options->cluster = NULL;
	if (match->option->arg == OPTIONS_ARG_NONE || *rest == '\0')
		return read_own(options, match, NULL, err);
	match->value = rest;
	return 1;
}

int options_next(struct options *options, struct options_match *match, char *err)
{
	const char *word;

	*match = (struct options_match){ 0 };
	if (options->cluster != NULL)
		return read_letter(options, match, err);
	word = *options->argv;
	if (word == NULL)
		return 0;
	options->argv++;
	if (!options->only_operands && strcmp(word, "--") == 0) {
		options->only_operands = true;
		return options_next(options, match, err);
	}
	if (options->only_operands || word[0] != '-' || word[1] == '\0') {
		match->value = word;
		return 1;
	}
	if (word[1] == '-')
		return read_long(options, match, word + 2, err);
	options->cluster = word + 1;
	return read_letter(options, match, err);
}

/* ---- usage ----------------------------------------------------------------------------------- */

static void print_line(FILE *file, const char *left, const char *help)
{
	/* A long left part gets a line of its own rather than a crooked column. */
	if (strlen(left) + 1 >= COLUMN)
		fprintf(file, "%s\n%*s%s\n", left, COLUMN, "", help);
	else
		fprintf(file, "%-*s%s\n", COLUMN, left, help);
}

void options_print(const struct options_entry *table, FILE *file)
{
	for (; table->name != NULL; table++) {
		char left[80], letter[5] = "   ";
		const char *open = table->arg == OPTIONS_ARG_OPTIONAL ? "[" : "";
		const char *close = table->arg == OPTIONS_ARG_OPTIONAL ? "]" : "";

		if (table->letter != '\0')
			snprintf(letter, sizeof(letter), "-%c,", table->letter);
		snprintf(left, sizeof(left), "  %s --%s%s%s%s%s", letter, table->name,
			 table->value != NULL ? " " : "", open,
			 table->value != NULL ? table->value : "", close);
		print_line(file, left, table->help);
	}
}

static bool is_listed(const char *const *keys, const char *key)
{
	for (; *keys != NULL; keys++) {
		if (strcmp(*keys, key) == 0)
			return true;
	}
	return false;
}

/* How the usage shows the value of a setting. */
static const char *value_words(const struct rmdt_setting *setting)
{
	static const char *const words[][2] = {
		{ "size", " SIZE" }, { "rate", " RATE" }, { "duration", " TIME" },
		{ "number", " N" }, { "flag", "" }, { "text", " PATH" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(setting->kind, words[i][0]) == 0)
			return words[i][1];
	}
	return NULL;
}

static void print_setting(const struct rmdt_setting *setting, FILE *file)
{
	const char *words = value_words(setting), *choices = setting->kind + strlen("one of ");
	bool is_list = words == NULL && strlen(choices) > CHOICE_COLUMNS;
	char left[64], help[160], def[64] = "";

	/* The first of a list is the default unless another is named. */
	if (setting->value[0] != '\0' &&
	    !(is_list && strncmp(choices, setting->value, strlen(setting->value)) == 0))
		snprintf(def, sizeof(def), " (%s)", setting->value);
	if (words != NULL)
		snprintf(left, sizeof(left), "      --%s%s", setting->key, words);
	else
		snprintf(left, sizeof(left), "      --%s %s", setting->key,
			 is_list ? "WORD" : choices);
	snprintf(help, sizeof(help), "%s%s%s%s", setting->help, is_list ? ": " : "",
		 is_list ? choices : "", def);
	print_line(file, left, help);
}

void options_print_settings(const char *const *keys, FILE *file)
{
	size_t n;
	const struct rmdt_setting *settings = rmdt_settings(&n);

	for (size_t i = 0; i < n; i++) {
		if (keys == NULL || is_listed(keys, settings[i].key))
			print_setting(&settings[i], file);
	}
}

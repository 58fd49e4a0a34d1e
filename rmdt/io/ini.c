/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ini.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#if __has_include(<iniparser/iniparser.h>)
#include <iniparser/iniparser.h>
#else
#include <iniparser.h>
#endif

/* iniparser refuses longer lines, so no name can be longer. */
#define LINE_BYTES 1024

/*
 * iniparser's callback has no context argument. Cleared before each load; keeps the first
 * complaint.
 */
static _Thread_local char complaint[RMDT_ERROR_BYTES];

static int note_complaint(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int note_complaint(const char *format, ...)
{
	va_list args;

	if (complaint[0] != '\0')
		return 0;
	va_start(args, format);
	vsnprintf(complaint, sizeof(complaint), format, args);
	va_end(args);
	complaint[strcspn(complaint, "\n")] = '\0';
	return 0;
}

static char *trim(char *text)
{
	size_t n;

	while (isspace((unsigned char)*text))
		text++;
	n = strlen(text);
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	text[n] = '\0';
	return text;
}

static void lower(char *text)
{
	for (; *text != '\0'; text++)
		*text = (char)tolower((unsigned char)*text);
}

/* What stands on one line, as far as finding duplicates goes. */
struct line {
	char section[LINE_BYTES];	/* changes with a header */
	char name[2 * LINE_BYTES];	/* "section:key", "" when the line has no key */
	bool continued;			/* the value goes on in the next line */
};

static void line_read(struct line *line, char *text)
{
	bool is_rest = line->continued;
	size_t n;
	char *end;

	text = trim(text);
	n = strlen(text);
	line->name[0] = '\0';
	line->continued = n > 0 && text[n - 1] == '\\';
	if (is_rest || n == 0 || text[0] == '#' || text[0] == ';')
		return;
	if (text[0] == '[') {
		end = strchr(text, ']');
		if (end == NULL)
			return;
		*end = '\0';
		text = trim(text + 1);
		lower(text);
		snprintf(line->section, sizeof(line->section), "%s", text);
		return;
	}
	end = strchr(text, '=');
	if (end == NULL)
		return;
	*end = '\0';
	text = trim(text);
	lower(text);
	snprintf(line->name, sizeof(line->name), "%s:%s", line->section, text);
}

/*
 * iniparser keeps the last of two equal keys without a word, so the names are collected here first.
 * A second dictionary serves as the set of names; a file is small.
 */
static int check_duplicates(const char *path, char *err)
{
	struct line line = { 0 };
	char text[LINE_BYTES];
	dictionary *seen = NULL;
	FILE *file = fopen(path, "re");
	int ret = 0;

	if (file == NULL)
		return -errno;
	seen = dictionary_new(0);
	if (seen == NULL)
		ret = -ENOMEM;
	while (ret == 0 && fgets(text, sizeof(text), file) != NULL) {
		line_read(&line, text);
		if (line.name[0] == '\0')
			continue;
		if (dictionary_get(seen, line.name, NULL) != NULL) {
			snprintf(err, RMDT_ERROR_BYTES,
				 "%.120s: %s%.40s%s\"%.40s\": the key stands twice", path,
				 line.section[0] != '\0' ? "[" : "", line.section,
				 line.section[0] != '\0' ? "] " : "", strrchr(line.name, ':') + 1);
			ret = -EINVAL;
		} else if (dictionary_set(seen, line.name, "1") != 0) {
			ret = -ENOMEM;
		}
	}
	if (ret == 0 && ferror(file))
		ret = -EIO;
	dictionary_del(seen);
	fclose(file);
	return ret;
}

static int deliver(const struct rmdt_ini_reader *reader, const char *name, const char *value,
		   char *err)
{
	char section[LINE_BYTES];
	const char *colon = strchr(name, ':');

	if (colon == NULL)
		return reader->section(reader->ctx, name, err);
	snprintf(section, sizeof(section), "%.*s", (int)(colon - name), name);
	return reader->entry(reader->ctx, section, colon + 1, value != NULL ? value : "", err);
}

/* Sections first: an entry of an unknown section is best explained by the section. */
static int deliver_all(const dictionary *dict, const struct rmdt_ini_reader *reader, char *err)
{
	for (int pass = 0; pass < 2; pass++) {
		for (ssize_t i = 0; i < dict->size; i++) {
			const char *name = dict->key[i];
			int ret = 0;

			if (name != NULL && (strchr(name, ':') == NULL) == (pass == 0))
				ret = deliver(reader, name, dict->val[i], err);
			if (ret < 0)
				return ret;
		}
	}
	return 0;
}

static int load(const char *path, dictionary **dict, char *err)
{
	complaint[0] = '\0';
	/* For the whole process, but only the address of a function is stored. */
	iniparser_set_error_callback(note_complaint);
	*dict = iniparser_load(path);
	if (*dict != NULL)
		return 0;
	snprintf(err, RMDT_ERROR_BYTES, "%.120s: not an ini file: %.100s", path,
		 complaint[0] != '\0' ? complaint : "not readable");
	return -EINVAL;
}

int rmdt_ini_read(const char *path, const struct rmdt_ini_reader *reader, char *err)
{
	struct stat st;
	dictionary *dict;
	int ret;

	err[0] = '\0';
	ret = stat(path, &st) < 0 ? -errno : 0;
	/* Read twice, so a pipe cannot serve; opening one would wait for its writer. */
	if (ret == 0 && !S_ISREG(st.st_mode)) {
		snprintf(err, RMDT_ERROR_BYTES, "%.200s: not a regular file", path);
		return -EINVAL;
	}
	if (ret == 0)
		ret = check_duplicates(path, err);
	if (ret < 0) {
		if (err[0] == '\0')
			snprintf(err, RMDT_ERROR_BYTES, "%.160s: %s", path, strerror(-ret));
		return ret;
	}
	ret = load(path, &dict, err);
	if (ret < 0)
		return ret;
	ret = deliver_all(dict, reader, err);
	iniparser_freedict(dict);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/options.h"

enum { OPT_LISTEN, OPT_SEND, OPT_KEEP, OPT_QUIET };

static const struct options_entry table[] = {
	{ OPT_LISTEN, 'l', "listen", OPTIONS_ARG_OPTIONAL, "PLACE", "receive" },
	{ OPT_SEND, 's', "send", OPTIONS_ARG_NEEDED, "HOST", "send" },
	{ OPT_KEEP, 'k', "keep", OPTIONS_ARG_NONE, NULL, "go on" },
	{ OPT_QUIET, '\0', "quiet", OPTIONS_ARG_NONE, NULL, "say less" },
	{ .name = NULL },
};

static void assert_contains(const char *text, const char *part)
{
	assert_non_null(text);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* What is expected of one match. */
struct want {
	const char *name;		/* of the option or setting; NULL: operand */
	const char *value;		/* NULL: none */
	const char *shown;
};

static void check(char **argv, const struct want *wants, size_t n)
{
	struct options options;
	struct options_match match;
	char err[RMDT_ERROR_BYTES] = "";

	options_init(&options, table, argv);
	for (size_t i = 0; i < n; i++) {
		if (options_next(&options, &match, err) != 1)
			fail_msg("match %zu: %s", i, err);
		if (wants[i].name == NULL)
			assert_true(match.option == NULL && match.setting == NULL);
		else
			assert_string_equal(match.option != NULL ? match.option->name :
								   match.setting->key,
					    wants[i].name);
		if (wants[i].value == NULL)
			assert_null(match.value);
		else
			assert_string_equal(match.value, wants[i].value);
		if (wants[i].shown != NULL)
			assert_string_equal(match.shown, wants[i].shown);
	}
	assert_int_equal(options_next(&options, &match, err), 0);
	assert_int_equal(options_next(&options, &match, err), 0);
}

#define CHECK(wants, ...) \
	check((char *[]){ __VA_ARGS__, NULL }, wants, sizeof(wants) / sizeof(wants[0]))

static void test_letters(void **state)
{
	static const struct want one[] = { { "keep", NULL, "-k" }, { "send", "h1,h2", "-s" } };
	static const struct want listen[] = { { "listen", NULL, "-l" }, { "keep", NULL, "-k" } };
	static const struct want place[] = { { "listen", ":99", "-l" }, { NULL, "x", "" } };
	static const struct want attached[] = { { "listen", ":99", "-l" } };

	(void)state;
	CHECK(one, "-k", "-s", "h1,h2");
	CHECK(one, "-ks", "h1,h2");
	CHECK(one, "-ksh1,h2");
	CHECK(listen, "-l", "-k");
	CHECK(place, "-l", ":99", "x");
	CHECK(attached, "-l:99");
}

static void test_long_options(void **state)
{
	static const struct want wants[] = {
		{ "send", "h", "--send" },    { "quiet", NULL, "--quiet" },
		{ "listen", "", "--listen" }, { "mtu", "1500", "--mtu" },
		{ "rate", "1G", "--rate" },   { "listen", NULL, "--listen" },
	};

	(void)state;
	CHECK(wants, "--send", "h", "--quiet", "--listen=", "--mtu", "1500", "--rate=1G",
	      "--listen");
}

static void test_flags_among_settings(void **state)
{
	static const struct want wants[] = {
		{ "strict", "yes", "--strict" }, { NULL, "no", "" }, { "strict", "no", "--strict" },
		{ "gso", "no", "--no-gso" },
	};

	(void)state;
	CHECK(wants, "--strict", "no", "--strict=no", "--no-gso");
}

static void test_operands(void **state)
{
	static const struct want wants[] = {
		{ NULL, "a", "" }, { NULL, "-", "" }, { NULL, "-k", "" }, { NULL, "--", "" }
	};
	static const struct want value[] = { { "send", "-k", "-s" } };

	(void)state;
	CHECK(wants, "a", "-", "--", "-k", "--");
	CHECK(value, "-s", "-k");
}

static void test_faults(void **state)
{
	static const struct {
		char *argv[3];
		const char *part;
	} rows[] = {
		{ { "--frobnicate", NULL }, "unknown option \"--frobnicate\"" },
		{ { "--frobnicate=1", NULL }, "unknown option \"--frobnicate\"" },
		{ { "--kee", NULL }, "unknown option \"--kee\"" },
		{ { "--no-keep", NULL }, "unknown option \"--no-keep\"" },
		{ { "--no-mtu", NULL }, "unknown option \"--no-mtu\"" },
		{ { "-x", NULL }, "unknown option \"-x\"" },
		{ { "-kx", NULL }, "unknown option \"-x\"" },
		{ { "-s", NULL }, "\"-s\" wants a value: HOST" },
		{ { "--send", NULL }, "\"--send\" wants a value" },
		{ { "--mtu", NULL }, "\"--mtu\" wants a value: one of auto|BYTES" },
		{ { "--keep=1", NULL }, "\"--keep\" takes no value, but \"1\" was given" },
		{ { "--no-gso=yes", NULL }, "takes no value" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct options options;
		struct options_match match;
		char err[RMDT_ERROR_BYTES] = "";
		int ret;

		options_init(&options, table, (char **)rows[i].argv);
		do {
			ret = options_next(&options, &match, err);
		} while (ret > 0);
		assert_int_equal(ret, -EINVAL);
		assert_contains(err, rows[i].part);
	}
}

/* However long the word, the message stays one short line. */
static void test_long_words(void **state)
{
	char word[2000], err[RMDT_ERROR_BYTES];
	struct options options;
	struct options_match match;

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	memcpy(word, "--", 2);
	options_init(&options, table, (char *[]){ word, NULL });
	assert_int_equal(options_next(&options, &match, err), -EINVAL);
	assert_true(strlen(err) < 120);
}

/* Every option and setting stands in the usage, no line of which is wider than a screen. */
static void test_usage(void **state)
{
	char *text = NULL, *line;
	size_t len = 0, n;
	FILE *file = open_memstream(&text, &len);
	const struct rmdt_setting *settings = rmdt_settings(&n);

	(void)state;
	assert_non_null(file);
	options_print(table, file);
	options_print_settings(NULL, file);
	assert_int_equal(fclose(file), 0);
	for (size_t i = 0; table[i].name != NULL; i++)
		assert_contains(text, table[i].name);
	for (size_t i = 0; i < n; i++)
		assert_contains(text, settings[i].key);
	for (line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		if (strlen(line) > 80)
			fail_msg("too wide: %s", line);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letters),
		cmocka_unit_test(test_long_options),
		cmocka_unit_test(test_flags_among_settings),
		cmocka_unit_test(test_operands),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

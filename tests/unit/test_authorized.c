/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "core/authorized.h"

#define A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="	/* 00 01 .. 1f */
#define B "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="	/* 01 02 .. 20 */
#define KEY_A "rmdt-x25519 " A
#define KEY_B "rmdt-x25519 " B

static uint8_t key_a[32], key_b[32], key_c[32] = { 0xcc };

static int setup(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < 32; i++) {
		key_a[i] = i;
		key_b[i] = (uint8_t)(i + 1);
	}
	return 0;
}

static struct rmdt_authorized *parse(const char *text)
{
	struct rmdt_authorized *list = NULL;
	char err[RMDT_TRUST_ERR_BYTES] = "";
	int r = rmdt_authorized_parse("F", text, strlen(text), &list, err);

	if (r < 0)
		print_message("%s\n", err);
	assert_int_equal(r, 0);
	return list;
}

static enum rmdt_authorized_verdict check(const struct rmdt_authorized *list, const uint8_t *pub,
					  unsigned purpose, const char *from,
					  const struct rmdt_authorized_key **key)
{
	struct rmdt_authorized_query query = { .pub = pub, .purpose = purpose };
	struct rmdt_trust_addr addr;

	if (from) {
		assert_int_equal(rmdt_trust_addr_parse(from, &addr), 0);
		query.from = &addr;
	}
	return rmdt_authorized_check(list, &query, key);
}

static const struct rmdt_authorized_key *only_key(const struct rmdt_authorized *list)
{
	const struct rmdt_authorized_key *key = NULL;

	assert_int_equal(rmdt_authorized_count(list), 1);
	assert_int_equal(check(list, key_a, 0, "10.0.0.1", &key), RMDT_AUTHORIZED_YES);
	return key;
}

static void test_plain(void **state)
{
	struct rmdt_authorized *list = parse("# who may\n\n" KEY_A " me at home \r\n  " KEY_B);
	const struct rmdt_authorized_key *key = NULL;

	(void)state;
	assert_int_equal(rmdt_authorized_count(list), 2);
	assert_int_equal(check(list, key_a, RMDT_MAY_FS, NULL, &key), RMDT_AUTHORIZED_YES);
	assert_string_equal(key->comment, "me at home");
	assert_int_equal(key->line, 3);
	assert_int_equal(key->may, RMDT_MAY_ALL);
	assert_null(key->dir);
	assert_memory_equal(key->pub, key_a, 32);
	assert_int_equal(check(list, key_b, RMDT_MAY_PIPE, "::1", &key), RMDT_AUTHORIZED_YES);
	assert_null(key->comment);
	assert_int_equal(key->line, 4);
	assert_int_equal(check(list, key_c, 0, NULL, NULL), RMDT_AUTHORIZED_UNKNOWN_KEY);
	rmdt_authorized_free(list);

	list = parse("");
	assert_int_equal(rmdt_authorized_count(list), 0);
	assert_int_equal(check(list, key_a, 0, NULL, NULL), RMDT_AUTHORIZED_UNKNOWN_KEY);
	rmdt_authorized_free(list);
	rmdt_authorized_free(NULL);
}

static void test_dir(void **state)
{
	static const struct {
		const char *line, *dir;
	} rows[] = {
		{ "dir=\"/srv/in\" " KEY_A, "/srv/in" },
		{ "dir=/srv/in " KEY_A, "/srv/in" },
		{ "dir=\"/srv/my, own=dir\"\t" KEY_A, "/srv/my, own=dir" },
		{ "dir=\"/a\\\"b\\\\c\\d\" " KEY_A, "/a\"b\\c\\d" },
		{ "only=fs,dir=\"/x\",from=10.0.0.0/8 " KEY_A, "/x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rmdt_authorized *list = parse(rows[i].line);

		assert_string_equal(only_key(list)->dir, rows[i].dir);
		rmdt_authorized_free(list);
	}
}

static void test_only(void **state)
{
	static const struct {
		const char *line;
		unsigned may;
	} rows[] = {
		{ "only=pipe " KEY_A, RMDT_MAY_PIPE },
		{ "only=tunnel " KEY_A, RMDT_MAY_TUNNEL },
		{ "only=pipe,fs " KEY_A, RMDT_MAY_PIPE | RMDT_MAY_FS },
		{ "only=\"pipe,fs\" " KEY_A, RMDT_MAY_PIPE | RMDT_MAY_FS },
		{ "only=pipe,only=tunnel " KEY_A, RMDT_MAY_PIPE | RMDT_MAY_TUNNEL },
		{ "only=fs,dir=/x,only=pipe,fs " KEY_A, RMDT_MAY_PIPE | RMDT_MAY_FS },
		{ "from=10.0.0.1 " KEY_A, RMDT_MAY_ALL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rmdt_authorized *list = parse(rows[i].line);

		assert_int_equal(only_key(list)->may, rows[i].may);
		for (unsigned bit = 1; bit <= RMDT_MAY_FS; bit *= 2)
			assert_int_equal(check(list, key_a, bit, "10.0.0.1", NULL),
					 rows[i].may & bit ? RMDT_AUTHORIZED_YES :
							     RMDT_AUTHORIZED_WRONG_PURPOSE);
		rmdt_authorized_free(list);
	}
}

static void test_from(void **state)
{
	struct rmdt_authorized *list =
		parse("from=10.0.0.0/8,192.0.2.1,only=pipe,from=\"2001:db8::/32,::1\" " KEY_A);

	(void)state;
	assert_int_equal(check(list, key_a, 1, "10.1.2.3", NULL), RMDT_AUTHORIZED_YES);
	assert_int_equal(check(list, key_a, 1, "::ffff:10.1.2.3", NULL), RMDT_AUTHORIZED_YES);
	assert_int_equal(check(list, key_a, 1, "192.0.2.1", NULL), RMDT_AUTHORIZED_YES);
	assert_int_equal(check(list, key_a, 1, "::1", NULL), RMDT_AUTHORIZED_YES);
	assert_int_equal(check(list, key_a, 1, "2001:db8:1::2", NULL), RMDT_AUTHORIZED_YES);
	assert_int_equal(check(list, key_a, 1, "192.0.2.2", NULL), RMDT_AUTHORIZED_WRONG_ADDRESS);
	assert_int_equal(check(list, key_a, 1, NULL, NULL), RMDT_AUTHORIZED_WRONG_ADDRESS);
	assert_int_equal(check(list, key_a, 2, "::1", NULL), RMDT_AUTHORIZED_WRONG_PURPOSE);
	rmdt_authorized_free(list);
}

/* The first line that allows it counts; the refusal is that of the line that came nearest. */
static void test_several_lines(void **state)
{
	struct rmdt_authorized *list = parse(
		"from=10.0.0.1,only=pipe " KEY_A " one\n"
		"only=tunnel " KEY_B " other\n"
		"from=10.0.0.2 " KEY_A " two\n"
		"from=10.0.0.2,dir=/late " KEY_A " three\n");
	const struct rmdt_authorized_key *key = NULL;

	(void)state;
	assert_int_equal(check(list, key_a, RMDT_MAY_FS, "10.0.0.2", &key), RMDT_AUTHORIZED_YES);
	assert_string_equal(key->comment, "two");
	key = NULL;
	assert_int_equal(check(list, key_a, RMDT_MAY_FS, "10.0.0.1", &key),
			 RMDT_AUTHORIZED_WRONG_PURPOSE);
	assert_null(key);
	assert_int_equal(check(list, key_a, RMDT_MAY_FS, "10.0.0.3", NULL),
			 RMDT_AUTHORIZED_WRONG_ADDRESS);
	rmdt_authorized_free(list);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *err;
	} bad[] = {
		{ "rmdt-x25519", "F:1: not a key: expected 44 characters of base64" },
		{ "rmdt-x25519 AAAA me",
		  "F:1: \"AAAA\": not a key: expected 44 characters of base64" },
		{ "\n\nssh-ed25519 AAAA", "F:3: \"ssh-ed25519\": "
		  "expected an option (dir=, only=, from=) or rmdt-x25519" },
		{ "color=red " KEY_A,
		  "F:1: \"color\": unknown option; there are dir=, only= and from=" },
		{ "=x " KEY_A, "unknown option" },
		{ "only= " KEY_A, "only= takes pipe, tunnel or fs" },
		{ "only=pipes " KEY_A, "F:1: \"pipes\": only= takes" },
		{ "only=pipe, " KEY_A, "only= takes" },
		{ "only=pipe,,fs " KEY_A, "only= takes" },
		{ "only=\"pipe " KEY_A, "the quote is not closed" },
		{ "only=\"pipe\"fs " KEY_A, "text behind the closing quote" },
		{ "only=pi\"pe\" " KEY_A, "a quote inside an unquoted value" },
		{ "only=\"fs,pipes\" " KEY_A, "F:1: \"pipes\": only= takes" },
		{ "\"only\"=fs " KEY_A, "unknown option" },
		{ "from=10.0.0.1/8 " KEY_A, "F:1: \"10.0.0.1/8\": from= takes" },
		{ "from= " KEY_A, "from= takes" },
		{ "from=host " KEY_A, "\"host\": from= takes" },
		{ "dir=relative " KEY_A, "\"relative\": dir= takes an absolute path" },
		{ "dir=\"\" " KEY_A, "dir= takes an absolute path" },
		{ "dir=/a,dir=/b " KEY_A, "\"/b\": dir= is given twice" },
		{ "dir=/a,b " KEY_A, "\"b\": expected an option" },
		{ ",only=pipe " KEY_A, "expected an option" },
		{ "only=pipe", "expected the word rmdt-x25519" },
		{ "only=pipe ssh-rsa " A, "\"ssh-rsa\": expected the word rmdt-x25519" },
		{ KEY_A "\n" KEY_B " \x7f", "F:2: " },
		{ "rmdt-x25519-private " A, "\"rmdt-x25519-private\": expected an option" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct rmdt_authorized *list = (void *)bad;
		char err[RMDT_TRUST_ERR_BYTES] = "";

		assert_int_equal(rmdt_authorized_parse("F", bad[i].text, strlen(bad[i].text), &list,
						       err), -EINVAL);
		if (!strstr(err, bad[i].err))
			fail_msg("'%s' gave '%s'", bad[i].text, err);
		assert_ptr_equal(list, bad);
	}
}

static void test_bounds(void **state)
{
	const size_t room = (size_t)(RMDT_AUTHORIZED_MAX_KEYS + 1) * sizeof KEY_A;
	char *text = malloc(room + 1), *p = text;
	struct rmdt_authorized *list;
	char err[RMDT_TRUST_ERR_BYTES];
	unsigned i;

	(void)state;
	/* 64 addresses in a line are allowed, 65 are not. */
	for (unsigned n = RMDT_AUTHORIZED_MAX_CIDRS; n <= RMDT_AUTHORIZED_MAX_CIDRS + 1; n++) {
		p = stpcpy(text, "from=10.0.0.1");
		for (i = 1; i < n; i++)
			p = stpcpy(p, ",10.0.0.1");
		strcpy(p, " " KEY_A);
		assert_int_equal(rmdt_authorized_parse("F", text, strlen(text), &list, err),
				 n > RMDT_AUTHORIZED_MAX_CIDRS ? -EINVAL : 0);
		if (n <= RMDT_AUTHORIZED_MAX_CIDRS)
			rmdt_authorized_free(list);
	}
	/* A line that is too long, and too many lines. */
	memset(text, 'x', RMDT_TRUST_LINE_MAX_BYTES + 1);
	assert_int_equal(rmdt_authorized_parse("F", text, RMDT_TRUST_LINE_MAX_BYTES + 1, &list,
					       err), -EINVAL);
	assert_non_null(strstr(err, "longer than 4096"));
	for (p = text, i = 0; i <= RMDT_AUTHORIZED_MAX_KEYS; i++)
		p = stpcpy(p, KEY_A "\n");
	assert_int_equal(rmdt_authorized_parse("F", text, strlen(text), &list, err), -EINVAL);
	assert_string_equal(err, "F:65537: more than 65536 keys in the file");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_dir),
		cmocka_unit_test(test_only),
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_several_lines),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

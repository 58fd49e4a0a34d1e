/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/hosts.h"

#define A "rmdt-x25519 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="	/* 00 01 .. 1f */
#define B "rmdt-x25519 AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="	/* 01 02 .. 20 */

static uint8_t key_a[32], key_b[32];

static int setup(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < 32; i++) {
		key_a[i] = i;
		key_b[i] = (uint8_t)(i + 1);
	}
	return 0;
}

static struct rmdt_hosts *parse(const char *text)
{
	struct rmdt_hosts *hosts = NULL;
	char err[RMDT_TRUST_ERR_BYTES] = "";
	int r = rmdt_hosts_parse("F", text, strlen(text), &hosts, err);

	if (r < 0)
		print_message("%s\n", err);
	assert_int_equal(r, 0);
	return hosts;
}

static void test_check(void **state)
{
	static const struct {
		const char *host;
		uint16_t port;
		bool is_b;
		enum rmdt_hosts_verdict verdict;
		unsigned line;
	} rows[] = {
		{ "alpha", 2312, false, RMDT_HOSTS_MATCH, 2 },
		{ "ALPHA", 2312, false, RMDT_HOSTS_MATCH, 2 },
		{ "alpha.", 2312, false, RMDT_HOSTS_MATCH, 2 },
		{ "alpha", 2312, true, RMDT_HOSTS_CHANGED, 2 },
		{ "alpha", 2313, false, RMDT_HOSTS_MATCH, 3 },
		{ "alpha", 2314, false, RMDT_HOSTS_UNKNOWN, 0 },
		{ "alph", 2312, false, RMDT_HOSTS_UNKNOWN, 0 },
		{ "beta.example.com", 1, false, RMDT_HOSTS_MATCH, 4 },
		{ "2001:db8::1", 2312, false, RMDT_HOSTS_MATCH, 5 },
		{ "[2001:0DB8:0::1]", 2312, false, RMDT_HOSTS_MATCH, 5 },
		{ "2001:db8::1", 4453, true, RMDT_HOSTS_MATCH, 6 },
		{ "::ffff:192.0.2.1", 2312, false, RMDT_HOSTS_MATCH, 7 },
		{ "192.0.2.1", 2312, true, RMDT_HOSTS_CHANGED, 7 },
		{ "two", 2312, false, RMDT_HOSTS_MATCH, 9 },
		{ "two", 2312, true, RMDT_HOSTS_MATCH, 8 },
		{ "fe80::1%eth0", 2312, false, RMDT_HOSTS_MATCH, 10 },
		{ "", 2312, false, RMDT_HOSTS_UNKNOWN, 0 },
		{ "a b", 2312, false, RMDT_HOSTS_UNKNOWN, 0 },
	};
	struct rmdt_hosts *hosts = parse(
		"# pins\n"
		"Alpha " A " pinned then\n"
		"alpha:2313 " A "\n"
		"beta.Example.com.:1 " A "\n"
		"[2001:db8:0:0:0:0:0:1] " A "\n"
		"[2001:db8::1]:4453 " B "\n"
		"192.0.2.1:2312 " A "\n"
		"two " B "\n"
		"two " A "\n"
		"[fe80::1%eth0] " A);
	uint8_t found[RMDT_TRUST_KEY_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned line = 77;

		assert_int_equal(rmdt_hosts_check(hosts, rows[i].host, rows[i].port,
						  rows[i].is_b ? key_b : key_a, &line),
				 rows[i].verdict);
		assert_int_equal(line, rows[i].line);
	}
	assert_int_equal(rmdt_hosts_check(hosts, "two", 2312, key_a, NULL), RMDT_HOSTS_MATCH);
	assert_true(rmdt_hosts_key(hosts, 8, found));
	assert_memory_equal(found, key_b, sizeof found);
	assert_false(rmdt_hosts_key(hosts, 1, found));
	assert_false(rmdt_hosts_key(hosts, 0, found));
	rmdt_hosts_free(hosts);
	rmdt_hosts_free(NULL);
}

/* Every line that we make is one that we read. */
static void test_format(void **state)
{
	static const struct {
		const char *host;
		uint16_t port;
		const char *line;
	} rows[] = {
		{ "Host.Example.", 2312, "host.example:2312 " A "\n" },
		{ "192.0.2.1", 1, "192.0.2.1:1 " A "\n" },
		{ "[2001:DB8::0]", 65535, "[2001:db8::]:65535 " A "\n" },
		{ "::1", 80, "[::1]:80 " A "\n" },
		{ "fe80::1%eth0", 80, "[fe80::1%eth0]:80 " A "\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char line[RMDT_HOSTS_LINE_BYTES];
		struct rmdt_hosts *hosts;
		int len = rmdt_hosts_format(rows[i].host, rows[i].port, key_a, line, sizeof line);

		assert_int_equal(len, strlen(rows[i].line));
		assert_string_equal(line, rows[i].line);
		assert_int_equal(rmdt_hosts_format(rows[i].host, rows[i].port, key_a, line,
						   (size_t)len), -ENOBUFS);
		hosts = parse(line);
		assert_int_equal(rmdt_hosts_check(hosts, rows[i].host, rows[i].port, key_a, NULL),
				 RMDT_HOSTS_MATCH);
		rmdt_hosts_free(hosts);
	}
}

static void test_format_refused(void **state)
{
	static const char *const bad[] = {
		"", "a b", "a\nb", "#a", "a\tb", "a,b", "[", "[]", "a]", "\x7f", "a\"", "a..", ".",
	};
	char line[RMDT_HOSTS_LINE_BYTES], name[RMDT_HOSTS_NAME_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(rmdt_hosts_format(bad[i], 1, key_a, line, sizeof line), -EINVAL);
	assert_int_equal(rmdt_hosts_format("a", 0, key_a, line, sizeof line), -EINVAL);
	memset(name, 'n', RMDT_HOSTS_NAME_BYTES);
	name[RMDT_HOSTS_NAME_BYTES] = '\0';
	assert_int_equal(rmdt_hosts_format(name, 1, key_a, line, sizeof line), -EINVAL);
	name[RMDT_HOSTS_NAME_BYTES - 1] = '\0';
	assert_true(rmdt_hosts_format(name, 65535, key_a, line, sizeof line) > 0);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *err;
	} bad[] = {
		{ "alpha", "F:1: expected the word rmdt-x25519" },
		{ "\nalpha rmdt-x25519 AA", "F:2: \"AA\": not a key" },
		{ "alpha ssh-rsa AA", "F:1: \"ssh-rsa\": expected the word rmdt-x25519" },
		{ "alpha:0 " A, "F:1: \"0\": not a port number" },
		{ "alpha:65536 " A, "\"65536\": not a port number" },
		{ "alpha:x " A, "\"x\": not a port number" },
		{ "alpha:01 " A, "\"01\": not a port number" },
		{ "alpha: " A, "\"alpha:\": expected HOST or HOST:PORT" },
		{ ":2312 " A, "\":2312\": expected HOST or HOST:PORT" },
		{ "2001:db8::1 " A, "not a port number" },
		{ "[2001:db8::1 " A, "expected HOST or HOST:PORT" },
		{ "[::1]2312 " A, "expected HOST or HOST:PORT" },
		{ "[] " A, "expected HOST or HOST:PORT" },
		{ "a,b " A, "expected HOST or HOST:PORT" },
		{ "a \x01" A, "the line has a control character" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct rmdt_hosts *hosts = (void *)bad;
		char err[RMDT_TRUST_ERR_BYTES] = "";

		assert_int_equal(rmdt_hosts_parse("F", bad[i].text, strlen(bad[i].text), &hosts,
						  err), -EINVAL);
		if (!strstr(err, bad[i].err))
			fail_msg("'%s' gave '%s'", bad[i].text, err);
		assert_ptr_equal(hosts, bad);
	}
}

static void test_bounds(void **state)
{
	char *text = malloc((size_t)(RMDT_HOSTS_MAX_LINES + 1) * sizeof "h " A + 1);
	char *p = text;
	struct rmdt_hosts *hosts;
	char err[RMDT_TRUST_ERR_BYTES];

	(void)state;
	for (unsigned i = 0; i < RMDT_HOSTS_MAX_LINES; i++)
		p = stpcpy(p, "h " A "\n");
	hosts = parse(text);
	rmdt_hosts_free(hosts);
	strcpy(p, "h " A "\n");
	assert_int_equal(rmdt_hosts_parse("F", text, strlen(text), &hosts, err), -EINVAL);
	assert_string_equal(err, "F:65537: more than 65536 hosts in the file");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_format_refused),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

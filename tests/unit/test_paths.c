/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/paths.h"

#define NOW UINT64_C(1800000000)
#define KEY "rmdt-x25519 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="	/* 00 01 .. 1f */

static struct rmdt_paths paths;

static int setup(void **state)
{
	(void)state;
	memset(&paths, 0, sizeof(paths));
	return 0;
}

static struct rmdt_trust_addr address(const char *text)
{
	struct rmdt_trust_addr addr;

	assert_int_equal(rmdt_trust_addr_parse(text, &addr), 0);
	return addr;
}

static struct rmdt_path path_of(unsigned key, const char *addr, uint64_t rate, uint64_t seen_s)
{
	struct rmdt_path path = { .addr = address(addr), .rate = rate, .rtt_us = 100000, .seen_s = seen_s };

	path.key[0] = (uint8_t)key;
	path.key[1] = (uint8_t)(key >> 8);
	return path;
}

/* The rate remembered; 0: none. */
static uint64_t rate_of(unsigned key, const char *addr, uint64_t now_s)
{
	struct rmdt_path path = path_of(key, addr, 1, 0);
	const struct rmdt_path *found = rmdt_paths_find(&paths, path.key, &path.addr, now_s);

	return found ? found->rate : 0;
}

static void put(unsigned key, const char *addr, uint64_t rate, uint64_t seen_s)
{
	struct rmdt_path path = path_of(key, addr, rate, seen_s);

	rmdt_paths_put(&paths, &path);
}

static void test_by_key_and_address(void **state)
{
	(void)state;
	put(1, "192.0.2.1", 1000, NOW);
	put(1, "2001:db8::1", 2000, NOW);
	put(2, "192.0.2.1", 3000, NOW);
	assert_int_equal(paths.n, 3);
	assert_int_equal(rate_of(1, "192.0.2.1", NOW), 1000);
	assert_int_equal(rate_of(1, "2001:db8::1", NOW), 2000);
	assert_int_equal(rate_of(2, "192.0.2.1", NOW), 3000);
	assert_int_equal(rate_of(2, "192.0.2.2", NOW), 0);
	assert_int_equal(rate_of(3, "192.0.2.1", NOW), 0);
}

static void test_the_newer_counts(void **state)
{
	(void)state;
	put(1, "192.0.2.1", 1000, NOW);
	put(1, "192.0.2.1", 2000, NOW + 1);
	put(1, "192.0.2.1", 3000, NOW - 1);
	assert_int_equal(paths.n, 1);
	assert_int_equal(rate_of(1, "192.0.2.1", NOW), 2000);
}

static void test_age(void **state)
{
	(void)state;
	put(1, "192.0.2.1", 1000, NOW);
	assert_int_equal(rate_of(1, "192.0.2.1", NOW + RMDT_PATHS_AGE_S), 1000);
	assert_int_equal(rate_of(1, "192.0.2.1", NOW + RMDT_PATHS_AGE_S + 1), 0);
	/* A clock that was an hour ahead does no harm, one that was a year ahead says nothing. */
	assert_int_equal(rate_of(1, "192.0.2.1", NOW - 3600), 1000);
	assert_int_equal(rate_of(1, "192.0.2.1", NOW - 31536000), 0);
}

static void test_the_oldest_goes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RMDT_PATHS_MAX; i++)
		put(i, "192.0.2.1", 1000 + i, NOW + (i * 7) % RMDT_PATHS_MAX);
	assert_int_equal(paths.n, RMDT_PATHS_MAX);
	assert_int_equal(rate_of(0, "192.0.2.1", NOW), 1000);
	put(1000, "192.0.2.1", 5000, NOW + 1000);
	assert_int_equal(paths.n, RMDT_PATHS_MAX);
	assert_int_equal(rate_of(0, "192.0.2.1", NOW), 0);
	assert_int_equal(rate_of(1000, "192.0.2.1", NOW), 5000);
	for (size_t i = 1; i < paths.n; i++)
		assert_true(paths.at[i - 1].seen_s <= paths.at[i].seen_s);
}

/* Of a file that holds more than fits, and what is put beside memories that are all newer. */
static void test_what_is_older_than_all_does_not_come_in(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RMDT_PATHS_MAX; i++)
		put(i, "192.0.2.1", 1000 + i, NOW + i);
	put(1000, "192.0.2.1", 5000, NOW - 1);
	assert_int_equal(paths.n, RMDT_PATHS_MAX);
	assert_int_equal(rate_of(0, "192.0.2.1", NOW), 1000);
	assert_int_equal(rate_of(1000, "192.0.2.1", NOW), 0);
}

static void test_not_worth_it(void **state)
{
	struct rmdt_path path = path_of(1, "192.0.2.1", 1000, NOW);

	(void)state;
	path.rtt_us = RMDT_PATHS_LEAST_RTT_US - 1;
	rmdt_paths_put(&paths, &path);
	path.rtt_us = RMDT_PATHS_MOST_RTT_US + 1;
	rmdt_paths_put(&paths, &path);
	put(1, "192.0.2.1", 0, NOW);
	put(1, "192.0.2.1", RMDT_PATHS_MOST_RATE + 1, NOW);
	assert_int_equal(paths.n, 0);
}

static void test_text_and_back(void **state)
{
	static char text[RMDT_PATHS_TEXT_BYTES], again[RMDT_PATHS_TEXT_BYTES];
	char err[RMDT_TRUST_ERR_BYTES];
	size_t len;

	(void)state;
	for (unsigned i = 0; i < RMDT_PATHS_MAX; i++)
		put(i, i % 2 ? "2001:db8:1111:2222:3333:4444:5555:6666" : "203.0.113.255",
		    RMDT_PATHS_MOST_RATE - i,
		    NOW + i % 5);
	len = rmdt_paths_format(&paths, text);
	assert_int_equal(len, strlen(text));
	memset(&paths, 0, sizeof(paths));
	assert_int_equal(rmdt_paths_parse(&paths, "file", text, len, NOW, err), 0);
	assert_int_equal(paths.n, RMDT_PATHS_MAX);
	assert_int_equal(rate_of(7, "2001:db8:1111:2222:3333:4444:5555:6666", NOW),
			 RMDT_PATHS_MOST_RATE - 7);
	assert_int_equal(rmdt_paths_format(&paths, again), len);
	assert_string_equal(again, text);
}

static void test_lines_as_they_should_be(void **state)
{
	static const char text[] = "# a comment\n\n"
		"192.0.2.1 " KEY " rate=58000000 rtt=100012 seen=1800000000\n"
		"  ::ffff:192.0.2.2   " KEY "\trate=1 rtt=2000 seen=1799999999";
	char err[RMDT_TRUST_ERR_BYTES];
	struct rmdt_trust_addr two = address("192.0.2.2");
	struct rmdt_path path;

	(void)state;
	assert_int_equal(rmdt_paths_parse(&paths, "file", text, sizeof(text) - 1, NOW, err), 0);
	assert_int_equal(paths.n, 2);
	path = paths.at[1];
	assert_int_equal(path.rate, 58000000);
	assert_int_equal(path.rtt_us, 100012);
	assert_int_equal(path.seen_s, 1800000000);
	assert_int_equal(path.key[31], 31);
	assert_non_null(rmdt_paths_find(&paths, path.key, &two, NOW));
}

static void test_old_lines_are_left_out(void **state)
{
	static const char text[] = "192.0.2.1 " KEY " rate=58000000 rtt=100012 seen=1000000000\n"
		"192.0.2.2 " KEY " rate=58000000 rtt=100012 seen=1900000000\n";
	char err[RMDT_TRUST_ERR_BYTES];

	(void)state;
	assert_int_equal(rmdt_paths_parse(&paths, "file", text, sizeof(text) - 1, NOW, err), 0);
	assert_int_equal(paths.n, 0);
}

static void test_bad_lines(void **state)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{ "nonsense", "file:2: \"nonsense\": not an address" },
		{ "192.0.2.1", "file:2: " },
		{ "192.0.2.1 rmdt-x25519 AAAA rate=1 rtt=2000 seen=1800000000", "file:2: \"AAAA\"" },
		{ "192.0.2.1 " KEY, "file:2: " },
		{ "192.0.2.1 " KEY " rate=1 rtt=2000", "file:2: " },
		{ "192.0.2.1 " KEY " rate=-1 rtt=2000 seen=1800000000", "file:2: \"rate=-1\"" },
		{ "192.0.2.1 " KEY " rate= rtt=2000 seen=1800000000", "file:2: \"rate=\"" },
		{ "192.0.2.1 " KEY " rate=99999999999999999999 rtt=2000 seen=1800000000", "file:2: \"rate=999" },
		{ "192.0.2.1 " KEY " rate=1 rtt=20 seen=1800000000", "file:2: impossible" },
		{ "192.0.2.1 " KEY " rate=0 rtt=2000 seen=1800000000", "file:2: impossible" },
		{ "192.0.2.1 " KEY " rate=1 rtt=2000 seen=1800000000 more", "file:2: \"more\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[1024], err[RMDT_TRUST_ERR_BYTES] = "";

		setup(NULL);
		strcpy(text, "192.0.2.8 " KEY " rate=8 rtt=2000 seen=1800000000\n");
		strcat(text, rows[i].line);
		strcat(text, "\n192.0.2.9 " KEY " rate=9 rtt=2000 seen=1800000000\nworse\n");
		assert_int_equal(rmdt_paths_parse(&paths, "file", text, strlen(text), NOW, err), 2);
		assert_memory_equal(err, rows[i].says, strlen(rows[i].says));
		/* The others stand. */
		assert_int_equal(paths.n, 2);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_by_key_and_address, setup),
		cmocka_unit_test_setup(test_the_newer_counts, setup),
		cmocka_unit_test_setup(test_age, setup),
		cmocka_unit_test_setup(test_the_oldest_goes, setup),
		cmocka_unit_test_setup(test_what_is_older_than_all_does_not_come_in, setup),
		cmocka_unit_test_setup(test_not_worth_it, setup),
		cmocka_unit_test_setup(test_text_and_back, setup),
		cmocka_unit_test_setup(test_lines_as_they_should_be, setup),
		cmocka_unit_test_setup(test_old_lines_are_left_out, setup),
		cmocka_unit_test_setup(test_bad_lines, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

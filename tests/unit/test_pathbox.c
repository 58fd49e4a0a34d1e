/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE	/* nftw */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/address.h"
#include "io/pathbox.h"
#include "tests/unit/tree.h"

static const uint8_t key[RMDT_TRUST_KEY_BYTES] = { 1, 2, 3 };
static char dir[64], file[80], said[RMDT_LOG_LINE_BYTES];
static unsigned lines;
static _Atomic unsigned failures;	/* to write */

static void hear(void *ctx, int level, const char *line)
{
	(void)ctx;
	failures += strstr(line, "cannot write") != NULL;
	if (level > RMDT_LOG_WARNING)
		return;
	lines++;
	snprintf(said, sizeof(said), "%s", line);
}

static const struct rmdt_log box_log = { .write = hear, .level = RMDT_LOG_DEBUG };

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/rmdt-paths-XXXXXX");
	lines = 0;
	failures = 0;
	said[0] = '\0';
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/paths", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(dir);
}

static struct rmdt_addr address(uint32_t host, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host) };
	struct rmdt_addr addr;

	assert_true(rmdt_address_set(&addr, (struct sockaddr *)&sin, sizeof(sin)));
	return addr;
}

/* An engine's life in which this was learned; 0: nothing. */
static void live(bool on, uint32_t host, uint64_t rate)
{
	struct rmdt_addr addr = address(host, 1111);
	struct rmdt_pathbox box;

	rmdt_pathbox_init(&box, dir, on, &box_log);
	if (rate > 0)
		rmdt_pathbox_learn(&box, key, &addr, rate, 50000);
	rmdt_pathbox_fini(&box);
}

/* What another one finds; 0: nothing. */
static uint64_t recall(bool on, uint32_t host)
{
	struct rmdt_addr addr = address(host, 2222);
	uint64_t rate = 0, rtt_us = 0;
	struct rmdt_pathbox box;

	rmdt_pathbox_init(&box, dir, on, &box_log);
	if (rmdt_pathbox_find(&box, key, &addr, &rate, &rtt_us))
		assert_int_equal(rtt_us, 50000);
	rmdt_pathbox_fini(&box);
	return rate;
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "a");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_from_one_to_the_next(void **state)
{
	struct stat st;

	(void)state;
	live(true, 0x0a000001, 1000000);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(recall(true, 0x0a000001), 1000000);
	assert_int_equal(recall(true, 0x0a000002), 0);
	live(true, 0x0a000002, 3000000);
	live(true, 0x0a000001, 2000000);
	assert_int_equal(recall(true, 0x0a000001), 2000000);
	assert_int_equal(recall(true, 0x0a000002), 3000000);
	assert_int_equal(lines, 0);
}

static void test_nothing_learned_nothing_written(void **state)
{
	struct rmdt_addr addr = address(0x7f000001, 1);
	struct rmdt_pathbox box;

	(void)state;
	live(true, 0x0a000001, 0);
	rmdt_pathbox_init(&box, dir, true, &box_log);
	rmdt_pathbox_learn(&box, key, &addr, 1000000, RMDT_PATHS_LEAST_RTT_US - 1);
	rmdt_pathbox_fini(&box);
	assert_int_equal(access(file, F_OK), -1);
}

static void test_off(void **state)
{
	(void)state;
	live(false, 0x0a000001, 1000000);
	assert_int_equal(access(file, F_OK), -1);
	live(true, 0x0a000001, 1000000);
	assert_int_equal(recall(false, 0x0a000001), 0);
}

/*
 * A process that is killed has written what it learned before: at once, and then not more often
 * than now and then.
 */
static void test_written_before_the_end(void **state)
{
	struct rmdt_addr one = address(0x0a000001, 1), two = address(0x0a000002, 1);
	struct rmdt_pathbox box;

	(void)state;
	rmdt_pathbox_init(&box, dir, true, &box_log);
	rmdt_pathbox_learn(&box, key, &one, 1000000, 50000);
	for (unsigned i = 0; i < 5000 && access(file, F_OK) < 0; i++)
		usleep(1000);
	assert_int_equal(recall(true, 0x0a000001), 1000000);
	rmdt_pathbox_learn(&box, key, &two, 2000000, 50000);
	rmdt_pathbox_fini(&box);
	assert_int_equal(recall(true, 0x0a000001), 1000000);
	assert_int_equal(recall(true, 0x0a000002), 2000000);
}

/* Two engines at once: what the one wrote while the other lived is kept. */
static void test_two_at_once(void **state)
{
	struct rmdt_addr addr = address(0x0a000001, 1);
	struct rmdt_pathbox box;

	(void)state;
	rmdt_pathbox_init(&box, dir, true, &box_log);
	rmdt_pathbox_learn(&box, key, &addr, 1000000, 50000);
	live(true, 0x0a000002, 2000000);
	rmdt_pathbox_fini(&box);
	assert_int_equal(recall(true, 0x0a000001), 1000000);
	assert_int_equal(recall(true, 0x0a000002), 2000000);
}

static void test_bad_lines_are_named_and_harmless(void **state)
{
	(void)state;
	live(true, 0x0a000001, 1000000);
	write_file("what is this?\nand this\n");
	assert_int_equal(recall(true, 0x0a000001), 1000000);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(said, "/paths:3: \"what\""));
	assert_non_null(strstr(said, "2 such lines"));
	/* They are gone with the next writing. */
	live(true, 0x0a000002, 2000000);
	lines = 0;
	assert_int_equal(recall(true, 0x0a000001), 1000000);
	assert_int_equal(lines, 0);
}

static void test_other_things_in_its_place(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(recall(true, 0x0a000001), 0);
	assert_int_equal(lines, 1);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(recall(true, 0x0a000001), 0);
	/* It cannot be written, and nothing fails. */
	live(true, 0x0a000001, 1000000);
	assert_int_equal(rmdir(file), 0);
}

/* What could not be written at once is written at the end. */
static void test_writing_fails_for_a_while(void **state)
{
	struct rmdt_addr addr = address(0x0a000001, 1);
	struct rmdt_pathbox box;

	(void)state;
	assert_int_equal(mkdir(file, 0700), 0);
	rmdt_pathbox_init(&box, dir, true, &box_log);
	rmdt_pathbox_learn(&box, key, &addr, 1000000, 50000);
	for (unsigned i = 0; i < 5000 && failures == 0; i++)
		usleep(1000);
	assert_int_equal(failures, 1);
	assert_int_equal(rmdir(file), 0);
	rmdt_pathbox_fini(&box);
	assert_int_equal(recall(true, 0x0a000001), 1000000);
}

/* What others may write is not read; the next learning puts a file of ours in its place. */
static void test_open_to_others(void **state)
{
	struct stat st;

	(void)state;
	live(true, 0x0a000001, 1000000);
	assert_int_equal(recall(true, 0x0a000001), 1000000);
	assert_int_equal(chmod(file, 0622), 0);
	assert_int_equal(recall(true, 0x0a000001), 0);
	live(true, 0x0a000001, 2000000);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(recall(true, 0x0a000001), 2000000);
}

static void test_leaves_no_other_files(void **state)
{
	struct dirent *entry;
	unsigned n = 0;
	DIR *d;

	(void)state;
	live(true, 0x0a000001, 1000000);
	live(true, 0x0a000001, 2000000);
	d = opendir(dir);
	assert_non_null(d);
	while ((entry = readdir(d)))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(d);
	assert_int_equal(n, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_from_one_to_the_next, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_learned_nothing_written, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written_before_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_lines_are_named_and_harmless, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_other_things_in_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_writing_fails_for_a_while, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open_to_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leaves_no_other_files, setup, teardown),
	};

	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

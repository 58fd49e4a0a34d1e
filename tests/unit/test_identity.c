/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE	/* nftw */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/x25519.h"
#include "io/identity.h"
#include "io/random.h"
#include "tests/unit/tree.h"

#define A "rmdt-x25519 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="	/* 00 01 .. 1f */
#define PROCESSES 8

/* Each test has a directory of its own, with a directory in it that does not exist yet. */
struct place {
	char top[64];
	char dir[80];
};

static int setup(void **state)
{
	struct place *p = malloc(sizeof *p);

	strcpy(p->top, "/tmp/rmdt-identity-XXXXXX");
	if (!mkdtemp(p->top))
		return -1;
	snprintf(p->dir, sizeof p->dir, "%s/.dexor", p->top);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	tree_remove(p->top);
	free(p);
	return 0;
}

static const char *file(const struct place *p, const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", p->dir, name);
	return path;
}

static void put(const struct place *p, const char *name, const char *text, mode_t mode)
{
	FILE *f;

	mkdir(p->dir, 0700);
	f = fopen(file(p, name), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fchmod(fileno(f), mode), 0);
	fclose(f);
}

static void get(const struct place *p, const char *name, char *text, size_t cap)
{
	FILE *f = fopen(file(p, name), "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, cap - 1, f);
	text[n] = '\0';
	fclose(f);
}

static void check_err(const char *err, const char *a, const char *b)
{
	if (!strstr(err, a) || !strstr(err, b))
		fail_msg("'%s' lacks '%s' or '%s'", err, a, b);
}

static void test_first_use(void **state)
{
	const struct place *p = *state;
	struct rmdt_identity one, two;
	char err[RMDT_TRUST_ERR_BYTES] = "";
	uint8_t pub[32];
	struct stat st;

	assert_int_equal(rmdt_identity_load(p->dir, &one, err), 0);
	assert_true(one.is_new);
	assert_int_equal(stat(p->dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(file(p, "id"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(rmdt_identity_load(p->dir, &two, err), 0);
	assert_false(two.is_new);
	assert_memory_equal(one.priv, two.priv, 32);
	assert_int_equal(rmdt_x25519_public(one.priv, pub), 0);
	assert_memory_equal(one.pub, pub, 32);
	assert_memory_equal(two.pub, pub, 32);
	rmdt_identity_wipe(&one);
	rmdt_identity_wipe(&two);
	assert_memory_not_equal(one.priv, pub, 32);
}

/* Starts PROCESSES children that all wait for the same moment; returns what they wrote. */
static void race(int (*child)(const struct place *p, int out), const struct place *p,
		 uint8_t out[PROCESSES][33])
{
	int gate[2], result[2];
	char byte;

	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(result), 0);
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			close(gate[1]);
			_exit(read(gate[0], &byte, 1) != 0 || child(p, result[1]) < 0);
		}
	}
	close(gate[1]);		/* all go */
	close(gate[0]);
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
		assert_int_equal(read(result[0], out[i], 33), 33);
	}
	close(result[0]);
	close(result[1]);
}

static int load_child(const struct place *p, int out)
{
	struct rmdt_identity id;
	char err[RMDT_TRUST_ERR_BYTES];
	uint8_t line[33];

	if (rmdt_identity_load(p->dir, &id, err) < 0)
		return -1;
	line[0] = id.is_new;
	memcpy(line + 1, id.pub, 32);
	return write(out, line, 33) == 33 ? 0 : -1;
}

static void test_first_use_race(void **state)
{
	const struct place *p = *state;
	uint8_t out[PROCESSES][33];
	int made = 0;

	race(load_child, p, out);
	for (int i = 0; i < PROCESSES; i++) {
		made += out[i][0];
		assert_memory_equal(out[i] + 1, out[0] + 1, 32);
	}
	assert_int_equal(made, 1);
	/* Nothing but the key is left behind. */
	assert_int_equal(unlink(file(p, "id")), 0);
	assert_int_equal(rmdir(p->dir), 0);
}

static void test_bad_key_file(void **state)
{
	const struct place *p = *state;
	struct rmdt_identity id = { .is_new = true }, before = id;
	char err[RMDT_TRUST_ERR_BYTES];

	put(p, "id", "rmdt-x25519-private nonsense\n", 0600);
	assert_int_equal(rmdt_identity_load(p->dir, &id, err), -EINVAL);
	check_err(err, "/id: line 1: not a key", "");
	assert_null(strstr(err, "nonsense"));
	put(p, "id", "", 0600);
	assert_int_equal(rmdt_identity_load(p->dir, &id, err), -EINVAL);
	check_err(err, "/id: there is no key in it", "");
	assert_int_equal(unlink(file(p, "id")), 0);
	assert_int_equal(mkdir(file(p, "id"), 0700), 0);
	assert_int_equal(rmdt_identity_load(p->dir, &id, err), -EINVAL);
	check_err(err, "/id: not a regular file", "");
	assert_int_equal(rmdir(file(p, "id")), 0);
	assert_int_equal(mkfifo(file(p, "id"), 0600), 0);	/* must not hang */
	assert_int_equal(rmdt_identity_load(p->dir, &id, err), -EINVAL);
	assert_memory_equal(&id, &before, sizeof id);
}

static void test_permissions(void **state)
{
	const struct place *p = *state;
	struct rmdt_authorized *list;
	struct rmdt_hosts *hosts;
	struct rmdt_identity id;
	char err[RMDT_TRUST_ERR_BYTES];

	assert_int_equal(rmdt_identity_load(p->dir, &id, err), 0);
	assert_int_equal(chmod(file(p, "id"), 0640), 0);
	assert_int_equal(rmdt_identity_load(p->dir, &id, err), -EPERM);
	check_err(err, "/id: mode 0640 is too open", "chmod go=");
	assert_int_equal(chmod(file(p, "id"), 0400), 0);
	assert_int_equal(rmdt_identity_load(p->dir, &id, err), 0);

	put(p, "authorized_keys", A "\n", 0664);
	assert_int_equal(rmdt_identity_authorized(p->dir, &list, err), -EPERM);
	check_err(err, "/authorized_keys: mode 0664 is too open", "chmod go-w");
	put(p, "known_hosts", "h " A "\n", 0606);
	assert_int_equal(rmdt_identity_hosts(p->dir, &hosts, err), -EPERM);
	assert_int_equal(chmod(file(p, "authorized_keys"), 0644), 0);
	assert_int_equal(rmdt_identity_authorized(p->dir, &list, err), 0);
	assert_int_equal(rmdt_authorized_count(list), 1);
	rmdt_authorized_free(list);

	assert_int_equal(chmod(p->dir, 0777), 0);
	assert_int_equal(rmdt_identity_authorized(p->dir, &list, err), -EPERM);
	assert_int_equal(rmdt_identity_load(p->dir, &id, err), -EPERM);
	check_err(err, "/.dexor: mode 0777 is too open", "");
}

/* As root: a file of somebody else is refused, whatever its mode. */
static void test_owner(void **state)
{
	const struct place *p = *state;
	struct rmdt_identity id;
	char err[RMDT_TRUST_ERR_BYTES];

	if (geteuid() != 0)
		skip();
	assert_int_equal(rmdt_identity_load(p->dir, &id, err), 0);
	assert_int_equal(chown(file(p, "id"), 12345, (gid_t)-1), 0);
	assert_int_equal(rmdt_identity_load(p->dir, &id, err), -EPERM);
	check_err(err, "belongs to user 12345", "");
}

static void test_lists(void **state)
{
	const struct place *p = *state;
	struct rmdt_authorized *list = (void *)p;
	struct rmdt_hosts *hosts;
	char err[RMDT_TRUST_ERR_BYTES];
	uint8_t key[32] = { 0 };

	/* None there: no list at all, and no pins. */
	assert_int_equal(rmdt_identity_authorized(p->dir, &list, err), 0);
	assert_null(list);
	assert_int_equal(rmdt_identity_hosts(p->dir, &hosts, err), 0);
	assert_int_equal(rmdt_hosts_check(hosts, "h", 2312, key, NULL), RMDT_HOSTS_UNKNOWN);
	rmdt_hosts_free(hosts);

	/* There but empty: a list that allows nobody. */
	put(p, "authorized_keys", "", 0600);
	assert_int_equal(rmdt_identity_authorized(p->dir, &list, err), 0);
	assert_non_null(list);
	assert_int_equal(rmdt_authorized_count(list), 0);
	rmdt_authorized_free(list);

	put(p, "authorized_keys", A "\nonly=x " A "\n", 0600);
	assert_int_equal(rmdt_identity_authorized(p->dir, &list, err), -EINVAL);
	check_err(err, "/authorized_keys:2: \"x\": only= takes", "");
	put(p, "known_hosts", "\nh:x " A "\n", 0600);
	assert_int_equal(rmdt_identity_hosts(p->dir, &hosts, err), -EINVAL);
	check_err(err, "/known_hosts:2: \"x\": not a port number", "");
}

static void test_pin(void **state)
{
	const struct place *p = *state;
	uint8_t a[32], b[32] = { 9 };
	char err[RMDT_TRUST_ERR_BYTES], text[1024];
	bool added = false;
	struct stat st;

	for (uint8_t i = 0; i < 32; i++)
		a[i] = i;
	assert_int_equal(rmdt_identity_pin(p->dir, "Host", 2312, a, &added, err), 0);
	assert_true(added);
	get(p, "known_hosts", text, sizeof text);
	assert_string_equal(text, "host:2312 " A "\n");
	assert_int_equal(stat(file(p, "known_hosts"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	assert_int_equal(rmdt_identity_pin(p->dir, "host", 2312, a, &added, err), 0);
	assert_false(added);
	assert_int_equal(rmdt_identity_pin(p->dir, "host", 2312, b, &added, err), -EKEYREJECTED);
	check_err(err, "/known_hosts: line 1 has another key", "");
	assert_int_equal(rmdt_identity_pin(p->dir, "a b", 2312, b, &added, err), -EINVAL);
	get(p, "known_hosts", text, sizeof text);
	assert_string_equal(text, "host:2312 " A "\n");

	/* Behind a last line without newline, and never into a file with a mistake in it. */
	put(p, "known_hosts", "other " A, 0600);
	assert_int_equal(rmdt_identity_pin(p->dir, "::1", 1, a, &added, err), 0);
	assert_true(added);
	get(p, "known_hosts", text, sizeof text);
	assert_string_equal(text, "other " A "\n[::1]:1 " A "\n");
	put(p, "known_hosts", "mistake\n", 0600);
	assert_int_equal(rmdt_identity_pin(p->dir, "h", 1, a, &added, err), -EINVAL);
	check_err(err, "/known_hosts:1: ", "");
}

/* Every process pins its own host and one that all have in common. */
static int pin_child(const struct place *p, int out)
{
	char host[32], err[RMDT_TRUST_ERR_BYTES];
	uint8_t key[32] = { 3 }, line[33] = { 0 };
	bool own = false, common = false;

	snprintf(host, sizeof host, "host-%d", (int)getpid());
	if (rmdt_identity_pin(p->dir, host, 2312, key, &own, err) < 0 ||
	    rmdt_identity_pin(p->dir, "common", 2312, key, &common, err) < 0)
		return -1;
	line[0] = own;
	line[1] = common;
	return write(out, line, 33) == 33 ? 0 : -1;
}

static void test_pin_race(void **state)
{
	const struct place *p = *state;
	uint8_t out[PROCESSES][33];
	int own = 0, common = 0, lines = 0;
	char text[4096];

	race(pin_child, p, out);
	for (int i = 0; i < PROCESSES; i++) {
		own += out[i][0];
		common += out[i][1];
	}
	assert_int_equal(own, PROCESSES);
	assert_int_equal(common, 1);
	get(p, "known_hosts", text, sizeof text);
	for (char *c = text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, PROCESSES + 1);
}

static void test_psk(void **state)
{
	const struct place *p = *state;
	uint8_t psk[32];
	char err[RMDT_TRUST_ERR_BYTES];

	assert_int_equal(rmdt_identity_psk(file(p, "psk"), psk, err), -ENOENT);
	check_err(err, "/psk: cannot open: No such file", "");
	put(p, "psk", "too short", 0600);
	assert_int_equal(rmdt_identity_psk(file(p, "psk"), psk, err), -EINVAL);
	check_err(err, "/psk: too short: a pre-shared key is at least 32 random bytes", "");
	put(p, "psk", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0644);
	assert_int_equal(rmdt_identity_psk(file(p, "psk"), psk, err), -EPERM);
	assert_int_equal(chmod(file(p, "psk"), 0600), 0);
	assert_int_equal(rmdt_identity_psk(file(p, "psk"), psk, err), 0);
	assert_int_equal(psk[0], 0xfa);
	assert_int_equal(psk[31], 0x9e);
}

static void test_dir(void **state)
{
	const struct place *p = *state;
	char out[RMDT_IDENTITY_PATH_BYTES], err[RMDT_TRUST_ERR_BYTES];

	assert_int_equal(setenv("HOME", p->top, 1), 0);
	assert_int_equal(rmdt_identity_dir(false, out, sizeof out, err), 0);
	assert_string_equal(out, p->dir);
	assert_int_equal(rmdt_identity_dir(false, out, strlen(p->dir), err), -ENAMETOOLONG);
	assert_int_equal(rmdt_identity_dir(true, out, sizeof out, err), 0);
	assert_string_equal(out, "/etc/dexor");
	assert_int_equal(unsetenv("HOME"), 0);
	assert_int_equal(rmdt_identity_dir(false, out, sizeof out, err), -ENOENT);
	check_err(err, "HOME", "not set");
}

/* A parent that does not exist is the user's to make. */
static void test_no_parent(void **state)
{
	const struct place *p = *state;
	struct rmdt_identity id;
	char err[RMDT_TRUST_ERR_BYTES];

	assert_int_equal(rmdt_identity_load(file(p, "deep"), &id, err), -ENOENT);
	check_err(err, "/deep: cannot make the directory: No such file", "");
}

static void test_random(void **state)
{
	uint8_t a[600] = { 0 }, b[600] = { 0 };
	int zeros = 0;

	(void)state;
	rmdt_random_bytes(a, sizeof a - 1);
	rmdt_random_bytes(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
	assert_int_equal(a[599], 0);
	for (int i = 0; i < 599; i++)
		zeros += a[i] == 0;
	assert_true(zeros < 60);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_first_use),
		TEST(test_first_use_race),
		TEST(test_bad_key_file),
		TEST(test_permissions),
		TEST(test_owner),
		TEST(test_lists),
		TEST(test_pin),
		TEST(test_pin_race),
		TEST(test_psk),
		TEST(test_dir),
		TEST(test_no_parent),
		TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

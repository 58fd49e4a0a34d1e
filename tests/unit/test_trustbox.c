/* SPDX-License-Identifier: Apache-2.0 */
/* Who is let in and whom we believe, over real files in a folder of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/address.h"
#include "io/trustbox.h"

static const uint8_t key_a[RMDT_KEY_BYTES] = { 1, 2, 3 }, key_b[RMDT_KEY_BYTES] = { 4, 5, 6 };

struct place {
	char dir[64];
	struct rmdt_config_values v;
	struct rmdt_log log;
	unsigned lines;
	char last[1024];
	struct rmdt_trustbox box;
};

static void keep_line(void *ctx, int level, const char *line)
{
	struct place *p = ctx;

	(void)level;
	p->lines++;
	snprintf(p->last, sizeof(p->last), "%s", line);
}

static void open_box(struct place *p)
{
	char err[RMDT_ERROR_BYTES];

	assert_int_equal(rmdt_trustbox_init(&p->box, &p->v, &p->log, err), 0);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/rmdt-trustbox-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	rmdt_config_values(NULL, &p->v);
	p->v.identity = p->dir;
	p->log.level = RMDT_LOG_WARNING;
	p->log.write = keep_line;
	p->log.ctx = p;
	open_box(p);
	*state = p;
	return 0;
}

static void remove_file(const struct place *p, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	unlink(path);
}

static int teardown(void **state)
{
	struct place *p = *state;

	rmdt_trustbox_fini(&p->box);
	remove_file(p, "id");
	remove_file(p, "id.pub");
	remove_file(p, "known_hosts");
	remove_file(p, "authorized_keys");
	remove_file(p, ".lock");
	rmdir(p->dir);
	free(p);
	return 0;
}

static void write_file(const struct place *p, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int believe(struct place *p, const char *host, uint16_t port, const uint8_t *key, char *err)
{
	struct rmdt_admission a = { .key = key, .host = host, .port = port };

	return rmdt_trustbox_believe(&p->box, &a, err);
}

/*
 * First use pins, with one line; the same key is then believed without one, another is not, and
 * another port is another host.
 */
static void test_first_use(void **state)
{
	struct place *p = *state;
	char err[RMDT_ERROR_BYTES] = "";

	assert_int_equal(believe(p, "relay.example", 4453, key_a, err), 0);
	assert_int_equal(p->lines, 1);
	assert_non_null(strstr(p->last, "pinned the key SHA256:"));
	assert_non_null(strstr(p->last, "\"relay.example\""));
	assert_int_equal(believe(p, "Relay.example.", 4453, key_a, err), 0);
	assert_int_equal(p->lines, 1);
	assert_string_equal(err, "");
	assert_int_equal(believe(p, "relay.example", 4453, key_b, err), -EKEYREJECTED);
	assert_non_null(strstr(err, "\"relay.example\" has changed"));
	assert_non_null(strstr(err, p->dir));
	assert_non_null(strstr(err, "known_hosts:1 "));
	assert_int_equal(believe(p, "relay.example", 4454, key_b, err), 0);
	assert_int_equal(p->lines, 2);
	/* What was pinned is there for whoever comes later. */
	rmdt_trustbox_fini(&p->box);
	open_box(p);
	assert_int_equal(believe(p, "relay.example", 4453, key_a, err), 0);
	assert_int_equal(believe(p, "relay.example", 4453, key_b, err), -EKEYREJECTED);
	assert_int_equal(p->lines, 2);
}

/* Another process was faster: our list does not know it yet. */
static void test_pinned_meanwhile(void **state)
{
	struct place *p = *state;
	struct rmdt_trustbox other;
	struct rmdt_admission a = { .key = key_a, .host = "h", .port = 1 };
	char err[RMDT_ERROR_BYTES] = "";

	assert_int_equal(rmdt_trustbox_init(&other, &p->v, &p->log, err), 0);
	assert_int_equal(rmdt_trustbox_believe(&other, &a, err), 0);
	rmdt_trustbox_fini(&other);
	assert_int_equal(believe(p, "h", 1, key_b, err), -EKEYREJECTED);
	assert_non_null(strstr(err, "another key"));
}

static void test_strict(void **state)
{
	struct place *p = *state;
	char err[RMDT_ERROR_BYTES] = "";

	assert_int_equal(believe(p, "known", 1, key_a, err), 0);
	p->box.strict = true;
	assert_int_equal(believe(p, "known", 1, key_a, err), 0);
	assert_int_equal(believe(p, "unknown", 1, key_a, err), -EKEYREJECTED);
	assert_non_null(strstr(err, "strict"));
}

static unsigned inbound(struct place *p, bool accept, bool ask, bool *listed)
{
	struct rmdt_addr from = { 0 };
	struct rmdt_admission a = { .key = key_a, .from = &from, .purpose = RMDT_TUNNEL, .accept_unlisted = accept,
				    .ask_unlisted = ask };
	unsigned code = rmdt_trustbox_inbound(&p->box, &a);

	*listed = a.listed;
	return code;
}

/*
 * Whoever is not listed is put to the application: silently, also where there is a list, and never
 * when strict.
 */
static void test_ask_unlisted(void **state)
{
	struct place *p = *state;
	char line[RMDT_HOSTS_LINE_BYTES], base64[RMDT_TRUST_BASE64_BYTES], err[RMDT_ERROR_BYTES];
	bool listed;

	assert_int_equal(inbound(p, false, false, &listed), RMDT_CODE_UNAUTHORISED);
	p->lines = 0;
	assert_int_equal(inbound(p, false, true, &listed), 0);
	assert_false(listed);
	assert_int_equal(p->lines, 0);

	rmdt_trust_base64(key_b, base64);
	snprintf(line, sizeof(line), "rmdt-x25519 %s\n", base64);
	write_file(p, "authorized_keys", line);
	assert_int_equal(rmdt_trustbox_reload(&p->box, err), 0);
	assert_int_equal(inbound(p, true, false, &listed), RMDT_CODE_UNAUTHORISED);
	assert_int_equal(inbound(p, true, true, &listed), 0);
	assert_false(listed);

	/* What a line says about a known key stands. */
	rmdt_trust_base64(key_a, base64);
	snprintf(line, sizeof(line), "only=pipe rmdt-x25519 %s\n", base64);
	write_file(p, "authorized_keys", line);
	assert_int_equal(rmdt_trustbox_reload(&p->box, err), 0);
	assert_int_equal(inbound(p, true, true, &listed), RMDT_CODE_UNAUTHORISED);

	write_file(p, "authorized_keys", "");
	assert_int_equal(rmdt_trustbox_reload(&p->box, err), 0);
	p->box.strict = true;
	assert_int_equal(inbound(p, true, true, &listed), RMDT_CODE_UNAUTHORISED);
}

/* A stranger who comes again and again does not fill the disk. */
static void test_refusals_are_told_now_and_then(void **state)
{
	struct place *p = *state;
	struct rmdt_log_limit limit = { 0 };
	const uint64_t every = RMDT_LOG_EVERY_US;
	unsigned untold = 99;
	bool listed;

	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(inbound(p, false, false, &listed), RMDT_CODE_UNAUTHORISED);
	assert_in_range(p->lines, RMDT_LOG_BURST, 2 * RMDT_LOG_BURST);

	for (unsigned i = 0; i < RMDT_LOG_BURST; i++) {
		assert_true(rmdt_log_may(&limit, 1000, &untold));
		assert_int_equal(untold, 0);
	}
	assert_false(rmdt_log_may(&limit, 1000, &untold));
	assert_false(rmdt_log_may(&limit, 999 + every, &untold));
	assert_true(rmdt_log_may(&limit, 1000 + every, &untold));
	assert_int_equal(untold, 2);
	assert_false(rmdt_log_may(&limit, 1000 + every, &untold));
	assert_true(rmdt_log_may(&limit, 1000 + 100 * every, &untold));
	assert_int_equal(untold, 1);
	for (unsigned i = 1; i < RMDT_LOG_BURST; i++)
		assert_true(rmdt_log_may(&limit, 1000 + 100 * every, &untold));
	assert_false(rmdt_log_may(&limit, 1000 + 100 * every, &untold));
}

/* Names and reasons come from strangers: they must not steer a terminal. */
static void test_lines_are_tame(void **state)
{
	struct place *p = *state;

	rmdt_log(&p->log, RMDT_LOG_WARNING, "%s",
		 "a\nb\x1b[2J\x7f \xc2\x9b" "2J \xc3\xa9\xc2\xa0\xc2");
	assert_string_equal(p->last, "a?b?[2J? ??2J \xc3\xa9\xc2\xa0\xc2");
}

/* What a line says about addresses counts as long as the association lives. */
static void test_moved(void **state)
{
	struct place *p = *state;
	char line[RMDT_HOSTS_LINE_BYTES], base64[RMDT_TRUST_BASE64_BYTES], err[RMDT_ERROR_BYTES];
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a010203) };
	struct rmdt_addr from;
	struct rmdt_admission a = { .key = key_a, .from = &from, .purpose = RMDT_TUNNEL };

	rmdt_trust_base64(key_a, base64);
	snprintf(line, sizeof(line), "from=10.1.0.0/16 rmdt-x25519 %s\n", base64);
	write_file(p, "authorized_keys", line);
	assert_int_equal(rmdt_trustbox_reload(&p->box, err), 0);
	assert_true(rmdt_address_set(&from, (struct sockaddr *)&sin, sizeof(sin)));
	assert_int_equal(rmdt_trustbox_moved(&p->box, &a), 0);
	sin.sin_addr.s_addr = htonl(0x0a020203);
	assert_true(rmdt_address_set(&from, (struct sockaddr *)&sin, sizeof(sin)));
	assert_int_equal(rmdt_trustbox_moved(&p->box, &a), RMDT_CODE_UNAUTHORISED);
	assert_non_null(strstr(a.reason, "not from this address"));
	/* Who came in without a line may go where it likes. */
	a.key = key_b;
	assert_int_equal(rmdt_trustbox_moved(&p->box, &a), 0);
}

/*
 * The line for a new address is not that for the old one: it counts as it would for who comes in
 * from there.
 */
static void test_moved_to_another_line(void **state)
{
	struct place *p = *state;
	char lines[2 * RMDT_HOSTS_LINE_BYTES], base64[RMDT_TRUST_BASE64_BYTES], err[RMDT_ERROR_BYTES];
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a010203) };
	struct rmdt_addr from;
	struct rmdt_admission a = { .key = key_a, .from = &from, .purpose = RMDT_TUNNEL,
				    .may = RMDT_MAY_ALL };

	rmdt_trust_base64(key_a, base64);
	snprintf(lines, sizeof(lines),
		 "from=10.1.0.0/16 rmdt-x25519 %s\nfrom=10.2.0.0/16,only=pipe rmdt-x25519 %s\n",
		 base64, base64);
	write_file(p, "authorized_keys", lines);
	assert_int_equal(rmdt_trustbox_reload(&p->box, err), 0);
	assert_true(rmdt_address_set(&from, (struct sockaddr *)&sin, sizeof(sin)));
	assert_int_equal(rmdt_trustbox_moved(&p->box, &a), 0);
	assert_int_equal(a.may, RMDT_MAY_ALL);
	sin.sin_addr.s_addr = htonl(0x0a020203);
	assert_true(rmdt_address_set(&from, (struct sockaddr *)&sin, sizeof(sin)));
	assert_int_equal(rmdt_trustbox_moved(&p->box, &a), RMDT_CODE_UNAUTHORISED);
	assert_non_null(strstr(a.reason, "not for this purpose"));
	a.purpose = RMDT_PIPE;
	assert_int_equal(rmdt_trustbox_moved(&p->box, &a), 0);
	assert_int_equal(a.may, RMDT_MAY_PIPE);
	/* Without a line it may what it might. */
	a.key = key_b;
	a.may = RMDT_MAY_FS;
	assert_int_equal(rmdt_trustbox_moved(&p->box, &a), 0);
	assert_int_equal(a.may, RMDT_MAY_FS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_use, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pinned_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strict, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ask_unlisted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals_are_told_now_and_then, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_lines_are_tame, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moved_to_another_line, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

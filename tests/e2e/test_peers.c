/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public interface between engines of one process, over loopback: trust, beginnings and ends of
 * associations.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/e2e/kit.h"

#define MIB (UINT64_C(1) << 20)

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- trust ---- */

static void write_file(const struct kit_node *n, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", n->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, 0600);
}

/* The 32 bytes of a key and a newline. */
static void base64_line(const uint8_t *key, char *p)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < 32; i += 3) {
		unsigned v = (unsigned)key[i] << 16 | (unsigned)key[i + 1] << 8 | (i + 2 < 32 ? key[i + 2] : 0);

		*p++ = digits[v >> 18];
		*p++ = digits[v >> 12 & 63];
		*p++ = digits[v >> 6 & 63];
		*p++ = i + 2 < 32 ? digits[v & 63] : '=';
	}
	strcpy(p, "\n");
}

/* An empty list lets nobody in; a reload with the key in it does. */
static void test_authorized(void **state)
{
	struct kit_node a = { 0 }, b = { 0 };
	char line[256], text[RMDT_ERROR_BYTES];
	struct rmdt_peer_info info;
	uint8_t key[RMDT_KEY_BYTES];

	(void)state;
	kit_start(&a);
	snprintf(b.dir, sizeof(b.dir), "/tmp/rmdt-kit-XXXXXX");
	assert_non_null(mkdtemp(b.dir));
	write_file(&b, "authorized_keys", "# nobody yet\n");
	kit_start(&b);
	kit_connect(&a, &b);
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 1);
	assert_int_equal(a.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_UNAUTHORISED);
	assert_int_equal(kit_count(&b, RMDT_EVENT_PEER_UP), 0);

	rmdt_engine_key(a.engine, key);
	snprintf(line, sizeof(line), "only=pipe rmdt-x25519 ");
	base64_line(key, line + strlen(line));
	write_file(&b, "authorized_keys", line);
	if (rmdt_engine_reload(b.engine, text))
		fail_msg("%s", text);
	rmdt_peer_info(kit_connect_up(&a, &b), &info);
	assert_true(info.up);
	kit_stop_all(&a, &b);
}

static void test_admit(void **state)
{
	struct kit_node a = { 0 }, b = { .admit_code = 3003 };

	(void)state;
	kit_start_all(&a, &b);
	kit_connect(&a, &b);
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 1);
	assert_int_equal(a.last[RMDT_EVENT_PEER_DOWN].code, 3003);
	kit_stop_all(&a, &b);
}

static bool has_file(const struct kit_node *n, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", n->dir, name);
	return access(path, F_OK) == 0;
}

/* The key of a host is pinned at first use, but not when the application here would not have it. */
static void test_pin(void **state)
{
	struct kit_node a = { .admit_code = 3003 }, b = { 0 };

	(void)state;
	kit_start_all(&a, &b);
	kit_connect(&a, &b);
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 1);
	assert_int_equal(a.last[RMDT_EVENT_PEER_DOWN].code, 3003);
	assert_false(has_file(&a, "known_hosts"));
	a.admit_code = 0;
	kit_connect_up(&a, &b);
	assert_true(has_file(&a, "known_hosts"));
	kit_stop_all(&a, &b);
}

static void test_psk(void **state)
{
	struct kit_node a = { 0 }, b = { 0 }, c = { 0 };
	char set[2][80];
	struct rmdt_out *out;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct kit_node *n = i ? &b : &a;

		snprintf(n->dir, sizeof(n->dir), "/tmp/rmdt-kit-XXXXXX");
		assert_non_null(mkdtemp(n->dir));
		write_file(n, "psk", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
		snprintf(set[i], sizeof(set[i]), "psk=%.63s/psk", n->dir);
		n->settings = set[i];
	}
	/* The secret is enough for an engine that takes nobody else. */
	write_file(&b, "authorized_keys", "# nobody\n");
	kit_start_all(&a, &b, &c);
	out = kit_out(&a, NULL);
	rmdt_out_join(out, kit_connect(&a, &b), 0);
	kit_write(out, 1000);
	rmdt_out_finish(out);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	kit_await_confirmed(&b, 1);
	/* Who does not have it is told so. */
	kit_connect(&c, &b);
	kit_await(&c, RMDT_EVENT_PEER_DOWN, 1);
	assert_int_equal(c.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_PSK);
	kit_stop_all(&a, &b, &c);
}

/* ---- beginnings and ends ---- */

static void test_no_answer(void **state)
{
	struct kit_node a = { .settings = "connect-timeout=300ms" };
	struct rmdt_connect_options opt = { .to = { .host = "no-such-host.invalid", .port = 1 } };
	struct rmdt_peer *peer, *other;
	uint64_t t0 = now_ms();

	(void)state;
	kit_start(&a);
	assert_int_equal(rmdt_connect(a.engine, &opt, &peer), 0);
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 1);
	assert_true(a.last[RMDT_EVENT_PEER_DOWN].code == RMDT_CODE_ADDRESS ||
		    a.last[RMDT_EVENT_PEER_DOWN].code == RMDT_CODE_TIMEOUT);
	assert_non_null(strstr(a.last[RMDT_EVENT_PEER_DOWN].reason, "no-such-host.invalid"));
	snprintf(opt.to.host, sizeof(opt.to.host), "127.0.0.1");
	assert_int_equal(rmdt_connect(a.engine, &opt, &other), 0);
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 2);
	assert_int_equal(a.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_TIMEOUT);
	assert_true(now_ms() - t0 < 10000);
	kit_stop(&a);
}

static void test_port_taken(void **state)
{
	struct kit_node a = { .settings = "threads=2" };
	struct rmdt_engine_options opt = { 0 };
	struct rmdt_engine *engine = NULL;
	char err[RMDT_ERROR_BYTES] = "";

	(void)state;
	kit_start(&a);
	opt.listen.port = a.port;
	assert_int_equal(rmdt_config_new(&opt.config), 0);
	rmdt_config_set(opt.config, "identity", a.dir, "test", err);
	rmdt_config_set(opt.config, "threads", "2", "test", err);
	assert_int_equal(rmdt_engine_new(&opt, &engine, err), -EADDRINUSE);
	assert_null(engine);
	assert_true(err[0] != '\0');
	rmdt_config_set(opt.config, "threads", "1", "test", err);
	assert_int_equal(rmdt_engine_new(&opt, &engine, err), -EADDRINUSE);
	rmdt_config_free(opt.config);
	kit_stop(&a);
}

/* Ends in the middle of everything, with all handles open. */
static void test_free_in_the_middle(void **state)
{
	struct kit_node a = { 0 }, b = { .keep = true };
	struct rmdt_connect_options nowhere = { .to = { .host = "192.0.2.1", .port = 9 } };
	struct rmdt_peer *peer;
	struct rmdt_span span;
	struct rmdt_out *out;
	uint64_t t0;

	(void)state;
	kit_start_all(&a, &b);
	out = kit_out(&a, NULL);
	peer = kit_connect_up(&a, &b);
	rmdt_out_join(out, peer, 0);
	rmdt_connect(a.engine, &nowhere, &peer);
	rmdt_out_join(out, peer, 0);
	kit_write(out, 2 * MIB);
	kit_await(&b, RMDT_EVENT_IN_READABLE, 1);
	assert_int_equal(rmdt_out_reserve(out, 1000, &span, 0, NULL), 0);
	assert_int_equal(rmdt_message_send(b.inbound, "x", 1), 0);
	t0 = now_ms();
	kit_stop(&a);
	kit_await(&b, RMDT_EVENT_PEER_DOWN, 1);
	assert_int_equal(b.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_CLOSED);
	assert_int_equal(kit_count(&b, RMDT_EVENT_IN_RESET), 1);
	kit_stop(&b);
	assert_true(now_ms() - t0 < 6000);
}

/* What was confirmed just before the end is heard. */
static void test_confirm_then_free(void **state)
{
	struct kit_node a = { 0 }, b = { 0 };
	struct rmdt_out *out;

	(void)state;
	kit_start_all(&a, &b);
	out = kit_out(&a, NULL);
	rmdt_out_join(out, kit_connect(&a, &b), 0);
	kit_write(out, MIB);
	rmdt_out_finish(out);
	kit_await_confirmed(&b, 1);
	kit_stop(&b);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	kit_await(&a, RMDT_EVENT_OUT_CONFIRMED, 1);
	kit_stop(&a);
}

static void test_peer_close(void **state)
{
	struct kit_node a = { 0 }, b = { 0 };
	struct rmdt_peer *peer;

	(void)state;
	kit_start_all(&a, &b);
	peer = kit_connect_up(&a, &b);
	kit_await(&b, RMDT_EVENT_PEER_UP, 1);
	rmdt_peer_close(peer, 4004, "enough");
	kit_await(&b, RMDT_EVENT_PEER_DOWN, 1);
	assert_int_equal(b.last[RMDT_EVENT_PEER_DOWN].code, 4004);
	assert_string_equal(b.last[RMDT_EVENT_PEER_DOWN].reason, "enough");
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 1);
	rmdt_peer_free(peer);
	/* Giving back the only handle is goodbye, too. */
	rmdt_peer_free(kit_connect_up(&a, &b));
	kit_await(&b, RMDT_EVENT_PEER_DOWN, 2);
	assert_int_equal(b.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_CLOSED);
	kit_stop_all(&a, &b);
}

/*
 * A second engine with the same key and name takes all places of the first; one with another name
 * does not.
 */
static void test_replaced(void **state)
{
	struct kit_node b = { 0 }, first = { .name = "mirror" }, second = { .name = "mirror" }, third = { .name = "other" };

	(void)state;
	kit_start_all(&b, &first);
	memcpy(second.dir, first.dir, sizeof(first.dir));
	memcpy(third.dir, first.dir, sizeof(first.dir));
	kit_start_all(&second, &third);
	kit_connect_up(&first, &b);
	kit_connect_up(&first, &b);
	kit_connect_up(&third, &b);
	assert_int_equal(kit_count(&first, RMDT_EVENT_PEER_DOWN), 0);
	kit_connect_up(&second, &b);
	kit_await(&first, RMDT_EVENT_PEER_DOWN, 2);
	assert_int_equal(first.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_REPLACED);
	assert_int_equal(kit_count(&third, RMDT_EVENT_PEER_DOWN), 0);
	assert_int_equal(kit_count(&second, RMDT_EVENT_PEER_DOWN), 0);
	kit_stop_all(&first, &second, &third, &b);
}

/* Is at most one of the two up, while both have been? */
static bool is_settled(struct rmdt_peer *one, struct rmdt_peer *two, unsigned *up)
{
	struct rmdt_peer_info a, b;

	rmdt_peer_info(one, &a);
	rmdt_peer_info(two, &b);
	*up = a.up + b.up;
	return *up < 2;
}

/*
 * Two engines with one key and name that come in at one moment, on different threads: one of them
 * stays.
 */
static void test_replaced_at_once(void **state)
{
	struct kit_node b = { .settings = "threads=4" };
	struct kit_node first = { .name = "mirror" }, second = { .name = "mirror" };

	(void)state;
	kit_start_all(&b, &first);
	memcpy(second.dir, first.dir, sizeof(first.dir));
	kit_start(&second);
	for (unsigned i = 1; i <= 200; i++) {
		struct rmdt_peer *one = kit_connect(&first, &b), *two = kit_connect(&second, &b);
		unsigned up = 0;

		kit_await(&first, RMDT_EVENT_PEER_UP, i);
		kit_await(&second, RMDT_EVENT_PEER_UP, i);
		kit_await(&b, RMDT_EVENT_PEER_DOWN, 2 * i - 1);
		while (!is_settled(one, two, &up))
			sched_yield();
		/* If both were told to go, the other one is on its way. */
		for (int n = 0; n < 1000 && up == 1; n++) {
			(void)is_settled(one, two, &up);
			sched_yield();
		}
		assert_int_equal(up, 1);
		rmdt_peer_free(one);
		rmdt_peer_free(two);
		kit_await(&b, RMDT_EVENT_PEER_DOWN, 2 * i);
	}
	kit_stop_all(&first, &second, &b);
}

/* Both open at once: one association stays, the same one at both ends. */
static void test_both_open(void **state)
{
	struct kit_node a = { 0 }, b = { 0 };
	struct rmdt_engine_stats sa, sb;
	struct rmdt_peer_info ia, ib;
	struct rmdt_peer *pa, *pb;

	(void)state;
	kit_start_all(&a, &b);
	pa = kit_connect(&a, &b);
	pb = kit_connect(&b, &a);
	kit_await(&a, RMDT_EVENT_PEER_UP, 2);
	kit_await(&b, RMDT_EVENT_PEER_UP, 2);
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 1);
	kit_await(&b, RMDT_EVENT_PEER_DOWN, 1);
	assert_int_equal(a.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_REPLACED);
	assert_int_equal(b.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_REPLACED);
	rmdt_peer_info(pa, &ia);
	rmdt_peer_info(pb, &ib);
	assert_int_not_equal(ia.up, ib.up);
	rmdt_engine_stats(a.engine, &sa);
	rmdt_engine_stats(b.engine, &sb);
	assert_int_equal(sa.peers, 1);
	assert_int_equal(sb.peers, 1);
	kit_stop_all(&a, &b);
}

/*
 * Under load the responder forgets who comes until he comes again with a cookie; all come in, as
 * far as peers are taken.
 */
static void test_retry(void **state)
{
	struct kit_node a = { .settings = "connect-timeout=5s" },
			b = { .settings = "max-half-open=12 max-peers=20" };
	struct rmdt_engine_stats stats;
	struct rmdt_peer *peer[24];

	(void)state;
	kit_start_all(&a, &b);
	for (int i = 0; i < 20; i++)
		peer[i] = kit_connect(&a, &b);
	kit_await(&a, RMDT_EVENT_PEER_UP, 20);
	kit_await(&b, RMDT_EVENT_PEER_UP, 20);
	rmdt_engine_stats(b.engine, &stats);
	assert_true(stats.retries_sent > 0);
	assert_int_equal(stats.half_open, 0);
	assert_int_equal(stats.peers, 20);
	peer[20] = kit_connect(&a, &b);
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 1);
	assert_int_equal(a.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_BUSY);
	assert_ptr_equal(a.last[RMDT_EVENT_PEER_DOWN].peer, peer[20]);
	kit_stop_all(&a, &b);
}

/* The uplink's rate is a cap for all peers together, and shared evenly. */
static void test_uplink(void **state)
{
	struct kit_node a = { .settings = "rate=80M" }, b = { 0 }, c = { 0 };
	struct rmdt_out *out[2];
	struct rmdt_peer *peer[2];
	uint64_t t0, ms;

	(void)state;
	kit_start_all(&a, &b, &c);
	t0 = now_ms();
	for (int i = 0; i < 2; i++) {
		out[i] = kit_out(&a, NULL);
		peer[i] = kit_connect_up(&a, i ? &c : &b);
		rmdt_out_join(out[i], peer[i], 0);
		kit_write(out[i], 4 * MIB);
		rmdt_out_finish(out[i]);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(rmdt_out_wait(out[i], KIT_WAIT_MS, NULL), 0);
	ms = now_ms() - t0;
	/* 8 MiB at 10 MB/s are 0.84 s. The first 20 ms of a peer are not shared yet. */
	assert_in_range(ms, 600, 4000);
	kit_stop_all(&a, &b, &c);
}

/* ---- restart ---- */

/* Another process of this program with a node in it, on a port and with the identity in dir. */
static pid_t serve_elsewhere(const char *dir, uint16_t *port)
{
	char text[16], line[16] = "";
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	snprintf(text, sizeof(text), "%u", *port);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl("/proc/self/exe", "test_peers", "--serve", dir, text, (char *)NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	close(fds[1]);
	assert_true(read(fds[0], line, sizeof(line) - 1) > 0);
	close(fds[0]);
	*port = (uint16_t)atoi(line);
	return pid;
}

static void serve(const char *dir, const char *port)
{
	struct kit_node n = { .port = (uint16_t)atoi(port), .settings = "threads=2" };

	snprintf(n.dir, sizeof(n.dir), "%s", dir);
	kit_start(&n);
	printf("%u\n", n.port);
	fflush(stdout);
	for (;;)
		pause();
}

/*
 * A far end that died without a word and came back is found out by its hints, long before
 * dead-after, and a new association with it works. The sender has several threads: hints find the
 * right one.
 */
static void test_restart(void **state)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .name = "log", .hold = true };
	struct kit_node a = { .settings = "threads=3 dead-after=60s" }, b = { 0 };
	struct rmdt_peer *peer[3], *again;
	struct rmdt_out *out;
	uint64_t t0;
	pid_t pid;

	(void)state;
	snprintf(b.dir, sizeof(b.dir), "/tmp/rmdt-kit-XXXXXX");
	assert_non_null(mkdtemp(b.dir));
	pid = serve_elsewhere(b.dir, &b.port);
	kit_start(&a);
	out = kit_out(&a, &opt);
	for (int i = 0; i < 3; i++) {
		peer[i] = kit_connect_up(&a, &b);
		assert_int_equal(rmdt_out_join(out, peer[i], 0), 0);
	}
	kit_write(out, MIB);
	kit_await(&a, RMDT_EVENT_OUT_JOINED, 3);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	t0 = now_ms();
	pid = serve_elsewhere(b.dir, &b.port);
	kit_write(out, MIB);
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 3);
	assert_int_equal(a.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_RESTARTED);
	assert_int_equal(kit_count(&a, RMDT_EVENT_OUT_LOST), 3);
	assert_true(now_ms() - t0 < 15000);
	again = kit_connect_up(&a, &b);
	assert_int_equal(rmdt_out_join(out, again, 0), 0);
	rmdt_out_finish(out);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	kit_await(&a, RMDT_EVENT_OUT_CONFIRMED, 1);
	kit_stop(&a);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	kit_remove_dir(b.dir);
}

/* With an argument: only the tests whose name matches it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_authorized),
		cmocka_unit_test(test_admit),
		cmocka_unit_test(test_pin),
		cmocka_unit_test(test_psk),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_port_taken),
		cmocka_unit_test(test_free_in_the_middle),
		cmocka_unit_test(test_confirm_then_free),
		cmocka_unit_test(test_peer_close),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_replaced_at_once),
		cmocka_unit_test(test_both_open),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_uplink),
		cmocka_unit_test(test_restart),
	};

	if (argc == 4 && strcmp(argv[1], "--serve") == 0)
		serve(argv[2], argv[3]);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

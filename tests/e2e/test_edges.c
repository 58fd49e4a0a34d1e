/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes on in one thread while another thread ends, waits or fills things: moments that only
 * bad luck brings about.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/e2e/kit.h"

#define MIB (UINT64_C(1) << 20)

static void nap_ms(int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, (long)(ms % 1000) * 1000000 }, NULL);
}

static void await_flag(const _Atomic bool *flag)
{
	for (int i = 0; i < KIT_WAIT_MS && !*flag; i++)
		nap_ms(1);
	assert_true(*flag);
}

/* An engine that is not a kit_node: callbacks and settings of the test's own. */
static int make_engine(struct rmdt_engine_options *opt, char dir[64], const char *threads,
		       struct rmdt_engine **engine)
{
	char err[RMDT_ERROR_BYTES];
	int rc;

	snprintf(dir, 64, "/tmp/rmdt-kit-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(rmdt_config_new(&opt->config), 0);
	assert_int_equal(rmdt_config_set(opt->config, "identity", dir, "test", err), 0);
	assert_int_equal(rmdt_config_set(opt->config, "threads", threads, "test", err), 0);
	assert_int_equal(rmdt_config_set(opt->config, "connect-timeout", "150ms", "test", err), 0);
	assert_int_equal(rmdt_config_set(opt->config, "log-level", "info", "test", err), 0);
	opt->accept_unlisted = true;
	rc = rmdt_engine_new(opt, engine, err);
	rmdt_config_free(opt->config);
	return rc;
}

/* ---- the end of an engine ---- */

static _Atomic bool is_inside;

static unsigned accept_slowly(void *ctx, const struct rmdt_offer *offer, char *reason)
{
	(void)ctx;
	(void)offer;
	(void)reason;
	is_inside = true;
	nap_ms(300);
	return 0;
}

/* A flow that is accepted while the engine ends. */
static void test_late_accept(void **state)
{
	struct rmdt_engine_options opt = { .accept = accept_slowly };
	struct kit_node a = { 0 }, b = { 0 };
	struct rmdt_engine *engine;
	struct rmdt_out *out;

	(void)state;
	is_inside = false;
	kit_start(&a);
	assert_int_equal(make_engine(&opt, b.dir, "1", &engine), 0);
	b.port = rmdt_engine_port(engine);
	out = kit_out(&a, NULL);
	rmdt_out_join(out, kit_connect(&a, &b), 0);
	await_flag(&is_inside);
	rmdt_engine_free(engine);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	kit_stop(&a);
	kit_remove_dir(b.dir);
}

/*
 * Far more messages than the network and all queues take do not keep the thread from its other
 * work.
 */
static void test_message_flood(void **state)
{
	struct rmdt_engine_options opt = { .accept = accept_slowly };
	struct kit_node a = { 0 }, b = { 0 };
	uint8_t data[1000] = { 1 };
	struct rmdt_engine *engine;
	struct rmdt_peer *peer;
	unsigned full = 0;

	(void)state;
	is_inside = false;
	kit_start(&a);
	assert_int_equal(make_engine(&opt, b.dir, "1", &engine), 0);
	b.port = rmdt_engine_port(engine);
	peer = kit_connect(&a, &b);
	rmdt_out_join(kit_out(&a, NULL), peer, 0);
	await_flag(&is_inside);
	for (unsigned i = 0; i < 20000; i++)
		full += rmdt_message_send(peer, data, sizeof(data)) == -EAGAIN;
	assert_true(full > 0);
	rmdt_peer_close(peer, 1000, "enough");
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 1);
	rmdt_engine_free(engine);
	kit_stop(&a);
	kit_remove_dir(b.dir);
}

static struct rmdt_out *handlers_out;
static _Atomic bool is_freed, was_late;

static void handle_slowly(void *ctx, const struct rmdt_event *event)
{
	struct rmdt_out_info info;

	(void)ctx;
	(void)event;
	was_late = was_late || is_freed;
	is_inside = true;
	nap_ms(300);
	(void)rmdt_out_info(handlers_out, &info);
}

/*
 * A handler may use its handles until it returns, although the engine is being freed, and is not
 * called with dead ones.
 */
static void test_handler_at_end(void **state)
{
	struct rmdt_engine_options opt = { .handler = handle_slowly };
	struct rmdt_connect_options to = { .to.host = "127.0.0.1", .purpose = RMDT_PIPE };
	struct rmdt_out_options plain = { .purpose = RMDT_PIPE };
	struct rmdt_engine *engine;
	struct rmdt_peer *peer;
	struct kit_node b = { 0 };
	char dir[64];

	(void)state;
	is_inside = is_freed = was_late = false;
	kit_start(&b);
	assert_int_equal(make_engine(&opt, dir, "1", &engine), 0);
	assert_int_equal(rmdt_out_new(engine, &plain, &handlers_out, NULL), 0);
	to.to.port = b.port;
	assert_int_equal(rmdt_connect(engine, &to, &peer), 0);
	await_flag(&is_inside);
	rmdt_engine_free(engine);
	is_freed = true;
	assert_false(was_late);
	kit_stop(&b);
	kit_remove_dir(dir);
}

static unsigned accept_all(void *ctx, const struct rmdt_offer *offer, char *reason)
{
	(void)ctx;
	(void)offer;
	(void)reason;
	return 0;
}

static void log_slowly(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	if (!strstr(line, "failed"))
		return;
	is_inside = true;
	nap_ms(100);
}

/* What a node says first to a stranger. */
static size_t catch_init(struct kit_node *from, uint8_t *init, size_t size)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct kit_node stranger = { 0 };
	socklen_t len = sizeof(sin);
	ssize_t n;

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	stranger.port = ntohs(sin.sin_port);
	(void)kit_connect(from, &stranger);
	n = recv(fd, init, size, 0);
	close(fd);
	assert_true(n > 0);
	return (size_t)n;
}

static void send_from_stranger(const uint8_t *data, size_t len, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&sin, sizeof(sin)), len);
	close(fd);
}

static uint64_t dropped_unknown(struct rmdt_engine *engine)
{
	struct rmdt_engine_stats stats;

	rmdt_engine_stats(engine, &stats);
	return stats.dropped_unknown;
}

/*
 * Only the hint, a handshake packet, is for all threads; what looks like it in the other bits of
 * its first byte must not be multiplied by their number, or be answered by each of them.
 */
static void test_strays_are_not_multiplied(void **state)
{
	uint8_t forged[17] = { 0x47, 0, 1, 2, 3 }, stray[17] = { 0x40, 0, 1, 2, 3 };
	struct rmdt_engine_options opt = { 0 };
	struct rmdt_engine *engine;
	char dir[64];
	uint16_t port;

	(void)state;
	assert_int_equal(make_engine(&opt, dir, "3", &engine), 0);
	port = rmdt_engine_port(engine);
	for (int i = 0; i < 20; i++)
		send_from_stranger(forged, sizeof(forged), port);
	/* One to each thread, behind them. */
	for (uint8_t thread = 1; thread <= 3; thread++) {
		stray[1] = thread;
		send_from_stranger(stray, sizeof(stray), port);
	}
	for (int i = 0; i < KIT_WAIT_MS && dropped_unknown(engine) < 23; i++)
		nap_ms(1);
	nap_ms(20);
	assert_int_equal(dropped_unknown(engine), 23);
	rmdt_engine_free(engine);
	kit_remove_dir(dir);
}

static _Atomic bool may_stop;

/* Gives the thread something to send on this association all the time. */
static void *chat(void *peer)
{
	while (!may_stop) {
		if (rmdt_message_send(peer, "hello", 5))
			sched_yield();
	}
	return NULL;
}

static struct rmdt_in *await_in(struct rmdt_engine *engine)
{
	struct rmdt_event ev = { 0 };

	while (ev.kind != RMDT_EVENT_IN_OPEN)
		assert_int_equal(rmdt_engine_next_event(engine, &ev, KIT_WAIT_MS, NULL), 0);
	return ev.in;
}

/*
 * Has one flow confirmed by an engine that ends right after that, and whose thread is held up just
 * then.
 */
static enum rmdt_member_state confirm_and_end(struct kit_node *a, uint8_t *init, size_t init_len)
{
	struct rmdt_engine_options opt = { .accept = accept_all, .log = log_slowly };
	struct rmdt_member_info member;
	struct rmdt_in_info info;
	struct rmdt_engine *engine;
	struct kit_node b = { 0 };
	struct rmdt_peer *peer;
	struct rmdt_out *out;
	struct rmdt_in *in;
	pthread_t id;

	is_inside = may_stop = false;
	assert_int_equal(make_engine(&opt, b.dir, "1", &engine), 0);
	b.port = rmdt_engine_port(engine);
	out = kit_out(a, NULL);
	peer = kit_connect(a, &b);
	rmdt_out_join(out, peer, 0);
	rmdt_out_finish(out);
	in = await_in(engine);
	send_from_stranger(init, init_len, b.port);
	assert_int_equal(rmdt_in_read(in, &member, 1, KIT_WAIT_MS, NULL), 0);
	rmdt_in_info(in, &info);
	pthread_create(&id, NULL, chat, info.peer);
	await_flag(&is_inside);
	may_stop = true;
	pthread_join(id, NULL);
	assert_int_equal(rmdt_in_confirm(in), 0);
	rmdt_engine_free(engine);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	assert_int_equal(rmdt_out_member(out, peer, &member), 0);
	kit_remove_dir(b.dir);
	return member.state;
}

/*
 * A confirmation is not lost when the engine ends at once. The thread is held up between its
 * mailbox and the association by a line of the log about a stranger's handshake that was never
 * finished. It is a matter of luck whether the association is to be served just then, so this is
 * done several times.
 */
static void test_confirm_at_end(void **state)
{
	struct kit_node a = { 0 };
	uint8_t init[2048];
	size_t len;

	(void)state;
	kit_start(&a);
	len = catch_init(&a, init, sizeof(init));
	for (int i = 0; i < 5; i++)
		assert_int_equal(confirm_and_end(&a, init, len), RMDT_MEMBER_CONFIRMED);
	kit_stop(&a);
}

/* ---- events ---- */

/* The flow forgets members that nobody can ask for, but no event may name a flow that is gone. */
static void test_event_of_forgotten(void **state)
{
	struct kit_node a = { .manual = true }, b = { 0 };
	struct rmdt_event ev = { 0 };
	struct rmdt_peer *peer;
	struct rmdt_out *out;

	(void)state;
	kit_start_all(&a, &b);
	out = kit_out(&a, NULL);
	peer = kit_connect(&a, &b);
	rmdt_out_join(out, peer, 0);
	while (ev.kind != RMDT_EVENT_PEER_UP)
		assert_int_equal(rmdt_engine_next_event(a.engine, &ev, KIT_WAIT_MS, NULL), 0);
	rmdt_peer_free(peer);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	rmdt_out_join(out, kit_connect(&a, &b), 0);
	rmdt_out_free(out);
	nap_ms(200);
	while (rmdt_engine_next_event(a.engine, &ev, 0, NULL) == 0)
		assert_null(ev.out);
	kit_stop_all(&a, &b);
}

/* ---- ports ---- */

static struct {
	pthread_barrier_t start;
	uint16_t port;
} race;

static void *take_port(void *ctx)
{
	struct rmdt_engine_options opt = { .listen.port = race.port };
	struct rmdt_engine **engine = ctx;
	char dir[64];

	pthread_barrier_wait(&race.start);
	if (make_engine(&opt, dir, "2", engine))
		*engine = NULL;
	kit_remove_dir(dir);
	return NULL;
}

/* Of two engines that want one port at the same moment one gets it, and the other is told. */
static void test_port_race(void **state)
{
	struct kit_node a = { 0 };

	(void)state;
	kit_start(&a);
	race.port = a.port;
	kit_stop(&a);
	pthread_barrier_init(&race.start, NULL, 2);
	for (int round = 0; round < 100; round++) {
		struct rmdt_engine *engine[2];
		pthread_t id[2];

		for (int i = 0; i < 2; i++)
			pthread_create(&id[i], NULL, take_port, &engine[i]);
		for (int i = 0; i < 2; i++)
			pthread_join(id[i], NULL);
		assert_int_equal(!engine[0] + !engine[1], 1);
		rmdt_engine_free(engine[0]);
		rmdt_engine_free(engine[1]);
	}
	pthread_barrier_destroy(&race.start);
}

/* Somebody else is there and would share. */
static void test_port_shared(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
	struct rmdt_engine_options opt = { 0 };
	struct rmdt_engine *engine;
	socklen_t len = sizeof(sin);
	char dir[64];

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	opt.listen.port = ntohs(sin.sin_port);
	assert_int_equal(make_engine(&opt, dir, "3", &engine), -EADDRINUSE);
	kit_remove_dir(dir);
	assert_int_equal(make_engine(&opt, dir, "1", &engine), -EADDRINUSE);
	kit_remove_dir(dir);
	close(fd);
}

/* ---- beginning ---- */

/*
 * Whatever descriptor is the first that is missing: the engine says so and leaves nothing behind.
 */
static void test_no_descriptors(void **state)
{
	struct rmdt_engine_options opt = { 0 };
	char dir[] = "/tmp/rmdt-kit-XXXXXX", err[RMDT_ERROR_BYTES];
	struct rmdt_engine *engine;
	struct rlimit all, few;
	int rc = -EMFILE, first = dup(0);

	(void)state;
	close(first);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(rmdt_config_new(&opt.config), 0);
	assert_int_equal(rmdt_config_set(opt.config, "identity", dir, "test", err), 0);
	assert_int_equal(rmdt_config_set(opt.config, "threads", "3", "test", err), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	for (few = all, few.rlim_cur = (rlim_t)first; rc == -EMFILE; few.rlim_cur++) {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		rc = rmdt_engine_new(&opt, &engine, err);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
		if (rc)
			assert_non_null(strstr(err, strerror(EMFILE)));
	}
	assert_int_equal(rc, 0);
	rmdt_engine_free(engine);
	rmdt_config_free(opt.config);
	kit_remove_dir(dir);
	assert_int_equal(dup(0), first);
	close(first);
}

/* With an argument: only the tests whose name matches it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_flood),
		cmocka_unit_test(test_strays_are_not_multiplied),
		cmocka_unit_test(test_late_accept),
		cmocka_unit_test(test_handler_at_end),
		cmocka_unit_test(test_confirm_at_end),
		cmocka_unit_test(test_event_of_forgotten),
		cmocka_unit_test(test_port_race),
		cmocka_unit_test(test_port_shared),
		cmocka_unit_test(test_no_descriptors),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An association with very many flows, as a tunnel has them: open ones that say little must hold no
 * memory, and those that nobody reads must leave room for the rest. One thread does everything, so
 * both engines' events are taken in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/e2e/kit.h"

#define MIB (UINT64_C(1) << 20)
#define CONNECTIONS 1000
#define WORDS 2000			/* bytes that each says */

struct flow {
	struct rmdt_out *out;
	struct rmdt_in *in;
	struct rmdt_out *reply;		/* the server's */
	uint64_t got;
	bool ended, bad;
	bool stalled;			/* its reader takes nothing */
};

struct side {
	struct kit_node node;
	bool is_server;
	struct rmdt_peer *peer;		/* the client's handle */
	unsigned ups, opened, ended, confirmed;
	struct flow flow[CONNECTIONS];
	struct side *other;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t buffered(struct side *s)
{
	struct rmdt_engine_stats st;

	rmdt_engine_stats(s->node.engine, &st);
	return st.buffer_used_bytes;
}

static void write_all(struct rmdt_out *out, size_t len)
{
	uint8_t bytes[WORDS];

	assert_true(len <= sizeof(bytes));
	for (size_t i = 0; i < len; i++)
		bytes[i] = kit_byte(i);
	assert_int_equal(rmdt_out_write(out, bytes, len, KIT_WAIT_MS, NULL), len);
}

static struct rmdt_out *open_out(struct side *s, struct rmdt_peer *peer, unsigned i,
				 struct rmdt_in *reply_to)
{
	char name[16];
	struct rmdt_out_options opt = { .purpose = RMDT_TUNNEL, .name = name, .reply_to = reply_to };
	struct rmdt_out *out;

	snprintf(name, sizeof(name), "%u", i);
	out = kit_out(&s->node, &opt);
	assert_int_equal(rmdt_out_join(out, peer, 0), 0);
	return out;
}

static void on_open(struct side *s, struct rmdt_in *in)
{
	struct rmdt_in_info info;
	struct flow *f;

	rmdt_in_info(in, &info);
	f = &s->flow[atoi(info.name)];
	f->in = in;
	rmdt_in_set_user(in, f);
	s->opened++;
	if (s->is_server && !f->stalled) {
		f->reply = open_out(s, info.peer, (unsigned)(f - s->flow), in);
		write_all(f->reply, WORDS);
	}
}

static void read_in(struct side *s, struct flow *f)
{
	const uint8_t *ptr;
	ssize_t n;

	if (!f || !f->in || f->stalled)
		return;
	while ((n = rmdt_in_peek(f->in, &ptr, 0, NULL)) > 0) {
		for (ssize_t i = 0; i < n; i += 97)
			f->bad |= ptr[i] != kit_byte(f->got + (uint64_t)i);
		f->got += (uint64_t)n;
		rmdt_in_consume(f->in, (size_t)n);
	}
	if (n == 0 && !f->ended) {
		f->ended = true;
		s->ended++;
		assert_int_equal(rmdt_in_confirm(f->in), 0);
	}
}

/* All events of both that are there; false: there were none. */
static bool take_events(struct side *s)
{
	struct rmdt_event ev;
	bool any = false;

	while (rmdt_engine_next_event(s->node.engine, &ev, 0, NULL) == 0) {
		any = true;
		switch (ev.kind) {
		case RMDT_EVENT_PEER_UP: s->ups++; break;
		case RMDT_EVENT_IN_OPEN: on_open(s, ev.in); break;
		case RMDT_EVENT_IN_READABLE: read_in(s, rmdt_in_user(ev.in)); break;
		case RMDT_EVENT_OUT_CONFIRMED: s->confirmed++; break;
		case RMDT_EVENT_OUT_LOST: fail_msg("lost: %u %s", ev.code, ev.reason); break;
		default: break;
		}
	}
	return any;
}

typedef bool done_fn(struct side *client, struct side *server);

static void run_until(struct side *client, struct side *server, done_fn *done, const char *what)
{
	uint64_t until = now_ms() + KIT_WAIT_MS;

	while (!done(client, server)) {
		bool any = take_events(client);

		any |= take_events(server);
		if (any)
			continue;
		if (now_ms() > until)
			fail_msg("%s: client %u opened %u ended %u confirmed, server %u %u %u",
				 what, client->opened,
				 client->ended, client->confirmed, server->opened, server->ended,
					 server->confirmed);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

static bool is_up(struct side *client, struct side *server)
{
	return client->ups && server->ups;
}

static void start(struct side **client, struct side **server, const char *settings,
		  enum rmdt_purpose role)
{
	struct rmdt_connect_options opt = { .to = { .host = "127.0.0.1" }, .purpose = role };

	*client = calloc(1, sizeof(**client));
	*server = calloc(1, sizeof(**server));
	(*server)->is_server = true;
	(*client)->node.manual = (*server)->node.manual = true;
	(*client)->node.settings = (*server)->node.settings = settings;
	kit_start(&(*client)->node);
	kit_start(&(*server)->node);
	opt.to.port = (*server)->node.port;
	assert_int_equal(rmdt_connect((*client)->node.engine, &opt, &(*client)->peer), 0);
	run_until(*client, *server, is_up, "up");
}

static void stop(struct side *s)
{
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		rmdt_out_free(s->flow[i].out);
		rmdt_out_free(s->flow[i].reply);
		rmdt_in_free(s->flow[i].in);
	}
	rmdt_peer_free(s->peer);
	kit_stop(&s->node);
	free(s);
}

/* ---- a thousand connections ---- */

static bool have_all_words(struct side *client, struct side *server)
{
	uint64_t got = 0;

	for (unsigned i = 0; i < CONNECTIONS; i++)
		got += client->flow[i].got + server->flow[i].got;
	return got == 2 * CONNECTIONS * WORDS;
}

static bool are_at_rest(struct side *client, struct side *server)
{
	return buffered(client) <= 4 * MIB && buffered(server) <= 4 * MIB;
}

static bool are_confirmed(struct side *client, struct side *server)
{
	return client->confirmed == CONNECTIONS && server->confirmed == CONNECTIONS;
}

static bool are_empty(struct side *client, struct side *server)
{
	return buffered(client) == 0 && buffered(server) == 0;
}

static void test_open_flows_hold_no_memory(void **state)
{
	struct side *client, *server;
	struct rmdt_engine_stats st;

	(void)state;
	start(&client, &server, "buffer=500M", RMDT_TUNNEL);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		client->flow[i].out = open_out(client, client->peer, i, NULL);
		write_all(client->flow[i].out, WORDS);
		take_events(client);
		take_events(server);
	}
	run_until(client, server, have_all_words, "words");
	rmdt_engine_stats(server->node.engine, &st);
	assert_int_equal(st.in_flows, CONNECTIONS);
	assert_int_equal(st.out_flows, CONNECTIONS);
	run_until(client, server, are_at_rest, "at rest with all flows open");
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		assert_false(client->flow[i].bad || server->flow[i].bad);
		assert_int_equal(rmdt_out_finish(client->flow[i].out), 0);
		assert_int_equal(rmdt_out_finish(server->flow[i].reply), 0);
	}
	run_until(client, server, are_confirmed, "confirmed");
	run_until(client, server, are_empty, "empty");
	stop(client);
	stop(server);
}

/* ---- readers that stand still ---- */

#define STALLED 100
#define LIVE STALLED			/* the flow that goes on */
#define LIVE_BYTES (64 * MIB)

/* As much as goes without waiting. */
static uint64_t stuff(struct rmdt_out *out, uint64_t most)
{
	uint64_t n = 0;
	struct rmdt_span span;

	while (n < most && rmdt_out_reserve(out, (size_t)(most - n), &span, 0, NULL) == 0) {
		kit_fill(&span);
		n += span.len;
		assert_int_equal(rmdt_out_commit(out, &span, span.len), 0);
	}
	return n;
}

static bool live_is_through(struct side *client, struct side *server)
{
	struct flow *f = &client->flow[LIVE];
	struct rmdt_out_info info;

	rmdt_out_info(f->out, &info);
	if (info.head_off < LIVE_BYTES)
		stuff(f->out, LIVE_BYTES - info.head_off);
	/* Writers of the others try as well, and take what they are given. */
	stuff(client->flow[info.head_off / 65536 % STALLED].out, MIB);
	assert_true(buffered(client) <= 64 * MIB && buffered(server) <= 64 * MIB);
	return server->flow[LIVE].got == LIVE_BYTES;
}

static bool are_opened(struct side *client, struct side *server)
{
	(void)client;
	return server->opened == STALLED;
}

static void test_stalled_flows_leave_room(void **state)
{
	struct side *client, *server;
	uint64_t until;

	(void)state;
	start(&client, &server, "buffer=64M", RMDT_TUNNEL);
	for (unsigned i = 0; i < STALLED; i++) {
		server->flow[i].stalled = true;
		client->flow[i].out = open_out(client, client->peer, i, NULL);
		stuff(client->flow[i].out, 100);
		take_events(client);
		take_events(server);
	}
	run_until(client, server, are_opened, "opened");
	/* Every writer writes whatever it may, for half a second. */
	for (until = now_ms() + 500; now_ms() < until; ) {
		for (unsigned i = 0; i < STALLED; i++)
			stuff(client->flow[i].out, MIB);
		take_events(client);
		take_events(server);
	}
	client->flow[LIVE].out = open_out(client, client->peer, LIVE, NULL);
	run_until(client, server, live_is_through, "live");
	assert_false(server->flow[LIVE].bad);
	stop(client);
	stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_flows_hold_no_memory),
		cmocka_unit_test(test_stalled_flows_leave_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

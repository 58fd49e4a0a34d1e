/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three engines whose applications do everything at random and in any order, from several threads
 * each, and are ended in the middle of it. Nothing is asserted but that all ends, in time; the
 * sanitizers see the rest. The seed is fixed, the interleaving is not.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/e2e/kit.h"

#define NODES		3
#define WORKERS		2		/* per node */
#define ROUNDS		250
#define HANDLES		6

static uint16_t ports[NODES];

struct worker {
	struct kit_node *node;
	unsigned seed;
	struct rmdt_peer *peer[HANDLES];
	struct rmdt_out *out[HANDLES];
	pthread_t id;
};

struct reader {
	struct kit_node *node;
	unsigned seed;
	pthread_t id;
	struct rmdt_in *in[HANDLES];
	struct rmdt_out *back;
};

static unsigned roll(unsigned *seed, unsigned n)
{
	return (unsigned)rand_r(seed) % n;
}

/* ---- what a writing application may do ---- */

static void do_connect(struct worker *w, unsigned i)
{
	struct rmdt_connect_options opt = { .to = { .host = "127.0.0.1", .port = ports[roll(&w->seed, NODES)] },
					    .purpose = RMDT_PIPE + roll(&w->seed, 3) };

	if (!w->peer[i])
		(void)rmdt_connect(w->node->engine, &opt, &w->peer[i]);
}

static void do_open(struct worker *w, unsigned i)
{
	static const char *const slow[] = { "block", "drop:1M", "drop:50ms", "quorum:1" };
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .priority = roll(&w->seed, 3), .name = "chaos",
					.slow = slow[roll(&w->seed, 4)],
					.hold = roll(&w->seed, 4) == 0,
					.buffer_bytes = 4 << 20 };

	if (!w->out[i])
		assert_int_equal(rmdt_out_new(w->node->engine, &opt, &w->out[i], NULL), 0);
}

static void do_write(struct worker *w, unsigned i)
{
	static uint8_t data[300000];

	if (w->out[i])
		(void)rmdt_out_write(w->out[i], data, 1 + roll(&w->seed, sizeof(data)),
				     (int)roll(&w->seed, 4), NULL);
}

static void do_place(struct worker *w, unsigned i)
{
	size_t len = 1 + roll(&w->seed, 300000);
	struct rmdt_span span[4];
	int n;

	if (!w->out[i] || rmdt_out_take_credit(w->out[i], len, (int)roll(&w->seed, 4), NULL))
		return;
	if (roll(&w->seed, 3) == 0) {
		rmdt_out_return_credit(w->out[i], len);
		return;
	}
	n = rmdt_out_place(w->out[i], len, span, 4);
	for (int k = 0; k < n; k++) {
		memset(span[k].ptr, k, span[k].len);
		(void)rmdt_out_commit(w->out[i], &span[k], span[k].len);
	}
}

static void do_ask(struct worker *w, unsigned i, unsigned k)
{
	struct rmdt_member_info member;
	struct rmdt_peer_info peer;
	struct rmdt_engine_stats stats;
	struct rmdt_out_info out;

	rmdt_engine_stats(w->node->engine, &stats);
	if (w->peer[k]) {
		(void)rmdt_peer_info(w->peer[k], &peer);
		(void)rmdt_message_send(w->peer[k], "hello", 5);
	}
	if (w->out[i]) {
		(void)rmdt_out_info(w->out[i], &out);
		if (w->peer[k] && rmdt_out_member(w->out[i], w->peer[k], &member) == 0)
			(void)rmdt_out_release(w->out[i], w->peer[k], member.consumed_off);
		(void)rmdt_out_wait(w->out[i], (int)roll(&w->seed, 3), NULL);
	}
}

static void do_end(struct worker *w, unsigned i, unsigned k)
{
	switch (roll(&w->seed, 6)) {
	case 0:
		rmdt_peer_free(w->peer[k]);
		w->peer[k] = NULL;
		break;
	case 1:
		if (w->peer[k])
			rmdt_peer_close(w->peer[k], 1000, "chaos");
		break;
	case 2:
		if (w->out[i])
			(void)rmdt_out_finish(w->out[i]);
		break;
	case 3:
		if (w->out[i])
			(void)rmdt_out_reset(w->out[i], 1001, "chaos");
		break;
	case 4:
		if (w->out[i] && w->peer[k])
			(void)rmdt_out_leave(w->out[i], w->peer[k], 1002, "chaos");
		break;
	default:
		rmdt_out_free(w->out[i]);
		w->out[i] = NULL;
	}
}

static void *work(void *ctx)
{
	struct worker *w = ctx;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned i = roll(&w->seed, HANDLES), k = roll(&w->seed, HANDLES);

		switch (roll(&w->seed, 8)) {
		case 0:
			do_connect(w, k);
			break;
		case 1:
			do_open(w, i);
			break;
		case 2:
			if (w->out[i] && w->peer[k])
				(void)rmdt_out_join(w->out[i], w->peer[k], RMDT_OFF_LIVE);
			break;
		case 3:
		case 4:
			do_write(w, i);
			break;
		case 5:
			do_place(w, i);
			break;
		case 6:
			do_ask(w, i, k);
			break;
		default:
			do_end(w, i, k);
		}
	}
	return NULL;
}

/* ---- what a reading application may do ---- */

static void read_some(struct reader *r, unsigned i)
{
	const uint8_t *ptr;
	struct rmdt_in_info info;
	ssize_t n = rmdt_in_peek(r->in[i], &ptr, 0, NULL);

	(void)rmdt_in_info(r->in[i], &info);
	if (n > 0) {
		(void)rmdt_in_consume(r->in[i], 1 + roll(&r->seed, (unsigned)n));
		(void)rmdt_in_mark(r->in[i], roll(&r->seed, RMDT_MARKS), info.consumed_off);
	} else if (n == 0) {
		(void)rmdt_in_confirm(r->in[i]);
	}
	if (roll(&r->seed, 40) == 0)
		(void)rmdt_in_stop(r->in[i], 1003, "chaos");
	if (roll(&r->seed, 20) == 0 || n == 0 || n == -EPIPE) {
		rmdt_in_free(r->in[i]);
		r->in[i] = NULL;
	}
}

static void take_flow(struct reader *r, struct rmdt_in *in)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .reply_to = in };
	struct rmdt_in_info info;
	unsigned i = roll(&r->seed, HANDLES);

	rmdt_in_info(in, &info);
	if (roll(&r->seed, 4) == 0 && !r->back &&
	    rmdt_out_new(r->node->engine, &opt, &r->back, NULL) == 0) {
		(void)rmdt_out_join(r->back, info.peer, 0);
		(void)rmdt_out_write(r->back, "back", 4, 0, NULL);
		(void)rmdt_out_finish(r->back);
	} else if (roll(&r->seed, 4) == 0) {
		rmdt_out_free(r->back);
		r->back = NULL;
	}
	rmdt_in_free(r->in[i]);
	r->in[i] = in;
}

static void *read_all(void *ctx)
{
	struct reader *r = ctx;
	struct rmdt_event ev;
	uint8_t buf[100];
	int rc;

	while ((rc = rmdt_engine_next_event(r->node->engine, &ev, 1, r->node->cancel)) == 0 ||
	       rc == -ETIMEDOUT) {
		if (rc == 0 && ev.kind == RMDT_EVENT_IN_OPEN)
			take_flow(r, ev.in);
		if (rc == 0 && ev.kind == RMDT_EVENT_MESSAGE)
			(void)rmdt_message_recv(ev.peer, buf, sizeof(buf));
		for (unsigned i = 0; i < HANDLES; i++) {
			if (r->in[i])
				read_some(r, i);
		}
	}
	return NULL;
}

/* ---- all of it ---- */

static void run(unsigned seed, const char *settings)
{
	struct kit_node node[NODES];
	struct worker worker[NODES * WORKERS];
	struct reader reader[NODES];
	struct timespec t0, t1;

	memset(node, 0, sizeof(node));
	memset(worker, 0, sizeof(worker));
	memset(reader, 0, sizeof(reader));
	for (unsigned i = 0; i < NODES; i++) {
		node[i].settings = settings;
		node[i].manual = true;
		kit_start(&node[i]);
		ports[i] = node[i].port;
		reader[i].node = &node[i];
		reader[i].seed = seed + 100 + i;
		assert_int_equal(pthread_create(&reader[i].id, NULL, read_all, &reader[i]), 0);
	}
	for (unsigned i = 0; i < NODES * WORKERS; i++) {
		worker[i].node = &node[i % NODES];
		worker[i].seed = seed + i;
		assert_int_equal(pthread_create(&worker[i].id, NULL, work, &worker[i]), 0);
	}
	for (unsigned i = 0; i < NODES * WORKERS; i++)
		pthread_join(worker[i].id, NULL);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (unsigned i = 0; i < NODES; i++) {
		rmdt_cancel_fire(node[i].cancel);
		pthread_join(reader[i].id, NULL);
		kit_stop(&node[i]);
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_in_range(t1.tv_sec - t0.tv_sec, 0, 4 * NODES);
}

static void test_one_thread(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 2; seed++)
		run(1000 * seed, "connect-timeout=500ms linger=100ms");
}

static void test_three_threads(void **state)
{
	(void)state;
	for (unsigned seed = 3; seed <= 4; seed++)
		run(1000 * seed, "connect-timeout=500ms linger=100ms threads=3 max-flows=20 max-peers=12 max-half-open=4");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_thread),
		cmocka_unit_test(test_three_threads),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

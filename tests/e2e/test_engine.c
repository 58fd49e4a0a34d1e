/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public interface between engines of one process, over loopback: waits, events, writers,
 * threads and messages.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
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

/* ---- waits ---- */

struct waiting {
	struct kit_node *a;
	struct rmdt_out *out;
	struct rmdt_in *in;
	struct rmdt_cancel *cancel;
	int timeout_ms;
};

typedef int wait_fn(struct waiting *w);

static int wait_event(struct waiting *w)
{
	struct rmdt_event ev;
	int rc;

	do {
		rc = rmdt_engine_next_event(w->a->engine, &ev, w->timeout_ms, w->cancel);
	} while (rc == 0);
	return rc;
}

static int wait_reserve(struct waiting *w)
{
	struct rmdt_span span;
	int rc;

	do {
		rc = rmdt_out_reserve(w->out, 262144, &span, w->timeout_ms, w->cancel);
	} while (rc == 0 && rmdt_out_commit(w->out, &span, span.len) == 0);
	return rc;
}

static int wait_write(struct waiting *w)
{
	static const uint8_t zeros[65536];
	ssize_t n;

	do {
		n = rmdt_out_write(w->out, zeros, sizeof(zeros), w->timeout_ms, w->cancel);
	} while (n > 0);
	return (int)n;
}

static int wait_credit(struct waiting *w)
{
	size_t taken = 0;
	int rc;

	while ((rc = rmdt_out_take_credit(w->out, 1 << 20, w->timeout_ms, w->cancel)) == 0)
		taken += 1 << 20;
	rmdt_out_return_credit(w->out, taken);
	return rc;
}

static int wait_out(struct waiting *w)
{
	return rmdt_out_wait(w->out, w->timeout_ms, w->cancel);
}

static int wait_peek(struct waiting *w)
{
	const uint8_t *ptr;
	ssize_t n;

	while ((n = rmdt_in_peek(w->in, &ptr, w->timeout_ms, w->cancel)) > 0)
		rmdt_in_consume(w->in, (size_t)n);
	return (int)n;
}

static wait_fn *const waits[] = { wait_event, wait_peek, wait_out, wait_credit, wait_reserve, wait_write };

static struct rmdt_cancel *alarm_cancel;

static void on_alarm(int sig)
{
	(void)sig;
	rmdt_cancel_fire(alarm_cancel);
}

/* Every wait ends with the right error at once, in time, and when a signal handler cancels it. */
static void test_waits(void **state)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .buffer_bytes = 8 * MIB };
	struct kit_node a = { .manual = true }, b = { .keep = true };
	struct waiting w = { .a = &a };
	struct rmdt_out *back;

	(void)state;
	kit_start_all(&a, &b);
	w.out = kit_out(&a, &opt);
	rmdt_out_join(w.out, kit_connect(&a, &b), 0);
	kit_await(&b, RMDT_EVENT_IN_OPEN, 1);
	/* An in-flow at a, with nothing in it. */
	back = kit_out(&b, NULL);
	rmdt_out_join(back, b.inbound, 0);
	for (struct rmdt_event ev = { 0 }; !w.in; w.in = ev.kind == RMDT_EVENT_IN_OPEN ? ev.in : NULL)
		assert_int_equal(rmdt_engine_next_event(a.engine, &ev, KIT_WAIT_MS, NULL), 0);
	signal(SIGALRM, on_alarm);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		uint64_t t0 = now_ms();

		w.timeout_ms = 0;
		w.cancel = NULL;
		assert_int_equal(waits[i](&w), -EAGAIN);
		assert_true(now_ms() - t0 < 1000);
		t0 = now_ms();
		w.timeout_ms = 30;
		assert_int_equal(waits[i](&w), -ETIMEDOUT);
		assert_in_range(now_ms() - t0, 30, 2000);
		assert_int_equal(rmdt_cancel_new(&w.cancel), 0);
		alarm_cancel = w.cancel;
		ualarm(30000, 0);
		w.timeout_ms = -1;
		assert_int_equal(waits[i](&w), -ECANCELED);
		/* It stays fired. */
		assert_int_equal(waits[i](&w), -ECANCELED);
		rmdt_cancel_free(w.cancel);
	}
	kit_stop_all(&a, &b);
}

/* The descriptor is readable while events wait, and only then. */
static void test_descriptor(void **state)
{
	struct kit_node a = { .manual = true }, b = { 0 };
	struct rmdt_event ev;
	struct pollfd pfd;

	(void)state;
	kit_start_all(&a, &b);
	pfd = (struct pollfd){ .fd = rmdt_engine_fd(a.engine), .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, 0), 0);
	kit_connect(&a, &b);
	assert_int_equal(poll(&pfd, 1, KIT_WAIT_MS), 1);
	assert_int_equal(rmdt_engine_next_event(a.engine, &ev, 0, NULL), 0);
	assert_int_equal(ev.kind, RMDT_EVENT_PEER_UP);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_int_equal(rmdt_engine_next_event(a.engine, &ev, 0, NULL), -EAGAIN);
	kit_stop_all(&a, &b);
}

/* A handler on the I/O threads sees the same. */
static void test_handler(void **state)
{
	struct kit_node a = { .handler = true }, b = { .handler = true };
	struct rmdt_out *out;
	struct rmdt_event ev;

	(void)state;
	kit_start_all(&a, &b);
	assert_int_equal(rmdt_engine_next_event(a.engine, &ev, 0, NULL), -EINVAL);
	out = kit_out(&a, NULL);
	rmdt_out_join(out, kit_connect(&a, &b), 0);
	kit_write(out, 30 * MIB);
	rmdt_out_finish(out);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	kit_await(&a, RMDT_EVENT_OUT_CONFIRMED, 1);
	assert_int_equal(b.flow[0].bytes, 30 * MIB);
	assert_false(b.flow[0].bad);
	kit_stop(&a);
	kit_await(&b, RMDT_EVENT_PEER_DOWN, 1);
	kit_stop(&b);
}

/* Room that was missing is told about once it is there. */
static void test_room_event(void **state)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .buffer_bytes = 2 * MIB };
	struct kit_node a = { 0 }, b = { .keep = true };
	struct rmdt_span span;
	struct rmdt_out *out;
	int rc;

	(void)state;
	kit_start_all(&a, &b);
	out = kit_out(&a, &opt);
	rmdt_out_join(out, kit_connect_up(&a, &b), 0);
	while ((rc = rmdt_out_reserve(out, 65536, &span, 0, NULL)) == 0) {
		kit_fill(&span);
		rmdt_out_commit(out, &span, span.len);
	}
	assert_int_equal(rc, -EAGAIN);
	kit_await(&b, RMDT_EVENT_IN_OPEN, 1);
	assert_int_equal(kit_count(&a, RMDT_EVENT_OUT_ROOM), 0);
	kit_read(&b);
	kit_await(&a, RMDT_EVENT_OUT_ROOM, 1);
	assert_int_equal(rmdt_out_reserve(out, 65536, &span, 0, NULL), 0);
	rmdt_out_commit(out, &span, 0);
	kit_stop_all(&a, &b);
}

/* ---- a source ---- */

struct source {
	uint64_t off, stop, end;
	unsigned calls, at_once;
	bool bad;
	_Atomic bool inside;
};

/* Uneven pieces, none from `stop` on. */
static size_t pour(void *user, void *buf, size_t size)
{
	struct source *src = user;
	struct rmdt_span span = { .ptr = buf, .off = src->off };
	uint64_t left = src->stop - src->off;

	if (atomic_exchange(&src->inside, true))
		src->at_once++;
	span.len = size < 1 + src->calls * 7919u % 200000 ? size : 1 + src->calls * 7919u % 200000;
	if (span.len > left)
		span.len = (size_t)left;
	src->calls++;
	kit_fill(&span);
	src->off += span.len;
	atomic_store(&src->inside, false);
	return span.len;
}

/*
 * A source is asked only after a poke, by one thread at a time, tells when it is dry, and leaves
 * the tail to writers while it rests; a slow member stops it for want of room and sets it going
 * again.
 */
static void play_source(const char *settings)
{
	struct source src = { .stop = 20 * MIB };
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .buffer_bytes = 2 * MIB, .fill = pour, .user = &src };
	struct kit_node a = { .settings = settings }, b = { 0 }, c = { .keep = true };
	struct rmdt_out *out;

	kit_start_all(&a, &b, &c);
	out = kit_out(&a, &opt);
	rmdt_out_join(out, kit_connect_up(&a, &b), 0);
	rmdt_out_join(out, kit_connect_up(&a, &c), 0);
	kit_await(&c, RMDT_EVENT_IN_OPEN, 1);
	assert_int_equal(src.calls, 0);
	rmdt_out_poke(out);
	kit_await(&b, RMDT_EVENT_IN_OPEN, 1);
	kit_read(&c);
	kit_await(&a, RMDT_EVENT_OUT_DRY, 1);
	assert_int_equal(src.off, 20 * MIB);
	kit_write(out, 3 * MIB);
	src.off += 3 * MIB;
	src.stop = 30 * MIB;
	rmdt_out_poke(out);
	kit_await(&a, RMDT_EVENT_OUT_DRY, 2);
	rmdt_out_finish(out);
	kit_await(&a, RMDT_EVENT_OUT_CONFIRMED, 2);
	assert_int_equal(b.flow[0].bytes, 30 * MIB);
	assert_int_equal(c.flow[0].bytes, 30 * MIB);
	assert_false(b.flow[0].bad || c.flow[0].bad);
	assert_int_equal(src.at_once, 0);
	kit_stop_all(&a, &b, &c);
}

static void test_source(void **state)
{
	(void)state;
	play_source("");
	play_source("threads=2");
}

struct late_source {
	struct rmdt_out *out;
	uint64_t off, stop;
};

static void *bring_more(void *ctx)
{
	struct late_source *src = ctx;

	src->stop += MIB;
	rmdt_out_poke(src->out);
	return NULL;
}

/* Whenever it is found to be dry, bytes come before that is told, up to the end. */
static size_t pour_late(void *user, void *buf, size_t size)
{
	struct late_source *src = user;
	uint64_t left = src->stop - src->off;
	struct rmdt_span span = { .ptr = buf, .off = src->off };
	pthread_t id;

	span.len = left < size ? (size_t)left : size;
	if (left == 0 && src->stop < 8 * MIB) {
		assert_int_equal(pthread_create(&id, NULL, bring_more, src), 0);
		pthread_join(id, NULL);
	}
	kit_fill(&span);
	src->off += span.len;
	return span.len;
}

/* A poke that comes while the source says that it has nothing is not lost. */
static void test_source_poked_as_it_dries(void **state)
{
	struct late_source src = { .stop = MIB };
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .fill = pour_late, .user = &src };
	struct kit_node a = { 0 }, b = { 0 };

	(void)state;
	kit_start_all(&a, &b);
	src.out = kit_out(&a, &opt);
	rmdt_out_join(src.out, kit_connect_up(&a, &b), 0);
	rmdt_out_poke(src.out);
	kit_await(&a, RMDT_EVENT_OUT_DRY, 1);
	assert_int_equal(src.off, 8 * MIB);
	rmdt_out_finish(src.out);
	kit_await(&a, RMDT_EVENT_OUT_CONFIRMED, 1);
	assert_int_equal(kit_count(&a, RMDT_EVENT_OUT_DRY), 1);
	assert_int_equal(b.flow[0].bytes, 8 * MIB);
	assert_false(b.flow[0].bad);
	kit_stop_all(&a, &b);
}

/* Freed while it pours: it is called no more. */
static void test_source_freed(void **state)
{
	struct kit_node a = { 0 }, b = { 0 };
	struct rmdt_peer *peer;

	(void)state;
	kit_start_all(&a, &b);
	peer = kit_connect_up(&a, &b);
	for (unsigned i = 1; i <= 20; i++) {
		struct source src = { .stop = 1 << 30 };
		struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .fill = pour, .user = &src };
		struct rmdt_out *out;

		assert_int_equal(rmdt_out_new(a.engine, &opt, &out, NULL), 0);
		rmdt_out_join(out, peer, 0);
		rmdt_out_poke(out);
		kit_await(&b, RMDT_EVENT_IN_OPEN, i);
		rmdt_out_free(out);
		src.stop = 0;
		src.off = UINT64_MAX;
		kit_await(&b, RMDT_EVENT_IN_RESET, i);
		assert_true(src.off == UINT64_MAX);
	}
	kit_stop_all(&a, &b);
}

/* ---- writers ---- */

struct writer {
	struct rmdt_out *out;
	unsigned seed;
	uint64_t left;
};

/* Small records through credit, as a filesystem writes them: place, fill, commit span by span. */
static void *write_records(void *ctx)
{
	struct writer *w = ctx;

	while (w->left) {
		size_t len = 1 + (size_t)rand_r(&w->seed) % 300000;
		struct rmdt_span spans[8];
		int n;

		if (len > w->left)
			len = (size_t)w->left;
		if (rmdt_out_take_credit(w->out, len, KIT_WAIT_MS, NULL))
			return "credit";
		n = rmdt_out_place(w->out, len, spans, 8);
		if (n <= 0)
			return "place";
		for (int i = n - 1; i >= 0; i--) {
			kit_fill(&spans[i]);
			if (rmdt_out_commit(w->out, &spans[i], spans[i].len))
				return "commit";
		}
		w->left -= len;
	}
	return NULL;
}

static void test_many_writers(void **state)
{
	struct kit_node a = { 0 }, b = { 0 };
	struct writer w[4];
	pthread_t id[4];
	struct rmdt_out *out;
	struct rmdt_span span;

	(void)state;
	kit_start_all(&a, &b);
	out = kit_out(&a, NULL);
	rmdt_out_join(out, kit_connect(&a, &b), 0);
	assert_int_equal(rmdt_out_place(out, 10, &span, 1), -ENOSPC);
	for (unsigned i = 0; i < 4; i++) {
		w[i] = (struct writer){ out, i + 1, 10 * MIB };
		pthread_create(&id[i], NULL, write_records, &w[i]);
	}
	kit_write(out, 10 * MIB);
	for (unsigned i = 0; i < 4; i++) {
		void *trouble;

		pthread_join(id[i], &trouble);
		assert_null(trouble);
	}
	rmdt_out_finish(out);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	assert_int_equal(b.flow[0].bytes, 50 * MIB);
	assert_false(b.flow[0].bad);
	kit_stop_all(&a, &b);
}

/* Threads of their own for I/O: packets find theirs whoever gets them. */
static void test_threads(void **state)
{
	struct kit_node a = { .settings = "threads=3" }, b = { .settings = "threads=3" };
	struct rmdt_out *out[6];

	(void)state;
	kit_start_all(&a, &b);
	for (int i = 0; i < 6; i++) {
		out[i] = kit_out(&a, NULL);
		rmdt_out_join(out[i], kit_connect(&a, &b), 0);
	}
	for (int i = 0; i < 6; i++) {
		kit_write(out[i], 5 * MIB);
		rmdt_out_finish(out[i]);
	}
	for (int i = 0; i < 6; i++)
		assert_int_equal(rmdt_out_wait(out[i], KIT_WAIT_MS, NULL), 0);
	kit_await_confirmed(&b, 6);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(b.flow[i].bytes, 5 * MIB);
		assert_false(b.flow[i].bad);
	}
	kit_stop_all(&a, &b);
}

/* ---- wakes ---- */

struct taking {
	struct rmdt_in *in;
	_Atomic uint64_t bytes;
	bool bad;
};

/* Waits for ever, and takes what is there in pieces of any size. */
static void *take_blocking(void *ctx)
{
	struct taking *t = ctx;
	unsigned seed = 7;
	const uint8_t *ptr;
	ssize_t n;

	while ((n = rmdt_in_peek(t->in, &ptr, -1, NULL)) > 0) {
		size_t len = 1 + (size_t)rand_r(&seed) % (size_t)n;

		t->bad |= ptr[0] != kit_byte(t->bytes) || ptr[len - 1] != kit_byte(t->bytes + len - 1);
		rmdt_in_consume(t->in, len);
		t->bytes += len;
	}
	t->bad |= n != 0 || rmdt_in_confirm(t->in) != 0;
	return NULL;
}

static uint64_t bytes_read(struct kit_node *n)
{
	uint64_t bytes;

	pthread_mutex_lock(&n->lock);
	bytes = n->flow[0].bytes;
	pthread_mutex_unlock(&n->lock);
	return bytes;
}

/*
 * However wakes are gathered: after a burst of any size and a silence, readers that wait and
 * readers that are told have all of it, and a writer that waits for room gets it.
 */
static void test_bursts(void **state)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .buffer_bytes = 4 * MIB };
	struct kit_node a = { 0 }, told = { 0 }, waiting = { .keep = true };
	struct taking t = { .bad = false };
	uint64_t sum = 0, until_ms;
	unsigned seed = 5;
	struct rmdt_out *out;
	pthread_t id;

	(void)state;
	kit_start_all(&a, &told, &waiting);
	out = kit_out(&a, &opt);
	rmdt_out_join(out, kit_connect(&a, &told), 0);
	rmdt_out_join(out, kit_connect(&a, &waiting), 0);
	kit_await(&told, RMDT_EVENT_IN_OPEN, 1);
	kit_await(&waiting, RMDT_EVENT_IN_OPEN, 1);
	t.in = waiting.flow[0].in;
	assert_int_equal(pthread_create(&id, NULL, take_blocking, &t), 0);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t len = 1 + (uint64_t)rand_r(&seed) % (UINT64_C(1) << rand_r(&seed) % 23);

		kit_write(out, len);
		sum += len;
		until_ms = now_ms() + KIT_WAIT_MS;
		while ((bytes_read(&told) < sum || t.bytes < sum) && now_ms() < until_ms)
			nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
		assert_int_equal(bytes_read(&told), sum);
		assert_int_equal(t.bytes, sum);
	}
	rmdt_out_finish(out);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	pthread_join(id, NULL);
	assert_false(t.bad || told.flow[0].bad);
	kit_stop_all(&a, &told, &waiting);
}

/* ---- messages ---- */

static void test_messages(void **state)
{
	struct kit_node a = { 0 }, b = { 0 };
	uint8_t big[65536] = { 1 }, got[65536];
	struct rmdt_peer *peer;
	size_t max;

	(void)state;
	kit_start_all(&a, &b);
	peer = kit_connect(&a, &b);
	assert_int_equal(rmdt_message_send(peer, "early", 5), -ENOTCONN);
	kit_await(&a, RMDT_EVENT_PEER_UP, 1);
	max = rmdt_message_max(peer);
	assert_in_range(max, 1000, sizeof(big) - 1);
	assert_int_equal(rmdt_message_send(peer, big, max + 1), -EMSGSIZE);
	assert_int_equal(rmdt_message_send(peer, "hello", 5), 0);
	kit_await(&b, RMDT_EVENT_MESSAGE, 1);
	assert_int_equal(rmdt_message_recv(b.inbound, got, 4), -EMSGSIZE);
	assert_int_equal(rmdt_message_recv(b.inbound, got, sizeof(got)), 5);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(rmdt_message_recv(b.inbound, got, sizeof(got)), -EAGAIN);
	/* And back. */
	assert_int_equal(rmdt_message_send(b.inbound, "you too", 7), 0);
	kit_await(&a, RMDT_EVENT_MESSAGE, 1);
	assert_int_equal(rmdt_message_recv(peer, got, sizeof(got)), 7);
	kit_stop_all(&a, &b);
}

/* With an argument: only the tests whose name matches it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_handler),
		cmocka_unit_test(test_room_event),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_source_poked_as_it_dries),
		cmocka_unit_test(test_source_freed),
		cmocka_unit_test(test_many_writers),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_messages),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/sendbuf.h"

#define B ((uint64_t)RMDT_BLOCK_BYTES)

struct fixture {
	struct rmdt_blocks pool;
	struct rmdt_sendbuf *sb;
};

static void open_buffer(struct fixture *f, uint64_t pool_bytes, uint64_t start, uint64_t max)
{
	rmdt_blocks_init(&f->pool, pool_bytes, NULL);
	f->sb = rmdt_sendbuf_new(&f->pool, start, max);
	assert_non_null(f->sb);
}

static void close_buffer(struct fixture *f)
{
	rmdt_sendbuf_free(f->sb);
	assert_int_equal(rmdt_blocks_used(&f->pool), 0);
	rmdt_blocks_fini(&f->pool);
}

/* The byte that belongs at off. */
static uint8_t byte_at(uint64_t off)
{
	uint64_t x = (off + 1) * 0x9e3779b97f4a7c15ull;

	return (uint8_t)(x >> 56);
}

static void fill(const struct rmdt_span *span, size_t n)
{
	for (size_t i = 0; i < n; i++)
		span->ptr[i] = byte_at(span->off + i);
}

static void check(const uint8_t *ptr, uint64_t off, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ptr[i] != byte_at(off + i))
			fail_msg("wrong byte at %llu", (unsigned long long)(off + i));
}

static void put(struct rmdt_sendbuf *sb, uint64_t n)
{
	struct rmdt_span span;

	while (n > 0) {
		assert_int_equal(rmdt_sendbuf_reserve(sb, n, &span), 0);
		fill(&span, span.len);
		assert_int_equal(rmdt_sendbuf_commit(sb, span.off, span.len), 0);
		n -= span.len;
	}
}

static void test_order_of_placement(void **state)
{
	struct fixture f;
	struct rmdt_span a, b, c;
	const uint8_t *ptr;

	(void)state;
	open_buffer(&f, 16 * B, 1000, 8 * B);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 10, &a), 0);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 20, &b), 0);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 30, &c), 0);
	assert_int_equal(a.off, 1000);
	assert_int_equal(c.off, 1030);
	fill(&a, 10);
	fill(&b, 20);
	fill(&c, 30);
	assert_int_equal(rmdt_sendbuf_commit(f.sb, c.off, 30), 0);
	assert_int_equal(rmdt_sendbuf_head(f.sb), 1000);
	assert_int_equal(rmdt_sendbuf_view(f.sb, 1000, 100, &ptr), 0);
	assert_int_equal(rmdt_sendbuf_commit(f.sb, a.off, 10), 0);
	assert_int_equal(rmdt_sendbuf_head(f.sb), 1010);
	/* Short, but not the last. */
	assert_int_equal(rmdt_sendbuf_commit(f.sb, b.off, 19), -EINVAL);
	assert_int_equal(rmdt_sendbuf_commit(f.sb, b.off, 21), -EINVAL);
	assert_int_equal(rmdt_sendbuf_commit(f.sb, b.off + 1, 1), -EINVAL);
	assert_int_equal(rmdt_sendbuf_finish(f.sb), -EBUSY);
	assert_int_equal(rmdt_sendbuf_commit(f.sb, b.off, 20), 0);
	assert_int_equal(rmdt_sendbuf_head(f.sb), 1060);
	assert_int_equal(rmdt_sendbuf_commit(f.sb, b.off, 20), -EINVAL);
	assert_int_equal(rmdt_sendbuf_view(f.sb, 1000, 1000, &ptr), 60);
	check(ptr, 1000, 60);
	assert_int_equal(rmdt_sendbuf_view(f.sb, 1059, 1000, &ptr), 1);
	close_buffer(&f);
}

static void test_short_commit_returns_the_rest(void **state)
{
	struct fixture f;
	struct rmdt_span a, b;

	(void)state;
	open_buffer(&f, 16 * B, 0, 4 * B);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 1000, &a), 0);
	assert_int_equal(rmdt_sendbuf_commit(f.sb, 0, 7), 0);
	assert_int_equal(rmdt_sendbuf_tail(f.sb), 7);
	assert_int_equal(rmdt_sendbuf_room(f.sb), 4 * B - 7);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 1000, &a), 0);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 1000, &b), 0);
	assert_int_equal(rmdt_sendbuf_commit(f.sb, b.off, 0), 0);
	assert_int_equal(rmdt_sendbuf_head(f.sb), 7);
	assert_int_equal(rmdt_sendbuf_commit(f.sb, a.off, 0), 0);
	assert_int_equal(rmdt_sendbuf_head(f.sb), 7);
	assert_int_equal(rmdt_sendbuf_tail(f.sb), 7);
	assert_int_equal(rmdt_sendbuf_finish(f.sb), 0);
	close_buffer(&f);
}

static void test_room_and_limits(void **state)
{
	struct fixture f;
	struct rmdt_span span;

	(void)state;
	open_buffer(&f, 64 * B, B - 1, 4 * B);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 0, &span), -EINVAL);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, SIZE_MAX, &span), 0);
	assert_int_equal(span.len, 1);		/* up to the end of the block */
	assert_int_equal(rmdt_sendbuf_commit(f.sb, span.off, 1), 0);
	put(f.sb, 4 * B - 1);
	assert_int_equal(rmdt_sendbuf_room(f.sb), 0);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 1, &span), -EAGAIN);
	assert_int_equal(rmdt_blocks_used(&f.pool), 5);
	assert_int_equal(rmdt_sendbuf_release(f.sb, B + 10), 0);
	assert_int_equal(rmdt_blocks_used(&f.pool), 4);
	assert_int_equal(rmdt_sendbuf_room(f.sb), 11);
	rmdt_sendbuf_set_limit(f.sb, 2 * B);
	assert_int_equal(rmdt_sendbuf_room(f.sb), 0);
	rmdt_sendbuf_set_limit(f.sb, 100 * B);
	assert_int_equal(rmdt_sendbuf_limit(f.sb), 4 * B);
	rmdt_sendbuf_set_limit(f.sb, 0);
	assert_int_equal(rmdt_sendbuf_limit(f.sb), B);
	assert_int_equal(rmdt_sendbuf_release(f.sb, 5 * B), -EINVAL);
	assert_int_equal(rmdt_sendbuf_release(f.sb, 0), 0);
	assert_int_equal(rmdt_sendbuf_base(f.sb), B + 10);
	assert_int_equal(rmdt_sendbuf_release(f.sb, rmdt_sendbuf_head(f.sb)), 0);
	assert_int_equal(rmdt_blocks_used(&f.pool), 0);
	close_buffer(&f);
}

static void test_idle_holds_no_block(void **state)
{
	struct fixture f;
	const uint8_t *ptr;

	(void)state;
	open_buffer(&f, 16 * B, 0, 4 * B);
	for (int i = 1; i <= 1000; i++) {
		put(f.sb, 777);
		assert_int_equal(rmdt_sendbuf_view(f.sb, 777u * (unsigned)(i - 1), 1, &ptr), 1);
		check(ptr, 777u * (unsigned)(i - 1), 1);
		assert_int_equal(rmdt_sendbuf_release(f.sb, 777u * (unsigned)i), 0);
		assert_int_equal(rmdt_blocks_used(&f.pool), 0);
	}
	close_buffer(&f);
}

static void test_empty_pool(void **state)
{
	struct fixture f;
	struct rmdt_span span;

	(void)state;
	open_buffer(&f, 3 * B, 0, 8 * B);	/* one of the three is spared */
	put(f.sb, 2 * B);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 1, &span), -ENOBUFS);
	assert_int_equal(rmdt_sendbuf_take_credit(f.sb, 1), -ENOBUFS);
	assert_int_equal(rmdt_sendbuf_credit(f.sb), 0);
	assert_int_equal(rmdt_sendbuf_release(f.sb, B), 0);
	/* The half that it got before the pool was empty goes back. */
	assert_int_equal(rmdt_sendbuf_take_credit(f.sb, 2 * B), -ENOBUFS);
	assert_int_equal(rmdt_blocks_used(&f.pool), 1);
	assert_int_equal(rmdt_sendbuf_take_credit(f.sb, B), 0);
	close_buffer(&f);
}

/* 0 under a sanitizer, whose allocator does not say. */
static size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void test_many_open(void **state)
{
	struct fixture f;
	struct rmdt_span span[RMDT_SENDBUF_RESERVATIONS], extra;
	size_t before_bytes;

	(void)state;
	open_buffer(&f, 16 * B, 0, 8 * B);
	for (unsigned i = 0; i < RMDT_SENDBUF_RESERVATIONS; i++)
		assert_int_equal(rmdt_sendbuf_reserve(f.sb, 10, &span[i]), 0);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 10, &extra), -EBUSY);
	/* Credit is served all the same, however many there are. */
	assert_int_equal(rmdt_sendbuf_take_credit(f.sb, 1000), 0);
	for (unsigned i = 0; i < RMDT_SENDBUF_PLACEMENTS; i++) {
		size_t n;

		assert_int_equal(rmdt_sendbuf_place(f.sb, 1, &extra, 1, &n), 0);
	}
	/* While the first is still open, a million quick ones must not make the list grow. */
	for (unsigned i = 1; i < RMDT_SENDBUF_RESERVATIONS; i++)
		assert_int_equal(rmdt_sendbuf_commit(f.sb, span[i].off, 10), 0);
	rmdt_sendbuf_give_back(f.sb, rmdt_sendbuf_credit(f.sb));
	before_bytes = heap_bytes();
	for (unsigned i = 0; i < 1000000; i++) {
		assert_int_equal(rmdt_sendbuf_reserve(f.sb, 1, &extra), 0);
		assert_int_equal(rmdt_sendbuf_commit(f.sb, extra.off, 1), 0);
	}
	assert_true(heap_bytes() < before_bytes + 3000000);
	assert_int_equal(rmdt_sendbuf_head(f.sb), 0);
	close_buffer(&f);
}

static void test_credit(void **state)
{
	struct fixture f;
	struct rmdt_span spans[4], span;
	size_t n = 99;

	(void)state;
	open_buffer(&f, 16 * B, 100, 8 * B);
	rmdt_sendbuf_set_limit(f.sb, 2 * B);
	assert_int_equal(rmdt_sendbuf_take_credit(f.sb, 8 * B + 1), -EMSGSIZE);
	/* More than the soft limit when nothing else is there. */
	assert_int_equal(rmdt_sendbuf_take_credit(f.sb, 3 * B), 0);
	assert_int_equal(rmdt_blocks_used(&f.pool), 4);
	assert_int_equal(rmdt_sendbuf_take_credit(f.sb, 1), -EAGAIN);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 1, &span), -EAGAIN);
	rmdt_sendbuf_give_back(f.sb, 2 * B);
	assert_int_equal(rmdt_blocks_used(&f.pool), 2);
	/* Reserving eats nothing of the credit. */
	assert_int_equal(rmdt_sendbuf_room(f.sb), B);
	put(f.sb, B);
	assert_int_equal(rmdt_sendbuf_room(f.sb), 0);
	assert_int_equal(rmdt_sendbuf_credit(f.sb), B);
	assert_int_equal(rmdt_sendbuf_place(f.sb, B + 1, spans, 4, &n), -ENOSPC);
	assert_int_equal(rmdt_sendbuf_place(f.sb, 0, spans, 4, &n), -EINVAL);
	assert_int_equal(rmdt_sendbuf_place(f.sb, B, spans, 1, &n), -E2BIG);
	assert_int_equal(n, 99);
	assert_int_equal(rmdt_sendbuf_place(f.sb, B, spans, 4, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(spans[0].len, B - 100);
	assert_int_equal(spans[1].off, 2 * B);
	fill(&spans[1], spans[1].len);
	assert_int_equal(rmdt_sendbuf_commit(f.sb, spans[1].off, spans[1].len), 0);
	assert_int_equal(rmdt_sendbuf_head(f.sb), 100 + B);
	assert_int_equal(rmdt_sendbuf_commit(f.sb, spans[0].off, spans[0].len), 0);
	assert_int_equal(rmdt_sendbuf_head(f.sb), 100 + 2 * B);
	rmdt_sendbuf_give_back(f.sb, 0);
	close_buffer(&f);
}

static void test_finish(void **state)
{
	struct fixture f;
	struct rmdt_span span;
	uint64_t off = 5;
	size_t n;

	(void)state;
	open_buffer(&f, 16 * B, 0, 8 * B);
	put(f.sb, 100);
	assert_false(rmdt_sendbuf_final(f.sb, &off));
	assert_int_equal(off, 5);
	assert_int_equal(rmdt_sendbuf_take_credit(f.sb, B), 0);
	assert_int_equal(rmdt_sendbuf_finish(f.sb), 0);
	assert_int_equal(rmdt_sendbuf_finish(f.sb), 0);
	assert_true(rmdt_sendbuf_final(f.sb, &off));
	assert_int_equal(off, 100);
	assert_int_equal(rmdt_blocks_used(&f.pool), 1);
	assert_int_equal(rmdt_sendbuf_reserve(f.sb, 1, &span), -EPIPE);
	assert_int_equal(rmdt_sendbuf_place(f.sb, 1, &span, 1, &n), -EPIPE);
	assert_int_equal(rmdt_sendbuf_take_credit(f.sb, 1), -EPIPE);
	assert_int_equal(rmdt_sendbuf_room(f.sb), 0);
	rmdt_sendbuf_give_back(f.sb, B);
	close_buffer(&f);
}

/* Any sequence of operations against the offsets that it must give. */
struct model {
	struct fixture f;
	uint64_t base, head, tail, credit, max, limit;
	struct rmdt_span open[64];
	size_t n_open;
	unsigned seed;
};

static unsigned pick(struct model *m, unsigned n)
{
	m->seed = m->seed * 1103515245u + 12345u;
	return (m->seed >> 8) % n;
}

static void do_reserve(struct model *m)
{
	size_t want = 1 + pick(m, pick(m, 4) ? 5000 : 400000);
	uint64_t used = m->tail - m->base + m->credit;
	struct rmdt_span span;
	int err;

	if (m->n_open == 60)
		return;
	err = rmdt_sendbuf_reserve(m->f.sb, want, &span);
	if (used >= m->limit) {
		assert_int_equal(err, -EAGAIN);
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(span.off, m->tail);
	assert_true(span.len >= 1 && span.len <= want && span.len <= m->limit - used);
	m->open[m->n_open++] = span;
	m->tail += span.len;
}

static void do_commit(struct model *m)
{
	size_t i, used;

	if (m->n_open == 0)
		return;
	i = pick(m, (unsigned)m->n_open);
	used = m->open[i].len;
	if (i == m->n_open - 1 && m->open[i].off + used == m->tail && pick(m, 2))
		used = pick(m, (unsigned)used + 1);
	fill(&m->open[i], used);
	assert_int_equal(rmdt_sendbuf_commit(m->f.sb, m->open[i].off, used), 0);
	if (used < m->open[i].len)
		m->tail = m->open[i].off + used;
	memmove(&m->open[i], &m->open[i + 1], (m->n_open - i - 1) * sizeof(m->open[0]));
	m->n_open--;
	m->head = m->n_open ? m->open[0].off : m->tail;
}

static void do_credit(struct model *m)
{
	uint64_t bytes = pick(m, 3) ? pick(m, 300000) : pick(m, (unsigned)m->max + 2);
	uint64_t used = m->tail - m->base + m->credit;
	uint64_t limit = bytes > m->limit ? bytes : m->limit;
	int err = rmdt_sendbuf_take_credit(m->f.sb, bytes);

	if (bytes > m->max) {
		assert_int_equal(err, -EMSGSIZE);
	} else if (used + bytes > limit) {
		assert_int_equal(err, -EAGAIN);
	} else {
		assert_int_equal(err, 0);
		m->credit += bytes;
	}
}

static void do_place(struct model *m)
{
	size_t n, bytes;

	if (m->credit == 0 || m->n_open > 40)
		return;
	bytes = 1 + pick(m, (unsigned)m->credit);
	assert_int_equal(rmdt_sendbuf_place(m->f.sb, bytes, &m->open[m->n_open],
					    64 - m->n_open, &n), 0);
	m->n_open += n;
	m->tail += bytes;
	m->credit -= bytes;
	assert_int_equal(m->open[m->n_open - 1].off + m->open[m->n_open - 1].len, m->tail);
}

static void do_release(struct model *m)
{
	uint64_t off = m->base + pick(m, (unsigned)(m->head - m->base) + 1);

	if (pick(m, 4) == 0)
		off = m->head;
	assert_int_equal(rmdt_sendbuf_release(m->f.sb, off), 0);
	m->base = off;
}

static void do_read(struct model *m)
{
	uint64_t off = m->base + pick(m, (unsigned)(m->head - m->base) + 1);
	const uint8_t *ptr = NULL;
	size_t n = rmdt_sendbuf_view(m->f.sb, off, 1 + pick(m, 3000), &ptr);

	assert_true(n > 0 || off == m->head);
	check(ptr, off, n);
}

static void test_model(void **state)
{
	struct model m = { .max = 6 * B + 123, .seed = 7 };

	(void)state;
	m.base = m.head = m.tail = 5 * B - 3;
	m.limit = m.max;
	open_buffer(&m.f, 100 * B, m.base, m.max);
	for (int i = 0; i < 60000; i++) {
		switch (pick(&m, 9)) {
		case 0: case 1: do_reserve(&m); break;
		case 2: case 3: do_commit(&m); break;
		case 4: do_credit(&m); break;
		case 5: do_place(&m); break;
		case 6: do_release(&m); break;
		case 7: do_read(&m); break;
		default:
			if (pick(&m, 4) == 0) {
				uint64_t back = m.credit ? pick(&m, (unsigned)m.credit + 1) : 0;

				rmdt_sendbuf_give_back(m.f.sb, back);
				m.credit -= back;
				m.limit = B + pick(&m, (unsigned)(m.max - B) + 1);
				rmdt_sendbuf_set_limit(m.f.sb, m.limit);
			}
		}
		assert_int_equal(rmdt_sendbuf_base(m.f.sb), m.base);
		assert_int_equal(rmdt_sendbuf_head(m.f.sb), m.head);
		assert_int_equal(rmdt_sendbuf_tail(m.f.sb), m.tail);
		assert_int_equal(rmdt_sendbuf_credit(m.f.sb), m.credit);
		assert_true(rmdt_blocks_used(&m.f.pool) <= m.max / B + 2);
	}
	close_buffer(&m.f);
}

/* Two writers, two readers and the owner of the lock, as the engine has them. */
#define STRESS_BYTES (24u * 1024u * 1024u)

struct stress {
	struct fixture f;
	pthread_mutex_t lock;
	_Atomic uint64_t passed[2];
};

static void lock_pool(void *ctx)
{
	pthread_mutex_lock(ctx);
}

static void unlock_pool(void *ctx)
{
	pthread_mutex_unlock(ctx);
}

static void *stress_write(void *arg)
{
	struct stress *s = arg;
	struct rmdt_span span;
	int err;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		err = -EPIPE;
		if (rmdt_sendbuf_tail(s->f.sb) < STRESS_BYTES)
			err = rmdt_sendbuf_reserve(s->f.sb, 10000, &span);
		pthread_mutex_unlock(&s->lock);
		if (err == -EPIPE)
			return NULL;
		if (err) {
			sched_yield();
			continue;
		}
		fill(&span, span.len);
		pthread_mutex_lock(&s->lock);
		err = rmdt_sendbuf_commit(s->f.sb, span.off, span.len);
		pthread_mutex_unlock(&s->lock);
		assert(err == 0);
	}
}

static void stress_release(struct stress *s)
{
	uint64_t a = atomic_load_explicit(&s->passed[0], memory_order_acquire);
	uint64_t b = atomic_load_explicit(&s->passed[1], memory_order_acquire);
	int err;

	pthread_mutex_lock(&s->lock);
	err = rmdt_sendbuf_release(s->f.sb, a < b ? a : b);
	pthread_mutex_unlock(&s->lock);
	assert(err == 0);
}

static void stress_read(struct stress *s, int me)
{
	uint64_t off = 0;

	while (off < STRESS_BYTES) {
		const uint8_t *ptr;
		size_t n = rmdt_sendbuf_view(s->f.sb, off, 7777, &ptr);

		if (n == 0) {
			stress_release(s);
			sched_yield();
			continue;
		}
		for (size_t i = 0; i < n; i++)
			assert(ptr[i] == byte_at(off + i));
		off += n;
		atomic_store_explicit(&s->passed[me], off, memory_order_release);
	}
}

static void *stress_reader(void *arg)
{
	stress_read(arg, 1);
	return NULL;
}

static void test_threads(void **state)
{
	struct stress s = { .lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
	struct rmdt_blocks_ops ops = { .lock = lock_pool, .unlock = unlock_pool,
				       .ctx = &pool_lock };
	pthread_t thread[3];

	(void)state;
	rmdt_blocks_init(&s.f.pool, 20 * B, &ops);
	s.f.sb = rmdt_sendbuf_new(&s.f.pool, 0, 3 * B + 1000);
	pthread_create(&thread[0], NULL, stress_write, &s);
	pthread_create(&thread[1], NULL, stress_write, &s);
	pthread_create(&thread[2], NULL, stress_reader, &s);
	stress_read(&s, 0);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	assert_true(rmdt_sendbuf_head(s.f.sb) >= STRESS_BYTES);
	close_buffer(&s.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_of_placement),
		cmocka_unit_test(test_short_commit_returns_the_rest),
		cmocka_unit_test(test_room_and_limits),
		cmocka_unit_test(test_idle_holds_no_block),
		cmocka_unit_test(test_empty_pool),
		cmocka_unit_test(test_many_open),
		cmocka_unit_test(test_credit),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

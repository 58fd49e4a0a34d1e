/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/recvbuf.h"

#define B ((uint64_t)RMDT_BLOCK_BYTES)

struct fixture {
	struct rmdt_blocks pool;
	struct rmdt_recvbuf *rb;
};

static void open_buffer(struct fixture *f, uint64_t pool_bytes, uint64_t start, uint64_t max)
{
	rmdt_blocks_init(&f->pool, pool_bytes, NULL);
	f->rb = rmdt_recvbuf_new(&f->pool, start, max, max);
	assert_non_null(f->rb);
}

static void close_buffer(struct fixture *f)
{
	rmdt_recvbuf_free(f->rb);
	assert_int_equal(rmdt_blocks_used(&f->pool), 0);
	rmdt_blocks_fini(&f->pool);
}

/* The byte that belongs at off. */
static uint8_t byte_at(uint64_t off)
{
	uint64_t x = (off + 1) * 0x9e3779b97f4a7c15ull;

	return (uint8_t)(x >> 56);
}

static void fill(uint8_t *ptr, uint64_t off, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ptr[i] = byte_at(off + i);
}

static void check(const uint8_t *ptr, uint64_t off, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ptr[i] != byte_at(off + i))
			fail_msg("wrong byte at %llu", (unsigned long long)(off + i));
}

static enum rmdt_recvbuf_result write_at(struct rmdt_recvbuf *rb, uint64_t off, size_t len)
{
	static uint8_t scratch[RMDT_BLOCK_BYTES + 1];

	fill(scratch, off, len);
	return rmdt_recvbuf_write(rb, off, scratch, len);
}

/* A genuine packet, as conn handles it. */
static enum rmdt_recvbuf_result deliver(struct rmdt_recvbuf *rb, uint64_t off, size_t len)
{
	uint8_t *dst;
	enum rmdt_recvbuf_result result = rmdt_recvbuf_claim(rb, off, len, &dst);

	if (result == RMDT_RECVBUF_PLACE) {
		fill(dst, off, len);
		return rmdt_recvbuf_commit(rb, off, len);
	}
	return result == RMDT_RECVBUF_SCRATCH ? write_at(rb, off, len) : result;
}

static void test_in_order(void **state)
{
	struct fixture f;
	const uint8_t *ptr;
	uint8_t *dst;

	(void)state;
	open_buffer(&f, 16 * B, 1000, 4 * B);
	assert_int_equal(rmdt_recvbuf_peek(f.rb, &ptr), 0);
	/* The first packet is not yet trusted with memory. */
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 1000, 100, &dst), RMDT_RECVBUF_SCRATCH);
	assert_int_equal(rmdt_blocks_used(&f.pool), 0);
	assert_int_equal(write_at(f.rb, 1000, 100), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 1100, 100, &dst), RMDT_RECVBUF_PLACE);
	fill(dst, 1100, 100);
	assert_int_equal(rmdt_recvbuf_ready(f.rb), 1100);
	assert_int_equal(rmdt_recvbuf_commit(f.rb, 1100, 100), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_peek(f.rb, &ptr), 200);
	check(ptr, 1000, 200);
	assert_int_equal(rmdt_recvbuf_peek_at(f.rb, 150, &ptr), 50);
	check(ptr, 1150, 50);
	assert_int_equal(rmdt_recvbuf_peek_at(f.rb, 200, &ptr), 0);
	assert_int_equal(rmdt_recvbuf_consume(f.rb, 201), -EINVAL);
	assert_int_equal(rmdt_recvbuf_consume(f.rb, 150), 0);
	assert_int_equal(rmdt_recvbuf_peek(f.rb, &ptr), 50);
	assert_int_equal(rmdt_recvbuf_stats(f.rb)->stored_bytes, 200);
	assert_int_equal(rmdt_recvbuf_stats(f.rb)->copied_bytes, 100);
	close_buffer(&f);
}

static void test_forged_packets_change_nothing(void **state)
{
	struct fixture f;
	const uint8_t *ptr;
	uint8_t *dst;

	(void)state;
	open_buffer(&f, 16 * B, 0, 4 * B);
	write_at(f.rb, 0, 100);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 100, 50, &dst), RMDT_RECVBUF_PLACE);
	memset(dst, 0xee, 50);
	rmdt_recvbuf_unclaim(f.rb, 100, 50);
	assert_int_equal(rmdt_recvbuf_ready(f.rb), 100);
	for (uint64_t off = B; off < 4 * B; off += 1000)
		assert_int_equal(rmdt_recvbuf_claim(f.rb, off, 1000, &dst),
				 off + 1000 <= 4 * B ? RMDT_RECVBUF_SCRATCH : RMDT_RECVBUF_BEYOND);
	assert_int_equal(rmdt_blocks_used(&f.pool), 1);
	assert_int_equal(deliver(f.rb, 90, 100), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_peek(f.rb, &ptr), 190);
	check(ptr, 0, 190);
	close_buffer(&f);
}

static void test_claims_of_one_batch(void **state)
{
	struct fixture f;
	const uint8_t *ptr;
	uint8_t *a, *b;

	(void)state;
	open_buffer(&f, 16 * B, 0, 4 * B);
	write_at(f.rb, 0, 10);
	/* A forged packet is first, the genuine one for the same place second. */
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 10, 100, &a), RMDT_RECVBUF_PLACE);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 50, 100, &b), RMDT_RECVBUF_SCRATCH);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 110, 50, &b), RMDT_RECVBUF_PLACE);
	memset(a, 0xee, 100);
	fill(b, 110, 50);
	rmdt_recvbuf_unclaim(f.rb, 10, 100);
	assert_int_equal(write_at(f.rb, 50, 100), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_commit(f.rb, 110, 50), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_stats(f.rb)->duplicate_bytes, 40);
	assert_int_equal(deliver(f.rb, 10, 40), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_peek(f.rb, &ptr), 160);
	check(ptr, 0, 160);
	/* Both genuine: the second one finds everything there. */
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 160, 10, &a), RMDT_RECVBUF_PLACE);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 160, 10, &b), RMDT_RECVBUF_SCRATCH);
	fill(a, 160, 10);
	assert_int_equal(write_at(f.rb, 160, 10), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_commit(f.rb, 160, 10), RMDT_RECVBUF_DUPLICATE);
	/* A full table of claims sends the rest through scratch. */
	for (unsigned i = 0; i < RMDT_RECVBUF_CLAIMS; i++)
		assert_int_equal(rmdt_recvbuf_claim(f.rb, 1000 + 10 * i, 10, &a),
				 RMDT_RECVBUF_PLACE);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 50000, 10, &a), RMDT_RECVBUF_SCRATCH);
	for (unsigned i = 0; i < RMDT_RECVBUF_CLAIMS; i++)
		rmdt_recvbuf_unclaim(f.rb, 1000 + 10 * i, 10);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 50000, 10, &a), RMDT_RECVBUF_PLACE);
	close_buffer(&f);
}

/* The consumer may be reading what is there, so a second version of it must not be copied. */
static void test_first_version_stays(void **state)
{
	struct fixture f;
	const uint8_t *ptr;
	uint8_t other[300];

	(void)state;
	open_buffer(&f, 16 * B, 0, 4 * B);
	assert_int_equal(deliver(f.rb, 0, 100), RMDT_RECVBUF_STORED);
	assert_int_equal(deliver(f.rb, 150, 50), RMDT_RECVBUF_STORED);
	fill(other, 0, sizeof(other));
	memset(other, 0xee, 100);
	memset(other + 150, 0xee, 50);
	assert_int_equal(rmdt_recvbuf_write(f.rb, 0, other, sizeof(other)), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_peek(f.rb, &ptr), 300);
	check(ptr, 0, 300);
	assert_int_equal(rmdt_recvbuf_stats(f.rb)->duplicate_bytes, 150);
	close_buffer(&f);
}

static void test_window(void **state)
{
	struct fixture f;
	uint8_t *dst;

	(void)state;
	open_buffer(&f, 16 * B, 5000, 2 * B);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 4999, 1, &dst), RMDT_RECVBUF_BEYOND);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 5000 + 2 * B - 1, 2, &dst), RMDT_RECVBUF_BEYOND);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, UINT64_MAX, 1, &dst), RMDT_RECVBUF_BEYOND);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, UINT64_MAX - 5, 100, &dst), RMDT_RECVBUF_BEYOND);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 5000, B + 1, &dst), RMDT_RECVBUF_BEYOND);
	assert_int_equal(write_at(f.rb, 5000 + 2 * B, 1), RMDT_RECVBUF_BEYOND);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 5000 + 2 * B, 0, &dst), RMDT_RECVBUF_DUPLICATE);
	assert_int_equal(rmdt_recvbuf_claim(f.rb, 5001 + 2 * B, 0, &dst), RMDT_RECVBUF_BEYOND);
	assert_int_equal(write_at(f.rb, 5000 + 2 * B - 1, 1), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_highest(f.rb), 5000 + 2 * B);
	assert_int_equal(rmdt_recvbuf_set_limit(f.rb, 5001 + 2 * B), -EINVAL);
	for (uint64_t off = 5000; off < 5000 + B; off += 1024)
		assert_int_equal(deliver(f.rb, off, 1024), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_consume(f.rb, B), 0);
	assert_int_equal(rmdt_recvbuf_recycle(f.rb), 1);
	assert_int_equal(rmdt_recvbuf_recycle(f.rb), 0);
	assert_int_equal(rmdt_recvbuf_set_limit(f.rb, 5000 + 3 * B), 0);
	assert_int_equal(rmdt_recvbuf_set_limit(f.rb, 0), 0);
	assert_int_equal(rmdt_recvbuf_limit(f.rb), 5000 + 3 * B);
	assert_int_equal(write_at(f.rb, 5000 + 3 * B - 1, 1), RMDT_RECVBUF_STORED);
	assert_int_equal(deliver(f.rb, 5000, 1024), RMDT_RECVBUF_DUPLICATE);
	close_buffer(&f);
}

static void test_block_ahead(void **state)
{
	struct fixture f;
	uint64_t off;
	unsigned scratch = 0;
	const uint8_t *ptr;
	uint8_t *dst;

	(void)state;
	open_buffer(&f, 100 * B, 0, 32 * B);
	/* A small flow takes one block; a long one never needs scratch but at block ends. */
	deliver(f.rb, 0, 1000);
	assert_int_equal(rmdt_blocks_used(&f.pool), 1);
	for (off = 1000; off + 1000 <= 16 * B; off += 1000) {
		if (rmdt_recvbuf_claim(f.rb, off, 1000, &dst) == RMDT_RECVBUF_PLACE) {
			assert_int_equal(rmdt_recvbuf_commit(f.rb, off, 1000), RMDT_RECVBUF_STORED);
		} else {
			scratch++;
			assert_int_equal(write_at(f.rb, off, 1000), RMDT_RECVBUF_STORED);
		}
	}
	assert_true(scratch <= 15);
	assert_int_equal(rmdt_blocks_used(&f.pool), 17);
	assert_int_equal(rmdt_recvbuf_consume(f.rb, off), 0);
	rmdt_recvbuf_recycle(f.rb);
	assert_int_equal(rmdt_blocks_used(&f.pool), 2);
	rmdt_recvbuf_idle(f.rb);
	assert_int_equal(rmdt_blocks_used(&f.pool), 0);
	assert_int_equal(deliver(f.rb, off, 100), RMDT_RECVBUF_STORED);
	rmdt_recvbuf_idle(f.rb);	/* not consumed: stays */
	assert_int_equal(rmdt_recvbuf_peek(f.rb, &ptr), 100);
	check(ptr, off, 100);
	close_buffer(&f);
}

static void test_no_memory(void **state)
{
	struct fixture f;
	const uint8_t *ptr;

	(void)state;
	open_buffer(&f, B, 0, 8 * B);
	assert_int_equal(deliver(f.rb, 0, B / 2 + 8), RMDT_RECVBUF_STORED);
	assert_int_equal(deliver(f.rb, B - 4, 8), RMDT_RECVBUF_NOBLOCK);
	assert_int_equal(rmdt_recvbuf_highest(f.rb), B / 2 + 8);
	assert_int_equal(rmdt_recvbuf_stats(f.rb)->noblock_pkts, 1);
	assert_int_equal(deliver(f.rb, B / 2 + 8, B / 2 - 8), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_peek(f.rb, &ptr), B);
	check(ptr, 0, B);
	assert_int_equal(rmdt_recvbuf_consume(f.rb, B), 0);
	assert_int_equal(deliver(f.rb, B, 8), RMDT_RECVBUF_NOBLOCK);
	assert_int_equal(rmdt_recvbuf_recycle(f.rb), 1);
	assert_int_equal(deliver(f.rb, B, 8), RMDT_RECVBUF_STORED);
	close_buffer(&f);
}

static void test_too_many_islands(void **state)
{
	struct fixture f;
	uint64_t off = 0;

	(void)state;
	open_buffer(&f, 100 * B, 0, 32 * B);
	for (unsigned i = 0; i < RMDT_RECVBUF_RANGES; i++, off += 2)
		assert_int_equal(deliver(f.rb, off + 1, 1), RMDT_RECVBUF_STORED);
	assert_int_equal(deliver(f.rb, off + 1, 1), RMDT_RECVBUF_NOBLOCK);
	assert_int_equal(rmdt_recvbuf_highest(f.rb), off);
	assert_int_equal(deliver(f.rb, 0, 5), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_ready(f.rb), 6);
	assert_int_equal(deliver(f.rb, off + 1, 1), RMDT_RECVBUF_STORED);
	close_buffer(&f);
}

/*
 * A flow with much on its way has room for the holes that a long path leaves in it, however large
 * the buffer may be.
 */
static void test_islands_of_a_long_path(void **state)
{
	uint64_t span = 300 * B, most = (span + 1) / RMDT_RECVBUF_ISLAND_BYTES;
	struct fixture f;

	(void)state;
	open_buffer(&f, 600 * B, 0, 512 * B);
	assert_true(most > 2 * RMDT_RECVBUF_RANGES);
	/* Packets of a byte, a byte apart, are no long path. */
	for (uint64_t i = 0; i < RMDT_RECVBUF_RANGES; i++)
		assert_int_equal(deliver(f.rb, 2 * i + 1, 1), RMDT_RECVBUF_STORED);
	assert_int_equal(deliver(f.rb, 2 * RMDT_RECVBUF_RANGES + 1, 1), RMDT_RECVBUF_NOBLOCK);
	assert_int_equal(deliver(f.rb, span, 1), RMDT_RECVBUF_STORED);
	for (uint64_t i = RMDT_RECVBUF_RANGES; i < most - 1; i++)
		assert_int_equal(deliver(f.rb, 2 * i + 1, 1), RMDT_RECVBUF_STORED);
	assert_int_equal(deliver(f.rb, 2 * most - 1, 1), RMDT_RECVBUF_NOBLOCK);
	/* What fills a hole is taken at any time. */
	assert_int_equal(deliver(f.rb, 0, 1), RMDT_RECVBUF_STORED);
	assert_int_equal(rmdt_recvbuf_ready(f.rb), 2);
	close_buffer(&f);
}

static void test_final(void **state)
{
	struct fixture f;
	uint64_t off = 7;

	(void)state;
	open_buffer(&f, 16 * B, 0, 4 * B);
	deliver(f.rb, 100, 100);
	assert_int_equal(rmdt_recvbuf_set_final(f.rb, 199), -EPROTO);
	assert_int_equal(rmdt_recvbuf_set_final(f.rb, UINT64_MAX), -EPROTO);
	assert_false(rmdt_recvbuf_final(f.rb, &off));
	assert_int_equal(off, 7);
	assert_int_equal(rmdt_recvbuf_set_final(f.rb, 300), 0);
	assert_int_equal(rmdt_recvbuf_set_final(f.rb, 300), 0);
	assert_int_equal(rmdt_recvbuf_set_final(f.rb, 301), -EPROTO);
	assert_true(rmdt_recvbuf_final(f.rb, &off));
	assert_int_equal(off, 300);
	assert_int_equal(deliver(f.rb, 290, 11), RMDT_RECVBUF_BEYOND);
	assert_int_equal(deliver(f.rb, 200, 100), RMDT_RECVBUF_STORED);
	assert_false(rmdt_recvbuf_complete(f.rb));
	assert_int_equal(deliver(f.rb, 0, 150), RMDT_RECVBUF_STORED);
	assert_true(rmdt_recvbuf_complete(f.rb));
	assert_false(rmdt_recvbuf_drained(f.rb));
	assert_int_equal(rmdt_recvbuf_consume(f.rb, 300), 0);
	assert_true(rmdt_recvbuf_drained(f.rb));
	close_buffer(&f);

	/* An empty stream. */
	open_buffer(&f, 16 * B, 42, 4 * B);
	assert_int_equal(rmdt_recvbuf_set_final(f.rb, 41), -EPROTO);
	assert_int_equal(rmdt_recvbuf_set_final(f.rb, 42), 0);
	assert_true(rmdt_recvbuf_complete(f.rb) && rmdt_recvbuf_drained(f.rb));
	close_buffer(&f);
}

static unsigned pick(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 8) % n;
}

/* Any packets in any order against an array of which bytes have come. */
#define MODEL_BYTES (40u * RMDT_BLOCK_BYTES)
#define MODEL_START 777u
static uint8_t seen[MODEL_BYTES];

static size_t count_seen(uint64_t off, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += seen[off + i];
	return n;
}

static void model_packet(struct fixture *f, unsigned *seed, uint64_t limit)
{
	uint64_t low = rmdt_recvbuf_consumed(f->rb);
	uint64_t off = low + pick(seed, (unsigned)(limit - low) + 3000);
	size_t len = pick(seed, 8) ? 1 + pick(seed, 1400) : 1 + pick(seed, 65535);
	bool forged = pick(seed, 10) == 0;
	enum rmdt_recvbuf_result result;
	uint8_t *dst;

	if (pick(seed, 3))
		off = rmdt_recvbuf_ready(f->rb);
	else if (pick(seed, 8) == 0)
		off = low > 5000 ? low - 5000 : 0;
	result = rmdt_recvbuf_claim(f->rb, off, len, &dst);
	if (off < MODEL_START || off + len > limit) {
		assert_int_equal(result, RMDT_RECVBUF_BEYOND);
		return;
	}
	if (count_seen(off, len) == len) {
		assert_int_equal(result, RMDT_RECVBUF_DUPLICATE);
		return;
	}
	if (result == RMDT_RECVBUF_PLACE) {
		assert_int_equal(count_seen(off, len), 0);
		if (forged) {
			memset(dst, 0xee, len);
			rmdt_recvbuf_unclaim(f->rb, off, len);
			return;
		}
		fill(dst, off, len);
		result = rmdt_recvbuf_commit(f->rb, off, len);
	} else {
		assert_int_equal(result, RMDT_RECVBUF_SCRATCH);
		if (forged)
			return;
		result = write_at(f->rb, off, len);
	}
	assert_int_equal(result, RMDT_RECVBUF_STORED);
	memset(seen + off, 1, len);
}

static void test_model(void **state)
{
	struct fixture f;
	unsigned seed = 3;
	uint64_t limit, ready = MODEL_START, max = 3 * B + 99;

	(void)state;
	memset(seen, 0, sizeof(seen));
	memset(seen, 1, ready);
	open_buffer(&f, 8 * B, ready, max);
	limit = ready + max;
	while (ready < MODEL_BYTES - 5 * B) {
		const uint8_t *ptr;
		size_t n;

		model_packet(&f, &seed, limit);
		while (seen[ready])
			ready++;
		assert_int_equal(rmdt_recvbuf_ready(f.rb), ready);
		if (pick(&seed, 20) == 0) {
			n = rmdt_recvbuf_peek(f.rb, &ptr);
			check(ptr, rmdt_recvbuf_consumed(f.rb), n);
			n -= pick(&seed, 3) ? 0 : pick(&seed, (unsigned)n + 1);
			assert_int_equal(rmdt_recvbuf_consume(f.rb, n), 0);
		}
		if (pick(&seed, 20) == 0) {
			limit = rmdt_recvbuf_consumed(f.rb) + max;
			assert_int_equal(rmdt_recvbuf_set_limit(f.rb, limit), 0);
		}
		if (pick(&seed, 50) == 0)
			rmdt_recvbuf_idle(f.rb);
	}
	close_buffer(&f);
}

/* The I/O thread produces, an application thread consumes. */
#define STRESS_BYTES (32u * 1024u * 1024u)

struct stress {
	struct fixture f;
	pthread_mutex_t lock;
};

static void lock_pool(void *ctx)
{
	pthread_mutex_lock(ctx);
}

static void unlock_pool(void *ctx)
{
	pthread_mutex_unlock(ctx);
}

static void *stress_consume(void *arg)
{
	struct stress *s = arg;
	uint64_t off = 0;

	while (!rmdt_recvbuf_drained(s->f.rb)) {
		const uint8_t *ptr;
		size_t n = rmdt_recvbuf_peek(s->f.rb, &ptr);
		int err;

		if (n == 0) {
			sched_yield();
			continue;
		}
		for (size_t i = 0; i < n; i++)
			assert(ptr[i] == byte_at(off + i));
		err = rmdt_recvbuf_consume(s->f.rb, n);
		assert(err == 0);
		off += n;
	}
	assert(off == STRESS_BYTES);
	return NULL;
}

static void test_threads(void **state)
{
	enum { PKT = 1400, SWAP = 5 * PKT };
	struct stress s = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct rmdt_blocks_ops ops = { .lock = lock_pool, .unlock = unlock_pool, .ctx = &s.lock };
	uint64_t max = 3 * B, off = 0;
	pthread_t thread;

	(void)state;
	rmdt_blocks_init(&s.f.pool, 8 * B, &ops);
	s.f.rb = rmdt_recvbuf_new(&s.f.pool, 0, max, max);
	pthread_create(&thread, NULL, stress_consume, &s);
	/* Five packets at a time, the last first, so that holes open and close. */
	while (off < STRESS_BYTES) {
		size_t len = STRESS_BYTES - off < SWAP ? (size_t)(STRESS_BYTES - off) : SWAP;

		rmdt_recvbuf_set_limit(s.f.rb, rmdt_recvbuf_consumed(s.f.rb) + max);
		if (off + len > rmdt_recvbuf_limit(s.f.rb)) {
			rmdt_recvbuf_idle(s.f.rb);
			sched_yield();
			continue;
		}
		for (size_t at = (len - 1) / PKT * PKT;; at -= PKT) {
			size_t n = len - at < PKT ? len - at : PKT;

			assert_int_equal(deliver(s.f.rb, off + at, n), RMDT_RECVBUF_STORED);
			if (at == 0)
				break;
		}
		off += len;
	}
	assert_int_equal(rmdt_recvbuf_set_final(s.f.rb, STRESS_BYTES), 0);
	pthread_join(thread, NULL);
	close_buffer(&s.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_forged_packets_change_nothing),
		cmocka_unit_test(test_claims_of_one_batch),
		cmocka_unit_test(test_first_version_stays),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_block_ahead),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_too_many_islands),
		cmocka_unit_test(test_islands_of_a_long_path),
		cmocka_unit_test(test_final),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/blocks.h"

struct counts {
	int depth;			/* of the lock */
	int locks;
	int live;			/* blocks allocated */
	bool refuse;
};

static void count_lock(void *ctx)
{
	struct counts *c = ctx;

	assert_int_equal(c->depth, 0);
	c->depth++;
	c->locks++;
}

static void count_unlock(void *ctx)
{
	struct counts *c = ctx;

	assert_int_equal(c->depth, 1);
	c->depth--;
}

static void *count_alloc(void *ctx, size_t bytes)
{
	struct counts *c = ctx;

	assert_int_equal(c->depth, 0);
	if (c->refuse)
		return NULL;
	c->live++;
	return malloc(bytes);
}

static void count_release(void *ctx, void *block, size_t bytes)
{
	struct counts *c = ctx;

	assert_int_equal(c->depth, 0);
	assert_int_equal(bytes, RMDT_BLOCK_BYTES);
	c->live--;
	free(block);
}

static struct rmdt_blocks_ops counting(struct counts *c)
{
	return (struct rmdt_blocks_ops){ count_lock, count_unlock, count_alloc, count_release, c };
}

static void test_cap(void **state)
{
	struct rmdt_blocks pool;
	void *block[3];

	(void)state;
	rmdt_blocks_init(&pool, 3ull * RMDT_BLOCK_BYTES + 5, NULL);
	for (int i = 0; i < 3; i++) {
		block[i] = rmdt_blocks_get(&pool);
		assert_non_null(block[i]);
		assert_int_equal((uintptr_t)block[i] % 64, 0);
		memset(block[i], i, RMDT_BLOCK_BYTES);
	}
	assert_null(rmdt_blocks_get(&pool));
	rmdt_blocks_put(&pool, block[1]);
	assert_int_equal(rmdt_blocks_used(&pool), 2);
	block[1] = rmdt_blocks_get(&pool);
	assert_non_null(block[1]);
	for (int i = 0; i < 3; i++)
		rmdt_blocks_put(&pool, block[i]);
	rmdt_blocks_put(&pool, NULL);
	assert_int_equal(rmdt_blocks_used(&pool), 0);
	rmdt_blocks_fini(&pool);
}

static void test_last_freed_first(void **state)
{
	struct rmdt_blocks pool;
	void *a, *b;

	(void)state;
	rmdt_blocks_init(&pool, 8ull * RMDT_BLOCK_BYTES, NULL);
	a = rmdt_blocks_get(&pool);
	b = rmdt_blocks_get(&pool);
	rmdt_blocks_put(&pool, b);
	rmdt_blocks_put(&pool, a);
	assert_ptr_equal(rmdt_blocks_get(&pool), a);
	assert_ptr_equal(rmdt_blocks_get(&pool), b);
	rmdt_blocks_put(&pool, a);
	rmdt_blocks_put(&pool, b);
	rmdt_blocks_fini(&pool);
}

static void test_sparing_leaves_an_eighth(void **state)
{
	struct rmdt_blocks pool;
	void *block[16];

	(void)state;
	rmdt_blocks_init(&pool, 16ull * RMDT_BLOCK_BYTES, NULL);
	for (int i = 0; i < 14; i++)
		assert_non_null(block[i] = rmdt_blocks_get_sparing(&pool));
	assert_null(rmdt_blocks_get_sparing(&pool));
	assert_int_equal(rmdt_blocks_free_bytes(&pool, true), 0);
	assert_int_equal(rmdt_blocks_free_bytes(&pool, false), pool.spare * RMDT_BLOCK_BYTES);
	assert_non_null(block[14] = rmdt_blocks_get(&pool));
	assert_non_null(block[15] = rmdt_blocks_get(&pool));
	assert_null(rmdt_blocks_get(&pool));
	for (int i = 0; i < 16; i++)
		rmdt_blocks_put(&pool, block[i]);
	rmdt_blocks_fini(&pool);

	/* The smallest pool serves both. */
	rmdt_blocks_init(&pool, 1, NULL);
	assert_non_null(block[0] = rmdt_blocks_get_sparing(&pool));
	assert_null(rmdt_blocks_get(&pool));
	rmdt_blocks_put(&pool, block[0]);
	rmdt_blocks_fini(&pool);
}

static void test_memory_goes_back(void **state)
{
	enum { N = RMDT_BLOCKS_KEEP + 20 };
	struct counts c = { 0 };
	struct rmdt_blocks_ops ops = counting(&c);
	struct rmdt_blocks pool;
	void *block[N];

	(void)state;
	rmdt_blocks_init(&pool, 1000ull * RMDT_BLOCK_BYTES, &ops);
	assert_int_equal(c.live, 0);
	for (int i = 0; i < N; i++)
		block[i] = rmdt_blocks_get(&pool);
	assert_int_equal(c.live, N);
	for (int i = 0; i < N; i++)
		rmdt_blocks_put(&pool, block[i]);
	assert_int_equal(c.live, RMDT_BLOCKS_KEEP);
	assert_int_equal(rmdt_blocks_kept(&pool), RMDT_BLOCKS_KEEP);
	rmdt_blocks_fini(&pool);
	assert_int_equal(c.live, 0);
	assert_int_equal(c.depth, 0);
	assert_true(c.locks >= 2 * N);
}

static void test_no_memory_is_not_counted(void **state)
{
	struct counts c = { .refuse = true };
	struct rmdt_blocks_ops ops = counting(&c);
	struct rmdt_blocks pool;
	void *block;

	(void)state;
	rmdt_blocks_init(&pool, RMDT_BLOCK_BYTES, &ops);
	assert_null(rmdt_blocks_get(&pool));
	assert_int_equal(rmdt_blocks_used(&pool), 0);
	c.refuse = false;
	block = rmdt_blocks_get(&pool);
	assert_non_null(block);
	rmdt_blocks_put(&pool, block);
	rmdt_blocks_fini(&pool);
}

static void mutex_lock(void *ctx)
{
	pthread_mutex_lock(ctx);
}

static void mutex_unlock(void *ctx)
{
	pthread_mutex_unlock(ctx);
}

static void *churn(void *arg)
{
	struct rmdt_blocks *pool = arg;

	for (int i = 0; i < 5000; i++) {
		uint64_t *block = rmdt_blocks_get(pool);

		if (!block)
			continue;
		block[1] = (uintptr_t)&block;
		block[7] = (uint64_t)i;
		assert(block[1] == (uintptr_t)&block && block[7] == (uint64_t)i);
		rmdt_blocks_put(pool, block);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	struct rmdt_blocks_ops ops = { .lock = mutex_lock, .unlock = mutex_unlock, .ctx = &mutex };
	struct rmdt_blocks pool;
	pthread_t thread[3];

	(void)state;
	rmdt_blocks_init(&pool, 2ull * RMDT_BLOCK_BYTES, &ops);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, churn, &pool), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(rmdt_blocks_used(&pool), 0);
	rmdt_blocks_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_last_freed_first),
		cmocka_unit_test(test_sparing_leaves_an_eighth),
		cmocka_unit_test(test_memory_goes_back),
		cmocka_unit_test(test_no_memory_is_not_counted),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/blocks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN_BYTES 64u		/* a cache line; AEAD code likes it, too */
#define SPARE_PART 8u		/* the part of the pool that send buffers leave alone */

static void *default_alloc(void *ctx, size_t bytes)
{
	(void)ctx;
	return aligned_alloc(ALIGN_BYTES, bytes);
}

static void default_release(void *ctx, void *block, size_t bytes)
{
	(void)ctx;
	(void)bytes;
	free(block);
}

void rmdt_blocks_init(struct rmdt_blocks *pool, uint64_t cap_bytes,
		      const struct rmdt_blocks_ops *ops)
{
	uint64_t cap = cap_bytes / RMDT_BLOCK_BYTES;

	memset(pool, 0, sizeof(*pool));
	if (ops)
		pool->ops = *ops;
	assert(!pool->ops.lock == !pool->ops.unlock);
	assert(!pool->ops.alloc == !pool->ops.release);
	if (!pool->ops.alloc) {
		pool->ops.alloc = default_alloc;
		pool->ops.release = default_release;
	}
	pool->cap = cap < 1 ? 1 : cap > UINT32_MAX ? UINT32_MAX : (uint32_t)cap;
	pool->spare = pool->cap / SPARE_PART;
	if (pool->spare == 0 && pool->cap > 1)
		pool->spare = 1;
}

static void enter(struct rmdt_blocks *pool)
{
	if (pool->ops.lock)
		pool->ops.lock(pool->ops.ctx);
}

static void leave(struct rmdt_blocks *pool)
{
	if (pool->ops.unlock)
		pool->ops.unlock(pool->ops.ctx);
}

static void *pop(struct rmdt_blocks *pool)
{
	void *block = pool->free_list;

	if (block) {
		memcpy(&pool->free_list, block, sizeof(pool->free_list));
		pool->kept--;
	}
	return block;
}

void rmdt_blocks_fini(struct rmdt_blocks *pool)
{
	void *block;

	assert(pool->used == 0);
	while ((block = pop(pool)) != NULL)
		pool->ops.release(pool->ops.ctx, block, RMDT_BLOCK_BYTES);
}

/* The block is counted before it is allocated, so that the allocator runs without the lock. */
static void *get(struct rmdt_blocks *pool, uint32_t leave_blocks)
{
	void *block = NULL;
	bool counted = false;

	enter(pool);
	if (pool->used + leave_blocks < pool->cap) {
		pool->used++;
		counted = true;
		block = pop(pool);
	}
	leave(pool);
	if (block || !counted)
		return block;
	block = pool->ops.alloc(pool->ops.ctx, RMDT_BLOCK_BYTES);
	if (!block) {
		enter(pool);
		pool->used--;
		leave(pool);
	}
	return block;
}

void *rmdt_blocks_get(struct rmdt_blocks *pool)
{
	return get(pool, 0);
}

void *rmdt_blocks_get_sparing(struct rmdt_blocks *pool)
{
	return get(pool, pool->spare);
}

void rmdt_blocks_put(struct rmdt_blocks *pool, void *block)
{
	bool keep;

	if (!block)
		return;
	enter(pool);
	assert(pool->used > 0);
	pool->used--;
	keep = pool->kept < RMDT_BLOCKS_KEEP;
	if (keep) {
		memcpy(block, &pool->free_list, sizeof(pool->free_list));
		pool->free_list = block;
		pool->kept++;
	}
	leave(pool);
	if (!keep)
		pool->ops.release(pool->ops.ctx, block, RMDT_BLOCK_BYTES);
}

uint32_t rmdt_blocks_used(struct rmdt_blocks *pool)
{
	uint32_t used;

	enter(pool);
	used = pool->used;
	leave(pool);
	return used;
}

uint64_t rmdt_blocks_free_bytes(struct rmdt_blocks *pool, bool sparing)
{
	uint32_t most = pool->cap - (sparing ? pool->spare : 0), used = rmdt_blocks_used(pool);

	return used < most ? (uint64_t)(most - used) * RMDT_BLOCK_BYTES : 0;
}

uint32_t rmdt_blocks_kept(struct rmdt_blocks *pool)
{
	uint32_t kept;

	enter(pool);
	kept = pool->kept;
	leave(pool);
	return kept;
}

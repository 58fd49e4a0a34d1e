/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_BLOCKS_H
#define RMDT_CORE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The pool of memory blocks that all send and receive buffers of an engine share. Its cap is the
 * engine's `buffer`. The block that was freed last is handed out first, since it is still in cache.
 */

/*
 * Bytes in one block: four datagrams of the largest size, with 65,280 bytes of payload each. 256 KiB
 * would take five. And still 2,000 blocks in 500 MB.
 */
#define RMDT_BLOCK_BYTES (255u * 1024u)

/* Free blocks kept for reuse; beyond these (16 MiB) memory goes back to the system. */
#define RMDT_BLOCKS_KEEP 64u

/*
 * How the pool locks and where memory comes from. Every pointer may be NULL. lock and unlock (both
 * or neither) are called around the inside of each call, never nested, and NULL suits one thread.
 * alloc and release (both or neither) replace aligned_alloc and free: alloc returns at least
 * `bytes`, 64-byte aligned, untouched if possible, or NULL. They are called without the lock.
 */
struct rmdt_blocks_ops {
	void (*lock)(void *ctx);
	void (*unlock)(void *ctx);
	void *(*alloc)(void *ctx, size_t bytes);
	void (*release)(void *ctx, void *block, size_t bytes);
	void *ctx;			/* borrowed; handed to all four */
};

/* Fields are private to blocks.c; under `lock` except ops, cap and spare. */
struct rmdt_blocks {
	struct rmdt_blocks_ops ops;
	uint32_t cap;			/* most blocks in use at once */
	uint32_t spare;			/* of these, not for rmdt_blocks_get_sparing */
	uint32_t used;			/* handed out now */
	uint32_t kept;			/* on the free list now, <= RMDT_BLOCKS_KEEP */
	void *free_list;		/* linked through the first word of each block */
};

/*
 * A pool of at most cap_bytes, rounded down to whole blocks, at least one block. ops may be NULL
 * and is copied. Allocates nothing.
 */
void rmdt_blocks_init(struct rmdt_blocks *pool, uint64_t cap_bytes,
		      const struct rmdt_blocks_ops *ops);

/* Every block must have come back. */
void rmdt_blocks_fini(struct rmdt_blocks *pool);

/* A block of RMDT_BLOCK_BYTES with undefined content, or NULL: at the cap or out of memory. */
void *rmdt_blocks_get(struct rmdt_blocks *pool);

/*
 * The same for send buffers, which must leave the last eighth to receive buffers: two engines
 * that fill all memory with what they want to send could otherwise never take anything in again.
 */
void *rmdt_blocks_get_sparing(struct rmdt_blocks *pool);

/* Takes back a block of this pool; NULL is ignored. */
void rmdt_blocks_put(struct rmdt_blocks *pool, void *block);

/* Bytes of the blocks that could still be handed out; to send buffers, when sparing. */
uint64_t rmdt_blocks_free_bytes(struct rmdt_blocks *pool, bool sparing);
/* Blocks handed out now, and kept free now. */
uint32_t rmdt_blocks_used(struct rmdt_blocks *pool);
uint32_t rmdt_blocks_kept(struct rmdt_blocks *pool);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/recvbuf.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/ranges.h"

#define NO_OFF UINT64_MAX

struct claim {
	uint64_t off;
	size_t len;
};

/*
 * Block k of the stream covers [k, k + 1) * RMDT_BLOCK_BYTES; its pointer is in table[k % slots],
 * NULL while it has none. The limit never is more than max_bytes beyond a consumed offset up to
 * which blocks were recycled, and there are two more slots than full blocks: no two blocks in use
 * share a slot.
 *
 * The consumer reads entries of [consumed, ready) only: stored before ready moves over them
 * (release, acquire), and cleared after consumed has moved over them (release, acquire).
 */
struct rmdt_recvbuf {
	/* written by the producer */
	struct rmdt_blocks *pool;
	uint64_t start_off;
	uint64_t max_bytes;
	uint64_t limit_off;
	uint64_t highest_off;
	uint64_t recycled_off;		/* blocks below it are given back; a block boundary */
	struct rmdt_ranges received;
	struct claim claims[RMDT_RECVBUF_CLAIMS];
	size_t claim_count;
	uint64_t claims_end;		/* nothing at or beyond it is claimed */
	struct rmdt_recvbuf_stats stats;
	_Atomic uint64_t ready;
	_Atomic uint64_t final_off;	/* NO_OFF: unknown */
	/* written by the consumer; on a cache line of its own */
	_Alignas(64) _Atomic uint64_t consumed;
	/* written by the producer */
	_Alignas(64) uint64_t slots;
	uint8_t *table[];
};

static uint64_t floor_block(uint64_t off)
{
	return off - off % RMDT_BLOCK_BYTES;
}

static uint8_t **slot(struct rmdt_recvbuf *rb, uint64_t off)
{
	return &rb->table[off / RMDT_BLOCK_BYTES % rb->slots];
}

static uint64_t get_ready(const struct rmdt_recvbuf *rb)
{
	return atomic_load_explicit(&rb->ready, memory_order_relaxed);
}

static size_t struct_bytes(uint64_t slots)
{
	size_t bytes = sizeof(struct rmdt_recvbuf) + slots * sizeof(uint8_t *);

	return (bytes + 63) / 64 * 64;
}

struct rmdt_recvbuf *rmdt_recvbuf_new(struct rmdt_blocks *pool, uint64_t start_off,
				      uint64_t window_bytes, uint64_t max_bytes)
{
	uint64_t slots = max_bytes / RMDT_BLOCK_BYTES + 2;
	struct rmdt_recvbuf *rb = aligned_alloc(64, struct_bytes(slots));

	if (!rb)
		return NULL;
	memset(rb, 0, struct_bytes(slots));
	rb->pool = pool;
	rb->slots = slots;
	rb->start_off = rb->highest_off = start_off;
	rb->max_bytes = max_bytes;
	rb->limit_off = start_off + (window_bytes < max_bytes ? window_bytes : max_bytes);
	rb->recycled_off = floor_block(start_off);
	rmdt_ranges_init(&rb->received, RMDT_RECVBUF_RANGES);
	atomic_init(&rb->ready, start_off);
	atomic_init(&rb->consumed, start_off);
	atomic_init(&rb->final_off, NO_OFF);
	return rb;
}

void rmdt_recvbuf_free(struct rmdt_recvbuf *rb)
{
	if (!rb)
		return;
	for (uint64_t i = 0; i < rb->slots; i++)
		rmdt_blocks_put(rb->pool, rb->table[i]);
	rmdt_ranges_fini(&rb->received);
	free(rb);
}

/* Whether [off, off + len) is inside start, limit and final offset, and short enough. */
static bool is_inside(const struct rmdt_recvbuf *rb, uint64_t off, size_t len)
{
	uint64_t end = atomic_load_explicit(&rb->final_off, memory_order_relaxed);

	if (end > rb->limit_off)
		end = rb->limit_off;
	return off >= rb->start_off && off <= end && len <= end - off && len <= RMDT_BLOCK_BYTES;
}

static bool is_claimed(const struct rmdt_recvbuf *rb, uint64_t off, size_t len)
{
	if (off >= rb->claims_end)
		return false;
	for (size_t i = 0; i < rb->claim_count; i++) {
		const struct claim *claim = &rb->claims[i];

		if (off < claim->off + claim->len && claim->off < off + len)
			return true;
	}
	return false;
}

enum rmdt_recvbuf_result rmdt_recvbuf_claim(struct rmdt_recvbuf *rb, uint64_t off, size_t len,
					    uint8_t **dst)
{
	uint8_t *block;

	if (!is_inside(rb, off, len))
		return RMDT_RECVBUF_BEYOND;
	if (rmdt_ranges_covers(&rb->received, off, off + len))
		return RMDT_RECVBUF_DUPLICATE;
	block = *slot(rb, off);
	if (!block || off % RMDT_BLOCK_BYTES + len > RMDT_BLOCK_BYTES ||
	    rb->claim_count == RMDT_RECVBUF_CLAIMS || is_claimed(rb, off, len) ||
	    rmdt_ranges_intersects(&rb->received, off, off + len))
		return RMDT_RECVBUF_SCRATCH;
	rb->claims[rb->claim_count++] = (struct claim){ .off = off, .len = len };
	if (rb->claims_end < off + len)
		rb->claims_end = off + len;
	*dst = block + off % RMDT_BLOCK_BYTES;
	return RMDT_RECVBUF_PLACE;
}

void rmdt_recvbuf_unclaim(struct rmdt_recvbuf *rb, uint64_t off, size_t len)
{
	size_t i = 0;

	while (i < rb->claim_count && (rb->claims[i].off != off || rb->claims[i].len != len))
		i++;
	assert(i < rb->claim_count);
	rb->claims[i] = rb->claims[--rb->claim_count];
	if (rb->claim_count == 0)
		rb->claims_end = 0;
}

/*
 * Keeps a block ready beyond the highest bytes, so that a fast flow never waits for scratch; but
 * not before half of the last one is used, so that a thousand small flows take one block each.
 */
static void keep_ahead(struct rmdt_recvbuf *rb)
{
	uint64_t next = floor_block(rb->highest_off) + RMDT_BLOCK_BYTES;

	if (rb->highest_off % RMDT_BLOCK_BYTES < RMDT_BLOCK_BYTES / 2 || next >= rb->limit_off)
		return;
	if (!*slot(rb, next))
		*slot(rb, next) = rmdt_blocks_get(rb->pool);
}

/*
 * By what is on its way, which takes credit; by the size of the buffer each of thousands of flows
 * could have as many.
 */
static size_t max_islands(const struct rmdt_recvbuf *rb, uint64_t end)
{
	uint64_t high = end > rb->highest_off ? end : rb->highest_off;
	uint64_t n = (high - get_ready(rb)) / RMDT_RECVBUF_ISLAND_BYTES;

	return n > RMDT_RECVBUF_RANGES ? (size_t)n : RMDT_RECVBUF_RANGES;
}

/* Marks bytes received that are in their place; added counts the new ones. */
static int mark(struct rmdt_recvbuf *rb, uint64_t off, size_t len, uint64_t *added)
{
	uint64_t before = rmdt_ranges_total(&rb->received);
	uint64_t ready = get_ready(rb);
	int err;

	rmdt_ranges_set_max(&rb->received, max_islands(rb, off + len));
	err = rmdt_ranges_add(&rb->received, off, off + len);
	if (err) {
		rb->stats.noblock_pkts++;
		return err;
	}
	*added = rmdt_ranges_total(&rb->received) - before;
	rb->stats.stored_bytes += *added;
	rb->stats.duplicate_bytes += len - *added;
	if (rb->highest_off < off + len)
		rb->highest_off = off + len;
	keep_ahead(rb);
	if (off <= ready && ready < off + len)
		atomic_store_explicit(&rb->ready, rmdt_ranges_first_gap(&rb->received, ready),
				      memory_order_release);
	return 0;
}

enum rmdt_recvbuf_result rmdt_recvbuf_commit(struct rmdt_recvbuf *rb, uint64_t off, size_t len)
{
	uint64_t added;

	rmdt_recvbuf_unclaim(rb, off, len);
	if (mark(rb, off, len, &added) < 0)
		return RMDT_RECVBUF_NOBLOCK;
	return added > 0 ? RMDT_RECVBUF_STORED : RMDT_RECVBUF_DUPLICATE;
}

/* Copies [off, off + len), which may cross the end of a block. */
static void copy_in(struct rmdt_recvbuf *rb, uint64_t off, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t in_block = off % RMDT_BLOCK_BYTES;
		size_t n = RMDT_BLOCK_BYTES - in_block;

		if (n > len)
			n = len;
		memcpy(*slot(rb, off) + in_block, data, n);
		off += n;
		data += n;
		len -= n;
	}
}

/* Bytes that are there are not written again: the consumer may be reading them. */
static void copy_missing(struct rmdt_recvbuf *rb, uint64_t off, const uint8_t *data, size_t len)
{
	uint64_t end = off + len;
	uint64_t at = rmdt_ranges_first_gap(&rb->received, off);

	while (at < end) {
		struct rmdt_range next = { .start = end };
		uint64_t stop = end;

		if (rmdt_ranges_next(&rb->received, at, &next) && next.start < end)
			stop = next.start;
		copy_in(rb, at, data + (at - off), (size_t)(stop - at));
		at = rmdt_ranges_first_gap(&rb->received, stop);
	}
}

/*
 * Allocates what [off, off + len) lacks. Only blocks with missing bytes count: one that was
 * consumed and recycled is no longer there and must not come back.
 */
static bool get_blocks(struct rmdt_recvbuf *rb, uint64_t off, size_t len)
{
	uint64_t end = off + len;
	uint64_t at = rmdt_ranges_first_gap(&rb->received, off);

	for (; at < end; at = floor_block(at) + RMDT_BLOCK_BYTES) {
		if (!*slot(rb, at))
			*slot(rb, at) = rmdt_blocks_get(rb->pool);
		if (!*slot(rb, at))
			return false;
	}
	return true;
}

enum rmdt_recvbuf_result rmdt_recvbuf_write(struct rmdt_recvbuf *rb, uint64_t off,
					    const uint8_t *data, size_t len)
{
	uint64_t added;

	if (!is_inside(rb, off, len))
		return RMDT_RECVBUF_BEYOND;
	if (rmdt_ranges_covers(&rb->received, off, off + len)) {
		rb->stats.duplicate_bytes += len;
		return RMDT_RECVBUF_DUPLICATE;
	}
	if (!get_blocks(rb, off, len)) {
		rb->stats.noblock_pkts++;
		return RMDT_RECVBUF_NOBLOCK;
	}
	copy_missing(rb, off, data, len);
	if (mark(rb, off, len, &added) < 0)
		return RMDT_RECVBUF_NOBLOCK;
	rb->stats.copied_bytes += added;
	return RMDT_RECVBUF_STORED;
}

uint32_t rmdt_recvbuf_recycle(struct rmdt_recvbuf *rb)
{
	uint64_t floor_off = floor_block(rmdt_recvbuf_consumed(rb));
	uint32_t n = 0;

	for (; rb->recycled_off < floor_off; rb->recycled_off += RMDT_BLOCK_BYTES) {
		uint8_t **entry = slot(rb, rb->recycled_off);

		if (*entry)
			n++;
		rmdt_blocks_put(rb->pool, *entry);
		*entry = NULL;
	}
	return n;
}

void rmdt_recvbuf_idle(struct rmdt_recvbuf *rb)
{
	uint64_t off = floor_block(rb->highest_off);

	assert(rb->claim_count == 0);
	rmdt_recvbuf_recycle(rb);
	/* The consumer has had everything, so it holds no pointer. */
	if (rmdt_recvbuf_consumed(rb) != rb->highest_off)
		return;
	for (int i = 0; i < 2; i++, off += RMDT_BLOCK_BYTES) {
		rmdt_blocks_put(rb->pool, *slot(rb, off));
		*slot(rb, off) = NULL;
	}
}

int rmdt_recvbuf_set_limit(struct rmdt_recvbuf *rb, uint64_t limit_off)
{
	uint64_t consumed = rmdt_recvbuf_consumed(rb);

	rmdt_recvbuf_recycle(rb);
	if (limit_off > consumed && limit_off - consumed > rb->max_bytes)
		return -EINVAL;
	if (limit_off > rb->limit_off)
		rb->limit_off = limit_off;
	return 0;
}

uint64_t rmdt_recvbuf_limit(const struct rmdt_recvbuf *rb)
{
	return rb->limit_off;
}

int rmdt_recvbuf_set_final(struct rmdt_recvbuf *rb, uint64_t off)
{
	uint64_t known = atomic_load_explicit(&rb->final_off, memory_order_relaxed);

	if (off < rb->highest_off || off == NO_OFF || (known != NO_OFF && known != off))
		return -EPROTO;
	atomic_store_explicit(&rb->final_off, off, memory_order_release);
	return 0;
}

uint64_t rmdt_recvbuf_highest(const struct rmdt_recvbuf *rb)
{
	return rb->highest_off;
}

const struct rmdt_recvbuf_stats *rmdt_recvbuf_stats(const struct rmdt_recvbuf *rb)
{
	return &rb->stats;
}

size_t rmdt_recvbuf_peek_at(const struct rmdt_recvbuf *rb, uint64_t skip, const uint8_t **ptr)
{
	uint64_t off = atomic_load_explicit(&rb->consumed, memory_order_relaxed);
	uint64_t ready = rmdt_recvbuf_ready(rb);
	uint64_t in_block, len;

	if (skip >= ready - off)
		return 0;
	off += skip;
	in_block = off % RMDT_BLOCK_BYTES;
	len = RMDT_BLOCK_BYTES - in_block;
	if (len > ready - off)
		len = ready - off;
	*ptr = rb->table[off / RMDT_BLOCK_BYTES % rb->slots] + in_block;
	return (size_t)len;
}

size_t rmdt_recvbuf_peek(const struct rmdt_recvbuf *rb, const uint8_t **ptr)
{
	return rmdt_recvbuf_peek_at(rb, 0, ptr);
}

int rmdt_recvbuf_consume(struct rmdt_recvbuf *rb, uint64_t n)
{
	uint64_t consumed = atomic_load_explicit(&rb->consumed, memory_order_relaxed);

	if (n > rmdt_recvbuf_ready(rb) - consumed)
		return -EINVAL;
	atomic_store_explicit(&rb->consumed, consumed + n, memory_order_release);
	return 0;
}

uint64_t rmdt_recvbuf_ready(const struct rmdt_recvbuf *rb)
{
	return atomic_load_explicit(&rb->ready, memory_order_acquire);
}

uint64_t rmdt_recvbuf_consumed(const struct rmdt_recvbuf *rb)
{
	return atomic_load_explicit(&rb->consumed, memory_order_acquire);
}

bool rmdt_recvbuf_final(const struct rmdt_recvbuf *rb, uint64_t *off)
{
	uint64_t final_off = atomic_load_explicit(&rb->final_off, memory_order_acquire);

	if (final_off == NO_OFF)
		return false;
	if (off)
		*off = final_off;
	return true;
}

bool rmdt_recvbuf_complete(const struct rmdt_recvbuf *rb)
{
	uint64_t final_off;

	return rmdt_recvbuf_final(rb, &final_off) && rmdt_recvbuf_ready(rb) == final_off;
}

bool rmdt_recvbuf_drained(const struct rmdt_recvbuf *rb)
{
	uint64_t final_off;

	return rmdt_recvbuf_final(rb, &final_off) && rmdt_recvbuf_consumed(rb) == final_off;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sendbuf.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Room for this many open spans from the start; more are allocated when they are needed. */
#define FIRST_OPENS 8u

struct open_span {
	uint64_t off;
	size_t len;
	bool done;			/* committed, but one before is not */
	bool placed;			/* on credit */
};

/*
 * Block k of the stream covers [k, k + 1) * RMDT_BLOCK_BYTES; its pointer is in table[k % slots].
 * [blocks_off, blocks_end), both multiples of the block size, is what has blocks now. Always
 * blocks_end >= tail + credit, unless these two are at blocks_off: that is why placement cannot
 * fail. There are two more slots than full blocks, so both ends may lie inside a block.
 *
 * Readers use only table entries below head. An entry is stored before head moves over it (release,
 * acquire), and is cleared only below base, where by contract no reader is.
 */
struct rmdt_sendbuf {
	struct rmdt_blocks *pool;
	uint64_t max_bytes;
	_Atomic uint64_t base;
	_Atomic uint64_t head;
	_Atomic uint64_t final_off;	/* RMDT_OFF_NONE: not finished */
	uint64_t tail;
	uint64_t limit_bytes;
	uint64_t credit;
	uint64_t blocks_off, blocks_end;
	struct open_span *open;		/* in stream order; [open_first, open_first + open_count) */
	size_t open_first, open_count, open_cap;
	size_t reserved_count, placed_count; /* of these, not done */
	uint64_t slots;
	uint8_t *table[];
};

static uint64_t floor_block(uint64_t off)
{
	return off - off % RMDT_BLOCK_BYTES;
}

static uint8_t **slot(struct rmdt_sendbuf *sb, uint64_t off)
{
	return &sb->table[off / RMDT_BLOCK_BYTES % sb->slots];
}

static uint64_t get_base(const struct rmdt_sendbuf *sb)
{
	return atomic_load_explicit(&sb->base, memory_order_relaxed);
}

static uint64_t get_head(const struct rmdt_sendbuf *sb)
{
	return atomic_load_explicit(&sb->head, memory_order_relaxed);
}

static bool is_finished(const struct rmdt_sendbuf *sb)
{
	return atomic_load_explicit(&sb->final_off, memory_order_relaxed) != RMDT_OFF_NONE;
}

struct rmdt_sendbuf *rmdt_sendbuf_new(struct rmdt_blocks *pool, uint64_t start_off,
				      uint64_t max_bytes)
{
	struct rmdt_sendbuf *sb;
	uint64_t slots;

	if (max_bytes < RMDT_BLOCK_BYTES)
		max_bytes = RMDT_BLOCK_BYTES;
	slots = max_bytes / RMDT_BLOCK_BYTES + 2;
	sb = calloc(1, sizeof(*sb) + slots * sizeof(sb->table[0]));
	if (!sb)
		return NULL;
	sb->open = malloc(FIRST_OPENS * sizeof(sb->open[0]));
	if (!sb->open) {
		free(sb);
		return NULL;
	}
	sb->open_cap = FIRST_OPENS;
	sb->pool = pool;
	sb->slots = slots;
	sb->max_bytes = sb->limit_bytes = max_bytes;
	sb->tail = start_off;
	sb->blocks_off = sb->blocks_end = floor_block(start_off);
	atomic_init(&sb->base, start_off);
	atomic_init(&sb->head, start_off);
	atomic_init(&sb->final_off, RMDT_OFF_NONE);
	return sb;
}

static void drop_first_block(struct rmdt_sendbuf *sb)
{
	uint8_t **entry = slot(sb, sb->blocks_off);

	rmdt_blocks_put(sb->pool, *entry);
	*entry = NULL;
	sb->blocks_off += RMDT_BLOCK_BYTES;
}

static void drop_last_block(struct rmdt_sendbuf *sb)
{
	uint8_t **entry;

	sb->blocks_end -= RMDT_BLOCK_BYTES;
	entry = slot(sb, sb->blocks_end);
	rmdt_blocks_put(sb->pool, *entry);
	*entry = NULL;
}

void rmdt_sendbuf_free(struct rmdt_sendbuf *sb)
{
	if (!sb)
		return;
	while (sb->blocks_off < sb->blocks_end)
		drop_first_block(sb);
	free(sb->open);
	free(sb);
}

/* Whether nothing at all is kept, promised or being filled. */
static bool is_idle(const struct rmdt_sendbuf *sb)
{
	return get_base(sb) == sb->tail && sb->credit == 0 && sb->open_count == 0;
}

/* Frees the blocks that neither bytes nor credit need any more. */
static void trim(struct rmdt_sendbuf *sb)
{
	uint64_t base = get_base(sb);

	while (sb->blocks_off < sb->blocks_end && sb->blocks_off + RMDT_BLOCK_BYTES <= base)
		drop_first_block(sb);
	while (sb->blocks_off < sb->blocks_end &&
	       (is_idle(sb) || sb->blocks_end - RMDT_BLOCK_BYTES >= sb->tail + sb->credit))
		drop_last_block(sb);
	if (sb->blocks_off == sb->blocks_end)
		sb->blocks_off = sb->blocks_end = floor_block(base);
}

/* Gets blocks up to end; on failure what it got is given back. */
static int grow(struct rmdt_sendbuf *sb, uint64_t end)
{
	while (sb->blocks_end < end) {
		uint8_t *block = rmdt_blocks_get_sparing(sb->pool);

		if (!block) {
			trim(sb);
			return -ENOBUFS;
		}
		assert(!*slot(sb, sb->blocks_end));
		*slot(sb, sb->blocks_end) = block;
		sb->blocks_end += RMDT_BLOCK_BYTES;
	}
	return 0;
}

/* Makes room for n more open spans. */
static int need_opens(struct rmdt_sendbuf *sb, size_t n)
{
	size_t cap = sb->open_cap;
	struct open_span *open;

	if (sb->open_first + sb->open_count + n <= cap)
		return 0;
	memmove(sb->open, sb->open + sb->open_first, sb->open_count * sizeof(sb->open[0]));
	sb->open_first = 0;
	while (cap < sb->open_count + n)
		cap *= 2;
	if (cap == sb->open_cap)
		return 0;
	open = realloc(sb->open, cap * sizeof(sb->open[0]));
	if (!open)
		return -ENOMEM;
	sb->open = open;
	sb->open_cap = cap;
	return 0;
}

/* Opens a span at the tail; blocks and a place in `open` are there. */
static void push_open(struct rmdt_sendbuf *sb, size_t len, bool placed, struct rmdt_span *out)
{
	struct open_span *open = &sb->open[sb->open_first + sb->open_count++];

	*open = (struct open_span){ .off = sb->tail, .len = len, .placed = placed };
	if (placed)
		sb->placed_count++;
	else
		sb->reserved_count++;
	out->ptr = *slot(sb, sb->tail) + sb->tail % RMDT_BLOCK_BYTES;
	out->len = len;
	out->off = sb->tail;
	sb->tail += len;
}

uint64_t rmdt_sendbuf_room(const struct rmdt_sendbuf *sb)
{
	uint64_t used = sb->tail - get_base(sb) + sb->credit;

	return used < sb->limit_bytes && !is_finished(sb) ? sb->limit_bytes - used : 0;
}

int rmdt_sendbuf_reserve(struct rmdt_sendbuf *sb, size_t want, struct rmdt_span *out)
{
	uint64_t len = RMDT_BLOCK_BYTES - sb->tail % RMDT_BLOCK_BYTES;
	uint64_t room = rmdt_sendbuf_room(sb);
	int err;

	if (is_finished(sb))
		return -EPIPE;
	if (want == 0)
		return -EINVAL;
	if (room == 0)
		return -EAGAIN;
	if (sb->reserved_count == RMDT_SENDBUF_RESERVATIONS)
		return -EBUSY;
	if (len > want)
		len = want;
	if (len > room)
		len = room;
	err = need_opens(sb, 1);
	if (!err)
		err = grow(sb, sb->tail + len + sb->credit);
	if (err)
		return err;
	push_open(sb, (size_t)len, false, out);
	return 0;
}

/* Moves head over all that is committed without a gap. */
static void advance(struct rmdt_sendbuf *sb)
{
	uint64_t head = get_head(sb);

	while (sb->open_count > 0 && sb->open[sb->open_first].done) {
		head += sb->open[sb->open_first].len;
		sb->open_first++;
		sb->open_count--;
	}
	if (sb->open_count == 0) {
		sb->open_first = 0;
		assert(head == sb->tail);
	}
	/* Publishes the bytes, which other threads may have filled before they took the lock. */
	atomic_store_explicit(&sb->head, head, memory_order_release);
}

/* Takes back the unused end of the newest span. */
static void shorten(struct rmdt_sendbuf *sb, struct open_span *open, size_t used)
{
	sb->tail = open->off + used;
	open->len = used;
	if (used == 0)
		sb->open_count--;
}

/* Joins open[0] and open[1] if both are done. */
static void join(struct rmdt_sendbuf *sb, struct open_span *open)
{
	struct open_span *end = sb->open + sb->open_first + sb->open_count;

	if (!open[0].done || !open[1].done)
		return;
	open[0].len += open[1].len;
	memmove(open + 1, open + 2, (size_t)(end - (open + 2)) * sizeof(*open));
	sb->open_count--;
}

/*
 * Done neighbours become one, so that the list stays short when one slow thread at its front holds
 * up many quick ones: never more done entries than open ones.
 */
static void mark_done(struct rmdt_sendbuf *sb, struct open_span *open)
{
	struct open_span *first = sb->open + sb->open_first;

	open->done = true;
	if (open + 1 < first + sb->open_count)
		join(sb, open);
	if (open > first)
		join(sb, open - 1);
}

static struct open_span *find_open(struct rmdt_sendbuf *sb, uint64_t off)
{
	struct open_span *open = sb->open + sb->open_first;
	size_t low = 0, high = sb->open_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (open[mid].off < off)
			low = mid + 1;
		else
			high = mid;
	}
	return low < sb->open_count && open[low].off == off && !open[low].done ? &open[low] : NULL;
}

int rmdt_sendbuf_commit(struct rmdt_sendbuf *sb, uint64_t off, size_t used)
{
	struct open_span *open = find_open(sb, off);
	bool is_short;

	if (!open || used > open->len)
		return -EINVAL;
	is_short = used < open->len;
	if (is_short && open->off + open->len != sb->tail)
		return -EINVAL;
	if (open->placed)
		sb->placed_count--;
	else
		sb->reserved_count--;
	if (is_short)
		shorten(sb, open, used);
	if (used > 0)
		mark_done(sb, open);
	advance(sb);
	if (is_short)
		trim(sb);
	return 0;
}

void rmdt_sendbuf_set_limit(struct rmdt_sendbuf *sb, uint64_t bytes)
{
	if (bytes < RMDT_BLOCK_BYTES)
		bytes = RMDT_BLOCK_BYTES;
	sb->limit_bytes = bytes < sb->max_bytes ? bytes : sb->max_bytes;
}

uint64_t rmdt_sendbuf_limit(const struct rmdt_sendbuf *sb)
{
	return sb->limit_bytes;
}

/* Bound of the placed spans that are open, when `bytes` more are placed: cut at ends of blocks. */
static size_t max_placed(const struct rmdt_sendbuf *sb, uint64_t bytes)
{
	return RMDT_SENDBUF_PLACEMENTS + RMDT_SENDBUF_SPANS(sb->tail + bytes - get_head(sb));
}

int rmdt_sendbuf_take_credit(struct rmdt_sendbuf *sb, uint64_t bytes)
{
	uint64_t used = sb->tail - get_base(sb) + sb->credit;
	uint64_t limit = bytes > sb->limit_bytes ? bytes : sb->limit_bytes;
	size_t spans;
	int err;

	if (is_finished(sb))
		return -EPIPE;
	if (bytes > sb->max_bytes)
		return -EMSGSIZE;
	if (used > limit || bytes > limit - used)
		return -EAGAIN;
	/* As many as can ever be open at once, and as many done ones between them. */
	spans = 2 * (RMDT_SENDBUF_RESERVATIONS + max_placed(sb, sb->credit + bytes));
	err = need_opens(sb, spans > sb->open_count ? spans - sb->open_count : 0);
	if (!err)
		err = grow(sb, sb->tail + sb->credit + bytes);
	if (!err)
		sb->credit += bytes;
	return err;
}

void rmdt_sendbuf_give_back(struct rmdt_sendbuf *sb, uint64_t bytes)
{
	if (is_finished(sb))
		return;		/* finish has given all of it back */
	assert(bytes <= sb->credit);
	sb->credit -= bytes;
	trim(sb);
}

uint64_t rmdt_sendbuf_credit(const struct rmdt_sendbuf *sb)
{
	return sb->credit;
}

int rmdt_sendbuf_place(struct rmdt_sendbuf *sb, size_t bytes, struct rmdt_span *spans,
		       size_t max_spans, size_t *n)
{
	uint64_t first = sb->tail / RMDT_BLOCK_BYTES;
	size_t need, i;
	int err;

	if (is_finished(sb))
		return -EPIPE;
	if (bytes == 0)
		return -EINVAL;
	if (bytes > sb->credit)
		return -ENOSPC;
	need = (size_t)((sb->tail + bytes - 1) / RMDT_BLOCK_BYTES - first) + 1;
	if (need > max_spans)
		return -E2BIG;
	if (sb->placed_count + need > max_placed(sb, bytes))
		return -EBUSY;
	err = need_opens(sb, need);
	if (err)
		return err;
	sb->credit -= bytes;
	for (i = 0; i < need; i++) {
		size_t len = RMDT_BLOCK_BYTES - sb->tail % RMDT_BLOCK_BYTES;

		if (len > bytes)
			len = bytes;
		push_open(sb, len, true, &spans[i]);
		bytes -= len;
	}
	*n = need;
	return 0;
}

int rmdt_sendbuf_finish(struct rmdt_sendbuf *sb)
{
	if (is_finished(sb))
		return 0;
	if (sb->open_count > 0)
		return -EBUSY;
	sb->credit = 0;
	trim(sb);
	atomic_store_explicit(&sb->final_off, sb->tail, memory_order_release);
	return 0;
}

int rmdt_sendbuf_release(struct rmdt_sendbuf *sb, uint64_t off)
{
	if (off > get_head(sb))
		return -EINVAL;
	if (off <= get_base(sb))
		return 0;
	atomic_store_explicit(&sb->base, off, memory_order_release);
	trim(sb);
	return 0;
}

uint64_t rmdt_sendbuf_tail(const struct rmdt_sendbuf *sb)
{
	return sb->tail;
}

uint64_t rmdt_sendbuf_base(const struct rmdt_sendbuf *sb)
{
	return atomic_load_explicit(&sb->base, memory_order_acquire);
}

uint64_t rmdt_sendbuf_head(const struct rmdt_sendbuf *sb)
{
	return atomic_load_explicit(&sb->head, memory_order_acquire);
}

size_t rmdt_sendbuf_view(const struct rmdt_sendbuf *sb, uint64_t off, size_t max,
			 const uint8_t **ptr)
{
	uint64_t head = rmdt_sendbuf_head(sb);
	uint64_t in_block = off % RMDT_BLOCK_BYTES;
	uint64_t len = RMDT_BLOCK_BYTES - in_block;

	if (off >= head || max == 0)
		return 0;
	if (len > head - off)
		len = head - off;
	if (len > max)
		len = max;
	*ptr = sb->table[off / RMDT_BLOCK_BYTES % sb->slots] + in_block;
	return (size_t)len;
}

bool rmdt_sendbuf_final(const struct rmdt_sendbuf *sb, uint64_t *off)
{
	uint64_t final_off = atomic_load_explicit(&sb->final_off, memory_order_acquire);

	if (final_off == RMDT_OFF_NONE)
		return false;
	if (off)
		*off = final_off;
	return true;
}

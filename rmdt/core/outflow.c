/* SPDX-License-Identifier: Apache-2.0 */
#include "core/outflow.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/packet.h"

/*
 * Above this payload a chunk is cut so that a block holds a whole number of chunks; else every block would end in a
 * short packet, and with datagrams of 64 KB that is one packet in five.
 */
#define EVEN_CHUNKS_FROM	8192u
/* What is sent again without a sign of loss is no more than this part of what was sent. */
#define REPEAT_PART		50u

int rmdt_outflow_new(struct rmdt_outflow **out, uint32_t id, struct rmdt_sendbuf *sendbuf, uint64_t start_off,
		     const struct rmdt_open *open)
{
	struct rmdt_outflow *of = calloc(1, sizeof(*of));

	if (!of)
		return -ENOMEM;
	of->open = malloc(sizeof(*of->open));
	if (!of->open) {
		free(of);
		return -ENOMEM;
	}
	*of->open = *open;
	of->id = id;
	of->priority = open->priority;
	of->sendbuf = sendbuf;
	of->start_off = start_off;
	of->next_off = start_off;
	of->final_off = UINT64_MAX;
	atomic_init(&of->sent_off, start_off);
	atomic_init(&of->received_off, start_off);
	atomic_init(&of->consumed_off, start_off);
	rmdt_ranges_init(&of->acked, 0);
	rmdt_ranges_init(&of->lost, 0);
	rmdt_ranges_init(&of->again, 0);
	rmdt_repeat_init(&of->repeat);
	*out = of;
	return 0;
}

void rmdt_outflow_free(struct rmdt_outflow *of)
{
	if (!of)
		return;
	rmdt_ranges_fini(&of->acked);
	rmdt_ranges_fini(&of->lost);
	rmdt_ranges_fini(&of->again);
	rmdt_repeat_fini(&of->repeat);
	free(of->open);
	free(of);
}

static uint64_t received(const struct rmdt_outflow *of)
{
	return atomic_load_explicit(&of->received_off, memory_order_relaxed);
}

static size_t even_chunk(size_t max)
{
	size_t per_block;

	if (max < EVEN_CHUNKS_FROM)
		return max;
	per_block = (RMDT_BLOCK_BYTES + max - 1) / max;
	return (RMDT_BLOCK_BYTES + per_block - 1) / per_block;
}

/* The end of the stream when the writer has said it, else UINT64_MAX. */
static uint64_t stream_end(const struct rmdt_outflow *of)
{
	uint64_t off;

	return rmdt_sendbuf_final(of->sendbuf, &off) ? off : UINT64_MAX;
}

static bool next_repair(struct rmdt_outflow *of, size_t max, struct rmdt_chunk *chunk)
{
	struct rmdt_range r;

	if (!rmdt_ranges_next(&of->lost, 0, &r) && !rmdt_ranges_next(&of->again, 0, &r))
		return false;
	assert(r.start >= received(of) && r.end <= of->next_off);
	if (r.end - r.start < max)
		max = (size_t)(r.end - r.start);
	chunk->off = r.start;
	chunk->len = (uint32_t)rmdt_sendbuf_view(of->sendbuf, r.start, max, &chunk->ptr);
	chunk->repair = true;
	chunk->repeat = false;
	chunk->fin = chunk->off + chunk->len == of->final_off;
	assert(chunk->len > 0);
	return true;
}

bool rmdt_outflow_next(struct rmdt_outflow *of, size_t max, uint64_t credit, struct rmdt_chunk *chunk, bool *blocked)
{
	uint64_t room, end;

	if (blocked)
		*blocked = false;
	if (!of->sendbuf)
		return false;
	max = even_chunk(max);
	if (next_repair(of, max, chunk))
		return true;
	room = of->limit_off > of->next_off ? of->limit_off - of->next_off : 0;
	if (room > credit)
		room = credit;
	end = stream_end(of);
	chunk->off = of->next_off;
	chunk->len = (uint32_t)rmdt_sendbuf_view(of->sendbuf, of->next_off, room < max ? (size_t)room : max,
						 &chunk->ptr);
	chunk->repair = chunk->repeat = false;
	chunk->fin = chunk->off + chunk->len == end;
	if (chunk->len > 0)
		return true;
	if (room == 0 && blocked && rmdt_sendbuf_head(of->sendbuf) > of->next_off)
		*blocked = true;
	return false;
}

bool rmdt_outflow_repeat(struct rmdt_outflow *of, size_t max, uint64_t rtt_us, uint64_t now_us, struct rmdt_chunk *chunk,
			 uint64_t *wait_us)
{
	uint64_t budget = (of->next_off - of->start_off) / REPEAT_PART, tail_us;
	struct rmdt_range r;

	*wait_us = UINT64_MAX;
	if (!of->sendbuf || !rmdt_ranges_is_empty(&of->lost))
		return false;
	if (!rmdt_tail_next(&of->tail, now_us, &r, &tail_us) &&
	    (of->final_off == UINT64_MAX || !rmdt_repeat_next(&of->repeat, rtt_us, budget, now_us, &r, wait_us))) {
		*wait_us = tail_us < *wait_us ? tail_us : *wait_us;
		return false;
	}
	max = even_chunk(max);
	if (r.end - r.start < max)
		max = (size_t)(r.end - r.start);
	chunk->off = r.start;
	chunk->len = (uint32_t)rmdt_sendbuf_view(of->sendbuf, r.start, max, &chunk->ptr);
	chunk->repair = chunk->repeat = true;
	chunk->fin = chunk->off + chunk->len == of->final_off;
	return chunk->len > 0;
}

void rmdt_outflow_doubt_end(struct rmdt_outflow *of, uint64_t bytes)
{
	uint64_t low = received(of), from = of->next_off > bytes ? of->next_off - bytes : 0;

	if (from < low)
		from = low;
	if (from < of->next_off)
		rmdt_repeat_doubt(&of->repeat, from, of->next_off);
}

void rmdt_outflow_watch_tail(struct rmdt_outflow *of, const struct rmdt_chunk *chunk, uint64_t due_us)
{
	rmdt_tail_sent(&of->tail, chunk->off, chunk->off + chunk->len, due_us);
}

/* Only this thread writes them, so that no locked instruction is needed for each packet. */
static void count(_Atomic uint64_t *sum, uint64_t n)
{
	atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + n, memory_order_relaxed);
}

void rmdt_outflow_on_sent(struct rmdt_outflow *of, const struct rmdt_chunk *chunk)
{
	uint64_t end = chunk->off + chunk->len;

	count(&of->chunk_bytes, chunk->len);
	if (chunk->repeat) {
		rmdt_tail_forget(&of->tail);
		if (of->final_off != UINT64_MAX)
			rmdt_repeat_sent(&of->repeat, chunk->off, end);
		count(&of->repaired_bytes, chunk->len);
	} else if (chunk->repair) {
		/* Cutting the front of the lowest range never splits one, so it cannot fail. */
		rmdt_ranges_remove(rmdt_ranges_contains(&of->lost, chunk->off) ? &of->lost : &of->again, chunk->off, end);
		if (of->final_off != UINT64_MAX)
			rmdt_repeat_doubt(&of->repeat, chunk->off, end);
		count(&of->repaired_bytes, chunk->len);
	} else if (end > of->next_off) {
		of->next_off = end;
		atomic_store_explicit(&of->sent_off, end, memory_order_relaxed);
	}
	if (chunk->fin)
		of->final_off = end;
}

/* The far end has all below `off`. */
static void advance(struct rmdt_outflow *of, uint64_t off)
{
	rmdt_ranges_clip(&of->acked, off);
	rmdt_ranges_clip(&of->lost, off);
	rmdt_ranges_clip(&of->again, off);
	rmdt_repeat_clip(&of->repeat, off);
	rmdt_tail_acked(&of->tail, 0, off);
	atomic_store_explicit(&of->received_off, off, memory_order_release);
}

void rmdt_outflow_on_acked(struct rmdt_outflow *of, uint64_t off, uint32_t len)
{
	uint64_t low = received(of), end = off + len;

	if (len == 0 || end <= low)
		return;
	if (off < low)
		off = low;
	/* If memory is short the bytes merely look unacknowledged and are sent again. */
	if (rmdt_ranges_add(&of->acked, off, end) < 0)
		return;
	rmdt_ranges_remove(&of->lost, off, end);
	rmdt_ranges_remove(&of->again, off, end);
	rmdt_repeat_acked(&of->repeat, off, end);
	rmdt_tail_acked(&of->tail, off, end);
	if (off == low)
		advance(of, rmdt_ranges_get(&of->acked, 0)->end);
}

/* Adds what of [off, off + len) the far end does not have. */
static void add_missing(struct rmdt_outflow *of, struct rmdt_ranges *to, uint64_t off, uint32_t len)
{
	uint64_t end = off + len;

	if (off < received(of))
		off = received(of);
	while (off < end) {
		uint64_t start = rmdt_ranges_first_gap(&of->acked, off);
		struct rmdt_range next = { .start = end, .end = end };
		uint64_t stop;

		if (start >= end)
			return;
		rmdt_ranges_next(&of->acked, start, &next);
		stop = next.start < end ? next.start : end;
		rmdt_ranges_add(to, start, stop);
		off = stop;
	}
}

void rmdt_outflow_on_lost(struct rmdt_outflow *of, uint64_t off, uint32_t len)
{
	add_missing(of, &of->lost, off, len);
}

/*
 * A byte that is lost k times holds everything behind it for k round trips, and on a fast path with p of loss there always
 * is one that was lost three times. To send the few that were lost twice once more costs p^2 of the data and takes a
 * round trip from the longest wait.
 */
void rmdt_outflow_insist(struct rmdt_outflow *of, uint64_t off, uint32_t len)
{
	add_missing(of, &of->again, off, len);
}

int rmdt_outflow_on_state(struct rmdt_outflow *of, uint64_t received_off, uint64_t consumed_off, uint64_t limit_off)
{
	int advanced = 0;

	if (received_off > of->next_off || consumed_off > received_off)
		return -EPROTO;
	if (limit_off > consumed_off + RMDT_FLOW_REACH_BYTES)	/* P9 */
		limit_off = consumed_off + RMDT_FLOW_REACH_BYTES;
	if (received_off > received(of)) {
		advance(of, received_off);
		advanced = 1;
	}
	if (consumed_off > atomic_load_explicit(&of->consumed_off, memory_order_relaxed)) {
		atomic_store_explicit(&of->consumed_off, consumed_off, memory_order_release);
		advanced = 1;
	}
	if (limit_off > of->limit_off) {
		of->limit_off = limit_off;
		advanced = 1;
	}
	return advanced;
}

bool rmdt_outflow_probe(struct rmdt_outflow *of, size_t max, struct rmdt_chunk *chunk)
{
	uint64_t low = received(of), start;
	struct rmdt_range next;

	if (!of->sendbuf)
		return false;
	start = rmdt_ranges_first_gap(&of->acked, low);
	if (start >= of->next_off)
		return false;
	max = even_chunk(max);
	if (of->next_off - start < max)
		max = (size_t)(of->next_off - start);
	if (rmdt_ranges_next(&of->acked, start, &next) && next.start - start < max)
		max = (size_t)(next.start - start);
	chunk->off = start;
	chunk->len = (uint32_t)rmdt_sendbuf_view(of->sendbuf, start, max, &chunk->ptr);
	chunk->repair = true;
	chunk->repeat = false;
	chunk->fin = start + chunk->len == of->final_off;
	return chunk->len > 0;
}

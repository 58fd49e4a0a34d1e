/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ranges.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* First allocation: 16 ranges, 256 bytes. */
#define MIN_SLOTS 16

void rmdt_ranges_init(struct rmdt_ranges *r, size_t max_ranges)
{
	*r = (struct rmdt_ranges){ .max = max_ranges };
}

void rmdt_ranges_fini(struct rmdt_ranges *r)
{
	free(r->slot);
	rmdt_ranges_init(r, r->max);
}

void rmdt_ranges_clear(struct rmdt_ranges *r)
{
	r->head = 0;
	r->count = 0;
	r->total = 0;
}

/*
 * Index of the first range whose end is at least `x`: it holds x, ends just there, or lies above.
 * The last range is looked at first, because nearly everything happens there.
 */
static size_t first_ending_at_or_after(const struct rmdt_ranges *r, uint64_t x)
{
	const struct rmdt_range *list;
	size_t low = 0;
	size_t high = r->count;

	if (r->count == 0)
		return 0;
	list = r->slot + r->head;
	if (list[r->count - 1].end < x)
		return r->count;
	if (r->count == 1 || list[r->count - 2].end < x)
		return r->count - 1;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (list[mid].end < x)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t rmdt_ranges_find(const struct rmdt_ranges *r, uint64_t x)
{
	return x == UINT64_MAX ? r->count : first_ending_at_or_after(r, x + 1);
}

/* Makes room for one more slot at either side of a gap: free slots exist at the front or back. */
static int make_room(struct rmdt_ranges *r)
{
	struct rmdt_range *bigger;
	size_t cap;

	if (r->max && r->count >= r->max)
		return -ENOBUFS;
	if (r->head + r->count < r->cap)
		return 0;
	/* Sliding down pays only when much is free there; else it would be done again and again. */
	if (r->head > 0 && r->head >= r->cap / 2) {
		memmove(r->slot, r->slot + r->head, r->count * sizeof(*r->slot));
		r->head = 0;
		return 0;
	}
	cap = r->cap ? r->cap * 2 : MIN_SLOTS;
	if (cap > SIZE_MAX / sizeof(*r->slot))
		return -ENOMEM;
	bigger = malloc(cap * sizeof(*r->slot));
	if (!bigger)
		return -ENOMEM;
	if (r->count)
		memcpy(bigger, r->slot + r->head, r->count * sizeof(*r->slot));
	free(r->slot);
	r->slot = bigger;
	r->cap = cap;
	r->head = 0;
	return 0;
}

/* Opens slot `i` by moving the shorter side, and stores the range there. */
static int insert_at(struct rmdt_ranges *r, size_t i, uint64_t start, uint64_t end)
{
	int err = make_room(r);
	struct rmdt_range *list;

	if (err)
		return err;
	list = r->slot + r->head;
	if (r->head > 0 && i < r->count / 2) {
		memmove(list - 1, list, i * sizeof(*list));
		r->head--;
		list--;
	} else {
		memmove(list + i + 1, list + i, (r->count - i) * sizeof(*list));
	}
	list[i] = (struct rmdt_range){ start, end };
	r->count++;
	return 0;
}

/* Closes the slots [i, i + n) by moving the shorter side. */
static void delete_at(struct rmdt_ranges *r, size_t i, size_t n)
{
	struct rmdt_range *list = r->slot + r->head;
	size_t above = r->count - i - n;

	if (n == 0)
		return;
	if (i < above) {
		memmove(list + n, list, i * sizeof(*list));
		r->head += n;
	} else {
		memmove(list + i, list + i + n, above * sizeof(*list));
	}
	r->count -= n;
	if (r->count == 0)
		r->head = 0;
}

int rmdt_ranges_add(struct rmdt_ranges *r, uint64_t start, uint64_t end)
{
	struct rmdt_range *list;
	size_t i, last;
	int err;

	if (start >= end)
		return start == end ? 0 : -EINVAL;
	i = first_ending_at_or_after(r, start);
	if (i == r->count || end < rmdt_ranges_get(r, i)->start) {
		err = insert_at(r, i, start, end);
		if (err == 0)
			r->total += end - start;
		return err;
	}

	list = r->slot + r->head;
	/* Range i overlaps or touches: it takes in [start, end) and everything up to `last`. */
	r->total -= list[i].end - list[i].start;
	for (last = i; last + 1 < r->count && list[last + 1].start <= end; last++)
		r->total -= list[last + 1].end - list[last + 1].start;
	if (start < list[i].start)
		list[i].start = start;
	list[i].end = end > list[last].end ? end : list[last].end;
	r->total += list[i].end - list[i].start;
	delete_at(r, i + 1, last - i);
	return 0;
}

int rmdt_ranges_remove(struct rmdt_ranges *r, uint64_t start, uint64_t end)
{
	struct rmdt_range *list;
	size_t i, last;

	if (start >= end)
		return start == end ? 0 : -EINVAL;
	i = rmdt_ranges_find(r, start);
	if (i == r->count)
		return 0;
	list = r->slot + r->head;
	if (list[i].start < start && end < list[i].end) {
		int err = insert_at(r, i, list[i].start, start);

		if (err)
			return err;
		r->slot[r->head + i + 1].start = end;
		r->total -= end - start;
		return 0;
	}
	if (list[i].start < start) {
		r->total -= list[i].end - start;
		list[i].end = start;
		i++;
	}
	for (last = i; last < r->count && list[last].end <= end; last++)
		r->total -= list[last].end - list[last].start;
	if (last < r->count && list[last].start < end) {
		r->total -= end - list[last].start;
		list[last].start = end;
	}
	delete_at(r, i, last - i);
	return 0;
}

void rmdt_ranges_clip(struct rmdt_ranges *r, uint64_t floor)
{
	/* Only the front goes, so that no split can happen and no error either. */
	while (r->count) {
		struct rmdt_range *first = &r->slot[r->head];

		if (floor < first->end) {
			if (first->start < floor) {
				r->total -= floor - first->start;
				first->start = floor;
			}
			return;
		}
		r->total -= first->end - first->start;
		delete_at(r, 0, 1);
	}
}

bool rmdt_ranges_pop_first(struct rmdt_ranges *r, struct rmdt_range *out)
{
	if (r->count == 0)
		return false;
	*out = r->slot[r->head];
	r->total -= out->end - out->start;
	delete_at(r, 0, 1);
	return true;
}

bool rmdt_ranges_contains(const struct rmdt_ranges *r, uint64_t x)
{
	size_t i = rmdt_ranges_find(r, x);

	return i < r->count && rmdt_ranges_get(r, i)->start <= x;
}

bool rmdt_ranges_covers(const struct rmdt_ranges *r, uint64_t start, uint64_t end)
{
	size_t i;

	if (start >= end)
		return true;
	i = rmdt_ranges_find(r, start);
	return i < r->count && rmdt_ranges_get(r, i)->start <= start &&
	       end <= rmdt_ranges_get(r, i)->end;
}

bool rmdt_ranges_intersects(const struct rmdt_ranges *r, uint64_t start, uint64_t end)
{
	size_t i;

	if (start >= end)
		return false;
	i = rmdt_ranges_find(r, start);
	return i < r->count && rmdt_ranges_get(r, i)->start < end;
}

uint64_t rmdt_ranges_first_gap(const struct rmdt_ranges *r, uint64_t x)
{
	size_t i = rmdt_ranges_find(r, x);

	if (i < r->count && rmdt_ranges_get(r, i)->start <= x)
		return rmdt_ranges_get(r, i)->end;
	return x;
}

bool rmdt_ranges_next(const struct rmdt_ranges *r, uint64_t x, struct rmdt_range *out)
{
	size_t i = rmdt_ranges_find(r, x);

	if (i == r->count)
		return false;
	*out = *rmdt_ranges_get(r, i);
	if (out->start < x)
		out->start = x;
	return true;
}

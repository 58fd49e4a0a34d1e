/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_RANGES_H
#define RMDT_CORE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A sorted set of numbers kept as half-open ranges [start, end), never empty, never touching.
 * Growing at the end and taking from the front cost O(1) amortised; everything else a binary
 * search, plus a move of the shorter side when a range appears or goes in the middle.
 * The number UINT64_MAX cannot be a member.
 */
struct rmdt_range {
	uint64_t start;
	uint64_t end; /* one past the last member */
};

struct rmdt_ranges {
	struct rmdt_range *slot; /* owned; NULL until the first add */
	size_t head;             /* slot[head] is the lowest range */
	size_t count;            /* ranges in use */
	size_t cap;              /* slots allocated */
	size_t max;              /* most ranges allowed; 0 means no bound */
	uint64_t total;          /* members, i.e. the sum of all lengths */
};

/* `max_ranges` bounds count; 0 for no bound. Allocates nothing. */
void rmdt_ranges_init(struct rmdt_ranges *r, size_t max_ranges);
/* Another bound; a set that has more already keeps them. */
static inline void rmdt_ranges_set_max(struct rmdt_ranges *r, size_t max_ranges)
{
	r->max = max_ranges;
}
/* Frees everything; the set is empty and usable with the same bound afterwards. */
void rmdt_ranges_fini(struct rmdt_ranges *r);
/* Empties the set, keeps the memory. */
void rmdt_ranges_clear(struct rmdt_ranges *r);

/*
 * Adds [start, end), merging what it overlaps or touches. An empty range is no change.
 * 0, -EINVAL (start > end), -ENOBUFS (would exceed the bound), -ENOMEM. On error nothing changed.
 */
int rmdt_ranges_add(struct rmdt_ranges *r, uint64_t start, uint64_t end);
/* Takes [start, end) out, of which any part may be absent. Errors as for add (a split adds one). */
int rmdt_ranges_remove(struct rmdt_ranges *r, uint64_t start, uint64_t end);
/* Removes every member below `floor`. */
void rmdt_ranges_clip(struct rmdt_ranges *r, uint64_t floor);
/* Takes out the lowest range and stores it in *out; false (and *out untouched) when empty. */
bool rmdt_ranges_pop_first(struct rmdt_ranges *r, struct rmdt_range *out);

bool rmdt_ranges_contains(const struct rmdt_ranges *r, uint64_t x);
/* Is all of [start, end) in the set? True for an empty range. */
bool rmdt_ranges_covers(const struct rmdt_ranges *r, uint64_t start, uint64_t end);
/* Is any of [start, end) in the set? False for an empty range. */
bool rmdt_ranges_intersects(const struct rmdt_ranges *r, uint64_t start, uint64_t end);
/* Smallest number at or above `x` that is not in the set. */
uint64_t rmdt_ranges_first_gap(const struct rmdt_ranges *r, uint64_t x);
/* Index of the first range that holds `x` or lies above it; count when there is none. */
size_t rmdt_ranges_find(const struct rmdt_ranges *r, uint64_t x);
/*
 * First part of the set at or above `x`: the range that rmdt_ranges_find names, cut to begin at
 * `x` or later. False (and *out untouched) when there is none.
 */
bool rmdt_ranges_next(const struct rmdt_ranges *r, uint64_t x, struct rmdt_range *out);

/* Number of ranges. */
static inline size_t rmdt_ranges_count(const struct rmdt_ranges *r)
{
	return r->count;
}

static inline bool rmdt_ranges_is_empty(const struct rmdt_ranges *r)
{
	return r->count == 0;
}

/* Number of members (bytes, when the numbers are byte offsets). */
static inline uint64_t rmdt_ranges_total(const struct rmdt_ranges *r)
{
	return r->total;
}

/* i-th range from the lowest; i < count. Valid until the set changes. */
static inline const struct rmdt_range *rmdt_ranges_get(const struct rmdt_ranges *r, size_t i)
{
	return &r->slot[r->head + i];
}

/* i-th range from the highest; i < count. */
static inline const struct rmdt_range *rmdt_ranges_get_high(const struct rmdt_ranges *r, size_t i)
{
	return &r->slot[r->head + r->count - 1 - i];
}

/* One past the highest member; 0 when empty. */
static inline uint64_t rmdt_ranges_end(const struct rmdt_ranges *r)
{
	return r->count ? r->slot[r->head + r->count - 1].end : 0;
}

#endif

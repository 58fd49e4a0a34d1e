/* SPDX-License-Identifier: Apache-2.0 */
#include "core/repeat.h"

/*
 * First repetitions go at this part of a round trip apart from the repairs, so that one bad moment does not take both; later
 * ones at this part.
 */
#define FRESH_RTT_DIVISOR 8
#define PASS_RTT_DIVISOR 2
/* On short paths: what a receiver may hold an ack back anyway. */
#define LEAST_US 5000
/* A pass may take such a part of what is left of the budget. */
#define PASS_PART 4

void rmdt_repeat_init(struct rmdt_repeat *r)
{
	*r = (struct rmdt_repeat){ .bytes = 0 };
	rmdt_ranges_init(&r->fresh, 0);
	rmdt_ranges_init(&r->repeated, 0);
}

void rmdt_repeat_fini(struct rmdt_repeat *r)
{
	rmdt_ranges_fini(&r->fresh);
	rmdt_ranges_fini(&r->repeated);
}

void rmdt_repeat_doubt(struct rmdt_repeat *r, uint64_t start, uint64_t end)
{
	(void)rmdt_ranges_add(&r->fresh, start, end);
}

void rmdt_repeat_acked(struct rmdt_repeat *r, uint64_t start, uint64_t end)
{
	if (!rmdt_ranges_is_empty(&r->fresh))
		(void)rmdt_ranges_remove(&r->fresh, start, end);
	if (!rmdt_ranges_is_empty(&r->repeated))
		(void)rmdt_ranges_remove(&r->repeated, start, end);
}

void rmdt_repeat_clip(struct rmdt_repeat *r, uint64_t off)
{
	rmdt_ranges_clip(&r->fresh, off);
	rmdt_ranges_clip(&r->repeated, off);
}

static uint64_t part_of(uint64_t rtt_us, uint64_t divisor)
{
	return rtt_us / divisor > LEAST_US ? rtt_us / divisor : LEAST_US;
}

/* Begins a pass if it is time and worth its bytes. */
static void begin_pass(struct rmdt_repeat *r, uint64_t rtt_us, uint64_t left_bytes, uint64_t now_us)
{
	if (r->in_pass || now_us < r->pass_us || rmdt_ranges_is_empty(&r->repeated))
		return;
	r->pass_us = now_us + part_of(rtt_us, PASS_RTT_DIVISOR);
	r->pass_off = 0;
	r->in_pass = rmdt_ranges_total(&r->repeated) <= left_bytes / PASS_PART;
}

bool rmdt_repeat_next(struct rmdt_repeat *r, uint64_t rtt_us, uint64_t budget_bytes, uint64_t now_us,
		      struct rmdt_range *out, uint64_t *wait_us)
{
	uint64_t left_bytes = budget_bytes > r->bytes ? budget_bytes - r->bytes : 0;

	*wait_us = UINT64_MAX;
	if (left_bytes == 0)
		return false;
	if (now_us >= r->fresh_us && rmdt_ranges_next(&r->fresh, 0, out))
		return true;
	if (now_us >= r->fresh_us)
		r->fresh_us = now_us + part_of(rtt_us, FRESH_RTT_DIVISOR);
	begin_pass(r, rtt_us, left_bytes, now_us);
	if (r->in_pass && rmdt_ranges_next(&r->repeated, r->pass_off, out)) {
		if (out->start < r->pass_off)
			out->start = r->pass_off;
		return true;
	}
	/* It may have taken long: the next one waits for what this one brings. */
	if (r->in_pass)
		r->pass_us = now_us + part_of(rtt_us, PASS_RTT_DIVISOR);
	r->in_pass = false;
	if (!rmdt_ranges_is_empty(&r->fresh))
		*wait_us = r->fresh_us;
	if (!rmdt_ranges_is_empty(&r->repeated) && r->pass_us < *wait_us)
		*wait_us = r->pass_us;
	return false;
}

void rmdt_repeat_sent(struct rmdt_repeat *r, uint64_t start, uint64_t end)
{
	r->bytes += end - start;
	/* A fresh one may come between those of a pass. */
	if (r->in_pass && !rmdt_ranges_contains(&r->fresh, start))
		r->pass_off = end;
	(void)rmdt_ranges_remove(&r->fresh, start, end);
	/* Without memory it is not repeated a third time. */
	(void)rmdt_ranges_add(&r->repeated, start, end);
}

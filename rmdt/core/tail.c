/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tail.h"

void rmdt_tail_sent(struct rmdt_tail *t, uint64_t start, uint64_t end, uint64_t due_us)
{
	/* The oldest byte says when: whoever types on must not put it off. */
	if (t->start == t->end || t->end != start)
		*t = (struct rmdt_tail){ .start = start, .due_us = due_us };
	t->end = end;
	if (end - t->start > RMDT_TAIL_BYTES)
		rmdt_tail_forget(t);
}

void rmdt_tail_forget(struct rmdt_tail *t)
{
	t->start = t->end;
}

void rmdt_tail_acked(struct rmdt_tail *t, uint64_t start, uint64_t end)
{
	if (start <= t->start && end > t->start)
		t->start = end < t->end ? end : t->end;
}

bool rmdt_tail_next(const struct rmdt_tail *t, uint64_t now_us, struct rmdt_range *out, uint64_t *wait_us)
{
	*wait_us = UINT64_MAX;
	if (t->start == t->end)
		return false;
	if (now_us < t->due_us) {
		*wait_us = t->due_us;
		return false;
	}
	*out = (struct rmdt_range){ .start = t->start, .end = t->end };
	return true;
}

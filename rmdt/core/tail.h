/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_TAIL_H
#define RMDT_CORE_TAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ranges.h"

/*
 * The last small piece of a stream that pauses: a keystroke, a question. Nothing comes behind it that would show its loss, so
 * that a repair begins two round trips late. Instead it is sent once more soon after; that costs little, as it is small.
 */

/* Larger ones wait for what acks tell. So much passes on every path in one packet. */
#define RMDT_TAIL_BYTES 1024u

struct rmdt_tail {
	uint64_t start, end;		/* equal: none */
	uint64_t due_us;
};

/* [start, end) went out for the first time and may be the last for a while; what is too much together is not watched. */
void rmdt_tail_sent(struct rmdt_tail *t, uint64_t start, uint64_t end, uint64_t due_us);
/* It went once more, or other packets will tell. */
void rmdt_tail_forget(struct rmdt_tail *t);
/* [start, end) has arrived. */
void rmdt_tail_acked(struct rmdt_tail *t, uint64_t start, uint64_t end);
/* What to send once more now. false: nothing; *wait_us says when to ask again, UINT64_MAX: not before something is sent. */
bool rmdt_tail_next(const struct rmdt_tail *t, uint64_t now_us, struct rmdt_range *out, uint64_t *wait_us);

#endif

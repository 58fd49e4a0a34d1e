/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_REPEAT_H
#define RMDT_CORE_REPEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ranges.h"

/*
 * The end of a stream that loses packets: a repair can be lost as well, which shows a round trip later, and then the repair of
 * the repair. When nothing new is left to send, that time is bought with a few bytes: what was repaired goes a second time
 * soon after, and again and again what is still unacknowledged then, as long as that is little.
 */
struct rmdt_repeat {
	struct rmdt_ranges fresh;	/* repaired, or doubted, and not repeated yet */
	struct rmdt_ranges repeated;	/* sent once more, too; not known to have arrived */
	uint64_t fresh_us;		/* fresh ones not before */
	uint64_t pass_us;		/* no pass over the repeated ones before */
	uint64_t pass_off;		/* how far the present pass is */
	bool in_pass;
	uint64_t bytes;			/* repeated in all */
};

void rmdt_repeat_init(struct rmdt_repeat *r);
void rmdt_repeat_fini(struct rmdt_repeat *r);

/* [start, end) was sent again for its loss, or may well have been lost. Without memory nothing is noted. */
void rmdt_repeat_doubt(struct rmdt_repeat *r, uint64_t start, uint64_t end);
/* It has arrived, or, with clip, all below off. */
void rmdt_repeat_acked(struct rmdt_repeat *r, uint64_t start, uint64_t end);
void rmdt_repeat_clip(struct rmdt_repeat *r, uint64_t off);

/*
 * What to send once more now; `budget_bytes` is what all repetitions of this stream may take. false: nothing now; *wait_us says
 * when to ask again, UINT64_MAX: not before something is doubted.
 */
bool rmdt_repeat_next(struct rmdt_repeat *r, uint64_t rtt_us, uint64_t budget_bytes, uint64_t now_us,
		      struct rmdt_range *out, uint64_t *wait_us);
/* A front part [start, end) of what rmdt_repeat_next gave has been sent. */
void rmdt_repeat_sent(struct rmdt_repeat *r, uint64_t start, uint64_t end);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_FANOUT_H
#define RMDT_CORE_FANOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/policy.h"
#include "core/sendbuf.h"

/*
 * The policy of one out-flow over its receivers: what may be released, who must go and why,
 * whether the flow is over. It decides; the owner acts.
 *
 * "Behind" means behind the *furthest receiver*, not behind the writer: a writer that fills the
 * buffer faster than the network drains it must not make all receivers look late. For the same
 * reason a quorum gives up a slow receiver's bytes only when the writer lacks room AND more of the
 * buffer is kept for the slow ones than still lies ahead of the quorum: before, the quorum would
 * gain nothing.
 */

enum rmdt_fanout_state {
	RMDT_FANOUT_LIVE = 0,		/* attached, or still connecting */
	RMDT_FANOUT_FINISHED,		/* its application confirmed the whole stream */
	RMDT_FANOUT_DETACHING,		/* was told to go, has not confirmed: pins its bytes */
	RMDT_FANOUT_DETACHED,		/* gone: dead, refused, left, or detached by policy */
};

enum rmdt_detach_reason {
	RMDT_DETACH_NONE = 0,
	RMDT_DETACH_LAG_BYTES,		/* drop: lag_bytes behind, or what the buffer can hold */
	RMDT_DETACH_LAG_TIME,		/* drop: more than lag_us behind the furthest */
	RMDT_DETACH_QUORUM,		/* needs bytes that the others' progress releases */
	RMDT_DETACH_LINGER,		/* the others have finished and the linger time is over */
};

struct rmdt_fanout_member {
	enum rmdt_fanout_state state;
	bool required;		/* false: never holds the others up, nor the end after linger */
	uint64_t sent_off;	/* end of what was ever sent (for reports; not judged) */
	uint64_t position_off;	/* taken by its application; at first where it joined. Not what has arrived: a
				 * receiver whose disk stands still fills its buffer and is behind all the same */
	uint64_t joined_us;	/* when it was attached: lag time counts from there at most */
	uint64_t held_off;	/* application wants bytes from here kept; RMDT_OFF_NONE: no */
	/* results of rmdt_fanout_judge; of members that are LIVE only */
	enum rmdt_detach_reason verdict; /* not NONE: detach this one */
	uint64_t lag_bytes;	/* behind the furthest receiver */
	uint64_t lag_us;	/* the same as time, as fine as the history */
};

/* Samples of the furthest position over time: lag_us is known to 1/32 of the allowed lag. */
#define RMDT_FANOUT_HISTORY 64u

struct rmdt_fanout {
	struct rmdt_policy policy;
	uint64_t linger_us;		/* grace for the rest when enough have finished */
	uint64_t enough_us;		/* when enough had finished, RMDT_OFF_NONE not yet */
	uint64_t step_us;		/* least time between two samples */
	uint32_t first, count;		/* ring of samples, oldest first */
	struct {
		uint64_t at_us;
		uint64_t off;
	} history[RMDT_FANOUT_HISTORY];
};

/* The buffer as it is now. */
struct rmdt_fanout_input {
	uint64_t base_off;		/* rmdt_sendbuf_base */
	uint64_t head_off;		/* rmdt_sendbuf_head */
	uint64_t final_off;		/* end of the stream, RMDT_OFF_NONE: not known */
	uint64_t need_bytes;		/* room the writer waits for (a block, if of the pool) */
};

struct rmdt_fanout_output {
	uint64_t release_off;		/* safe to release up to here now, >= base_off */
	uint64_t next_us;		/* judge again then; RMDT_OFF_NONE: when a thing moves */
	uint32_t live;			/* LIVE members without a verdict */
	uint32_t finished;
	uint32_t detached;		/* DETACHED, DETACHING and with a verdict */
	bool complete;			/* stream finished, nobody live or detaching */
	bool satisfied;			/* promise kept so far: see rmdt_fanout_judge */
};

void rmdt_fanout_init(struct rmdt_fanout *fo, const struct rmdt_policy *policy,
		      uint64_t linger_us);

/*
 * Judges n members at now_us (never going back). Call it when a position moved, the writer lacks
 * room, a member changed state, or next_us is reached. Sets verdict, lag_bytes and lag_us of LIVE
 * members. The owner then marks those with a verdict DETACHING, tells them, marks them DETACHED
 * when they confirm, and judges again: release_off never passes a member that is not DETACHED.
 *
 * satisfied: block, every required member is live or finished; drop, at least one member is;
 * quorum, K or more are. Members that are detached or have a verdict do not count.
 * With nobody attached nothing is released.
 */
void rmdt_fanout_judge(struct rmdt_fanout *fo, const struct rmdt_fanout_input *in,
		       struct rmdt_fanout_member *members, size_t n, uint64_t now_us,
		       struct rmdt_fanout_output *out);

/* A phrase for reports, never NULL; and the enum rmdt_code of rmdt.h that says it on the wire. */
const char *rmdt_detach_reason_text(enum rmdt_detach_reason reason);
unsigned rmdt_detach_reason_code(enum rmdt_detach_reason reason);

#endif

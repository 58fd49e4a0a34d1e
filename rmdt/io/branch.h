/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One peer's part of an out-flow: it connects a member of rmdt.h with an outflow of the peer's conn.
 *
 * References: its out until that is freed, its peer's list while it lives, its task and its notice while queued. It holds
 * its out while it lives, and its peer until it is freed.
 */
#ifndef RMDT_IO_BRANCH_H
#define RMDT_IO_BRANCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/outflow.h"
#include "io/events.h"
#include "io/task.h"
#include "rmdt.h"

struct rmdt_link;
struct rmdt_out;
struct rmdt_peer;

/*
 * A source is asked when a member has less than this left to send: enough that a train never goes for want of bytes, and
 * so little that these are in the cache when they are sealed.
 */
#define RMDT_BRANCH_AHEAD_BYTES (256u << 10)

enum rmdt_branch_ask {
	RMDT_BRANCH_OPEN = 1,		/* joined: open it now or when the peer is up */
	RMDT_BRANCH_KICK = 2,		/* the buffer has news */
	RMDT_BRANCH_DETACH = 4,		/* let go of the buffer and say so to the out */
};

struct rmdt_branch {
	/* Constant. */
	struct rmdt_out *out;
	struct rmdt_peer *peer;
	uint64_t start_off;

	_Atomic unsigned refs;
	struct rmdt_task task;
	struct rmdt_notice notice;

	/* Under the out's lock. */
	size_t slot;			/* of it and its struct rmdt_fanout_member in the out */
	struct rmdt_outflow *flow;	/* written by its thread; others may read its atomic fields. NULL: not open */
	struct rmdt_member_info info;	/* positions only once it has ended; before, flow has them */
	bool told_behind;

	/* Its thread's alone. */
	bool listed;			/* it lives: is one of peer->branches */
	bool fills;			/* and counted in peer->fills */
	bool ended;
	struct rmdt_link *link;		/* that flow belongs to; held */
	struct rmdt_branch *next, *prev;
};

/* With one reference for the out. NULL: no memory. */
struct rmdt_branch *rmdt_branch_new(struct rmdt_out *out, struct rmdt_peer *peer, uint64_t start_off);
void rmdt_branch_drop(struct rmdt_branch *branch);
/* Any thread; the out's lock may be held. */
void rmdt_branch_post(struct rmdt_branch *branch, unsigned bits);
void rmdt_branch_notify(struct rmdt_branch *branch, enum rmdt_event_kind kind, unsigned code, const char *reason);
/* With the out's lock held: positions as they are now. */
void rmdt_branch_positions(const struct rmdt_branch *branch, struct rmdt_member_info *info);

/* On the peer's thread. */
void rmdt_branch_on_event(struct rmdt_outflow *flow, unsigned flags);
/* The sources of those that have next to nothing left to send are asked for more. */
void rmdt_branch_feed_all(struct rmdt_peer *peer);
void rmdt_branch_on_up(struct rmdt_branch *branch);	/* its peer is up: open it */
void rmdt_branch_on_down(struct rmdt_branch *branch, unsigned code, const char *reason);
/* Lets go of the flow and of everything else; state is CONFIRMED or LOST. Once only; drops the list's reference. */
void rmdt_branch_end(struct rmdt_branch *branch, enum rmdt_member_state state, unsigned code, const char *reason);

#endif

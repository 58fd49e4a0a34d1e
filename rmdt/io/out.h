/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An out-flow: the send buffer that its members share, and the policy over them. All fields but the constant ones are
 * under its lock, which is held for positions and spans, never while bytes are copied.
 *
 * References: the application's handle, one per living branch, the task while queued, the notice while queued.
 */
#ifndef RMDT_IO_OUT_H
#define RMDT_IO_OUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "core/fanout.h"
#include "core/policy.h"
#include "core/sendbuf.h"
#include "io/alarms.h"
#include "io/branch.h"
#include "io/engine.h"
#include "io/events.h"
#include "io/task.h"
#include "io/wait.h"
#include "rmdt.h"

struct rmdt_thread;

/* The pool serves many flows; nobody tells this one when another gave blocks back, so it looks again after a while. */
#define RMDT_OUT_POOL_RETRY_US 10000
/* A writer that waits is woken for this part of its buffer, at most BYTES; after RETRY for any room that is all there is. */
#define RMDT_OUT_ROOM_PARTS 16
#define RMDT_OUT_ROOM_BYTES 262144

enum rmdt_out_ask {
	RMDT_OUT_TIMER = 1,		/* alarm_us changed: set the alarm */
};

struct rmdt_out {
	/* Constant. */
	struct rmdt_engine *engine;
	struct rmdt_thread *home;	/* of its alarm */
	void *user;
	struct rmdt_open open;		/* reply_to is set per branch */
	struct rmdt_peer *reply_peer;	/* with a reference; whose in-flow it answers; NULL */
	uint32_t reply_to;		/* that flow's id + 1 */
	uint64_t rate;			/* cap per member */
	uint64_t cap_bytes;		/* most that the buffer may hold */
	bool hold;
	bool no_progress;
	bool tuned;			/* the size of the buffer follows the network */
	bool shares;			/* it is one of many and must leave room for them: a tunnel's */
	uint64_t tuned_bytes;		/* what the buffer might have if it were alone */
	size_t (*fill)(void *user, void *buf, size_t size);	/* NULL: writers alone */

	_Atomic unsigned refs;
	_Atomic bool given_back;	/* the application's handle is gone */
	struct rmdt_task task;
	struct rmdt_notice notice;
	struct rmdt_listed listed;	/* of engine->outs */

	pthread_mutex_t filling;	/* held while fill is called; before lock */
	_Atomic bool fill_rests;	/* nobody has poked since fill was asked, or yet */

	pthread_mutex_t lock;		/* before the engine's */
	struct rmdt_sendbuf *buf;
	struct rmdt_fanout fanout;
	struct rmdt_fanout_member *members;	/* n_slots of them, side by side with branches */
	struct rmdt_branch **branches;
	size_t n_slots, cap_slots;
	uint32_t n_joined, n_confirmed, n_lost;

	struct rmdt_waiters room;	/* in order: the first takes what comes free, lest a large wish starve */
	struct rmdt_waiters settled;	/* rmdt_out_wait */
	uint64_t need_bytes;		/* what the first in `room` waits for */
	uint64_t wanted_bytes;		/* what a call wanted that returned -EAGAIN: tell with OUT_ROOM; 0: nobody to tell */
	uint64_t fill_bytes;		/* what fill could have had, but there was no room: kick the members; 0: nothing */
	bool crowded;			/* one found too many spans open: the next commit makes room for it */
	bool finishing;			/* rmdt_out_finish was called */
	bool reset;			/* rmdt_out_reset or _free */
	uint64_t alarm_us;		/* what the alarm is set for, or will be: the policy is asked again; RMDT_ALARM_NEVER */

	struct rmdt_alarm alarm;	/* home's alone */
};

void rmdt_out_hold(struct rmdt_out *out);
void rmdt_out_drop(struct rmdt_out *out);

/*
 * With the lock held. Asks the policy with positions as they are now: releases what may go, sends away whom it names, wakes
 * who waited for that.
 */
void rmdt_out_judge(struct rmdt_out *out);
/* With the lock held, before a writer is given room: one flow of many takes a part of what is free. */
void rmdt_out_share(struct rmdt_out *out);
/* With the lock held: room may have come free. Wakes who waits for it; when nobody does, tells who had asked. */
void rmdt_out_offer_room(struct rmdt_out *out);
/* With the lock held: the pool was empty. */
void rmdt_out_look_again(struct rmdt_out *out);
/* With the lock held: the members' threads look at the buffer. */
void rmdt_out_kick(struct rmdt_out *out);
/* Has the source, if there is one, write some at the tail. On an I/O thread, no lock held. True: it did. */
bool rmdt_out_fill(struct rmdt_out *out);
/* With the lock held: a branch has ended and let go of the buffer. */
void rmdt_out_on_end(struct rmdt_out *out, struct rmdt_branch *branch);
/* With the lock held: the branch is to go. */
void rmdt_out_send_away(struct rmdt_out *out, size_t slot, unsigned code, const char *reason);

#endif

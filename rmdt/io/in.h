/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An in-flow as the application sees it. Its bytes are read from the receive buffer without a lock; the lock is for
 * waiting and for how it ended.
 *
 * References: the application's handle (until then nobody frees the flow in the conn), the task while queued, the
 * notice while queued.
 */
#ifndef RMDT_IO_IN_H
#define RMDT_IO_IN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "io/alarms.h"
#include "io/engine.h"
#include "io/events.h"
#include "io/task.h"
#include "io/wait.h"
#include "rmdt.h"

struct rmdt_link;
struct rmdt_peer;

enum rmdt_in_ask {
	RMDT_IN_CONSUMED = 1,		/* the consumer moved: see to credit */
	RMDT_IN_MARK = 2,		/* mark_off changed */
	RMDT_IN_CONFIRM = 4,
	RMDT_IN_STOP = 8,		/* code, reason */
	RMDT_IN_FREE = 16,		/* the handle was given back */
};

struct rmdt_in {
	/* Constant. */
	struct rmdt_engine *engine;
	struct rmdt_peer *peer;		/* with a reference */
	struct rmdt_recvbuf *recvbuf;	/* the conn's; stays until RMDT_IN_FREE has run */
	uint32_t id;			/* the sender's flow id */
	enum rmdt_purpose purpose;
	uint64_t start_off;
	char name[RMDT_NAME_BYTES + 1];

	_Atomic unsigned refs;
	_Atomic bool given_back;	/* the application's handle is gone */
	_Atomic(void *) user;
	_Atomic uint64_t mark_off[RMDT_MARKS];
	struct rmdt_task task;
	struct rmdt_notice notice;
	struct rmdt_listed listed;	/* of engine->ins */

	uint64_t said_off;		/* the consumer's: position at its last RMDT_IN_CONSUMED */
	_Atomic unsigned watched;	/* 1: the thread will soon look at what is consumed, without being asked */

	pthread_mutex_t lock;		/* the last but the leaves */
	struct rmdt_waiters waiters;
	bool armed;			/* tell with IN_READABLE when there is something */
	bool broken, confirmed, stopped;
	unsigned code;			/* of broken or stopped */
	char reason[RMDT_REASON_BYTES + 1];

	/* Its thread's alone. */
	struct rmdt_link *link;
	struct rmdt_inflow *flow;	/* NULL once freed */
	struct rmdt_in *next, *prev;	/* of peer->ins */
	uint64_t told_off, told_us;	/* of what, and when, the reader was last told */
	bool bulk;			/* it was told of much, and soon after the time before */
	struct rmdt_alarm alarm;	/* while it is watched */

	/* Constant. */
	size_t meta_len;
	uint8_t meta[];
};

/* Asks its thread. Any thread that has a reference. */
void rmdt_in_post(struct rmdt_in *in, unsigned bits);

/* On the peer's thread. Asks the application and answers the offer. */
void rmdt_in_on_offer(struct rmdt_link *link, struct rmdt_inflow *flow);
void rmdt_in_on_event(struct rmdt_inflow *flow, unsigned flags);
/* Its peer is down. */
void rmdt_in_break(struct rmdt_in *in, unsigned code, const char *reason);

#endif

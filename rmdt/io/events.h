/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events on their way to the application. Every object that has events embeds one notice; its
 * events merge there, and it is queued once. So a queue is bounded by the number of objects, and
 * posting allocates nothing.
 *
 * An engine has one queue that rmdt_engine_next_event reads, or, with a handler, one per I/O
 * thread.
 */
#ifndef RMDT_IO_EVENTS_H
#define RMDT_IO_EVENTS_H

#include <pthread.h>
#include <stdbool.h>

#include "io/task.h"
#include "io/wait.h"
#include "rmdt.h"

struct rmdt_events;

struct rmdt_notice {
	/* Constant after init. */
	struct rmdt_events *home;
	struct rmdt_peer *peer;		/* what events of this object lend; may be NULL */
	struct rmdt_out *out;
	struct rmdt_in *in;
	/* the queue's reference on the object ends */
	void (*drop)(struct rmdt_notice *notice);

	/* Under the lock of home. */
	struct rmdt_notice *next, *prev;
	bool queued;
	/* the application let the object go, or its last event was posted */
	bool closed;
	unsigned bits;			/* 1 << enum rmdt_event_kind */
	unsigned code;			/* of the last of PEER_DOWN, IN_RESET, OUT_LOST */
	char reason[RMDT_REASON_BYTES + 1];
};

struct rmdt_events {
	pthread_mutex_t lock;		/* leaf */
	struct rmdt_notice *first, *last;
	/* handed out last with nothing left in it; dropped at the next take */
	struct rmdt_notice *lent;
	struct rmdt_waiters waiters;
	int fd;				/* readable while something is queued */
	/* of the thread that delivers, to be woken; NULL: nobody but waiters and fd */
	struct rmdt_mailbox *mailbox;
};

int rmdt_events_init(struct rmdt_events *ev);
/* Drops what is queued and lent. */
void rmdt_events_fini(struct rmdt_events *ev);

/*
 * Adds an event. True: the notice was not queued and now is; the caller's reference on the object
 * went to the queue. code and reason (may be NULL) are kept when the kind has them. PEER_DOWN goes
 * to the end of the queue and closes the notice: nothing about a peer follows it.
 */
bool rmdt_events_post(struct rmdt_notice *notice, enum rmdt_event_kind kind, unsigned code,
		      const char *reason);
bool rmdt_events_is_queued(struct rmdt_notice *notice);
/* No event of this object from now on. True: it was queued; its reference is the caller's again. */
bool rmdt_events_close(struct rmdt_notice *notice);
/*
 * Takes the oldest event; false: none. What it lends stays valid until the next take (of any
 * thread).
 */
bool rmdt_events_take(struct rmdt_events *ev, struct rmdt_event *event);
/* The same, waiting. 0, or as every wait. */
int rmdt_events_wait(struct rmdt_events *ev, struct rmdt_event *event,
		     const struct rmdt_patience *patience);
/* Ends what take lent. */
void rmdt_events_return(struct rmdt_events *ev);
bool rmdt_events_is_empty(struct rmdt_events *ev);

#endif

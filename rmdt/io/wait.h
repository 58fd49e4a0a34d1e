/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a condition under a mutex, as with a condition variable, but with a deadline,
 * cancellation from a signal handler, and in order of arrival. A waiter sleeps in poll() on a
 * descriptor of its thread and on the one of its rmdt_cancel.
 *
 *     rmdt_waiters_enter(&obj->waiters, &me);
 *     while (!condition && !rc)
 *         rc = rmdt_waiter_sleep(&me, &obj->lock, &patience);
 *     rmdt_waiters_leave(&obj->waiters, &me);
 *
 * All of it with the mutex held; sleep lets go of it while it sleeps.
 */
#ifndef RMDT_IO_WAIT_H
#define RMDT_IO_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "rmdt.h"

/* How long the caller of a public function is ready to wait. */
struct rmdt_patience {
	uint64_t deadline_us;		/* UINT64_MAX: for ever */
	bool none;			/* timeout_ms was 0 */
	struct rmdt_cancel *cancel;	/* borrowed; may be NULL */
};
void rmdt_patience_init(struct rmdt_patience *p, int timeout_ms, struct rmdt_cancel *cancel);
/* What is left of it, as a timeout_ms for another wait. */
int rmdt_patience_left_ms(const struct rmdt_patience *p);

struct rmdt_waiter {
	struct rmdt_waiter *next, *prev;
	int fd;				/* of the waiting thread; -1 before it first sleeps */
	bool asleep, woken;
};

/* Protected by the mutex of the object that holds it. */
struct rmdt_waiters {
	struct rmdt_waiter *first, *last;
};

/* At the end of the queue; first and last start as NULL. */
void rmdt_waiters_enter(struct rmdt_waiters *w, struct rmdt_waiter *me);
void rmdt_waiters_leave(struct rmdt_waiters *w, struct rmdt_waiter *me);
/*
 * 0: woken, look again. -EAGAIN (no patience at all), -ETIMEDOUT, -ECANCELED, -EMFILE (no
 * descriptor left).
 */
int rmdt_waiter_sleep(struct rmdt_waiter *me, pthread_mutex_t *lock, const struct rmdt_patience *p);

void rmdt_waiters_wake_first(struct rmdt_waiters *w);
void rmdt_waiters_wake_all(struct rmdt_waiters *w);

#endif

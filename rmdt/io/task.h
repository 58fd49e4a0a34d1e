/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How other threads ask an I/O thread to do something. A task is embedded in an object; asking sets
 * bits in it and queues it in the thread's mailbox unless it is queued already. So a mailbox is
 * bounded by the number of objects, posting allocates nothing, and repeated requests merge.
 */
#ifndef RMDT_IO_TASK_H
#define RMDT_IO_TASK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct rmdt_task {
	struct rmdt_task *next;			/* under the mailbox's lock */
	_Atomic unsigned bits;			/* what is asked for; 0: not queued */
	void (*run)(struct rmdt_task *task, unsigned bits);	/* on the mailbox's thread */
};

struct rmdt_mailbox {
	pthread_mutex_t lock;			/* leaf: nothing else is locked under it */
	struct rmdt_task *first, *last;
	/* the thread will look before it sleeps: no need to wake it */
	bool awake;
	bool poked;				/* something beside tasks waits for the thread */
	int fd;					/* eventfd, readable when the thread must wake */
};

int rmdt_mailbox_init(struct rmdt_mailbox *m);	/* -EMFILE and the like */
void rmdt_mailbox_fini(struct rmdt_mailbox *m);	/* must be empty */

/*
 * True: it was not queued before and now is. The owner of the task must stay alive until it ran:
 * take a reference first, give it back when this returns false, and else at the end of run.
 */
bool rmdt_mailbox_post(struct rmdt_mailbox *m, struct rmdt_task *task, unsigned bits);
/* The thread looks around once more before it sleeps, or wakes for it. */
void rmdt_mailbox_poke(struct rmdt_mailbox *m);

/* The rest is for the mailbox's own thread. Runs what is queued now; how many. */
size_t rmdt_mailbox_run(struct rmdt_mailbox *m);
/*
 * Before sleeping: true, and posts will write to fd from now on; false: something is queued, do not
 * sleep.
 */
bool rmdt_mailbox_may_sleep(struct rmdt_mailbox *m);
void rmdt_mailbox_wake(struct rmdt_mailbox *m);	/* after sleeping */
void rmdt_mailbox_clear(struct rmdt_mailbox *m);	/* fd was readable */

#endif

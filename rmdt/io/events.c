/* SPDX-License-Identifier: Apache-2.0 */
#include "io/events.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int rmdt_events_init(struct rmdt_events *ev)
{
	*ev = (struct rmdt_events){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (ev->fd < 0)
		return -errno;
	pthread_mutex_init(&ev->lock, NULL);
	return 0;
}

static void append(struct rmdt_events *ev, struct rmdt_notice *n)
{
	n->next = NULL;
	n->prev = ev->last;
	if (ev->last)
		ev->last->next = n;
	else
		ev->first = n;
	ev->last = n;
	n->queued = true;
}

static void unlink_notice(struct rmdt_events *ev, struct rmdt_notice *n)
{
	if (n->prev)
		n->prev->next = n->next;
	else
		ev->first = n->next;
	if (n->next)
		n->next->prev = n->prev;
	else
		ev->last = n->prev;
	n->queued = false;
}

/* The descriptor follows the queue: one write when it fills, one read when it empties. */
static void raise_fd(struct rmdt_events *ev)
{
	uint64_t one = 1;

	if (!ev->mailbox)
		(void)!write(ev->fd, &one, sizeof(one));
}

static void lower_fd(struct rmdt_events *ev)
{
	uint64_t count;

	if (!ev->mailbox)
		(void)!read(ev->fd, &count, sizeof(count));
}

static bool has_code(enum rmdt_event_kind kind)
{
	return kind == RMDT_EVENT_PEER_DOWN || kind == RMDT_EVENT_IN_RESET ||
	       kind == RMDT_EVENT_OUT_LOST;
}

bool rmdt_events_post(struct rmdt_notice *n, enum rmdt_event_kind kind, unsigned code,
		      const char *reason)
{
	struct rmdt_events *ev = n->home;
	bool added = false;

	pthread_mutex_lock(&ev->lock);
	if (n->closed)
		goto out;
	n->bits |= 1u << kind;
	if (has_code(kind)) {
		n->code = code;
		memset(n->reason, 0, sizeof(n->reason));
		if (reason)
			strncpy(n->reason, reason, RMDT_REASON_BYTES);
	}
	if (kind == RMDT_EVENT_PEER_DOWN) {
		n->closed = true;
		if (n->queued) {
			unlink_notice(ev, n);
			append(ev, n);
			goto out;
		}
	}
	if (n->queued)
		goto out;
	if (!ev->first)
		raise_fd(ev);
	append(ev, n);
	rmdt_waiters_wake_first(&ev->waiters);
	added = true;
out:
	pthread_mutex_unlock(&ev->lock);
	if (added && ev->mailbox)
		rmdt_mailbox_poke(ev->mailbox);
	return added;
}

bool rmdt_events_is_queued(struct rmdt_notice *n)
{
	bool queued;

	pthread_mutex_lock(&n->home->lock);
	queued = n->queued;
	pthread_mutex_unlock(&n->home->lock);
	return queued;
}

bool rmdt_events_close(struct rmdt_notice *n)
{
	struct rmdt_events *ev = n->home;
	bool was;

	pthread_mutex_lock(&ev->lock);
	was = n->queued;
	if (was) {
		unlink_notice(ev, n);
		if (!ev->first)
			lower_fd(ev);
	}
	n->closed = true;
	n->bits = 0;
	pthread_mutex_unlock(&ev->lock);
	return was;
}

/*
 * With the lock held. The kinds of one object are told in the order of their numbers. *old is what
 * was lent before, to be dropped without the lock, since that may free the object.
 */
static bool take_locked(struct rmdt_events *ev, struct rmdt_event *event, struct rmdt_notice **old)
{
	struct rmdt_notice *n = ev->first;
	unsigned kind;

	if (!n)
		return false;
	kind = (unsigned)__builtin_ctz(n->bits);
	n->bits &= ~(1u << kind);
	*event = (struct rmdt_event){ .kind = (enum rmdt_event_kind)kind, .peer = n->peer, .out = n->out,
				      .in = n->in };
	if (has_code(event->kind)) {
		event->code = n->code;
		memcpy(event->reason, n->reason, sizeof(event->reason));
	}
	*old = ev->lent;
	ev->lent = NULL;
	if (n->bits)
		return true;
	unlink_notice(ev, n);
	if (!ev->first)
		lower_fd(ev);
	ev->lent = n;
	return true;
}

static void drop(struct rmdt_notice *n)
{
	if (n)
		n->drop(n);
}

void rmdt_events_return(struct rmdt_events *ev)
{
	struct rmdt_notice *old;

	pthread_mutex_lock(&ev->lock);
	old = ev->lent;
	ev->lent = NULL;
	pthread_mutex_unlock(&ev->lock);
	drop(old);
}

bool rmdt_events_take(struct rmdt_events *ev, struct rmdt_event *event)
{
	struct rmdt_notice *old = NULL;
	bool got;

	pthread_mutex_lock(&ev->lock);
	got = take_locked(ev, event, &old);
	pthread_mutex_unlock(&ev->lock);
	drop(old);
	return got;
}

int rmdt_events_wait(struct rmdt_events *ev, struct rmdt_event *event,
		     const struct rmdt_patience *patience)
{
	struct rmdt_notice *old = NULL;
	struct rmdt_waiter me;
	int rc = 0;

	rmdt_events_return(ev);
	pthread_mutex_lock(&ev->lock);
	rmdt_waiters_enter(&ev->waiters, &me);
	while (!take_locked(ev, event, &old)) {
		rc = rmdt_waiter_sleep(&me, &ev->lock, patience);
		if (rc)
			break;
	}
	rmdt_waiters_leave(&ev->waiters, &me);
	if (ev->first)
		rmdt_waiters_wake_first(&ev->waiters);
	pthread_mutex_unlock(&ev->lock);
	drop(old);
	return rc;
}

bool rmdt_events_is_empty(struct rmdt_events *ev)
{
	bool empty;

	pthread_mutex_lock(&ev->lock);
	empty = !ev->first;
	pthread_mutex_unlock(&ev->lock);
	return empty;
}

void rmdt_events_fini(struct rmdt_events *ev)
{
	struct rmdt_notice *n;

	rmdt_events_return(ev);
	while ((n = ev->first)) {
		unlink_notice(ev, n);
		n->bits = 0;
		n->drop(n);
	}
	pthread_mutex_destroy(&ev->lock);
	close(ev->fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/cancel.h"
#include "io/clock.h"

/* One descriptor per thread that ever waited, made at its first wait and closed when it ends. */
static pthread_key_t fd_key;
static pthread_once_t fd_once = PTHREAD_ONCE_INIT;
static bool fd_key_ok;

static void close_fd(void *value)
{
	close((int)(intptr_t)value - 1);
}

static void make_key(void)
{
	fd_key_ok = pthread_key_create(&fd_key, close_fd) == 0;
}

/* The key holds fd + 1, since NULL means none. */
static int thread_fd(void)
{
	intptr_t value;
	int fd;

	pthread_once(&fd_once, make_key);
	if (!fd_key_ok)
		return -1;
	value = (intptr_t)pthread_getspecific(fd_key);
	if (value)
		return (int)value - 1;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -1;
	if (pthread_setspecific(fd_key, (void *)(intptr_t)(fd + 1)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void rmdt_patience_init(struct rmdt_patience *p, int timeout_ms, struct rmdt_cancel *cancel)
{
	p->none = timeout_ms == 0;
	p->cancel = cancel;
	p->deadline_us = UINT64_MAX;
	if (timeout_ms > 0)
		p->deadline_us = rmdt_clock_us() + (uint64_t)timeout_ms * 1000;
}

void rmdt_waiters_enter(struct rmdt_waiters *w, struct rmdt_waiter *me)
{
	me->fd = -1;
	me->asleep = me->woken = false;
	me->next = NULL;
	me->prev = w->last;
	if (w->last)
		w->last->next = me;
	else
		w->first = me;
	w->last = me;
}

void rmdt_waiters_leave(struct rmdt_waiters *w, struct rmdt_waiter *me)
{
	if (me->prev)
		me->prev->next = me->next;
	else
		w->first = me->next;
	if (me->next)
		me->next->prev = me->prev;
	else
		w->last = me->prev;
}

/* Milliseconds for poll(), rounded up so that it never wakes early for nothing. */
static int poll_ms(uint64_t deadline_us)
{
	uint64_t now, ms;

	if (deadline_us == UINT64_MAX)
		return -1;
	now = rmdt_clock_us();
	if (now >= deadline_us)
		return 0;
	ms = (deadline_us - now + 999) / 1000;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

int rmdt_patience_left_ms(const struct rmdt_patience *p)
{
	return p->none ? 0 : poll_ms(p->deadline_us);
}

static int sleep_result(const struct rmdt_waiter *me, const struct rmdt_patience *p)
{
	if (rmdt_cancel_is_fired(p->cancel))
		return -ECANCELED;
	if (me->woken)
		return 0;
	if (p->none)
		return -EAGAIN;
	return rmdt_clock_us() >= p->deadline_us ? -ETIMEDOUT : 0;
}

int rmdt_waiter_sleep(struct rmdt_waiter *me, pthread_mutex_t *lock, const struct rmdt_patience *p)
{
	struct pollfd fds[2];
	uint64_t count;
	int rc;

	me->woken = false;
	if (p->none || rmdt_cancel_is_fired(p->cancel))
		return sleep_result(me, p);
	if (me->fd < 0)
		me->fd = thread_fd();
	if (me->fd < 0)
		return -EMFILE;
	fds[0] = (struct pollfd){ .fd = me->fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = rmdt_cancel_fd(p->cancel), .events = POLLIN };
	me->asleep = true;
	pthread_mutex_unlock(lock);
	(void)poll(fds, 2, poll_ms(p->deadline_us));
	pthread_mutex_lock(lock);
	me->asleep = false;
	rc = sleep_result(me, p);
	/*
	 * A wake that came between poll and lock leaves a count; it would end the next sleep at
	 * once.
	 */
	if (me->woken || fds[0].revents)
		(void)!read(me->fd, &count, sizeof(count));
	return rc;
}

static void wake(struct rmdt_waiter *waiter)
{
	uint64_t one = 1;

	if (waiter->woken)
		return;
	waiter->woken = true;
	/*
	 * Who is not asleep holds the mutex, or waits for it, and looks at its condition before it
	 * sleeps.
	 */
	if (waiter->asleep)
		(void)!write(waiter->fd, &one, sizeof(one));
}

void rmdt_waiters_wake_first(struct rmdt_waiters *w)
{
	if (w->first)
		wake(w->first);
}

void rmdt_waiters_wake_all(struct rmdt_waiters *w)
{
	for (struct rmdt_waiter *waiter = w->first; waiter; waiter = waiter->next)
		wake(waiter);
}

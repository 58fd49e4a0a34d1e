/* SPDX-License-Identifier: Apache-2.0 */
#include "io/task.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int rmdt_mailbox_init(struct rmdt_mailbox *m)
{
	m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->fd < 0)
		return -errno;
	pthread_mutex_init(&m->lock, NULL);
	m->first = m->last = NULL;
	m->awake = true;
	m->poked = false;
	return 0;
}

void rmdt_mailbox_fini(struct rmdt_mailbox *m)
{
	assert(!m->first);
	pthread_mutex_destroy(&m->lock);
	close(m->fd);
}

/*
 * With the lock held; true: the caller writes to fd. The flag makes it one write per sleep of the
 * thread.
 */
static bool needs_wake(struct rmdt_mailbox *m)
{
	bool asleep = !m->awake;

	m->awake = true;
	return asleep;
}

static void write_fd(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

bool rmdt_mailbox_post(struct rmdt_mailbox *m, struct rmdt_task *task, unsigned bits)
{
	bool wake;

	assert(bits);
	if (atomic_fetch_or(&task->bits, bits) != 0)
		return false;
	pthread_mutex_lock(&m->lock);
	task->next = NULL;
	if (m->last)
		m->last->next = task;
	else
		m->first = task;
	m->last = task;
	wake = needs_wake(m);
	pthread_mutex_unlock(&m->lock);
	if (wake)
		write_fd(m->fd);
	return true;
}

void rmdt_mailbox_poke(struct rmdt_mailbox *m)
{
	bool wake;

	pthread_mutex_lock(&m->lock);
	m->poked = true;
	wake = needs_wake(m);
	pthread_mutex_unlock(&m->lock);
	if (wake)
		write_fd(m->fd);
}

size_t rmdt_mailbox_run(struct rmdt_mailbox *m)
{
	struct rmdt_task *task, *next;
	size_t n = 0;

	pthread_mutex_lock(&m->lock);
	task = m->first;
	m->first = m->last = NULL;
	pthread_mutex_unlock(&m->lock);
	for (; task; task = next) {
		/*
		 * Once its bits are taken it may be queued anew, and its memory is ours only until
		 * run returns.
		 */
		next = task->next;
		task->run(task, atomic_exchange(&task->bits, 0));
		n++;
	}
	return n;
}

bool rmdt_mailbox_may_sleep(struct rmdt_mailbox *m)
{
	bool idle;

	pthread_mutex_lock(&m->lock);
	idle = !m->first && !m->poked;
	m->poked = false;
	if (idle)
		m->awake = false;
	pthread_mutex_unlock(&m->lock);
	return idle;
}

void rmdt_mailbox_wake(struct rmdt_mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	m->awake = true;
	pthread_mutex_unlock(&m->lock);
}

void rmdt_mailbox_clear(struct rmdt_mailbox *m)
{
	uint64_t count;

	(void)!read(m->fd, &count, sizeof(count));
}

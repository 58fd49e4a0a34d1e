/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/pollset.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 128			/* sockets told of before other watchers get their turn */

static void on_ready(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct pollset *set = io->data;
	struct epoll_event events[BATCH];
	void *batch[BATCH];
	int n = epoll_wait(set->fd, events, BATCH, 0);

	(void)loop;
	(void)revents;
	for (int i = 0; i < n; i++)
		batch[i] = events[i].data.ptr;
	set->batch = batch;
	set->batch_n = n > 0 ? n : 0;
	for (int i = 0; i < n; i++) {
		if (batch[i] != NULL)
			set->tell(batch[i], events[i].events);
	}
	set->batch = NULL;
	set->batch_n = 0;
}

int pollset_init(struct pollset *set, struct ev_loop *loop, pollset_event *tell)
{
	*set = (struct pollset){ .loop = loop, .tell = tell, .fd = epoll_create1(EPOLL_CLOEXEC) };
	if (set->fd < 0)
		return -errno;
	ev_io_init(&set->io, on_ready, set->fd, EV_READ);
	set->io.data = set;
	ev_io_start(loop, &set->io);
	return 0;
}

void pollset_fini(struct pollset *set)
{
	if (set->fd < 0)
		return;
	ev_io_stop(set->loop, &set->io);
	close(set->fd);
	set->fd = -1;
}

int pollset_add(struct pollset *set, int fd, void *socket_ctx)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = socket_ctx };

	return epoll_ctl(set->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void pollset_remove(struct pollset *set, int fd, const void *socket_ctx)
{
	(void)epoll_ctl(set->fd, EPOLL_CTL_DEL, fd, NULL);
	for (int i = 0; i < set->batch_n; i++) {
		if (set->batch[i] == socket_ctx)
			set->batch[i] = NULL;
	}
}

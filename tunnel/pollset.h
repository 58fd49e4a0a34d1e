/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_POLLSET_H
#define TUNNEL_POLLSET_H

#include <ev.h>
#include <stdint.h>

/*
 * Sockets that are told of by edges: each is registered once for both directions, and a hang-up is told also while
 * nobody wants to read or write. (libev's own watchers know only levels, and nothing of a socket that nobody watches.)
 */

/* events: EPOLL* bits. May call pollset_remove for any socket. */
typedef void pollset_event(void *socket_ctx, uint32_t events);

struct pollset {
	struct ev_loop *loop;
	struct ev_io io;
	int fd;
	pollset_event *tell;
	void **batch;			/* contexts still to be told in this round; removed ones are NULL */
	int batch_n;
};

int pollset_init(struct pollset *set, struct ev_loop *loop, pollset_event *tell);	/* negative errno */
void pollset_fini(struct pollset *set);
int pollset_add(struct pollset *set, int fd, void *socket_ctx);	/* negative errno */
/* Before fd is closed; it is not told of again. */
void pollset_remove(struct pollset *set, int fd, const void *socket_ctx);

#endif

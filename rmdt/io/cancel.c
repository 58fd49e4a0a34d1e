/* SPDX-License-Identifier: Apache-2.0 */
#include "io/cancel.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * A signal handler may fire, so there is no lock and no list of waits: every wait polls the
 * descriptor beside its own, and since nobody reads it, it wakes them all.
 */
struct rmdt_cancel {
	_Atomic bool fired;
	int fd;
};

int rmdt_cancel_new(struct rmdt_cancel **c)
{
	struct rmdt_cancel *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (made->fd < 0) {
		int rc = -errno;

		free(made);
		return rc;
	}
	*c = made;
	return 0;
}

void rmdt_cancel_fire(struct rmdt_cancel *c)
{
	uint64_t one = 1;
	int saved = errno;

	atomic_store(&c->fired, true);
	while (write(c->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved;
}

void rmdt_cancel_free(struct rmdt_cancel *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c);
}

bool rmdt_cancel_is_fired(const struct rmdt_cancel *c)
{
	return c && atomic_load(&c->fired);
}

int rmdt_cancel_fd(const struct rmdt_cancel *c)
{
	return c ? c->fd : -1;
}

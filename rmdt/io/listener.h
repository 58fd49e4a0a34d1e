/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets that belong to no association of their thread: first messages of handshakes, which are vetted before anything
 * is allocated, and strays, which draw a hint now and then.
 */
#ifndef RMDT_IO_LISTENER_H
#define RMDT_IO_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/cookie.h"

struct rmdt_thread;

/* Hints to unknown connections in a second, in all of a thread: enough for a fast restart, useless for an attack. */
#define RMDT_LISTENER_HINTS_PER_S 10

/* Hints that are listened to in a second: each costs a look at all associations. */
#define RMDT_LISTENER_HEARD_PER_S 1000

struct rmdt_listener {
	struct rmdt_cookie cookie;
	uint8_t hash_key[16];		/* of the table of first messages: strangers choose their ids */
	uint64_t hints_since_us;
	unsigned hints, heard;		/* sent and heard since then */
};

void rmdt_listener_init(struct rmdt_listener *l, uint64_t now_us);
void rmdt_listener_fini(struct rmdt_listener *l);
/* buf may be clobbered. */
void rmdt_listener_receive(struct rmdt_thread *t, uint8_t *buf, size_t len, unsigned ecn, const struct rmdt_addr *from);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One remote engine, as the application sees it. It lives on one thread; other threads post to it.
 *
 * References: one per application handle, one until PEER_DOWN was delivered, one per link, in-flow and branch, one while
 * its task is queued.
 */
#ifndef RMDT_IO_PEER_H
#define RMDT_IO_PEER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/strain.h"
#include "io/engine.h"
#include "io/events.h"
#include "io/letters.h"
#include "io/task.h"
#include "rmdt.h"

struct rmdt_branch;
struct rmdt_connect;
struct rmdt_in;
struct rmdt_link;

/* What can be asked of it; bits of its task. */
enum rmdt_peer_ask {
	RMDT_PEER_START = 1,		/* begin to connect */
	RMDT_PEER_RESOLVED = 2,		/* addresses are there */
	RMDT_PEER_CLOSE = 4,		/* close_code, close_reason */
	RMDT_PEER_RELEASE = 8,		/* the last handle was given back */
	RMDT_PEER_LETTERS = 16,		/* messages to send */
	RMDT_PEER_CAP = 32,		/* cap_rate changed */
};

enum rmdt_peer_state { RMDT_PEER_CONNECTING, RMDT_PEER_IS_UP, RMDT_PEER_IS_DOWN };

struct rmdt_peer {
	/* Constant. */
	struct rmdt_engine *engine;
	struct rmdt_thread *thread;
	bool inbound;
	char host[256];			/* outbound: as asked for */
	uint16_t port;
	unsigned role;			/* enum rmdt_purpose */

	_Atomic unsigned refs, handles;
	_Atomic(void *) user;
	_Atomic uint64_t cwnd_bytes;	/* as last published */
	_Atomic uint64_t cap_rate;	/* its share of the uplink, 0 none */
	struct rmdt_task task;
	struct rmdt_notice notice;
	struct rmdt_listed listed;	/* of engine->peers */

	pthread_mutex_t lock;		/* after an out's, before an in's */
	enum rmdt_peer_state state;
	struct rmdt_peer_info info;
	uint64_t info_us;		/* when it was taken */
	uint32_t message_max;
	unsigned close_code;
	char close_reason[RMDT_REASON_BYTES + 1];
	struct rmdt_letters outgoing, incoming;

	/* Its thread's alone. */
	struct rmdt_link *link;		/* once up, until it is down */
	struct rmdt_link *probe;	/* NULL: none under way */
	struct rmdt_connect *connect;	/* while connecting */
	struct rmdt_branch *branches;
	unsigned fills;				/* of these, belong to an out with a source */
	struct rmdt_in *ins;		/* that the application has not given back */
	uint64_t uplink_bytes, uplink_demand;	/* io/uplink.c on the engine's first thread */
	struct rmdt_peer *uplink_next;
	bool uplink_served;
	unsigned down_code;		/* once down */
	char down_reason[RMDT_REASON_BYTES + 1];
	bool letters_left;		/* the conn's queue was full */
	struct rmdt_strain strain;	/* whether it is we who are too slow; when info is taken again */
	bool leaving;			/* the last handle was given back */
	uint64_t leave_us;		/* leaving and no in-flow left: when it closes at the latest; 0 else */
};

/* With one reference for the caller and one until PEER_DOWN; listed. -ENOMEM. */
int rmdt_peer_new(struct rmdt_engine *engine, struct rmdt_thread *thread, struct rmdt_peer **peer);
void rmdt_peer_hold(struct rmdt_peer *peer);
void rmdt_peer_drop(struct rmdt_peer *peer);
/* Any thread; bits of enum rmdt_peer_ask. */
void rmdt_peer_post(struct rmdt_peer *peer, unsigned bits);
void rmdt_peer_notify(struct rmdt_peer *peer, enum rmdt_event_kind kind, unsigned code, const char *reason);
bool rmdt_peer_is_down(struct rmdt_peer *peer);

/* The rest is called on its thread only. `link` is up and becomes the peer's. */
void rmdt_peer_on_up(struct rmdt_peer *peer, struct rmdt_link *link);
/* Once only; breaks all of its flows, then says PEER_DOWN. */
void rmdt_peer_on_down(struct rmdt_peer *peer, unsigned code, const char *reason);
/* Takes a fresh look at its conn for rmdt_peer_info. */
void rmdt_peer_publish(struct rmdt_peer *peer);
/* Called whenever its link was drained. */
void rmdt_peer_on_drained(struct rmdt_peer *peer);
/* Called when its link has used up its turn and has more to send. */
void rmdt_peer_on_busy(struct rmdt_peer *peer);
void rmdt_peer_on_message(struct rmdt_peer *peer);
void rmdt_peer_on_moved(struct rmdt_peer *peer);
/* When peer needs a look although its conn does not; RMDT_ALARM_NEVER. */
uint64_t rmdt_peer_next_us(const struct rmdt_peer *peer);

#endif

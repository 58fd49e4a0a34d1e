/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An I/O thread: a libev loop, its socket and its associations. Everything in here belongs to that thread alone, except
 * mailbox, parcels and events, which have their own locks.
 *
 * A round of the loop: read what came, run what other threads asked for, ring what is due, let the associations that
 * were touched send, deliver events to the handler. Each part of a round is bounded, so that none starves another.
 */
#ifndef RMDT_IO_THREAD_H
#define RMDT_IO_THREAD_H

#include <ev.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/alarms.h"
#include "io/events.h"
#include "io/listener.h"
#include "io/parcels.h"
#include "io/table.h"
#include "io/task.h"
#include "io/udp.h"

struct rmdt_engine;
struct rmdt_link;

/* Receive calls in one round: with RMDT_INBOX_BUFFERS of 64 KiB each, 2 MiB before anything is answered. */
#define RMDT_THREAD_READS	4
/* Failed inbound handshakes that are kept to repeat their refusal: 8 KiB each, and strangers can make a thousand a second. */
#define RMDT_THREAD_REFUSED	512

struct rmdt_thread {
	struct rmdt_engine *engine;
	unsigned index;
	pthread_t id;
	bool ready, started;			/* initialised; running */
	bool closing, out_of_time;		/* the engine ends; it may not take longer */
	uint64_t now_us;			/* of this round */

	struct ev_loop *loop;
	struct ev_io on_socket, on_timer, on_mail;
	int timer_fd;				/* sub-millisecond deadlines, which libev's own timers round */
	uint64_t timer_us;			/* what it is armed for; RMDT_ALARM_NEVER */
	uint64_t burst_bytes, burst_us;		/* received since it last found nothing; when that was, after much */
	bool readable;				/* more may wait in the socket */
	bool blocked;				/* the socket is full; what is in the outbox waits */

	struct rmdt_mailbox mailbox;
	struct rmdt_parcels parcels;		/* packets of ours that another thread's socket got */
	struct rmdt_events events;		/* with a handler */
	pthread_mutex_t telling;		/* held while the handler runs; before all other locks */
	bool silent;				/* under telling: the handler is not called any more */
	struct rmdt_alarms alarms;
	struct rmdt_alarm closing_alarm;

	struct rmdt_udp udp;
	struct rmdt_inbox inbox;
	struct rmdt_outbox outbox;
	struct rmdt_listener listener;

	struct rmdt_table by_cid;		/* struct rmdt_link by local connection id */
	struct rmdt_table by_init;		/* inbound ones by a hash of address and initiator's id */
	struct rmdt_link *links;		/* all of them */
	unsigned refused;			/* of these, that many are only there to refuse again */
	struct rmdt_link *dirty_first, *dirty_last;	/* touched, to be settled and drained */
};

/* Everything but the running; udp must be open already. Negative errno. */
int rmdt_thread_init(struct rmdt_thread *t, struct rmdt_engine *engine, unsigned index);
int rmdt_thread_start(struct rmdt_thread *t);
/* Waits until the handler has returned; it is not called from then on. Not from the handler itself. */
void rmdt_thread_silence(struct rmdt_thread *t);
/* Waits for its end, which comes when the engine is closing and all associations are gone or out of time. */
void rmdt_thread_join(struct rmdt_thread *t);
/* After the join of all threads, again and again over all of them until none has anything to do: false. */
bool rmdt_thread_settle(struct rmdt_thread *t);
/* Nothing of it may be used by then. */
void rmdt_thread_fini(struct rmdt_thread *t);

struct rmdt_handshake_packet;
/* One small packet at once, beside the outbox. When the socket is full it is lost; whoever wants it asks again. */
void rmdt_thread_send_small(struct rmdt_thread *t, const struct rmdt_handshake_packet *p, const struct rmdt_addr *to);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/packet.h"
#include "io/clock.h"
#include "io/engine.h"
#include "io/link.h"
#include "io/peer.h"
#include "io/turns.h"

/* Events given to the handler in one round. */
#define EVENTS_PER_ROUND	256
/* A thread that always has something to do asks the loop for descriptors only now and then. */
#define POLL_EVERY_ROUNDS	16
/*
 * When bytes come in bursts, the thread naps after one before it sleeps on the socket: so much comes meanwhile that it is
 * worth a wake, and it is the timer that wakes, not the sender, for whom that would cost as much as a datagram.
 */
#define NAP_US			50
#define NAP_BYTES		32768
#define NAP_WITHIN_US		500

/* ---- the loop's watchers only note what happened; the round does it ---- */

static void on_socket(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct rmdt_thread *t = w->data;

	(void)loop;
	if (revents & EV_READ)
		t->readable = true;
	if (revents & EV_WRITE)
		t->blocked = false;
}

static void on_timer(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct rmdt_thread *t = w->data;
	uint64_t count;

	(void)loop;
	(void)revents;
	(void)!read(t->timer_fd, &count, sizeof(count));
	t->timer_us = RMDT_ALARM_NEVER;
}

static void on_mail(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct rmdt_thread *t = w->data;

	(void)loop;
	(void)revents;
	rmdt_mailbox_clear(&t->mailbox);
}

static void watch_socket(struct rmdt_thread *t, bool writable)
{
	int events = EV_READ | (writable ? EV_WRITE : 0);

	if ((t->on_socket.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(t->loop, &t->on_socket);
	ev_io_set(&t->on_socket, t->udp.fd, events);
	ev_io_start(t->loop, &t->on_socket);
}

/* ---- receiving ---- */

static void receive_packet(struct rmdt_thread *t, uint8_t *buf, size_t len, unsigned ecn, const struct rmdt_addr *from)
{
	struct rmdt_link *link = NULL;
	uint32_t cid;

	if (rmdt_packet_form(buf, len, &cid) != RMDT_FORM_BAD)
		link = rmdt_table_find(&t->by_cid, cid);
	if (!link) {
		rmdt_listener_receive(t, buf, len, ecn, from);
		return;
	}
	rmdt_conn_receive(link->conn, t->now_us, buf, len, ecn, from);
	if (rmdt_conn_asks(link->conn))
		rmdt_link_pull(link);
	rmdt_link_touch(link);
}

static void hand_over(struct rmdt_thread *to, const uint8_t *buf, size_t len, unsigned ecn,
		      const struct rmdt_addr *from)
{
	if (rmdt_parcels_add(&to->parcels, buf, len, ecn, from))
		rmdt_mailbox_poke(&to->mailbox);
}

/* True: it went to the thread that it belongs to. A hint has no id that tells whose it is, so all get it. */
static bool was_handed_over(struct rmdt_thread *t, uint8_t *buf, size_t len, unsigned ecn, const struct rmdt_addr *from)
{
	struct rmdt_engine *e = t->engine;
	uint32_t cid;
	enum rmdt_form form = rmdt_packet_form(buf, len, &cid);
	unsigned owner;

	if (form == RMDT_FORM_BAD)
		return false;
	owner = cid >> 24;
	if (owner == t->index + 1 || owner > e->n_threads)
		return false;
	if (owner > 0) {
		hand_over(&e->threads[owner - 1], buf, len, ecn, from);
		return true;
	}
	if (form == RMDT_FORM_HANDSHAKE && cid == 0 && (buf[0] & 0x3f) == RMDT_HS_UNKNOWN) {
		for (unsigned i = 0; i < e->n_threads; i++) {
			if (i != t->index)
				hand_over(&e->threads[i], buf, len, ecn, from);
		}
	}
	return false;
}

static void receive_train(struct rmdt_thread *t, size_t i)
{
	uint8_t *buf = t->inbox.got[i].buf;
	size_t left = t->inbox.got[i].len, segment = t->inbox.got[i].segment;
	unsigned ecn = t->inbox.got[i].ecn;
	const struct rmdt_addr *from = &t->inbox.got[i].from;

	t->burst_bytes += left;
	rmdt_count(&t->engine->counters.bytes_in, left);
	rmdt_count(&t->engine->counters.datagrams_in, (left + segment - 1) / segment);
	while (left) {
		size_t len = left < segment ? left : segment;

		if (t->engine->n_threads == 1 || !was_handed_over(t, buf, len, ecn, from))
			receive_packet(t, buf, len, ecn, from);
		buf += len;
		left -= len;
	}
}

static void pull_dirty(struct rmdt_thread *t)
{
	for (struct rmdt_link *link = t->dirty_first; link; link = link->next_dirty)
		rmdt_link_pull(link);
}

static void receive(struct rmdt_thread *t)
{
	for (unsigned n = 0; t->readable && n < RMDT_THREAD_READS; n++) {
		size_t got = rmdt_udp_receive(&t->udp, &t->inbox);

		for (size_t i = 0; i < got; i++)
			receive_train(t, i);
		t->readable = got == RMDT_INBOX_BUFFERS;
		pull_dirty(t);
	}
}

static void receive_parcels(struct rmdt_thread *t)
{
	struct rmdt_parcel *parcel;

	if (t->engine->n_threads == 1)
		return;
	parcel = rmdt_parcels_take(&t->parcels);
	while (parcel) {
		struct rmdt_parcel *next = parcel->next;

		receive_packet(t, parcel->buf, parcel->len, parcel->ecn, &parcel->from);
		free(parcel);
		parcel = next;
	}
}

/* ---- sending ---- */

void rmdt_thread_send_small(struct rmdt_thread *t, const struct rmdt_handshake_packet *p, const struct rmdt_addr *to)
{
	uint8_t buf[RMDT_BASE_BYTES];
	size_t len = rmdt_handshake_write(buf, sizeof(buf), p);

	if (!len || rmdt_udp_send_one(&t->udp, buf, len, to))
		return;
	rmdt_count(&t->engine->counters.datagrams_out, 1);
	rmdt_count(&t->engine->counters.bytes_out, len);
}

/* ---- the round ---- */

static void deliver(struct rmdt_thread *t)
{
	const struct rmdt_engine_options *opt = &t->engine->opt;
	struct rmdt_event event;

	if (!opt->handler)
		return;
	pthread_mutex_lock(&t->telling);
	for (unsigned n = 0; n < EVENTS_PER_ROUND && !t->silent && rmdt_events_take(&t->events, &event); n++)
		opt->handler(opt->ctx, &event);
	pthread_mutex_unlock(&t->telling);
	rmdt_events_return(&t->events);
}

static bool has_events(struct rmdt_thread *t)
{
	bool silent;

	if (!t->engine->opt.handler)
		return false;
	pthread_mutex_lock(&t->telling);
	silent = t->silent;
	pthread_mutex_unlock(&t->telling);
	return !silent && !rmdt_events_is_empty(&t->events);
}

/* Once the engine is closing every association is looked at, and then sees to its own end. */
static void begin_closing(struct rmdt_thread *t)
{
	if (t->closing)
		return;
	t->closing = true;
	for (struct rmdt_link *link = t->links; link; link = link->next)
		rmdt_link_touch(link);
	rmdt_alarms_set(&t->alarms, &t->closing_alarm, atomic_load(&t->engine->closing_us) + RMDT_ENGINE_LINGER_US +
							       RMDT_ENGINE_GOODBYE_US);
}

static void on_closing_alarm(struct rmdt_alarm *alarm, uint64_t now_us)
{
	struct rmdt_thread *t = (struct rmdt_thread *)((char *)alarm - offsetof(struct rmdt_thread, closing_alarm));

	(void)now_us;
	t->out_of_time = true;
}

static void play_round(struct rmdt_thread *t)
{
	bool closing;

	t->now_us = rmdt_clock_us();
	receive(t);
	receive_parcels(t);
	/* Asked in this order: all that was wanted before the engine's end (a confirmation, say) is in the mailbox. */
	closing = rmdt_engine_is_closing(t->engine);
	(void)rmdt_mailbox_run(&t->mailbox);
	if (closing)
		begin_closing(t);
	rmdt_alarms_ring(&t->alarms, t->now_us);
	rmdt_turns_play(t);
	deliver(t);
}

/* The timer is moved forward only: waking once too often costs less than setting it every round. */
static void arm_timer(struct rmdt_thread *t)
{
	uint64_t next_us = rmdt_alarms_next_us(&t->alarms);
	struct itimerspec its = { 0 };

	if (next_us >= t->timer_us)
		return;
	its.it_value.tv_sec = (time_t)(next_us / 1000000);
	its.it_value.tv_nsec = (long)(next_us % 1000000) * 1000;
	(void)timerfd_settime(t->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
	t->timer_us = next_us;
}

static bool has_work(struct rmdt_thread *t)
{
	if (t->readable || (t->dirty_first && !t->blocked))
		return true;
	if (has_events(t))
		return true;
	return rmdt_alarms_next_us(&t->alarms) <= rmdt_clock_us();
}

/* True: it napped, and nothing was looked at since. Never twice without a burst, nor for the first of several. */
static bool nap(struct rmdt_thread *t)
{
	const struct timespec time = { .tv_nsec = NAP_US * 1000 };
	bool is_burst = t->burst_bytes >= NAP_BYTES, follows;

	t->burst_bytes = 0;
	if (!is_burst)
		return false;
	follows = t->now_us < t->burst_us + NAP_WITHIN_US;
	t->burst_us = t->now_us;
	if (!follows || rmdt_alarms_next_us(&t->alarms) <= t->now_us + NAP_US)
		return false;
	(void)nanosleep(&time, NULL);
	t->readable = true;
	return true;
}

static void *run(void *arg)
{
	struct rmdt_thread *t = arg;
	unsigned busy = 0;

	while (!t->closing || (t->links && !t->out_of_time)) {
		watch_socket(t, t->blocked);
		if (!has_work(t) && nap(t)) {
			busy = 0;
		} else if (!has_work(t) && rmdt_mailbox_may_sleep(&t->mailbox)) {
			arm_timer(t);
			ev_run(t->loop, EVRUN_ONCE);
			rmdt_mailbox_wake(&t->mailbox);
			busy = 0;
		} else if (t->blocked || ++busy % POLL_EVERY_ROUNDS == 0) {
			ev_run(t->loop, EVRUN_NOWAIT);
		} else {
			t->readable = true;
		}
		play_round(t);
	}
	return NULL;
}

/* ---- life ---- */

static int start_watchers(struct rmdt_thread *t)
{
	t->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!t->loop)
		return -ENOMEM;
	ev_io_init(&t->on_socket, on_socket, t->udp.fd, EV_READ);
	ev_io_init(&t->on_timer, on_timer, t->timer_fd, EV_READ);
	ev_io_init(&t->on_mail, on_mail, t->mailbox.fd, EV_READ);
	t->on_socket.data = t->on_timer.data = t->on_mail.data = t;
	ev_io_start(t->loop, &t->on_socket);
	ev_io_start(t->loop, &t->on_timer);
	ev_io_start(t->loop, &t->on_mail);
	return 0;
}

int rmdt_thread_init(struct rmdt_thread *t, struct rmdt_engine *engine, unsigned index)
{
	int rc;

	t->engine = engine;
	t->index = index;
	t->now_us = rmdt_clock_us();
	t->timer_us = RMDT_ALARM_NEVER;
	t->closing_alarm.ring = on_closing_alarm;
	rmdt_table_init(&t->by_cid);
	rmdt_table_init(&t->by_init);
	rc = rmdt_mailbox_init(&t->mailbox);
	if (rc)
		return rc;
	rc = rmdt_events_init(&t->events);
	if (rc)
		goto no_events;
	t->events.mailbox = &t->mailbox;
	t->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	rc = t->timer_fd < 0 ? -errno : 0;
	if (rc)
		goto no_timer;
	rc = rmdt_inbox_init(&t->inbox);
	if (!rc)
		rc = rmdt_outbox_init(&t->outbox);
	if (!rc)
		rc = start_watchers(t);
	if (rc)
		goto no_loop;
	rmdt_parcels_init(&t->parcels);
	pthread_mutex_init(&t->telling, NULL);
	rmdt_listener_init(&t->listener, t->now_us);
	t->ready = true;
	return 0;
no_loop:
	rmdt_inbox_fini(&t->inbox);
	rmdt_outbox_fini(&t->outbox);
	close(t->timer_fd);
no_timer:
	rmdt_events_fini(&t->events);
no_events:
	rmdt_mailbox_fini(&t->mailbox);
	return rc;
}

/* Signals are for the application's threads. */
int rmdt_thread_start(struct rmdt_thread *t)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&t->id, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	t->started = rc == 0;
	return -rc;
}

void rmdt_thread_silence(struct rmdt_thread *t)
{
	pthread_mutex_lock(&t->telling);
	t->silent = true;
	pthread_mutex_unlock(&t->telling);
}

void rmdt_thread_join(struct rmdt_thread *t)
{
	if (!t->started)
		return;
	pthread_join(t->id, NULL);
	t->started = false;
}

/*
 * Peers that are not down by now go down; that ends all flows, and with their tasks all holds on links. Tasks of one
 * thread may post to another, so this is repeated over all of them.
 */
bool rmdt_thread_settle(struct rmdt_thread *t)
{
	bool did = rmdt_mailbox_run(&t->mailbox) > 0;

	for (struct rmdt_link *link = t->links; link; link = link->next) {
		if (link->peer)
			rmdt_peer_on_down(link->peer, RMDT_CODE_CLOSED, NULL);
	}
	while (rmdt_mailbox_run(&t->mailbox))
		did = true;
	while (t->links) {
		rmdt_link_free(t->links);
		did = true;
	}
	/* Those of out-flows hold references; one call rings a bounded number. */
	while (rmdt_alarms_next_us(&t->alarms) != RMDT_ALARM_NEVER)
		rmdt_alarms_ring(&t->alarms, RMDT_ALARM_NEVER - 1);
	return did;
}

void rmdt_thread_fini(struct rmdt_thread *t)
{
	if (!t->ready)
		return;
	rmdt_events_fini(&t->events);
	rmdt_mailbox_fini(&t->mailbox);
	rmdt_listener_fini(&t->listener);
	rmdt_parcels_fini(&t->parcels);
	pthread_mutex_destroy(&t->telling);
	ev_loop_destroy(t->loop);
	rmdt_inbox_fini(&t->inbox);
	rmdt_outbox_fini(&t->outbox);
	close(t->timer_fd);
	rmdt_table_fini(&t->by_cid);
	rmdt_table_fini(&t->by_init);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/in.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credit.h"
#include "io/branch.h"
#include "io/link.h"
#include "io/out.h"
#include "io/peer.h"
#include "io/thread.h"

/* Bytes consumed between two looks of the I/O thread: a sixteenth of the first window, so credit never runs short by it. */
#define SAY_EVERY_BYTES (RMDT_CREDIT_FLOW_BYTES / 16)

/*
 * Waking a reader costs as much as opening a train of packets. The reader of a bulk flow, one that brings BULK_BYTES from
 * one wake to the next, is woken when WAKE_BYTES are there or WAKE_US have passed; any other one at once.
 */
#define BULK_BYTES 49152
#define WAKE_BYTES 262144
#define WAKE_US 1000

/* ---- life ---- */

static void run(struct rmdt_task *task, unsigned bits);
static void ring(struct rmdt_alarm *alarm, uint64_t now_us);

static void hold(struct rmdt_in *in)
{
	atomic_fetch_add(&in->refs, 1);
}

static void drop(struct rmdt_in *in)
{
	if (atomic_fetch_sub(&in->refs, 1) != 1)
		return;
	rmdt_engine_unlist(in->engine, &in->listed);
	rmdt_peer_drop(in->peer);
	pthread_mutex_destroy(&in->lock);
	free(in);
}

static void drop_notice(struct rmdt_notice *notice)
{
	drop(notice->in);
}

static void notify(struct rmdt_in *in, enum rmdt_event_kind kind, unsigned code, const char *reason)
{
	hold(in);
	if (!rmdt_events_post(&in->notice, kind, code, reason))
		drop(in);
}

static void post(struct rmdt_in *in, unsigned bits)
{
	hold(in);
	if (!rmdt_mailbox_post(&in->peer->thread->mailbox, &in->task, bits))
		drop(in);
}

static struct rmdt_in *make(struct rmdt_link *link, struct rmdt_inflow *flow)
{
	const struct rmdt_open *open = rmdt_inflow_open(flow);
	struct rmdt_peer *peer = link->peer;
	struct rmdt_in *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	in->engine = peer->engine;
	in->peer = peer;
	in->recvbuf = flow->recvbuf;
	in->id = flow->id;
	in->purpose = open->purpose;
	in->start_off = in->said_off = in->told_off = flow->start_off;
	snprintf(in->name, sizeof(in->name), "%s", open->name);
	in->task.run = run;
	in->alarm.ring = ring;
	in->notice.home = rmdt_engine_events(in->engine, peer->thread);
	in->notice.peer = peer;
	in->notice.in = in;
	in->notice.drop = drop_notice;
	in->armed = true;
	in->link = link;
	in->flow = flow;
	pthread_mutex_init(&in->lock, NULL);
	atomic_init(&in->refs, 1);
	rmdt_peer_hold(peer);
	return in;
}

/* ---- on its thread: offers ---- */

static struct rmdt_out *find_reply_to(const struct rmdt_peer *peer, uint32_t id)
{
	for (struct rmdt_branch *b = peer->branches; b; b = b->next) {
		if (b->flow && b->flow->id == id)
			return b->out;
	}
	return NULL;
}

static unsigned ask_application(struct rmdt_link *link, const struct rmdt_inflow *flow, char *reason)
{
	const struct rmdt_engine_options *opt = &link->thread->engine->opt;
	const struct rmdt_open *open = rmdt_inflow_open(flow);
	struct rmdt_offer offer = {
		.peer = link->peer, .key = rmdt_conn_remote_key(link->conn), .purpose = open->purpose,
		.priority = open->priority, .name = open->name, .meta = open->meta, .meta_len = open->meta_len,
		.start_off = flow->start_off, .is_reply = open->reply_to != 0,
	};

	if (!opt->accept)
		return RMDT_CODE_REFUSED;
	if (offer.is_reply)
		offer.reply_to = find_reply_to(link->peer, open->reply_to - 1);
	return opt->accept(opt->ctx, &offer, reason);
}

static unsigned judge_offer(struct rmdt_link *link, const struct rmdt_inflow *flow, char *reason)
{
	struct rmdt_engine *e = link->thread->engine;
	unsigned bit = rmdt_trustbox_bit(rmdt_inflow_open(flow)->purpose);

	reason[0] = '\0';
	if (!link->peer || link->peer->link != link || link->peer->leaving || rmdt_engine_is_closing(e))
		return RMDT_CODE_CLOSED;
	/* A key with only= may do what it lists and nothing that we do not know a word for. */
	if (link->kind == RMDT_LINK_INBOUND && (bit ? !(link->may & bit) : link->may != RMDT_MAY_ALL)) {
		snprintf(reason, RMDT_REASON_BYTES, "the key is authorised, but not for this purpose");
		return RMDT_CODE_UNAUTHORISED;
	}
	if (atomic_load(&e->n_in_flows) >= e->values.max_flows) {
		snprintf(reason, RMDT_REASON_BYTES, "max-flows = %u is reached", e->values.max_flows);
		return RMDT_CODE_BUSY;
	}
	return ask_application(link, flow, reason);
}

void rmdt_in_on_offer(struct rmdt_link *link, struct rmdt_inflow *flow)
{
	char reason[RMDT_REASON_BYTES + 1] = "";
	unsigned code = judge_offer(link, flow, reason);
	struct rmdt_peer *peer = link->peer;
	struct rmdt_in *in;

	reason[RMDT_REASON_BYTES] = '\0';
	if (code) {
		rmdt_conn_refuse(link->conn, flow, code, reason);
		return;
	}
	if (rmdt_conn_accept(link->conn, flow))
		return;
	in = make(link, flow);
	if (!in) {
		rmdt_conn_in_stop(link->conn, flow, RMDT_CODE_INTERNAL, NULL);
		rmdt_conn_in_free(link->conn, flow);
		return;
	}
	flow->user = in;
	link->holds++;
	in->next = peer->ins;
	if (in->next)
		in->next->prev = in;
	peer->ins = in;
	atomic_fetch_add(&in->engine->n_in_flows, 1);
	rmdt_engine_list(in->engine, &in->engine->ins, &in->listed);
	notify(in, RMDT_EVENT_IN_OPEN, 0, NULL);
}

/* ---- on its thread: events ---- */

/* Until the alarm the consumer need not tell what it took. */
static void watch(struct rmdt_in *in)
{
	if (!in->alarm.is_set)
		rmdt_alarms_set(&in->link->thread->alarms, &in->alarm, in->told_us + WAKE_US);
	atomic_store(&in->watched, 1);
}

/* An exchange, so that of this and the consumer's look at the flag the second sees what the first has written before. */
static void stop_watching(struct rmdt_in *in)
{
	in->bulk = false;
	(void)atomic_exchange(&in->watched, 0);
}

static void tell_reader(struct rmdt_in *in)
{
	bool tell;

	pthread_mutex_lock(&in->lock);
	tell = in->armed;
	in->armed = false;
	rmdt_waiters_wake_all(&in->waiters);
	pthread_mutex_unlock(&in->lock);
	if (tell)
		notify(in, RMDT_EVENT_IN_READABLE, 0, NULL);
}

static void on_ready(struct rmdt_in *in)
{
	uint64_t fresh = rmdt_recvbuf_ready(in->recvbuf) - in->told_off;
	uint64_t since_us = in->link->thread->now_us - in->told_us;
	bool is_end = rmdt_recvbuf_complete(in->recvbuf);

	if (in->bulk && fresh < WAKE_BYTES && since_us < WAKE_US && !is_end) {
		watch(in);
		return;
	}
	in->bulk = fresh >= BULK_BYTES && since_us < 2 * WAKE_US && !is_end;
	in->told_off += fresh;
	in->told_us += since_us;
	if (in->bulk)
		watch(in);
	tell_reader(in);
}

static void ring(struct rmdt_alarm *alarm, uint64_t now_us)
{
	struct rmdt_in *in = (struct rmdt_in *)((char *)alarm - offsetof(struct rmdt_in, alarm));

	if (rmdt_recvbuf_ready(in->recvbuf) != in->told_off)
		on_ready(in);
	if (!alarm->is_set)
		stop_watching(in);
	rmdt_conn_in_kick(in->link->conn, now_us, in->flow);
	rmdt_link_touch(in->link);
}

void rmdt_in_break(struct rmdt_in *in, unsigned code, const char *reason)
{
	bool news;

	rmdt_alarms_clear(&in->link->thread->alarms, &in->alarm);
	stop_watching(in);
	/* What was held back is told of before the end, or who takes the end for the end would never look for it. */
	if (rmdt_recvbuf_ready(in->recvbuf) != in->told_off)
		tell_reader(in);
	pthread_mutex_lock(&in->lock);
	/* Who has confirmed or stopped a flow does not care how its association ends. */
	news = !in->broken && !in->confirmed && !in->stopped;
	if (!in->broken) {
		in->broken = true;
		in->code = code;
		snprintf(in->reason, sizeof(in->reason), "%s", reason ? reason : "");
	}
	rmdt_waiters_wake_all(&in->waiters);
	pthread_mutex_unlock(&in->lock);
	if (news)
		notify(in, RMDT_EVENT_IN_RESET, code, reason);
}

void rmdt_in_on_event(struct rmdt_inflow *flow, unsigned flags)
{
	struct rmdt_in *in = flow->user;

	if (!in)
		return;
	if (flags & (RMDT_IN_READY | RMDT_IN_FINAL))
		on_ready(in);
	if (flags & RMDT_IN_BROKEN)
		rmdt_in_break(in, flow->code, flow->reason);
}

/* ---- on its thread: what the application asked for ---- */

static void set_marks(struct rmdt_in *in)
{
	for (unsigned kind = 0; kind < RMDT_MARKS; kind++) {
		uint64_t off = atomic_load(&in->mark_off[kind]);

		if (off > in->flow->mark_off[kind])
			rmdt_conn_in_mark(in->link->conn, in->flow, kind, off);
	}
}

static void stop(struct rmdt_in *in)
{
	char reason[RMDT_REASON_BYTES + 1];
	unsigned code;

	pthread_mutex_lock(&in->lock);
	code = in->code;
	memcpy(reason, in->reason, sizeof(reason));
	pthread_mutex_unlock(&in->lock);
	rmdt_conn_in_stop(in->link->conn, in->flow, code, reason);
}

static void give_back(struct rmdt_in *in)
{
	struct rmdt_peer *peer = in->peer;

	rmdt_alarms_clear(&in->link->thread->alarms, &in->alarm);
	in->flow->user = NULL;
	rmdt_conn_in_free(in->link->conn, in->flow);
	in->flow = NULL;
	in->link->holds--;
	if (in->prev)
		in->prev->next = in->next;
	else
		peer->ins = in->next;
	if (in->next)
		in->next->prev = in->prev;
	atomic_fetch_sub(&in->engine->n_in_flows, 1);
	drop(in);
}

static void run(struct rmdt_task *task, unsigned bits)
{
	struct rmdt_in *in = (struct rmdt_in *)((char *)task - offsetof(struct rmdt_in, task));
	struct rmdt_link *link = in->link;

	if (!in->flow) {
		drop(in);
		return;
	}
	if (bits & RMDT_IN_MARK)
		set_marks(in);
	if (bits & RMDT_IN_CONSUMED)
		rmdt_conn_in_kick(link->conn, link->thread->now_us, in->flow);
	if (bits & RMDT_IN_CONFIRM)
		(void)rmdt_conn_in_done(link->conn, in->flow);
	if (bits & RMDT_IN_STOP)
		stop(in);
	rmdt_link_touch(link);
	if (bits & RMDT_IN_FREE)
		give_back(in);
	drop(in);
}

/* ---- rmdt.h: reading ---- */

/* What peek gives without waiting: a length, 0 at the complete end, -EPIPE, or -EAGAIN. */
static ssize_t look(struct rmdt_in *in, const uint8_t **ptr, bool broken)
{
	size_t n = rmdt_recvbuf_peek(in->recvbuf, ptr);

	if (n)
		return (ssize_t)n;
	if (rmdt_recvbuf_drained(in->recvbuf))
		return 0;
	return broken ? -EPIPE : -EAGAIN;
}

ssize_t rmdt_in_peek(struct rmdt_in *in, const uint8_t **ptr, int timeout_ms, struct rmdt_cancel *cancel)
{
	size_t ready = rmdt_recvbuf_peek(in->recvbuf, ptr);
	struct rmdt_patience patience;
	struct rmdt_waiter me;
	ssize_t n;
	int rc = 0;

	if (ready)
		return (ssize_t)ready;
	rmdt_patience_init(&patience, timeout_ms, cancel);
	pthread_mutex_lock(&in->lock);
	rmdt_waiters_enter(&in->waiters, &me);
	while ((n = look(in, ptr, in->broken || in->stopped)) == -EAGAIN && !rc) {
		in->armed = true;
		rc = rmdt_waiter_sleep(&me, &in->lock, &patience);
	}
	rmdt_waiters_leave(&in->waiters, &me);
	pthread_mutex_unlock(&in->lock);
	return n == -EAGAIN ? rc : n;
}

/* See stop_watching(): whoever reads "no" here finds that the thread has looked without seeing what was just consumed. */
static bool is_watched(struct rmdt_in *in)
{
	return atomic_fetch_or(&in->watched, 0) != 0;
}

int rmdt_in_consume(struct rmdt_in *in, size_t len)
{
	uint64_t consumed;
	int rc;

	if (len == 0)
		return 0;
	rc = rmdt_recvbuf_consume(in->recvbuf, len);
	if (rc)
		return rc;
	consumed = rmdt_recvbuf_consumed(in->recvbuf);
	/* When all is consumed no later call may come that would say so. */
	if (consumed - in->said_off < SAY_EVERY_BYTES && consumed != rmdt_recvbuf_ready(in->recvbuf))
		return 0;
	if (consumed - in->said_off >= SAY_EVERY_BYTES || !is_watched(in)) {
		in->said_off = consumed;
		post(in, RMDT_IN_CONSUMED);
	}
	if (consumed != rmdt_recvbuf_ready(in->recvbuf))
		return 0;
	pthread_mutex_lock(&in->lock);
	in->armed = rmdt_recvbuf_ready(in->recvbuf) == consumed;
	pthread_mutex_unlock(&in->lock);
	return 0;
}

ssize_t rmdt_in_read(struct rmdt_in *in, void *buf, size_t len, int timeout_ms, struct rmdt_cancel *cancel)
{
	const uint8_t *ptr = NULL;
	size_t done = 0;

	while (done < len) {
		ssize_t n = rmdt_in_peek(in, &ptr, done ? 0 : timeout_ms, cancel);

		if (n <= 0)
			return done ? (ssize_t)done : n;
		if ((size_t)n > len - done)
			n = (ssize_t)(len - done);
		memcpy((uint8_t *)buf + done, ptr, (size_t)n);
		(void)rmdt_in_consume(in, (size_t)n);
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* ---- rmdt.h: the rest ---- */

int rmdt_in_mark(struct rmdt_in *in, unsigned kind, uint64_t off)
{
	uint64_t old;

	if (kind >= RMDT_MARKS)
		return -EINVAL;
	old = atomic_load(&in->mark_off[kind]);
	while (off > old) {
		if (!atomic_compare_exchange_weak(&in->mark_off[kind], &old, off))
			continue;
		post(in, RMDT_IN_MARK);
		break;
	}
	return 0;
}

int rmdt_in_confirm(struct rmdt_in *in)
{
	int rc = 0;

	if (!rmdt_recvbuf_drained(in->recvbuf))
		return -EAGAIN;
	pthread_mutex_lock(&in->lock);
	if (in->stopped || (in->broken && !in->confirmed))
		rc = -EPIPE;
	else
		in->confirmed = true;
	pthread_mutex_unlock(&in->lock);
	if (!rc)
		post(in, RMDT_IN_CONSUMED | RMDT_IN_CONFIRM);
	return rc;
}

int rmdt_in_stop(struct rmdt_in *in, unsigned code, const char *reason)
{
	bool was;

	pthread_mutex_lock(&in->lock);
	was = in->broken || in->stopped || in->confirmed;
	if (!was) {
		in->stopped = true;
		in->code = code;
		snprintf(in->reason, sizeof(in->reason), "%s", reason ? reason : "");
		rmdt_waiters_wake_all(&in->waiters);
	}
	pthread_mutex_unlock(&in->lock);
	if (!was)
		post(in, RMDT_IN_STOP);
	return 0;
}

int rmdt_in_info(struct rmdt_in *in, struct rmdt_in_info *info)
{
	memset(info, 0, sizeof(*info));
	info->peer = in->peer;
	info->purpose = in->purpose;
	memcpy(info->name, in->name, sizeof(info->name));
	info->start_off = in->start_off;
	info->final_off = UINT64_MAX;
	(void)rmdt_recvbuf_final(in->recvbuf, &info->final_off);
	info->received_off = rmdt_recvbuf_ready(in->recvbuf);
	info->consumed_off = rmdt_recvbuf_consumed(in->recvbuf);
	info->ended = rmdt_recvbuf_complete(in->recvbuf);
	pthread_mutex_lock(&in->lock);
	info->broken = in->broken || in->stopped;
	info->code = in->code;
	memcpy(info->reason, in->reason, sizeof(info->reason));
	pthread_mutex_unlock(&in->lock);
	return 0;
}

void *rmdt_in_user(const struct rmdt_in *in)
{
	return atomic_load(&in->user);
}

void rmdt_in_set_user(struct rmdt_in *in, void *user)
{
	atomic_store(&in->user, user);
}

void rmdt_in_free(struct rmdt_in *in)
{
	if (!in)
		return;
	atomic_store(&in->given_back, true);
	if (rmdt_events_close(&in->notice))
		drop(in);
	post(in, RMDT_IN_FREE);
}

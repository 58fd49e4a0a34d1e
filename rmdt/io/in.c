/* SPDX-License-Identifier: Apache-2.0 */
#include "io/in.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/branch.h"
#include "io/link.h"
#include "io/out.h"
#include "io/peer.h"
#include "io/thread.h"

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

void rmdt_in_post(struct rmdt_in *in, unsigned bits)
{
	hold(in);
	if (!rmdt_mailbox_post(&in->peer->thread->mailbox, &in->task, bits))
		drop(in);
}

static struct rmdt_in *make(struct rmdt_link *link, struct rmdt_inflow *flow)
{
	const struct rmdt_open *open = rmdt_inflow_open(flow);
	struct rmdt_peer *peer = link->peer;
	struct rmdt_in *in = calloc(1, sizeof(*in) + open->meta_len);

	if (!in)
		return NULL;
	memcpy(in->meta, open->meta, open->meta_len);
	in->meta_len = open->meta_len;
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

/* ---- rmdt.h: the end ---- */

void rmdt_in_free(struct rmdt_in *in)
{
	if (!in)
		return;
	atomic_store(&in->given_back, true);
	if (rmdt_events_close(&in->notice))
		drop(in);
	rmdt_in_post(in, RMDT_IN_FREE);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/branch.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/link.h"
#include "io/out.h"
#include "io/peer.h"
#include "io/thread.h"

/* ---- life ---- */

static void run(struct rmdt_task *task, unsigned bits);

static void drop_notice(struct rmdt_notice *notice)
{
	rmdt_branch_drop((struct rmdt_branch *)((char *)notice - offsetof(struct rmdt_branch, notice)));
}

struct rmdt_branch *rmdt_branch_new(struct rmdt_out *out, struct rmdt_peer *peer, uint64_t start_off)
{
	struct rmdt_branch *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->out = out;
	b->peer = peer;
	b->start_off = start_off;
	b->task.run = run;
	b->notice.home = rmdt_engine_events(out->engine, peer->thread);
	b->notice.peer = peer;
	b->notice.out = out;
	b->notice.drop = drop_notice;
	b->info.state = RMDT_MEMBER_CONNECTING;
	b->info.sent_off = b->info.received_off = b->info.consumed_off = b->info.released_off = start_off;
	b->info.joined_us = rmdt_clock_us();
	atomic_init(&b->refs, 1);
	rmdt_peer_hold(peer);
	rmdt_out_hold(out);
	return b;
}

static void hold(struct rmdt_branch *b)
{
	atomic_fetch_add(&b->refs, 1);
}

void rmdt_branch_drop(struct rmdt_branch *b)
{
	if (atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	rmdt_peer_drop(b->peer);
	free(b);
}

void rmdt_branch_post(struct rmdt_branch *b, unsigned bits)
{
	hold(b);
	if (!rmdt_mailbox_post(&b->peer->thread->mailbox, &b->task, bits))
		rmdt_branch_drop(b);
}

void rmdt_branch_notify(struct rmdt_branch *b, enum rmdt_event_kind kind, unsigned code, const char *reason)
{
	hold(b);
	if (!rmdt_events_post(&b->notice, kind, code, reason))
		rmdt_branch_drop(b);
}

void rmdt_branch_positions(const struct rmdt_branch *b, struct rmdt_member_info *info)
{
	const struct rmdt_outflow *flow = b->flow;

	if (!flow)
		return;
	info->received_off = atomic_load(&flow->received_off);
	info->sent_off = atomic_load(&flow->sent_off);
	info->consumed_off = atomic_load(&flow->consumed_off);
	for (unsigned i = 0; i < RMDT_MARKS; i++)
		info->mark_off[i] = atomic_load(&flow->mark_off[i]);
	info->chunk_bytes = atomic_load(&flow->chunk_bytes);
	info->repaired_bytes = atomic_load(&flow->repaired_bytes);
}

/* ---- on its peer's thread ---- */

static void enlist(struct rmdt_branch *b)
{
	hold(b);
	b->listed = true;
	b->prev = NULL;
	b->next = b->peer->branches;
	if (b->next)
		b->next->prev = b;
	b->peer->branches = b;
	b->fills = b->out->fill != NULL;
	if (b->fills)
		b->peer->fills++;
}

/* Its out may be gone by now. */
static void delist(struct rmdt_branch *b)
{
	b->listed = false;
	if (b->fills)
		b->peer->fills--;
	if (b->prev)
		b->prev->next = b->next;
	else
		b->peer->branches = b->next;
	if (b->next)
		b->next->prev = b->prev;
	rmdt_branch_drop(b);
}

static void let_go(struct rmdt_branch *b, unsigned code, const char *reason)
{
	struct rmdt_outflow *flow;

	pthread_mutex_lock(&b->out->lock);
	flow = b->flow;
	rmdt_branch_positions(b, &b->info);
	b->flow = NULL;
	pthread_mutex_unlock(&b->out->lock);
	if (!flow)
		return;
	flow->user = NULL;
	rmdt_conn_out_free(b->link->conn, flow, code, reason);
	b->link->holds--;
	rmdt_link_touch(b->link);
}

void rmdt_branch_end(struct rmdt_branch *b, enum rmdt_member_state state, unsigned code, const char *given)
{
	struct rmdt_out *out = b->out;
	/* It may lie in the flow or in info. */
	char reason[RMDT_REASON_BYTES + 1];

	if (b->ended)
		return;
	b->ended = true;
	snprintf(reason, sizeof(reason), "%s", given ? given : "");
	let_go(b, code, reason);
	pthread_mutex_lock(&out->lock);
	b->info.state = state;
	b->info.ended_us = rmdt_clock_us();
	b->info.code = code;
	memcpy(b->info.reason, reason, sizeof(reason));
	rmdt_out_on_end(out, b);
	/* Under the lock, so that the out does not forget a branch (and is freed) whose end is still to be told. */
	rmdt_branch_notify(b, state == RMDT_MEMBER_CONFIRMED ? RMDT_EVENT_OUT_CONFIRMED : RMDT_EVENT_OUT_LOST, code,
			   reason);
	pthread_mutex_unlock(&out->lock);
	rmdt_out_drop(out);
	if (b->listed)
		delist(b);
}

static int open_flow(struct rmdt_branch *b)
{
	struct rmdt_out *out = b->out;
	struct rmdt_open open = out->open;
	struct rmdt_outflow *flow;
	int rc;

	open.reply_to = out->reply_peer == b->peer ? out->reply_to : 0;
	pthread_mutex_lock(&out->lock);
	if (out->members[b->slot].state != RMDT_FANOUT_LIVE) {
		/* It is being sent away; that is posted already. */
		pthread_mutex_unlock(&out->lock);
		return 0;
	}
	rc = rmdt_conn_out_open(b->peer->link->conn, out->buf, b->start_off, &open, out->rate, &flow);
	if (!rc) {
		flow->user = b;
		b->flow = flow;
	}
	pthread_mutex_unlock(&out->lock);
	if (!rc) {
		b->link = b->peer->link;
		b->link->holds++;
		rmdt_link_touch(b->link);
	}
	return rc;
}

void rmdt_branch_on_up(struct rmdt_branch *b)
{
	int rc;

	if (b->ended || b->flow)
		return;
	rc = open_flow(b);
	if (rc)
		rmdt_branch_end(b, RMDT_MEMBER_LOST, RMDT_CODE_INTERNAL, rmdt_strerror(rc));
}

void rmdt_branch_on_down(struct rmdt_branch *b, unsigned code, const char *reason)
{
	rmdt_branch_end(b, RMDT_MEMBER_LOST, code, reason);
}

static void on_accepted(struct rmdt_branch *b)
{
	pthread_mutex_lock(&b->out->lock);
	b->info.state = RMDT_MEMBER_LIVE;
	b->info.joined_us = rmdt_clock_us();
	pthread_mutex_unlock(&b->out->lock);
	rmdt_branch_notify(b, RMDT_EVENT_OUT_JOINED, 0, NULL);
}

static void look(struct rmdt_branch *b)
{
	pthread_mutex_lock(&b->out->lock);
	rmdt_out_judge(b->out);
	pthread_mutex_unlock(&b->out->lock);
}

static void on_position(struct rmdt_branch *b)
{
	look(b);
	if (!b->out->no_progress)
		rmdt_branch_notify(b, RMDT_EVENT_OUT_PROGRESS, 0, NULL);
}

void rmdt_branch_on_event(struct rmdt_outflow *flow, unsigned flags)
{
	struct rmdt_branch *b = flow->user;

	if (!b || b->ended)
		return;
	if (flags & RMDT_OUT_ACCEPTED)
		on_accepted(b);
	if (flags & RMDT_OUT_MARKED)
		rmdt_branch_notify(b, RMDT_EVENT_OUT_MARK, 0, NULL);
	if (flags & RMDT_OUT_POSITION)
		on_position(b);
	else if (flags & RMDT_OUT_ROOM)
		look(b);
	if (flags & (RMDT_OUT_DONE | RMDT_OUT_BROKEN))
		rmdt_peer_publish(b->peer);
	if (flags & RMDT_OUT_DONE)
		rmdt_branch_end(b, RMDT_MEMBER_CONFIRMED, 0, NULL);
	else if (flags & RMDT_OUT_BROKEN)
		rmdt_branch_end(b, RMDT_MEMBER_LOST, flow->code, flow->reason);
}

static void feed(struct rmdt_branch *b)
{
	struct rmdt_out *out = b->out;

	if (!out->fill || !b->flow || atomic_load_explicit(&out->fill_rests, memory_order_relaxed) ||
	    rmdt_sendbuf_head(out->buf) >= b->flow->next_off + RMDT_BRANCH_AHEAD_BYTES)
		return;
	if (rmdt_out_fill(out))
		rmdt_conn_out_kick(b->link->conn, b->flow);
}

void rmdt_branch_feed_all(struct rmdt_peer *peer)
{
	for (struct rmdt_branch *b = peer->branches; b; b = b->next)
		feed(b);
}

static void begin(struct rmdt_branch *b)
{
	struct rmdt_peer *peer = b->peer;

	enlist(b);
	if (peer->state == RMDT_PEER_IS_UP && !peer->leaving)
		rmdt_branch_on_up(b);
	else if (peer->leaving)
		rmdt_branch_on_down(b, RMDT_CODE_LEFT, NULL);
	else if (peer->state == RMDT_PEER_IS_DOWN)
		rmdt_branch_on_down(b, peer->down_code, peer->down_reason);
}

static void run(struct rmdt_task *task, unsigned bits)
{
	struct rmdt_branch *b = (struct rmdt_branch *)((char *)task - offsetof(struct rmdt_branch, task));

	if (bits & RMDT_BRANCH_DETACH)
		rmdt_branch_end(b, RMDT_MEMBER_LOST, b->info.code, b->info.reason);
	else if ((bits & RMDT_BRANCH_OPEN) && !b->ended)
		begin(b);
	/* begin may just have opened or ended it. */
	if ((bits & RMDT_BRANCH_KICK) && !b->ended && b->flow) {
		rmdt_conn_out_kick(b->link->conn, b->flow);
		rmdt_link_touch(b->link);
	}
	rmdt_branch_drop(b);
}

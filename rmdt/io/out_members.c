/* SPDX-License-Identifier: Apache-2.0 */
/* The members of an out-flow: joining, leaving, and what is known of each. */
#include "io/out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/in.h"
#include "io/peer.h"
#include "io/thread.h"

/* The newest branch of that peer: it may have left and joined again. NULL: none. */
static struct rmdt_branch *find(struct rmdt_out *out, const struct rmdt_peer *peer)
{
	for (size_t i = out->n_slots; i-- > 0;) {
		if (out->branches[i]->peer == peer)
			return out->branches[i];
	}
	return NULL;
}

/*
 * Nobody can ask for it any more, nor be told about it: an event names the out, and only the branches that the out knows
 * are silenced when that is freed.
 */
static bool is_forgotten(const struct rmdt_out *out, size_t slot)
{
	struct rmdt_branch *b = out->branches[slot];

	return out->members[slot].state == RMDT_FANOUT_DETACHED && atomic_load(&b->peer->handles) == 0 &&
	       !rmdt_events_is_queued(&b->notice);
}

/* A flow that lives for years, with peers that come and go, must not grow. */
static void prune(struct rmdt_out *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < out->n_slots; i++) {
		struct rmdt_branch *b = out->branches[i];

		if (is_forgotten(out, i)) {
			rmdt_branch_drop(b);
			continue;
		}
		out->members[kept] = out->members[i];
		out->branches[kept] = b;
		b->slot = kept++;
	}
	out->n_slots = kept;
}

static int make_slot(struct rmdt_out *out)
{
	size_t cap = out->cap_slots ? 2 * out->cap_slots : 4;
	void *members, *branches;

	prune(out);
	if (out->n_slots < out->cap_slots)
		return 0;
	members = realloc(out->members, cap * sizeof(*out->members));
	if (members)
		out->members = members;
	branches = realloc(out->branches, cap * sizeof(struct rmdt_branch *));
	if (branches)
		out->branches = branches;
	if (!members || !branches)
		return -ENOMEM;
	out->cap_slots = cap;
	return 0;
}

static int may_join(struct rmdt_out *out, struct rmdt_peer *peer, uint64_t off)
{
	struct rmdt_branch *old = find(out, peer);

	if (out->reset)
		return -EPIPE;
	if (old && out->members[old->slot].state != RMDT_FANOUT_DETACHED &&
	    out->members[old->slot].state != RMDT_FANOUT_DETACHING)
		return -EEXIST;
	if (off < rmdt_sendbuf_base(out->buf) || off > rmdt_sendbuf_head(out->buf))
		return -ERANGE;
	return rmdt_peer_is_down(peer) ? -ENOTCONN : make_slot(out);
}

static int join(struct rmdt_out *out, struct rmdt_peer *peer, uint64_t off)
{
	struct rmdt_branch *b;
	int rc = may_join(out, peer, off);

	if (rc)
		return rc;
	b = rmdt_branch_new(out, peer, off);
	if (!b)
		return -ENOMEM;
	b->slot = out->n_slots;
	out->branches[out->n_slots] = b;
	out->members[out->n_slots] = (struct rmdt_fanout_member){
		.state = RMDT_FANOUT_LIVE, .required = true, .sent_off = off, .position_off = off,
		.held_off = off, .joined_us = rmdt_clock_us(),
	};
	out->n_slots++;
	out->n_joined++;
	rmdt_branch_post(b, RMDT_BRANCH_OPEN);
	rmdt_out_judge(out);
	return 0;
}

int rmdt_out_join(struct rmdt_out *out, struct rmdt_peer *peer, uint64_t off)
{
	int rc;

	if (peer->engine != out->engine)
		return -EINVAL;
	pthread_mutex_lock(&out->lock);
	rc = join(out, peer, off == RMDT_OFF_LIVE ? rmdt_sendbuf_base(out->buf) : off);
	pthread_mutex_unlock(&out->lock);
	return rc;
}

int rmdt_out_leave(struct rmdt_out *out, struct rmdt_peer *peer, unsigned code, const char *reason)
{
	struct rmdt_branch *b;

	pthread_mutex_lock(&out->lock);
	b = find(out, peer);
	if (b)
		rmdt_out_send_away(out, b->slot, code ? code : RMDT_CODE_LEFT, reason);
	pthread_mutex_unlock(&out->lock);
	return b ? 0 : -ENOENT;
}

int rmdt_out_reset(struct rmdt_out *out, unsigned code, const char *reason)
{
	pthread_mutex_lock(&out->lock);
	out->reset = true;
	for (size_t i = 0; i < out->n_slots; i++)
		rmdt_out_send_away(out, i, code ? code : RMDT_CODE_CLOSED, reason);
	rmdt_waiters_wake_all(&out->room);
	pthread_mutex_unlock(&out->lock);
	return 0;
}

int rmdt_out_release(struct rmdt_out *out, struct rmdt_peer *peer, uint64_t off)
{
	struct rmdt_branch *b;
	int rc = -ENOENT;

	pthread_mutex_lock(&out->lock);
	b = find(out, peer);
	if (b && off > rmdt_sendbuf_head(out->buf)) {
		rc = -ERANGE;
	} else if (b) {
		if (off > b->info.released_off)
			b->info.released_off = off;
		rmdt_out_judge(out);
		rc = 0;
	}
	pthread_mutex_unlock(&out->lock);
	return rc;
}

int rmdt_out_info(struct rmdt_out *out, struct rmdt_out_info *info)
{
	pthread_mutex_lock(&out->lock);
	info->base_off = rmdt_sendbuf_base(out->buf);
	info->head_off = rmdt_sendbuf_head(out->buf);
	info->limit_bytes = rmdt_sendbuf_limit(out->buf);
	info->finished = out->finishing;
	info->members = out->n_joined;
	info->confirmed = out->n_confirmed;
	info->lost = out->n_lost;
	pthread_mutex_unlock(&out->lock);
	return 0;
}

int rmdt_out_member(struct rmdt_out *out, struct rmdt_peer *peer, struct rmdt_member_info *info)
{
	struct rmdt_branch *b;

	pthread_mutex_lock(&out->lock);
	b = find(out, peer);
	if (b) {
		*info = b->info;
		rmdt_branch_positions(b, info);
		/* What a policy or a leave has decided shows once it is done. */
		if (info->state == RMDT_MEMBER_CONNECTING || info->state == RMDT_MEMBER_LIVE)
			info->code = 0;
		if (!out->hold)
			info->released_off = info->consumed_off;
	}
	pthread_mutex_unlock(&out->lock);
	return b ? 0 : -ENOENT;
}

int rmdt_out_wait(struct rmdt_out *out, int timeout_ms, struct rmdt_cancel *cancel)
{
	struct rmdt_patience patience;
	struct rmdt_waiter me;
	int rc = 0;

	rmdt_patience_init(&patience, timeout_ms, cancel);
	pthread_mutex_lock(&out->lock);
	rmdt_waiters_enter(&out->settled, &me);
	while (!rc && out->n_confirmed + out->n_lost < out->n_joined)
		rc = rmdt_waiter_sleep(&me, &out->lock, &patience);
	rmdt_waiters_leave(&out->settled, &me);
	pthread_mutex_unlock(&out->lock);
	return rc;
}

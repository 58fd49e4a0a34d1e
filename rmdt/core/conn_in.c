/* SPDX-License-Identifier: Apache-2.0 */
/* The in-flows of a conn: accepting, what their consumer takes, ending, and their events. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"
#include "core/list.h"

/* ---- events ---- */

void rmdt_conn_event_in(struct rmdt_conn *c, struct rmdt_inflow *in, unsigned flags)
{
	if (in->freed)
		return;
	in->event_flags |= flags;
	if (in->in_events)
		return;
	in->in_events = true;
	RMDT_QUEUE_ADD(c->events_in_tail, in, next_event);
}

static void unlink_event_in(struct rmdt_conn *c, struct rmdt_inflow *in)
{
	if (!in->in_events)
		return;
	RMDT_QUEUE_REMOVE(c->events_in, c->events_in_tail, in, next_event);
	in->in_events = false;
}

/* ---- accepting and refusing ---- */

static void delete_in(struct rmdt_conn *c, struct rmdt_inflow *in)
{
	rmdt_conn_clear_in(c, in, ~0u);
	unlink_event_in(c, in);
	rmdt_idmap_remove(&c->ins, in->id);
	RMDT_LIST_REMOVE(c->all_ins, in, next_all, prev_all);
	c->n_ins--;
	rmdt_recvbuf_free(in->recvbuf);
	free(in->open);
	free(in);
}

/*
 * Nothing more can come of it: the far end knows the end, and of a stopped one we know how far it got. Without that the
 * bytes that were under way would stay charged to the peer's credit for ever.
 */
static bool is_over(const struct rmdt_inflow *in)
{
	return in->end_heard && (in->state != RMDT_INFLOW_STOPPED || in->reset_seen);
}

const struct rmdt_open *rmdt_inflow_open(const struct rmdt_inflow *in)
{
	return in->open;
}

int rmdt_conn_accept(struct rmdt_conn *c, struct rmdt_inflow *in)
{
	uint64_t window = rmdt_credit_first_flow(c->cfg.window_cap_bytes);

	assert(in->state == RMDT_INFLOW_OFFERED);
	in->recvbuf = rmdt_recvbuf_new(c->cfg.blocks, in->start_off, window, c->cfg.window_cap_bytes);
	if (!in->recvbuf) {
		rmdt_conn_refuse(c, in, RMDT_CODE_INTERNAL, "out of memory");
		return -ENOMEM;
	}
	/* What the far end was promised of every flow when we met stands; what it is told of this one may be less. */
	if (c->shares)
		window = rmdt_credit_first_shared(c->cfg.window_cap_bytes, c->n_ins);
	rmdt_credit_init(&in->credit, in->start_off, window, c->cfg.window_cap_bytes);
	in->state = RMDT_INFLOW_LIVE;
	rmdt_conn_due_in(c, in, DUE_STATE);
	if (in->final_off != UINT64_MAX) {	/* the end has come while the offer waited */
		rmdt_recvbuf_set_final(in->recvbuf, in->final_off);
		rmdt_conn_event_in(c, in, RMDT_IN_FINAL | RMDT_IN_READY);
	}
	return 0;
}

/* Moves what the consumer took into the peer's account; on the end of the flow, also what nobody will take any more. */
void rmdt_conn_account_consumed(struct rmdt_conn *c, uint64_t now_us, struct rmdt_inflow *in)
{
	uint64_t off = in->state == RMDT_INFLOW_LIVE ? rmdt_recvbuf_consumed(in->recvbuf) : in->high_off;

	if (off <= in->counted_off)
		return;
	c->rx_consumed += off - in->counted_off;
	in->counted_off = off;
	rmdt_credit_on_consumed(&c->rx_credit, c->rx_consumed, rmdt_rtt_floor_us(&c->rtt), now_us);
	if (rmdt_credit_due(&c->rx_credit, c->rx_high))
		rmdt_conn_due(c, CDUE_CREDIT);
}

static void stop(struct rmdt_conn *c, struct rmdt_inflow *in, unsigned code, const char *reason)
{
	in->state = RMDT_INFLOW_STOPPED;
	rmdt_conn_account_consumed(c, c->last_heard_us, in);	/* what came and nobody will take */
	in->code = code;
	memset(in->reason, 0, sizeof(in->reason));
	strncpy(in->reason, reason ? reason : "", RMDT_REASON_BYTES);
	rmdt_conn_clear_in(c, in, DUE_ANY_STATE);
	rmdt_conn_due_in(c, in, DUE_STOP);
	c->unheard++;
}

void rmdt_conn_refuse(struct rmdt_conn *c, struct rmdt_inflow *in, unsigned code, const char *reason)
{
	assert(in->state == RMDT_INFLOW_OFFERED);
	if (c->state != CONN_UP) {
		delete_in(c, in);
		return;
	}
	stop(c, in, code ? code : RMDT_CODE_REFUSED, reason);
	unlink_event_in(c, in);
	free(in->open);
	in->open = NULL;
	in->freed = true;
}

/* ---- what the consumer took ---- */

void rmdt_conn_share(struct rmdt_conn *c, struct rmdt_inflow *in)
{
	uint64_t held, others, peer_free, pool_free;

	if (!c->shares)
		return;
	held = in->high_off - in->counted_off;
	others = c->rx_high - c->rx_consumed - held;
	peer_free = others < c->cfg.window_cap_bytes ? c->cfg.window_cap_bytes - others : 0;
	pool_free = rmdt_blocks_free_bytes(c->cfg.blocks, false);
	rmdt_credit_set_share(&in->credit, rmdt_conn_least(rmdt_credit_share(peer_free), held + rmdt_credit_share(pool_free)));
}

void rmdt_conn_in_kick(struct rmdt_conn *c, uint64_t now_us, struct rmdt_inflow *in)
{
	uint64_t consumed;

	if (in->state != RMDT_INFLOW_LIVE)
		return;
	consumed = rmdt_recvbuf_consumed(in->recvbuf);
	rmdt_recvbuf_recycle(in->recvbuf);
	rmdt_conn_account_consumed(c, now_us, in);
	rmdt_credit_on_consumed(&in->credit, consumed, rmdt_rtt_floor_us(&c->rtt), now_us);
	if (c->shares && rmdt_credit_is_slow(&in->credit))
		rmdt_recvbuf_idle(in->recvbuf);
	rmdt_conn_share(c, in);
	rmdt_recvbuf_set_limit(in->recvbuf, rmdt_credit_limit(&in->credit));
	if (consumed == in->said_consumed_off)
		return;
	if (rmdt_credit_due(&in->credit, in->high_off) || rmdt_recvbuf_drained(in->recvbuf)) {
		rmdt_conn_due_in(c, in, DUE_STATE);
		return;
	}
	rmdt_conn_due_in(c, in, DUE_SOFT_STATE);
	if (consumed - in->said_consumed_off >= CONN_STATE_EVERY_BYTES)
		c->state_due_us = now_us;
	else if (c->state_due_us > now_us + CONN_STATE_DELAY_US)
		c->state_due_us = now_us + CONN_STATE_DELAY_US;
	c->pending = true;	/* the deadline moved */
}

void rmdt_conn_in_mark(struct rmdt_conn *c, struct rmdt_inflow *in, unsigned kind, uint64_t off)
{
	assert(kind < RMDT_MARKS);
	if (off > RMDT_WIRE_VARINT_MAX)
		off = RMDT_WIRE_VARINT_MAX;
	if (in->state != RMDT_INFLOW_LIVE || off <= in->mark_off[kind])
		return;
	in->mark_off[kind] = off;
	rmdt_conn_due_in(c, in, DUE_MARK << kind);
}

/* ---- ending ---- */

int rmdt_conn_in_done(struct rmdt_conn *c, struct rmdt_inflow *in)
{
	if (in->state != RMDT_INFLOW_LIVE)
		return 0;
	if (!rmdt_recvbuf_drained(in->recvbuf))
		return -EAGAIN;
	rmdt_conn_account_consumed(c, c->last_heard_us, in);
	in->state = RMDT_INFLOW_DONE;
	if (c->state != CONN_UP)
		return 0;
	rmdt_conn_clear_in(c, in, DUE_ANY_STATE);
	rmdt_conn_due_in(c, in, DUE_DONE);
	c->unheard++;
	return 0;
}

void rmdt_conn_in_stop(struct rmdt_conn *c, struct rmdt_inflow *in, unsigned code, const char *reason)
{
	if (in->state == RMDT_INFLOW_LIVE && c->state == CONN_UP)
		stop(c, in, code ? code : RMDT_CODE_CLOSED, reason);
}

void rmdt_conn_in_free(struct rmdt_conn *c, struct rmdt_inflow *in)
{
	assert(!in->freed && in->state != RMDT_INFLOW_OFFERED);
	rmdt_conn_in_stop(c, in, RMDT_CODE_CLOSED, NULL);
	unlink_event_in(c, in);
	in->freed = true;
	if (c->state != CONN_UP || in->state == RMDT_INFLOW_BROKEN || is_over(in)) {
		delete_in(c, in);
		return;
	}
	/* DONE or STOP is still being said; the bytes are of no use any more. */
	rmdt_recvbuf_free(in->recvbuf);
	in->recvbuf = NULL;
}

void rmdt_conn_break_ins(struct rmdt_conn *c, unsigned code, const char *reason)
{
	struct rmdt_inflow *in, *next_in;

	for (in = c->all_ins; in; in = next_in) {
		next_in = in->next_all;
		if (in->freed || in->state == RMDT_INFLOW_OFFERED) {
			delete_in(c, in);
			continue;
		}
		rmdt_conn_clear_in(c, in, ~0u);
		if (in->state != RMDT_INFLOW_LIVE) {
			rmdt_conn_event_in(c, in, RMDT_IN_GONE);
			continue;
		}
		in->state = RMDT_INFLOW_BROKEN;
		in->code = code;
		strncpy(in->reason, reason, RMDT_REASON_BYTES);
		rmdt_conn_event_in(c, in, RMDT_IN_BROKEN);
	}
}

void rmdt_conn_free_ins(struct rmdt_conn *c)
{
	while (c->all_ins)
		delete_in(c, c->all_ins);
}

/* ---- the fate of what was said ---- */

/* A flow that may be over now is forgotten, or its owner is told. */
static void end_in(struct rmdt_conn *c, struct rmdt_inflow *in)
{
	if (!is_over(in))
		return;
	if (in->freed)
		delete_in(c, in);
	else
		rmdt_conn_event_in(c, in, RMDT_IN_GONE);
}

void rmdt_conn_in_heard(struct rmdt_conn *c, struct rmdt_inflow *in, uint32_t due)
{
	if (!(due & (DUE_DONE | DUE_STOP)) || in->end_heard)
		return;
	in->end_heard = true;
	assert(c->unheard > 0);
	c->unheard--;
	end_in(c, in);
}

void rmdt_conn_reset_seen(struct rmdt_conn *c, struct rmdt_inflow *in)
{
	bool again = in->reset_seen;

	in->reset_seen = true;
	if (again || in->state != RMDT_INFLOW_STOPPED)
		return;
	rmdt_conn_clear_in(c, in, DUE_STOP);	/* nothing is left to be stopped */
	if (in->end_heard)
		end_in(c, in);
	else
		rmdt_conn_in_heard(c, in, DUE_STOP);
}

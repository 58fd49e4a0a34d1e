/* SPDX-License-Identifier: Apache-2.0 */
/* The out-flows of a conn: opening, their turn to send, ending, and their events. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/conn_impl.h"
#include "core/list.h"

/* ---- events ---- */

void rmdt_conn_event_out(struct rmdt_conn *c, struct rmdt_outflow *of, unsigned flags)
{
	if (of->freed)
		return;
	of->event_flags |= flags;
	if (of->in_events)
		return;
	of->in_events = true;
	RMDT_QUEUE_ADD(c->events_out_tail, of, next_event);
}

static void unlink_event_out(struct rmdt_conn *c, struct rmdt_outflow *of)
{
	if (!of->in_events)
		return;
	RMDT_QUEUE_REMOVE(c->events_out, c->events_out_tail, of, next_event);
	of->in_events = false;
}

/* ---- the rings of flows with something to send ---- */

void rmdt_conn_activate(struct rmdt_conn *c, struct rmdt_outflow *of)
{
	struct rmdt_outflow **head = &c->active[of->priority];

	c->pending = true;
	if (of->active || !of->sendbuf)
		return;
	of->active = true;
	if (!*head) {
		*head = of->next_active = of->prev_active = of;
		return;
	}
	of->next_active = *head;
	of->prev_active = (*head)->prev_active;
	of->prev_active->next_active = of;
	(*head)->prev_active = of;
}

void rmdt_conn_deactivate(struct rmdt_conn *c, struct rmdt_outflow *of)
{
	struct rmdt_outflow **head = &c->active[of->priority];

	if (!of->active)
		return;
	of->active = false;
	of->deficit_bytes = 0;
	if (of->next_active == of) {
		*head = NULL;
		return;
	}
	of->next_active->prev_active = of->prev_active;
	of->prev_active->next_active = of->next_active;
	if (*head == of)
		*head = of->next_active;
}

/* ---- opening and ending ---- */

static void delete_out(struct rmdt_conn *c, struct rmdt_outflow *of)
{
	rmdt_conn_deactivate(c, of);
	rmdt_conn_clear_out(c, of, ~0u);
	unlink_event_out(c, of);
	rmdt_idmap_remove(&c->outs, of->id);
	RMDT_LIST_REMOVE(c->all_outs, of, next_all, prev_all);
	rmdt_outflow_free(of);
}

int rmdt_conn_out_open(struct rmdt_conn *c, struct rmdt_sendbuf *sendbuf, uint64_t start_off,
		       const struct rmdt_open *open, uint64_t rate, struct rmdt_outflow **out)
{
	struct rmdt_outflow *of;
	int err;

	assert(open->priority < CONN_PRIORITIES);
	if (c->state != CONN_UP)
		return -ENOTCONN;
	if (start_off > CONN_MAX_START_OFF)
		return -EINVAL;
	if (c->next_out_id == UINT32_MAX)
		return -ENOSPC;
	err = rmdt_outflow_new(&of, c->next_out_id, sendbuf, start_off, open);
	if (err)
		return err;
	err = rmdt_idmap_add(&c->outs, of->id, of);
	if (err) {
		rmdt_outflow_free(of);
		return err;
	}
	c->next_out_id++;
	of->limit_off = start_off + rmdt_conn_least(c->remote_params.flow_credit_bytes,
						    c->shares ? RMDT_CREDIT_SHARED_BYTES : RMDT_FLOW_REACH_BYTES);
	c->wants_mtu = true;
	of->has_rate = rate > 0;
	if (of->has_rate)
		rmdt_pacer_init(&of->pacer, c->last_sent_us, rate, c->mtu);
	RMDT_LIST_ADD(c->all_outs, of, next_all, prev_all);
	rmdt_conn_due_out(c, of, DUE_OPEN);
	rmdt_conn_activate(c, of);
	*out = of;
	return 0;
}

void rmdt_conn_out_kick(struct rmdt_conn *c, struct rmdt_outflow *of)
{
	rmdt_conn_activate(c, of);
}

void rmdt_conn_out_free(struct rmdt_conn *c, struct rmdt_outflow *of, unsigned code, const char *reason)
{
	bool alive = of->state == RMDT_OUTFLOW_OPENING || of->state == RMDT_OUTFLOW_LIVE;

	assert(!of->freed);
	rmdt_conn_deactivate(c, of);
	of->sendbuf = NULL;
	if (alive && c->state == CONN_UP) {
		of->state = RMDT_OUTFLOW_BROKEN;
		of->code = code;
		strncpy(of->reason, reason ? reason : "", RMDT_REASON_BYTES);
		rmdt_conn_clear_out(c, of, DUE_FIN);
		of->reset_waits = !of->open_known;
		if (of->open_known)
			rmdt_conn_due_out(c, of, DUE_RESET);
		c->unheard++;
	}
	unlink_event_out(c, of);
	of->event_flags = 0;
	of->freed = true;
	/* A RESET in answer to STOP may also still be under way: then item_heard deletes it. */
	if (c->state != CONN_UP || of->state == RMDT_OUTFLOW_DONE || of->reset_heard)
		delete_out(c, of);
}

void rmdt_conn_break_outs(struct rmdt_conn *c, unsigned code, const char *reason)
{
	struct rmdt_outflow *of, *next_of;

	for (of = c->all_outs; of; of = next_of) {
		next_of = of->next_all;
		if (of->freed) {
			delete_out(c, of);
			continue;
		}
		rmdt_conn_deactivate(c, of);
		rmdt_conn_clear_out(c, of, ~0u);
		if (of->state == RMDT_OUTFLOW_DONE || of->state == RMDT_OUTFLOW_BROKEN)
			continue;
		of->state = RMDT_OUTFLOW_BROKEN;
		of->code = code;
		strncpy(of->reason, reason, RMDT_REASON_BYTES);
		rmdt_conn_event_out(c, of, RMDT_OUT_BROKEN);
	}
}

void rmdt_conn_free_outs(struct rmdt_conn *c)
{
	while (c->all_outs)
		delete_out(c, c->all_outs);
}

/* ---- the fate of what was said ---- */

void rmdt_conn_open_known(struct rmdt_conn *c, struct rmdt_outflow *of)
{
	if (of->open_known)
		return;
	of->open_known = true;
	rmdt_conn_clear_out(c, of, DUE_OPEN);
	if (of->reset_waits)
		rmdt_conn_due_out(c, of, DUE_RESET);
	of->reset_waits = false;
}

void rmdt_conn_out_heard(struct rmdt_conn *c, struct rmdt_outflow *of, uint32_t due)
{
	if (due & DUE_OPEN)
		rmdt_conn_open_known(c, of);
	if (!(due & DUE_RESET) || of->reset_heard)
		return;
	of->reset_heard = true;
	assert(c->unheard > 0);
	c->unheard--;
	if (of->freed)
		delete_out(c, of);
}

void rmdt_conn_out_lost(struct rmdt_conn *c, struct rmdt_outflow *of, uint32_t due)
{
	bool alive = of->state == RMDT_OUTFLOW_OPENING || of->state == RMDT_OUTFLOW_LIVE;

	if (due & DUE_OPEN && of->open_known)
		return;
	if (!alive)
		due &= ~(uint32_t)DUE_FIN;
	if (due)
		rmdt_conn_due_out(c, of, due);
}

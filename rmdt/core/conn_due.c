/* SPDX-License-Identifier: Apache-2.0 */
/* What a conn's flows still have to say, and the fate of what was said. */
#include "core/conn_impl.h"
#include "core/list.h"

void rmdt_conn_due_out(struct rmdt_conn *c, struct rmdt_outflow *of, uint32_t due)
{
	if (c->state != CONN_UP)
		return;
	if (!(of->due & DUE_HARD) && (due & DUE_HARD))
		c->hard_due++;
	of->due |= due;
	if (!of->in_due) {
		RMDT_LIST_ADD(c->due_outs, of, next_due, prev_due);
		of->in_due = true;
	}
	c->pending = true;
}

void rmdt_conn_due_in(struct rmdt_conn *c, struct rmdt_inflow *in, uint32_t due)
{
	if (c->state != CONN_UP)
		return;
	if (!(in->due & DUE_HARD) && (due & DUE_HARD))
		c->hard_due++;
	in->due |= due;
	if (!in->in_due) {
		RMDT_LIST_ADD(c->due_ins, in, next_due, prev_due);
		in->in_due = true;
	}
	if (due & DUE_HARD)
		c->pending = true;
}

void rmdt_conn_clear_out(struct rmdt_conn *c, struct rmdt_outflow *of, uint32_t due)
{
	if ((of->due & DUE_HARD) && !(of->due & ~due & DUE_HARD))
		c->hard_due--;
	of->due &= ~due;
	if (!of->due && of->in_due) {
		RMDT_LIST_REMOVE(c->due_outs, of, next_due, prev_due);
		of->in_due = false;
	}
}

void rmdt_conn_clear_in(struct rmdt_conn *c, struct rmdt_inflow *in, uint32_t due)
{
	if ((in->due & DUE_HARD) && !(in->due & ~due & DUE_HARD))
		c->hard_due--;
	in->due &= ~due;
	if (!in->due && in->in_due) {
		RMDT_LIST_REMOVE(c->due_ins, in, next_due, prev_due);
		in->in_due = false;
	}
}

/* ---- the fate of what was said ---- */

void rmdt_conn_item_heard(struct rmdt_conn *c, const struct token_item *item)
{
	if (item->whose == OF_OUT) {
		struct rmdt_outflow *of = rmdt_idmap_get(&c->outs, item->flow);

		if (of)
			rmdt_conn_out_heard(c, of, item->due);
	} else if (item->whose == OF_IN) {
		struct rmdt_inflow *in = rmdt_idmap_get(&c->ins, item->flow);

		if (in)
			rmdt_conn_in_heard(c, in, item->due);
	}
}

void rmdt_conn_item_lost(struct rmdt_conn *c, const struct token_item *item)
{
	if (item->whose == OF_CONN) {
		uint32_t due = item->due;

		if ((due & CDUE_REKEY) && !rmdt_keys_rekey_pending(c->keys))
			due &= ~(uint32_t)CDUE_REKEY;
		rmdt_conn_due(c, due);
	} else if (item->whose == OF_OUT) {
		struct rmdt_outflow *of = rmdt_idmap_get(&c->outs, item->flow);

		if (of)
			rmdt_conn_out_lost(c, of, item->due);
	} else {
		struct rmdt_inflow *in = rmdt_idmap_get(&c->ins, item->flow);

		if (in && !(item->due & DUE_STATE && in->state != RMDT_INFLOW_LIVE))
			rmdt_conn_due_in(c, in, item->due);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold for one end of an association whenever it has been drained. It looks inside. */
#include "core/conn_impl.h"
#include "sim/sim_impl.h"

/*
 * Entries in the books of sent packets: twice what the largest window of a run can hold in packets
 * of 1200 bytes, and what is kept of the lost ones and of acks. Only a leak goes beyond.
 */
#define BOOKS_MAX	(1u << 17)
#define FLOWS_MAX	16u

/* Four round trips of a path that is so fast and long that they are more. */
static size_t books_max(const struct emu_params *path)
{
	double rtts_s = 4 * 2 * (double)path->delay_us / 1e6,
		pkts = (double)path->shape.rate_bps / 8 / 1200 * rtts_s;

	return pkts > BOOKS_MAX ? (size_t)pkts : BOOKS_MAX;
}

static void check_books(struct sim_world *w, struct sim_pair *p, const struct rmdt_conn *c)
{
	size_t books = rmdt_sentmap_count(&c->loss.map);

	if (books > p->result->peak_books)
		p->result->peak_books = books;
	if (books > books_max(&p->plan->there))
		sim_broken(w, "the books of pair %u hold %zu packets", p->index, books);
	if (c->n_ins > FLOWS_MAX || c->outs.count > FLOWS_MAX)
		sim_broken(w, "pair %u holds %u in-flows and %zu out-flows", p->index, c->n_ins,
			   c->outs.count);
}

/* Nobody who has something to say may sleep over it. */
static void check_wake(struct sim_world *w, struct sim_pair *p, const struct rmdt_conn *c,
		       const char *who)
{
	if (c->state != CONN_UP)
		return;
	if (c->hard_due > 0 || c->due != 0)
		sim_broken(w, "%s %u sleeps with %u flows due and %#x", who, p->index, c->hard_due,
			   c->due);
	if (rmdt_acks_due_us(&c->acks) <= w->now_us)
		sim_broken(w, "%s %u sleeps over an ack", who, p->index);
	if (c->due_ins && c->state_due_us == UINT64_MAX && rmdt_acks_due_us(&c->acks) == UINT64_MAX)
		sim_broken(w, "%s %u sleeps over a position", who, p->index);
	if (c->loss.eliciting_pkts > 0 && rmdt_loss_deadline_us(&c->loss) == UINT64_MAX &&
	    rmdt_loss_pto_deadline_us(&c->loss, c->pto_count) == UINT64_MAX)
		sim_broken(w, "%s %u waits for an ack without a timer", who, p->index);
}

static long long ahead(const struct sim_world *w, uint64_t at_us)
{
	return (long long)(at_us - w->now_us);
}

void sim_check_side(struct sim_world *w, struct sim_pair *p, bool is_sender)
{
	const struct rmdt_conn *c = is_sender ? p->sender.conn : p->receiver.conn;
	const char *who = is_sender ? "the sender to" : "receiver";
	uint64_t deadline_us = rmdt_conn_deadline_us(c);

	if (deadline_us <= w->now_us)
		sim_broken(w, "%s %u has a timer %lld us in the past: loss %lld pto %lld ack %lld send %lld state %lld "
			   "keys %lld mtu %lld", who, p->index, -ahead(w, deadline_us),
			   ahead(w, rmdt_loss_deadline_us(&c->loss)),
			   ahead(w, rmdt_loss_pto_deadline_us(&c->loss, c->pto_count)),
			   ahead(w, rmdt_acks_due_us(&c->acks)), ahead(w, c->send_wait_us),
				   ahead(w, c->state_due_us),
			   c->keys ? ahead(w, rmdt_keys_next_us(c->keys)) : 0,
			   ahead(w, rmdt_pmtu_deadline_us(&c->pmtu)));
	if (c->state == CONN_UP && deadline_us == RMDT_CONN_NEVER)
		sim_broken(w, "%s %u is up and sleeps for ever", who, p->index);
	check_books(w, p, c);
	check_wake(w, p, c, who);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/flows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"

#define NEVER		UINT64_MAX
#define STEPS_WITHOUT_TIME 10000
#define BUFFER_BYTES	(64u << 20)

static void broken(struct flows_run *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void broken(struct flows_run *w, const char *format, ...)
{
	va_list ap;

	if (w->broken[0])
		return;
	va_start(ap, format);
	vsnprintf(w->broken, sizeof(w->broken), format, ap);
	va_end(ap);
}

static uint8_t byte_at(unsigned flow, uint64_t off)
{
	uint64_t z = (off / 8 + ((uint64_t)flow << 40)) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)((z ^ z >> 29) >> (off % 8 * 8));
}

/* ---- the path ---- */

static void fly(struct flows_run *w, unsigned from, const uint8_t *data, size_t len)
{
	struct flows_packet **at = &w->air, *p;
	struct emu_verdict v;

	emu_link_offer(&w->end[from].out_link, NULL, w->now_us * EMU_NS_PER_US, (uint32_t)len + 28,
		       &v);
	if (v.fate != EMU_PASS)
		return;
	for (int copy = 0; copy <= v.twice; copy++) {
		p = malloc(sizeof(*p) + len);
		if (!p)
			abort();
		*p = (struct flows_packet){ .due_us = v.due_ns / EMU_NS_PER_US, .to = !from, .len = len };
		memcpy(p->data, data, len);
		if (v.corrupt)
			p->data[v.corrupt_seed % len] ^= 1;
		while (*at && (*at)->due_us <= p->due_us)
			at = &(*at)->next;
		p->next = *at;
		*at = p;
	}
}

static void make_end(struct flows_run *w, unsigned side)
{
	struct flows_end *e = &w->end[side];
	struct rmdt_conn_config cfg = {
		.local_cid = 100 + side, .initiator = side == 0, .suite = RMDT_AES_256_GCM,
		.role = RMDT_TUNNEL,
		.cc = "bbr", .connect_timeout_us = 20000000, .dead_after_us = 30000000,
		.keepalive_us = 10000000,
		.mtu_max_bytes = 1472, .max_flows = w->plan->max_flows,
		.window_cap_bytes = BUFFER_BYTES,
		.blocks = &e->pool,
	};

	e->addr = (struct rmdt_addr){ .len = 16, .bytes = { 2, 0, 9, 9, 10, 0, 0, (uint8_t)(side + 1) } };
	cfg.remote = (struct rmdt_addr){ .len = 16, .bytes = { 2, 0, 9, 9, 10, 0, 0, (uint8_t)(2 - side) } };
	memset(cfg.static_private, 7 + (int)side, 32);
	memcpy(cfg.seed, &w->plan->seed, 8);
	cfg.seed[9] = (uint8_t)side;
	rmdt_blocks_init(&e->pool, 2 * BUFFER_BYTES, NULL);
	emu_link_init(&e->out_link, side ? &w->plan->back : &w->plan->there,
		      w->plan->seed * 2 + side);
	if (rmdt_conn_new(&cfg, w->now_us, &e->conn) < 0)
		broken(w, "a conn could not be made");
}

/* ---- writers ---- */

static void open_flow(struct flows_run *w, struct flows_flow *f)
{
	struct rmdt_open open = { .purpose = RMDT_TUNNEL, .priority = f->plan->priority };
	struct flows_end *e = &w->end[f->plan->from];

	snprintf(open.name, sizeof(open.name), "%u", f->index);
	f->meta_len = (uint16_t)(emu_random(&w->dice) % 4 ? f->index : RMDT_META_BYTES);
	open.meta_len = f->meta_len;
	memset(open.meta, (int)f->index, f->meta_len);
	f->sendbuf = rmdt_sendbuf_new(&e->pool, 0, 1 << 20);
	if (!f->sendbuf || rmdt_conn_out_open(e->conn, f->sendbuf, 0, &open, f->plan->rate,
					      &f->out) < 0)
		broken(w, "flow %u could not be opened", f->index);
	f->opened = true;
}

static void let_go(struct flows_run *w, struct flows_flow *f, unsigned code)
{
	rmdt_conn_out_free(w->end[f->plan->from].conn, f->out, code, "over");
	rmdt_sendbuf_free(f->sendbuf);
	f->out = NULL;
	f->sendbuf = NULL;
	f->out_over = true;
	f->end_us = w->now_us - FLOWS_START_US;
}

static void write_flow(struct flows_run *w, struct flows_flow *f)
{
	struct rmdt_span span;

	if (!f->out)
		return;
	if (f->plan->ending == RESET_MIDWAY && f->out->sent_off >= f->plan->at_off) {
		let_go(w, f, RMDT_CODE_APP + 1);
		return;
	}
	rmdt_sendbuf_release(f->sendbuf, f->out->consumed_off);
	while (f->written < f->plan->bytes &&
	       rmdt_sendbuf_reserve(f->sendbuf, f->plan->bytes - f->written, &span) == 0) {
		for (size_t i = 0; i < span.len; i++)
			span.ptr[i] = byte_at(f->index, span.off + i);
		rmdt_sendbuf_commit(f->sendbuf, span.off, span.len);
		f->written += span.len;
		rmdt_conn_out_kick(w->end[f->plan->from].conn, f->out);
	}
	if (f->written == f->plan->bytes && !f->finished && f->plan->ending != RESET_MIDWAY) {
		rmdt_sendbuf_finish(f->sendbuf);
		rmdt_conn_out_kick(w->end[f->plan->from].conn, f->out);
		f->finished = true;
	}
}

static void on_out(struct flows_run *w, const struct rmdt_conn_event *e)
{
	struct flows_flow *f = NULL;

	for (unsigned i = 0; i < w->plan->n_flows; i++)
		if (w->flow[i].out == e->out)
			f = &w->flow[i];
	if (!f) {
		broken(w, "an event of a flow that was freed");
		return;
	}
	for (unsigned k = 0; k < RMDT_MARKS; k++) {
		if (e->out->mark_off[k] < f->mark_seen[k])
			broken(w, "a mark of flow %u went back", f->index);
		f->mark_seen[k] = e->out->mark_off[k];
	}
	if (e->flags & RMDT_OUT_DONE) {
		f->done = true;
		let_go(w, f, 0);
	} else if (e->flags & RMDT_OUT_BROKEN) {
		f->broke_here = true;
		f->code = e->out->code;
		let_go(w, f, 0);
	}
}

/* ---- readers ---- */

static void on_offer(struct flows_run *w, unsigned side, struct rmdt_inflow *in)
{
	const struct rmdt_open *open = rmdt_inflow_open(in);
	unsigned i = (unsigned)atoi(open->name);
	struct flows_flow *f = &w->flow[i];

	if (i >= w->plan->n_flows || f->plan->from == side || f->in || f->in_over)
		broken(w, "a flow is offered that nobody opened, or twice: %s", open->name);
	else if (open->meta_len != f->meta_len || open->priority != f->plan->priority ||
		 (open->meta_len > 0 && open->meta[open->meta_len - 1] != (uint8_t)i))
		broken(w, "flow %u came with other words than it was opened with", i);
	if (w->broken[0] || f->plan->ending == REFUSED) {
		rmdt_conn_refuse(w->end[side].conn, in, RMDT_CODE_APP + 2, "no");
		f->in_over = true;
		return;
	}
	if (rmdt_conn_accept(w->end[side].conn, in) < 0)
		broken(w, "a flow could not be accepted");
	f->in = in;
}

static void take(struct flows_run *w, struct flows_flow *f)
{
	const uint8_t *ptr;
	size_t n;

	while ((n = rmdt_recvbuf_peek(f->in->recvbuf, &ptr)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (ptr[i] != byte_at(f->index, f->read_off + i))
				broken(w, "flow %u: a wrong byte at %" PRIu64, f->index,
				       f->read_off + i);
		rmdt_recvbuf_consume(f->in->recvbuf, n);
		f->read_off += n;
	}
}

static void read_flow(struct flows_run *w, struct flows_flow *f)
{
	struct rmdt_conn *c = w->end[!f->plan->from].conn;

	if (!f->in || f->in->state != RMDT_INFLOW_LIVE)
		return;
	take(w, f);
	rmdt_conn_in_kick(c, w->now_us, f->in);
	if (f->plan->marks && f->read_off > f->marked) {
		f->marked = f->read_off;
		rmdt_conn_in_mark(c, f->in, 0, f->read_off);
		rmdt_conn_in_mark(c, f->in, 1, f->read_off / 2);
	}
	if (f->plan->ending == STOP_MIDWAY && f->read_off >= f->plan->at_off) {
		rmdt_conn_in_stop(c, f->in, RMDT_CODE_APP + 3, "enough");
	} else if (rmdt_recvbuf_drained(f->in->recvbuf)) {
		f->saw_end = true;
		if (f->read_off != f->plan->bytes)
			broken(w, "flow %u: a false end at %" PRIu64, f->index, f->read_off);
		if (rmdt_conn_in_done(c, f->in) < 0)
			broken(w, "flow %u cannot be done", f->index);
	} else {
		return;
	}
	if (f->plan->free_early) {
		rmdt_conn_in_free(c, f->in);
		f->in = NULL;
		f->in_over = true;
	}
}

static void on_in(struct flows_run *w, unsigned side, const struct rmdt_conn_event *e)
{
	for (unsigned i = 0; i < w->plan->n_flows; i++) {
		struct flows_flow *f = &w->flow[i];

		if (f->in != e->in)
			continue;
		if (!(e->flags & (RMDT_IN_BROKEN | RMDT_IN_GONE)))
			return;
		if (e->flags & RMDT_IN_BROKEN) {
			f->broke_there = true;
			f->code = f->in->code;
		}
		rmdt_conn_in_free(w->end[side].conn, f->in);
		f->in = NULL;
		f->in_over = true;
		return;
	}
	broken(w, "an event of an in-flow that was freed");
}

/* ---- messages ---- */

static void say_messages(struct flows_run *w, unsigned side)
{
	struct flows_end *e = &w->end[side];
	uint8_t text[600];

	while (e->up && e->messages_sent < w->plan->messages) {
		size_t len = 8 + e->messages_sent % 500;

		memset(text, (int)e->messages_sent, len);
		if (rmdt_conn_message_send(e->conn, text, len) < 0) {
			e->messages_refused++;
			return;
		}
		e->messages_sent++;
	}
}

static void hear_messages(struct flows_run *w, unsigned side)
{
	uint8_t text[2000];
	int n;

	while ((n = rmdt_conn_message_take(w->end[side].conn, text, sizeof(text))) >= 0) {
		w->end[side].messages_heard++;
		if (n < 8 || text[0] != text[n - 1])
			broken(w, "a message was damaged");
	}
}

/* ---- one step ---- */

static void on_event(struct flows_run *w, unsigned side, const struct rmdt_conn_event *e)
{
	struct flows_end *end = &w->end[side];

	switch (e->kind) {
	case RMDT_CONN_ADMIT:
		rmdt_conn_admit(end->conn, w->now_us, 0, NULL);
		break;
	case RMDT_CONN_UP:
		end->up = true;
		break;
	case RMDT_CONN_OFFER:
		on_offer(w, side, e->in);
		break;
	case RMDT_CONN_IN:
		on_in(w, side, e);
		break;
	case RMDT_CONN_OUT:
		on_out(w, e);
		break;
	case RMDT_CONN_MESSAGE:
		hear_messages(w, side);
		break;
	case RMDT_CONN_DOWN:
		broken(w, "side %u went down: %s", side, e->reason);
		break;
	default:
		break;
	}
}

static void run_applications(struct flows_run *w, unsigned side)
{
	for (unsigned i = 0; i < w->plan->n_flows; i++) {
		struct flows_flow *f = &w->flow[i];

		if (f->plan->from == side && w->end[side].up && !f->opened &&
		    w->now_us >= FLOWS_START_US + f->plan->start_us)
			open_flow(w, f);
		if (f->plan->from == side)
			write_flow(w, f);
		else
			read_flow(w, f);
	}
	say_messages(w, side);
}

static void run_end(struct flows_run *w, unsigned side)
{
	static uint8_t buf[65536];
	struct rmdt_train train = { .buf = buf, .cap = RMDT_CONN_TRAIN_BYTES };
	struct rmdt_conn *c = w->end[side].conn;
	struct rmdt_conn_event e;

	rmdt_conn_tick(c, w->now_us);
	for (;;) {
		while (rmdt_conn_event(c, &e))
			on_event(w, side, &e);
		run_applications(w, side);
		if (!rmdt_conn_send(c, w->now_us, &train))
			break;
		for (size_t at = 0; at < train.len; at += train.segment)
			fly(w, side, buf + at, train.len - at < train.segment ? train.len - at :
			    train.segment);
	}
	if (c->state == CONN_UP && (c->hard_due > 0 || c->due != 0))
		broken(w, "side %u sleeps with %u flows due and %#x", side, c->hard_due, c->due);
	if (rmdt_conn_deadline_us(c) <= w->now_us)
		broken(w, "side %u has a timer in the past", side);
}

static void deliver(struct flows_run *w)
{
	while (w->air && w->air->due_us <= w->now_us) {
		struct flows_packet *p = w->air;

		w->air = p->next;
		if (!w->end[1].conn && p->to == 1)
			make_end(w, 1);
		rmdt_conn_receive(w->end[p->to].conn, w->now_us, p->data, p->len, 0,
				  &w->end[!p->to].addr);
		free(p);
	}
}

static void earlier(uint64_t *t, uint64_t at_us)
{
	if (at_us < *t)
		*t = at_us;
}

static uint64_t next_time(const struct flows_run *w)
{
	uint64_t t = w->air ? w->air->due_us : NEVER;

	for (unsigned side = 0; side < 2; side++)
		if (w->end[side].conn)
			earlier(&t, rmdt_conn_deadline_us(w->end[side].conn));
	for (unsigned i = 0; i < w->plan->n_flows; i++)
		if (FLOWS_START_US + w->plan->flow[i].start_us > w->now_us)
			earlier(&t, FLOWS_START_US + w->plan->flow[i].start_us);
	return t < w->now_us ? w->now_us : t;
}

static bool is_over(const struct flows_run *w)
{
	for (unsigned i = 0; i < w->plan->n_flows; i++)
		if (!w->flow[i].out_over || w->flow[i].in)
			return false;
	for (unsigned side = 0; side < 2; side++) {
		const struct rmdt_conn *c = w->end[side].conn;

		if (!c || w->end[side].messages_sent < w->plan->messages ||
		    !rmdt_conn_is_settled(c) ||
		    c->all_outs || c->all_ins)
			return false;
	}
	return true;
}

static void loop(struct flows_run *w, bool (*over)(const struct flows_run *w), uint64_t until_us)
{
	uint64_t same = 0, t;

	while (!w->broken[0]) {
		deliver(w);
		run_end(w, 0);
		if (w->end[1].conn)
			run_end(w, 1);
		if (over && over(w))
			return;
		t = next_time(w);
		same = t == w->now_us ? same + 1 : 0;
		if (same > STEPS_WITHOUT_TIME)
			broken(w, "no progress of time");
		if (t > until_us) {
			if (over)
				broken(w, "not over after %" PRIu64 " us",
				       until_us - FLOWS_START_US);
			return;
		}
		w->now_us = t;
	}
}

/* ---- what must have come of it ---- */

static void check_flow(struct flows_run *w, const struct flows_flow *f)
{
	bool by_limit = f->code == RMDT_CODE_BUSY;	/* too many flows were open */

	switch (f->plan->ending) {
	case COMPLETE:
		if (!by_limit && (!f->done || !f->saw_end || f->broke_here || f->broke_there))
			broken(w, "flow %u did not complete", f->index);
		if (f->done && f->plan->marks && f->plan->bytes > 0 &&
		    f->mark_seen[0] > f->plan->bytes)
			broken(w, "flow %u: a mark beyond the end", f->index);
		break;
	case RESET_MIDWAY:
		if (f->saw_end || f->done)
			broken(w, "flow %u was reset, yet saw its end", f->index);
		if (f->broke_there && f->code != RMDT_CODE_APP + 1 && !by_limit)
			broken(w, "flow %u was reset with code %u", f->index, f->code);
		break;
	case STOP_MIDWAY:
		if (!by_limit && (!f->broke_here || f->code != RMDT_CODE_APP + 3) && !f->done)
			broken(w, "flow %u was stopped with code %u", f->index, f->code);
		break;
	case REFUSED:
		if (!by_limit && (!f->broke_here || f->code != RMDT_CODE_APP + 2 ||
				  f->read_off > 0))
			broken(w, "flow %u was refused with code %u", f->index, f->code);
		break;
	}
}

/*
 * Credit is an account of two sides: what one has used the other has seen, and all of it was given
 * back.
 */
static void check_credit(struct flows_run *w, unsigned side)
{
	const struct rmdt_conn *c = w->end[side].conn, *peer = w->end[!side].conn;

	if (c->tx_used != peer->rx_high)
		broken(w, "side %u used %" PRIu64 " bytes of credit, the other saw %" PRIu64, side,
		       c->tx_used,
		       peer->rx_high);
	if (peer->rx_high != peer->rx_consumed)
		broken(w, "of the credit of side %u %" PRIu64 " bytes are lost", side,
		       peer->rx_high - peer->rx_consumed);
}

static void check_end(struct flows_run *w)
{
	for (unsigned i = 0; i < w->plan->n_flows; i++)
		check_flow(w, &w->flow[i]);
	for (unsigned side = 0; side < 2; side++) {
		check_credit(w, side);
		if (w->end[side].messages_heard > w->end[!side].messages_sent)
			broken(w, "side %u heard more messages than were sent", side);
		if (w->end[side].conn->n_ins > 0 || w->end[side].conn->unheard > 0)
			broken(w, "side %u keeps %u flows, %u ends unheard", side,
			       w->end[side].conn->n_ins,
			       w->end[side].conn->unheard);
	}
}

bool flows_run(const struct flows_plan *plan, struct flows_run *w)
{
	memset(w, 0, sizeof(*w));
	w->plan = plan;
	w->now_us = FLOWS_START_US;
	w->dice = plan->seed;
	for (unsigned i = 0; i < plan->n_flows; i++) {
		w->flow[i].plan = &plan->flow[i];
		w->flow[i].index = i;
	}
	make_end(w, 0);
	loop(w, is_over, FLOWS_START_US + plan->limit_us);
	if (!w->broken[0])
		check_end(w);
	for (unsigned side = 0; side < 2; side++)
		rmdt_conn_free(w->end[side].conn);
	for (unsigned i = 0; i < plan->n_flows; i++)
		rmdt_sendbuf_free(w->flow[i].sendbuf);
	for (unsigned side = 0; side < 2; side++) {
		if (w->end[side].conn && rmdt_blocks_used(&w->end[side].pool) > 0)
			broken(w, "side %u lost %u blocks", side,
			       rmdt_blocks_used(&w->end[side].pool));
		if (w->end[side].conn)
			rmdt_blocks_fini(&w->end[side].pool);
	}
	while (w->air) {
		struct flows_packet *p = w->air;

		w->air = p->next;
		free(p);
	}
	return !w->broken[0];
}

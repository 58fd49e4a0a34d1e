/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/conn_pair.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"

struct rmdt_addr pair_address(unsigned host, unsigned port)
{
	struct rmdt_addr a = { .len = 16 };

	a.bytes[0] = 2;
	a.bytes[2] = (uint8_t)(port >> 8);
	a.bytes[3] = (uint8_t)port;
	a.bytes[4] = 10;
	a.bytes[7] = (uint8_t)host;
	return a;
}

uint8_t pair_byte(uint64_t off)
{
	uint64_t z = (off / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)((z ^ z >> 29) >> (off % 8 * 8));
}

struct pair_end *pair_other(struct pair *p, struct pair_end *e)
{
	return e == &p->i ? &p->r : &p->i;
}

/* ---- making and unmaking ---- */

static void make(struct pair *p, struct pair_end *e, const struct pair_options *o)
{
	struct rmdt_conn_config cfg = o->common;
	int err;

	e->addr = pair_address(e == &p->i ? 1 : 2, 2312);
	e->cid = cfg.local_cid = e == &p->i ? 0x0101 : 0x0202;
	cfg.initiator = e == &p->i;
	cfg.remote = pair_address(e == &p->i ? 2 : 1, 2312);
	cfg.psk = e == &p->i ? o->psk_i : o->psk_r;
	cfg.role = RMDT_PIPE;
	memset(cfg.static_private, cfg.initiator ? 3 : 5, sizeof(cfg.static_private));
	memset(cfg.instance, cfg.initiator ? 1 : 2, sizeof(cfg.instance));
	memset(cfg.seed, cfg.initiator ? 7 : 9, sizeof(cfg.seed));
	strcpy(cfg.name, cfg.initiator ? "here" : "there");
	if (!cfg.suite)
		cfg.suite = RMDT_AES_256_GCM;
	if (!cfg.connect_timeout_us)
		cfg.connect_timeout_us = 10 * PAIR_S;
	if (!cfg.dead_after_us)
		cfg.dead_after_us = 30 * PAIR_S;
	if (!cfg.keepalive_us)
		cfg.keepalive_us = 5 * PAIR_S;
	if (!cfg.mtu_max_bytes)
		cfg.mtu_max_bytes = 1472;
	if (!cfg.max_flows)
		cfg.max_flows = 4;
	if (!cfg.window_cap_bytes)
		cfg.window_cap_bytes = 64u << 20;
	rmdt_blocks_init(&e->pool, o->pool_bytes ? o->pool_bytes : 64u << 20, NULL);
	cfg.blocks = &e->pool;
	err = rmdt_conn_new(&cfg, p->now_us, &e->conn);
	assert(!err);
}

void pair_init(struct pair *p, const struct pair_options *options)
{
	static const struct pair_options defaults;

	memset(p, 0, sizeof(*p));
	p->now_us = PAIR_S;
	p->delay_us = 5 * PAIR_MS;
	make(p, &p->i, options ? options : &defaults);
	make(p, &p->r, options ? options : &defaults);
}

static void fini_end(struct pair_end *e)
{
	rmdt_conn_free(e->conn);
	rmdt_sendbuf_free(e->sendbuf);
	assert(rmdt_blocks_used(&e->pool) == 0);
	rmdt_blocks_fini(&e->pool);
}

void pair_fini(struct pair *p)
{
	fini_end(&p->i);
	fini_end(&p->r);
	for (unsigned k = 0; k < p->n_packets; k++)
		free(p->packet[k].data);
}

/* ---- the wire ---- */

static void fly(struct pair *p, const struct pair_packet *packet, const uint8_t *data)
{
	struct pair_packet *new = &p->packet[p->n_packets];

	if (p->n_packets == PAIR_PACKETS)
		return;
	*new = *packet;
	/* An allocation of its own and of that size, so that a sanitizer sees every byte too many. */
	new->data = malloc(packet->len ? packet->len : 1);
	assert(new->data);
	memcpy(new->data, data, packet->len);
	if (p->filter && !p->filter(p->ctx, packet->to_responder, new->data, new->len)) {
		free(new->data);
		return;
	}
	p->n_packets++;
}

void pair_inject(struct pair *p, bool to_responder, const uint8_t *data, size_t len, const struct rmdt_addr *from)
{
	struct pair_end *e = to_responder ? &p->r : &p->i;
	uint8_t *copy = malloc(len ? len : 1);

	assert(copy);
	memcpy(copy, data, len);
	rmdt_conn_receive(e->conn, p->now_us, copy, len, 0, from);
	free(copy);
}

static void pull(struct pair *p, struct pair_end *e);

static void take_away(struct pair *p, unsigned k)
{
	free(p->packet[k].data);
	p->n_packets--;
	memmove(&p->packet[k], &p->packet[k + 1], (p->n_packets - k) * sizeof(p->packet[0]));
}

bool pair_deliver(struct pair *p)
{
	bool any = false;

	for (unsigned k = 0; k < p->n_packets;) {
		struct pair_packet packet = p->packet[k];
		struct pair_end *e = packet.to_responder ? &p->r : &p->i;

		if (packet.due_us > p->now_us) {
			k++;
			continue;
		}
		rmdt_conn_receive(e->conn, p->now_us, packet.data, packet.len, 0, &packet.from);
		take_away(p, k);
		any = true;
		/* As every owner must: what comes next may build on the answer. */
		if (rmdt_conn_asks(e->conn))
			pull(p, e);
	}
	return any;
}

/* ---- the books ---- */

static unsigned check_ins(struct rmdt_conn *c, unsigned *unheard)
{
	unsigned n = 0, n_due = 0, hard = 0;

	for (struct rmdt_inflow *in = c->all_ins; in; in = in->next_all, n++) {
		assert(!in->prev_all || in->prev_all->next_all == in);
		assert(rmdt_idmap_get(&c->ins, in->id) == in && rmdt_ranges_contains(&c->opened, in->id));
		assert(in->in_due == (in->due != 0));
		n_due += in->in_due;
		hard += (in->due & DUE_HARD) != 0;
		assert(in->counted_off <= in->high_off);
		*unheard += (in->state == RMDT_INFLOW_DONE || in->state == RMDT_INFLOW_STOPPED) && !in->end_heard;
		if (in->state != RMDT_INFLOW_LIVE)
			continue;
		assert(!in->freed && in->high_off <= rmdt_recvbuf_limit(in->recvbuf));
		assert(rmdt_recvbuf_consumed(in->recvbuf) <= rmdt_recvbuf_ready(in->recvbuf));
		assert(rmdt_recvbuf_ready(in->recvbuf) <= in->high_off);
	}
	assert(n == c->n_ins && n <= c->cfg.max_flows + CONN_MAX_REFUSED);
	for (struct rmdt_inflow *in = c->due_ins; in; in = in->next_due, n_due--)
		assert(in->in_due);
	assert(n_due == 0);
	return hard;
}

static unsigned check_outs(struct rmdt_conn *c, unsigned *unheard)
{
	unsigned n_due = 0, hard = 0;

	for (struct rmdt_outflow *of = c->all_outs; of; of = of->next_all) {
		assert(!of->prev_all || of->prev_all->next_all == of);
		assert(rmdt_idmap_get(&c->outs, of->id) == of);
		assert(of->in_due == (of->due != 0));
		n_due += of->in_due;
		hard += (of->due & DUE_HARD) != 0;
		assert(of->received_off <= of->next_off && of->consumed_off <= of->received_off);
		assert(!of->active || of->next_active->prev_active == of);
		*unheard += of->state == RMDT_OUTFLOW_BROKEN && !of->reset_heard;
	}
	for (struct rmdt_outflow *of = c->due_outs; of; of = of->next_due, n_due--)
		assert(of->in_due);
	assert(n_due == 0);
	return hard;
}

void pair_check(struct rmdt_conn *c)
{
	unsigned unheard = 0, hard = check_ins(c, &unheard) + check_outs(c, &unheard);

	assert(hard == c->hard_due);
	assert(c->state != CONN_UP || unheard == c->unheard);
	assert(c->rx_consumed <= c->rx_high && c->tx_used <= c->tx_limit);
	assert(c->state != CONN_UP || c->rx_high <= rmdt_credit_limit(&c->rx_credit));
	assert(c->state == CONN_UP || c->reliable_out == 0);
	assert(rmdt_ranges_count(&c->opened) <= CONN_MAX_OPENED_RANGES);
	assert(!c->rx_messages || c->rx_messages->count <= RMDT_CONN_MESSAGE_QUEUE);
	for (struct rmdt_inflow **at = &c->events_in;; at = &(*at)->next_event)
		if (!*at) {
			assert(c->events_in_tail == at);
			break;
		}
	for (struct rmdt_outflow **at = &c->events_out;; at = &(*at)->next_event)
		if (!*at) {
			assert(c->events_out_tail == at);
			break;
		}
}

/* ---- the application ---- */

static void on_offer(struct pair_end *e, struct rmdt_inflow *in)
{
	e->offers++;
	if (e->hold_offers) {
		e->offered = in;
	} else if (e->refuse_code) {
		rmdt_conn_refuse(e->conn, in, e->refuse_code, "not now");
	} else if (rmdt_conn_accept(e->conn, in) == 0) {
		if (e->in)	/* one at a time: the one before has had its turn */
			rmdt_conn_in_free(e->conn, e->in);
		e->in = in;
		e->read_off = in->start_off;
	}
}

static void on_event(struct pair *p, struct pair_end *e, const struct rmdt_conn_event *ev)
{
	switch (ev->kind) {
	case RMDT_CONN_ADMIT:
		e->admits++;
		rmdt_conn_admit(e->conn, p->now_us, e->admit_code, "because");
		break;
	case RMDT_CONN_UP:
		e->ups++;
		break;
	case RMDT_CONN_DOWN:
		e->downs++;
		e->down_code = ev->code;
		memcpy(e->down_reason, ev->reason, sizeof(e->down_reason));
		break;
	case RMDT_CONN_MOVED:
		e->moves++;
		break;
	case RMDT_CONN_RESTART_HINT:
		e->hints++;
		break;
	case RMDT_CONN_MESSAGE:
		e->messages++;
		break;
	case RMDT_CONN_OFFER:
		on_offer(e, ev->in);
		break;
	case RMDT_CONN_IN:
		e->in_flags |= ev->flags;
		break;
	case RMDT_CONN_OUT:
		e->out_flags |= ev->flags;
		break;
	case RMDT_CONN_NONE:
		break;
	}
}

static void read_stream(struct pair *p, struct pair_end *e)
{
	const uint8_t *ptr;
	size_t n;

	if (!e->in || e->in->state != RMDT_INFLOW_LIVE || e->hold_reading)
		return;
	while ((n = rmdt_recvbuf_peek(e->in->recvbuf, &ptr)) > 0) {
		for (size_t k = 0; k < n; k++)
			e->wrong |= ptr[k] != pair_byte(e->read_off + k);
		rmdt_recvbuf_consume(e->in->recvbuf, n);
		e->read_off += n;
	}
	rmdt_conn_in_kick(e->conn, p->now_us, e->in);
	if (!e->hold_done)
		rmdt_conn_in_done(e->conn, e->in);
}

static void send_train(struct pair *p, struct pair_end *e, const struct rmdt_train *train)
{
	struct pair_packet packet = { .due_us = p->now_us + p->delay_us, .to_responder = e == &p->i, .from = e->addr };

	for (size_t at = 0; at < train->len; at += train->segment) {
		packet.len = train->len - at < train->segment ? train->len - at : train->segment;
		e->packets++;
		e->bytes += packet.len;
		/* What is sent to an address where the other is not any more is lost. */
		if (rmdt_addr_equal(&train->to, &pair_other(p, e)->addr))
			fly(p, &packet, train->buf + at);
	}
}

static void pull(struct pair *p, struct pair_end *e)
{
	struct rmdt_conn_event ev;

	while (rmdt_conn_event(e->conn, &ev))
		on_event(p, e, &ev);
	read_stream(p, e);
}

void pair_serve(struct pair *p, struct pair_end *e)
{
	static uint8_t buf[RMDT_CONN_TRAIN_BYTES];
	struct rmdt_train train = { .buf = buf, .cap = sizeof(buf) };
	unsigned n = 0;

	if (rmdt_conn_deadline_us(e->conn) <= p->now_us)
		rmdt_conn_tick(e->conn, p->now_us);
	pull(p, e);
	while (rmdt_conn_send(e->conn, p->now_us, &train)) {
		send_train(p, e, &train);
		if (++n > PAIR_DRAIN) {
			p->livelock = true;
			break;
		}
		pull(p, e);
	}
	if (rmdt_conn_deadline_us(e->conn) != 0 && rmdt_conn_deadline_us(e->conn) < p->now_us)
		p->late_timer = true;
	pair_check(e->conn);
}

static uint64_t next_us(const struct pair *p)
{
	uint64_t t = rmdt_conn_deadline_us(p->i.conn), other = rmdt_conn_deadline_us(p->r.conn);

	t = other < t ? other : t;
	for (unsigned k = 0; k < p->n_packets; k++)
		t = p->packet[k].due_us < t ? p->packet[k].due_us : t;
	return t < p->now_us ? p->now_us : t;
}

void pair_run(struct pair *p, uint64_t us)
{
	uint64_t end = p->now_us + us, at_once = 0;

	for (;;) {
		uint64_t t;

		pair_deliver(p);
		pair_serve(p, &p->i);
		pair_serve(p, &p->r);
		t = next_us(p);
		at_once = t == p->now_us ? at_once + 1 : 0;
		p->livelock |= at_once > PAIR_DRAIN;
		if (t > end || p->livelock)
			break;
		p->now_us = t;
	}
	p->now_us = end;
}

void pair_up(struct pair *p)
{
	pair_run(p, PAIR_S / 2);
	assert(rmdt_conn_is_up(p->i.conn) && rmdt_conn_is_up(p->r.conn));
}

/* ---- streams ---- */

int pair_open(struct pair *p, struct pair_end *e, const char *name)
{
	struct rmdt_open open = { .purpose = RMDT_PIPE, .priority = 1 };

	(void)p;
	strncpy(open.name, name, RMDT_NAME_BYTES);
	if (!e->sendbuf)
		e->sendbuf = rmdt_sendbuf_new(&e->pool, 0, 16u << 20);
	assert(e->sendbuf);
	return rmdt_conn_out_open(e->conn, e->sendbuf, rmdt_sendbuf_base(e->sendbuf), &open, 0, &e->out);
}

size_t pair_write(struct pair *p, struct pair_end *e, size_t len)
{
	struct rmdt_span span;
	size_t written = 0;

	(void)p;
	while (written < len && rmdt_sendbuf_reserve(e->sendbuf, len - written, &span) == 0) {
		for (size_t k = 0; k < span.len; k++)
			span.ptr[k] = pair_byte(span.off + k);
		rmdt_sendbuf_commit(e->sendbuf, span.off, span.len);
		written += span.len;
	}
	if (e->out)
		rmdt_conn_out_kick(e->conn, e->out);
	return written;
}

void pair_finish(struct pair *p, struct pair_end *e)
{
	(void)p;
	rmdt_sendbuf_finish(e->sendbuf);
	if (e->out)
		rmdt_conn_out_kick(e->conn, e->out);
}

/* ---- bad manners ---- */

static void seal_and_give(struct pair *p, struct pair_end *from, uint8_t *buf, size_t header, size_t body)
{
	struct rmdt_conn *c = from->conn;
	struct rmdt_keys_packet packet = {
		.pn = rmdt_loss_next_pn(&c->loss), .ad = buf, .ad_len = header,
		.in = buf + header, .in_len = body, .out = buf + header,
	};
	int n = rmdt_keys_seal(c->keys, &packet), err;

	assert(n > 0);
	err = rmdt_loss_on_sent(&c->loss, &(struct rmdt_sent){
		.sent_us = p->now_us, .kind = RMDT_SENT_CTRL, .bytes = (uint32_t)(header + (size_t)n) });
	assert(!err);
	pair_inject(p, from == &p->i, buf, header + (size_t)n, &from->addr);
}

void pair_say(struct pair *p, struct pair_end *from, const uint8_t *frames, size_t len)
{
	static uint8_t buf[65536];
	struct rmdt_ctrl_header h = {
		.phase = rmdt_keys_tx_phase(from->conn->keys), .pn = rmdt_loss_next_pn(&from->conn->loss),
		.cid = pair_other(p, from)->cid,
	};

	assert(len <= sizeof(buf) - RMDT_CTRL_HEADER_BYTES - RMDT_TAG_BYTES);
	rmdt_ctrl_header_write(buf, &h);
	memcpy(buf + RMDT_CTRL_HEADER_BYTES, frames, len);
	seal_and_give(p, from, buf, RMDT_CTRL_HEADER_BYTES, len);
}

void pair_say_data(struct pair *p, struct pair_end *from, const struct pair_chunk *chunk)
{
	static uint8_t buf[65536];
	struct rmdt_data_header h = {
		.phase = rmdt_keys_tx_phase(from->conn->keys), .pn = rmdt_loss_next_pn(&from->conn->loss),
		.cid = pair_other(p, from)->cid, .flow = chunk->flow, .off = chunk->off,
		.open = chunk->open, .fin = chunk->fin,
	};
	size_t header = rmdt_data_header_write(buf, &h);

	assert(chunk->len <= sizeof(buf) - header - RMDT_TAG_BYTES);
	for (size_t k = 0; k < chunk->len; k++)
		buf[header + k] = pair_byte(chunk->off + k);
	seal_and_give(p, from, buf, header, chunk->len);
}

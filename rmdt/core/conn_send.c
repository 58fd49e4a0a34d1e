/* SPDX-License-Identifier: Apache-2.0 */
/* Builds what a conn has to say: one train of datagrams per call, the most urgent first. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"
#include "core/frame.h"
#include "core/wire.h"

/* Most items that one CTRL packet has to remember; what is over waits for the next. */
#define TOKEN_ITEMS	64
/* CTRL packets other than messages and probes need no more; so they pass on every path. */
#define CTRL_BYTES	RMDT_BASE_BYTES
/* One ack in so many draws an ack itself, so that the ranges that it reported need not be repeated for ever. */
#define ACKS_PER_PING	8

/* ---- a CTRL packet under construction ---- */

struct speech {
	struct rmdt_conn *c;
	uint64_t now_us;
	struct rmdt_wire_writer w;
	uint64_t ack_largest;		/* as in struct token */
	bool eliciting, has_message;
	unsigned wanted_pings;		/* quiet frames that want to be heard */
	unsigned count;
	struct token_item item[TOKEN_ITEMS];
};

/* One byte is kept back for the PING that finish_ctrl may add. */
static void speech_init(struct speech *s, struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train, size_t size)
{
	s->c = c;
	s->now_us = now_us;
	s->ack_largest = UINT64_MAX;
	s->eliciting = s->has_message = false;
	s->wanted_pings = s->count = 0;
	rmdt_wire_writer_init(&s->w, train->buf + RMDT_CTRL_HEADER_BYTES,
			      size - RMDT_CTRL_HEADER_BYTES - RMDT_TAG_BYTES - 1);
}

/* Ends one frame that begins at mark: true and remembered if it fitted, else taken back. */
static bool speech_keep(struct speech *s, size_t mark, struct token_item item)
{
	if (s->w.bad || s->count == TOKEN_ITEMS) {
		rmdt_wire_rewind(&s->w, mark);
		return false;
	}
	s->item[s->count++] = item;
	return true;
}

/* What must be remembered, in no more memory than it takes: a peer that acks nothing lets many of them stand. */
static int speech_token(const struct speech *s, struct token **token)
{
	*token = NULL;
	if (s->count == 0 && s->ack_largest == UINT64_MAX)
		return 0;
	*token = malloc(sizeof(**token) + s->count * sizeof(s->item[0]));
	if (!*token)
		return -ENOMEM;
	**token = (struct token){ .ack_largest = s->ack_largest, .count = s->count };
	memcpy((*token)->item, s->item, s->count * sizeof(s->item[0]));
	return 0;
}

static void put_text(struct rmdt_wire_writer *w, const char *text)
{
	size_t len = strlen(text);

	rmdt_wire_put_varint(w, len);
	rmdt_wire_put_bytes(w, text, len);
}

static bool say_out(struct speech *s, struct rmdt_outflow *of, uint32_t due)
{
	struct rmdt_wire_writer *w = &s->w;
	size_t mark = rmdt_wire_mark(w);

	switch (due) {
	case DUE_OPEN:
		rmdt_wire_put_u8(w, RMDT_FRAME_OPEN);
		rmdt_wire_put_varint(w, of->id);
		rmdt_wire_put_varint(w, of->start_off);
		rmdt_wire_put_u8(w, of->open->priority);
		rmdt_wire_put_u8(w, of->open->purpose);
		rmdt_wire_put_varint(w, of->open->reply_to);
		put_text(w, of->open->name);
		rmdt_wire_put_varint(w, of->open->meta_len);
		rmdt_wire_put_bytes(w, of->open->meta, of->open->meta_len);
		break;
	case DUE_FIN:
		rmdt_wire_put_u8(w, RMDT_FRAME_FIN);
		rmdt_wire_put_varint(w, of->id);
		rmdt_wire_put_varint(w, of->final_off);
		break;
	case DUE_RESET:
		rmdt_wire_put_u8(w, RMDT_FRAME_RESET);
		rmdt_wire_put_varint(w, of->id);
		rmdt_wire_put_varint(w, of->code);
		rmdt_wire_put_varint(w, of->next_off);
		put_text(w, of->reason);
		break;
	}
	if (!speech_keep(s, mark, (struct token_item){ .due = due, .flow = of->id, .whose = OF_OUT }))
		return false;
	s->eliciting = true;
	rmdt_conn_clear_out(s->c, of, due);
	return true;
}

static bool say_state(struct speech *s, struct rmdt_inflow *in, bool reliable)
{
	uint64_t received = rmdt_recvbuf_ready(in->recvbuf), consumed = rmdt_recvbuf_consumed(in->recvbuf);
	struct rmdt_wire_writer *w = &s->w;
	size_t mark = rmdt_wire_mark(w);
	uint64_t limit;

	rmdt_credit_on_consumed(&in->credit, consumed, rmdt_rtt_floor_us(&s->c->rtt), s->now_us);
	limit = rmdt_credit_limit(&in->credit);
	rmdt_recvbuf_set_limit(in->recvbuf, limit);
	rmdt_wire_put_u8(w, RMDT_FRAME_STATE);
	rmdt_wire_put_varint(w, in->id);
	rmdt_wire_put_varint(w, received);
	rmdt_wire_put_varint(w, consumed);
	rmdt_wire_put_varint(w, limit);
	if (reliable && !speech_keep(s, mark, (struct token_item){ .due = DUE_STATE, .flow = in->id, .whose = OF_IN }))
		return false;
	if (w->bad) {
		rmdt_wire_rewind(w, mark);
		return false;
	}
	s->wanted_pings += reliable;
	in->said_received_off = received;
	in->said_consumed_off = consumed;
	in->said_limit_off = limit;
	rmdt_credit_announced(&in->credit, limit);
	rmdt_conn_clear_in(s->c, in, DUE_ANY_STATE);
	if (!reliable)
		rmdt_conn_due_in(s->c, in, DUE_SURE_STATE);
	return true;
}

static bool say_mark(struct speech *s, struct rmdt_inflow *in, unsigned kind)
{
	size_t mark = rmdt_wire_mark(&s->w);

	rmdt_wire_put_u8(&s->w, RMDT_FRAME_MARK);
	rmdt_wire_put_varint(&s->w, in->id);
	rmdt_wire_put_u8(&s->w, (uint8_t)kind);
	rmdt_wire_put_varint(&s->w, in->mark_off[kind]);
	if (!speech_keep(s, mark, (struct token_item){ .due = DUE_MARK << kind, .flow = in->id, .whose = OF_IN }))
		return false;
	s->eliciting = true;
	rmdt_conn_clear_in(s->c, in, DUE_MARK << kind);
	return true;
}

/* STOP or DONE */
static bool say_end(struct speech *s, struct rmdt_inflow *in, uint32_t due)
{
	size_t mark = rmdt_wire_mark(&s->w);

	rmdt_wire_put_u8(&s->w, due == DUE_STOP ? RMDT_FRAME_STOP : RMDT_FRAME_DONE);
	rmdt_wire_put_varint(&s->w, in->id);
	if (due == DUE_STOP) {
		rmdt_wire_put_varint(&s->w, in->code);
		put_text(&s->w, in->reason);
	}
	if (!speech_keep(s, mark, (struct token_item){ .due = due, .flow = in->id, .whose = OF_IN }))
		return false;
	s->eliciting = true;
	rmdt_conn_clear_in(s->c, in, due);
	return true;
}

static bool say_in(struct speech *s, struct rmdt_inflow *in)
{
	if (in->due & DUE_STATE && !say_state(s, in, true))
		return false;
	if (in->due & DUE_SOFT_STATE && !say_state(s, in, false))
		return false;
	for (unsigned kind = 0; kind < RMDT_MARKS; kind++)
		if (in->due & DUE_MARK << kind && !say_mark(s, in, kind))
			return false;
	if (in->due & DUE_STOP && !say_end(s, in, DUE_STOP))
		return false;
	return !(in->due & DUE_DONE) || say_end(s, in, DUE_DONE);
}

static void say_flows(struct speech *s)
{
	struct rmdt_outflow *of, *next_of;
	struct rmdt_inflow *in, *next_in;

	for (in = s->c->due_ins; in; in = next_in) {
		next_in = in->next_due;
		if (!say_in(s, in))
			return;
	}
	for (of = s->c->due_outs; of; of = next_of) {
		next_of = of->next_due;
		for (uint32_t due = DUE_OPEN; due <= DUE_RESET; due <<= 1)
			if (of->due & due && !say_out(s, of, due))
				return;
	}
}

static void say_rekey(struct speech *s, uint32_t due, uint32_t generation, const uint8_t pub[32])
{
	size_t mark = rmdt_wire_mark(&s->w);

	rmdt_wire_put_u8(&s->w, RMDT_FRAME_REKEY);
	rmdt_wire_put_varint(&s->w, generation);
	rmdt_wire_put_u8(&s->w, due == CDUE_REKEY_ANSWER);
	rmdt_wire_put_bytes(&s->w, pub, 32);
	if (!speech_keep(s, mark, (struct token_item){ .due = due, .whose = OF_CONN }))
		return;
	s->eliciting = true;
	s->c->due &= ~due;
}

static void say_credit(struct speech *s)
{
	size_t mark = rmdt_wire_mark(&s->w);
	uint64_t limit = rmdt_credit_limit(&s->c->rx_credit);

	rmdt_wire_put_u8(&s->w, RMDT_FRAME_CREDIT);
	rmdt_wire_put_varint(&s->w, limit);
	if (!speech_keep(s, mark, (struct token_item){ .due = CDUE_CREDIT, .whose = OF_CONN }))
		return;
	s->wanted_pings++;
	rmdt_credit_announced(&s->c->rx_credit, limit);
	s->c->due &= ~(uint32_t)CDUE_CREDIT;
}

static void say_conn(struct speech *s)
{
	struct rmdt_conn *c = s->c;

	if (c->due & CDUE_CREDIT)
		say_credit(s);
	if (c->due & CDUE_REKEY)
		say_rekey(s, CDUE_REKEY, c->rekey_generation, c->rekey_pub);
	if (c->due & CDUE_REKEY_ANSWER)
		say_rekey(s, CDUE_REKEY_ANSWER, c->answer_generation, c->answer_pub);
	if (c->due & CDUE_PING)
		s->wanted_pings++;
	c->due &= ~(uint32_t)CDUE_PING;
}

static void say_ack(struct speech *s)
{
	size_t mark = rmdt_wire_mark(&s->w), space = rmdt_wire_space(&s->w);

	if (!rmdt_acks_has_any(&s->c->acks))
		return;
	rmdt_wire_put_u8(&s->w, RMDT_FRAME_ACK);
	/* Half of the packet at most, so that positions and credit find room beside it. */
	if (rmdt_acks_write(&s->c->acks, s->now_us, &s->w, space / 2) < 0) {
		rmdt_wire_rewind(&s->w, mark);
		return;
	}
	s->ack_largest = rmdt_acks_largest(&s->c->acks);
	if (++s->c->acks_unconfirmed >= ACKS_PER_PING) {
		s->c->acks_unconfirmed = 0;
		s->wanted_pings++;
	}
}

/* Some entries of the books are kept back, so that acks can still be sent when they are full of DATA. */
static bool may_fly(const struct rmdt_conn *c)
{
	return rmdt_loss_inflight_bytes(&c->loss) < rmdt_cc_cwnd_bytes(c->cc) &&
	       rmdt_sentmap_count(&c->loss.map) < CONN_MAX_SENT - CONN_SENT_RESERVE;
}

static void say_messages(struct speech *s)
{
	const struct message *m;

	while ((m = rmdt_messages_front(s->c->tx_messages))) {
		if (rmdt_wire_space(&s->w) < m->len + 5u)
			return;
		rmdt_wire_put_u8(&s->w, RMDT_FRAME_MESSAGE);
		rmdt_wire_put_varint(&s->w, m->len);
		rmdt_wire_put_bytes(&s->w, m->data, m->len);
		rmdt_messages_pop(s->c->tx_messages);
		s->eliciting = s->has_message = true;
	}
}

/* ---- entering packets into the books ---- */

/* P7: now and then a number is left out. */
static void skip_some(struct rmdt_conn *c)
{
	if (rmdt_loss_next_pn(&c->loss) < c->skip_at)
		return;
	rmdt_loss_on_skip(&c->loss);
	c->skip_at = rmdt_loss_next_pn(&c->loss) + CONN_SKIP_EVERY / 2 + rmdt_rng_u64(&c->rng) % CONN_SKIP_EVERY;
}

static int enter(struct rmdt_conn *c, uint64_t now_us, struct rmdt_sent *sent)
{
	uint64_t inflight = rmdt_loss_inflight_bytes(&c->loss);
	int err;

	sent->sent_us = now_us;
	if (sent->kind & RMDT_SENT_INFLIGHT) {
		if (inflight == 0 && now_us - c->last_sent_us > rmdt_rtt_pto_us(&c->rtt, 0))
			rmdt_cc_on_idle_restart(c->cc, now_us);
		rmdt_rate_on_sent(&c->rate, &sent->stamp, sent->bytes, inflight, now_us);
	}
	err = rmdt_loss_on_sent(&c->loss, sent);
	if (err)
		return err;
	c->counters.packets_sent++;
	if (sent->kind & RMDT_SENT_INFLIGHT) {
		rmdt_cc_on_sent(c->cc, sent->bytes, inflight, now_us);
		rmdt_pacer_spend(&c->pacer, now_us, sent->bytes);
		c->last_sent_us = now_us;
	}
	return 0;
}

/*
 * P2: a packet is entered before it is sealed, so that its number is used up whatever happens then. Two packets under one
 * number would give the key away.
 */
static bool seal_ctrl(struct rmdt_conn *c, struct rmdt_train *train, uint64_t pn, size_t body_len)
{
	uint8_t *buf = train->buf;
	struct rmdt_ctrl_header h = { .phase = rmdt_keys_tx_phase(c->keys), .pn = pn, .cid = c->remote_cid };
	struct rmdt_keys_packet p = {
		.pn = pn, .ad = buf, .ad_len = RMDT_CTRL_HEADER_BYTES,
		.in = buf + RMDT_CTRL_HEADER_BYTES, .in_len = body_len, .out = buf + RMDT_CTRL_HEADER_BYTES,
	};
	int n;

	rmdt_ctrl_header_write(buf, &h);
	n = rmdt_keys_seal(c->keys, &p);
	if (n < 0)
		return false;
	train->len = train->segment = RMDT_CTRL_HEADER_BYTES + (size_t)n;
	train->to = c->remote;
	return true;
}

/* Nothing was said: the frames are due as before. */
static void take_back(struct speech *s)
{
	for (unsigned i = 0; i < s->count; i++)
		rmdt_conn_item_lost(s->c, &s->item[i]);
}

static bool finish_ctrl(struct speech *s, struct rmdt_train *train, uint8_t kind)
{
	struct rmdt_conn *c = s->c;
	struct rmdt_sent sent = { .kind = RMDT_SENT_CTRL | kind };
	struct token *token;
	uint64_t pn;

	if (s->wanted_pings > 0) {
		s->w.end++;	/* kept back by speech_init */
		rmdt_wire_put_u8(&s->w, RMDT_FRAME_PING);
		s->eliciting = true;
	}
	if (s->eliciting)
		sent.kind |= RMDT_SENT_ELICITING | RMDT_SENT_INFLIGHT;
	if (speech_token(s, &token) < 0) {
		take_back(s);
		return false;
	}
	skip_some(c);
	pn = rmdt_loss_next_pn(&c->loss);
	sent.bytes = (uint32_t)(RMDT_CTRL_HEADER_BYTES + rmdt_wire_written(&s->w) + RMDT_TAG_BYTES);
	sent.token = (uintptr_t)token;
	if (enter(c, s->now_us, &sent) < 0) {
		free(token);
		rmdt_conn_break(c, s->now_us, RMDT_CODE_LIMIT, "too many packets without an answer", false);
		return false;
	}
	if (s->count > 0)
		c->reliable_out++;
	if (!seal_ctrl(c, train, pn, rmdt_wire_written(&s->w))) {
		rmdt_conn_break(c, s->now_us, RMDT_CODE_LIMIT, "no more packets can be sealed", false);
		return false;
	}
	if (!s->has_message && !(kind & RMDT_SENT_PROBE))
		c->counters.feedback_bytes_sent += train->len;
	return true;
}

/* ---- the kinds of trains, in order of urgency ---- */

static bool send_close(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	uint64_t pn = rmdt_loss_next_pn(&c->loss);
	struct rmdt_wire_writer w;

	if (!(c->due & CDUE_CLOSE))
		return false;
	c->due &= ~(uint32_t)CDUE_CLOSE;
	rmdt_wire_writer_init(&w, train->buf + RMDT_CTRL_HEADER_BYTES, CTRL_BYTES);
	rmdt_wire_put_u8(&w, RMDT_FRAME_CLOSE);
	rmdt_wire_put_varint(&w, c->down_code);
	put_text(&w, c->down_reason);
	/* Nobody will ask about this packet any more, but its number is used up like any other. */
	if (rmdt_loss_on_sent(&c->loss, &(struct rmdt_sent){ .sent_us = now_us, .kind = RMDT_SENT_CTRL }) < 0)
		return false;
	return seal_ctrl(c, train, pn, rmdt_wire_written(&w));
}

static bool send_challenge(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	bool answer = c->response.due;
	struct speech s;

	if (!answer && !c->candidate.due)
		return false;
	speech_init(&s, c, now_us, train, CTRL_BYTES);
	rmdt_wire_put_u8(&s.w, answer ? RMDT_FRAME_RESPONSE : RMDT_FRAME_CHALLENGE);
	rmdt_wire_put_u64(&s.w, answer ? c->response.nonce : c->candidate.nonce);
	if (answer)
		c->response.due = false;
	else
		c->candidate.due = false;
	s.eliciting = true;
	if (!finish_ctrl(&s, train, 0))
		return false;
	train->to = answer ? c->response.to : c->candidate.addr;
	return true;
}

/* The path has become narrower than when they were taken: they will never go. */
static void drop_large_messages(struct rmdt_conn *c)
{
	const struct message *m;

	while ((m = rmdt_messages_front(c->tx_messages)) && m->len > rmdt_conn_message_max(c)) {
		rmdt_messages_pop(c->tx_messages);
		c->counters.messages_dropped++;
	}
}

static bool wants_ctrl(const struct rmdt_conn *c, uint64_t now_us)
{
	return rmdt_acks_due_us(&c->acks) <= now_us || c->hard_due > 0 || c->due != 0 ||
	       now_us >= c->state_due_us || (rmdt_messages_front(c->tx_messages) && may_fly(c));
}

/* Positions that nothing else would carry, or that may have been lost on the way, are said until heard. */
static void harden_states(struct rmdt_conn *c)
{
	for (struct rmdt_inflow *in = c->due_ins; in; in = in->next_due)
		if (in->due & DUE_ANY_STATE)
			rmdt_conn_due_in(c, in, DUE_STATE);
}

static void schedule_states(struct rmdt_conn *c, uint64_t now_us)
{
	uint64_t sure_us = c->rtt.srtt_us > CONN_STATE_SURE_US ? c->rtt.srtt_us : CONN_STATE_SURE_US;
	uint32_t any = 0;

	for (const struct rmdt_inflow *in = c->due_ins; in; in = in->next_due)
		any |= in->due;
	c->state_due_us = any & DUE_SOFT_STATE ? now_us + CONN_STATE_DELAY_US :
			  any & DUE_SURE_STATE ? now_us + sure_us : UINT64_MAX;
}

static bool send_ctrl(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	struct speech s;
	bool messages;

	drop_large_messages(c);
	if (!wants_ctrl(c, now_us))
		return false;
	messages = rmdt_messages_front(c->tx_messages) && may_fly(c);
	speech_init(&s, c, now_us, train, messages ? rmdt_pmtu_current(&c->pmtu) : CTRL_BYTES);
	if (now_us >= c->state_due_us)
		harden_states(c);
	if (rmdt_acks_due_us(&c->acks) != UINT64_MAX)
		say_ack(&s);
	say_conn(&s);
	say_flows(&s);
	if (messages)
		say_messages(&s);
	schedule_states(c, now_us);
	/* An empty packet would bring nobody further, and the next one would be empty as well. */
	if (rmdt_wire_written(&s.w) == 0 && s.wanted_pings == 0)
		return false;
	return finish_ctrl(&s, train, 0);
}

static bool send_mtu_probe(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	uint32_t size = rmdt_pmtu_next_probe(&c->pmtu, now_us);
	struct speech s;

	c->probe_wait = !c->wants_mtu || size == 0 || size > train->cap || !may_fly(c) || c->pto_count > 0;
	if (c->probe_wait)
		return false;
	rmdt_pmtu_probe_sent(&c->pmtu, now_us, 3 * rmdt_rtt_pto_us(&c->rtt, RMDT_ACKS_MAX_DELAY_US));
	speech_init(&s, c, now_us, train, size);
	rmdt_wire_put_zeros(&s.w, rmdt_wire_space(&s.w));
	s.wanted_pings++;
	train->probe = true;
	return finish_ctrl(&s, train, RMDT_SENT_PROBE);
}

/* ---- DATA ---- */

static bool seal_chunk(struct rmdt_conn *c, const struct rmdt_outflow *of, const struct rmdt_chunk *chunk,
		       uint64_t pn, uint8_t *buf)
{
	struct rmdt_data_header h = {
		.phase = rmdt_keys_tx_phase(c->keys), .open = !of->open_known, .fin = chunk->fin,
		.pn = pn, .cid = c->remote_cid, .flow = of->id, .off = chunk->off,
	};
	struct rmdt_keys_packet p = {
		.pn = pn, .ad = buf, .ad_len = RMDT_DATA_HEADER_BYTES,
		.in = chunk->ptr, .in_len = chunk->len, .out = buf + RMDT_DATA_HEADER_BYTES,
	};

	rmdt_data_header_write(buf, &h);
	if (!c->cipher_none)
		return rmdt_keys_seal(c->keys, &p) >= 0;
	memcpy(p.out, p.in, p.in_len);
	return true;
}

static bool send_chunk(struct rmdt_conn *c, uint64_t now_us, struct rmdt_outflow *of, const struct rmdt_chunk *chunk,
		       struct rmdt_train *train)
{
	struct rmdt_sent sent = {
		.kind = RMDT_SENT_DATA | RMDT_SENT_ELICITING | RMDT_SENT_INFLIGHT | (chunk->fin ? RMDT_SENT_FIN : 0),
		.off = chunk->off, .flow = of->id, .len = chunk->len,
	};
	uint64_t pn = rmdt_loss_next_pn(&c->loss);
	size_t len = RMDT_DATA_HEADER_BYTES + chunk->len + (c->cipher_none ? 0 : RMDT_TAG_BYTES);

	sent.bytes = (uint32_t)len;
	if (enter(c, now_us, &sent) < 0)
		return false;	/* too many packets in flight, or no memory: acks will make room */
	if (!seal_chunk(c, of, chunk, pn, train->buf + train->len)) {
		rmdt_conn_break(c, now_us, RMDT_CODE_LIMIT, "no more packets can be sealed", false);
		return false;
	}
	if (!chunk->repair)
		c->tx_used += chunk->off + chunk->len - of->next_off;
	else
		c->counters.chunk_bytes_repaired += chunk->len;
	rmdt_outflow_on_sent(of, chunk);
	c->counters.chunk_bytes_sent += chunk->len;
	of->deficit_bytes -= (int64_t)len;
	if (of->has_rate)
		rmdt_pacer_spend(&of->pacer, now_us, len);
	if (train->len == 0)
		train->segment = len;
	train->len += len;
	return true;
}

/* S6: all bytes are out and the end is known, but no chunk has carried it. */
static void check_end(struct rmdt_conn *c, struct rmdt_outflow *of)
{
	uint64_t end;

	if (of->final_off == UINT64_MAX && rmdt_sendbuf_final(of->sendbuf, &end) && of->next_off == end) {
		of->final_off = end;
		rmdt_conn_due_out(c, of, DUE_FIN);
	}
}

struct pick {
	struct rmdt_outflow *of;
	struct rmdt_chunk chunk;
	bool blocked;			/* credit was missing somewhere */
	uint64_t wait_us;		/* a flow's own rate says: not before */
};

/* Is it this flow's turn, and what does it send? Otherwise it leaves the ring or lets the next one go first. */
static bool try_flow(struct rmdt_conn *c, uint64_t now_us, struct rmdt_outflow *of, size_t max, struct pick *pick)
{
	bool blocked;

	if (of->has_rate) {
		uint64_t next = rmdt_pacer_next_us(&of->pacer, now_us, max);

		if (next > now_us) {
			pick->wait_us = next < pick->wait_us ? next : pick->wait_us;
			return false;
		}
	}
	if (rmdt_outflow_next(of, max, c->tx_limit - c->tx_used, &pick->chunk, &blocked)) {
		pick->of = of;
		return true;
	}
	pick->blocked |= blocked;
	check_end(c, of);
	if (!blocked)
		rmdt_conn_deactivate(c, of);
	return false;
}

static bool pick_chunk(struct rmdt_conn *c, uint64_t now_us, size_t max, struct pick *pick)
{
	for (unsigned i = 0; i < CONN_PRIORITIES; i++) {
		struct rmdt_outflow *of = c->active[i], *last = of ? of->prev_active : NULL;

		while (of) {
			struct rmdt_outflow *next = of->next_active;
			bool is_last = of == last;

			if (of->deficit_bytes <= 0)
				of->deficit_bytes += CONN_QUANTUM_BYTES;
			if (try_flow(c, now_us, of, max, pick)) {
				c->active[i] = of;
				return true;
			}
			if (is_last)
				break;
			of = next;
		}
	}
	return false;
}

/* The turn is over: the next flow of its priority comes first. */
static void end_turn(struct rmdt_conn *c, struct rmdt_outflow *of)
{
	if (of->active && of->deficit_bytes <= 0 && c->active[of->priority] == of)
		c->active[of->priority] = of->next_active;
}

static bool paced(struct rmdt_conn *c, uint64_t now_us)
{
	uint64_t want = rmdt_pacer_train_bytes(&c->pacer);

	if (want > c->pacer.burst_bytes)
		want = c->pacer.burst_bytes;
	if (rmdt_pacer_budget(&c->pacer, now_us) >= want)
		return false;
	c->send_wait_us = rmdt_pacer_next_us(&c->pacer, now_us, want);
	c->limited_by = RMDT_BY_PACING;
	return c->send_wait_us > now_us;
}

/* Why no (more) chunk can go now. */
static void note_limit(struct rmdt_conn *c, const struct pick *pick)
{
	if (pick->wait_us != UINT64_MAX) {
		c->send_wait_us = pick->wait_us;
		c->limited_by = RMDT_BY_APPLICATION;
	} else {
		c->limited_by = pick->blocked ? RMDT_BY_CREDIT : RMDT_BY_APPLICATION;
	}
	rmdt_rate_set_app_limited(&c->rate, rmdt_loss_inflight_bytes(&c->loss));
}

static bool send_data(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	size_t mtu = rmdt_pmtu_current(&c->pmtu), most = rmdt_pacer_train_bytes(&c->pacer);
	size_t max = mtu - RMDT_DATA_HEADER_BYTES - (c->cipher_none ? 0 : RMDT_TAG_BYTES);

	skip_some(c);
	for (unsigned n = 0; n < CONN_GSO_SEGMENTS && train->len + mtu <= train->cap; n++) {
		struct pick pick = { .wait_us = UINT64_MAX };

		if (n > 0 && train->len + mtu > most)
			break;
		if (!pick_chunk(c, now_us, max, &pick)) {
			note_limit(c, &pick);
			break;
		}
		if (!may_fly(c)) {
			c->cwnd_limited = true;
			c->limited_by = RMDT_BY_CWND;
			break;
		}
		if (n == 0 && paced(c, now_us))
			break;
		/* A datagram larger than the first would break the train; it begins the next. */
		if (n > 0 && RMDT_DATA_HEADER_BYTES + pick.chunk.len > train->segment - (c->cipher_none ? 0 : RMDT_TAG_BYTES))
			break;
		if (!send_chunk(c, now_us, pick.of, &pick.chunk, train))
			break;
		end_turn(c, pick.of);
		if (train->len % train->segment != 0)
			break;
	}
	train->to = c->remote;
	return train->len > 0;
}

/* After a probe timeout: the oldest unacknowledged chunk once more, beyond cwnd and pacing, or else a PING. */
static bool send_probe(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	size_t max = rmdt_pmtu_current(&c->pmtu) - RMDT_DATA_HEADER_BYTES - RMDT_TAG_BYTES;
	struct rmdt_chunk chunk;
	struct speech s;

	if (c->probes == 0)
		return false;
	c->probes--;
	train->to = c->remote;
	/* The second probe is a PING: it passes also where the path has begun to swallow large packets. */
	for (struct rmdt_outflow *of = c->probes ? c->all_outs : NULL; of; of = of->next_all)
		if (rmdt_outflow_probe(of, max, &chunk))
			return send_chunk(c, now_us, of, &chunk, train);
	speech_init(&s, c, now_us, train, CTRL_BYTES);
	say_ack(&s);
	s.wanted_pings++;
	return finish_ctrl(&s, train, 0);
}

static bool send_something(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	static bool (*const kinds[])(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train) = {
		send_challenge, send_ctrl, send_probe, send_mtu_probe, send_data,
	};

	c->send_wait_us = UINT64_MAX;
	if (c->hs && c->state != CONN_DRAINED) {
		train->len = train->segment = rmdt_handshake_send(c->hs, now_us, train->buf, train->cap);
		train->to = c->remote;
		if (train->len > 0)
			return true;
	}
	if (c->state == CONN_CLOSING && c->keys && send_close(c, now_us, train))
		return true;
	/* Each may find that the association must end; then the next has nothing to say. */
	for (size_t i = 0; c->state == CONN_UP && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i](c, now_us, train))
			return true;
	return false;
}

bool rmdt_conn_send(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	/* Looking for data may find that a flow has ended, or break the association: then there is something to say. */
	for (unsigned round = 0; round < 2; round++) {
		train->len = train->segment = 0;
		train->probe = false;
		c->pending = false;
		if (send_something(c, now_us, train)) {
			c->pending = true;
			return true;
		}
		if (!c->pending)
			break;
	}
	/* What could not be said now waits for a datagram, a kick or the deadline. */
	c->pending = false;
	return false;
}

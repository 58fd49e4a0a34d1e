/* SPDX-License-Identifier: Apache-2.0 */
#include "core/conn_speech.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/frame.h"

/* One ack in so many draws an ack itself, so that the ranges that it reported need not be repeated for ever. */
#define ACKS_PER_PING	8

void rmdt_speech_init(struct rmdt_speech *s, struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train, size_t size)
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
static bool keep(struct rmdt_speech *s, size_t mark, struct token_item item)
{
	if (s->w.bad || s->count == RMDT_SPEECH_ITEMS) {
		rmdt_wire_rewind(&s->w, mark);
		return false;
	}
	s->item[s->count++] = item;
	return true;
}

int rmdt_speech_token(const struct rmdt_speech *s, struct token **token)
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

void rmdt_speech_text(struct rmdt_wire_writer *w, const char *text)
{
	size_t len = strlen(text);

	rmdt_wire_put_varint(w, len);
	rmdt_wire_put_bytes(w, text, len);
}

static bool say_out(struct rmdt_speech *s, struct rmdt_outflow *of, uint32_t due)
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
		rmdt_speech_text(w, of->open->name);
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
		rmdt_speech_text(w, of->reason);
		break;
	}
	if (!keep(s, mark, (struct token_item){ .due = due, .flow = of->id, .whose = OF_OUT }))
		return false;
	s->eliciting = true;
	/* S2: with OPEN all would be lost that is sent behind it, and a long path would tell late. The second goes right behind. */
	if (due == DUE_OPEN && !of->open_doubled && s->c->rtt.srtt_us >= CONN_LONG_RTT_US)
		of->open_doubled = true;
	else
		rmdt_conn_clear_out(s->c, of, due);
	return true;
}

static bool say_state(struct rmdt_speech *s, struct rmdt_inflow *in, bool reliable)
{
	uint64_t received = rmdt_recvbuf_ready(in->recvbuf), consumed = rmdt_recvbuf_consumed(in->recvbuf);
	struct rmdt_wire_writer *w = &s->w;
	size_t mark = rmdt_wire_mark(w);
	uint64_t limit;

	rmdt_credit_on_consumed(&in->credit, consumed, rmdt_rtt_floor_us(&s->c->rtt), s->now_us);
	rmdt_conn_share(s->c, in);
	limit = rmdt_credit_limit(&in->credit);
	rmdt_recvbuf_set_limit(in->recvbuf, limit);
	rmdt_wire_put_u8(w, RMDT_FRAME_STATE);
	rmdt_wire_put_varint(w, in->id);
	rmdt_wire_put_varint(w, received);
	rmdt_wire_put_varint(w, consumed);
	rmdt_wire_put_varint(w, limit);
	if (reliable && !keep(s, mark, (struct token_item){ .due = DUE_STATE, .flow = in->id, .whose = OF_IN }))
		return false;
	if (w->bad) {
		rmdt_wire_rewind(w, mark);
		return false;
	}
	s->wanted_pings += reliable;
	in->said_consumed_off = consumed;
	rmdt_credit_announced(&in->credit, limit);
	rmdt_conn_clear_in(s->c, in, DUE_ANY_STATE);
	if (!reliable)
		rmdt_conn_due_in(s->c, in, DUE_SURE_STATE);
	return true;
}

static bool say_mark(struct rmdt_speech *s, struct rmdt_inflow *in, unsigned kind)
{
	size_t mark = rmdt_wire_mark(&s->w);

	rmdt_wire_put_u8(&s->w, RMDT_FRAME_MARK);
	rmdt_wire_put_varint(&s->w, in->id);
	rmdt_wire_put_u8(&s->w, (uint8_t)kind);
	rmdt_wire_put_varint(&s->w, in->mark_off[kind]);
	if (!keep(s, mark, (struct token_item){ .due = DUE_MARK << kind, .flow = in->id, .whose = OF_IN }))
		return false;
	s->eliciting = true;
	rmdt_conn_clear_in(s->c, in, DUE_MARK << kind);
	return true;
}

/* STOP or DONE */
static bool say_end(struct rmdt_speech *s, struct rmdt_inflow *in, uint32_t due)
{
	size_t mark = rmdt_wire_mark(&s->w);

	rmdt_wire_put_u8(&s->w, due == DUE_STOP ? RMDT_FRAME_STOP : RMDT_FRAME_DONE);
	rmdt_wire_put_varint(&s->w, in->id);
	if (due == DUE_STOP) {
		rmdt_wire_put_varint(&s->w, in->code);
		rmdt_speech_text(&s->w, in->reason);
	}
	if (!keep(s, mark, (struct token_item){ .due = due, .flow = in->id, .whose = OF_IN }))
		return false;
	s->eliciting = true;
	rmdt_conn_clear_in(s->c, in, due);
	return true;
}

static bool say_in(struct rmdt_speech *s, struct rmdt_inflow *in)
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

void rmdt_speech_flows(struct rmdt_speech *s)
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

static void say_rekey(struct rmdt_speech *s, uint32_t due, uint32_t generation, const uint8_t pub[32])
{
	size_t mark = rmdt_wire_mark(&s->w);

	rmdt_wire_put_u8(&s->w, RMDT_FRAME_REKEY);
	rmdt_wire_put_varint(&s->w, generation);
	rmdt_wire_put_u8(&s->w, due == CDUE_REKEY_ANSWER);
	rmdt_wire_put_bytes(&s->w, pub, 32);
	if (!keep(s, mark, (struct token_item){ .due = due, .whose = OF_CONN }))
		return;
	s->eliciting = true;
	s->c->due &= ~due;
}

static void say_credit(struct rmdt_speech *s)
{
	size_t mark = rmdt_wire_mark(&s->w);
	uint64_t limit = rmdt_credit_limit(&s->c->rx_credit);

	rmdt_wire_put_u8(&s->w, RMDT_FRAME_CREDIT);
	rmdt_wire_put_varint(&s->w, limit);
	if (!keep(s, mark, (struct token_item){ .due = CDUE_CREDIT, .whose = OF_CONN }))
		return;
	s->wanted_pings++;
	rmdt_credit_announced(&s->c->rx_credit, limit);
	s->c->due &= ~(uint32_t)CDUE_CREDIT;
}

void rmdt_speech_conn(struct rmdt_speech *s)
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

void rmdt_speech_ack(struct rmdt_speech *s)
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

void rmdt_speech_messages(struct rmdt_speech *s)
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

void rmdt_speech_take_back(struct rmdt_speech *s)
{
	for (unsigned i = 0; i < s->count; i++)
		rmdt_conn_item_lost(s->c, &s->item[i]);
}

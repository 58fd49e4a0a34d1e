/* SPDX-License-Identifier: Apache-2.0 */
/* Builds what a conn has to say: one train of datagrams per call, the most urgent first. */
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"
#include "core/conn_speech.h"
#include "core/frame.h"

/* CTRL packets other than messages and probes need no more; so they pass on every path. */
#define CTRL_BYTES	RMDT_BASE_BYTES

/* ---- entering packets into the books ---- */

/* Some entries of the books are kept back, so that acks can still be sent when they are full of DATA. */
bool rmdt_conn_may_fly(const struct rmdt_conn *c)
{
	return rmdt_loss_inflight_bytes(&c->loss) < rmdt_cc_cwnd_bytes(c->cc) &&
	       rmdt_sentmap_count(&c->loss.map) < CONN_MAX_SENT - CONN_SENT_RESERVE;
}

/* P7: now and then a number is left out. */
void rmdt_conn_skip_some(struct rmdt_conn *c)
{
	if (rmdt_loss_next_pn(&c->loss) < c->skip_at)
		return;
	rmdt_loss_on_skip(&c->loss);
	c->skip_at = rmdt_loss_next_pn(&c->loss) + CONN_SKIP_EVERY / 2 + rmdt_rng_u64(&c->rng) % CONN_SKIP_EVERY;
}

int rmdt_conn_enter(struct rmdt_conn *c, uint64_t now_us, struct rmdt_sent *sent)
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

static bool finish_ctrl(struct rmdt_speech *s, struct rmdt_train *train, uint8_t kind)
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
	if (rmdt_speech_token(s, &token) < 0) {
		rmdt_speech_take_back(s);
		return false;
	}
	rmdt_conn_skip_some(c);
	pn = rmdt_loss_next_pn(&c->loss);
	sent.bytes = (uint32_t)(RMDT_CTRL_HEADER_BYTES + rmdt_wire_written(&s->w) + RMDT_TAG_BYTES);
	sent.token = (uintptr_t)token;
	if (rmdt_conn_enter(c, s->now_us, &sent) < 0) {
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
	rmdt_speech_text(&w, c->down_reason);
	/* Nobody will ask about this packet any more, but its number is used up like any other. */
	if (rmdt_loss_on_sent(&c->loss, &(struct rmdt_sent){ .sent_us = now_us, .kind = RMDT_SENT_CTRL }) < 0)
		return false;
	return seal_ctrl(c, train, pn, rmdt_wire_written(&w));
}

static bool send_challenge(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	bool answer = c->response.due;
	struct rmdt_speech s;

	if (!answer && !c->candidate.due)
		return false;
	rmdt_speech_init(&s, c, now_us, train, CTRL_BYTES);
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
	return rmdt_acks_due_us(&c->acks) <= now_us || c->hard_due > 0 || c->due != 0 || now_us >= c->state_due_us;
}

/* Messages keep to window and rate as flows do. */
static bool may_say_messages(struct rmdt_conn *c, uint64_t now_us)
{
	return rmdt_messages_front(c->tx_messages) && rmdt_conn_may_fly(c) && !rmdt_conn_is_paced(c, now_us);
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
	struct rmdt_speech s;
	bool messages;

	drop_large_messages(c);
	messages = may_say_messages(c, now_us);
	if (!messages && !wants_ctrl(c, now_us))
		return false;
	rmdt_speech_init(&s, c, now_us, train, messages ? rmdt_pmtu_current(&c->pmtu) : CTRL_BYTES);
	if (now_us >= c->state_due_us)
		harden_states(c);
	if (rmdt_acks_due_us(&c->acks) != UINT64_MAX)
		rmdt_speech_ack(&s);
	rmdt_speech_conn(&s);
	rmdt_speech_flows(&s);
	if (messages)
		rmdt_speech_messages(&s);
	schedule_states(c, now_us);
	/* An empty packet would bring nobody further, and the next one would be empty as well. */
	if (rmdt_wire_written(&s.w) == 0 && s.wanted_pings == 0)
		return false;
	return finish_ctrl(&s, train, 0);
}

static bool send_mtu_probe(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	uint32_t size = rmdt_pmtu_next_probe(&c->pmtu, now_us);
	struct rmdt_speech s;

	c->probe_wait = !c->wants_mtu || size == 0 || size > train->cap || !rmdt_conn_may_fly(c) || c->pto_count > 0;
	if (c->probe_wait)
		return false;
	rmdt_pmtu_probe_sent(&c->pmtu, now_us, 3 * rmdt_conn_pto_us(c));
	rmdt_speech_init(&s, c, now_us, train, size);
	rmdt_wire_put_zeros(&s.w, rmdt_wire_space(&s.w));
	s.wanted_pings++;
	train->probe = finish_ctrl(&s, train, RMDT_SENT_PROBE);
	return train->probe;
}

/* After a probe timeout: the oldest unacknowledged chunk once more, beyond cwnd and pacing, or else a PING. */
static bool send_probe(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	struct rmdt_speech s;

	if (c->probes == 0)
		return false;
	c->probes--;
	train->to = c->remote;
	/* The second probe is a PING: it passes also where the path has begun to swallow large packets. */
	if (c->probes > 0 && rmdt_conn_send_oldest(c, now_us, train))
		return true;
	if (c->state != CONN_UP)
		return false;
	rmdt_speech_init(&s, c, now_us, train, CTRL_BYTES);
	rmdt_speech_ack(&s);
	s.wanted_pings++;
	return finish_ctrl(&s, train, 0);
}

static bool send_something(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	static bool (*const kinds[])(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train) = {
		send_challenge, send_ctrl, send_probe, send_mtu_probe, rmdt_conn_send_data,
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
		train->probe = train->ect = false;
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

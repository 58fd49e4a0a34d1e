/* SPDX-License-Identifier: Apache-2.0 */
/* Hears the frames of an opened CTRL packet. A function returns false when the peer broke a rule. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"
#include "core/list.h"
#include "core/frame.h"
#include "core/wire.h"

struct hearing {
	struct rmdt_conn *c;
	uint64_t now_us;
	const struct rmdt_addr *from;
	struct rmdt_wire_reader *r;
	bool again;			/* no room for this now, or too early: it must be said again */
};

/* A length and so many bytes, at most max; copied to out with a NUL behind. */
static bool get_text(struct rmdt_wire_reader *r, char *out, size_t max)
{
	uint64_t len = rmdt_wire_get_varint(r);

	if (len > max)
		return false;
	rmdt_wire_get_bytes(r, out, (size_t)len);
	if (r->bad)
		return false;
	out[len] = '\0';
	return true;
}

static bool get_id(struct rmdt_wire_reader *r, uint32_t *id)
{
	uint64_t v = rmdt_wire_get_varint(r);

	*id = (uint32_t)v;
	return !r->bad && v < UINT32_MAX;
}

/* Why something ended. 0 would read as "ended well". */
static bool get_code(struct rmdt_wire_reader *r, unsigned *code)
{
	uint64_t v = rmdt_wire_get_varint(r);

	*code = v ? (unsigned)v : RMDT_CODE_CLOSED;
	return !r->bad && v <= UINT32_MAX;
}

static bool hear_ack(struct hearing *h)
{
	if (!rmdt_ack_read(h->r, h->c->ack))
		return false;
	return rmdt_conn_on_ack(h->c, h->now_us, h->c->ack) != -EPROTO;
}

static bool read_open(struct rmdt_wire_reader *r, struct rmdt_open *open, uint64_t *start_off)
{
	uint64_t len;

	*start_off = rmdt_wire_get_varint(r);
	open->priority = rmdt_wire_get_u8(r);
	open->purpose = rmdt_wire_get_u8(r);
	len = rmdt_wire_get_varint(r);
	open->reply_to = (uint32_t)len;
	if (len > UINT32_MAX || !get_text(r, open->name, RMDT_NAME_BYTES))
		return false;
	len = rmdt_wire_get_varint(r);
	if (len > RMDT_META_BYTES)
		return false;
	open->meta_len = (uint16_t)len;
	rmdt_wire_get_bytes(r, open->meta, (size_t)len);
	return !r->bad && open->priority < CONN_PRIORITIES && *start_off <= CONN_MAX_START_OFF;
}

/* Enters a new in-flow, without the opener's words. 0, -EPROTO or -ENOMEM. */
static int enter_inflow(struct rmdt_conn *c, uint32_t id, uint64_t start_off, struct rmdt_inflow **out)
{
	struct rmdt_inflow *in = calloc(1, sizeof(*in));
	int err;

	if (!in || rmdt_idmap_add(&c->ins, id, in) < 0) {
		free(in);
		return -ENOMEM;
	}
	err = rmdt_ranges_add(&c->opened, id, (uint64_t)id + 1);
	if (err) {
		rmdt_idmap_remove(&c->ins, id);
		free(in);
		return err == -ENOBUFS ? -EPROTO : err;
	}
	in->id = id;
	in->state = RMDT_INFLOW_OFFERED;
	in->start_off = in->high_off = in->counted_off = start_off;
	in->said_consumed_off = start_off;
	in->final_off = UINT64_MAX;
	RMDT_LIST_ADD(c->all_ins, in, next_all, prev_all);
	c->n_ins++;
	*out = in;
	return 0;
}

static bool hear_open(struct hearing *h)
{
	struct rmdt_conn *c = h->c;
	struct rmdt_inflow *in;
	struct rmdt_open said = { 0 }, *open = NULL;
	uint64_t start_off;
	uint32_t id;
	int err;

	if (!get_id(h->r, &id) || !read_open(h->r, &said, &start_off))
		return false;
	if (rmdt_ranges_contains(&c->opened, id)) {
		in = rmdt_idmap_get(&c->ins, id);
		if (in && in->state == RMDT_INFLOW_LIVE)
			rmdt_conn_due_in(c, in, DUE_STATE);
		return true;
	}
	if (c->n_ins < c->cfg.max_flows)
		open = malloc(sizeof(*open));
	h->again = c->n_ins < c->cfg.max_flows ? !open : c->n_ins - c->cfg.max_flows >= CONN_MAX_REFUSED;
	if (h->again)
		return true;
	err = enter_inflow(c, id, start_off, &in);
	if (err) {
		free(open);
		h->again = err == -ENOMEM;
		return h->again;
	}
	in->open = open;
	if (open) {
		*open = said;
		rmdt_conn_event_in(c, in, 0);
		c->asks = true;
	} else {
		rmdt_conn_refuse(c, in, RMDT_CODE_BUSY, "too many open flows");
	}
	return true;
}

static bool hear_state(struct hearing *h)
{
	struct rmdt_outflow *of;
	uint64_t received, consumed, limit;
	uint32_t id;
	bool known = get_id(h->r, &id);
	int moved;

	received = rmdt_wire_get_varint(h->r);
	consumed = rmdt_wire_get_varint(h->r);
	limit = rmdt_wire_get_varint(h->r);
	if (!known || h->r->bad)
		return false;
	of = rmdt_idmap_get(&h->c->outs, id);
	if (!of || !of->sendbuf)
		return true;
	moved = rmdt_outflow_on_state(of, received, consumed, limit);
	if (moved < 0)
		return false;
	rmdt_conn_open_known(h->c, of);
	if (of->state == RMDT_OUTFLOW_OPENING) {
		of->state = RMDT_OUTFLOW_LIVE;
		rmdt_conn_event_out(h->c, of, RMDT_OUT_ACCEPTED);
	}
	if (moved > 0) {
		rmdt_conn_event_out(h->c, of, RMDT_OUT_POSITION);
		rmdt_conn_activate(h->c, of);
	}
	return true;
}

static bool hear_credit(struct hearing *h)
{
	uint64_t limit = rmdt_wire_get_varint(h->r);

	if (limit > h->c->tx_limit) {
		h->c->tx_limit = limit;
		h->c->pending = true;
	}
	return !h->r->bad;
}

/* S6: the end of an in-flow, from a FIN frame or the flag on a chunk. */
bool rmdt_conn_in_final(struct rmdt_conn *c, struct rmdt_inflow *in, uint64_t off)
{
	if (in->final_off == off)
		return true;
	if (in->final_off != UINT64_MAX || off < in->high_off)
		return false;
	if (in->state == RMDT_INFLOW_OFFERED) {	/* rmdt_conn_accept passes it on */
		in->final_off = off;
		return true;
	}
	if (rmdt_recvbuf_set_final(in->recvbuf, off) < 0)
		return false;
	in->final_off = off;
	rmdt_conn_event_in(c, in, RMDT_IN_FINAL | RMDT_IN_READY);
	rmdt_conn_due_in(c, in, DUE_STATE);
	return true;
}

static bool hear_fin(struct hearing *h)
{
	struct rmdt_inflow *in;
	uint32_t id;
	bool known = get_id(h->r, &id);
	uint64_t off = rmdt_wire_get_varint(h->r);

	if (!known || h->r->bad)
		return false;
	in = rmdt_idmap_get(&h->c->ins, id);
	h->again = !in && !rmdt_ranges_contains(&h->c->opened, id);	/* it has overtaken its OPEN */
	if (!in || (in->state != RMDT_INFLOW_LIVE && in->state != RMDT_INFLOW_OFFERED))
		return true;
	return rmdt_conn_in_final(h->c, in, off);
}

static bool hear_reset(struct hearing *h)
{
	struct rmdt_conn *c = h->c;
	char reason[RMDT_REASON_BYTES + 1];
	struct rmdt_inflow *in;
	uint32_t id;
	unsigned code;
	bool known = get_id(h->r, &id) && get_code(h->r, &code);
	uint64_t high = rmdt_wire_get_varint(h->r);

	if (!known || !get_text(h->r, reason, RMDT_REASON_BYTES))
		return false;
	in = rmdt_idmap_get(&c->ins, id);
	if (!in) {	/* its OPEN may come later: it must not be opened any more */
		return rmdt_ranges_add(&c->opened, id, (uint64_t)id + 1) != -ENOBUFS;
	}
	if (high < in->high_off || high - in->high_off > rmdt_credit_limit(&c->rx_credit) - c->rx_high)
		return false;
	c->rx_high += high - in->high_off;
	in->high_off = high;
	if (in->state == RMDT_INFLOW_LIVE) {
		in->state = RMDT_INFLOW_BROKEN;
		in->code = code;
		memcpy(in->reason, reason, sizeof(reason));
		rmdt_conn_clear_in(c, in, ~0u);
		rmdt_conn_event_in(c, in, RMDT_IN_BROKEN);
	} else if (in->state == RMDT_INFLOW_OFFERED) {
		rmdt_conn_refuse(c, in, RMDT_CODE_CLOSED, NULL);
	}
	rmdt_conn_account_consumed(c, h->now_us, in);
	rmdt_conn_reset_seen(c, in);
	return true;
}

static bool hear_stop(struct hearing *h)
{
	char reason[RMDT_REASON_BYTES + 1];
	struct rmdt_outflow *of;
	uint32_t id;
	unsigned code;
	bool known = get_id(h->r, &id) && get_code(h->r, &code);

	if (!known || !get_text(h->r, reason, RMDT_REASON_BYTES))
		return false;
	of = rmdt_idmap_get(&h->c->outs, id);
	if (of)
		rmdt_conn_open_known(h->c, of);
	if (!of || !of->sendbuf)
		return true;
	rmdt_conn_deactivate(h->c, of);
	rmdt_conn_clear_out(h->c, of, ~0u);
	of->state = RMDT_OUTFLOW_BROKEN;
	of->sendbuf = NULL;
	of->code = code;
	memcpy(of->reason, reason, sizeof(reason));
	rmdt_conn_due_out(h->c, of, DUE_RESET);
	h->c->unheard++;
	rmdt_conn_event_out(h->c, of, RMDT_OUT_BROKEN);
	return true;
}

static bool hear_mark(struct hearing *h)
{
	struct rmdt_outflow *of;
	uint32_t id;
	bool known = get_id(h->r, &id);
	unsigned kind = rmdt_wire_get_u8(h->r);
	uint64_t off = rmdt_wire_get_varint(h->r);

	if (!known || h->r->bad || kind >= RMDT_MARKS)
		return false;
	of = rmdt_idmap_get(&h->c->outs, id);
	if (!of || of->freed || off <= atomic_load_explicit(&of->mark_off[kind], memory_order_relaxed))
		return true;
	atomic_store_explicit(&of->mark_off[kind], off, memory_order_release);
	rmdt_conn_event_out(h->c, of, RMDT_OUT_MARKED);
	return true;
}

static bool hear_done(struct hearing *h)
{
	struct rmdt_outflow *of;
	uint32_t id;

	if (!get_id(h->r, &id))
		return false;
	of = rmdt_idmap_get(&h->c->outs, id);
	if (!of || !of->sendbuf)
		return true;
	if (of->final_off == UINT64_MAX)	/* done before it was told the end */
		return false;
	rmdt_outflow_on_state(of, of->final_off, of->final_off, of->limit_off);
	rmdt_conn_deactivate(h->c, of);
	rmdt_conn_clear_out(h->c, of, ~0u);
	of->state = RMDT_OUTFLOW_DONE;
	of->sendbuf = NULL;
	rmdt_conn_event_out(h->c, of, RMDT_OUT_POSITION | RMDT_OUT_DONE);
	return true;
}

static bool hear_challenge(struct hearing *h)
{
	h->c->response.nonce = rmdt_wire_get_u64(h->r);
	h->c->response.to = *h->from;
	h->c->response.due = !h->r->bad;
	h->c->pending = true;
	return !h->r->bad;
}

static bool hear_response(struct hearing *h)
{
	struct rmdt_conn *c = h->c;
	uint64_t nonce = rmdt_wire_get_u64(h->r);

	if (h->r->bad)
		return false;
	if (c->candidate.addr.len == 0 || nonce != c->candidate.nonce ||
	    !rmdt_addr_equal(h->from, &c->candidate.addr))
		return true;
	rmdt_conn_move(c, h->now_us);
	return true;
}

static bool hear_message(struct hearing *h)
{
	struct rmdt_conn *c = h->c;
	uint64_t len = rmdt_wire_get_varint(h->r);
	const uint8_t *data;

	if (len > rmdt_wire_remaining(h->r))
		return false;
	data = rmdt_wire_get_span(h->r, (size_t)len);
	if (h->r->bad)
		return false;
	if (rmdt_messages_push(&c->rx_messages, data, (size_t)len) < 0)
		c->counters.messages_dropped++;
	c->rx_messages_news = true;
	return true;
}

static bool hear_rekey(struct hearing *h)
{
	struct rmdt_conn *c = h->c;
	uint64_t generation = rmdt_wire_get_varint(h->r);
	bool is_answer = rmdt_wire_get_u8(h->r);
	const uint8_t *pub = rmdt_wire_get_span(h->r, 32);
	struct rmdt_keys_offer offer = { .generation = (uint32_t)generation, .pub = pub };
	uint8_t priv[32];
	int err;

	if (h->r->bad || generation > UINT32_MAX)
		return false;
	if (is_answer) {
		err = rmdt_keys_rekey_finish(c->keys, &offer, h->now_us);
		if (err == 0) {
			c->counters.rekeys++;
			rmdt_conn_due(c, CDUE_PING);
		}
		return err != -EBADMSG;
	}
	rmdt_rng_bytes(&c->rng, priv, sizeof(priv));
	err = rmdt_keys_rekey_answer(c->keys, &offer, priv, h->now_us, c->answer_pub);
	if (err == 0) {
		if (c->answer_generation != offer.generation)
			c->counters.rekeys++;
		c->answer_generation = offer.generation;
		if (!rmdt_keys_rekey_pending(c->keys))	/* ours gave way to the peer's */
			c->due &= ~(uint32_t)CDUE_REKEY;
		rmdt_conn_due(c, CDUE_REKEY_ANSWER);
	}
	return err != -EPROTO && err != -EBADMSG;
}

static bool hear_close(struct hearing *h)
{
	char reason[RMDT_REASON_BYTES + 1];
	unsigned code;

	if (!get_code(h->r, &code) || !get_text(h->r, reason, RMDT_REASON_BYTES))
		return false;
	rmdt_conn_break(h->c, h->now_us, code,
			reason[0] ? reason : "closed by the far end", false);
	rmdt_conn_due(h->c, CDUE_CLOSE);	/* L5: answered once, then silence */
	return true;
}

/* F1 */
static bool skip_unknown(struct hearing *h, unsigned type)
{
	uint64_t len;

	if (type < RMDT_FRAME_SKIPPABLE)
		return false;
	len = rmdt_wire_get_varint(h->r);
	if (len > rmdt_wire_remaining(h->r))
		return false;
	rmdt_wire_skip(h->r, (size_t)len);
	return !h->r->bad;
}

static bool hear(struct hearing *h, unsigned type)
{
	static bool (*const handler[RMDT_FRAME_COUNT])(struct hearing *h) = {
		[RMDT_FRAME_ACK] = hear_ack, [RMDT_FRAME_OPEN] = hear_open, [RMDT_FRAME_STATE] = hear_state,
		[RMDT_FRAME_CREDIT] = hear_credit, [RMDT_FRAME_FIN] = hear_fin, [RMDT_FRAME_RESET] = hear_reset,
		[RMDT_FRAME_STOP] = hear_stop, [RMDT_FRAME_MARK] = hear_mark, [RMDT_FRAME_DONE] = hear_done,
		[RMDT_FRAME_CHALLENGE] = hear_challenge, [RMDT_FRAME_RESPONSE] = hear_response,
		[RMDT_FRAME_MESSAGE] = hear_message, [RMDT_FRAME_REKEY] = hear_rekey,
		[RMDT_FRAME_CLOSE] = hear_close,
	};

	if (type == RMDT_FRAME_PAD || type == RMDT_FRAME_PING)
		return true;
	if (type >= RMDT_FRAME_COUNT)
		return skip_unknown(h, type);
	return handler[type](h);
}

int rmdt_conn_frames(struct rmdt_conn *c, uint64_t now_us, const uint8_t *buf, size_t len,
		     const struct rmdt_addr *from, bool *eliciting)
{
	struct rmdt_wire_reader r;
	struct hearing h = { .c = c, .now_us = now_us, .from = from, .r = &r };

	*eliciting = false;
	rmdt_wire_reader_init(&r, buf, len);
	/* CLOSE ends the hearing: what stands behind it is for an association that is no more. */
	while (rmdt_wire_remaining(&r) > 0 && c->state == CONN_UP) {
		unsigned type = rmdt_wire_get_u8(&r);

		if (!rmdt_frame_is_quiet(type))
			*eliciting = true;
		if (!hear(&h, type))
			return -EPROTO;
		if (h.again)
			return -EAGAIN;
	}
	return 0;
}

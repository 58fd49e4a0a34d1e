/* SPDX-License-Identifier: Apache-2.0 */
/* The applications at both ends: a writer, readers, and what an engine does with events and positions. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/credit.h"
#include "sim/sim_impl.h"

/* ---- the stream: a byte is a function of its offset ---- */

static uint64_t word_at(uint64_t index)
{
	uint64_t z = index * UINT64_C(0x9e3779b97f4a7c15) + 12345;

	z = (z ^ z >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
	return z ^ z >> 29;
}

static uint8_t byte_at(uint64_t off)
{
	return (uint8_t)(word_at(off / 8) >> (off % 8 * 8));
}

static void fill(uint8_t *ptr, uint64_t off, size_t len)
{
	size_t i = 0;

	for (; i < len && (off + i) % 8; i++)
		ptr[i] = byte_at(off + i);
	for (; i + 8 <= len; i += 8) {
		uint64_t word = word_at((off + i) / 8);

		for (unsigned k = 0; k < 8; k++)
			ptr[i + k] = (uint8_t)(word >> (k * 8));
	}
	for (; i < len; i++)
		ptr[i] = byte_at(off + i);
}

static bool is_right(const uint8_t *ptr, uint64_t off, size_t len)
{
	uint8_t want[4096];

	while (len > 0) {
		size_t n = len < sizeof(want) ? len : sizeof(want);

		fill(want, off, n);
		if (memcmp(want, ptr, n) != 0)
			return false;
		ptr += n;
		off += n;
		len -= n;
	}
	return true;
}

/* ---- the writer ---- */

/* Bytes that may be written now; 0 and w->write_us set when it is too early for more. */
static uint64_t write_allowance(struct sim_world *w)
{
	uint64_t begin_us = SIM_START_US + w->plan->write_us, left = w->plan->bytes - w->written, may;

	if (w->now_us < begin_us) {
		w->write_us = begin_us;
		return 0;
	}
	if (!w->plan->write_rate)
		return left;
	may = (uint64_t)((double)(w->now_us - begin_us) * (double)w->plan->write_rate / 1e6);
	if (may <= w->written) {
		w->write_us = w->now_us + SIM_POLL_US;
		return 0;
	}
	return may - w->written < left ? may - w->written : left;
}

static void kick_all(struct sim_world *w)
{
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		struct sim_pair *p = &w->pair[i];

		if (!p->out)
			continue;
		rmdt_conn_out_kick(p->sender.conn, p->out);
		p->sender.touched = true;
	}
}

void sim_write(struct sim_world *w)
{
	struct rmdt_span span;
	uint64_t want;
	bool wrote = false;

	w->writer_waits = false;
	w->write_us = SIM_NEVER;
	while (!w->finished) {
		want = w->written < w->plan->bytes || w->now_us < SIM_START_US + w->plan->write_us ?
			write_allowance(w) : 0;
		if (want == 0 && w->write_us != SIM_NEVER)
			break;
		if (want == 0) {
			rmdt_sendbuf_finish(w->sendbuf);
			w->finished = wrote = true;
			break;
		}
		if (rmdt_sendbuf_reserve(w->sendbuf, want, &span) < 0) {
			w->writer_waits = true;
			break;
		}
		fill(span.ptr, span.off, span.len);
		if (rmdt_sendbuf_commit(w->sendbuf, span.off, span.len) < 0)
			sim_broken(w, "commit failed");
		w->written += span.len;
		wrote = true;
	}
	if (wrote)
		kick_all(w);
	if (wrote || w->writer_waits)
		w->judge_us = w->now_us;
	if (rmdt_blocks_used(&w->send_pool) > w->result->peak_send_blocks)
		w->result->peak_send_blocks = rmdt_blocks_used(&w->send_pool);
}

/* ---- the readers ---- */

static uint64_t read_allowance(const struct sim_world *w, const struct sim_pair *p)
{
	if (p->plan->consume_rate == 0)
		return UINT64_MAX;
	return (uint64_t)((double)(w->now_us - p->read_credit_us) * (double)p->plan->consume_rate / 1e6);
}

static bool can_read(const struct sim_pair *p)
{
	return p->in && !p->ended && p->in->state == RMDT_INFLOW_LIVE;
}

static void take(struct sim_world *w, struct sim_pair *p, const uint8_t *ptr, size_t n)
{
	struct sim_receiver_result *r = p->result;

	if (!is_right(ptr, p->read_off, n))
		sim_broken(w, "receiver %u got wrong bytes at %llu", p->index, (unsigned long long)p->read_off);
	rmdt_recvbuf_consume(p->in->recvbuf, n);
	if (r->delivered_bytes == 0)
		r->first_byte_us = w->now_us - SIM_START_US;
	r->last_byte_us = w->now_us - SIM_START_US;
	p->read_off += n;
	r->delivered_bytes += n;
	if (r->delivered_bytes >= w->plan->measure_from_off && !r->measure_from_us)
		r->measure_from_us = r->last_byte_us;
	if (r->delivered_bytes >= w->plan->measure_until_off && !r->measure_until_us)
		r->measure_until_us = r->last_byte_us;
	if (p->plan->consume_rate)
		p->read_credit_us += n * 1000000 / p->plan->consume_rate;
}

static void see_end(struct sim_world *w, struct sim_pair *p)
{
	if (p->read_off != w->plan->bytes)
		sim_broken(w, "receiver %u saw a false end at %llu", p->index, (unsigned long long)p->read_off);
	p->ended = p->result->saw_end = true;
	if (rmdt_conn_in_done(p->receiver.conn, p->in) < 0)
		sim_broken(w, "receiver %u cannot say that it is done", p->index);
}

void sim_read(struct sim_world *w, struct sim_pair *p)
{
	uint64_t may, before = p->read_off;
	const uint8_t *ptr;
	size_t n;

	if (!can_read(p))
		return;
	may = read_allowance(w, p);
	while (may > 0 && (n = rmdt_recvbuf_peek(p->in->recvbuf, &ptr)) > 0) {
		if (n > may)
			n = (size_t)may;
		take(w, p, ptr, n);
		may -= n;
	}
	if (rmdt_recvbuf_peek(p->in->recvbuf, &ptr) == 0)	/* an idle reader saves up nothing */
		p->read_credit_us = w->now_us;
	if (p->read_off != before)
		rmdt_conn_in_kick(p->receiver.conn, w->now_us, p->in);
	if (rmdt_recvbuf_drained(p->in->recvbuf))
		see_end(w, p);
	if (rmdt_blocks_used(&w->recv_pool[p->index]) > w->result->peak_recv_blocks)
		w->result->peak_recv_blocks = rmdt_blocks_used(&w->recv_pool[p->index]);
}

/* When a slow reader takes more; SIM_NEVER if only an arrival can change something. */
uint64_t sim_next_read_us(const struct sim_world *w, const struct sim_pair *p)
{
	const uint8_t *ptr;

	if (!p->plan->consume_rate || !can_read(p) || rmdt_recvbuf_peek(p->in->recvbuf, &ptr) == 0)
		return SIM_NEVER;
	return w->now_us + SIM_POLL_US;
}

/* ---- events ---- */

static void member_ends(struct sim_world *w, struct sim_pair *p, enum sim_fate fate, unsigned code, const char *reason)
{
	struct sim_receiver_result *r = p->result;

	if (r->fate != SIM_RUNNING)
		return;
	r->fate = fate;
	r->code = code;
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
	r->end_us = w->now_us - SIM_START_US;
	if (p->out) {
		r->chunk_bytes = p->out->chunk_bytes;
		r->repaired_bytes = p->out->repaired_bytes;
		rmdt_conn_out_free(p->sender.conn, p->out, code, reason);
		p->out = NULL;
		p->sender.touched = true;
	}
	p->member.state = fate == SIM_CONFIRMED ? RMDT_FANOUT_FINISHED : RMDT_FANOUT_DETACHED;
	w->judge_us = w->now_us;
}

static void on_out(struct sim_world *w, struct sim_pair *p, unsigned flags)
{
	if (p->result->fate != SIM_RUNNING)
		return;
	p->member.position_off = p->member.held_off = p->out->consumed_off;
	w->judge_us = w->now_us;
	if (flags & RMDT_OUT_DONE)
		member_ends(w, p, SIM_CONFIRMED, 0, "confirmed");
	else if (flags & RMDT_OUT_BROKEN)
		member_ends(w, p, SIM_LOST, p->out->code, p->out->reason);
}

void sim_sender_event(struct sim_world *w, struct sim_pair *p, const struct rmdt_conn_event *e)
{
	struct rmdt_open open = { .purpose = RMDT_PIPE, .priority = 1, .name = "sim" };

	switch (e->kind) {
	case RMDT_CONN_ADMIT:
		rmdt_conn_set_hint(p->sender.conn, w->plan->hint_rate, w->plan->hint_rtt_us);
		rmdt_conn_admit(p->sender.conn, w->now_us, 0, NULL);
		break;
	case RMDT_CONN_UP:
		if (p->result->fate == SIM_RUNNING &&
		    rmdt_conn_out_open(p->sender.conn, w->sendbuf, 0, &open, 0, &p->out) < 0)
			sim_broken(w, "a flow could not be opened");
		break;
	case RMDT_CONN_OUT:
		on_out(w, p, e->flags);
		break;
	case RMDT_CONN_RESTART_HINT:
		if (p->generation == 0)
			sim_broken(w, "receiver %u hints at a restart that never was", p->index);
		else if (p->restarted)	/* an engine would find the new instance by a handshake */
			rmdt_conn_close(p->sender.conn, w->now_us, RMDT_CODE_RESTARTED, NULL);
		break;
	case RMDT_CONN_DOWN:
		p->sender.down = true;
		member_ends(w, p, SIM_LOST, e->code, e->reason);
		break;
	default:
		break;
	}
}

void sim_receiver_event(struct sim_world *w, struct sim_pair *p, const struct rmdt_conn_event *e)
{
	struct sim_receiver_result *r = p->result;

	switch (e->kind) {
	case RMDT_CONN_ADMIT:
		rmdt_conn_admit(p->receiver.conn, w->now_us, 0, NULL);
		break;
	case RMDT_CONN_OFFER:
		if (p->in || p->read_off > 0)
			sim_broken(w, "receiver %u is offered a second flow", p->index);
		if (rmdt_conn_accept(p->receiver.conn, e->in) == 0)
			p->in = e->in;
		p->read_credit_us = w->now_us;
		break;
	case RMDT_CONN_IN:
		if (!(e->flags & RMDT_IN_BROKEN))
			break;
		if (p->ended)
			sim_broken(w, "receiver %u: a flow broke that had ended well", p->index);
		p->ended = r->broke = true;
		r->broke_code = e->in->code;
		r->broke_us = w->now_us - SIM_START_US;
		break;
	case RMDT_CONN_DOWN:
		p->receiver.down = true;
		break;
	default:
		break;
	}
}

/* ---- policy ---- */

static void set_send_limit(struct sim_world *w)
{
	uint64_t cwnd = 0, base = rmdt_sendbuf_base(w->sendbuf), sent = base;

	for (unsigned i = 0; i < w->plan->receivers; i++) {
		struct rmdt_peer_info info = { 0 };

		if (!w->pair[i].out)
			continue;
		rmdt_conn_info(w->pair[i].sender.conn, w->now_us, &info);
		cwnd = info.cwnd_bytes > cwnd ? info.cwnd_bytes : cwnd;
		sent = w->pair[i].out->sent_off > sent ? w->pair[i].out->sent_off : sent;
	}
	rmdt_sendbuf_set_limit(w->sendbuf, rmdt_credit_send_limit(&(struct rmdt_credit_send){
		.kind = w->plan->policy.kind, .cap_bytes = w->plan->buffer_bytes, .max_cwnd_bytes = cwnd,
		.sent_bytes = sent - base }));
}

void sim_judge(struct sim_world *w)
{
	struct rmdt_fanout_member members[SIM_MAX];
	struct rmdt_fanout_output out;
	struct rmdt_fanout_input in = {
		.base_off = rmdt_sendbuf_base(w->sendbuf), .head_off = rmdt_sendbuf_head(w->sendbuf),
		.final_off = w->finished ? w->plan->bytes : UINT64_MAX, 
		.need_bytes = w->writer_waits && rmdt_sendbuf_limit(w->sendbuf) >= w->plan->buffer_bytes,
	};

	uint64_t room = rmdt_sendbuf_room(w->sendbuf);

	for (unsigned i = 0; i < w->plan->receivers; i++)
		members[i] = w->pair[i].member;
	set_send_limit(w);
	rmdt_fanout_judge(&w->fanout, &in, members, w->plan->receivers, w->now_us, &out);
	w->judge_us = out.next_us;
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		w->pair[i].member = members[i];
		if (members[i].state == RMDT_FANOUT_LIVE && members[i].verdict != RMDT_DETACH_NONE)
			member_ends(w, &w->pair[i], SIM_LOST, rmdt_detach_reason_code(members[i].verdict),
				    rmdt_detach_reason_text(members[i].verdict));
	}
	if (out.release_off > in.base_off && rmdt_sendbuf_release(w->sendbuf, out.release_off) < 0)
		sim_broken(w, "released beyond the head");
	if (w->writer_waits && rmdt_sendbuf_room(w->sendbuf) > room)
		w->write_us = w->now_us;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credit.h"
#include "core/packet.h"
#include "core/rng.h"
#include "core/x25519.h"

#define IP_UDP_BYTES	28
#define STEPS_WITHOUT_TIME 100000	/* so many steps at one instant are a livelock */

/* ---- packets under way ---- */

struct flight {
	uint64_t due_us, order;
	unsigned path;			/* index of the receiver */
	bool there;			/* towards the receiver */
	struct rmdt_addr from;
	uint32_t len;
	uint8_t data[];
};

struct side {				/* one end of one association */
	struct rmdt_conn *conn;
	struct rmdt_addr addr;
	uint64_t cid;
	uint64_t awake_us;		/* stands still until then */
	bool dead;
};

struct pair {
	const struct sim_receiver_plan *plan;
	struct sim_receiver_result *result;
	struct side sender, receiver;
	struct emu_link there, back;
	struct rmdt_outflow *out;
	struct rmdt_inflow *in;
	struct rmdt_fanout_member member;
	uint64_t read_off;		/* what the application has read */
	uint64_t read_credit_us;	/* when consume_rate last gave credit */
	unsigned generation;		/* restarts */
	bool ended, moved, restarted, joined;
};

struct world {
	const struct sim_plan *plan;
	struct sim_result *result;
	uint64_t now_us;
	struct pair pair[SIM_MAX];
	struct rmdt_blocks send_pool, recv_pool[SIM_MAX];
	struct rmdt_sendbuf *sendbuf;
	struct rmdt_fanout fanout;
	struct emu_queue uplink;
	uint64_t written;
	uint64_t judge_us;
	bool finished, writer_waits;
	struct flight **heap;
	size_t heap_count, heap_cap;
	uint64_t order;
	uint8_t train[65536];
};

static void broken(struct world *w, const char *format, ...)
{
	va_list ap;

	if (w->result->broken[0])
		return;
	va_start(ap, format);
	vsnprintf(w->result->broken, sizeof(w->result->broken), format, ap);
	va_end(ap);
}

static bool earlier(const struct flight *a, const struct flight *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void heap_push(struct world *w, struct flight *f)
{
	size_t i = w->heap_count++;

	if (w->heap_count > w->heap_cap) {
		w->heap_cap = w->heap_cap ? 2 * w->heap_cap : 1024;
		w->heap = realloc(w->heap, w->heap_cap * sizeof(*w->heap));
		assert(w->heap);
	}
	for (; i > 0 && earlier(f, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = f;
}

static struct flight *heap_pop(struct world *w)
{
	struct flight *top = w->heap[0], *last = w->heap[--w->heap_count];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= w->heap_count)
			break;
		if (child + 1 < w->heap_count && earlier(w->heap[child + 1], w->heap[child]))
			child++;
		if (!earlier(w->heap[child], last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

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
	for (size_t i = 0; i < len; i++)
		ptr[i] = byte_at(off + i);
}

static bool is_right(const uint8_t *ptr, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (ptr[i] != byte_at(off + i))
			return false;
	return true;
}

/* ---- making the ends ---- */

static struct rmdt_addr address(unsigned host, unsigned port)
{
	struct rmdt_addr a = { .len = 16 };

	a.bytes[0] = 2;
	a.bytes[2] = (uint8_t)(port >> 8);
	a.bytes[3] = (uint8_t)port;
	a.bytes[6] = (uint8_t)(host >> 8);
	a.bytes[7] = (uint8_t)host;
	return a;
}

static void seeded(const struct world *w, uint8_t out[32], unsigned a, unsigned b, unsigned c)
{
	struct rmdt_rng rng;
	uint8_t seed[32] = { 0 };

	memcpy(seed, &w->plan->seed, 8);
	seed[8] = (uint8_t)a;
	seed[9] = (uint8_t)b;
	seed[10] = (uint8_t)c;
	seed[11] = (uint8_t)(c >> 8);
	rmdt_rng_init(&rng, seed);
	rmdt_rng_bytes(&rng, out, 32);
}

static void make_conn(struct world *w, unsigned i, bool initiator)
{
	static const uint8_t psk[32] = "a shared secret for simulations", other[32] = "another secret that differs";
	struct pair *p = &w->pair[i];
	struct side *self = initiator ? &p->sender : &p->receiver, *peer = initiator ? &p->receiver : &p->sender;
	struct rmdt_conn_config cfg = {
		.remote = peer->addr, .initiator = initiator, .suite = w->plan->suite,
		.cipher_none = w->plan->cipher_none, .role = RMDT_PIPE,
		.cc = w->plan->cc, .fixed_rate = w->plan->fixed_rate,
		.connect_timeout_us = w->plan->connect_timeout_us, .dead_after_us = w->plan->dead_after_us,
		.keepalive_us = w->plan->keepalive_us, .mtu_max_bytes = w->plan->mtu, .max_flows = 4,
		.window_cap_bytes = w->plan->buffer_bytes,
		.blocks = initiator ? &w->send_pool : &w->recv_pool[i],
		.rekey_packets = w->plan->rekey_packets,
	};
	uint8_t instance[32];

	if (w->plan->psk)
		cfg.psk = !initiator && p->plan->wrong_psk ? other : psk;
	cfg.local_cid = self->cid = (uint64_t)(i + 1) << 32 | p->generation << 1 | initiator | UINT64_C(1) << 60;
	seeded(w, cfg.static_private, 1, initiator, i);
	seeded(w, instance, 2, initiator, i + 256 * p->generation);
	memcpy(cfg.instance, instance, sizeof(cfg.instance));
	seeded(w, cfg.seed, 3 + p->generation, initiator, i);
	if (rmdt_conn_new(&cfg, w->now_us, &self->conn) < 0)
		broken(w, "a conn could not be made");
}

/* ---- the network ---- */

static void fly(struct world *w, struct pair *p, bool there, const uint8_t *data, size_t len)
{
	struct emu_link *link = there ? &p->there : &p->back;
	struct emu_verdict v;

	w->result->datagrams++;
	if (!there)
		p->result->feedback_bytes += len;
	emu_link_offer(link, there && w->plan->uplink.rate_bps ? &w->uplink : NULL, w->now_us * EMU_NS_PER_US,
		       (uint32_t)len + IP_UDP_BYTES, &v);
	if (v.fate != EMU_PASS)
		return;
	for (int copy = 0; copy <= v.twice; copy++) {
		struct flight *f = malloc(sizeof(*f) + len);

		assert(f);
		*f = (struct flight){
			.due_us = v.due_ns / EMU_NS_PER_US, .order = w->order++, .path = (unsigned)(p - w->pair),
			.there = there, .from = there ? p->sender.addr : p->receiver.addr, .len = (uint32_t)len,
		};
		if (f->due_us < w->now_us)
			f->due_us = w->now_us;
		memcpy(f->data, data, len);
		if (v.corrupt && len > 0)
			f->data[v.corrupt_seed % len] ^= (uint8_t)(1u << v.corrupt_seed % 7 | 1u);
		heap_push(w, f);
	}
}

static void deliver(struct world *w, struct flight *f)
{
	struct pair *p = &w->pair[f->path];
	struct side *self = f->there ? &p->receiver : &p->sender;
	enum rmdt_form form;
	uint64_t cid;

	if (self->dead || (f->there ? &p->there : &p->back)->params.cut)
		return;
	form = rmdt_packet_form(f->data, f->len, &cid);
	if (form == RMDT_FORM_BAD)
		return;
	if (f->there && cid == 0 && !self->conn && form == RMDT_FORM_HANDSHAKE)
		make_conn(w, f->path, false);
	else if (self->conn && cid != self->cid && !(cid == 0 && form == RMDT_FORM_HANDSHAKE))
		return;
	if (self->conn)
		rmdt_conn_receive(self->conn, w->now_us, f->data, f->len, 0, &f->from);
}

/* ---- the applications ---- */

static void write_stream(struct world *w)
{
	struct rmdt_span span;

	w->writer_waits = false;
	while (!w->finished) {
		uint64_t left = w->plan->bytes - w->written, want = left;

		if (left == 0) {
			rmdt_sendbuf_finish(w->sendbuf);
			w->finished = true;
			break;
		}
		if (w->plan->write_rate) {
			uint64_t may = (uint64_t)((double)w->now_us * (double)w->plan->write_rate / 1e6);

			if (may <= w->written)
				break;
			want = may - w->written < left ? may - w->written : left;
		}
		if (rmdt_sendbuf_reserve(w->sendbuf, want, &span) < 0) {
			w->writer_waits = true;
			break;
		}
		fill(span.ptr, span.off, span.len);
		if (rmdt_sendbuf_commit(w->sendbuf, span.off, span.len) < 0)
			broken(w, "commit failed");
		w->written += span.len;
	}
	for (unsigned i = 0; i < w->plan->receivers; i++)
		if (w->pair[i].out)
			rmdt_conn_out_kick(w->pair[i].sender.conn, w->pair[i].out);
	if (rmdt_blocks_used(&w->send_pool) > w->result->peak_send_blocks)
		w->result->peak_send_blocks = rmdt_blocks_used(&w->send_pool);
}

static uint64_t read_allowance(struct world *w, struct pair *p)
{
	uint64_t rate = p->plan->consume_rate, n;

	if (rate == 0)
		return UINT64_MAX;
	n = (uint64_t)((double)(w->now_us - p->read_credit_us) * (double)rate / 1e6);
	return n;
}

static void read_stream(struct world *w, struct pair *p)
{
	uint64_t may = read_allowance(w, p);
	const uint8_t *ptr;
	size_t n;

	if (!p->in || p->in->state != RMDT_INFLOW_LIVE || p->ended)
		return;
	while (may > 0 && (n = rmdt_recvbuf_peek(p->in->recvbuf, &ptr)) > 0) {
		if (n > may)
			n = (size_t)may;
		if (!is_right(ptr, p->read_off, n))
			broken(w, "receiver %u got wrong bytes at %llu", (unsigned)(p - w->pair),
			       (unsigned long long)p->read_off);
		rmdt_recvbuf_consume(p->in->recvbuf, n);
		p->read_off += n;
		p->result->delivered_bytes += n;
		if (p->plan->consume_rate)
			p->read_credit_us += n * 1000000 / p->plan->consume_rate;
		may -= n;
	}
	if (rmdt_recvbuf_peek(p->in->recvbuf, &ptr) == 0)	/* an idle reader saves up nothing */
		p->read_credit_us = w->now_us;
	rmdt_conn_in_kick(p->receiver.conn, w->now_us, p->in);
	if (rmdt_recvbuf_drained(p->in->recvbuf)) {
		if (p->read_off != w->plan->bytes)
			broken(w, "receiver %u saw a false end at %llu", (unsigned)(p - w->pair),
			       (unsigned long long)p->read_off);
		p->ended = p->result->saw_end = true;
		rmdt_conn_in_done(p->receiver.conn, p->in);
	}
}

/* ---- events ---- */

static void member_ends(struct world *w, struct pair *p, enum sim_fate fate, unsigned code, const char *reason)
{
	if (p->result->fate != SIM_RUNNING)
		return;
	p->result->fate = fate;
	p->result->code = code;
	snprintf(p->result->reason, sizeof(p->result->reason), "%s", reason);
	p->result->end_us = w->now_us;
	if (p->out) {
		p->result->chunk_bytes = p->out->chunk_bytes;
		p->result->repaired_bytes = p->out->repaired_bytes;
		rmdt_conn_out_free(p->sender.conn, p->out, code, reason);
		p->out = NULL;
	}
	p->member.state = fate == SIM_CONFIRMED ? RMDT_FANOUT_FINISHED : RMDT_FANOUT_DETACHED;
}

static void sender_event(struct world *w, struct pair *p, const struct rmdt_conn_event *e)
{
	struct rmdt_open open = { .purpose = RMDT_PIPE, .priority = 1, .name = "sim" };

	switch (e->kind) {
	case RMDT_CONN_ADMIT:
		rmdt_conn_admit(p->sender.conn, w->now_us, 0, NULL);
		break;
	case RMDT_CONN_UP:
		if (p->result->fate == SIM_RUNNING &&
		    rmdt_conn_out_open(p->sender.conn, w->sendbuf, 0, &open, 0, &p->out) < 0)
			broken(w, "a flow could not be opened");
		break;
	case RMDT_CONN_OUT:
		if (p->result->fate != SIM_RUNNING)
			break;
		p->member.received_off = p->out->received_off;
		p->member.consumed_off = p->member.held_off = p->out->consumed_off;
		if (e->flags & RMDT_OUT_DONE)
			member_ends(w, p, SIM_CONFIRMED, 0, "confirmed");
		else if (e->flags & RMDT_OUT_BROKEN)
			member_ends(w, p, SIM_LOST, p->out->code, p->out->reason);
		break;
	case RMDT_CONN_DOWN:
		member_ends(w, p, SIM_LOST, e->code, e->reason);
		break;
	default:
		break;
	}
}

static void receiver_event(struct world *w, struct pair *p, const struct rmdt_conn_event *e)
{
	switch (e->kind) {
	case RMDT_CONN_ADMIT:
		rmdt_conn_admit(p->receiver.conn, w->now_us, 0, NULL);
		break;
	case RMDT_CONN_OFFER:
		if (rmdt_conn_accept(p->receiver.conn, e->in) == 0)
			p->in = e->in;
		p->read_credit_us = w->now_us;
		break;
	case RMDT_CONN_IN:
		if (e->flags & RMDT_IN_BROKEN)
			p->ended = true;
		break;
	default:
		break;
	}
}

/* ---- one step ---- */

static void judge(struct world *w)
{
	struct rmdt_fanout_member members[SIM_MAX];
	struct rmdt_fanout_output out;
	struct rmdt_fanout_input in = {
		.base_off = rmdt_sendbuf_base(w->sendbuf), .head_off = rmdt_sendbuf_head(w->sendbuf),
		.final_off = w->finished ? w->plan->bytes : UINT64_MAX,
		.need_bytes = w->writer_waits,
	};
	uint64_t cwnd = 0;

	for (unsigned i = 0; i < w->plan->receivers; i++) {
		struct rmdt_peer_info info = { 0 };

		members[i] = w->pair[i].member;
		if (w->pair[i].out) {
			rmdt_conn_info(w->pair[i].sender.conn, w->now_us, &info);
			cwnd = info.cwnd_bytes > cwnd ? info.cwnd_bytes : cwnd;
		}
	}
	rmdt_sendbuf_set_limit(w->sendbuf, rmdt_credit_send_limit(cwnd, w->plan->policy.kind, w->plan->buffer_bytes));
	rmdt_fanout_judge(&w->fanout, &in, members, w->plan->receivers, w->now_us, &out);
	w->judge_us = out.next_us;
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		w->pair[i].member = members[i];
		if (members[i].state == RMDT_FANOUT_LIVE && members[i].verdict != RMDT_DETACH_NONE) {
			member_ends(w, &w->pair[i], SIM_LOST, RMDT_CODE_BEHIND,
				    rmdt_detach_reason_text(members[i].verdict));
			w->judge_us = w->now_us;
		}
	}
	if (out.release_off > in.base_off && rmdt_sendbuf_release(w->sendbuf, out.release_off) < 0)
		broken(w, "released beyond the head");
}

/* Ticks, pulls and drains one end until it has nothing more to say now. */
static void run_side(struct world *w, struct pair *p, bool is_sender)
{
	struct side *self = is_sender ? &p->sender : &p->receiver;
	struct rmdt_train train = { .buf = w->train, .cap = sizeof(w->train) - 1 };
	struct rmdt_conn_event e;

	if (!self->conn || self->dead || w->now_us < self->awake_us)
		return;
	rmdt_conn_tick(self->conn, w->now_us);
	for (;;) {
		while (rmdt_conn_event(self->conn, &e))
			(is_sender ? sender_event : receiver_event)(w, p, &e);
		if (!is_sender)
			read_stream(w, p);
		if (!rmdt_conn_send(self->conn, w->now_us, &train))
			break;
		for (size_t at = 0; at < train.len; at += train.segment) {
			size_t len = train.len - at < train.segment ? train.len - at : train.segment;

			fly(w, p, is_sender, train.buf + at, len);
		}
	}
	if (rmdt_conn_deadline_us(self->conn) < w->now_us)
		broken(w, "%s %u has a timer in the past", is_sender ? "sender to" : "receiver", (unsigned)(p - w->pair));
}

static void run_script(struct world *w, struct pair *p)
{
	const struct sim_receiver_plan *r = p->plan;
	bool cut = w->now_us >= r->cut_us && w->now_us < r->heal_us;

	if (w->now_us >= r->pause_us && w->now_us < r->resume_us)
		p->receiver.awake_us = r->resume_us;
	if (w->now_us >= r->die_us)
		p->receiver.dead = true;
	if (cut != p->there.params.cut) {
		struct emu_params there = p->there.params, back = p->back.params;

		there.cut = back.cut = cut;
		emu_link_set(&p->there, &there);
		emu_link_set(&p->back, &back);
	}
	if (w->now_us >= r->shrink_us && p->there.params.mtu != r->shrink_mtu) {
		struct emu_params there = p->there.params;

		there.mtu = r->shrink_mtu;
		emu_link_set(&p->there, &there);
	}
	if (w->now_us >= r->move_us && !p->moved) {
		p->moved = true;
		p->receiver.addr = address((unsigned)(p - w->pair) + 2, 7777);
	}
	if (w->now_us >= r->restart_us && !p->restarted) {
		p->restarted = true;
		rmdt_conn_free(p->receiver.conn);
		p->receiver.conn = NULL;
		p->in = NULL;
		p->generation++;
		p->ended = true;
	}
}

static void earliest(uint64_t *t, uint64_t now_us, uint64_t at_us)
{
	if (at_us > now_us && at_us < *t)
		*t = at_us;
}

static uint64_t next_time(struct world *w)
{
	uint64_t t = SIM_NEVER;

	for (unsigned i = 0; i < w->plan->receivers; i++) {
		struct pair *p = &w->pair[i];
		const struct sim_receiver_plan *r = p->plan;
		const uint64_t script[] = { r->pause_us, r->resume_us, r->die_us, r->restart_us, r->cut_us, r->heal_us,
					    r->shrink_us, r->move_us };

		for (size_t k = 0; k < sizeof(script) / sizeof(script[0]); k++)
			earliest(&t, w->now_us, script[k]);
		if (p->sender.conn && rmdt_conn_deadline_us(p->sender.conn) < t)
			t = rmdt_conn_deadline_us(p->sender.conn);
		if (p->receiver.conn && !p->receiver.dead && w->now_us >= p->receiver.awake_us &&
		    rmdt_conn_deadline_us(p->receiver.conn) < t)
			t = rmdt_conn_deadline_us(p->receiver.conn);
		if (p->plan->consume_rate && p->in && !p->ended)
			earliest(&t, w->now_us, w->now_us + 1000);
	}
	if (w->heap_count > 0 && w->heap[0]->due_us < t)
		t = w->heap[0]->due_us;
	if (w->plan->write_rate && !w->finished)
		earliest(&t, w->now_us, w->now_us + 1000);
	if (w->judge_us < t)
		t = w->judge_us;
	return t < w->now_us ? w->now_us : t;
}

static bool is_over(const struct world *w)
{
	for (unsigned i = 0; i < w->plan->receivers; i++)
		if (w->pair[i].result->fate == SIM_RUNNING)
			return false;
	return true;
}

static void step(struct world *w)
{
	for (unsigned i = 0; i < w->plan->receivers; i++)
		run_script(w, &w->pair[i]);
	while (w->heap_count > 0 && w->heap[0]->due_us <= w->now_us) {
		struct flight *f = heap_pop(w);
		struct side *to = f->there ? &w->pair[f->path].receiver : &w->pair[f->path].sender;

		if (w->now_us < to->awake_us && !to->dead) {	/* waits in the socket */
			f->due_us = to->awake_us;
			heap_push(w, f);
			continue;
		}
		deliver(w, f);
		free(f);
	}
	write_stream(w);
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		run_side(w, &w->pair[i], true);
		run_side(w, &w->pair[i], false);
	}
	judge(w);
}

/* ---- the whole ---- */

void sim_plan_init(struct sim_plan *plan, uint64_t seed)
{
	*plan = (struct sim_plan){
		.seed = seed, .bytes = 1000000, .receivers = 1, .linger_us = 10000000, .dead_after_us = 30000000,
		.keepalive_us = 15000000, .connect_timeout_us = 10000000, .buffer_bytes = 64u << 20,
		.cc = "bbr", .suite = RMDT_AES_256_GCM, .mtu = 1472, .limit_us = 600000000,
	};
	for (unsigned i = 0; i < SIM_MAX; i++) {
		struct sim_receiver_plan *r = &plan->receiver[i];

		r->there = r->back = (struct emu_params){
			.shape = { .rate_bps = 100000000, .queue_us = 100000 }, .delay_us = 10000 };
		r->pause_us = r->resume_us = r->die_us = r->restart_us = r->cut_us = r->heal_us = r->shrink_us =
			r->move_us = SIM_NEVER;
	}
}

static void start(struct world *w)
{
	rmdt_blocks_init(&w->send_pool, w->plan->buffer_bytes, NULL);
	w->sendbuf = rmdt_sendbuf_new(&w->send_pool, 0, w->plan->buffer_bytes);
	rmdt_fanout_init(&w->fanout, &w->plan->policy, w->plan->linger_us);
	w->uplink.shape = w->plan->uplink;
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		struct pair *p = &w->pair[i];

		p->plan = &w->plan->receiver[i];
		p->result = &w->result->receiver[i];
		p->sender.addr = address(1, 1000 + i);
		p->receiver.addr = address(i + 2, 2312);
		p->member = (struct rmdt_fanout_member){ .required = true };
		emu_link_init(&p->there, &p->plan->there, w->plan->seed * 1000003 + 2 * i);
		emu_link_init(&p->back, &p->plan->back, w->plan->seed * 1000003 + 2 * i + 1);
		rmdt_blocks_init(&w->recv_pool[i], w->plan->buffer_bytes, NULL);
		make_conn(w, i, true);
	}
}

static void stop(struct world *w)
{
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		struct pair *p = &w->pair[i];

		if (p->in)
			p->result->delivered_bytes = p->read_off;
		rmdt_conn_free(p->sender.conn);
		rmdt_conn_free(p->receiver.conn);
		rmdt_blocks_fini(&w->recv_pool[i]);
	}
	rmdt_sendbuf_free(w->sendbuf);
	rmdt_blocks_fini(&w->send_pool);
	while (w->heap_count > 0)
		free(heap_pop(w));
	free(w->heap);
}

void sim_run(const struct sim_plan *plan, struct sim_result *result)
{
	struct world *w = calloc(1, sizeof(*w));
	uint64_t same = 0;

	assert(w);
	memset(result, 0, sizeof(*result));
	w->plan = plan;
	w->result = result;
	w->now_us = 1000000;
	start(w);
	while (!result->broken[0] && !is_over(w)) {
		uint64_t t;

		step(w);
		result->steps++;
		t = next_time(w);
		same = t == w->now_us ? same + 1 : 0;
		if (same > STEPS_WITHOUT_TIME)
			broken(w, "no progress of time at %llu us", (unsigned long long)w->now_us);
		if (t == SIM_NEVER || t > plan->limit_us + 1000000) {
			if (!is_over(w))
				broken(w, "not over at %llu us", (unsigned long long)w->now_us);
			break;
		}
		w->now_us = t;
	}
	for (unsigned i = 0; i < plan->receivers; i++)
		if (result->receiver[i].fate == SIM_CONFIRMED && !result->receiver[i].saw_end)
			broken(w, "receiver %u is confirmed without having seen the end", i);
	result->end_us = w->now_us - 1000000;
	result->ok = !result->broken[0];
	stop(w);
	free(w);
}

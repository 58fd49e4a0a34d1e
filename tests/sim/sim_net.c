/* SPDX-License-Identifier: Apache-2.0 */
/* The paths between the ends, and what an engine does with a datagram before a conn sees it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/acks.h"
#include "core/packet.h"
#include "core/rng.h"
#include "sim/sim_impl.h"

/* H10 allows ten a second; a simulated engine has one path. */
#define UNKNOWN_EVERY_US 100000

/* ---- a heap of what is under way, the earliest first ---- */

static bool earlier(const struct sim_due *a, const struct sim_due *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void heap_push(struct sim_world *w, uint64_t due_us, uint64_t order, struct sim_flight *flight)
{
	struct sim_due d = { due_us, order, flight };
	size_t i = w->heap_count++;

	if (w->heap_count > w->heap_cap) {
		w->heap_cap = w->heap_cap ? 2 * w->heap_cap : 1024;
		w->heap = realloc(w->heap, w->heap_cap * sizeof(*w->heap));
		assert(w->heap);
	}
	for (; i > 0 && earlier(&d, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = d;
}

static struct sim_due heap_pop(struct sim_world *w)
{
	struct sim_due top = w->heap[0], last = w->heap[--w->heap_count];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= w->heap_count)
			break;
		if (child + 1 < w->heap_count && earlier(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!earlier(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

uint64_t sim_next_arrival_us(const struct sim_world *w)
{
	return w->heap_count > 0 ? w->heap[0].due_us : SIM_NEVER;
}

void sim_drop_all(struct sim_world *w)
{
	while (w->heap_count > 0)
		free(heap_pop(w).flight);
	free(w->heap);
}

/* ---- the ends ---- */

struct rmdt_addr sim_address(unsigned host, unsigned port)
{
	struct rmdt_addr a = { .len = 16 };

	a.bytes[0] = 2;
	a.bytes[2] = (uint8_t)(port >> 8);
	a.bytes[3] = (uint8_t)port;
	a.bytes[6] = (uint8_t)(host >> 8);
	a.bytes[7] = (uint8_t)host;
	return a;
}

/* 32 bytes that depend on the seed of the plan and three numbers. */
static void seeded(const struct sim_world *w, uint8_t out[32], unsigned what, unsigned side, unsigned which)
{
	struct rmdt_rng rng;
	uint8_t seed[32] = { 0 };

	memcpy(seed, &w->plan->seed, 8);
	seed[8] = (uint8_t)what;
	seed[9] = (uint8_t)side;
	seed[10] = (uint8_t)which;
	seed[11] = (uint8_t)(which >> 8);
	rmdt_rng_init(&rng, seed);
	rmdt_rng_bytes(&rng, out, 32);
}

void sim_make_conn(struct sim_world *w, struct sim_pair *p, bool initiator)
{
	static const uint8_t psk[32] = "a shared secret for simulations", other[32] = "another secret that differs";
	struct sim_side *self = initiator ? &p->sender : &p->receiver, *peer = initiator ? &p->receiver : &p->sender;
	unsigned which = p->index + 256 * p->generation;
	struct rmdt_conn_config cfg = {
		.remote = peer->addr, .initiator = initiator, .suite = w->plan->suite,
		.cipher_none = w->plan->cipher_none, .role = RMDT_PIPE,
		.cc = w->plan->cc, .fixed_rate = w->plan->fixed_rate,
		.connect_timeout_us = w->plan->connect_timeout_us, .dead_after_us = w->plan->dead_after_us,
		.keepalive_us = w->plan->keepalive_us, .mtu_max_bytes = w->plan->mtu, .max_flows = 4,
		.window_cap_bytes = w->plan->buffer_bytes,
		.blocks = initiator ? &w->send_pool : &w->recv_pool[p->index],
		.rekey_packets = w->plan->rekey_packets,
	};
	uint8_t instance[32];

	if (w->plan->psk)
		cfg.psk = !initiator && p->plan->wrong_psk ? other : psk;
	cfg.local_cid = self->cid = 1u << 28 | (uint32_t)(p->index + 1) << 16 | p->generation << 1 | initiator;
	seeded(w, cfg.static_private, 1, initiator, p->index);
	seeded(w, instance, 2, initiator, which);
	memcpy(cfg.instance, instance, sizeof(cfg.instance));
	seeded(w, cfg.seed, 3, initiator, which);
	self->down = false;
	self->touched = true;
	if (rmdt_conn_new(&cfg, w->now_us, &self->conn) < 0)
		sim_broken(w, "a conn could not be made");
}

/* ---- the paths ---- */

void sim_fly(struct sim_world *w, struct sim_pair *p, bool there, const struct rmdt_addr *to, const uint8_t *data,
	     size_t len, unsigned ecn)
{
	struct emu_link *link = there ? &p->there : &p->back;
	struct emu_verdict v;
	uint64_t due_us;

	w->result->datagrams++;
	p->datagrams++;
	if (!there && p->result->fate == SIM_RUNNING)
		p->result->feedback_bytes += len;
	emu_link_offer(link, there && w->plan->uplink.rate_bps ? &w->uplink : NULL, w->now_us * EMU_NS_PER_US,
		       (uint32_t)len + SIM_IP_UDP_BYTES, &v);
	/* The checksum of UDP finds the damage; only tags are trusted with what it lets pass. */
	if (v.fate != EMU_PASS || !emu_link_ecn(link, &v, &ecn) || (v.corrupt && w->plan->cipher_none))
		return;
	due_us = v.due_ns / EMU_NS_PER_US > w->now_us ? v.due_ns / EMU_NS_PER_US : w->now_us;
	for (int copy = 0; copy <= v.twice; copy++) {
		struct sim_flight *f = malloc(sizeof(*f) + len);

		assert(f);
		*f = (struct sim_flight){
			.path = p->index, .there = there,
			.from = there ? p->sender.addr : p->receiver.addr, .to = *to, .len = (uint32_t)len,
			.ecn = ecn,
		};
		memcpy(f->data, data, len);
		if (v.corrupt && len > 0)
			f->data[v.corrupt_seed % len] ^= (uint8_t)(1u << v.corrupt_seed % 7 | 1u);
		heap_push(w, due_us, w->order++, f);
	}
}

/* H10 */
static void say_unknown(struct sim_world *w, struct sim_pair *p, const struct sim_flight *f, uint32_t cid)
{
	struct rmdt_handshake_packet answer = {
		.type = RMDT_HS_UNKNOWN, .suite = (uint8_t)w->plan->suite, .version = RMDT_VERSION_1, .scid = cid,
	};
	uint8_t buf[64];
	size_t len = rmdt_handshake_write(buf, sizeof(buf), &answer);

	if (w->now_us < p->unknown_us || len == 0 || len >= f->len)
		return;
	p->unknown_us = w->now_us + UNKNOWN_EVERY_US;
	sim_fly(w, p, false, &f->from, buf, len, RMDT_ECN_NOT_ECT);
}

/* An engine pulls at once what must be answered: packets that came in the same batch build on the answer. */
static void answer(struct sim_world *w, struct sim_pair *p, struct sim_side *self)
{
	struct rmdt_conn_event e;

	if (!rmdt_conn_asks(self->conn))
		return;
	while (rmdt_conn_event(self->conn, &e))
		(self == &p->sender ? sim_sender_event : sim_receiver_event)(w, p, &e);
}

/* What an engine does: finds the association by its id, begins one for an INIT, hints at what it does not know. */
static void deliver(struct sim_world *w, struct sim_flight *f)
{
	struct sim_pair *p = &w->pair[f->path];
	struct sim_side *self = f->there ? &p->receiver : &p->sender;
	enum rmdt_form form;
	uint32_t cid;

	if (self->dead || (f->there ? &p->there : &p->back)->params.cut || !rmdt_addr_equal(&f->to, &self->addr))
		return;
	form = rmdt_packet_form(f->data, f->len, &cid);
	if (form == RMDT_FORM_BAD)
		return;
	if (cid == 0 && form != RMDT_FORM_HANDSHAKE)
		return;
	if (self->conn && f->there && rmdt_conn_is_drained(self->conn)) {
		rmdt_conn_free(self->conn);
		self->conn = NULL;
		p->in = NULL;
	}
	if (!self->conn && f->there && cid == 0)
		sim_make_conn(w, p, false);
	if (self->conn && (cid == 0 || cid == self->cid)) {
		rmdt_conn_receive(self->conn, w->now_us, f->data, f->len, f->ecn, &f->from);
		self->touched = true;
		answer(w, p, self);
	} else if (f->there && form != RMDT_FORM_HANDSHAKE) {
		say_unknown(w, p, f, cid);
	}
}

void sim_deliver_due(struct sim_world *w)
{
	while (sim_next_arrival_us(w) <= w->now_us) {
		struct sim_due d = heap_pop(w);
		struct sim_flight *f = d.flight;
		struct sim_side *to = f->there ? &w->pair[f->path].receiver : &w->pair[f->path].sender;

		if (w->now_us < to->awake_us && !to->dead) {	/* waits in the socket */
			heap_push(w, to->awake_us, d.order, f);
			continue;
		}
		deliver(w, f);
		free(f);
	}
}

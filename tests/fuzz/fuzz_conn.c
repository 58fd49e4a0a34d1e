/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two honest conns, and a network and applications that do what the input says: deliver, drop,
 * duplicate, delay, swap, corrupt, cut, replay, move; write, read, finish, reset, stop, close.
 * Every byte that comes out is the one that went in, what was altered on the way changes nothing,
 * and when the network is good again everything comes to its end.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"
#include "fuzz/input.h"
#include "unit/conn_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_OPS	300
#define KEPT		32

static struct pair p;
static struct pair_packet kept[KEPT];	/* heard before: for replays */
static unsigned n_kept;

/* What nobody but the owner of the keys may change. */
struct view {
	uint64_t received, rx_high, heard_us, ready, high, acked, consumed, inflight;
	struct rmdt_addr remote, candidate;
	enum conn_state state;
	uint32_t n_ins;
	size_t ranges;
};

static struct view look(const struct pair_end *e)
{
	const struct rmdt_conn *c = e->conn;
	struct view v;

	memset(&v, 0, sizeof(v));	/* with its padding: it is compared as a whole */
	v.received = c->counters.packets_received;
	v.rx_high = c->rx_high;
	v.heard_us = c->last_heard_us;
	v.remote = c->remote;
	v.candidate = c->candidate.addr;
	v.state = c->state;
	v.n_ins = c->n_ins;
	v.ranges = rmdt_ranges_count(&c->acks.seen);
	v.inflight = c->loss.inflight_bytes;
	if (e->in && e->in->state == RMDT_INFLOW_LIVE) {
		v.ready = rmdt_recvbuf_ready(e->in->recvbuf);
		v.high = e->in->high_off;
	}
	if (e->out) {
		v.acked = e->out->received_off;
		v.consumed = e->out->consumed_off;
	}
	return v;
}

/* A packet that is not authentic, or was heard before: only counters may tell that it came. */
static void give_in_vain(struct pair_packet *packet, const uint8_t *data, size_t len,
			 const struct rmdt_addr *from)
{
	struct pair_end *e = packet->to_responder ? &p.r : &p.i;
	struct view before, after;

	/* A pause of the process is forgiven by whatever comes first. */
	if (e->conn->state != CONN_UP || (data[0] & 0xc0) == 0xc0)
		return;
	rmdt_conn_tick(e->conn, p.now_us);
	before = look(e);
	pair_inject(&p, packet->to_responder, data, len, from);
	after = look(e);
	assert(memcmp(&before, &after, sizeof(before)) == 0);
}

static void keep(const struct pair_packet *packet)
{
	struct pair_packet *slot = &kept[n_kept++ % KEPT];

	free(slot->data);
	*slot = *packet;
	slot->data = malloc(packet->len + 1);
	assert(slot->data);
	memcpy(slot->data, packet->data, packet->len);
}

static void corrupt(struct input *in, struct pair_packet *packet)
{
	uint8_t *copy = malloc(packet->len + 1);
	size_t at = input_u16(in) % packet->len;
	uint8_t flip = input_u8(in);

	assert(copy);
	memcpy(copy, packet->data, packet->len);
	copy[at] ^= flip ? flip : 1;
	give_in_vain(packet, copy, packet->len, &packet->from);
	free(copy);
}

/* One byte or more is cut off, or one more put on. */
static void cut(struct input *in, struct pair_packet *packet)
{
	size_t len = input_u16(in) % packet->len;
	uint8_t *copy = malloc(packet->len + 1);

	assert(copy);
	memcpy(copy, packet->data, packet->len);
	copy[packet->len] = 0;
	give_in_vain(packet, copy, len ? len : packet->len + 1, &packet->from);
	free(copy);
}

static void replay(struct input *in)
{
	struct pair_packet *packet = &kept[input_u8(in) % KEPT];
	struct rmdt_addr elsewhere = pair_address(7, 7);

	if (packet->data)
		give_in_vain(packet, packet->data, packet->len,
			     input_u8(in) % 2 ? &elsewhere : &packet->from);
}

static void take_away(unsigned k)
{
	free(p.packet[k].data);
	p.n_packets--;
	memmove(&p.packet[k], &p.packet[k + 1], (p.n_packets - k) * sizeof(p.packet[0]));
}

static void deliver(unsigned k, bool stays)
{
	struct pair_packet *packet = &p.packet[k];
	const struct rmdt_conn *c = packet->to_responder ? p.r.conn : p.i.conn;
	uint64_t heard = c->counters.packets_received;

	pair_inject(&p, packet->to_responder, packet->data, packet->len, &packet->from);
	/* one that came too early may be heard later */
	if (c->counters.packets_received > heard)
		keep(packet);
	if (!stays)
		take_away(k);
}

static void network(struct input *in, unsigned op)
{
	unsigned k = p.n_packets ? input_u8(in) % p.n_packets : 0, other;
	struct pair_packet swap;

	if (p.n_packets == 0)
		return;
	switch (op) {
	case 0:
		deliver(k, false);
		break;
	case 1:
		deliver(k, true);
		break;
	case 2:
		take_away(k);
		break;
	case 3:
		p.packet[k].due_us += (uint64_t)input_u8(in) * 5 * PAIR_MS;
		break;
	case 4:
		other = input_u8(in) % p.n_packets;
		swap = p.packet[k];
		p.packet[k] = p.packet[other];
		p.packet[other] = swap;
		break;
	case 5:
		corrupt(in, &p.packet[k]);
		break;
	case 6:
		cut(in, &p.packet[k]);
		break;
	default:
		while (p.n_packets > k)
			take_away(k);
	}
}

/* One more flow of the same stream; it goes its own way. */
static void open_another(struct input *in, struct pair_end *e)
{
	struct rmdt_open open = { .purpose = RMDT_OTHER, .priority = input_u8(in) % 3 };
	uint64_t rate = input_u8(in) % 4 ? 0 : 100000;
	struct rmdt_outflow *of;

	if (e->sendbuf)
		(void)rmdt_conn_out_open(e->conn, e->sendbuf, rmdt_sendbuf_base(e->sendbuf), &open,
					 rate, &of);
}

static void application(struct input *in, unsigned op, struct pair_end *e)
{
	switch (op) {
	case 0:
		if (!e->out && !(e->sendbuf && rmdt_sendbuf_final(e->sendbuf, NULL)))
			(void)pair_open(&p, e, "flow");
		break;
	case 1:
	case 2:
		if (e->out)
			pair_write(&p, e, input_u16(in));
		break;
	case 3:
		if (e->out)
			pair_finish(&p, e);
		break;
	case 4:
		e->hold_reading = !e->hold_reading;
		break;
	case 5:
		if (e->out && input_u8(in) % 4 == 0) {
			rmdt_conn_out_free(e->conn, e->out, 1001, "reset");
			e->out = NULL;
		}
		break;
	case 6:
		if (e->in && input_u8(in) % 4 == 0)
			rmdt_conn_in_stop(e->conn, e->in, 1002, "stop");
		break;
	case 7:
		if (e->in && input_u8(in) % 4 == 0) {
			rmdt_conn_in_free(e->conn, e->in);
			e->in = NULL;
		}
		break;
	case 8:
		(void)rmdt_conn_message_send(e->conn, "message", input_u8(in) % 8);
		break;
	case 9:
		if (e->in)
			rmdt_conn_in_mark(e->conn, e->in, input_u8(in) % RMDT_MARKS, input_u8(in));
		break;
	case 10:
		e->refuse_code = input_u8(in) % 4 ? 0 : 1003;
		break;
	case 11:
		if (input_u16(in) == 0xffff)
			rmdt_conn_close(e->conn, p.now_us, 1004, "close");
		break;
	case 12:
		/* Two that move at once never find each other again. */
		if (rmdt_addr_equal(&p.i.conn->remote, &p.r.addr) &&
		    rmdt_addr_equal(&p.r.conn->remote, &p.i.addr))
			e->addr = pair_address(1 + input_u8(in) % 3 + (e == &p.r) * 100, 2312);
		break;
	case 13:
		open_another(in, e);
		break;
	default:
		rmdt_conn_too_big(e->conn, p.now_us, 1200 + input_u8(in));
	}
}

static void step(struct input *in)
{
	unsigned op = input_u8(in);
	struct pair_end *e = op & 0x80 ? &p.r : &p.i;

	op &= 0x7f;
	if (op < 24)
		network(in, op % 8);
	else if (op < 69)
		application(in, (op - 24) % 15, e);
	else if (op < 73)
		replay(in);
	else if (op < 90)
		pair_serve(&p, e);
	else if (op < 100)
		p.now_us += (uint64_t)input_u8(in) * 200;
	else
		pair_run(&p, (uint64_t)input_u8(in) * PAIR_MS);
	pair_check(p.i.conn);
	pair_check(p.r.conn);
	assert(!p.livelock && !p.i.wrong && !p.r.wrong);
}

/* The network is good again: what was written arrives, and all that has an end comes to it. */
static void settle(void)
{
	p.i.hold_reading = p.r.hold_reading = false;
	pair_run(&p, 20 * PAIR_S);
	assert(!p.livelock && !p.late_timer && !p.i.wrong && !p.r.wrong);
	/* Between two honest ends only the application ends it. */
	assert(p.i.conn->state == CONN_UP || p.i.conn->down_code == 1004);
	assert(p.r.conn->state == CONN_UP || p.r.conn->down_code == 1004);
	if (p.i.conn->state != CONN_UP || p.r.conn->state != CONN_UP)
		return;
	for (int k = 0; k < 2; k++) {
		struct pair_end *e = k ? &p.r : &p.i;

		assert(rmdt_conn_is_settled(e->conn));
		if (!e->out || e->out->state == RMDT_OUTFLOW_BROKEN)
			continue;
		assert(e->out->received_off == rmdt_sendbuf_head(e->sendbuf));
		assert(e->out->consumed_off == e->out->received_off);
		assert(!rmdt_sendbuf_final(e->sendbuf, NULL) || e->out->state == RMDT_OUTFLOW_DONE);
	}
	assert(p.i.conn->tx_used == p.r.conn->rx_high &&
	       p.r.conn->rx_high == p.r.conn->rx_consumed);
	assert(p.r.conn->tx_used == p.i.conn->rx_high &&
	       p.i.conn->rx_high == p.i.conn->rx_consumed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned how = input_u8(&in);
	struct pair_options o = { .common = {
		.suite = how & 1 ? RMDT_CHACHA20_POLY1305 : RMDT_AES_256_GCM,
		.window_cap_bytes = 1u << 20,
		.rekey_packets = how & 2 ? 20 : 0, .mtu_fixed = how & 4,
		.dead_after_us = 600 * PAIR_S,
		.cc = how & 8 ? "cubic" : "bbr",
	} };

	pair_init(&p, &o);
	pair_up(&p);
	(void)pair_open(&p, &p.i, "first");
	for (int n = 0; in.left > 0 && n < MOST_OPS; n++)
		step(&in);
	settle();
	pair_fini(&p);
	for (n_kept = 0; n_kept < KEPT; n_kept++)
		free(kept[n_kept].data);
	memset(kept, 0, sizeof(kept));
	n_kept = 0;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends of a handshake and an attacker between them: true packets, altered ones and ones of the
 * input's own, in all states. Whatever comes: who is done knows the true key of the other, and both
 * have the same secrets.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/handshake.h"
#include "core/x25519.h"
#include "fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct end {
	struct rmdt_handshake *hs;
	uint8_t pub[32];
	uint8_t said[RMDT_HANDSHAKE_PACKET_BYTES];	/* last packet */
	size_t said_len;
	uint64_t in_bytes, out_bytes;
};

struct world {
	struct end i, r;
	uint64_t now_us;
	bool same_psk;
};

static void make(struct end *e, bool initiator, enum rmdt_suite suite, const uint8_t *psk)
{
	struct rmdt_handshake_config cfg = {
		.initiator = initiator, .suite = suite, .psk = psk, .timeout_us = 10000000,
		.params = { .cid = initiator ? 111 : 222, .max_payload_bytes = 1400, .max_flows = 4, .name = "fuzz" },
	};
	uint8_t priv[32], ephemeral[32];
	int err;

	memset(priv, initiator ? 3 : 5, sizeof(priv));
	memset(ephemeral, initiator ? 7 : 9, sizeof(ephemeral));
	cfg.static_private = priv;
	cfg.ephemeral_private = ephemeral;
	rmdt_x25519_public(priv, e->pub);
	err = rmdt_handshake_new(&cfg, 0, &e->hs);
	assert(!err);
}

/*
 * H2 holds until FINISH has proven where the initiator is; only what comes after it is refused in
 * words.
 */
static bool is_unproven(const struct end *e)
{
	enum rmdt_handshake_state state = rmdt_handshake_state(e->hs);
	const char *reason;

	return state == RMDT_HANDSHAKE_RUNNING ||
	       (state == RMDT_HANDSHAKE_FAILED &&
		rmdt_handshake_code(e->hs, &reason) == RMDT_CODE_TIMEOUT);
}

static void drain(struct world *w, struct end *e)
{
	uint8_t buf[RMDT_HANDSHAKE_PACKET_BYTES];
	size_t len;

	for (int n = 0; (len = rmdt_handshake_send(e->hs, w->now_us, buf, sizeof(buf))) > 0; n++) {
		assert(n < 2);
		memcpy(e->said, buf, len);
		e->said_len = len;
		e->out_bytes += len;
	}
	assert(e != &w->r || !is_unproven(e) || e->out_bytes <= 3 * e->in_bytes);
	rmdt_handshake_tick(e->hs, w->now_us);
	assert(rmdt_handshake_deadline_us(e->hs) > w->now_us);
}

static void give(struct world *w, struct end *to, const uint8_t *data, size_t len)
{
	struct rmdt_handshake_packet p;
	uint8_t *copy = malloc(len ? len : 1);

	assert(copy);
	memcpy(copy, data, len);
	to->in_bytes += len;
	if (rmdt_handshake_read(copy, len, &p) == 0)
		rmdt_handshake_receive(to->hs, w->now_us, &p, copy);
	free(copy);
	rmdt_handshake_tick(to->hs, w->now_us);
}

static void give_altered(struct world *w, struct end *to, struct end *from, struct input *in)
{
	uint8_t buf[RMDT_HANDSHAKE_PACKET_BYTES];
	size_t len = from->said_len, n = input_u8(in) % 4u + 1;

	memcpy(buf, from->said, len);
	for (; len > 0 && n > 0; n--) {
		/* Most of a packet is padding: the places that matter come more often. */
		size_t at = input_u8(in) * 2u + input_u8(in) % 2u;

		buf[at % len] ^= input_u8(in);
	}
	if (len > 0 && input_u8(in) % 4 == 0)
		len = input_u16(in) % len;
	give(w, to, buf, len);
}

/* A packet of the right form with a body of the input's own. */
static void give_made(struct world *w, struct end *to, struct input *in)
{
	uint8_t body[RMDT_NOISE_MESSAGE_MAX], buf[2048], proof[RMDT_TAG_BYTES];
	struct rmdt_handshake_packet p = {
		.type = input_u8(in) % 7 + 1, .suite = input_u8(in) % 3, .flags = input_u8(in) % 4,
		.version = input_u8(in) % 8 ? RMDT_VERSION_1 : 2, .dcid = to == &w->i ? 111 : 222, .scid = input_u8(in),
		.code = input_u8(in), .noise = body, .cookie = body, .reason = (const char *)body,
		.proof = proof,
	};

	p.noise_len = input_bytes(in, body, input_u16(in) % sizeof(body));
	p.cookie_len = p.noise_len % (RMDT_COOKIE_MAX + 1);
	p.reason_len = p.noise_len % (RMDT_REASON_BYTES + 1);
	memset(proof, input_u8(in), sizeof(proof));
	give(w, to, buf, rmdt_handshake_write(buf, sizeof(buf), &p));
}

static void admit(struct world *w, struct end *e, unsigned code)
{
	if (rmdt_handshake_state(e->hs) == RMDT_HANDSHAKE_ADMIT)
		rmdt_handshake_admit(e->hs, w->now_us, code, NULL);
}

static void check(struct world *w)
{
	struct rmdt_noise_split a, b;

	for (int k = 0; k < 2; k++) {
		struct end *e = k ? &w->r : &w->i, *other = k ? &w->i : &w->r;
		enum rmdt_handshake_state state = rmdt_handshake_state(e->hs);

		if (state != RMDT_HANDSHAKE_ADMIT && state != RMDT_HANDSHAKE_DONE)
			continue;
		assert(memcmp(rmdt_handshake_remote_key(e->hs), other->pub, 32) == 0);
		assert(rmdt_handshake_remote(e->hs)->cid == (k ? 111 : 222));
		assert(k == 0 || w->same_psk);	/* the responder proves the psk, too */
	}
	if (rmdt_handshake_state(w->r.hs) != RMDT_HANDSHAKE_DONE)
		return;
	assert(rmdt_handshake_split(w->r.hs, &b) == 0);
	if (rmdt_handshake_state(w->i.hs) == RMDT_HANDSHAKE_DONE) {
		assert(rmdt_handshake_split(w->i.hs, &a) == 0);
		assert(memcmp(&a, &b, sizeof(a)) == 0);
	}
}

static void step(struct world *w, struct input *in)
{
	unsigned op = input_u8(in);
	struct end *to = op & 0x80 ? &w->i : &w->r, *from = op & 0x80 ? &w->r : &w->i;
	uint8_t raw[1500];

	switch (op % 8) {
	case 0:
	case 1:
		give(w, to, from->said, from->said_len);
		break;
	case 2:
		give_altered(w, to, from, in);
		break;
	case 3:
		give_made(w, to, in);
		break;
	case 4:
		give(w, to, raw, input_bytes(in, raw, input_u16(in) % sizeof(raw)));
		break;
	case 5:
		admit(w, to, op & 0x40 ? RMDT_CODE_REFUSED : 0);
		break;
	case 6:
		w->now_us += (uint64_t)input_u8(in) * 20000;
		break;
	default:
		if (rmdt_handshake_state(to->hs) == RMDT_HANDSHAKE_DONE && to == &w->i)
			rmdt_handshake_confirmed(to->hs);
		else
			rmdt_handshake_shift(to->hs, 1000);
	}
	drain(w, &w->i);
	drain(w, &w->r);
	check(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t one[32] = { 1 }, two[32] = { 2 };
	struct input in = { data, size };
	unsigned how = input_u8(&in);
	struct world w = { .same_psk = (how >> 1 & 3) != 3 };
	enum rmdt_suite suite = how & 1 ? RMDT_CHACHA20_POLY1305 : RMDT_AES_256_GCM;

	make(&w.i, true, suite, how >> 1 & 3 ? one : NULL);
	make(&w.r, false, suite, (how >> 1 & 3) == 3 ? two : how >> 1 & 3 ? one : NULL);
	drain(&w, &w.i);
	for (int n = 0; in.left > 0 && n < 64; n++)
		step(&w, &in);
	rmdt_handshake_free(w.i.hs);
	rmdt_handshake_free(w.r.hs);
	return 0;
}

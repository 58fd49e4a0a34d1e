/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends of one association and a network between them that loses, repeats and reorders, in
 * virtual time: all that a rekey must live through. Rekey frames are resent as a connection would.
 */
#ifndef RMDT_TESTS_KEYS_MODEL_H
#define RMDT_TESTS_KEYS_MODEL_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/keys.h"
#include "tests/unit/hex.h"

#define MODEL_SEALED 64
#define MODEL_FLYING 1024

enum model_frame { FRAME_PING, FRAME_REKEY, FRAME_ANSWER };

/* What a packet says; it is sealed as these bytes. */
struct model_text {
	uint8_t frame;
	uint8_t pub[32];
	uint32_t generation;
};

struct model_packet {
	unsigned to;			/* index of the receiving end */
	uint64_t pn, sent_us, arrive_us;
	uint8_t header[2];		/* phase, and something else */
	uint8_t sealed[MODEL_SEALED];
	int len;
};

struct model {
	struct rmdt_keys *end[2];	/* initiator, responder */
	uint64_t next_pn[2];
	uint64_t seed, now_us;
	unsigned loss_percent, repeat_percent;
	uint64_t delay_max_us;
	struct model_packet flying[MODEL_FLYING];
	unsigned n;
	struct model_text rekey[2];	/* resent while pending */
	uint64_t opened, unopened, lost;
};

static inline void model_init(struct model *m, enum rmdt_suite suite, uint64_t seed)
{
	struct rmdt_noise_split split;

	memset(m, 0, sizeof *m);
	m->seed = seed;
	seeded_bytes(&m->seed, &split, sizeof split);
	for (unsigned i = 0; i < 2; i++) {
		m->end[i] = rmdt_keys_new(suite, i == 0, &split, 0);
		assert(m->end[i]);
	}
}

static inline void model_fini(struct model *m)
{
	rmdt_keys_free(m->end[0]);
	rmdt_keys_free(m->end[1]);
}

static inline unsigned model_percent(struct model *m)
{
	return (unsigned)(seeded_next(&m->seed) >> 33) % 100;
}

static inline struct model_packet model_seal(struct model *m, unsigned from,
					     const struct model_text *text)
{
	struct model_packet p = {
		.to = 1 - from, .pn = m->next_pn[from]++, .sent_us = m->now_us,
		.header = { (uint8_t)rmdt_keys_tx_phase(m->end[from]), 0x5a },
	};
	const struct rmdt_keys_packet k = {
		.pn = p.pn, .ad = p.header, .ad_len = 2, .in = text, .in_len = sizeof *text,
		.out = p.sealed,
	};

	p.len = rmdt_keys_seal(m->end[from], &k);
	return p;
}

static inline void model_fly(struct model *m, struct model_packet p)
{
	unsigned copies = 1 + (model_percent(m) < m->repeat_percent);

	if (model_percent(m) < m->loss_percent) {
		m->lost++;
		return;
	}
	for (; copies > 0 && m->n < MODEL_FLYING; copies--) {
		p.arrive_us = m->now_us + 1 + seeded_next(&m->seed) % (m->delay_max_us + 1);
		m->flying[m->n++] = p;
	}
}

static inline void model_send(struct model *m, unsigned from, const struct model_text *text)
{
	model_fly(m, model_seal(m, from, text));
}

static inline void model_ping(struct model *m, unsigned from)
{
	const struct model_text text = { .frame = FRAME_PING };

	model_send(m, from, &text);
}

/* The result of rmdt_keys_rekey_start; the frame is sent when it was 0. */
static inline int model_start(struct model *m, unsigned end)
{
	struct model_text text = { .frame = FRAME_REKEY };
	uint8_t priv[32];
	int r;

	seeded_bytes(&m->seed, priv, sizeof priv);
	r = rmdt_keys_rekey_start(m->end[end], priv, m->now_us, text.pub, &text.generation);
	if (r == 0) {
		m->rekey[end] = text;
		model_send(m, end, &text);
	}
	return r;
}

static inline void model_frame(struct model *m, unsigned at, const struct model_text *text)
{
	const struct rmdt_keys_offer offer = { text->generation, text->pub };
	struct model_text answer;
	uint8_t priv[32];
	int r;

	switch (text->frame) {
	case FRAME_REKEY:
		memset(&answer, 0, sizeof answer);
		answer.frame = FRAME_ANSWER;
		answer.generation = text->generation;
		seeded_bytes(&m->seed, priv, sizeof priv);
		r = rmdt_keys_rekey_answer(m->end[at], &offer, priv, m->now_us, answer.pub);
		assert(r == 0 || r == -EALREADY);
		if (r == 0)
			model_send(m, at, &answer);
		break;
	case FRAME_ANSWER:
		r = rmdt_keys_rekey_finish(m->end[at], &offer, m->now_us);
		assert(r == 0 || r == -EALREADY);
		if (r == 0)
			model_ping(m, at);
		break;
	default:
		break;
	}
}

/* Opens a packet and does what it says; the result of rmdt_keys_open. */
static inline int model_arrive(struct model *m, const struct model_packet *p)
{
	struct model_text text;
	const struct rmdt_keys_packet k = {
		.pn = p->pn, .ad = p->header, .ad_len = 2, .in = p->sealed,
		.in_len = (size_t)p->len, .out = &text,
	};
	int r = rmdt_keys_open(m->end[p->to], &k, p->header[0], m->now_us);

	if (r < 0) {
		m->unopened++;
		return r;
	}
	m->opened++;
	model_frame(m, p->to, &text);
	return r;
}

/* Lets time pass to `until_us`; packets arrive in the order of their times. */
static inline void model_run(struct model *m, uint64_t until_us)
{
	for (;;) {
		struct model_packet p;
		unsigned best = 0;

		for (unsigned i = 1; i < m->n; i++)
			if (m->flying[i].arrive_us < m->flying[best].arrive_us)
				best = i;
		if (m->n == 0 || m->flying[best].arrive_us > until_us)
			break;
		p = m->flying[best];
		m->flying[best] = m->flying[--m->n];
		m->now_us = p.arrive_us;
		model_arrive(m, &p);
	}
	m->now_us = until_us;
}

#endif

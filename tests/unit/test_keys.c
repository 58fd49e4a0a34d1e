/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/keys.h"
#include "core/x25519.h"
#include "tests/unit/hex.h"
#include "tests/unit/keys_model.h"

#define SECOND UINT64_C(1000000)

static const struct model_text ping = { .frame = FRAME_PING };

static void check_agreed(struct model *m, uint32_t generation)
{
	for (unsigned i = 0; i < 2; i++) {
		struct model_packet p = model_seal(m, i, &ping);

		assert_int_equal(rmdt_keys_generation(m->end[i]), generation);
		assert_int_equal(p.header[0], generation & 1);
		assert_int_equal(model_arrive(m, &p), sizeof ping);
	}
}

/* One rekey by `asker` on a quiet network, and the grace time after it. */
static void rekey_once(struct model *m, unsigned asker)
{
	uint32_t before = rmdt_keys_generation(m->end[0]);

	assert_int_equal(model_start(m, asker), 0);
	assert_int_equal(model_start(m, asker), -EAGAIN);
	model_run(m, m->now_us + SECOND);
	assert_false(rmdt_keys_rekey_pending(m->end[asker]));
	model_ping(m, 1 - asker);
	model_run(m, m->now_us + SECOND);
	check_agreed(m, before + 1);
	model_run(m, m->now_us + RMDT_KEYS_GRACE_US);
}

static void test_rekey(void **state)
{
	(void)state;
	for (int suite = RMDT_AES_256_GCM; suite <= RMDT_CHACHA20_POLY1305; suite++) {
		struct model m;

		model_init(&m, (enum rmdt_suite)suite, 1);
		check_agreed(&m, 0);
		for (int i = 0; i < 8; i++)
			rekey_once(&m, i % 3 == 0);
		check_agreed(&m, 8);
		assert_int_equal(m.unopened, 0);
		model_fini(&m);
	}
}

/* Who seals with what, step by step (K8). */
static void test_switching(void **state)
{
	struct model m;
	struct model_packet p;
	struct model_text answer = { .frame = FRAME_ANSWER, .generation = 1 };
	uint8_t priv[32] = { 7 };
	struct rmdt_keys_offer offer;

	(void)state;
	model_init(&m, RMDT_AES_256_GCM, 2);
	assert_int_equal(model_start(&m, 1), 0);	/* the responder asks */
	assert_int_equal(rmdt_keys_tx_phase(m.end[1]), 0);
	offer = (struct rmdt_keys_offer){ 1, m.rekey[1].pub };
	assert_int_equal(rmdt_keys_rekey_answer(m.end[0], &offer, priv, 0, answer.pub), 0);
	assert_int_equal(rmdt_keys_tx_phase(m.end[0]), 0);	/* answered, still the old */
	p = model_seal(&m, 1, &ping);				/* asker too: old */
	assert_int_equal(p.header[0], 0);
	assert_int_equal(model_arrive(&m, &p), sizeof ping);
	assert_int_equal(rmdt_keys_tx_phase(m.end[0]), 0);	/* that proved nothing */
	offer = (struct rmdt_keys_offer){ 1, answer.pub };
	assert_int_equal(rmdt_keys_rekey_finish(m.end[1], &offer, 0), 0);
	assert_int_equal(rmdt_keys_tx_phase(m.end[1]), 1);	/* finished: new at once */
	p = model_seal(&m, 0, &ping);				/* old one still comes in */
	assert_int_equal(model_arrive(&m, &p), sizeof ping);
	p = model_seal(&m, 1, &ping);
	assert_int_equal(p.header[0], 1);
	assert_int_equal(model_arrive(&m, &p), sizeof ping);
	assert_int_equal(rmdt_keys_tx_phase(m.end[0]), 1);	/* saw the new: new */
	model_fini(&m);
}

/* Old packets open for the grace time after the new phase was seen, and never after. */
static void test_grace(void **state)
{
	struct model m;
	struct model_packet late, later;

	(void)state;
	model_init(&m, RMDT_AES_256_GCM, 3);
	late = model_seal(&m, 0, &ping);
	later = model_seal(&m, 0, &ping);
	assert_int_equal(model_start(&m, 0), 0);
	model_run(&m, SECOND);		/* all arrives at 1, 2, 3 us: the last is the new phase */
	assert_int_equal(rmdt_keys_generation(m.end[1]), 1);
	assert_int_equal(rmdt_keys_next_us(m.end[1]), 3 + RMDT_KEYS_GRACE_US);
	m.now_us = 3 + RMDT_KEYS_GRACE_US - 1;
	assert_int_equal(model_start(&m, 1), -EAGAIN);
	assert_int_equal(model_arrive(&m, &late), sizeof ping);
	m.now_us++;
	assert_int_equal(model_arrive(&m, &later), -ENOKEY);
	assert_int_equal(rmdt_keys_failed_pkts(m.end[1]), 0);
	assert_int_equal(rmdt_keys_next_us(m.end[1]),
			 2 + rmdt_keys_default_limits(RMDT_AES_256_GCM).rekey_age_us - 1);
	assert_int_equal(model_start(&m, 1), 0);
	model_fini(&m);
}

/* An asker that has not heard the new phase yet keeps the old one however long it takes. */
static void test_unheard(void **state)
{
	struct model m;
	struct model_packet old;
	unsigned i;

	(void)state;
	model_init(&m, RMDT_AES_256_GCM, 4);
	old = model_seal(&m, 1, &ping);
	assert_int_equal(model_start(&m, 0), 0);
	model_run(&m, SECOND);
	assert_int_equal(rmdt_keys_tx_phase(m.end[0]), 1);
	assert_int_equal(rmdt_keys_next_us(m.end[0]), RMDT_KEYS_NEVER_US);
	for (i = 0; i < 3; i++) {
		m.now_us += 100 * SECOND;
		rmdt_keys_expire(m.end[0], m.now_us);
		assert_int_equal(model_start(&m, 0), -EAGAIN);
	}
	assert_int_equal(model_arrive(&m, &old), sizeof ping);
	model_fini(&m);
}

static void test_repeated_frames(void **state)
{
	struct model m;
	uint8_t priv[32] = { 5 }, other[32] = { 6 }, pub[3][32];
	struct rmdt_keys_offer ask, reply;

	(void)state;
	model_init(&m, RMDT_AES_256_GCM, 5);
	assert_int_equal(model_start(&m, 0), 0);
	ask = (struct rmdt_keys_offer){ 1, m.rekey[0].pub };
	assert_int_equal(rmdt_keys_rekey_answer(m.end[1], &ask, priv, 0, pub[0]), 0);
	assert_int_equal(rmdt_keys_rekey_answer(m.end[1], &ask, other, 0, pub[1]), 0);
	assert_memory_equal(pub[0], pub[1], 32);
	reply = (struct rmdt_keys_offer){ 1, pub[0] };
	assert_int_equal(rmdt_keys_rekey_finish(m.end[0], &reply, 0), 0);
	assert_int_equal(rmdt_keys_rekey_finish(m.end[0], &reply, 0), -EALREADY);
	assert_int_equal(rmdt_keys_rekey_finish(m.end[1], &reply, 0), -EALREADY);
	/* The same request after all is done, and another that claims its number. */
	check_agreed(&m, 1);
	assert_int_equal(rmdt_keys_rekey_answer(m.end[1], &ask, other, 0, pub[1]), 0);
	assert_memory_equal(pub[0], pub[1], 32);
	ask.pub = pub[0];
	assert_int_equal(rmdt_keys_rekey_answer(m.end[1], &ask, other, 0, pub[1]), -EALREADY);
	check_agreed(&m, 1);
	model_fini(&m);
}

static void test_bad_frames(void **state)
{
	static const uint8_t zero[32];
	struct model m;
	uint8_t priv[32] = { 5 }, good[32], out[32], before[32];
	struct rmdt_keys_offer offer = { 2, good };

	(void)state;
	model_init(&m, RMDT_AES_256_GCM, 6);
	assert_int_equal(rmdt_x25519_public(priv, good), 0);
	memset(out, 0xaa, 32);
	memcpy(before, out, 32);
	assert_int_equal(rmdt_keys_rekey_answer(m.end[1], &offer, priv, 0, out), -EPROTO);
	offer.generation = UINT32_MAX;
	assert_int_equal(rmdt_keys_rekey_answer(m.end[1], &offer, priv, 0, out), -EPROTO);
	offer.generation = 0;
	assert_int_equal(rmdt_keys_rekey_answer(m.end[1], &offer, priv, 0, out), -EALREADY);
	offer = (struct rmdt_keys_offer){ 1, zero };
	assert_int_equal(rmdt_keys_rekey_answer(m.end[1], &offer, priv, 0, out), -EBADMSG);
	assert_memory_equal(out, before, 32);
	check_agreed(&m, 0);

	/* A bad answer leaves the start pending; the true one may still come. */
	assert_int_equal(model_start(&m, 0), 0);
	assert_int_equal(rmdt_keys_rekey_finish(m.end[0], &offer, 0), -EBADMSG);
	offer = (struct rmdt_keys_offer){ 2, good };
	assert_int_equal(rmdt_keys_rekey_finish(m.end[0], &offer, 0), -EALREADY);
	assert_true(rmdt_keys_rekey_pending(m.end[0]));
	check_agreed(&m, 0);
	model_run(&m, SECOND);
	check_agreed(&m, 1);

	/* Two rekeys in one go, without a packet of the first: out of turn. */
	rmdt_keys_expire(m.end[1], m.now_us + RMDT_KEYS_GRACE_US);
	offer = (struct rmdt_keys_offer){ 2, good };
	assert_int_equal(rmdt_keys_rekey_answer(m.end[1], &offer, priv, 0, out), 0);
	offer.generation = 3;
	assert_int_equal(rmdt_keys_rekey_answer(m.end[1], &offer, priv, 0, out), -EPROTO);
	model_fini(&m);
}

/* Both start at once: whichever of the frames comes first, the initiator's rekey is done. */
static void test_simultaneous(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 8; order++) {
		struct model m;
		unsigned first = order & 1;

		model_init(&m, RMDT_CHACHA20_POLY1305, 7 + order);
		assert_int_equal(model_start(&m, first), 0);
		assert_int_equal(model_start(&m, 1 - first), 0);
		/* flying: two REKEY frames; one of them comes first, or one is lost and resent */
		m.flying[0].arrive_us = order & 2 ? 10 : 20;
		m.flying[1].arrive_us = order & 4 ? 10 : 20;
		if (order == 6)
			m.flying[0] = m.flying[--m.n];
		model_run(&m, SECOND);
		if (rmdt_keys_rekey_pending(m.end[0])) {
			model_send(&m, 0, &m.rekey[0]);
			model_run(&m, 2 * SECOND);
		}
		assert_false(rmdt_keys_rekey_pending(m.end[0]));
		assert_false(rmdt_keys_rekey_pending(m.end[1]));
		assert_int_equal(m.unopened, 0);
		check_agreed(&m, 1);
		/* The responder's own frame, resent late, is stale. */
		model_send(&m, 1, &m.rekey[1]);
		model_run(&m, 3 * SECOND);
		check_agreed(&m, 1);
		model_fini(&m);
	}
}

/* Everything at random: no packet that is younger than the grace time may fail to open. */
static void storm(uint64_t seed, unsigned loss, uint64_t delay_us)
{
	const uint64_t step = 50000, end = 900 * SECOND;
	struct model m;
	uint64_t sent = 0;

	model_init(&m, seed % 2 ? RMDT_AES_256_GCM : RMDT_CHACHA20_POLY1305, seed);
	m.loss_percent = loss;
	m.repeat_percent = 10;
	m.delay_max_us = delay_us;
	while (m.now_us < end) {
		for (unsigned i = 0; i < 2; i++) {
			if (model_percent(&m) < 30)
				model_ping(&m, i);
			if (model_percent(&m) < 3)
				(void)model_start(&m, i);
			if (rmdt_keys_rekey_pending(m.end[i]) && model_percent(&m) < 15)
				model_send(&m, i, &m.rekey[i]);
			sent++;
		}
		model_run(&m, m.now_us + step);
	}
	m.loss_percent = 0;
	for (int i = 0; i < 40; i++) {
		for (unsigned e = 0; e < 2; e++) {
			if (rmdt_keys_rekey_pending(m.end[e]))
				model_send(&m, e, &m.rekey[e]);
			model_ping(&m, e);
		}
		model_run(&m, m.now_us + SECOND);
	}
	if (m.unopened > 0)
		printf("seed %llu\n", (unsigned long long)seed);
	assert_int_equal(m.unopened, 0);
	assert_true(m.opened > sent / 10);
	assert_int_equal(rmdt_keys_failed_pkts(m.end[0]) + rmdt_keys_failed_pkts(m.end[1]), 0);
	/* A rekey takes the grace time, a second to be wanted, and round trips: 6 to 9 s in all. */
	assert_true(rmdt_keys_generation(m.end[0]) > 80);
	check_agreed(&m, rmdt_keys_generation(m.end[0]));
	model_fini(&m);
}

static void test_storm(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		storm(seed, 0, 1000);
		storm(seed + 10, 20, 400000);
		storm(seed + 20, 40, 2 * SECOND);
	}
}

static void test_tampering(void **state)
{
	struct model m;
	struct model_packet p, bad;

	(void)state;
	model_init(&m, RMDT_AES_256_GCM, 8);
	p = model_seal(&m, 0, &ping);
	for (int at = 0; at < p.len; at++) {
		bad = p;
		bad.sealed[at] ^= 4;
		assert_int_equal(model_arrive(&m, &bad), -EBADMSG);
	}
	bad = p;
	bad.header[1] ^= 1;
	assert_int_equal(model_arrive(&m, &bad), -EBADMSG);
	bad = p;
	bad.pn++;
	assert_int_equal(model_arrive(&m, &bad), -EBADMSG);
	bad = p;
	bad.to = 0;	/* sent back to its maker */
	assert_int_equal(model_arrive(&m, &bad), -EBADMSG);
	bad = p;
	bad.header[0] ^= 1;
	assert_int_equal(model_arrive(&m, &bad), -ENOKEY);
	assert_int_equal(rmdt_keys_failed_pkts(m.end[1]), p.len + 2);
	assert_int_equal(model_arrive(&m, &p), sizeof ping);
	model_fini(&m);
}

static void set_limits(struct model *m, struct rmdt_keys_limits limits)
{
	rmdt_keys_set_limits(m->end[0], &limits);
	rmdt_keys_set_limits(m->end[1], &limits);
}

static void test_packet_limits(void **state)
{
	struct rmdt_keys_limits limits = rmdt_keys_default_limits(RMDT_AES_256_GCM);
	struct model m;

	(void)state;
	model_init(&m, RMDT_AES_256_GCM, 9);
	limits.rekey_pkts = 10;
	limits.seal_max_pkts = 20;
	set_limits(&m, limits);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(rmdt_keys_wants_rekey(m.end[0], 0), i >= 10);
		assert_int_equal(model_seal(&m, 0, &ping).len, sizeof ping + 16);
	}
	assert_int_equal(model_seal(&m, 0, &ping).len, -EKEYEXPIRED);
	assert_int_equal(rmdt_keys_sealed_pkts(m.end[0]), 20);
	assert_int_equal(model_seal(&m, 1, &ping).len, sizeof ping + 16);
	assert_false(rmdt_keys_wants_rekey(m.end[1], 0));
	model_fini(&m);
}

/* A rekey in time sets the counts back, on either side. */
static void test_rekey_resets(void **state)
{
	struct rmdt_keys_limits limits = rmdt_keys_default_limits(RMDT_AES_256_GCM);
	struct model m;

	(void)state;
	model_init(&m, RMDT_AES_256_GCM, 10);
	limits.rekey_blocks = 60;	/* a ping is 1 + 3 + 2 blocks */
	limits.seal_max_blocks = 120;
	set_limits(&m, limits);
	for (int i = 0; i < 10; i++) {
		assert_false(rmdt_keys_wants_rekey(m.end[1], 0));
		assert_true(model_seal(&m, 1, &ping).len > 0);
	}
	assert_true(rmdt_keys_wants_rekey(m.end[1], 0));
	rekey_once(&m, 1);
	assert_false(rmdt_keys_wants_rekey(m.end[1], m.now_us));
	assert_true(rmdt_keys_sealed_pkts(m.end[1]) < 5);
	while (model_seal(&m, 1, &ping).len > 0)
		;
	assert_int_equal(rmdt_keys_sealed_pkts(m.end[1]), 20);
	model_fini(&m);
}

static void test_age_limit(void **state)
{
	struct model m;
	uint64_t age = rmdt_keys_default_limits(RMDT_AES_256_GCM).rekey_age_us;

	(void)state;
	model_init(&m, RMDT_AES_256_GCM, 11);
	assert_int_equal(age, 3600 * SECOND);
	assert_int_equal(rmdt_keys_next_us(m.end[0]), age);
	assert_false(rmdt_keys_wants_rekey(m.end[0], age - 1));
	assert_true(rmdt_keys_wants_rekey(m.end[0], age));
	m.now_us = age;
	rekey_once(&m, 0);
	assert_false(rmdt_keys_wants_rekey(m.end[0], m.now_us));
	assert_false(rmdt_keys_wants_rekey(m.end[1], m.now_us));
	assert_true(rmdt_keys_wants_rekey(m.end[1], 2 * age + 100));
	model_fini(&m);
}

/* Forgeries are counted over all generations, and in the end nothing opens any more. */
static void test_failed_limit(void **state)
{
	struct rmdt_keys_limits limits = rmdt_keys_default_limits(RMDT_CHACHA20_POLY1305);
	struct model m;
	struct model_packet p, bad;

	(void)state;
	model_init(&m, RMDT_CHACHA20_POLY1305, 12);
	limits.failed_max = 4;
	set_limits(&m, limits);
	for (int i = 0; i < 3; i++) {
		bad = model_seal(&m, 0, &ping);
		bad.sealed[0] ^= 1;
		assert_int_equal(model_arrive(&m, &bad), -EBADMSG);
		rekey_once(&m, 0);
	}
	p = bad = model_seal(&m, 0, &ping);
	bad.sealed[0] ^= 1;
	assert_int_equal(model_arrive(&m, &bad), -EKEYEXPIRED);
	assert_int_equal(model_arrive(&m, &p), -EKEYEXPIRED);
	model_fini(&m);
}

/* Half of a limit is left to act in; the numbers are those of doc/keys.md. */
static void test_default_limits(void **state)
{
	struct rmdt_keys_limits gcm = rmdt_keys_default_limits(RMDT_AES_256_GCM);
	struct rmdt_keys_limits chacha = rmdt_keys_default_limits(RMDT_CHACHA20_POLY1305);

	(void)state;
	assert_true(gcm.seal_max_blocks == UINT64_C(1) << 35);
	assert_true(gcm.failed_max == UINT64_C(1) << 52);
	assert_true(chacha.failed_max == UINT64_C(1) << 36);
	assert_true(gcm.rekey_blocks * 2 <= gcm.seal_max_blocks);
	assert_true(gcm.rekey_pkts * 2 <= gcm.seal_max_pkts);
	assert_true(chacha.rekey_blocks * 2 <= chacha.seal_max_blocks);
	assert_true(chacha.rekey_pkts * 2 <= chacha.seal_max_pkts);
}

/*
 * The key schedule of doc/keys.md in numbers, computed by a program that shares nothing with ours:
 * split keys 00.., 20.., hash 40.., private keys a1a1.. of the asker and b2b2.. of the answerer.
 */
static const struct {
	const char *key, *iv;
} schedule[2][2] = {	/* by generation; i2r, r2i */
	{
		{ "fdfcb1c8957a1528e48c5b8222ad7c141a6c5808df6454dcfc9123faddff546d",
		  "ba97381985bf9f05cefe64b0" },
		{ "0ac4a75d1edaa378ba16c917f830b3306bb2c9a76d175487df95d681837657e2",
		  "fc0bba0d391eaeeec8d97777" },
	},
	{
		{ "00ea07badfc0434f7ca0d6eeb0688cd878f76daedb2ff632a933ca3cdc82e9f5",
		  "e7fe7936200078a8c325f692" },
		{ "4aaf406541f577ec1564420f709e154b205a127725f9d9f9abcf4110635cbbb8",
		  "7b19cef647f15927b1cb9441" },
	},
};

static void check_schedule(struct model *m, unsigned generation)
{
	for (unsigned i = 0; i < 2; i++) {
		struct model_packet p = model_seal(m, i, &ping);
		uint8_t key[32], iv[12], out[MODEL_SEALED];
		struct rmdt_aead *a;

		hex_bytes(schedule[generation][i].key, key, sizeof key);
		hex_bytes(schedule[generation][i].iv, iv, sizeof iv);
		a = rmdt_aead_new(RMDT_AES_256_GCM, key, iv);
		assert_int_equal(rmdt_aead_open(a, p.pn, p.header, 2, p.sealed, (size_t)p.len, out),
				 sizeof ping);
		rmdt_aead_free(a);
		model_arrive(m, &p);
	}
}

static void test_schedule(void **state)
{
	struct rmdt_noise_split split;
	uint8_t asker[32], answerer[32], pub[32], answer[32];
	struct rmdt_keys_offer offer = { .pub = pub };
	struct model m = { .seed = 1 };
	struct model_packet seen;

	(void)state;
	for (uint8_t i = 0; i < 32; i++) {
		split.i2r[i] = i;
		split.r2i[i] = (uint8_t)(32 + i);
		split.hash[i] = (uint8_t)(64 + i);
	}
	memset(asker, 0xa1, 32);
	memset(answerer, 0xb2, 32);
	m.end[0] = rmdt_keys_new(RMDT_AES_256_GCM, true, &split, 0);
	m.end[1] = rmdt_keys_new(RMDT_AES_256_GCM, false, &split, 0);
	check_schedule(&m, 0);
	assert_int_equal(rmdt_keys_rekey_start(m.end[1], asker, 0, pub, &offer.generation), 0);
	assert_int_equal(offer.generation, 1);
	assert_int_equal(rmdt_keys_rekey_answer(m.end[0], &offer, answerer, 0, answer), 0);
	offer.pub = answer;
	assert_int_equal(rmdt_keys_rekey_finish(m.end[1], &offer, 0), 0);
	seen = model_seal(&m, 1, &ping);
	assert_int_equal(model_arrive(&m, &seen), sizeof ping);
	check_schedule(&m, 1);
	model_fini(&m);
}

/* Both halves of the schedule enter the keys: another split or other DH keys, other keys. */
static void test_separation(void **state)
{
	struct model a, b;
	struct model_packet p;

	(void)state;
	model_init(&a, RMDT_AES_256_GCM, 13);
	model_init(&b, RMDT_AES_256_GCM, 14);
	p = model_seal(&a, 0, &ping);
	assert_int_equal(model_arrive(&b, &p), -EBADMSG);
	model_fini(&b);
	model_init(&b, RMDT_AES_256_GCM, 13);
	p = model_seal(&a, 0, &ping);
	assert_int_equal(model_arrive(&b, &p), sizeof ping);	/* the same split */
	(void)seeded_next(&b.seed);				/* but another DH */
	rekey_once(&a, 0);
	rekey_once(&b, 0);
	p = model_seal(&a, 0, &ping);
	assert_int_equal(model_arrive(&b, &p), -EBADMSG);
	model_fini(&a);
	model_fini(&b);
	rmdt_keys_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_switching),
		cmocka_unit_test(test_grace),
		cmocka_unit_test(test_unheard),
		cmocka_unit_test(test_repeated_frames),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_simultaneous),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_tampering),
		cmocka_unit_test(test_packet_limits),
		cmocka_unit_test(test_rekey_resets),
		cmocka_unit_test(test_age_limit),
		cmocka_unit_test(test_failed_limit),
		cmocka_unit_test(test_default_limits),
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_separation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>

#include "core/aead.h"
#include "core/noise.h"
#include "core/x25519.h"
#include "tests/unit/data/noise_vectors.h"
#include "tests/unit/hex.h"

#define KEY RMDT_NOISE_KEY_BYTES
#define ROOM 1024

/* ---- public vectors */

static enum rmdt_suite suite_of(const char *name)
{
	return strstr(name, "AESGCM") ? RMDT_AES_256_GCM : RMDT_CHACHA20_POLY1305;
}

static struct rmdt_noise *side_new(const struct noise_vector *v, bool initiator)
{
	uint8_t s[KEY], e[KEY], psk[KEY], prologue[128];
	struct rmdt_noise_config config = {
		.suite = suite_of(v->name), .initiator = initiator, .static_priv = s,
		.ephemeral_priv = e, .psk = v->psk ? psk : NULL, .prologue = prologue,
	};

	hex_bytes(initiator ? v->init_static : v->resp_static, s, KEY);
	hex_bytes(initiator ? v->init_ephemeral : v->resp_ephemeral, e, KEY);
	if (v->psk)
		hex_bytes(v->psk, psk, KEY);
	config.prologue_len = hex_bytes(v->prologue, prologue, sizeof prologue);
	return rmdt_noise_new(&config);
}

static void check_handshake(const struct noise_vector *v, struct rmdt_noise *side[2])
{
	uint8_t payload[256], want[512], got[ROOM];

	for (int i = 0; i < 3; i++) {
		size_t len = hex_bytes(v->messages[i].payload, payload, sizeof payload);
		size_t want_len = hex_bytes(v->messages[i].ciphertext, want, sizeof want);

		assert_int_equal(rmdt_noise_write_message(side[i % 2], payload, len, got, ROOM),
				 want_len);
		assert_memory_equal(got, want, want_len);
		assert_int_equal(rmdt_noise_read_message(side[1 - i % 2], want, want_len, got,
							 ROOM), len);
		assert_memory_equal(got, payload, len);
	}
}

/* The transport nonces are Noise's, which for ChaChaPoly are not those of our packets. */
static void check_transport(const struct noise_vector *v, const struct rmdt_noise_split *split)
{
	static const uint8_t iv[RMDT_AEAD_IV_BYTES];
	enum rmdt_suite suite = suite_of(v->name);
	struct rmdt_aead *a[2] = {
		rmdt_aead_new(suite, split->i2r, iv), rmdt_aead_new(suite, split->r2i, iv),
	};
	uint8_t payload[256], want[512], got[ROOM];

	for (int i = 3; i < NOISE_VECTOR_MESSAGES && v->messages[i].payload; i++) {
		size_t len = hex_bytes(v->messages[i].payload, payload, sizeof payload);
		size_t want_len = hex_bytes(v->messages[i].ciphertext, want, sizeof want);
		uint64_t n = (uint64_t)(i - 3) / 2;

		if (suite == RMDT_CHACHA20_POLY1305)
			n = __builtin_bswap64(n);
		assert_int_equal(rmdt_aead_seal(a[i % 2], n, NULL, 0, payload, len, got),
				 want_len);
		assert_memory_equal(got, want, want_len);
	}
	rmdt_aead_free(a[0]);
	rmdt_aead_free(a[1]);
}

static void test_vectors(void **state)
{
	uint8_t hash[32], pub[KEY], priv[KEY];

	(void)state;
	for (size_t i = 0; i < sizeof noise_vectors / sizeof *noise_vectors; i++) {
		const struct noise_vector *v = &noise_vectors[i];
		struct rmdt_noise *side[2] = { side_new(v, true), side_new(v, false) };
		struct rmdt_noise_split split[2];

		check_handshake(v, side);
		for (int s = 0; s < 2; s++) {
			assert_true(rmdt_noise_is_done(side[s]));
			assert_int_equal(rmdt_noise_split(side[s], &split[s]), 0);
			hex_bytes(s ? v->init_static : v->resp_static, priv, KEY);
			assert_int_equal(rmdt_x25519_public(priv, pub), 0);
			assert_memory_equal(rmdt_noise_remote_static(side[s]), pub, KEY);
		}
		assert_memory_equal(&split[0], &split[1], sizeof split[0]);
		assert_memory_equal(rmdt_noise_hash(side[0]), split[0].hash, 32);
		if (v->hash) {
			hex_bytes(v->hash, hash, sizeof hash);
			assert_memory_equal(split[0].hash, hash, sizeof hash);
		}
		check_transport(v, &split[0]);
		rmdt_noise_free(side[0]);
		rmdt_noise_free(side[1]);
	}
}

/* ---- our own handshakes */

struct pair {
	struct rmdt_noise *side[2];	/* initiator, responder */
	uint8_t pub[2][KEY];		/* their static keys */
	uint8_t msg[ROOM];		/* the message on its way */
	int len;
};

struct secrets {
	enum rmdt_suite suite;
	const uint8_t *psk[2];
	const char *prologue[2];
};

static void pair_init(struct pair *p, const struct secrets *secrets)
{
	uint64_t seed = 77;

	for (int i = 0; i < 2; i++) {
		uint8_t s[KEY], e[KEY];
		const struct rmdt_noise_config config = {
			.suite = secrets->suite, .initiator = i == 0, .static_priv = s,
			.ephemeral_priv = e, .psk = secrets->psk[i],
			.prologue = secrets->prologue[i],
			.prologue_len = secrets->prologue[i] ? strlen(secrets->prologue[i]) : 0,
		};

		seeded_bytes(&seed, s, KEY);
		seeded_bytes(&seed, e, KEY);
		assert_int_equal(rmdt_x25519_public(s, p->pub[i]), 0);
		p->side[i] = rmdt_noise_new(&config);
		assert_non_null(p->side[i]);
	}
}

static void pair_fini(struct pair *p)
{
	rmdt_noise_free(p->side[0]);
	rmdt_noise_free(p->side[1]);
}

static void pair_write(struct pair *p, int message, const char *payload)
{
	p->len = rmdt_noise_write_message(p->side[message % 2], payload, strlen(payload), p->msg,
					  ROOM);
	assert_true(p->len > 0);
}

/* The result of the read. */
static int pair_read(struct pair *p, int message)
{
	uint8_t out[ROOM];

	return rmdt_noise_read_message(p->side[1 - message % 2], p->msg, (size_t)p->len, out, ROOM);
}

static void pair_pass(struct pair *p, int message, const char *payload)
{
	pair_write(p, message, payload);
	assert_int_equal(pair_read(p, message), strlen(payload));
}

static const uint8_t psk_a[KEY] = "one secret of thirty-two bytes.", psk_b[KEY] = "another";

static const struct secrets same[] = {
	{ RMDT_AES_256_GCM, { NULL, NULL }, { "p", "p" } },
	{ RMDT_CHACHA20_POLY1305, { NULL, NULL }, { NULL, NULL } },
	{ RMDT_AES_256_GCM, { psk_a, psk_a }, { "p", "p" } },
	{ RMDT_CHACHA20_POLY1305, { psk_a, psk_a }, { "p", "p" } },
};

/* Whatever byte is changed or cut off, the message is refused, and the true one still works. */
static void test_tampering(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		struct pair p;

		pair_init(&p, &same[i]);
		pair_pass(&p, 0, "one");
		for (int m = 1; m < 3; m++) {
			int len;

			pair_write(&p, m, "payload");
			len = p.len;
			for (int at = 0; at < len; at++) {
				int r;

				p.msg[at] ^= 1;
				r = pair_read(&p, m);
				if (m == 2 && at >= 48 && same[i].psk[0])
					assert_int_equal(r, -EKEYREJECTED);
				else
					assert_int_equal(r, -EBADMSG);
				p.msg[at] ^= 1;
			}
			for (p.len = 0; p.len < len; p.len++)
				assert_true(pair_read(&p, m) < 0);
			assert_int_equal(pair_read(&p, m), 7);
		}
		assert_true(rmdt_noise_is_done(p.side[0]) && rmdt_noise_is_done(p.side[1]));
		pair_fini(&p);
	}
}

/* Message 1 is not authentic by itself; a change shows when message 2 is read. */
static void test_first_message(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, &same[0]);
	pair_write(&p, 0, "hello");
	p.msg[p.len - 1] ^= 1;
	assert_int_equal(pair_read(&p, 0), 5);
	pair_write(&p, 1, "");
	assert_int_equal(pair_read(&p, 1), -EBADMSG);
	pair_fini(&p);

	/* With a psk there is a tag, which at least finds accidents. */
	pair_init(&p, &same[2]);
	pair_write(&p, 0, "hello");
	assert_int_equal(p.len, RMDT_NOISE_OVERHEAD_1_PSK + 5);
	p.msg[p.len - 1] ^= 1;
	assert_int_equal(pair_read(&p, 0), -EBADMSG);
	pair_fini(&p);
}

static void test_prologue_differs(void **state)
{
	const struct secrets secrets = { RMDT_AES_256_GCM, { NULL, NULL }, { "v1", "v2" } };
	struct pair p;

	(void)state;
	pair_init(&p, &secrets);
	pair_pass(&p, 0, "x");
	pair_write(&p, 1, "x");
	assert_int_equal(pair_read(&p, 1), -EBADMSG);
	pair_fini(&p);
}

/* A wrong psk is told apart, reveals no key, and both sides can sign the reject. */
static void test_wrong_psk(void **state)
{
	const struct secrets secrets = { RMDT_AES_256_GCM, { psk_a, psk_b }, { "p", "p" } };
	uint8_t key[2][KEY], other[KEY];
	struct pair p;

	(void)state;
	pair_init(&p, &secrets);
	pair_pass(&p, 0, "");
	pair_pass(&p, 1, "");
	pair_write(&p, 2, "");
	assert_int_equal(pair_read(&p, 2), -EKEYREJECTED);
	assert_null(rmdt_noise_remote_static(p.side[1]));
	assert_false(rmdt_noise_is_done(p.side[1]));
	assert_int_equal(rmdt_noise_export(p.side[0], "reject", key[0]), 0);
	assert_int_equal(rmdt_noise_export(p.side[1], "reject", key[1]), 0);
	assert_memory_equal(key[0], key[1], KEY);
	assert_int_equal(rmdt_noise_export(p.side[1], "other", other), 0);
	assert_memory_not_equal(key[0], other, KEY);
	pair_fini(&p);
}

/* K3 in numbers, computed apart from ours; the same on both sides, before and after message 3. */
static void test_export(void **state)
{
	const struct noise_vector *v = &noise_vectors[0];
	struct rmdt_noise *side[2] = { side_new(v, true), side_new(v, false) };
	uint8_t early[KEY], late[KEY], want[KEY];

	(void)state;
	assert_int_equal(rmdt_noise_export(side[0], "reject", early), -EPROTO);
	check_handshake(v, side);
	assert_int_equal(rmdt_noise_export(side[0], "reject", early), 0);
	assert_int_equal(rmdt_noise_export(side[1], "reject", late), 0);
	assert_memory_equal(early, late, KEY);
	hex_bytes("95f3043f4f7b858ebd666202b976ec14aaff8af0f81c5d58105df74990f6b084", want, KEY);
	assert_memory_equal(early, want, KEY);
	rmdt_noise_free(side[0]);
	rmdt_noise_free(side[1]);
}

static void test_turns(void **state)
{
	struct rmdt_noise_split split;
	uint8_t buf[ROOM];
	struct pair p;

	(void)state;
	pair_init(&p, &same[0]);
	assert_int_equal(rmdt_noise_write_message(p.side[1], "", 0, buf, ROOM), -EPROTO);
	assert_int_equal(rmdt_noise_read_message(p.side[0], buf, 100, buf + 500, 100), -EPROTO);
	assert_int_equal(rmdt_noise_split(p.side[0], &split), -EPROTO);
	for (int m = 0; m < 3; m++) {
		assert_int_equal(rmdt_noise_remote_static(p.side[0]) != NULL, m == 2);
		assert_null(rmdt_noise_remote_static(p.side[1]));
		pair_pass(&p, m, "");
		/* The same message again is not one that this side waits for. */
		assert_true(pair_read(&p, m) < 0);
	}
	assert_memory_equal(rmdt_noise_remote_static(p.side[0]), p.pub[1], KEY);
	assert_memory_equal(rmdt_noise_remote_static(p.side[1]), p.pub[0], KEY);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rmdt_noise_write_message(p.side[i], "", 0, buf, ROOM), -EPROTO);
		assert_int_equal(rmdt_noise_read_message(p.side[i], buf, 9, buf, ROOM), -EPROTO);
	}
	pair_fini(&p);
}

static void test_room(void **state)
{
	static const int overhead[] = {
		RMDT_NOISE_OVERHEAD_1, RMDT_NOISE_OVERHEAD_2, RMDT_NOISE_OVERHEAD_3,
	};
	static uint8_t big[RMDT_NOISE_MESSAGE_MAX_BYTES + 1], out[sizeof big];
	struct pair p;

	(void)state;
	pair_init(&p, &same[0]);
	for (int m = 0; m < 3; m++) {
		struct rmdt_noise *writer = p.side[m % 2], *reader = p.side[1 - m % 2];
		size_t full = (size_t)overhead[m] + 10;

		for (size_t cap = 0; cap < full; cap++)
			assert_int_equal(rmdt_noise_write_message(writer, "0123456789", 10, p.msg,
								  cap), -ENOBUFS);
		assert_int_equal(rmdt_noise_write_message(writer, big, sizeof big - full + 11, out,
							  sizeof out), -ENOBUFS);
		assert_int_equal(rmdt_noise_write_message(writer, "0123456789", 10, p.msg, full),
				 full);
		assert_int_equal(rmdt_noise_read_message(reader, p.msg, full, out, 9), -ENOBUFS);
		assert_int_equal(rmdt_noise_read_message(reader, big, sizeof big, out, sizeof out),
				 -EBADMSG);
		assert_int_equal(rmdt_noise_read_message(reader, p.msg, full, out, 10), 10);
		assert_memory_equal(out, "0123456789", 10);
	}
	pair_fini(&p);
}

/* An ephemeral key of small order would give a secret that everybody knows. */
static void test_small_order(void **state)
{
	uint8_t zero[64] = { 0 }, out[ROOM];
	struct pair p;

	(void)state;
	pair_init(&p, &same[0]);
	assert_int_equal(rmdt_noise_read_message(p.side[1], zero, 32, out, ROOM), 0);
	assert_int_equal(rmdt_noise_write_message(p.side[1], "", 0, out, ROOM), -EBADMSG);
	pair_fini(&p);
}

/* Somebody with the right ephemeral key cannot claim another's static key. */
static void test_impostor(void **state)
{
	struct pair p, q;
	uint8_t out[ROOM], s[KEY] = { 1 }, e[KEY];
	uint64_t seed = 77;
	struct rmdt_noise_config config = {
		.suite = RMDT_AES_256_GCM, .initiator = true, .static_priv = s,
		.ephemeral_priv = e, .prologue = "p", .prologue_len = 1,
	};
	int len;

	(void)state;
	seeded_bytes(&seed, out, KEY);
	seeded_bytes(&seed, e, KEY);	/* the ephemeral key of pair_init's initiator */
	pair_init(&p, &same[0]);
	pair_init(&q, &same[0]);
	rmdt_noise_free(q.side[0]);
	q.side[0] = rmdt_noise_new(&config);
	pair_pass(&p, 0, "");
	pair_pass(&p, 1, "");
	memcpy(q.msg, p.msg, (size_t)p.len);
	len = rmdt_noise_write_message(q.side[0], "", 0, out, ROOM);
	assert_int_equal(len, 32);
	assert_int_equal(rmdt_noise_read_message(q.side[0], q.msg, (size_t)p.len, out, ROOM), 0);
	/* First half of the true message 3 (the true static key), second half of the impostor's. */
	pair_write(&p, 2, "");
	assert_int_equal(rmdt_noise_write_message(q.side[0], "", 0, out, ROOM), p.len);
	memcpy(p.msg + 48, out + 48, 16);
	assert_int_equal(pair_read(&p, 2), -EBADMSG);
	assert_null(rmdt_noise_remote_static(p.side[1]));
	pair_fini(&p);
	pair_fini(&q);
}

static void test_arguments(void **state)
{
	const uint8_t key[KEY] = { 1 };
	const struct rmdt_noise_config config = {
		.suite = (enum rmdt_suite)9, .static_priv = key, .ephemeral_priv = key,
	};

	(void)state;
	assert_null(rmdt_noise_new(&config));
	rmdt_noise_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_tampering),
		cmocka_unit_test(test_first_message),
		cmocka_unit_test(test_prologue_differs),
		cmocka_unit_test(test_wrong_psk),
		cmocka_unit_test(test_export),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_small_order),
		cmocka_unit_test(test_impostor),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/handshake.h"
#include "core/x25519.h"

#define S UINT64_C(1000000)

struct end {
	struct rmdt_handshake *hs;
	uint8_t priv[32], pub[32];
};

struct ends {
	struct end i, r;		/* initiator, responder */
};

static void make(struct end *e, bool initiator, const uint8_t *psk)
{
	struct rmdt_handshake_config cfg = {
		.initiator = initiator, .suite = RMDT_AES_256_GCM, .psk = psk, .timeout_us = 10 * S,
		.params = { .cid = initiator ? 111 : 222, .max_payload_bytes = 1400, .max_flows = 4,
			    .role = initiator ? 1 : 0, .name = "test" },
	};
	uint8_t ephemeral[32];

	memset(e->priv, initiator ? 3 : 5, 32);
	memset(ephemeral, initiator ? 7 : 9, 32);
	cfg.static_private = e->priv;
	cfg.ephemeral_private = ephemeral;
	rmdt_x25519_public(e->priv, e->pub);
	assert_int_equal(rmdt_handshake_new(&cfg, 0, &e->hs), 0);
}

static void start(struct ends *x, const uint8_t *psk_i, const uint8_t *psk_r)
{
	make(&x->i, true, psk_i);
	make(&x->r, false, psk_r);
}

static void stop(struct ends *x)
{
	rmdt_handshake_free(x->i.hs);
	rmdt_handshake_free(x->r.hs);
}

/* One packet from a to b; its type, 0 when there was none. */
static int pass(struct end *a, struct end *b, uint64_t now)
{
	uint8_t buf[RMDT_HANDSHAKE_PACKET_BYTES];
	struct rmdt_handshake_packet p;
	size_t len = rmdt_handshake_send(a->hs, now, buf, sizeof(buf));

	if (len == 0)
		return 0;
	assert_int_equal(rmdt_handshake_read(buf, len, &p), 0);
	rmdt_handshake_receive(b->hs, now, &p, buf);
	return p.type;
}

static void test_complete(void **state)
{
	struct rmdt_noise_split a, b;
	struct ends x;

	(void)state;
	start(&x, NULL, NULL);
	assert_int_equal(pass(&x.i, &x.r, 0), RMDT_HS_INIT);
	assert_int_equal(pass(&x.r, &x.i, 0), RMDT_HS_REPLY);
	assert_int_equal(rmdt_handshake_state(x.i.hs), RMDT_HANDSHAKE_ADMIT);
	assert_memory_equal(rmdt_handshake_remote_key(x.i.hs), x.r.pub, 32);
	assert_int_equal(pass(&x.i, &x.r, 0), 0);	/* H4: nothing more before the decision */
	rmdt_handshake_admit(x.i.hs, 0, 0, NULL);
	assert_int_equal(pass(&x.i, &x.r, 0), RMDT_HS_FINISH);
	assert_int_equal(rmdt_handshake_state(x.r.hs), RMDT_HANDSHAKE_ADMIT);
	assert_memory_equal(rmdt_handshake_remote_key(x.r.hs), x.i.pub, 32);
	assert_int_equal(rmdt_handshake_remote(x.r.hs)->role, 1);
	rmdt_handshake_admit(x.r.hs, 0, 0, NULL);
	assert_int_equal(rmdt_handshake_state(x.r.hs), RMDT_HANDSHAKE_DONE);
	assert_int_equal(rmdt_handshake_split(x.i.hs, &a), 0);
	assert_int_equal(rmdt_handshake_split(x.r.hs, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	stop(&x);
}

static void test_init_is_repeated_byte_for_byte(void **state)	/* H1 */
{
	static const uint64_t at[] = { 250000, 750000, 1750000, 3750000, 5750000, 7750000 };
	uint8_t first[RMDT_HANDSHAKE_PACKET_BYTES], again[RMDT_HANDSHAKE_PACKET_BYTES];
	struct ends x;
	size_t len;

	(void)state;
	start(&x, NULL, NULL);
	len = rmdt_handshake_send(x.i.hs, 0, first, sizeof(first));
	assert_int_equal(len, RMDT_BASE_BYTES);
	for (size_t k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
		assert_int_equal(rmdt_handshake_deadline_us(x.i.hs), at[k]);
		assert_int_equal(rmdt_handshake_send(x.i.hs, at[k] - 1, again, sizeof(again)), 0);
		assert_int_equal(rmdt_handshake_send(x.i.hs, at[k], again, sizeof(again)), len);
		assert_memory_equal(first, again, len);
	}
	rmdt_handshake_tick(x.i.hs, 10 * S);
	assert_int_equal(rmdt_handshake_state(x.i.hs), RMDT_HANDSHAKE_FAILED);
	stop(&x);
}

static void test_responder_only_answers(void **state)	/* H2 */
{
	uint8_t a[RMDT_HANDSHAKE_PACKET_BYTES], b[RMDT_HANDSHAKE_PACKET_BYTES], init[RMDT_HANDSHAKE_PACKET_BYTES];
	struct rmdt_handshake_packet p;
	struct ends x;
	size_t len;

	(void)state;
	start(&x, NULL, NULL);
	assert_int_equal(rmdt_handshake_deadline_us(x.r.hs), 10 * S);
	len = rmdt_handshake_send(x.i.hs, 0, init, sizeof(init));
	assert_int_equal(rmdt_handshake_read(init, len, &p), 0);
	assert_true(rmdt_handshake_receive(x.r.hs, 0, &p, init));
	len = rmdt_handshake_send(x.r.hs, 0, a, sizeof(a));
	assert_in_range(len, 1, RMDT_BASE_BYTES);
	for (uint64_t t = 0; t < 9 * S; t += S / 10)
		assert_int_equal(rmdt_handshake_send(x.r.hs, t, b, sizeof(b)), 0);
	assert_true(rmdt_handshake_receive(x.r.hs, 0, &p, init));
	assert_int_equal(rmdt_handshake_send(x.r.hs, 0, b, sizeof(b)), len);
	assert_memory_equal(a, b, len);
	((uint8_t *)p.noise)[0] ^= 1;	/* another INIT is not ours to answer */
	assert_false(rmdt_handshake_receive(x.r.hs, 0, &p, init));
	assert_int_equal(rmdt_handshake_send(x.r.hs, 0, b, sizeof(b)), 0);
	stop(&x);
}

/* Its REPLY is long: who was not proven in time gets no more of them, H2. */
static void test_responder_is_silent_after_the_end(void **state)
{
	uint8_t buf[RMDT_HANDSHAKE_PACKET_BYTES];
	struct rmdt_handshake_packet p = { .type = RMDT_HS_FINISH, .suite = RMDT_AES_256_GCM, .version = RMDT_VERSION_1 };
	struct ends x;

	(void)state;
	start(&x, NULL, NULL);
	pass(&x.i, &x.r, 0);
	assert_true(rmdt_handshake_send(x.r.hs, 0, buf, sizeof(buf)) > 0);
	rmdt_handshake_tick(x.r.hs, 10 * S);
	assert_int_equal(rmdt_handshake_state(x.r.hs), RMDT_HANDSHAKE_FAILED);
	assert_false(rmdt_handshake_receive(x.r.hs, 10 * S, &p, buf));
	assert_int_equal(rmdt_handshake_send(x.r.hs, 10 * S, buf, sizeof(buf)), 0);
	stop(&x);
}

static void test_wrong_psk_is_named_on_both_sides(void **state)	/* H5 */
{
	static const uint8_t one[32] = { 1 }, two[32] = { 2 };
	const char *reason;
	struct ends x;

	(void)state;
	start(&x, one, two);
	pass(&x.i, &x.r, 0);
	pass(&x.r, &x.i, 0);
	/* With psk the first message is already bound to it only by a public key: XXpsk3 mixes the secret last. */
	assert_int_equal(rmdt_handshake_state(x.i.hs), RMDT_HANDSHAKE_ADMIT);
	rmdt_handshake_admit(x.i.hs, 0, 0, NULL);
	/* Damage looks the same: only the repetition tells. */
	assert_int_equal(pass(&x.i, &x.r, 0), RMDT_HS_FINISH);
	assert_int_equal(rmdt_handshake_state(x.r.hs), RMDT_HANDSHAKE_RUNNING);
	assert_int_equal(pass(&x.i, &x.r, RMDT_HANDSHAKE_FIRST_RESEND_US), RMDT_HS_FINISH);
	assert_int_equal(rmdt_handshake_state(x.r.hs), RMDT_HANDSHAKE_FAILED);
	assert_int_equal(rmdt_handshake_code(x.r.hs, &reason), RMDT_CODE_PSK);
	assert_int_equal(pass(&x.r, &x.i, RMDT_HANDSHAKE_FIRST_RESEND_US), RMDT_HS_REJECT);
	assert_int_equal(rmdt_handshake_state(x.i.hs), RMDT_HANDSHAKE_FAILED);
	assert_int_equal(rmdt_handshake_code(x.i.hs, &reason), RMDT_CODE_PSK);
	stop(&x);
}

static void test_refusal_is_proven_and_repeated(void **state)	/* H4, H5 */
{
	uint8_t buf[RMDT_HANDSHAKE_PACKET_BYTES];
	struct rmdt_handshake_packet p;
	const char *reason;
	struct ends x;
	size_t len;

	(void)state;
	start(&x, NULL, NULL);
	pass(&x.i, &x.r, 0);
	pass(&x.r, &x.i, 0);
	rmdt_handshake_admit(x.i.hs, 0, 0, NULL);
	pass(&x.i, &x.r, 0);
	rmdt_handshake_admit(x.r.hs, 0, RMDT_CODE_UNAUTHORISED, "who are you");
	rmdt_handshake_send(x.r.hs, 0, buf, sizeof(buf));	/* the first REJECT is lost */
	assert_int_equal(pass(&x.i, &x.r, S / 4), RMDT_HS_FINISH);
	len = rmdt_handshake_send(x.r.hs, S / 4, buf, sizeof(buf));
	assert_int_equal(rmdt_handshake_read(buf, len, &p), 0);
	assert_int_equal(p.type, RMDT_HS_REJECT);
	buf[len - 1] ^= 1;	/* a forged one changes nothing: we are done already, and it is not proven */
	rmdt_handshake_receive(x.i.hs, S / 4, &p, buf);
	assert_int_equal(rmdt_handshake_state(x.i.hs), RMDT_HANDSHAKE_DONE);
	buf[len - 1] ^= 1;
	rmdt_handshake_receive(x.i.hs, S / 4, &p, buf);
	assert_int_equal(rmdt_handshake_state(x.i.hs), RMDT_HANDSHAKE_FAILED);
	assert_int_equal(rmdt_handshake_code(x.i.hs, &reason), RMDT_CODE_UNAUTHORISED);
	assert_string_equal(reason, "who are you");
	stop(&x);
}

static void test_unproven_reject_is_doubted(void **state)	/* H1 */
{
	struct rmdt_handshake_packet p = { .type = RMDT_HS_REJECT, .suite = RMDT_AES_256_GCM, .version = RMDT_VERSION_1,
		.dcid = 111, .code = RMDT_CODE_BUSY, .reason = "full", .reason_len = 4 };
	uint8_t buf[RMDT_HANDSHAKE_PACKET_BYTES];
	const char *reason;
	struct ends x;
	size_t len;

	(void)state;
	start(&x, NULL, NULL);
	len = rmdt_handshake_write(buf, sizeof(buf), &p);
	assert_int_equal(rmdt_handshake_read(buf, len, &p), 0);
	rmdt_handshake_receive(x.i.hs, 0, &p, buf);
	rmdt_handshake_tick(x.i.hs, S - 1);
	assert_int_equal(rmdt_handshake_state(x.i.hs), RMDT_HANDSHAKE_RUNNING);
	rmdt_handshake_tick(x.i.hs, S);
	assert_int_equal(rmdt_handshake_state(x.i.hs), RMDT_HANDSHAKE_FAILED);
	assert_int_equal(rmdt_handshake_code(x.i.hs, &reason), RMDT_CODE_BUSY);
	stop(&x);

	start(&x, NULL, NULL);	/* but the true answer wins over it */
	rmdt_handshake_receive(x.i.hs, 0, &p, buf);
	pass(&x.i, &x.r, 0);
	pass(&x.r, &x.i, 0);
	rmdt_handshake_tick(x.i.hs, 2 * S);
	assert_int_equal(rmdt_handshake_state(x.i.hs), RMDT_HANDSHAKE_ADMIT);
	stop(&x);
}

static void test_retry_repeats_init_with_the_cookie(void **state)	/* H8 */
{
	struct rmdt_handshake_packet p = { .type = RMDT_HS_RETRY, .suite = RMDT_AES_256_GCM, .version = RMDT_VERSION_1,
		.dcid = 111, .cookie = (const uint8_t *)"crumbs", .cookie_len = 6 }, got;
	uint8_t before[RMDT_HANDSHAKE_PACKET_BYTES], after[RMDT_HANDSHAKE_PACKET_BYTES];
	struct rmdt_handshake_packet first;
	struct ends x;
	size_t len;

	(void)state;
	start(&x, NULL, NULL);
	len = rmdt_handshake_send(x.i.hs, 0, before, sizeof(before));
	assert_int_equal(rmdt_handshake_read(before, len, &first), 0);
	for (int k = 0; k < RMDT_HANDSHAKE_RETRIES; k++) {
		assert_true(rmdt_handshake_receive(x.i.hs, 0, &p, before));
		len = rmdt_handshake_send(x.i.hs, 0, after, sizeof(after));
		assert_int_equal(rmdt_handshake_read(after, len, &got), 0);
		assert_true(got.cookie_len == 6 && !memcmp(got.cookie, "crumbs", 6));
		assert_true(got.noise_len == first.noise_len && !memcmp(got.noise, first.noise, got.noise_len));
	}
	assert_false(rmdt_handshake_receive(x.i.hs, 0, &p, before));	/* enough is enough */
	stop(&x);
}

/* A changed byte anywhere in a packet never ends the handshake: the true packet still completes it. */
static void test_altered_packets_change_nothing(void **state)
{
	(void)state;
	for (int step = 0; step < 3; step++) {
		struct ends x;
		struct end *from, *to;
		uint8_t buf[RMDT_HANDSHAKE_PACKET_BYTES], bad[RMDT_HANDSHAKE_PACKET_BYTES];
		struct rmdt_handshake_packet p;
		size_t len;

		start(&x, NULL, NULL);
		if (step > 0)
			pass(&x.i, &x.r, 0);
		if (step > 1) {
			pass(&x.r, &x.i, 0);
			rmdt_handshake_admit(x.i.hs, 0, 0, NULL);
		}
		from = step == 1 ? &x.r : &x.i;
		to = step == 1 ? &x.i : &x.r;
		len = rmdt_handshake_send(from->hs, 0, buf, sizeof(buf));
		/* Message 1 is in clear by nature; and the padding of message 2 says nothing. */
		for (size_t at = RMDT_HANDSHAKE_HEADER_BYTES; step > 0 && at < len && at < 400; at++) {
			memcpy(bad, buf, len);
			bad[at] ^= 0x55;
			if (rmdt_handshake_read(bad, len, &p) < 0)
				continue;
			if (step == 1 && at >= RMDT_HANDSHAKE_HEADER_BYTES + 2 + p.noise_len)
				break;
			rmdt_handshake_receive(to->hs, 0, &p, bad);
			assert_int_equal(rmdt_handshake_state(to->hs), RMDT_HANDSHAKE_RUNNING);
		}
		assert_int_equal(rmdt_handshake_read(buf, len, &p), 0);
		assert_true(rmdt_handshake_receive(to->hs, 0, &p, buf));
		if (step > 0)
			assert_int_equal(rmdt_handshake_state(to->hs), RMDT_HANDSHAKE_ADMIT);
		stop(&x);
	}
}

static void test_a_pause_moves_the_end(void **state)	/* L1 */
{
	struct ends x;

	(void)state;
	start(&x, NULL, NULL);
	rmdt_handshake_shift(x.i.hs, 5 * S);
	rmdt_handshake_tick(x.i.hs, 14 * S);
	assert_int_equal(rmdt_handshake_state(x.i.hs), RMDT_HANDSHAKE_RUNNING);
	rmdt_handshake_tick(x.i.hs, 15 * S);
	assert_int_equal(rmdt_handshake_state(x.i.hs), RMDT_HANDSHAKE_FAILED);
	stop(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complete), cmocka_unit_test(test_init_is_repeated_byte_for_byte),
		cmocka_unit_test(test_responder_only_answers),
		cmocka_unit_test(test_responder_is_silent_after_the_end),
		cmocka_unit_test(test_wrong_psk_is_named_on_both_sides),
		cmocka_unit_test(test_refusal_is_proven_and_repeated), cmocka_unit_test(test_unproven_reject_is_doubted),
		cmocka_unit_test(test_retry_repeats_init_with_the_cookie),
		cmocka_unit_test(test_altered_packets_change_nothing), cmocka_unit_test(test_a_pause_moves_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

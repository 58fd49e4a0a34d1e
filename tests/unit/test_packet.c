/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/packet.h"
#include "core/rng.h"

/* The layouts are a promise. */
static void test_data_header(void **state)
{
	static const struct {
		uint32_t flow;
		size_t len;
		uint8_t bytes[RMDT_DATA_HEADER_MAX_BYTES];
	} row[] = {
		{ 0, 15, { 0x78, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x00, 0xfe, 0xdc, 0xba, 0x98, 0x76 } },
		{ 0xff, 15, { 0x78, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xff, 0xfe, 0xdc, 0xba, 0x98, 0x76 } },
		{ 0x100, 18, { 0x7c, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x00, 0x00, 0x01, 0x00,
			       0xfe, 0xdc, 0xba, 0x98, 0x76 } },
		{ UINT32_MAX, 18, { 0x7c, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xff, 0xff, 0xff, 0xff,
				    0xfe, 0xdc, 0xba, 0x98, 0x76 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct rmdt_data_header in = { .phase = true, .open = true, .fin = true, .pn = 0xa1b2c389abcdef,
			.cid = 0x01234567, .flow = row[i].flow, .off = 0x123456fedcba9876 }, out;
		uint8_t buf[RMDT_DATA_HEADER_MAX_BYTES];
		size_t len = row[i].len;
		uint32_t cid;

		assert_int_equal(rmdt_data_header_bytes(in.flow), len);
		assert_int_equal(rmdt_data_header_write(buf, &in), len);
		assert_memory_equal(buf, row[i].bytes, len);
		assert_int_equal(rmdt_packet_form(buf, len, &cid), RMDT_FORM_DATA);
		assert_int_equal(cid, 0x01234567);
		assert_int_equal(rmdt_data_header_read(buf, len, &out), len);
		assert_true(out.phase && out.open && out.fin && out.cid == in.cid && out.flow == in.flow);
		assert_true(out.pn == 0x89abcdef && out.off == 0xfedcba9876);	/* their low bits */
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(rmdt_data_header_read(buf, cut, &out), 0);
	}
}

static void test_ctrl_header(void **state)
{
	static const uint8_t bytes[RMDT_CTRL_HEADER_BYTES] = { 0xa0, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	struct rmdt_ctrl_header in = { .phase = true, .pn = 0xa1b2c389abcdef, .cid = 0x01234567 }, out;
	uint8_t buf[RMDT_CTRL_HEADER_BYTES + RMDT_TAG_BYTES] = { 0 };
	uint32_t cid;

	(void)state;
	rmdt_ctrl_header_write(buf, &in);
	assert_memory_equal(buf, bytes, sizeof(bytes));
	assert_int_equal(rmdt_packet_form(buf, sizeof(buf), &cid), RMDT_FORM_CTRL);
	assert_int_equal(cid, 0x01234567);
	assert_true(rmdt_ctrl_header_read(buf, &out));
	assert_true(out.phase && out.pn == 0x89abcdef && out.cid == in.cid);
}

static void test_reserved_bits_are_refused(void **state)	/* P1, P4 */
{
	struct rmdt_data_header d = { .pn = 1, .flow = 0x300 };
	struct rmdt_ctrl_header c = { .pn = 1 };
	uint8_t buf[RMDT_DATA_HEADER_MAX_BYTES];

	(void)state;
	for (int bit = 0; bit < 6; bit++) {
		rmdt_data_header_write(buf, &d);
		buf[0] |= (uint8_t)(1 << bit);
		assert_int_equal(rmdt_data_header_read(buf, sizeof(buf), &d) > 0, bit >= 2);
		rmdt_ctrl_header_write(buf, &c);
		buf[0] |= (uint8_t)(1 << bit);
		assert_int_equal(rmdt_ctrl_header_read(buf, &c), bit == 5);
		memset(&c, 0, sizeof(c));
	}
	/* One flow, one length: an id that fits in a byte never takes four. */
	rmdt_data_header_write(buf, &d);
	memcpy(buf + 9, "\0\0\0\xff", 4);
	assert_int_equal(rmdt_data_header_read(buf, sizeof(buf), &d), 0);
}

static void test_expand(void **state)	/* P8, P9 */
{
	const uint64_t w = UINT64_C(1) << 32, o = UINT64_C(1) << 40;
	const struct {
		uint64_t low, expected, want;
		unsigned bits;
	} row[] = {
		{ 0, 0, 0, 32 }, { 5, 5, 5, 32 }, { 7, 0, 7, 32 },
		{ w - 1, 0, w - 1, 32 },			/* nothing lies below 0 */
		{ w - 1, w, w - 1, 32 }, { 0, w - 1, w, 32 },	/* just before, just after the turn */
		{ 3, w - 3, w + 3, 32 }, { w - 3, w + 3, w - 3, 32 },
		{ w - 3, 9 * w + 3, 9 * w - 3, 32 }, { 3, 9 * w - 3, 9 * w + 3, 32 },
		{ w / 2 - 1, 5 * w, 5 * w + w / 2 - 1, 32 }, { w / 2 + 1, 5 * w, 4 * w + w / 2 + 1, 32 },
		{ 0, 0xa82f30ea, 0x100000000, 32 },
		{ 0x9b32, 0xa82f30eb, 0xa82f9b32, 16 },		/* the example of RFC 9000, A.3 */
		{ o - 1, o, o - 1, 40 }, { 0, o - 1, o, 40 }, { 100, 7 * o - 100, 7 * o + 100, 40 },
		{ o - 100, 7 * o + 100, 7 * o - 100, 40 },
		{ 1, UINT64_MAX, UINT64_MAX - o + 2, 40 },	/* nor above the end */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_true(rmdt_packet_expand(row[i].low, row[i].bits, row[i].expected) == row[i].want);
}

static void test_expand_finds_all_that_is_near(void **state)
{
	struct rmdt_rng rng;
	uint8_t seed[32] = { 4 };

	(void)state;
	rmdt_rng_init(&rng, seed);
	for (int i = 0; i < 100000; i++) {
		unsigned bits = i % 2 ? RMDT_PN_BITS : RMDT_OFF_BITS;
		uint64_t half = UINT64_C(1) << (bits - 1), turn = (rmdt_rng_u64(&rng) % 1000) << bits;
		uint64_t expected = turn + rmdt_rng_u64(&rng) % (4 * half), value;

		value = expected + rmdt_rng_u64(&rng) % (2 * half - 1) + 1;	/* expected - half < value < expected + half */
		value = value > half ? value - half : value;
		assert_true(rmdt_packet_expand(value & (2 * half - 1), bits, expected) == value);
	}
	rmdt_rng_fini(&rng);
}

static void test_forms_and_lengths(void **state)
{
	static const struct {
		uint8_t first;
		size_t least;
		enum rmdt_form form;
	} row[] = {
		{ 0x00, 100, RMDT_FORM_BAD }, { 0x40, 15, RMDT_FORM_DATA }, { 0x80, 25, RMDT_FORM_CTRL },
		{ 0xc1, 16, RMDT_FORM_HANDSHAKE },
	};
	uint8_t buf[100] = { 0 };
	uint32_t cid;

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		buf[0] = row[i].first;
		assert_int_equal(rmdt_packet_form(buf, row[i].least, &cid), row[i].form);
		assert_int_equal(rmdt_packet_form(buf, row[i].least - 1, &cid), RMDT_FORM_BAD);
		assert_int_equal(rmdt_packet_form(buf, 0, &cid), RMDT_FORM_BAD);
	}
}

static const struct rmdt_handshake_packet sample = {
	.suite = 2, .flags = 1, .version = RMDT_VERSION_1, .dcid = 5, .scid = UINT32_MAX,
	.cookie = (const uint8_t *)"cookie", .cookie_len = 6, .noise = (const uint8_t *)"noise message", .noise_len = 13,
	.code = 7, .reason = "because", .reason_len = 7, .versions = { 1, 2, 3 }, .n_versions = 3,
};

static void test_handshake_round_trip(void **state)
{
	(void)state;
	for (int type = RMDT_HS_INIT; type <= RMDT_HS_UNKNOWN; type++) {
		struct rmdt_handshake_packet in = sample, out;
		uint8_t buf[1400];
		size_t len;

		in.type = type;
		len = rmdt_handshake_write(buf, sizeof(buf), &in);
		assert_true(len > 0);
		if (type == RMDT_HS_INIT || type == RMDT_HS_REPLY)
			assert_int_equal(len, RMDT_BASE_BYTES);
		assert_int_equal(rmdt_handshake_read(buf, len, &out), 0);
		assert_int_equal(out.type, type);
		assert_true(out.suite == 2 && out.flags == 1 && out.dcid == 5 && out.scid == UINT32_MAX);
		if (type == RMDT_HS_INIT || type == RMDT_HS_RETRY)
			assert_true(out.cookie_len == 6 && !memcmp(out.cookie, "cookie", 6));
		if (type <= RMDT_HS_FINISH)
			assert_true(out.noise_len == 13 && !memcmp(out.noise, "noise message", 13));
		if (type == RMDT_HS_REJECT)
			assert_true(out.code == 7 && out.reason_len == 7 && out.proven_len == len - RMDT_TAG_BYTES);
		if (type == RMDT_HS_VERSIONS)
			assert_true(out.n_versions == 3 && out.versions[2] == 3);
		/* Every cut is noticed, but in the padding, which says nothing. */
		if (type != RMDT_HS_INIT && type != RMDT_HS_REPLY)
			for (size_t cut = 0; cut < len; cut++)
				assert_int_equal(rmdt_handshake_read(buf, cut, &out), -EBADMSG);
		assert_int_equal(rmdt_handshake_write(buf, len - 1, &in), 0);
	}
}

static void test_handshake_header(void **state)
{
	static const uint8_t bytes[RMDT_HANDSHAKE_HEADER_BYTES] = { 0xc7, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
								    2, 1, 0, 0, 0, 0, 1 };
	struct rmdt_handshake_packet in = { .type = RMDT_HS_UNKNOWN, .suite = 2, .flags = 1, .version = RMDT_VERSION_1,
					    .dcid = 0x01234567, .scid = 0x89abcdef };
	uint8_t buf[100];
	uint32_t cid;

	(void)state;
	assert_int_equal(rmdt_handshake_write(buf, sizeof(buf), &in), sizeof(bytes));
	assert_memory_equal(buf, bytes, sizeof(bytes));
	assert_int_equal(rmdt_packet_form(buf, sizeof(bytes), &cid), RMDT_FORM_HANDSHAKE);
	assert_int_equal(cid, 0x01234567);
}

static void test_short_init_is_refused(void **state)	/* H2: it could draw more than it is */
{
	struct rmdt_handshake_packet in = sample, out;
	uint8_t buf[1400];

	(void)state;
	in.type = RMDT_HS_INIT;
	rmdt_handshake_write(buf, sizeof(buf), &in);
	assert_int_equal(rmdt_handshake_read(buf, RMDT_BASE_BYTES - 1, &out), -EBADMSG);
}

static void test_other_version_is_read_as_far_as_its_ids(void **state)
{
	struct rmdt_handshake_packet in = sample, out;
	uint8_t buf[1400];
	size_t len;

	(void)state;
	in.type = RMDT_HS_INIT;
	in.version = 77;
	len = rmdt_handshake_write(buf, sizeof(buf), &in);
	assert_int_equal(rmdt_handshake_read(buf, len, &out), 0);
	assert_true(out.version == 77 && out.scid == UINT32_MAX && out.noise_len == 0);
}

static const struct rmdt_params params = {
	.instance = { 1, 2, 3 }, .cid = 0x11223344, .max_payload_bytes = 65507, .cipher_none = true,
	.peer_credit_bytes = 1 << 20, .flow_credit_bytes = 1 << 19, .max_flows = 99, .keepalive_us = 15000000,
	.role = 2, .name = "an engine", .software = "rmdt",
};

static void test_params_round_trip(void **state)
{
	struct rmdt_params out;
	uint8_t buf[400];
	size_t len = rmdt_params_write(buf, sizeof(buf), &params);

	(void)state;
	assert_true(len > 0);
	assert_int_equal(rmdt_params_read(buf, len, &out), 0);
	assert_true(!memcmp(out.instance, params.instance, 16) && out.cid == params.cid);
	assert_true(out.max_payload_bytes == 65507 && out.cipher_none && out.max_flows == 99);
	assert_true(out.peer_credit_bytes == 1 << 20 && out.flow_credit_bytes == 1 << 19);
	assert_string_equal(out.name, "an engine");
	assert_int_equal(rmdt_params_write(buf, len - 1, &params), 0);
}

static void test_bad_params(void **state)	/* H12 */
{
	struct rmdt_params out = { .cid = 42 };
	uint8_t buf[400];
	size_t len = rmdt_params_write(buf, sizeof(buf), &params);

	(void)state;
	buf[len] = 50;		/* unknown, not critical, empty */
	buf[len + 1] = 0;
	assert_int_equal(rmdt_params_read(buf, len + 2, &out), 0);
	out.cid = 42;
	buf[len] = 0x40;	/* 64 as a varint: unknown and critical */
	buf[len + 1] = 0x40;
	buf[len + 2] = 0;
	assert_int_equal(rmdt_params_read(buf, len + 3, &out), -ENOTSUP);
	buf[len] = 4;		/* twice */
	buf[len + 1] = 0;
	assert_int_equal(rmdt_params_read(buf, len + 2, &out), -EPROTO);
	buf[len] = 50;		/* longer than what is left */
	buf[len + 1] = 9;
	assert_int_equal(rmdt_params_read(buf, len + 2, &out), -EPROTO);
	assert_int_equal(rmdt_params_read(buf, 0, &out), -EPROTO);
	assert_true(out.cid == 42);	/* written only on success */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_header), cmocka_unit_test(test_ctrl_header),
		cmocka_unit_test(test_reserved_bits_are_refused), cmocka_unit_test(test_expand),
		cmocka_unit_test(test_expand_finds_all_that_is_near),
		cmocka_unit_test(test_forms_and_lengths), cmocka_unit_test(test_handshake_round_trip),
		cmocka_unit_test(test_handshake_header), cmocka_unit_test(test_short_init_is_refused),
		cmocka_unit_test(test_other_version_is_read_as_far_as_its_ids),
		cmocka_unit_test(test_params_round_trip), cmocka_unit_test(test_bad_params),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

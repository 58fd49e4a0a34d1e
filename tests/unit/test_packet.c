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

static void test_data_header(void **state)
{
	struct rmdt_data_header in = { .phase = true, .open = true, .fin = true, .pn = RMDT_PN_MAX,
		.cid = 0x0123456789abcdef, .flow = 0xfedcba98, .off = UINT64_C(1) << 61 }, out;
	uint8_t buf[RMDT_DATA_HEADER_BYTES];
	uint64_t cid;

	(void)state;
	rmdt_data_header_write(buf, &in);
	assert_int_equal(rmdt_packet_form(buf, sizeof(buf), &cid), RMDT_FORM_DATA);
	assert_true(cid == in.cid);
	assert_true(rmdt_data_header_read(buf, &out));
	assert_true(out.phase && out.open && out.fin && out.pn == in.pn && out.cid == in.cid);
	assert_true(out.flow == in.flow && out.off == in.off);
	/* The layout is a promise. */
	assert_int_equal(buf[0], 0x78);
	assert_int_equal(buf[1], 0xff);
	assert_int_equal(buf[8], 0x01);
	assert_int_equal(buf[16], 0xfe);
	assert_int_equal(buf[20], 0x20);
}

static void test_reserved_bits_are_refused(void **state)	/* P1, P4 */
{
	struct rmdt_data_header d = { .pn = 1 };
	struct rmdt_ctrl_header c = { .pn = 1 };
	uint8_t buf[RMDT_DATA_HEADER_BYTES];

	(void)state;
	for (int bit = 0; bit < 6; bit++) {
		rmdt_data_header_write(buf, &d);
		buf[0] |= (uint8_t)(1 << bit);
		assert_int_equal(rmdt_data_header_read(buf, &d), bit >= 3);
		memset(&d, 0, sizeof(d));
		rmdt_ctrl_header_write(buf, &c);
		buf[0] |= (uint8_t)(1 << bit);
		assert_int_equal(rmdt_ctrl_header_read(buf, &c), bit == 5);
		memset(&c, 0, sizeof(c));
	}
}

static void test_forms_and_lengths(void **state)
{
	static const struct {
		uint8_t first;
		size_t least;
		enum rmdt_form form;
	} row[] = {
		{ 0x00, 100, RMDT_FORM_BAD }, { 0x40, 28, RMDT_FORM_DATA }, { 0x80, 32, RMDT_FORM_CTRL },
		{ 0xc1, 24, RMDT_FORM_HANDSHAKE },
	};
	uint8_t buf[100] = { 0 };
	uint64_t cid;

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		buf[0] = row[i].first;
		assert_int_equal(rmdt_packet_form(buf, row[i].least, &cid), row[i].form);
		assert_int_equal(rmdt_packet_form(buf, row[i].least - 1, &cid), RMDT_FORM_BAD);
		assert_int_equal(rmdt_packet_form(buf, 0, &cid), RMDT_FORM_BAD);
	}
}

static const struct rmdt_handshake_packet sample = {
	.suite = 2, .flags = 1, .version = RMDT_VERSION_1, .dcid = 5, .scid = UINT64_MAX,
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
		assert_true(out.suite == 2 && out.flags == 1 && out.dcid == 5 && out.scid == UINT64_MAX);
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
	assert_true(out.version == 77 && out.scid == UINT64_MAX && out.noise_len == 0);
}

static const struct rmdt_params params = {
	.instance = { 1, 2, 3 }, .cid = 0x1122334455667788, .max_payload_bytes = 65507, .cipher_none = true,
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
		cmocka_unit_test(test_data_header), cmocka_unit_test(test_reserved_bits_are_refused),
		cmocka_unit_test(test_forms_and_lengths), cmocka_unit_test(test_handshake_round_trip),
		cmocka_unit_test(test_short_init_is_refused),
		cmocka_unit_test(test_other_version_is_read_as_far_as_its_ids),
		cmocka_unit_test(test_params_round_trip), cmocka_unit_test(test_bad_params),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

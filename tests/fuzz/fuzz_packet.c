/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be read before anything is proven: forms, headers, handshake packets, transport parameters. What is accepted
 * keeps the promises of core/packet.h and survives being written again. The first byte chooses the parser.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_headers(const uint8_t *data, size_t size)
{
	uint8_t again[RMDT_DATA_HEADER_MAX_BYTES];
	struct rmdt_data_header d;
	struct rmdt_ctrl_header c;
	uint32_t cid;
	size_t len;

	switch (rmdt_packet_form(data, size, &cid)) {
	case RMDT_FORM_DATA:
		len = rmdt_data_header_read(data, size, &d);
		assert(len <= size);
		if (len == 0)
			return;
		assert(d.cid == cid && d.pn >> RMDT_PN_BITS == 0 && d.off >> RMDT_OFF_BITS == 0);
		assert(rmdt_data_header_write(again, &d) == len && memcmp(data, again, len) == 0);
		break;
	case RMDT_FORM_CTRL:
		assert(size >= RMDT_CTRL_HEADER_BYTES + RMDT_TAG_BYTES);
		if (!rmdt_ctrl_header_read(data, &c))
			return;
		assert(c.cid == cid && c.pn >> RMDT_PN_BITS == 0);
		rmdt_ctrl_header_write(again, &c);
		assert(memcmp(data, again, RMDT_CTRL_HEADER_BYTES) == 0);
		break;
	case RMDT_FORM_HANDSHAKE:
		assert(size >= RMDT_HANDSHAKE_HEADER_BYTES);
		break;
	case RMDT_FORM_BAD:
		break;
	}
}

static void check_block(const uint8_t *data, size_t size, const void *at, size_t len)
{
	const uint8_t *p = at;

	assert(len == 0 || (p >= data && len <= size && (size_t)(p - data) <= size - len));
}

static void check_same(const void *a, size_t a_len, const void *b, size_t b_len)
{
	assert(a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0));
}

static void try_handshake(const uint8_t *data, size_t size)
{
	struct rmdt_handshake_packet p, back;
	uint8_t again[2048];
	size_t len;

	if (rmdt_handshake_read(data, size, &p) < 0)
		return;
	check_block(data, size, p.cookie, p.cookie_len);
	check_block(data, size, p.noise, p.noise_len);
	check_block(data, size, p.reason, p.reason_len);
	check_block(data, size, p.proof, p.proof ? RMDT_TAG_BYTES : 0);
	assert(p.cookie_len <= RMDT_COOKIE_MAX && p.noise_len <= RMDT_NOISE_MESSAGE_MAX);
	assert(p.proven_len <= size && p.n_versions <= 8);
	if (p.version != RMDT_VERSION_1)
		return;
	len = rmdt_handshake_write(again, sizeof(again), &p);
	assert(len > 0 && rmdt_handshake_read(again, len, &back) == 0);
	assert(back.type == p.type && back.suite == p.suite && back.flags == p.flags && back.code == p.code);
	assert(back.dcid == p.dcid && back.scid == p.scid && back.n_versions == p.n_versions);
	check_same(p.cookie, p.cookie_len, back.cookie, back.cookie_len);
	check_same(p.noise, p.noise_len, back.noise, back.noise_len);
	check_same(p.reason, p.reason_len, back.reason, back.reason_len);
	assert(memcmp(p.versions, back.versions, sizeof(p.versions)) == 0);
}

static void try_params(const uint8_t *data, size_t size)
{
	struct rmdt_params p, back;
	uint8_t again[512];
	size_t len;
	int err = rmdt_params_read(data, size, &p);

	if (err) {
		assert(err == -EPROTO || err == -ENOTSUP);
		return;
	}
	assert(p.cid != 0 && p.max_payload_bytes >= RMDT_BASE_BYTES);
	assert(memchr(p.name, 0, sizeof(p.name)) && memchr(p.software, 0, sizeof(p.software)));
	len = rmdt_params_write(again, sizeof(again), &p);
	assert(len > 0 && rmdt_params_read(again, len, &back) == 0);
	assert(back.cid == p.cid && back.cipher_none == p.cipher_none && back.role == p.role);
	assert(back.peer_credit_bytes == p.peer_credit_bytes && back.flow_credit_bytes == p.flow_credit_bytes);
	assert(back.max_flows == p.max_flows && back.keepalive_us == p.keepalive_us);
	assert(memcmp(back.instance, p.instance, sizeof(p.instance)) == 0);
	assert(strcmp(back.name, p.name) == 0 && strcmp(back.software, p.software) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t padded[RMDT_BASE_BYTES + 4096];

	if (size == 0 || size > 4096)
		return 0;
	switch (data[0] % 4) {
	case 0:
		try_headers(data + 1, size - 1);
		break;
	case 1:
		try_handshake(data + 1, size - 1);
		break;
	case 2:	/* INIT must be long: as if the input stood before zeros */
		memset(padded, 0, sizeof(padded));
		memcpy(padded, data + 1, size - 1);
		try_handshake(padded, RMDT_BASE_BYTES + size);
		break;
	default:
		try_params(data + 1, size - 1);
	}
	return 0;
}

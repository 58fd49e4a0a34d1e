/* SPDX-License-Identifier: Apache-2.0 */
#include "core/packet.h"

#include <errno.h>
#include <string.h>

#include "core/wire.h"

#define FORM_MASK	0xc0
#define FORM_DATA	0x40
#define FORM_CTRL	0x80
#define FORM_HANDSHAKE	0xc0
#define BIT_PHASE	0x20
#define BIT_OPEN	0x10
#define BIT_FIN		0x08
#define BIT_WIDE	0x04
#define TYPE_MASK	0x3f
/* Where the fields stand. The connection id has its place in all forms. */
#define AT_CID		1
#define AT_PN		5
#define AT_FLOW		9
#define OFF_BYTES	(RMDT_OFF_BITS / 8)

enum rmdt_form rmdt_packet_form(const uint8_t *buf, size_t len, uint32_t *cid)
{
	static const struct {
		enum rmdt_form form;
		size_t least;
	} forms[4] = {
		{ RMDT_FORM_BAD, 0 },
		{ RMDT_FORM_DATA, RMDT_DATA_HEADER_MIN_BYTES },
		{ RMDT_FORM_CTRL, RMDT_CTRL_HEADER_BYTES + RMDT_TAG_BYTES },
		{ RMDT_FORM_HANDSHAKE, RMDT_HANDSHAKE_HEADER_BYTES },
	};
	unsigned i;

	if (len < RMDT_CTRL_HEADER_BYTES)
		return RMDT_FORM_BAD;
	i = buf[0] >> 6;
	if (len < forms[i].least)
		return RMDT_FORM_BAD;
	*cid = rmdt_wire_load_u32(buf + AT_CID);
	return forms[i].form;
}

uint64_t rmdt_packet_expand(uint64_t low, unsigned bits, uint64_t expected)
{
	uint64_t span = UINT64_C(1) << bits, near = (expected & ~(span - 1)) | low;

	if (near + span / 2 < expected && near + span > near)
		return near + span;
	if (near > expected && near - expected > span / 2 && near >= span)
		return near - span;
	return near;
}

size_t rmdt_data_header_write(uint8_t out[RMDT_DATA_HEADER_MAX_BYTES], const struct rmdt_data_header *h)
{
	size_t len = rmdt_data_header_bytes(h->flow);
	bool wide = len == RMDT_DATA_HEADER_MAX_BYTES;
	uint8_t *off = out + len - OFF_BYTES;

	out[0] = (uint8_t)(FORM_DATA | (h->phase ? BIT_PHASE : 0) | (h->open ? BIT_OPEN : 0) | (h->fin ? BIT_FIN : 0) |
			   (wide ? BIT_WIDE : 0));
	rmdt_wire_store_u32(out + AT_CID, h->cid);
	rmdt_wire_store_u32(out + AT_PN, (uint32_t)h->pn);
	if (wide)
		rmdt_wire_store_u32(out + AT_FLOW, h->flow);
	else
		out[AT_FLOW] = (uint8_t)h->flow;
	off[0] = (uint8_t)(h->off >> 32);
	rmdt_wire_store_u32(off + 1, (uint32_t)h->off);
	return len;
}

size_t rmdt_data_header_read(const uint8_t *buf, size_t len, struct rmdt_data_header *h)
{
	bool wide = len > 0 && (buf[0] & BIT_WIDE);
	size_t need = wide ? RMDT_DATA_HEADER_MAX_BYTES : RMDT_DATA_HEADER_MIN_BYTES;
	const uint8_t *off = buf + need - OFF_BYTES;
	uint32_t flow;

	if (len < need || (buf[0] & ~(FORM_MASK | BIT_PHASE | BIT_OPEN | BIT_FIN | BIT_WIDE)))
		return 0;
	flow = wide ? rmdt_wire_load_u32(buf + AT_FLOW) : buf[AT_FLOW];
	if (need != rmdt_data_header_bytes(flow))
		return 0;
	h->phase = buf[0] & BIT_PHASE;
	h->open = buf[0] & BIT_OPEN;
	h->fin = buf[0] & BIT_FIN;
	h->cid = rmdt_wire_load_u32(buf + AT_CID);
	h->pn = rmdt_wire_load_u32(buf + AT_PN);
	h->flow = flow;
	h->off = (uint64_t)off[0] << 32 | rmdt_wire_load_u32(off + 1);
	return need;
}

void rmdt_ctrl_header_write(uint8_t out[RMDT_CTRL_HEADER_BYTES], const struct rmdt_ctrl_header *h)
{
	out[0] = FORM_CTRL | (h->phase ? BIT_PHASE : 0);
	rmdt_wire_store_u32(out + AT_CID, h->cid);
	rmdt_wire_store_u32(out + AT_PN, (uint32_t)h->pn);
}

bool rmdt_ctrl_header_read(const uint8_t *buf, struct rmdt_ctrl_header *h)
{
	if (buf[0] & ~(FORM_MASK | BIT_PHASE))
		return false;
	h->phase = buf[0] & BIT_PHASE;
	h->cid = rmdt_wire_load_u32(buf + AT_CID);
	h->pn = rmdt_wire_load_u32(buf + AT_PN);
	return true;
}

/* ---- handshake packets ---- */

static const uint8_t *read_block(struct rmdt_wire_reader *r, size_t max, size_t *len)
{
	size_t n = rmdt_wire_get_u16(r);

	if (n > max)
		rmdt_wire_reader_fail(r);
	*len = n;
	return rmdt_wire_get_span(r, n);
}

static void read_versions(struct rmdt_wire_reader *r, struct rmdt_handshake_packet *p)
{
	p->n_versions = rmdt_wire_get_u8(r);
	if (p->n_versions > sizeof(p->versions) / sizeof(p->versions[0]))
		rmdt_wire_reader_fail(r);
	for (unsigned i = 0; !r->bad && i < p->n_versions; i++)
		p->versions[i] = rmdt_wire_get_u32(r);
}

static void read_body(struct rmdt_wire_reader *r, const uint8_t *buf, struct rmdt_handshake_packet *p)
{
	switch (p->type) {
	case RMDT_HS_INIT:
		p->cookie = read_block(r, RMDT_COOKIE_MAX, &p->cookie_len);
		/* fall through */
	case RMDT_HS_REPLY:
	case RMDT_HS_FINISH:
		p->noise = read_block(r, RMDT_NOISE_MESSAGE_MAX, &p->noise_len);
		break;
	case RMDT_HS_RETRY:
		p->cookie = read_block(r, RMDT_COOKIE_MAX, &p->cookie_len);
		break;
	case RMDT_HS_REJECT:
		p->code = rmdt_wire_get_u16(r);
		p->reason = (const char *)read_block(r, 128, &p->reason_len);
		p->proven_len = (size_t)(r->pos - buf);
		p->proof = rmdt_wire_get_span(r, RMDT_TAG_BYTES);
		break;
	case RMDT_HS_VERSIONS:
		read_versions(r, p);
		break;
	case RMDT_HS_UNKNOWN:
		break;
	}
}

int rmdt_handshake_read(const uint8_t *buf, size_t len, struct rmdt_handshake_packet *p)
{
	struct rmdt_handshake_packet got = { 0 };
	struct rmdt_wire_reader r;
	unsigned type;

	rmdt_wire_reader_init(&r, buf, len);
	type = rmdt_wire_get_u8(&r);
	if ((type & FORM_MASK) != FORM_HANDSHAKE)
		return -EBADMSG;
	type &= TYPE_MASK;
	if (type < RMDT_HS_INIT || type > RMDT_HS_UNKNOWN)
		return -EBADMSG;
	got.type = type;
	got.dcid = rmdt_wire_get_u32(&r);
	got.scid = rmdt_wire_get_u32(&r);
	got.suite = rmdt_wire_get_u8(&r);
	got.flags = rmdt_wire_get_u8(&r);
	rmdt_wire_skip(&r, 1);
	got.version = rmdt_wire_get_u32(&r);
	if (got.type == RMDT_HS_INIT && len < RMDT_BASE_BYTES)
		return -EBADMSG;
	if (got.version == RMDT_VERSION_1 || got.type == RMDT_HS_VERSIONS)
		read_body(&r, buf, &got);
	if (r.bad)
		return -EBADMSG;
	*p = got;
	return 0;
}

static void write_block(struct rmdt_wire_writer *w, const void *data, size_t len)
{
	rmdt_wire_put_u16(w, (uint16_t)len);
	rmdt_wire_put_bytes(w, data, len);
}

static void write_body(struct rmdt_wire_writer *w, const struct rmdt_handshake_packet *p)
{
	switch (p->type) {
	case RMDT_HS_INIT:
		write_block(w, p->cookie, p->cookie_len);
		/* fall through */
	case RMDT_HS_REPLY:
	case RMDT_HS_FINISH:
		write_block(w, p->noise, p->noise_len);
		break;
	case RMDT_HS_RETRY:
		write_block(w, p->cookie, p->cookie_len);
		break;
	case RMDT_HS_REJECT:
		rmdt_wire_put_u16(w, (uint16_t)p->code);
		write_block(w, p->reason, p->reason_len);
		if (p->proof)
			rmdt_wire_put_bytes(w, p->proof, RMDT_TAG_BYTES);
		else
			rmdt_wire_put_zeros(w, RMDT_TAG_BYTES);
		break;
	case RMDT_HS_VERSIONS:
		rmdt_wire_put_u8(w, (uint8_t)p->n_versions);
		for (unsigned i = 0; i < p->n_versions; i++)
			rmdt_wire_put_u32(w, p->versions[i]);
		break;
	case RMDT_HS_UNKNOWN:
		break;
	}
}

size_t rmdt_handshake_write(uint8_t *buf, size_t size, const struct rmdt_handshake_packet *p)
{
	struct rmdt_wire_writer w;

	rmdt_wire_writer_init(&w, buf, size);
	rmdt_wire_put_u8(&w, (uint8_t)(FORM_HANDSHAKE | p->type));
	rmdt_wire_put_u32(&w, p->dcid);
	rmdt_wire_put_u32(&w, p->scid);
	rmdt_wire_put_u8(&w, p->suite);
	rmdt_wire_put_u8(&w, p->flags);
	rmdt_wire_put_u8(&w, 0);
	rmdt_wire_put_u32(&w, p->version);
	write_body(&w, p);
	if ((p->type == RMDT_HS_INIT || p->type == RMDT_HS_REPLY) && rmdt_wire_written(&w) < RMDT_BASE_BYTES)
		rmdt_wire_put_zeros(&w, RMDT_BASE_BYTES - rmdt_wire_written(&w));
	return w.bad ? 0 : rmdt_wire_written(&w);
}

/* ---- transport parameters ---- */

enum {
	PARAM_INSTANCE = 1, PARAM_CID, PARAM_MAX_PAYLOAD, PARAM_CIPHER_NONE, PARAM_PEER_CREDIT,
	PARAM_FLOW_CREDIT, PARAM_MAX_FLOWS, PARAM_KEEPALIVE, PARAM_ROLE, PARAM_NAME, PARAM_SOFTWARE,
};
#define PARAM_CRITICAL	64

static void put_bytes_param(struct rmdt_wire_writer *w, unsigned id, const void *data, size_t len)
{
	rmdt_wire_put_varint(w, id);
	rmdt_wire_put_varint(w, len);
	rmdt_wire_put_bytes(w, data, len);
}

static void put_number_param(struct rmdt_wire_writer *w, unsigned id, uint64_t value)
{
	if (value > RMDT_WIRE_VARINT_MAX)
		value = RMDT_WIRE_VARINT_MAX;
	rmdt_wire_put_varint(w, id);
	rmdt_wire_put_varint(w, rmdt_wire_varint_len(value));
	rmdt_wire_put_varint(w, value);
}

size_t rmdt_params_write(uint8_t *buf, size_t size, const struct rmdt_params *p)
{
	struct rmdt_wire_writer w;
	uint8_t cid[4];

	rmdt_wire_store_u32(cid, p->cid);
	rmdt_wire_writer_init(&w, buf, size);
	put_bytes_param(&w, PARAM_CID, cid, sizeof(cid));
	put_bytes_param(&w, PARAM_INSTANCE, p->instance, sizeof(p->instance));
	put_number_param(&w, PARAM_MAX_PAYLOAD, p->max_payload_bytes);
	if (p->cipher_none)
		put_bytes_param(&w, PARAM_CIPHER_NONE, NULL, 0);
	put_number_param(&w, PARAM_PEER_CREDIT, p->peer_credit_bytes);
	put_number_param(&w, PARAM_FLOW_CREDIT, p->flow_credit_bytes);
	put_number_param(&w, PARAM_MAX_FLOWS, p->max_flows);
	put_number_param(&w, PARAM_KEEPALIVE, p->keepalive_us);
	put_number_param(&w, PARAM_ROLE, p->role);
	put_bytes_param(&w, PARAM_NAME, p->name, strlen(p->name));
	put_bytes_param(&w, PARAM_SOFTWARE, p->software, strlen(p->software));
	return w.bad ? 0 : rmdt_wire_written(&w);
}

static void get_text(struct rmdt_wire_reader *r, char *out, size_t max)
{
	size_t len = rmdt_wire_remaining(r);

	if (len > max || memchr(r->pos, 0, len))
		rmdt_wire_reader_fail(r);
	if (r->bad)
		return;
	rmdt_wire_get_bytes(r, out, len);
	out[len] = '\0';
}

/* One parameter; what it leaves unread, or reads beyond, is a wrong length. 0 or -ENOTSUP. */
static int read_param(uint64_t id, struct rmdt_wire_reader *r, struct rmdt_params *p)
{
	switch (id) {
	case PARAM_INSTANCE:
		rmdt_wire_get_bytes(r, p->instance, sizeof(p->instance));
		return 0;
	case PARAM_CID:
		p->cid = rmdt_wire_get_u32(r);
		return 0;
	case PARAM_MAX_PAYLOAD:
		p->max_payload_bytes = rmdt_wire_get_varint(r);
		return 0;
	case PARAM_CIPHER_NONE:
		p->cipher_none = true;
		return 0;
	case PARAM_PEER_CREDIT:
		p->peer_credit_bytes = rmdt_wire_get_varint(r);
		return 0;
	case PARAM_FLOW_CREDIT:
		p->flow_credit_bytes = rmdt_wire_get_varint(r);
		return 0;
	case PARAM_MAX_FLOWS:
		p->max_flows = rmdt_wire_get_varint(r);
		return 0;
	case PARAM_KEEPALIVE:
		p->keepalive_us = rmdt_wire_get_varint(r);
		return 0;
	case PARAM_ROLE:
		p->role = (uint8_t)rmdt_wire_get_varint(r);
		return 0;
	case PARAM_NAME:
		get_text(r, p->name, sizeof(p->name) - 1);
		return 0;
	case PARAM_SOFTWARE:
		get_text(r, p->software, sizeof(p->software) - 1);
		return 0;
	default:
		rmdt_wire_skip(r, rmdt_wire_remaining(r));
		return id & PARAM_CRITICAL ? -ENOTSUP : 0;
	}
}

int rmdt_params_read(const uint8_t *buf, size_t len, struct rmdt_params *p)
{
	struct rmdt_params got = { .max_payload_bytes = RMDT_BASE_BYTES, .max_flows = 1 };
	struct rmdt_wire_reader r;
	uint64_t seen = 0;

	rmdt_wire_reader_init(&r, buf, len);
	while (rmdt_wire_remaining(&r) > 0) {
		uint64_t id = rmdt_wire_get_varint(&r);
		uint64_t size = rmdt_wire_get_varint(&r);
		struct rmdt_wire_reader value;
		int err;

		if (r.bad || size > rmdt_wire_remaining(&r))
			return -EPROTO;
		value = rmdt_wire_get_reader(&r, size);
		err = read_param(id, &value, &got);
		if (err)
			return err;
		if (value.bad || rmdt_wire_remaining(&value) > 0)
			return -EPROTO;
		if (id < 64) {
			if (seen & UINT64_C(1) << id)
				return -EPROTO;
			seen |= UINT64_C(1) << id;
		}
	}
	/* Without these two an association cannot be told from another. */
	if (r.bad || !(seen & 1u << PARAM_INSTANCE) || !(seen & 1u << PARAM_CID) || got.cid == 0 ||
	    got.max_payload_bytes < RMDT_BASE_BYTES)
		return -EPROTO;
	*p = got;
	return 0;
}

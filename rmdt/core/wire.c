/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire.h"

uint64_t rmdt_wire_get_varint(struct rmdt_wire_reader *r)
{
	size_t len;
	const uint8_t *p;

	if (rmdt_wire_remaining(r) == 0) {
		r->bad = true;
		return 0;
	}
	len = (size_t)1 << (*r->pos >> 6);
	p = rmdt_wire_get_span(r, len);
	if (!p)
		return 0;
	switch (len) {
	case 1:
		return p[0];
	case 2:
		return rmdt_wire_load_u16(p) & 0x3fff;
	case 4:
		return rmdt_wire_load_u32(p) & 0x3fffffff;
	default:
		return rmdt_wire_load_u64(p) & RMDT_WIRE_VARINT_MAX;
	}
}

void rmdt_wire_get_bytes(struct rmdt_wire_reader *r, void *dst, size_t len)
{
	const uint8_t *p = rmdt_wire_get_span(r, len);

	if (p && len)
		memcpy(dst, p, len);
}

struct rmdt_wire_reader rmdt_wire_get_reader(struct rmdt_wire_reader *r, size_t len)
{
	struct rmdt_wire_reader sub = { .pos = r->pos, .end = r->pos, .bad = false };

	if (rmdt_wire_get_span(r, len) == NULL && r->bad)
		sub.bad = true;
	else
		sub.end = r->pos;
	return sub;
}

size_t rmdt_wire_varint_len(uint64_t v)
{
	if (v <= 0x3f)
		return 1;
	if (v <= 0x3fff)
		return 2;
	if (v <= 0x3fffffff)
		return 4;
	return v <= RMDT_WIRE_VARINT_MAX ? 8 : 0;
}

void rmdt_wire_put_varint(struct rmdt_wire_writer *w, uint64_t v)
{
	switch (rmdt_wire_varint_len(v)) {
	case 1:
		rmdt_wire_put_u8(w, (uint8_t)v);
		break;
	case 2:
		rmdt_wire_put_u16(w, (uint16_t)(v | 0x4000));
		break;
	case 4:
		rmdt_wire_put_u32(w, (uint32_t)(v | 0x80000000));
		break;
	case 8:
		rmdt_wire_put_u64(w, v | UINT64_C(3) << 62);
		break;
	default:
		w->bad = true;
	}
}

void rmdt_wire_put_bytes(struct rmdt_wire_writer *w, const void *src, size_t len)
{
	uint8_t *p = rmdt_wire_put_span(w, len);

	if (p && len)
		memcpy(p, src, len);
}

void rmdt_wire_put_zeros(struct rmdt_wire_writer *w, size_t len)
{
	uint8_t *p = rmdt_wire_put_span(w, len);

	if (p && len)
		memset(p, 0, len);
}

void rmdt_wire_patch_u16(struct rmdt_wire_writer *w, size_t mark, uint16_t v)
{
	/* A mark of a bad writer, or bytes that did not fit: the error stands already. */
	if (w->bad || mark == RMDT_WIRE_BAD_MARK)
		return;
	assert(mark + 2 <= rmdt_wire_written(w));
	rmdt_wire_store_u16(w->start + mark, v);
}

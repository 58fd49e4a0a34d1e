/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/datagram.h"

#include <errno.h>
#include <string.h>

#define NUMBER_BYTES 9			/* 63 bits, seven a byte */

/* ---- varints --------------------------------------------------------------------------------- */

static size_t number_bytes(uint64_t n)
{
	size_t bytes = 1;

	for (; n >= 0x80; n >>= 7)
		bytes++;
	return bytes;
}

static uint8_t *put_number(uint8_t *p, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		*p++ = (uint8_t)(0x80 | (n & 0x7f));
	*p++ = (uint8_t)n;
	return p;
}

/* The byte behind it; NULL: it does not end, is too long, or could be shorter. */
static const uint8_t *get_number(const uint8_t *p, const uint8_t *end, uint64_t *n)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < NUMBER_BYTES && p < end; i++, p++) {
		value |= (uint64_t)(*p & 0x7f) << (7 * i);
		if (*p & 0x80)
			continue;
		if (*p == 0 && i > 0)
			return NULL;
		*n = value;
		return p + 1;
	}
	return NULL;
}

/* ---- one message ----------------------------------------------------------------------------- */

int datagram_read(const void *message, size_t len, struct datagram *d)
{
	const uint8_t *p = message, *end = p + len;
	struct datagram got = { 0 };

	if (len == 0 || *p < DATAGRAM_WHOLE || *p > DATAGRAM_OVER)
		return -EPROTO;
	got.kind = (enum datagram_kind)*p;
	p = get_number(p + 1, end, &got.session);
	if (p && got.kind == DATAGRAM_PIECE) {
		p = get_number(p, end, &got.number);
		if (!p || end - p < 3)
			return -EPROTO;		/* a piece has at least one byte */
		got.index = p[0];
		got.count = p[1];
		p += 2;
		if (got.count < 2 || got.index >= got.count)
			return -EPROTO;
	}
	if (!p || (got.kind == DATAGRAM_OVER && p != end) || end - p > DATAGRAM_BYTES)
		return -EPROTO;
	got.data = p;
	got.len = (size_t)(end - p);
	*d = got;
	return 0;
}

static size_t header_bytes(const struct datagram *d)
{
	size_t bytes = 1 + number_bytes(d->session);

	return d->kind == DATAGRAM_PIECE ? bytes + number_bytes(d->number) + 2 : bytes;
}

int datagram_write(const struct datagram *d, void *message, size_t size)
{
	size_t header = header_bytes(d);
	uint8_t *p = message;

	if (header > size || d->len > size - header)
		return -EMSGSIZE;
	*p++ = (uint8_t)d->kind;
	p = put_number(p, d->session);
	if (d->kind == DATAGRAM_PIECE) {
		p = put_number(p, d->number);
		*p++ = (uint8_t)d->index;
		*p++ = (uint8_t)d->count;
	}
	if (d->len)
		memcpy(p, d->data, d->len);
	return (int)(header + d->len);
}

/* ---- cutting --------------------------------------------------------------------------------- */

int datagram_cut_init(struct datagram_cut *cut, const struct datagram *whole, size_t max_bytes)
{
	struct datagram d = *whole;
	size_t header, count;

	d.kind = DATAGRAM_WHOLE;
	d.index = 0;
	d.count = 1;
	cut->piece_bytes = d.len;
	if (header_bytes(&d) + d.len > max_bytes) {
		d.kind = DATAGRAM_PIECE;
		header = header_bytes(&d);
		if (header >= max_bytes)
			return -EMSGSIZE;
		count = (d.len + max_bytes - header - 1) / (max_bytes - header);
		if (count < 2)
			count = 2;		/* the longer header made the difference */
		if (count > DATAGRAM_PIECES_MAX || d.len < count)
			return -EMSGSIZE;
		d.count = (unsigned)count;
		/* Of equal size, so that they are no burst of large and tiny packets. */
		cut->piece_bytes = (d.len + count - 1) / count;
		d.count = (unsigned)((d.len + cut->piece_bytes - 1) / cut->piece_bytes);
	}
	cut->d = d;
	cut->next = d.data;
	cut->end = d.len ? d.data + d.len : d.data;
	return 0;
}

size_t datagram_cut_next(struct datagram_cut *cut, void *message, size_t max_bytes)
{
	size_t left = (size_t)(cut->end - cut->next);
	int n;

	if (cut->d.index == cut->d.count)
		return 0;
	cut->d.data = cut->next;
	cut->d.len = left < cut->piece_bytes ? left : cut->piece_bytes;
	n = datagram_write(&cut->d, message, max_bytes);
	if (n < 0)
		return 0;
	cut->next += cut->d.len;
	cut->d.index++;
	return (size_t)n;
}

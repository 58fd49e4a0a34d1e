/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_WIRE_H
#define RMDT_CORE_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Cursors over bytes in network order. The error is sticky: after the first read past the end
 * (or write past it) every later call does nothing, reads yield 0 or NULL, and `bad` stays set, so
 * a parser checks once, at its end. The cursors borrow the buffer and own nothing.
 *
 * A varint is 1, 2, 4 or 8 bytes; the two top bits of the first byte give log2 of its length.
 */

/* Largest value a varint can carry. */
#define RMDT_WIRE_VARINT_MAX ((UINT64_C(1) << 62) - 1)

struct rmdt_wire_reader {
	const uint8_t *pos; /* next byte to read */
	const uint8_t *end; /* one past the last byte */
	bool bad;           /* sticky: a read went past the end or a value was malformed */
};

struct rmdt_wire_writer {
	uint8_t *start;
	uint8_t *pos; /* next byte to write */
	uint8_t *end; /* one past the last byte that may be written */
	bool bad;     /* sticky: a write did not fit, or a value cannot be encoded */
};

/* A mark taken from a writer whose error was already set. */
#define RMDT_WIRE_BAD_MARK SIZE_MAX

static inline void rmdt_wire_reader_init(struct rmdt_wire_reader *r, const void *data, size_t len)
{
	r->pos = data;
	r->end = len ? r->pos + len : r->pos;
	r->bad = false;
}

/* Bytes not read yet; 0 once the error is set. */
static inline size_t rmdt_wire_remaining(const struct rmdt_wire_reader *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->pos);
}

/* Sets the sticky error: the parser found a value that it cannot accept. */
static inline void rmdt_wire_reader_fail(struct rmdt_wire_reader *r)
{
	r->bad = true;
}

/* The next `len` bytes in place, borrowed from the buffer; NULL if there are fewer. */
static inline const uint8_t *rmdt_wire_get_span(struct rmdt_wire_reader *r, size_t len)
{
	const uint8_t *p = r->pos;

	if (r->bad || (size_t)(r->end - p) < len) {
		r->bad = true;
		return NULL;
	}
	r->pos = len ? p + len : p;
	return p;
}

static inline uint8_t rmdt_wire_get_u8(struct rmdt_wire_reader *r)
{
	const uint8_t *p = rmdt_wire_get_span(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t rmdt_wire_load_u16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap16(v) : v;
}

static inline uint32_t rmdt_wire_load_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap32(v) : v;
}

static inline uint64_t rmdt_wire_load_u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(v) : v;
}

static inline void rmdt_wire_store_u16(uint8_t *p, uint16_t v)
{
	v = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap16(v) : v;
	memcpy(p, &v, sizeof(v));
}

static inline void rmdt_wire_store_u32(uint8_t *p, uint32_t v)
{
	v = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap32(v) : v;
	memcpy(p, &v, sizeof(v));
}

static inline void rmdt_wire_store_u64(uint8_t *p, uint64_t v)
{
	v = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(v) : v;
	memcpy(p, &v, sizeof(v));
}

static inline uint16_t rmdt_wire_get_u16(struct rmdt_wire_reader *r)
{
	const uint8_t *p = rmdt_wire_get_span(r, 2);

	return p ? rmdt_wire_load_u16(p) : 0;
}

static inline uint32_t rmdt_wire_get_u32(struct rmdt_wire_reader *r)
{
	const uint8_t *p = rmdt_wire_get_span(r, 4);

	return p ? rmdt_wire_load_u32(p) : 0;
}

static inline uint64_t rmdt_wire_get_u64(struct rmdt_wire_reader *r)
{
	const uint8_t *p = rmdt_wire_get_span(r, 8);

	return p ? rmdt_wire_load_u64(p) : 0;
}

/* Passes over `len` bytes. */
static inline void rmdt_wire_skip(struct rmdt_wire_reader *r, size_t len)
{
	(void)rmdt_wire_get_span(r, len);
}

uint64_t rmdt_wire_get_varint(struct rmdt_wire_reader *r);
/* Copies `len` bytes to `dst`; on error `dst` is not touched. */
void rmdt_wire_get_bytes(struct rmdt_wire_reader *r, void *dst, size_t len);
/* A reader over the next `len` bytes, which `r` passes over; on error both are bad. */
struct rmdt_wire_reader rmdt_wire_get_reader(struct rmdt_wire_reader *r, size_t len);

static inline void rmdt_wire_writer_init(struct rmdt_wire_writer *w, void *buf, size_t cap)
{
	w->start = buf;
	w->pos = w->start;
	w->end = cap ? w->start + cap : w->start;
	w->bad = false;
}

/* Bytes that still fit; 0 once the error is set. */
static inline size_t rmdt_wire_space(const struct rmdt_wire_writer *w)
{
	return w->bad ? 0 : (size_t)(w->end - w->pos);
}

/* Bytes written so far. */
static inline size_t rmdt_wire_written(const struct rmdt_wire_writer *w)
{
	return (size_t)(w->pos - w->start);
}

/* Claims the next `len` bytes for the caller to fill; NULL if they do not fit. */
static inline uint8_t *rmdt_wire_put_span(struct rmdt_wire_writer *w, size_t len)
{
	uint8_t *p = w->pos;

	if (w->bad || (size_t)(w->end - p) < len) {
		w->bad = true;
		return NULL;
	}
	w->pos = len ? p + len : p;
	return p;
}

static inline void rmdt_wire_put_u8(struct rmdt_wire_writer *w, uint8_t v)
{
	uint8_t *p = rmdt_wire_put_span(w, 1);

	if (p)
		p[0] = v;
}

static inline void rmdt_wire_put_u16(struct rmdt_wire_writer *w, uint16_t v)
{
	uint8_t *p = rmdt_wire_put_span(w, 2);

	if (p)
		rmdt_wire_store_u16(p, v);
}

static inline void rmdt_wire_put_u32(struct rmdt_wire_writer *w, uint32_t v)
{
	uint8_t *p = rmdt_wire_put_span(w, 4);

	if (p)
		rmdt_wire_store_u32(p, v);
}

static inline void rmdt_wire_put_u64(struct rmdt_wire_writer *w, uint64_t v)
{
	uint8_t *p = rmdt_wire_put_span(w, 8);

	if (p)
		rmdt_wire_store_u64(p, v);
}

/* Bytes that `v` takes as a varint: 1, 2, 4 or 8; 0 if it is above RMDT_WIRE_VARINT_MAX. */
size_t rmdt_wire_varint_len(uint64_t v);
/* Shortest form; a value above RMDT_WIRE_VARINT_MAX sets the error. */
void rmdt_wire_put_varint(struct rmdt_wire_writer *w, uint64_t v);
void rmdt_wire_put_bytes(struct rmdt_wire_writer *w, const void *src, size_t len);
void rmdt_wire_put_zeros(struct rmdt_wire_writer *w, size_t len);

/*
 * A place to come back to: rewind drops everything written since the mark and the error if it
 * arose since then. So a frame that does not fit is tried and taken back as a whole.
 */
static inline size_t rmdt_wire_mark(const struct rmdt_wire_writer *w)
{
	return w->bad ? RMDT_WIRE_BAD_MARK : rmdt_wire_written(w);
}

static inline void rmdt_wire_rewind(struct rmdt_wire_writer *w, size_t mark)
{
	if (mark == RMDT_WIRE_BAD_MARK)
		return;
	assert(mark <= rmdt_wire_written(w));
	w->pos = w->start + mark;
	w->bad = false;
}

/* Overwrites the two bytes at `mark`, which have been written before (a length filled in late). */
void rmdt_wire_patch_u16(struct rmdt_wire_writer *w, size_t mark, uint16_t v);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of a UDP tunnel, each behind a byte of its length; a message of length 0 lets time pass.
 * What is read must be written back as it was, the joiner must stay within its bounds, and a
 * datagram that is cut must come back.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/datagram.h"
#include "tunnel/joiner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char owners[4];

static void read_one(struct joiner *j, const uint8_t *message, size_t len, uint64_t now_us)
{
	struct datagram d;
	uint8_t back[256];
	size_t whole;

	if (datagram_read(message, len, &d) < 0)
		return;
	assert(datagram_write(&d, back, sizeof(back)) == (int)len &&
	       memcmp(back, message, len) == 0);
	if (d.kind == DATAGRAM_PIECE && joiner_add(j, &owners[d.session % 4], &d, now_us, &whole))
		assert(whole >= d.count && whole <= DATAGRAM_BYTES);
	if (d.kind == DATAGRAM_OVER)
		joiner_forget(j, &owners[d.session % 4]);
	assert(j->n <= JOINER_MAX && j->bytes <= JOINER_BYTES_MAX + 8192);
}

/* The input as a datagram. */
static void there_and_back(const uint8_t *data, size_t size, size_t max)
{
	struct datagram whole = { .session = size, .number = max, .data = data, .len = size }, d;
	struct joiner j = { 0 };
	struct datagram_cut cut;
	const uint8_t *out = NULL;
	uint8_t message[256];
	size_t n, len = 0;

	if (datagram_cut_init(&cut, &whole, max) < 0)
		return;
	while ((n = datagram_cut_next(&cut, message, max)) > 0) {
		assert(n <= max && !out && datagram_read(message, n, &d) == 0);
		if (d.kind == DATAGRAM_WHOLE) {
			out = d.data;
			len = d.len;
		} else {
			out = joiner_add(&j, &j, &d, 0, &len);
		}
	}
	assert(out && len == size && memcmp(out, data, size) == 0);
	joiner_fini(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *end = data + size;
	struct joiner j = { 0 };
	uint64_t now_us = 1;

	if (size == 0)
		return 0;
	there_and_back(data, size, data[0]);
	while (p < end) {
		size_t len = *p++;

		if (len > (size_t)(end - p))
			len = (size_t)(end - p);
		if (len == 0)
			now_us += 100000;
		read_one(&j, p, len, now_us);
		p += len;
	}
	joiner_fini(&j);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzz input as a program: operations and their operands are taken from the front until nothing
 * is left.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t input_u8(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

static inline uint16_t input_u16(struct input *in)
{
	uint16_t high = input_u8(in);

	return (uint16_t)(high << 8 | input_u8(in));
}

/* At most max bytes, as many as there are. */
static inline size_t input_bytes(struct input *in, uint8_t *out, size_t max)
{
	size_t n = max < in->left ? max : in->left;

	if (n)
		memcpy(out, in->at, n);
	in->at += n;
	in->left -= n;
	return n;
}

#endif

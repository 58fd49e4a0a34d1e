/* SPDX-License-Identifier: Apache-2.0 */
/* Hex to bytes and small seeded randomness, for tests only. */
#ifndef RMDT_TESTS_HEX_H
#define RMDT_TESTS_HEX_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint8_t hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = strchr(digits, c);

	assert(c && at);
	return (uint8_t)(at - digits);
}

/* The number of bytes; asserts that they fit. */
static inline size_t hex_bytes(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = strlen(hex) / 2;

	assert(n <= cap);
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
	return n;
}

/* xorshift64*; the seed is not 0. */
static inline uint64_t seeded_next(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * UINT64_C(0x2545F4914F6CDD1D);
}

static inline void seeded_bytes(uint64_t *seed, void *out, size_t len)
{
	uint8_t *p = out;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(seeded_next(seed) >> 56);
}

#endif

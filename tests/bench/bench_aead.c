/* SPDX-License-Identifier: Apache-2.0 */
/* How fast packets are sealed and opened: one line per suite and size, on one core. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/aead.h"

#define AD_BYTES 24		/* about the clear header of a packet */
#define MOST 60000
#define BUFFERS 8		/* so that not one packet alone sits in the first cache */
#define SECONDS 0.5

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void seal_all(struct rmdt_aead *a, uint8_t *buf, size_t len, uint64_t *pn)
{
	static const uint8_t ad[AD_BYTES];

	for (int i = 0; i < BUFFERS; i++) {
		uint8_t *p = buf + (size_t)i * (MOST + RMDT_AEAD_TAG_BYTES);

		if (rmdt_aead_seal(a, (*pn)++, ad, sizeof ad, p, len, p) < 0)
			abort();
	}
}

/* Each round seals again what was opened, and only the opening is timed. */
static double open_all(struct rmdt_aead *a, uint8_t *buf, size_t len)
{
	static const uint8_t ad[AD_BYTES];
	uint64_t pn = 0;
	double start;

	seal_all(a, buf, len, &pn);
	start = now_s();
	for (int i = 0; i < BUFFERS; i++) {
		uint8_t *p = buf + (size_t)i * (MOST + RMDT_AEAD_TAG_BYTES);
		size_t sealed = len + RMDT_AEAD_TAG_BYTES;

		if (rmdt_aead_open(a, (uint64_t)i, ad, sizeof ad, p, sealed, p) < 0)
			abort();
	}
	return now_s() - start;
}

static void bench(enum rmdt_suite suite, size_t len, uint8_t *buf)
{
	static const uint8_t key[RMDT_AEAD_KEY_BYTES] = { 1 }, iv[RMDT_AEAD_IV_BYTES];
	struct rmdt_aead *a = rmdt_aead_new(suite, key, iv);
	double start, seal_s, open_s = 0;
	uint64_t pn = 0, opened = 0;

	if (!a)
		abort();
	start = now_s();
	do
		seal_all(a, buf, len, &pn);
	while ((seal_s = now_s() - start) < SECONDS);
	for (; open_s < SECONDS; opened += BUFFERS)
		open_s += open_all(a, buf, len);
	printf("%-18s %-8s %6zu bytes: seal %6.2f GB/s  open %6.2f GB/s\n",
	       suite == RMDT_AES_256_GCM ? "aes-256-gcm" : "chacha20-poly1305",
	       rmdt_aead_engine(a), len, (double)(pn * len) / seal_s / 1e9,
	       (double)(opened * len) / open_s / 1e9);
	rmdt_aead_free(a);
}

int main(void)
{
	static const size_t sizes[] = { 1400, MOST };
	uint8_t *buf = calloc(BUFFERS, MOST + RMDT_AEAD_TAG_BYTES);

	if (!buf)
		return 1;
	for (int i = 0; i < 2; i++) {
		bench(RMDT_AES_256_GCM, sizes[i], buf);
		bench(RMDT_CHACHA20_POLY1305, sizes[i], buf);
	}
	free(buf);
	return 0;
}

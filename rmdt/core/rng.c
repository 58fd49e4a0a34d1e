/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rng.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

static void hash(const uint8_t state[32], uint8_t label, uint8_t out[32])
{
	uint8_t in[33];

	memcpy(in, state, 32);
	in[32] = label;
	SHA256(in, sizeof(in), out);
	OPENSSL_cleanse(in, sizeof(in));
}

void rmdt_rng_init(struct rmdt_rng *rng, const uint8_t seed[32])
{
	memcpy(rng->state, seed, 32);
}

void rmdt_rng_fini(struct rmdt_rng *rng)
{
	OPENSSL_cleanse(rng, sizeof(*rng));
}

void rmdt_rng_bytes(struct rmdt_rng *rng, void *out, size_t len)
{
	uint8_t *pos = out, block[32];

	while (len > 0) {
		size_t n = len < sizeof(block) ? len : sizeof(block);

		hash(rng->state, 0, block);
		hash(rng->state, 1, rng->state);
		memcpy(pos, block, n);
		pos += n;
		len -= n;
	}
	OPENSSL_cleanse(block, sizeof(block));
}

uint64_t rmdt_rng_u64(struct rmdt_rng *rng)
{
	uint64_t v;

	rmdt_rng_bytes(rng, &v, sizeof(v));
	return v;
}

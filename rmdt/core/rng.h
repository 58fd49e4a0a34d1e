/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_RNG_H
#define RMDT_CORE_RNG_H

#include <stddef.h>
#include <stdint.h>

/*
 * Random bytes for ephemeral keys, challenges and skipped packet numbers, grown from a seed of the
 * system's source by SHA-256. Each draw replaces the state by its hash, so earlier output cannot be
 * found from a later state. A fixed seed gives a fixed sequence, which makes simulations
 * repeatable.
 */
struct rmdt_rng {
	uint8_t state[32];
};

void rmdt_rng_init(struct rmdt_rng *rng, const uint8_t seed[32]);
void rmdt_rng_fini(struct rmdt_rng *rng);	/* wipes */
void rmdt_rng_bytes(struct rmdt_rng *rng, void *out, size_t len);
uint64_t rmdt_rng_u64(struct rmdt_rng *rng);

#endif

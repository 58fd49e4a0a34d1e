/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_ADMIT_H
#define TUNNEL_ADMIT_H

#include <ev.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include <rmdt/rmdt.h>

/* Which relays may come in (doc/tunnel.md, A1), and what the operator is told of those that may not. */

struct routes;

#define ADMIT_REFUSALS 32		/* refusals remembered, so that each is told once; more strangers at a time are a flood */

struct admit_refusal {
	uint8_t key[RMDT_KEY_BYTES];
	char host[64];			/* numeric */
	unsigned code;
	uint64_t told_us, count;	/* since it was told; told_us 0: none */
};

struct admit {
	struct routes *routes;
	struct ev_async stranger;	/* somebody came from an address that we do not know (any more) */
	pthread_mutex_t lock;		/* a leaf */
	struct admit_refusal refusal[ADMIT_REFUSALS];
	uint64_t told_us;
};

void admit_init(struct admit *admit, struct routes *routes);
/* After the engine. */
void admit_fini(struct admit *admit);

/* rmdt_engine_options.admit with the rule of first use. On an I/O thread. */
unsigned admit_judge(struct admit *admit, const struct rmdt_candidate *candidate);

#endif

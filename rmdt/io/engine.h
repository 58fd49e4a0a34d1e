/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: what its threads and objects share. doc/threads.md tells who may touch what and in which order locks are
 * taken: out, engine, peer, in, then the leaves (mailbox, events, block pool, trust, paths).
 */
#ifndef RMDT_IO_ENGINE_H
#define RMDT_IO_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/aead.h"
#include "core/blocks.h"
#include "io/config.h"
#include "io/events.h"
#include "io/log.h"
#include "io/pathbox.h"
#include "io/trustbox.h"
#include "io/uplink.h"
#include "rmdt.h"

struct rmdt_thread;

/* rmdt_engine_free waits so long for the far ends to hear how flows ended, and this much longer for its goodbyes. */
#define RMDT_ENGINE_LINGER_US	UINT64_C(2000000)
#define RMDT_ENGINE_GOODBYE_US	UINT64_C(500000)

/* Only ever counted up; read by rmdt_engine_stats. */
struct rmdt_counters {
	_Atomic uint64_t datagrams_in, datagrams_out, bytes_in, bytes_out;
	_Atomic uint64_t dropped_malformed, dropped_unknown, dropped_forged, dropped_replayed, dropped_credit;
	_Atomic uint64_t handshakes_started, handshakes_done, handshakes_rejected, retries_sent, hints_sent;
};

static inline void rmdt_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* A place in one of the engine's lists of live objects; under the engine's lock. */
struct rmdt_listed {
	struct rmdt_listed *next, *prev;
};

struct rmdt_engine {
	/* Constant while threads run. */
	struct rmdt_engine_options opt;		/* its config, name and listen.host are not to be used */
	struct rmdt_config *config;
	struct rmdt_config_values values;
	char name[RMDT_NAME_BYTES + 1];
	uint8_t instance[RMDT_INSTANCE_BYTES];
	enum rmdt_suite suite;
	bool cipher_none;
	struct rmdt_log log;
	struct rmdt_thread *threads;
	unsigned n_threads;
	uint16_t port;
	bool events_ready, trust_ready;
	bool steered;				/* the kernel finds the thread of a packet */
	const char *aead;

	struct rmdt_uplink uplink;
	struct rmdt_trustbox trust;
	struct rmdt_pathbox paths;
	struct rmdt_events events;		/* used when there is no handler */
	struct rmdt_blocks blocks;
	pthread_mutex_t blocks_lock;		/* leaf */
	struct rmdt_counters counters;
	_Atomic unsigned next_thread;		/* for the next outbound peer */
	_Atomic uint32_t n_peers;		/* associations that are up or being tried from here */
	_Atomic uint32_t n_half_open;		/* inbound handshakes not finished */
	_Atomic uint32_t n_in_flows, n_out_flows;
	_Atomic uint64_t closing_us;		/* when rmdt_engine_free began; 0 before */

	pthread_mutex_t lock;
	struct rmdt_listed peers, outs, ins;	/* heads of rings */
};

void rmdt_engine_list(struct rmdt_engine *engine, struct rmdt_listed *head, struct rmdt_listed *item);
void rmdt_engine_unlist(struct rmdt_engine *engine, struct rmdt_listed *item);
/* The queue for events of an object that lives on that thread. */
struct rmdt_events *rmdt_engine_events(struct rmdt_engine *engine, struct rmdt_thread *thread);
bool rmdt_engine_is_closing(const struct rmdt_engine *engine);

#endif

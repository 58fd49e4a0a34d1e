/* SPDX-License-Identifier: Apache-2.0 */
#include "io/uplink.h"

#include <stddef.h>

#include "io/engine.h"
#include "io/peer.h"
#include "io/thread.h"

/*
 * What is kept for a peer beyond what it sends. Little is enough: its own cap is never below an
 * even share, so it grows as it likes, and for the others' caps that is seen the next time. What is
 * kept and not used is lost to all.
 */
#define SPARE_PART 16
#define LEAST_BYTES_PER_S 125000

static struct rmdt_peer *peer_of(struct rmdt_listed *item)
{
	return (struct rmdt_peer *)((char *)item - offsetof(struct rmdt_peer, listed));
}

/* What it sent since the last time, as a rate. */
static uint64_t measure(struct rmdt_peer *peer, uint64_t since_us, bool *up)
{
	uint64_t bytes, sent;

	pthread_mutex_lock(&peer->lock);
	*up = peer->state == RMDT_PEER_IS_UP;
	bytes = peer->info.chunk_bytes_sent + peer->info.feedback_bytes_sent;
	pthread_mutex_unlock(&peer->lock);
	sent = bytes - peer->uplink_bytes;
	peer->uplink_bytes = bytes;
	return sent * 1000000 / since_us;
}

static void set_cap(struct rmdt_peer *peer, uint64_t bytes_per_s)
{
	if (atomic_exchange(&peer->cap_rate, bytes_per_s) != bytes_per_s)
		rmdt_peer_post(peer, RMDT_PEER_CAP);
}

/*
 * Water-filling: whoever wants less than an even share of what is left gets that and leaves more
 * for the others.
 */
static void distribute(struct rmdt_peer *first, uint64_t rate, unsigned n)
{
	bool changed = true;

	while (n && changed) {
		uint64_t share = rate / n;

		changed = false;
		for (struct rmdt_peer *peer = first; peer; peer = peer->uplink_next) {
			if (peer->uplink_served || peer->uplink_demand > share)
				continue;
			peer->uplink_served = changed = true;
			/* It is free to take up its even share; that is corrected the next time. */
			set_cap(peer, share);
			rate -= peer->uplink_demand;
			n--;
		}
	}
	for (struct rmdt_peer *peer = first; n && peer; peer = peer->uplink_next) {
		if (!peer->uplink_served)
			set_cap(peer, rate / n ? rate / n : 1);
	}
}

/*
 * The peers that are up, each with a reference, so that what follows needs no lock: freeing a peer
 * takes the engine's.
 */
static struct rmdt_peer *gather(struct rmdt_engine *e, uint64_t since_us, unsigned *n)
{
	struct rmdt_peer *first = NULL;

	*n = 0;
	pthread_mutex_lock(&e->lock);
	for (struct rmdt_listed *l = e->peers.next; l != &e->peers; l = l->next) {
		struct rmdt_peer *peer = peer_of(l);
		bool up;

		peer->uplink_demand = measure(peer, since_us, &up);
		peer->uplink_demand += peer->uplink_demand / SPARE_PART + LEAST_BYTES_PER_S;
		if (!up)
			continue;
		rmdt_peer_hold(peer);
		peer->uplink_served = false;
		peer->uplink_next = first;
		first = peer;
		++*n;
	}
	pthread_mutex_unlock(&e->lock);
	return first;
}

static void redistribute(struct rmdt_engine *e, uint64_t since_us)
{
	struct rmdt_peer *first, *next;
	unsigned n;

	first = gather(e, since_us, &n);
	distribute(first, e->values.rate_bytes_per_s, n);
	for (; first; first = next) {
		next = first->uplink_next;
		rmdt_peer_drop(first);
	}
}

static void ring(struct rmdt_alarm *alarm, uint64_t now_us)
{
	struct rmdt_uplink *u = (struct rmdt_uplink *)((char *)alarm - offsetof(struct rmdt_uplink, alarm));

	if (rmdt_engine_is_closing(u->engine))
		return;
	if (now_us > u->last_us)
		redistribute(u->engine, now_us - u->last_us);
	u->last_us = now_us;
	rmdt_alarms_set(&u->engine->threads[0].alarms, alarm, now_us + RMDT_UPLINK_EVERY_US);
}

void rmdt_uplink_start(struct rmdt_uplink *u, struct rmdt_engine *engine)
{
	struct rmdt_thread *t = &engine->threads[0];

	u->engine = engine;
	u->alarm.ring = ring;
	u->last_us = t->now_us;
	if (engine->values.rate_bytes_per_s)
		rmdt_alarms_set(&t->alarms, &u->alarm, t->now_us + RMDT_UPLINK_EVERY_US);
}

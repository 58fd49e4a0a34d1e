/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_ROUTE_H
#define TUNNEL_ROUTE_H

#include <ev.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <rmdt/rmdt.h>

#include "tunnel/lookup.h"
#include "tunnel/target.h"

/*
 * Remote relays. A route is one rmdt:// of the command line, dialled again and again; a link is one association, dialled
 * by us or come in. Everything on the loop's thread except routes_admit.
 */

struct relay;
struct route;
struct routes;

struct link {
	struct link *next;
	struct routes *routes;
	struct route *route;		/* NULL: of a relay that no route names */
	struct rmdt_peer *peer;		/* our handle, as long as the link */
	bool inbound, up;
	bool settled;			/* no crossing association can replace it any more */
	struct ev_timer settle;
	uint8_t key[RMDT_KEY_BYTES];	/* once up */
	uint8_t instance[RMDT_INSTANCE_BYTES];
	char name[RMDT_NAME_BYTES + 1];
	char address[64];
};

struct route {
	struct routes *routes;
	struct rmdt_endpoint at;	/* host "": never dialled, the far relay comes to us */
	struct link *link;		/* up, and the one to use; NULL: none */
	struct link *dial;		/* under way; NULL: none */
	struct ev_timer redial;
	double backoff_s;
	uint64_t since_us;		/* when it went up or down */
	uint64_t ups;			/* how often it went up */
	bool told_down;
	struct lookup *lookup;
	struct ev_timer relook;
	struct lookup_result found;	/* under routes->lock, for routes_admit */
};

struct routes {
	struct relay *relay;
	struct link *links;
	pthread_mutex_t lock;		/* of every route's `found` */
	size_t next;			/* for --balance */
	size_t n;
	struct route at[TARGET_PLACES_MAX];
};

/* -EINVAL with err when a name certainly does not exist. */
int routes_new(struct relay *relay, const struct target *target, struct routes **routes, char *err);
void routes_start(struct routes *routes);	/* begin to dial; the engine is there */
void routes_free(struct routes *routes);	/* before the engine; ends nothing by itself */

/* The link that a new stream (or datagram) should take; NULL: none is up. */
struct link *routes_pick(struct routes *routes);
/* The link of a peer that an event named; NULL: none. */
struct link *routes_find(struct routes *routes, const struct rmdt_peer *peer);

void routes_on_up(struct routes *routes, struct rmdt_peer *peer);
/* The link is gone after this. */
void routes_on_down(struct routes *routes, struct rmdt_peer *peer, unsigned code, const char *reason);
void routes_on_moved(struct routes *routes, struct rmdt_peer *peer);

/* rmdt_engine_options.admit with the rule of first use. On an I/O thread. */
unsigned routes_admit(struct routes *routes, const struct rmdt_candidate *candidate);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_ROUTE_H
#define TUNNEL_ROUTE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include <rmdt/rmdt.h>

#include "tunnel/admit.h"
#include "tunnel/place.h"
#include "tunnel/target.h"

/*
 * Remote relays. A route is one rmdt:// of the command line, dialled again and again; a link is one association, dialled
 * by us or come in. Everything is for the loop's thread.
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
	bool settled;			/* up, and no crossing association will replace it any more */
	struct ev_timer settle;
	uint8_t key[RMDT_KEY_BYTES];	/* from here on: known once up */
	uint8_t instance[RMDT_INSTANCE_BYTES];
	char name[RMDT_NAME_BYTES + 1];
	char address[64];
};

struct route {
	struct routes *routes;
	struct place place;
	struct link *link;		/* up, and the best of those that are; NULL: none */
	struct link *dial;		/* under way; NULL: none */
	struct ev_timer redial;
	double backoff_s;
	uint64_t since_us;		/* when it went up or down */
	uint64_t ups;			/* how often it went up */
	unsigned told_code;		/* why it is down, as far as the operator has been told */
	uint8_t last_key[RMDT_KEY_BYTES];	/* of the last association, when ups > 0 */
};

struct routes {
	struct relay *relay;
	struct link *links;
	struct admit admit;
	size_t next;			/* for --balance */
	size_t n;
	struct route at[TARGET_PLACES_MAX];
};

/* -EINVAL with err (RMDT_ERROR_BYTES): an address cannot be used on this machine. */
int routes_new(struct relay *relay, const struct target *target, struct routes **routes, char *err);
/* Begin to look up and to dial; relay->engine is there from now on. */
void routes_start(struct routes *routes);
/* No more dialling; what is up stays. */
void routes_rest(struct routes *routes);
/* Gives every link back. After the streams and before the loop; NULL is fine. The engine asks routes->admit until its end. */
void routes_drop_links(struct routes *routes);
void routes_free(struct routes *routes);	/* after the engine */

/*
 * The link that a new stream (or datagram) should take: one that has been heard of late, or else, unless outages are to fail,
 * any. NULL: none is up.
 */
struct link *routes_pick(struct routes *routes);
/* The link of a peer that an event named; NULL: none. */
struct link *routes_find(struct routes *routes, const struct rmdt_peer *peer);
/* Whether one is up that will be usable in a moment. */
bool routes_any_settling(const struct routes *routes);

void routes_on_up(struct routes *routes, struct rmdt_peer *peer);
/* The link is gone after this. */
void routes_on_down(struct routes *routes, struct rmdt_peer *peer, unsigned code, const char *reason);
void routes_on_moved(struct routes *routes, struct rmdt_peer *peer);

#endif

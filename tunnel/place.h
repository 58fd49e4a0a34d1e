/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_PLACE_H
#define TUNNEL_PLACE_H

#include <ev.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>

#include <rmdt/rmdt.h>

#include "tunnel/lookup.h"

/*
 * Where a relay is to be found: an rmdt:// of the command line and the addresses that it stands for at present. The loop's
 * thread looks it up again and again; place_has may be asked from any thread.
 */

struct relay;

struct place {
	struct relay *relay;
	struct rmdt_endpoint at;	/* host "": nowhere, the far relay comes to us */
	char text[300];			/* "rmdt://host:port" */
	bool is_numeric;		/* never to be looked up */
	bool was_found;			/* the name has been found once */
	struct lookup *lookup;		/* under way; NULL: none */
	struct ev_timer again;
	pthread_mutex_t lock;		/* of found; a leaf */
	struct lookup_result found;
};

/* -EINVAL with err (RMDT_ERROR_BYTES): an address that cannot be used on this machine. Nothing is to be undone then. */
int place_init(struct place *place, struct relay *relay, const struct rmdt_endpoint *at, char *err);
void place_fini(struct place *place);
/* Now, and every minute from then on. A name that never existed ends the relay. */
void place_look_up(struct place *place);
void place_rest(struct place *place);	/* no more looking up */

static inline bool place_is_nowhere(const struct place *place)
{
	return place->at.host[0] == '\0';
}

/* Whether it stands for this host, whatever the port. */
bool place_has(struct place *place, const struct sockaddr *addr);

#endif

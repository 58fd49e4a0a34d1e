/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_SESSION_H
#define TUNNEL_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include <rmdt/rmdt.h>

#include "tunnel/target.h"

/*
 * UDP through the tunnel. A session is one client address at the entry, and one socket connected to the server for each
 * session of each far relay at the exit. Everything on the loop's thread.
 */

struct relay;
struct link;
struct sessions;

struct sessions_counters {
	uint64_t sessions;		/* in all */
	uint64_t evicted;		/* gave way to another before they were idle for long */
	uint64_t from_bytes, from_datagrams;	/* taken from our sockets */
	uint64_t to_bytes, to_datagrams;	/* given to our sockets */
	uint64_t refused_clients;	/* datagrams of clients that --allow does not name */
	uint64_t dropped_outage;	/* no association was up */
	uint64_t dropped_queue;		/* the association carries less than came (U4) */
	uint64_t dropped_size;		/* too large to be cut */
	uint64_t dropped_joining;	/* a piece was lost, or there was no room to wait for it */
	uint64_t dropped_socket;	/* our socket did not take it */
	uint64_t dropped_malformed;	/* messages that say nothing we know */
};

/* As the role of the relay is: listens at `target`, or finds the server there. Negative errno with err. */
int sessions_new(struct relay *relay, const struct target *target, struct sessions **sessions, char *err);
void sessions_free(struct sessions *sessions);	/* NULL ok */

/* A message came. */
void sessions_on_message(struct sessions *sessions, struct rmdt_peer *peer, const void *data, size_t len);
void sessions_on_peer_down(struct sessions *sessions, const struct rmdt_peer *peer);

uint32_t sessions_count(const struct sessions *sessions);	/* open now */
const struct sessions_counters *sessions_counters(const struct sessions *sessions);

#endif

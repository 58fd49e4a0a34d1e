/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the sessions share. */
#ifndef TUNNEL_SESSION_IMPL_H
#define TUNNEL_SESSION_IMPL_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include <rmdt/rmdt.h>

#include "tunnel/datagram.h"
#include "tunnel/joiner.h"
#include "tunnel/lookup.h"
#include "tunnel/relay.h"
#include "tunnel/route.h"
#include "tunnel/session.h"
#include "tunnel/udp.h"

#define SESSIONS_MAX	4096		/* open at once; each is a descriptor at the exit */
#define SESSIONS_CHAINS	4096		/* of each table */
#define SESSION_TRY_BYTES 1500		/* of the first datagrams, kept until it is known who answers */

/* What a session waits for while its server's first address may be the wrong one. */
struct session_try {
	size_t address;			/* of sessions->found */
	size_t len;			/* 0: nothing to say again */
	uint8_t data[SESSION_TRY_BYTES];
};

struct session {
	struct session *next_by_number, *next_by_client;
	struct session *older, *newer;	/* by last use */
	struct sessions *sessions;
	uint64_t number;
	uint64_t datagrams;		/* that were cut: number of the next */
	uint64_t used_us;
	struct rmdt_peer *peer;		/* exit: whose it is. entry: whom it uses, NULL none yet. The link's handle */
	int fd;				/* the listener of its client; the socket to the server */
	struct udp_packet client;	/* entry: where answers go; without data */
	struct ev_io io;		/* exit */
	struct session_try *attempt;	/* exit; NULL: the server answered, or there is nothing to try */
};

struct sessions {
	struct relay *relay;
	struct session *by_number[SESSIONS_CHAINS], *by_client[SESSIONS_CHAINS];
	struct session *oldest, *newest;
	uint32_t n;
	uint64_t next_number;		/* entry */
	uint64_t seed;			/* so that nobody can choose addresses of one chain */
	struct ev_timer sweep;
	struct joiner joiner;
	struct udp_batch batch;
	struct sessions_counters count;
	uint64_t complained_us;
	uint8_t message[UDP_BYTES];

	/* entry */
	size_t n_listeners;
	struct ev_io listener[LOOKUP_ADDRESSES_MAX];
	/* exit */
	struct rmdt_endpoint server;
	struct lookup *lookup;		/* under way; NULL: none */
	struct lookup_result found;
	uint64_t found_us;
	bool was_found;
};

/* ---- session.c ---- */

uint64_t sessions_mix(const struct sessions *s, uint64_t value);
/* A new session with a number, used now; the one idle longest may give way to it. NULL: no memory. */
struct session *session_new(struct sessions *s, const struct rmdt_peer *owner, uint64_t number);
void session_free(struct session *session);
/* owner: the peer at the exit, NULL at the entry. */
struct session *session_find(struct sessions *s, const struct rmdt_peer *owner, uint64_t number);
void session_touch(struct session *session);
/* A datagram of ours to the far relay, in as many messages as it takes. */
void session_forward(struct session *session, struct rmdt_peer *peer, const void *data, size_t len);
/* Says something at most every ten seconds. */
bool sessions_may_complain(struct sessions *s);

/* ---- session_entry.c ---- */

int sessions_open_entry(struct sessions *s, const struct target *target, char *err);
void sessions_close_entry(struct sessions *s);
void session_entry_forget(struct session *session);	/* out of the table of clients */
/* Its time is over: the far relays are told. */
void session_entry_expire(struct session *session);
void session_entry_deliver(struct session *session, const void *data, size_t len);

/* ---- session_exit.c ---- */

int sessions_open_exit(struct sessions *s, const struct target *target);
void sessions_close_exit(struct sessions *s);
/* A socket for a number that is not known; NULL: none could be made, and that was counted. */
struct session *session_exit_new(struct sessions *s, struct rmdt_peer *peer, uint64_t number);
void session_exit_close(struct session *session);
void session_exit_deliver(struct session *session, const void *data, size_t len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a name to an association: resolve, try the addresses with a head start for each, take the
 * first that comes up. On the peer's thread, but for rmdt_connect of rmdt.h.
 */
#ifndef RMDT_IO_CONNECT_H
#define RMDT_IO_CONNECT_H

#include <stdint.h>

struct rmdt_link;
struct rmdt_peer;

/* Head start of an address before the next is tried beside it. */
#define RMDT_CONNECT_HEAD_START_US 300000

void rmdt_connect_start(struct rmdt_peer *peer);	/* RMDT_PEER_START */
void rmdt_connect_resolved(struct rmdt_peer *peer);	/* RMDT_PEER_RESOLVED */
/* This attempt is up: the others end. */
void rmdt_connect_won(struct rmdt_peer *peer, struct rmdt_link *link);
/* This attempt failed; when it was the last the peer goes down. */
void rmdt_connect_failed(struct rmdt_peer *peer, struct rmdt_link *link, unsigned code,
			 const char *reason);
/* the link is about to be freed */
void rmdt_connect_forget(struct rmdt_peer *peer, struct rmdt_link *link);
/* Ends all attempts. Any state. */
void rmdt_connect_cancel(struct rmdt_peer *peer);

/* RMDT_CONN_RESTART_HINT: a probing handshake to where the peer is. */
void rmdt_connect_probe(struct rmdt_peer *peer);

#endif

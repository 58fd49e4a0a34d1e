/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conn with what the shell needs around it: its place in the thread's tables, its alarm, and whom its events concern.
 * A peer has one link that counts and may have others for a while: attempts at its other addresses, and the probe that
 * finds out whether it was restarted. Only the link's own thread touches it.
 */
#ifndef RMDT_IO_LINK_H
#define RMDT_IO_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "core/packet.h"
#include "io/alarms.h"

struct rmdt_peer;
struct rmdt_thread;

enum rmdt_link_kind {
	RMDT_LINK_INBOUND,
	RMDT_LINK_ATTEMPT,		/* outbound; the one that is up becomes its peer's link */
	RMDT_LINK_PROBE,		/* has the peer been restarted? */
};

struct rmdt_link {
	struct rmdt_thread *thread;
	struct rmdt_conn *conn;		/* owned */
	enum rmdt_link_kind kind;
	uint32_t cid;
	struct rmdt_peer *peer;		/* with a reference; NULL before an inbound one is admitted */
	bool half_open;			/* counted as such by the engine */
	bool refused;			/* and then as such by the thread: it never came up */
	bool up, down;
	bool closed_here;		/* we said CLOSE first and want an answer */
	bool abandoned;			/* nobody waits for its events any more */
	unsigned holds;			/* flows of the shell that still use conn memory */
	unsigned may;			/* purposes that its flows may have */
	uint64_t init_key;		/* inbound: in by_init */
	uint32_t init_scid;		/* who sent the first message */
	struct rmdt_addr init_from;
	struct rmdt_alarm alarm;
	struct rmdt_conn_counters counted;	/* what the engine's counters have of it */
	bool dirty;
	struct rmdt_link *next_dirty, *prev_dirty, *next, *prev;
};

/* Starts a handshake towards `to`; timeout_us: of this handshake. Negative errno. */
int rmdt_link_connect(struct rmdt_thread *t, struct rmdt_peer *peer, enum rmdt_link_kind kind,
		      const struct rmdt_addr *to, uint64_t timeout_us, struct rmdt_link **link);
/* A responder for a vetted first message; *link is found again by key for its duplicates. Negative errno. */
int rmdt_link_respond(struct rmdt_thread *t, const struct rmdt_handshake_packet *init, uint64_t init_key,
		      const struct rmdt_addr *from, struct rmdt_link **link);
/* Its flows are broken; their buffers lose a reader. */
void rmdt_link_free(struct rmdt_link *link);

/* Something was done with its conn: it is looked at before the round ends. */
void rmdt_link_touch(struct rmdt_link *link);
void rmdt_link_untouch(struct rmdt_link *link);
/* Handles everything that the conn has to say. */
void rmdt_link_pull(struct rmdt_link *link);
/* Sets the alarm for the conn's deadline, and frees the link when it is over. True: it was freed. */
bool rmdt_link_rest(struct rmdt_link *link);
/* Adds what its conn counted since the last time to the engine's counters. */
void rmdt_link_count(struct rmdt_link *link);
/* Says CLOSE; RMDT_CONN_DOWN follows. */
void rmdt_link_close(struct rmdt_link *link, unsigned code, const char *reason);
/* Nobody is interested any more: closes it and frees it when it has said goodbye. */
void rmdt_link_abandon(struct rmdt_link *link, unsigned code, const char *reason);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_STREAM_H
#define TUNNEL_STREAM_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <rmdt/rmdt.h>

/*
 * One TCP connection of this relay with its two flows. The pumps move bytes: up from the socket into the out-flow, down
 * from the in-flow into the socket. Which of the two is the request does not matter here.
 */

struct relay;
struct link;
struct stream;
struct streams;

/* Codes of flows, on the wire. */
enum stream_code {
	STREAM_RESET = RMDT_CODE_APP + 1,
	STREAM_REFUSED = RMDT_CODE_APP + 2,
	STREAM_TIMEOUT = RMDT_CODE_APP + 3,
	STREAM_UNREACHABLE = RMDT_CODE_APP + 4,
	STREAM_NO_NAME = RMDT_CODE_APP + 5,
};

#define STREAM_VERSION 1		/* first byte of a request's metadata */

int streams_new(struct relay *relay, struct streams **streams);
void streams_free(struct streams *streams);	/* resets what is left */
uint32_t streams_count(const struct streams *streams);

/* ---- the entry ---- */

/* A client, connected; the stream owns fd, also when this fails. Waits for an association when there is none. */
void streams_add_client(struct streams *streams, int fd, const struct sockaddr *from);
/* An association is there: those who wait take it. */
void streams_on_link_up(struct streams *streams);

/* ---- events of the engine ---- */

/* Judges an offer, on an I/O thread: 0 or a code. */
unsigned streams_judge(const struct relay *relay, const struct rmdt_offer *offer, char *reason);
/* A flow that was accepted: a request at the exit, a reply at the entry. */
void streams_on_in_open(struct streams *streams, struct rmdt_in *in);
void streams_on_event(struct streams *streams, const struct rmdt_event *event);
/* Streams that still wait for their reply on it have waited in vain. */
void streams_on_link_down(struct streams *streams, const struct link *link);

/* ---- the exit ---- */

/* The server answered: fd is the stream's from now on. */
void stream_connected(struct stream *stream, int fd);
/* It did not: code is of enum stream_code. The stream is gone. */
void stream_failed(struct stream *stream, unsigned code, const char *reason);

#endif

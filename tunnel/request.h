/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_REQUEST_H
#define TUNNEL_REQUEST_H

#include <stdbool.h>
#include <sys/socket.h>

#include <rmdt/rmdt.h>

/* A request asks the far relay for a connection to the server, and is answered by a reply (doc/tunnel.md, T1 and T2). */

struct relay;
struct stream;
struct streams;

/* ---- the entry ---- */

/* A client, connected; the stream owns fd, also when this fails. Waits for an association when there is none. */
void request_add_client(struct streams *streams, int fd, const struct sockaddr *from);
/* Of a stream that waits: goes to an association if one is there. The stream may be gone after it. */
void request_start(struct stream *stream);
/*
 * A request that the far relay never took in goes to the next association: no byte of it can have reached the server. (That
 * relay's word that it took it may have got lost with it; then it had at most begun to connect.)
 */
bool request_may_wait_again(const struct stream *stream);
void request_wait_again(struct stream *stream);

/* ---- flows of the peer ---- */

/* Judges an offer, on an I/O thread: 0 or a code. */
unsigned request_judge(const struct relay *relay, const struct rmdt_offer *offer, char *reason);
/* A flow that was accepted: a request at the exit, a reply at the entry. Takes the handle. */
void request_on_in_open(struct streams *streams, struct rmdt_in *in);

/* ---- the exit ---- */

/* The server answered: fd is the stream's from now on. */
void request_connected(struct stream *stream, int fd);
/* It did not: code is of enum stream_code. The stream is gone. */
void request_failed(struct stream *stream, unsigned code, const char *reason);

#endif

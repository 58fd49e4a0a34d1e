/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One UDP socket: batches both ways, with segmentation offload (GSO, GRO) where the kernel takes
 * it. A feature that the kernel refuses is switched off for good, and nothing is lost by that: the
 * same bytes go out without it.
 */
#ifndef RMDT_IO_UDP_H
#define RMDT_IO_UDP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/addr.h"
#include "core/conn.h"

/* Buffers of one receive call: half a megabyte, so that they stay in the cache. */
#define RMDT_INBOX_BUFFERS	8
#define RMDT_INBOX_BYTES	65536	/* of each: what GRO puts together at most */
/* Trains of one send call; at 64 KiB each, also half a megabyte. */
#define RMDT_OUTBOX_TRAINS	8
/* Datagrams that the kernel cuts one send into at most (UDP_MAX_SEGMENTS of the oldest kernels). */
#define RMDT_UDP_SEGMENTS	64

struct rmdt_udp {
	int fd;				/* non-blocking */
	int family;			/* AF_INET6 takes IPv4, too */
	uint16_t port;
	_Atomic bool gso, gro;		/* in use; written by the socket's thread */
};

struct rmdt_udp_options {
	const struct sockaddr *bind;	/* NULL: any address, IPv6 and IPv4 */
	socklen_t bind_len;
	uint16_t port;			/* 0: any */
	bool shared;			/* joins the group on that port (SO_REUSEPORT) */
	uint32_t buffer_bytes;		/* asked of the kernel, each way */
	bool gso, gro;			/* use them if they are there */
};

/* -EADDRINUSE, -EACCES, ... */
int rmdt_udp_open(struct rmdt_udp *udp, const struct rmdt_udp_options *opt);
void rmdt_udp_close(struct rmdt_udp *udp);
/* Lets others of ours (shared) join it on its port; it was alone there so far. Negative errno. */
int rmdt_udp_share(struct rmdt_udp *udp);
/*
 * Lets the kernel choose the socket of a group by the connection id of a packet, see core/packet.h.
 * Negative errno.
 */
int rmdt_udp_steer(struct rmdt_udp *udp, unsigned sockets);

struct rmdt_inbox {
	uint8_t *buf;			/* owned: RMDT_INBOX_BUFFERS times RMDT_INBOX_BYTES */
	size_t n;			/* filled by the last call */
	struct {
		uint8_t *buf;
		size_t len;
		size_t segment;		/* datagrams of this size, the last may be shorter */
		unsigned ecn;		/* two bits */
		struct rmdt_addr from;
	} got[RMDT_INBOX_BUFFERS];
};
int rmdt_inbox_init(struct rmdt_inbox *in);
void rmdt_inbox_fini(struct rmdt_inbox *in);
/* Fills the inbox: the number of buffers, 0 when nothing waits. */
size_t rmdt_udp_receive(struct rmdt_udp *udp, struct rmdt_inbox *in);

struct rmdt_outbox {
	struct rmdt_train train[RMDT_OUTBOX_TRAINS];	/* buf is owned */
	void *owner[RMDT_OUTBOX_TRAINS];		/* the caller's */
	/* 0, or negative errno: the rest of that train was not sent */
	int error[RMDT_OUTBOX_TRAINS];
	size_t n;			/* trains in it */
	size_t at;			/* first not wholly sent */
	size_t at_off;			/* bytes of that one that are out */
};
int rmdt_outbox_init(struct rmdt_outbox *out);
void rmdt_outbox_fini(struct rmdt_outbox *out);
void rmdt_outbox_clear(struct rmdt_outbox *out);
/*
 * Sends what is left in the outbox. 0: all of it is out or has its error; -EAGAIN: the socket is
 * full, call again when it is writable. Errors that a train can have: -EMSGSIZE, and those of a
 * missing route. What a full queue of an interface swallowed counts as sent: it is loss like any
 * other.
 */
int rmdt_udp_send(struct rmdt_udp *udp, struct rmdt_outbox *out);
/*
 * A datagram by itself, not ECN-capable. Negative errno: it did not go, and nobody will try again.
 */
int rmdt_udp_send_one(struct rmdt_udp *udp, const void *buf, size_t len,
		      const struct rmdt_addr *to);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_UDP_H
#define TUNNEL_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* UDP sockets that never wait: many datagrams taken at once, answers from the address that was asked. */

#define UDP_BATCH	32		/* datagrams of one system call */
#define UDP_BYTES	65536		/* room for one; UDP has 65,507 over IPv4 and some more over IPv6 */
#define UDP_SOCKET_BYTES (4 << 20)	/* asked of the kernel, each way: 30 ms of 1 Gbit/s, as the kernel counts */

#define UDP_CONTROL_BYTES 64		/* room for either family's packet information */

/* Which of our addresses a datagram came to, as the kernel says it and wants it said. len 0: not known. */
struct udp_local {
	_Alignas(16) uint8_t control[UDP_CONTROL_BYTES];
	size_t len;
};

struct udp_packet {
	const uint8_t *data;
	size_t len;
	struct sockaddr_storage from;
	socklen_t from_len;
	struct udp_local local;
};

struct udp_batch {
	struct udp_packet packet[UDP_BATCH];
	uint8_t *room;			/* UDP_BATCH times UDP_BYTES; touched as far as datagrams reach */
};
int udp_batch_init(struct udp_batch *batch);	/* 0 or -ENOMEM */
void udp_batch_fini(struct udp_batch *batch);

/* A socket bound to an address; both: an IPv6 one serves IPv4 as well. Negative errno. */
int udp_listen(const struct sockaddr *at, socklen_t len, bool both);
/* A socket connected to a server. Negative errno. */
int udp_connect(const struct sockaddr *to, socklen_t len);

/* What has come: a count, 0 for nothing, or a negative errno (that of an earlier send, too). */
int udp_receive(int fd, struct udp_batch *batch);
/* `to` NULL: to where it is connected; local NULL: from any address. 0 or a negative errno. */
int udp_send(int fd, const void *data, size_t len, const struct udp_packet *to);

#endif

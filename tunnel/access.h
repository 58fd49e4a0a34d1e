/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_ACCESS_H
#define TUNNEL_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Lists of networks: which clients may use a listener. */

#define ACCESS_NETWORKS_MAX 64		/* what one command line can sensibly list */

struct access_network {
	uint8_t base[16];		/* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;			/* 0 .. 128 */
};

struct access {
	struct access_network network[ACCESS_NETWORKS_MAX];
	size_t n;			/* 0: everybody may */
};

/* Adds "CIDR[,CIDR]"; a bare address is a network of one. -EINVAL with err (RMDT_ERROR_BYTES) naming the text. */
int access_add(struct access *access, const char *list, char *err);
bool access_allows(const struct access *access, const struct sockaddr *addr);
/* The same host, whatever the port; IPv4 and IPv4 inside IPv6 are the same. */
bool access_same_host(const struct sockaddr *a, const struct sockaddr *b);

#endif

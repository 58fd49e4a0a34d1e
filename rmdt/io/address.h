/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shell's side of struct rmdt_addr: it holds a sockaddr_in or sockaddr_in6, normalised. An
 * IPv4-mapped IPv6 address is kept as IPv4, so that one remote has one form whatever the socket.
 */
#ifndef RMDT_IO_ADDRESS_H
#define RMDT_IO_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/addr.h"
#include "core/authorized.h"

#define RMDT_ADDRESS_TEXT_BYTES 64	/* "[v6 with %zone]:65535" and NUL */

/* false: neither IPv4 nor IPv6; *addr is then untouched. */
bool rmdt_address_set(struct rmdt_addr *addr, const struct sockaddr *sa, socklen_t len);
/* As a socket of `family` wants it. Its length; 0: an IPv6 address and an IPv4 socket. */
socklen_t rmdt_address_get(const struct rmdt_addr *addr, int family, struct sockaddr_storage *ss);
int rmdt_address_family(const struct rmdt_addr *addr);
uint16_t rmdt_address_port(const struct rmdt_addr *addr);
/* Headers in front of the UDP payload: 28 or 48 bytes. */
unsigned rmdt_address_overhead(const struct rmdt_addr *addr);
/* Most UDP payload that one send call takes: 65,507 or 65,487 bytes. */
unsigned rmdt_address_payload_max(const struct rmdt_addr *addr);
/* "192.0.2.1:2312" or "[2001:db8::1]:2312". Returns buf. */
char *rmdt_address_format(const struct rmdt_addr *addr, char buf[RMDT_ADDRESS_TEXT_BYTES]);
void rmdt_address_trust(const struct rmdt_addr *addr, struct rmdt_trust_addr *out);

#endif

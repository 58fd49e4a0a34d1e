/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and ranges of addresses, as lists of trust write them. No name is ever resolved. */
#ifndef RMDT_CORE_CIDR_H
#define RMDT_CORE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An address as bytes in network order; an IPv4-mapped IPv6 address counts as IPv4. */
struct rmdt_trust_addr {
	uint8_t version;	/* 4: 4 bytes are used; 6: 16 */
	uint8_t bytes[16];
};

struct rmdt_trust_cidr {
	struct rmdt_trust_addr addr;
	uint8_t bits;		/* 0 to 32 or 128 */
};

/* The same address, an IPv4-mapped one as IPv4. */
struct rmdt_trust_addr rmdt_trust_addr_plain(const struct rmdt_trust_addr *addr);

/* An IPv4 or IPv6 address without brackets or zone. 0, or -EINVAL. */
int rmdt_trust_addr_parse(const char *text, struct rmdt_trust_addr *out);

/* "192.0.2.0/24", "2001:db8::/32", or a bare address. 0, or -EINVAL (host bits must be zero). */
int rmdt_trust_cidr_parse(const char *text, size_t len, struct rmdt_trust_cidr *out);

bool rmdt_trust_cidr_has(const struct rmdt_trust_cidr *cidr, const struct rmdt_trust_addr *addr);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static_assert(sizeof(struct sockaddr_in6) <= RMDT_ADDR_BYTES, "an address must fit");

static void set_v4(struct rmdt_addr *addr, const void *ip, in_port_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = port };

	memcpy(&sin.sin_addr, ip, 4);
	memset(addr, 0, sizeof(*addr));
	addr->len = sizeof(sin);
	memcpy(addr->bytes, &sin, sizeof(sin));
}

static void set_v6(struct rmdt_addr *addr, const struct sockaddr_in6 *from)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = from->sin6_port,
				     .sin6_addr = from->sin6_addr };

	/*
	 * The scope tells link-local addresses apart; elsewhere some kernels fill it and some do
	 * not.
	 */
	if (IN6_IS_ADDR_LINKLOCAL(&from->sin6_addr))
		sin6.sin6_scope_id = from->sin6_scope_id;
	memset(addr, 0, sizeof(*addr));
	addr->len = sizeof(sin6);
	memcpy(addr->bytes, &sin6, sizeof(sin6));
}

bool rmdt_address_set(struct rmdt_addr *addr, const struct sockaddr *sa, socklen_t len)
{
	if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in sin;

		memcpy(&sin, sa, sizeof(sin));
		set_v4(addr, &sin.sin_addr, sin.sin_port);
		return true;
	}
	if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, sa, sizeof(sin6));
		if (IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr))
			set_v4(addr, &sin6.sin6_addr.s6_addr[12], sin6.sin6_port);
		else
			set_v6(addr, &sin6);
		return true;
	}
	return false;
}

int rmdt_address_family(const struct rmdt_addr *addr)
{
	return addr->len == sizeof(struct sockaddr_in) ? AF_INET : AF_INET6;
}

socklen_t rmdt_address_get(const struct rmdt_addr *addr, int family, struct sockaddr_storage *ss)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6 };

	if (rmdt_address_family(addr) == family) {
		memcpy(ss, addr->bytes, addr->len);
		return addr->len;
	}
	if (family != AF_INET6)
		return 0;
	memcpy(&sin, addr->bytes, sizeof(sin));
	mapped.sin6_port = sin.sin_port;
	memset(&mapped.sin6_addr.s6_addr[10], 0xff, 2);
	memcpy(&mapped.sin6_addr.s6_addr[12], &sin.sin_addr, 4);
	memcpy(ss, &mapped, sizeof(mapped));
	return sizeof(mapped);
}

uint16_t rmdt_address_port(const struct rmdt_addr *addr)
{
	struct sockaddr_in sin;

	/* The port stands at the same place in both kinds. */
	memcpy(&sin, addr->bytes, sizeof(sin));
	return ntohs(sin.sin_port);
}

unsigned rmdt_address_overhead(const struct rmdt_addr *addr)
{
	return rmdt_address_family(addr) == AF_INET ? 28 : 48;
}

unsigned rmdt_address_payload_max(const struct rmdt_addr *addr)
{
	return 65535 - rmdt_address_overhead(addr);
}

char *rmdt_address_format(const struct rmdt_addr *addr, char buf[RMDT_ADDRESS_TEXT_BYTES])
{
	char host[48] = "?";
	struct sockaddr_storage ss;
	socklen_t len = rmdt_address_get(addr, rmdt_address_family(addr), &ss);
	bool v6 = rmdt_address_family(addr) == AF_INET6;

	(void)getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), NULL, 0, NI_NUMERICHOST);
	snprintf(buf, RMDT_ADDRESS_TEXT_BYTES, v6 ? "[%s]:%u" : "%s:%u", host,
		 rmdt_address_port(addr));
	return buf;
}

void rmdt_address_trust(const struct rmdt_addr *addr, struct rmdt_trust_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (rmdt_address_family(addr) == AF_INET) {
		struct sockaddr_in sin;

		memcpy(&sin, addr->bytes, sizeof(sin));
		out->version = 4;
		memcpy(out->bytes, &sin.sin_addr, 4);
	} else {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, addr->bytes, sizeof(sin6));
		out->version = 6;
		memcpy(out->bytes, &sin6.sin6_addr, 16);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1			/* in6_pktinfo */
#include "io/control.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "io/address.h"

/* Says that we understand marks of congestion. */
#define ECT_0 2

/* ---- receiving ---- */

/*
 * The local address as an in6_pktinfo. The interface matters only where the address means nothing
 * without it.
 */
static void keep_local(const struct cmsghdr *c, struct rmdt_addr *from)
{
	struct in6_pktinfo info = { 0 };
	struct in_pktinfo v4;

	static_assert(sizeof(info) == RMDT_ADDR_LOCAL_BYTES, "it must fit");
	if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_len >= CMSG_LEN(sizeof(info))) {
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			info.ipi6_ifindex = 0;
	} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_len >= CMSG_LEN(sizeof(v4))) {
		memcpy(&v4, CMSG_DATA(c), sizeof(v4));
		memset(&info.ipi6_addr.s6_addr[10], 0xff, 2);
		memcpy(&info.ipi6_addr.s6_addr[12], &v4.ipi_spec_dst, 4);
	}
	memcpy(from->local, &info, sizeof(info));
}

static bool is_local(const struct cmsghdr *c)
{
	return (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) ||
	       (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO);
}

void rmdt_control_read(struct msghdr *msg, size_t *segment, unsigned *ecn, struct rmdt_addr *from)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int value = 0;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			*ecn = *(uint8_t *)CMSG_DATA(c) & 3u;
			continue;
		}
		if (is_local(c)) {
			keep_local(c, from);
			continue;
		}
		if (c->cmsg_len < CMSG_LEN(sizeof(value)))
			continue;
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			*ecn = (unsigned)value & 3u;
		else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO && value > 0)
			*segment = (size_t)value;
	}
}

/* ---- sending ---- */

/* Appends one control message; there is room for all that a datagram may need. */
static void add_control(struct msghdr *msg, union rmdt_control *control, int level, int type,
			const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(control->bytes + msg->msg_controllen);

	memset(c, 0, CMSG_SPACE(len));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	msg->msg_control = control;
	msg->msg_controllen += CMSG_SPACE(len);
}

void rmdt_control_add_segment(struct msghdr *msg, union rmdt_control *control, uint16_t segment)
{
	add_control(msg, control, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
}

/* What goes to an IPv4 address has a type of service, also from an IPv6 socket. */
void rmdt_control_add_ect(struct msghdr *msg, union rmdt_control *control,
			  const struct rmdt_addr *to)
{
	int value = ECT_0;

	if (rmdt_address_family(to) == AF_INET)
		add_control(msg, control, IPPROTO_IP, IP_TOS, &value, sizeof(value));
	else
		add_control(msg, control, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value));
}

void rmdt_control_add_local(struct msghdr *msg, union rmdt_control *control,
			    const struct rmdt_addr *to,
			    int family)
{
	struct in_pktinfo v4 = { 0 };

	if (!rmdt_addr_has_local(to))
		return;
	if (family == AF_INET6) {
		add_control(msg, control, IPPROTO_IPV6, IPV6_PKTINFO, to->local, sizeof(to->local));
		return;
	}
	memcpy(&v4.ipi_spec_dst, to->local + 12, 4);
	add_control(msg, control, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
}

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE	/* recvmmsg, in6_pktinfo */
#include "tunnel/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) <= UDP_CONTROL_BYTES, "room for IPv6");
_Static_assert(CMSG_SPACE(sizeof(struct in_pktinfo)) <= UDP_CONTROL_BYTES, "room for IPv4");

int udp_batch_init(struct udp_batch *batch)
{
	memset(batch, 0, sizeof(*batch));
	batch->room = malloc((size_t)UDP_BATCH * UDP_BYTES);
	return batch->room ? 0 : -ENOMEM;
}

void udp_batch_fini(struct udp_batch *batch)
{
	free(batch->room);
	batch->room = NULL;
}

/* ---- sockets --------------------------------------------------------------------------------- */

/* Beyond the system's limit where we may; what cannot be had is done without. */
static void widen(int fd, int force, int option)
{
	int bytes = UDP_SOCKET_BYTES;

	if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof(bytes));
}

static int open_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	widen(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	widen(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	return fd;
}

int udp_listen(const struct sockaddr *at, socklen_t len, bool both)
{
	int one = 1, v6_only = !both, fd = open_socket(at->sa_family), rc;

	if (fd < 0)
		return fd;
	if (at->sa_family == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	} else {
		(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	}
	if (bind(fd, at, len) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

int udp_connect(const struct sockaddr *to, socklen_t len)
{
	int fd = open_socket(to->sa_family), rc;

	if (fd < 0 || connect(fd, to, len) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* ---- datagrams ------------------------------------------------------------------------------- */

/*
 * Turns where a datagram came to into where an answer leaves from. The interface is left to the routes, unless the address
 * means nothing without it.
 */
static void keep_local(struct udp_local *local, struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	local->len = 0;
	if (!c || m->msg_flags & MSG_CTRUNC)
		return;
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo info;

		memcpy(&info, CMSG_DATA(c), sizeof(info));
		info.ipi_ifindex = 0;
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		local->len = CMSG_SPACE(sizeof(info));
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo info;

		memcpy(&info, CMSG_DATA(c), sizeof(info));
		if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			info.ipi6_ifindex = 0;
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		local->len = CMSG_SPACE(sizeof(info));
	}
}

int udp_receive(int fd, struct udp_batch *batch)
{
	struct mmsghdr m[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	int n;

	for (int i = 0; i < UDP_BATCH; i++) {
		struct udp_packet *p = &batch->packet[i];

		iov[i] = (struct iovec){ batch->room + (size_t)i * UDP_BYTES, UDP_BYTES };
		m[i].msg_hdr = (struct msghdr){
			.msg_name = &p->from, .msg_namelen = sizeof(p->from), .msg_iov = &iov[i], .msg_iovlen = 1,
			.msg_control = p->local.control, .msg_controllen = sizeof(p->local.control),
		};
	}
	n = recvmmsg(fd, m, UDP_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		batch->packet[i].data = iov[i].iov_base;
		batch->packet[i].len = m[i].msg_len;
		batch->packet[i].from_len = m[i].msg_hdr.msg_namelen;
		keep_local(&batch->packet[i].local, &m[i].msg_hdr);
	}
	return n;
}

int udp_send(int fd, const void *data, size_t len, const struct udp_packet *to)
{
	struct iovec iov = { (void *)data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (to) {
		m.msg_name = (void *)&to->from;
		m.msg_namelen = to->from_len;
		m.msg_control = to->local.len ? (void *)to->local.control : NULL;
		m.msg_controllen = to->local.len;
	}
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1			/* sendmmsg, recvmmsg */
#include "io/udp.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/address.h"
#include "io/control.h"

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif

/* ---- opening ---- */

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* The forced kind goes beyond net.core.rmem_max but is root's alone. */
static void ask_buffer(int fd, int force, int plain, uint32_t bytes)
{
	if (set(fd, SOL_SOCKET, force, (int)bytes))
		(void)set(fd, SOL_SOCKET, plain, (int)bytes);
}

/* An IPv6 socket carries IPv4, too, and has the options of both. Those that fail are not needed to work. */
static void set_path_options(int fd, int family)
{
	(void)set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	(void)set(fd, IPPROTO_IP, IP_RECVTOS, 1);
	if (family == AF_INET6) {
		(void)set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
		(void)set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	}
}

static bool is_any(const struct sockaddr *sa)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	if (sa->sa_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		return sin.sin_addr.s_addr == htonl(INADDR_ANY);
	}
	memcpy(&sin6, sa, sizeof(sin6));
	return IN6_IS_ADDR_UNSPECIFIED(&sin6.sin6_addr);
}

/* A socket that is bound to one address knows where a datagram came to. One of IPv6 tells it for IPv4, too. */
static void ask_local(int fd, int family, const struct sockaddr *bound)
{
	if (!is_any(bound))
		return;
	if (family == AF_INET6)
		(void)set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	else
		(void)set(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

static socklen_t bind_address(const struct rmdt_udp_options *opt, int family, struct sockaddr_storage *ss)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(opt->port) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(opt->port) };

	memset(ss, 0, sizeof(*ss));
	if (family == AF_INET) {
		if (opt->bind)
			memcpy(&sin, opt->bind, sizeof(sin));
		sin.sin_port = htons(opt->port);
		memcpy(ss, &sin, sizeof(sin));
		return sizeof(sin);
	}
	if (opt->bind)
		memcpy(&sin6, opt->bind, sizeof(sin6));
	sin6.sin6_port = htons(opt->port);
	memcpy(ss, &sin6, sizeof(sin6));
	return sizeof(sin6);
}

static int learn_port(struct rmdt_udp *udp)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct rmdt_addr addr;

	if (getsockname(udp->fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	if (!rmdt_address_set(&addr, (struct sockaddr *)&ss, len))
		return -EAFNOSUPPORT;
	udp->port = rmdt_address_port(&addr);
	return 0;
}

static int open_family(struct rmdt_udp *udp, const struct rmdt_udp_options *opt, int family)
{
	struct sockaddr_storage ss;
	socklen_t len = bind_address(opt, family, &ss);
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	if (family == AF_INET6 && (rc = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0)))
		goto fail;
	if (opt->shared && (rc = set(fd, SOL_SOCKET, SO_REUSEPORT, 1)))
		goto fail;
	if (bind(fd, (struct sockaddr *)&ss, len) < 0) {
		rc = -errno;
		goto fail;
	}
	set_path_options(fd, family);
	ask_local(fd, family, (struct sockaddr *)&ss);
	ask_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, opt->buffer_bytes);
	ask_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, opt->buffer_bytes);
	udp->fd = fd;
	udp->family = family;
	atomic_init(&udp->gro, opt->gro && set(fd, IPPROTO_UDP, UDP_GRO, 1) == 0);
	/* A kernel that knows the option may still refuse on a route without checksum offload; that shows at the first send. */
	atomic_init(&udp->gso, opt->gso && set(fd, IPPROTO_UDP, UDP_SEGMENT, 0) == 0);
	rc = learn_port(udp);
	if (rc == 0)
		return 0;
fail:
	close(fd);
	return rc;
}

int rmdt_udp_open(struct rmdt_udp *udp, const struct rmdt_udp_options *opt)
{
	int rc;

	if (opt->bind)
		return open_family(udp, opt, opt->bind->sa_family);
	rc = open_family(udp, opt, AF_INET6);
	/* A machine without IPv6 says one of these. */
	if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL || rc == -EPROTONOSUPPORT)
		rc = open_family(udp, opt, AF_INET);
	return rc;
}

void rmdt_udp_close(struct rmdt_udp *udp)
{
	if (udp->fd >= 0)
		close(udp->fd);
	udp->fd = -1;
}

int rmdt_udp_share(struct rmdt_udp *udp)
{
	return set(udp->fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

/*
 * Byte 1, the top of the receiver's connection id, is 1 + the index of its thread; 0 is a packet that knows none yet (INIT,
 * UNKNOWN): those are spread by byte 8, the last of the sender's id, which is random and the same for every resend.
 */
int rmdt_udp_steer(struct rmdt_udp *udp, unsigned sockets)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 1),
		BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, sockets),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (setsockopt(udp->fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) < 0)
		return -errno;
	return 0;
}

/* ---- receiving ---- */

int rmdt_inbox_init(struct rmdt_inbox *in)
{
	in->n = 0;
	in->buf = malloc((size_t)RMDT_INBOX_BUFFERS * RMDT_INBOX_BYTES);
	return in->buf ? 0 : -ENOMEM;
}

void rmdt_inbox_fini(struct rmdt_inbox *in)
{
	free(in->buf);
	in->buf = NULL;
}

size_t rmdt_udp_receive(struct rmdt_udp *udp, struct rmdt_inbox *in)
{
	struct mmsghdr msgs[RMDT_INBOX_BUFFERS];
	struct iovec iov[RMDT_INBOX_BUFFERS];
	struct sockaddr_storage from[RMDT_INBOX_BUFFERS];
	union rmdt_control control[RMDT_INBOX_BUFFERS];
	int n;

	for (size_t i = 0; i < RMDT_INBOX_BUFFERS; i++) {
		iov[i] = (struct iovec){ in->buf + i * RMDT_INBOX_BYTES, RMDT_INBOX_BYTES };
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof(from[i]),
						   .msg_iov = &iov[i], .msg_iovlen = 1,
						   .msg_control = &control[i],
						   .msg_controllen = sizeof(control[i]) };
	}
	do {
		n = recvmmsg(udp->fd, msgs, RMDT_INBOX_BUFFERS, MSG_DONTWAIT, NULL);
	} while (n < 0 && (errno == EINTR || errno == ECONNREFUSED));
	in->n = 0;
	for (int i = 0; i < n; i++) {
		struct msghdr *h = &msgs[i].msg_hdr;
		size_t len = msgs[i].msg_len, segment = len;
		unsigned ecn = 0;

		if ((h->msg_flags & MSG_TRUNC) || len == 0 ||
		    !rmdt_address_set(&in->got[in->n].from, h->msg_name, h->msg_namelen))
			continue;
		rmdt_control_read(h, &segment, &ecn, &in->got[in->n].from);
		in->got[in->n].buf = iov[i].iov_base;
		in->got[in->n].len = len;
		in->got[in->n].segment = segment;
		in->got[in->n].ecn = ecn;
		in->n++;
	}
	return n < 0 ? 0 : in->n;
}

/* ---- sending ---- */

int rmdt_outbox_init(struct rmdt_outbox *out)
{
	uint8_t *buf = malloc((size_t)RMDT_OUTBOX_TRAINS * (RMDT_CONN_TRAIN_BYTES + 1));

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; buf && i < RMDT_OUTBOX_TRAINS; i++)
		out->train[i].buf = buf + i * (RMDT_CONN_TRAIN_BYTES + 1);
	return buf ? 0 : -ENOMEM;
}

void rmdt_outbox_fini(struct rmdt_outbox *out)
{
	free(out->train[0].buf);
	out->train[0].buf = NULL;
}

void rmdt_outbox_clear(struct rmdt_outbox *out)
{
	out->n = out->at = out->at_off = 0;
}

/* One message of a send call: a whole train, or a part of it where that must be split. */
struct piece {
	size_t train, len;
	bool gso;
};

struct batch {
	struct mmsghdr msgs[RMDT_OUTBOX_TRAINS];
	struct iovec iov[RMDT_OUTBOX_TRAINS];
	struct sockaddr_storage to[RMDT_OUTBOX_TRAINS];
	union rmdt_control control[RMDT_OUTBOX_TRAINS];
	struct piece piece[RMDT_OUTBOX_TRAINS];
	size_t n;
};

/* Appends bytes [off, ...) of a train as one message; how many. 0: no socket of ours reaches that kind of address. */
static size_t add_piece(struct batch *b, const struct rmdt_udp *udp, struct rmdt_outbox *out, size_t i, size_t off,
			bool gso)
{
	struct rmdt_train *t = &out->train[i];
	size_t max = gso ? t->segment * RMDT_UDP_SEGMENTS : t->segment;
	size_t len = t->len - off < max ? t->len - off : max;
	struct msghdr *h = &b->msgs[b->n].msg_hdr;

	*h = (struct msghdr){ .msg_name = &b->to[b->n], .msg_iov = &b->iov[b->n], .msg_iovlen = 1 };
	h->msg_namelen = rmdt_address_get(&t->to, udp->family, &b->to[b->n]);
	if (!h->msg_namelen)
		return 0;
	b->iov[b->n] = (struct iovec){ t->buf + off, len };
	if (len > t->segment)
		rmdt_control_add_segment(h, &b->control[b->n], (uint16_t)t->segment);
	if (t->ect)
		rmdt_control_add_ect(h, &b->control[b->n], &t->to);
	rmdt_control_add_local(h, &b->control[b->n], &t->to, udp->family);
	b->piece[b->n] = (struct piece){ i, len, len > t->segment };
	b->n++;
	return len;
}

static void skip_train(struct rmdt_outbox *out, int error)
{
	out->error[out->at] = error;
	out->at++;
	out->at_off = 0;
}

static void gather(struct batch *b, const struct rmdt_udp *udp, struct rmdt_outbox *out, bool gso)
{
	size_t i = out->at, off = out->at_off;

	b->n = 0;
	while (i < out->n && b->n < RMDT_OUTBOX_TRAINS) {
		size_t len = add_piece(b, udp, out, i, off, gso);

		if (!len)
			break;
		off += len;
		if (off >= out->train[i].len) {
			out->error[i] = 0;
			off = 0;
			i++;
		}
	}
}

static void advance(struct rmdt_outbox *out, const struct batch *b, size_t sent)
{
	for (size_t i = 0; i < sent; i++) {
		out->at_off += b->piece[i].len;
		if (out->at_off >= out->train[out->at].len) {
			out->at++;
			out->at_off = 0;
		}
	}
}

/* What is said of a local address that has gone. */
static bool is_about_address(int error)
{
	return error == EINVAL || error == EADDRNOTAVAIL || error == ENODEV || error == ENETUNREACH ||
	       error == EHOSTUNREACH;
}

/*
 * The first message of the batch was refused. A refusal of a segmented one may mean the segmentation or the size: it is
 * tried again in single datagrams, and only if these are taken it was the segmentation.
 */
static int on_refusal(struct rmdt_outbox *out, const struct batch *b, int error, bool *split)
{
	if (is_about_address(error) && rmdt_addr_has_local(&out->train[out->at].to)) {
		memset(out->train[out->at].to.local, 0, RMDT_ADDR_LOCAL_BYTES);
		return 0;
	}
	switch (error) {
	case EINTR:
	case ECONNREFUSED:		/* of an earlier datagram */
		return 0;
	case EAGAIN:
		return -EAGAIN;
	case ENOBUFS:
	case ENOMEM:
		advance(out, b, 1);
		return 0;
	case EPERM:			/* a firewall being loaded, a route being changed: will pass */
	case ENETUNREACH:
	case EHOSTUNREACH:
		skip_train(out, -error);
		return 0;
	default:
		if (b->piece[0].gso)
			*split = true;
		else
			skip_train(out, -error);
		return 0;
	}
}

int rmdt_udp_send(struct rmdt_udp *udp, struct rmdt_outbox *out)
{
	struct batch b;
	bool split = false;
	size_t split_train = 0;

	while (out->at < out->n) {
		bool gso = atomic_load_explicit(&udp->gso, memory_order_relaxed);
		int n, rc;

		if (split && out->at != split_train)
			split = false;
		gather(&b, udp, out, gso && !split);
		if (!b.n) {
			skip_train(out, -EAFNOSUPPORT);
			continue;
		}
		n = sendmmsg(udp->fd, b.msgs, (unsigned)b.n, MSG_DONTWAIT);
		if (n > 0) {
			if (split && gso && b.msgs[0].msg_len == out->train[out->at].segment)
				atomic_store(&udp->gso, false);
			advance(out, &b, (size_t)n);
			continue;
		}
		rc = on_refusal(out, &b, errno, &split);
		if (rc)
			return rc;
		split_train = out->at;
	}
	return 0;
}

int rmdt_udp_send_one(struct rmdt_udp *udp, const void *buf, size_t len, const struct rmdt_addr *to)
{
	struct sockaddr_storage ss;
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr h = { .msg_name = &ss, .msg_iov = &iov, .msg_iovlen = 1 };
	union rmdt_control control;

	h.msg_namelen = rmdt_address_get(to, udp->family, &ss);
	if (!h.msg_namelen)
		return -EAFNOSUPPORT;
	rmdt_control_add_local(&h, &control, to, udp->family);
	if (sendmsg(udp->fd, &h, MSG_DONTWAIT) >= 0)
		return 0;
	if (!h.msg_controllen || !is_about_address(errno))
		return -errno;
	h.msg_control = NULL;
	h.msg_controllen = 0;
	return sendmsg(udp->fd, &h, MSG_DONTWAIT) < 0 ? -errno : 0;
}

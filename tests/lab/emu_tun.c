/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* setns */
#include "tests/lab/emu_tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Newer than the headers of some systems. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* ---- opening ---- */

static int set_device(unsigned mtu)
{
	struct ifreq req = { .ifr_name = EMU_TUN_NAME };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (sock < 0)
		return -errno;
	req.ifr_mtu = (int)mtu;
	if (ioctl(sock, SIOCSIFMTU, &req) < 0)
		err = -errno;
	req.ifr_qlen = EMU_TUN_QUEUE;
	if (!err && ioctl(sock, SIOCSIFTXQLEN, &req) < 0)
		err = -errno;
	if (!err && ioctl(sock, SIOCGIFFLAGS, &req) < 0)
		err = -errno;
	req.ifr_flags |= IFF_UP;
	if (!err && ioctl(sock, SIOCSIFFLAGS, &req) < 0)
		err = -errno;
	close(sock);
	return err;
}

static int set_offload(int fd)
{
	static const unsigned wanted[] = {
		/* best first: older kernels know no UDP super-packets */
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)wanted[i]) == 0)
			return 0;
	}
	return -errno;
}

/* Runs inside the namespace. */
static int create_device(struct emu_tun *tun, unsigned mtu)
{
	struct ifreq req = { .ifr_name = EMU_TUN_NAME };

	tun->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tun->fd < 0)
		return -errno;
	req.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | (tun->offload ? IFF_VNET_HDR : 0));
	if (ioctl(tun->fd, TUNSETIFF, &req) < 0)
		return -errno;
	int err = tun->offload ? set_offload(tun->fd) : 0;

	if (!err)
		err = set_device(mtu);
	/* This file goes on showing the namespace in which it was opened. */
	tun->dev_fd = open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
	return err ? err : tun->dev_fd < 0 ? -errno : 0;
}

int emu_tun_open(struct emu_tun *tun, const char *netns, unsigned mtu, bool offload)
{
	int home = -1, there = -1, err = 0;

	memset(tun, 0, sizeof(*tun));
	tun->fd = tun->dev_fd = -1;
	tun->offload = offload;
	if (netns) {
		home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		there = open(netns, O_RDONLY | O_CLOEXEC);
		if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
			err = -errno;
	}
	if (!err)
		err = create_device(tun, mtu);
	if (home >= 0 && setns(home, CLONE_NEWNET) < 0 && !err)
		err = -errno;
	if (home >= 0)
		close(home);
	if (there >= 0)
		close(there);
	if (err)
		emu_tun_close(tun);
	return err;
}

void emu_tun_close(struct emu_tun *tun)
{
	if (tun->fd >= 0)
		close(tun->fd);
	if (tun->dev_fd >= 0)
		close(tun->dev_fd);
	tun->fd = tun->dev_fd = -1;
}

/* ---- packets ---- */

int emu_tun_read(struct emu_tun *tun, struct emu_super *super)
{
	struct virtio_net_hdr vnet = { 0 };
	struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { super->pkt, sizeof(super->pkt) } };
	ssize_t n = tun->offload ? readv(tun->fd, iov, 2)
	                         : read(tun->fd, super->pkt, sizeof(super->pkt));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (tun->offload && (n -= (ssize_t)sizeof(vnet)) < 0)
		return -EBADMSG;
	tun->reads++;
	super->bytes = (size_t)n;
	super->gso_bytes = vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE ? 0 : vnet.gso_size;
	super->csum = (struct emu_csum) { 0, 0 };
	if ((vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
	    (size_t)vnet.csum_start + vnet.csum_offset + 2 <= super->bytes)
		super->csum = (struct emu_csum) { vnet.csum_start, vnet.csum_offset };
	return 1;
}

static void write_all(struct emu_tun *tun, const struct iovec *iov, int parts)
{
	tun->writes++;
	if (writev(tun->fd, iov, parts) < 0)
		tun->write_errors++;
}

static void write_one(struct emu_tun *tun, const struct emu_out *out)
{
	struct virtio_net_hdr vnet = { 0 };
	struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { out->pkt, out->bytes } };

	if (out->csum.start) {
		vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vnet.csum_start = out->csum.start;
		vnet.csum_offset = out->csum.offset;
	}
	write_all(tun, tun->offload ? iov : iov + 1, tun->offload ? 2 : 1);
}

static uint8_t gso_type(const struct emu_ip *ip)
{
	if (ip->proto == IPPROTO_UDP)
		return VIRTIO_NET_HDR_GSO_UDP_L4;
	return ip->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}

/* Writes as many packets from the start as can be joined; returns how many, at least one. */
static size_t write_run(struct emu_tun *tun, struct emu_out *out, size_t count)
{
	struct emu_join join;
	struct iovec iov[2 + EMU_JOIN_PKTS_MAX];
	struct virtio_net_hdr vnet = { 0 };

	if (!tun->offload || count == 1 ||
	    !emu_join_first(&join, out->pkt, out->bytes, &out->csum)) {
		write_one(tun, out);
		return 1;
	}
	while (join.pkts < count &&
	       emu_join_next(&join, out[join.pkts].pkt, out[join.pkts].bytes, &out[join.pkts].csum))
		;
	if (join.pkts == 1) {
		write_one(tun, out);
		return 1;
	}
	emu_join_finish(&join);
	vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vnet.gso_type = gso_type(&join.ip);
	vnet.gso_size = join.gso_bytes;
	vnet.hdr_len = join.ip.payload_off;
	vnet.csum_start = join.ip.l4_off;
	vnet.csum_offset = out->csum.offset;
	iov[0] = (struct iovec) { &vnet, sizeof(vnet) };
	iov[1] = (struct iovec) { join.header, join.ip.payload_off };
	for (unsigned i = 0; i < join.pkts; i++)
		iov[2 + i] = (struct iovec) { out[i].pkt + join.ip.payload_off,
			                      out[i].bytes - join.ip.payload_off };
	write_all(tun, iov, 2 + (int)join.pkts);
	return join.pkts;
}

void emu_tun_write(struct emu_tun *tun, struct emu_out *out, size_t count)
{
	while (count) {
		size_t n = write_run(tun, out, count);

		out += n;
		count -= n;
	}
}

uint64_t emu_tun_drops(const struct emu_tun *tun)
{
	char text[4096];
	ssize_t n = pread(tun->dev_fd, text, sizeof(text) - 1, 0);
	unsigned long long drops = 0;

	if (n < 0)
		return 0;
	text[n] = '\0';
	char *line = strstr(text, EMU_TUN_NAME ":");

	/* Eight columns of what was received, then bytes, packets, errors and drops of what was
	 * sent. */
	if (line)
		sscanf(line + sizeof(EMU_TUN_NAME),
		       "%*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu", &drops);
	return drops;
}

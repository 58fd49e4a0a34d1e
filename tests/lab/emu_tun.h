/* SPDX-License-Identifier: Apache-2.0 */
/* emu_tun: a TUN device inside a network namespace: whole IP packets in and out, in super-packets
 * where the kernel can. */
#ifndef LAB_EMU_TUN_H
#define LAB_EMU_TUN_H

#include "tests/lab/emu_ip.h"

#define EMU_TUN_NAME "lab0"

/* Longest that one read may give: a whole IP packet. */
#define EMU_SUPER_MAX 65536

/* Packets that wait in the device while the emulator is busy: 50 ms of 300,000 small packets a
 * second. */
#define EMU_TUN_QUEUE 16384

struct emu_tun {
	int fd;     /* not blocking; -1 = closed */
	int dev_fd; /* the counters of the namespace */
	bool offload;
	uint64_t reads, writes, write_errors;
};

/* One read: a packet, or a super-packet to be cut every gso_bytes. */
struct emu_super {
	size_t bytes;
	uint16_t gso_bytes; /* 0 = an ordinary packet */
	struct emu_csum csum;
	uint8_t pkt[EMU_SUPER_MAX + EMU_HEADER_MAX];
};

/* A packet to be written; borrowed until emu_tun_write() returns. */
struct emu_out {
	uint8_t *pkt;
	size_t bytes;
	struct emu_csum csum;
};

/*
 * Create the device in the namespace whose path is `netns` (NULL = the present one), with `mtu`,
 * and switch it on. Needs root. Returns 0 or negative errno. The device goes when the descriptor is
 * closed. The caller's namespace is unchanged.
 */
int emu_tun_open(struct emu_tun *tun, const char *netns, unsigned mtu, bool offload);
void emu_tun_close(struct emu_tun *tun);

/* 1 = one filled, 0 = nothing there, or negative errno. */
int emu_tun_read(struct emu_tun *tun, struct emu_super *super);

/* Write packets in order, joined where `offload` allows it. A packet that the kernel refuses is
 * counted and skipped. */
void emu_tun_write(struct emu_tun *tun, struct emu_out *out, size_t count);

/* Packets that the kernel dropped because the emulator did not read in time. */
uint64_t emu_tun_drops(const struct emu_tun *tun);

#endif

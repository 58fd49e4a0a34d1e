/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emu_wan: the hosts, the links between every ordered pair of them, and the packets under way.
 * Knows no descriptor and no clock but now_ns: packets come in with emu_wan_input() and go out
 * through the `deliver` function when they are due.
 */
#ifndef LAB_EMU_WAN_H
#define LAB_EMU_WAN_H

#include "tests/lab/emu_ip.h"
#include "tests/lab/emu_link.h"
#include "tests/lab/emu_tun.h"

#include <stdio.h>

/* Memory for packets under way: 1 Gbit/s for 1 s with its queue, twice over; more is reported as
 * overload. */
#define EMU_POOL_BYTES_MAX (UINT64_C(512) << 20)

/* Packets handed to one host at once. */
#define EMU_BATCH 256

struct emu_overload {
	uint64_t late; /* packets delivered more than late_limit_us after they were due */
	uint64_t late_max_us;
	uint64_t no_memory; /* packets dropped because the pool was at its bound */
};

/* Takes `count` packets for host `to`, in order; they are borrowed during the call. */
typedef void emu_deliver_fn(void *arg, int to, struct emu_out *out, size_t count);

struct emu_wan;

/* hosts: 1..EMU_HOSTS_MAX; every pair is joined by a perfect wire at first. NULL: no memory. */
struct emu_wan *emu_wan_new(int hosts, unsigned mtu, uint64_t seed, emu_deliver_fn *deliver,
                            void *arg);
void emu_wan_free(struct emu_wan *wan);

void emu_wan_late_limit(struct emu_wan *wan, uint64_t limit_us);

/* The link from one host to another; both 1..hosts. */
struct emu_link *emu_wan_link(struct emu_wan *wan, int from, int to);
/* The queue that all links from a host share. */
struct emu_queue *emu_wan_uplink(struct emu_wan *wan, int from);

/* A packet or super-packet from host `from`. `super` may be written to. */
void emu_wan_input(struct emu_wan *wan, int from, struct emu_super *super, uint64_t now_ns);

/* Deliver all that is due. */
void emu_wan_run(struct emu_wan *wan, uint64_t now_ns);

/* When the next packet is due; UINT64_MAX = nothing is under way. */
uint64_t emu_wan_next_ns(const struct emu_wan *wan);

const struct emu_overload *emu_wan_overload(const struct emu_wan *wan);

/* Packets for addresses outside of the lab, and what is no IP packet. */
uint64_t emu_wan_strays(const struct emu_wan *wan);

/* Packets under way. */
size_t emu_wan_flying(const struct emu_wan *wan);

#endif

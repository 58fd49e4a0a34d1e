/* SPDX-License-Identifier: Apache-2.0 */
/* emu_lab: the named hosts with their devices, and the loop that moves packets. One thread, nothing
 * is locked. */
#ifndef LAB_EMU_LAB_H
#define LAB_EMU_LAB_H

#include "tests/lab/emu_tun.h"
#include "tests/lab/emu_wan.h"

#define EMU_NAME_MAX 32

struct emu_host {
	char name[EMU_NAME_MAX];
	struct emu_tun tun;
};

struct emu_lab {
	int hosts; /* numbered from 1 */
	struct emu_host host[EMU_HOSTS_MAX + 1];
	struct emu_wan *wan;
	uint64_t start_ns;
	uint64_t limit_us; /* what counts as late */
	uint64_t stalls; /* times the loop took longer than limit_us for one round, or woke up that
	                    late */
	uint64_t stall_max_us;
	bool realtime;          /* the scheduler lets us run before the hosts */
	volatile bool stop;     /* set by a command or a signal handler */
	struct emu_super super; /* the packet just read */
};

uint64_t emu_now_ns(void);

/* Number of the host, 0 = unknown. */
int emu_lab_host(const struct emu_lab *lab, const char *name);

/*
 * Move packets until lab->stop. ctl_fd: a socket for emu_ctl_serve(), -1 = none. Returns 0 or
 * negative errno. A signal that sets lab->stop must be blocked: it is let in only while waiting, so
 * that it is not missed.
 */
int emu_lab_run(struct emu_lab *lab, int ctl_fd);

/* Hand packets to a host; an emu_deliver_fn whose arg is the lab. */
void emu_lab_deliver(void *arg, int to, struct emu_out *out, size_t count);

/* True: times, losses and rates seen in this lab may be the lab's own doing. */
bool emu_lab_overloaded(const struct emu_lab *lab);

/* All counters as one line of JSON. */
void emu_lab_stats(const struct emu_lab *lab, FILE *out);

#endif

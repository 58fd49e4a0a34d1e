/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* ppoll */
#include "tests/lab/emu_lab.h"
#include "tests/lab/emu_ctl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* Reads from one host before the next has its turn. */
#define READS_PER_TURN 32

/* Packets that fall due within this time leave together, as behind a network card that moderates
 * its interrupts. A wake-up for every packet of a 500 Mbit/s stream would take more time than the
 * packets. */
#define TICK_NS (100 * EMU_NS_PER_US)

uint64_t emu_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * EMU_NS_PER_S + (uint64_t)ts.tv_nsec;
}

int emu_lab_host(const struct emu_lab *lab, const char *name)
{
	for (int i = 1; i <= lab->hosts; i++) {
		if (strcmp(lab->host[i].name, name) == 0)
			return i;
	}
	return 0;
}

void emu_lab_deliver(void *arg, int to, struct emu_out *out, size_t count)
{
	struct emu_lab *lab = arg;

	emu_tun_write(&lab->host[to].tun, out, count);
}

static void note_stall(struct emu_lab *lab, uint64_t ns)
{
	uint64_t us = ns / EMU_NS_PER_US;

	if (us > lab->limit_us)
		lab->stalls++;
	if (us > lab->stall_max_us)
		lab->stall_max_us = us;
}

static int read_host(struct emu_lab *lab, int from)
{
	int got = 0;

	for (int i = 0; i < READS_PER_TURN; i++) {
		got = emu_tun_read(&lab->host[from].tun, &lab->super);
		if (got <= 0)
			break;
		emu_wan_input(lab->wan, from, &lab->super, emu_now_ns());
	}
	return got < 0 && got != -EBADMSG ? got : 0;
}

/* Sleeps until a packet comes or one is due, but no shorter than a tick. */
static int wait_events(struct emu_lab *lab, struct pollfd *fds)
{
	uint64_t now_ns = emu_now_ns(), next_ns = emu_wan_next_ns(lab->wan);
	struct timespec ts, *timeout = NULL;
	sigset_t none;

	if (next_ns != UINT64_MAX) {
		if (next_ns < now_ns + TICK_NS)
			next_ns = now_ns + TICK_NS;
		ts.tv_sec = (time_t)((next_ns - now_ns) / EMU_NS_PER_S);
		ts.tv_nsec = (long)((next_ns - now_ns) % EMU_NS_PER_S);
		timeout = &ts;
	}
	sigemptyset(&none); /* signals come only here, where they end the wait */
	int n = ppoll(fds, (nfds_t)lab->hosts + 1, timeout, &none);
	uint64_t woken_ns = emu_now_ns();

	if (woken_ns > next_ns)
		note_stall(lab, woken_ns - next_ns);
	return n < 0 && errno != EINTR ? -errno : 0;
}

static int handle_events(struct emu_lab *lab, const struct pollfd *fds)
{
	int err = 0;

	if (fds[0].revents)
		emu_ctl_serve(lab, fds[0].fd);
	for (int i = 1; i <= lab->hosts && !err; i++) {
		if (fds[i].revents)
			err = read_host(lab, i);
	}
	return err;
}

int emu_lab_run(struct emu_lab *lab, int ctl_fd)
{
	struct pollfd fds[EMU_HOSTS_MAX + 1] = { { .fd = ctl_fd, .events = POLLIN } };
	int err = 0;

	for (int i = 1; i <= lab->hosts; i++)
		fds[i] = (struct pollfd) { .fd = lab->host[i].tun.fd, .events = POLLIN };
	while (!err && !lab->stop) {
		err = wait_events(lab, fds);
		uint64_t start_ns = emu_now_ns();

		if (!err && !lab->stop)
			err = handle_events(lab, fds);
		emu_wan_run(lab->wan, emu_now_ns());
		note_stall(lab, emu_now_ns() - start_ns);
	}
	return err;
}

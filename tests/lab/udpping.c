/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* ppoll */
/*
 * udpping: measures a path with numbered datagrams whose content both sides know: round trip, loss,
 * duplicates, reordering, damage, ECN marks, rate.
 */
#include "tests/lab/emu_link.h" /* emu_random */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 10000000
#define BYTES_MIN 16 /* number and time */
#define BYTES_MAX 65000
#define SOCKET_BUFFER (8 << 20)

#ifndef UDP_SEGMENT /* linux/udp.h does not go with netinet/udp.h everywhere */
#define UDP_SEGMENT 103
#endif

static const char usage[] =
	"usage: udpping [options] HOST PORT   send datagrams, wait for their echoes, print the "
        "result\n"
	"       udpping -e                    echo at a free port, which is printed first, until "
        "SIGTERM\n"
	"       udpping -q                    the same, but only count; the result comes at "
        "SIGTERM\n"
	"  -n COUNT  datagrams (10)      -i MS  between them (10)     -s BYTES  of each (64)\n"
	"  -w MS     wait for the last echo (1000)\n"
	"  -g TRAIN  datagrams handed to the kernel at once, as one super-packet (1)\n"
	"  -E        send as ECN-capable -o     one way: expect no echoes\n"
	"Prints JSON; rtt_* in microseconds; marked, damaged: of the datagrams that this side "
        "received.\n";

struct meter {
	uint64_t sent, received, duplicates, reordered, damaged, marked, bytes;
	uint64_t rtt_min_us, rtt_max_us, rtt_sum_us;
	uint64_t first_ns, last_ns, next_number;
	uint8_t *seen; /* a byte for each number */
	uint64_t room;
};

static volatile sig_atomic_t stop;

static void on_signal(int signo)
{
	(void)signo;
	stop = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * EMU_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* The content follows from the number and the length, so that a cut-off end shows too; the time
 * behind it does not count as damage where it cannot be checked. */
static void fill(uint8_t *buf, size_t bytes, uint64_t number)
{
	uint64_t seed = number ^ (uint64_t)bytes << 40;

	memcpy(buf, &number, 8);
	memset(buf + 8, 0, 8);
	for (size_t i = BYTES_MIN; i < bytes; i++)
		buf[i] = (uint8_t)emu_random(&seed);
}

static void note(struct meter *m, uint8_t *buf, size_t bytes, bool marked)
{
	static uint8_t want[BYTES_MAX];
	uint64_t number, sent_ns, now = now_ns();

	m->marked += marked;
	m->bytes += bytes;
	m->last_ns = now;
	if (m->received++ == 0)
		m->first_ns = now;
	if (bytes < BYTES_MIN || bytes > BYTES_MAX) {
		m->damaged++;
		return;
	}
	memcpy(&number, buf, 8);
	memcpy(&sent_ns, buf + 8, 8);
	memset(buf + 8, 0, 8);
	fill(want, bytes, number);
	if (number >= m->room || memcmp(want, buf, bytes) != 0 || sent_ns > now) {
		m->damaged++;
		return;
	}
	if (m->seen[number]++) {
		m->duplicates++;
		return;
	}
	m->reordered += number < m->next_number;
	if (number >= m->next_number)
		m->next_number = number + 1;
	uint64_t rtt_us = (now - sent_ns) / 1000;

	m->rtt_sum_us += rtt_us;
	if (rtt_us < m->rtt_min_us)
		m->rtt_min_us = rtt_us;
	if (rtt_us > m->rtt_max_us)
		m->rtt_max_us = rtt_us;
}

static void report(const struct meter *m)
{
	uint64_t good = m->received - m->duplicates - m->damaged;
	double seconds = (double)(m->last_ns - m->first_ns) / 1e9;

	printf("{\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"duplicates\":%" PRIu64
	       ",\"reordered\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"marked\":%" PRIu64 ",",
	       m->sent, m->received, m->duplicates, m->reordered, m->damaged, m->marked);
	printf("\"rtt_min_us\":%" PRIu64 ",\"rtt_avg_us\":%" PRIu64 ",\"rtt_max_us\":%" PRIu64
	       ",\"bytes\":%" PRIu64 ",\"bit_per_s\":%.0f}\n",
	       good ? m->rtt_min_us : 0, good ? m->rtt_sum_us / good : 0, m->rtt_max_us, m->bytes,
	       seconds > 0 ? (double)m->bytes * 8 / seconds : 0);
	fflush(stdout);
}

/* 1 = one received, 0 = none there. */
static int receive(int fd, uint8_t *buf, size_t *bytes, bool *marked, struct sockaddr_in6 *from)
{
	char control[64];
	struct iovec iov = { buf, BYTES_MAX };
	struct msghdr msg = { .msg_name = from,
		              .msg_namelen = from ? sizeof(*from) : 0,
		              .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = control,
		              .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return 0;
	*bytes = (size_t)n;
	*marked = false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS))
			*marked = (*CMSG_DATA(c) & 3) == 3;
	}
	return 1;
}

static void set_options(int fd, int family, bool ecn)
{
	int on = 1, ect = 2, room = SOCKET_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
	if (ecn)
		setsockopt(fd, IPPROTO_IP, IP_TOS, &ect, sizeof(ect));
	if (family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
		if (ecn)
			setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &ect, sizeof(ect));
	}
}

static int fail(const char *what)
{
	fprintf(stderr, "udpping: %s: %s\n", what, strerror(errno));
	return 1;
}

static int serve(struct meter *m, bool echo)
{
	static uint8_t buf[BYTES_MAX];
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(addr);
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t term, none;
	size_t bytes;
	bool marked;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return fail("cannot bind");
	set_options(fd, AF_INET6, false);
	sigemptyset(&none);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	sigaction(SIGTERM, &action, NULL);
	printf("%u\n", ntohs(addr.sin6_port));
	fflush(stdout);
	while (!stop) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		ppoll(&p, 1, NULL, &none);
		while (receive(fd, buf, &bytes, &marked, &addr)) {
			if (echo) /* as it came; the sender judges */
				sendto(fd, buf, bytes, 0, (struct sockaddr *)&addr, sizeof(addr));
			note(m, buf, bytes, marked);
		}
	}
	report(m);
	close(fd);
	return 0;
}

static int open_to(const char *host, const char *port, bool ecn)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *list;
	int err = getaddrinfo(host, port, &hints, &list);

	if (err) {
		fprintf(stderr, "udpping: '%s' port '%s': %s\n", host, port, gai_strerror(err));
		return -1;
	}
	int fd = socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen) < 0) {
		fail("cannot connect");
		if (fd >= 0)
			close(fd);
		fd = -1;
	} else {
		set_options(fd, list->ai_family, ecn);
	}
	freeaddrinfo(list);
	return fd;
}

static void receive_until(struct meter *m, int fd, uint64_t until_ns, uint64_t enough)
{
	static uint8_t buf[BYTES_MAX];
	size_t bytes;
	bool marked;

	for (uint64_t now = now_ns(); now < until_ns && m->received < enough; now = now_ns()) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		struct timespec ts = { .tv_sec = (time_t)((until_ns - now) / EMU_NS_PER_S),
			               .tv_nsec = (long)((until_ns - now) % EMU_NS_PER_S) };

		ppoll(&p, 1, &ts, NULL);
		while (receive(fd, buf, &bytes, &marked, NULL))
			note(m, buf, bytes, marked);
	}
}

struct plan {
	uint64_t count, wait_ms;
	double interval_ms;
	size_t bytes, train;
	bool one_way;
};

/* Number i and what follows; returns how many were sent. */
static uint64_t send_train(int fd, const struct plan *plan, uint64_t i)
{
	static uint8_t buf[BYTES_MAX];
	uint64_t now = now_ns(), n = 0;

	for (; n < plan->train && i + n < plan->count; n++) {
		uint8_t *at = buf + n * plan->bytes;

		fill(at, plan->bytes, i + n);
		memcpy(at + 8, &now, 8);
	}
	return send(fd, buf, n * plan->bytes, 0) >= 0 ? n : 0;
}

static void ping(struct meter *m, int fd, const struct plan *plan)
{
	uint64_t start_ns = now_ns();

	for (uint64_t i = 0; i < plan->count; i += plan->train) {
		receive_until(m, fd, start_ns + (uint64_t)((double)i * plan->interval_ms * 1e6),
		              UINT64_MAX);
		m->sent += send_train(fd, plan, i);
	}
	if (!plan->one_way)
		receive_until(m, fd, now_ns() + plan->wait_ms * 1000000,
		              m->damaged || m->duplicates ? UINT64_MAX : m->sent);
	report(m);
}

static bool parse(int c, const char *text, struct plan *plan)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0 && value <= COUNT_MAX))
		return false;
	if (c == 'n')
		plan->count = (uint64_t)value;
	else if (c == 'i')
		plan->interval_ms = value;
	else if (c == 'w')
		plan->wait_ms = (uint64_t)value;
	else if (c == 'g')
		plan->train = (size_t)value;
	else
		plan->bytes = (size_t)value;
	return plan->bytes >= BYTES_MIN && plan->train >= 1 && plan->train <= 64;
}

int main(int argc, char **argv)
{
	struct plan plan = {
		.count = 10, .wait_ms = 1000, .interval_ms = 10, .bytes = 64, .train = 1
	};
	struct meter m = { .rtt_min_us = UINT64_MAX, .room = COUNT_MAX };
	bool echo = false, count = false, ecn = false;
	int c, status = 1;

	while ((c = getopt(argc, argv, "eqn:i:s:w:g:Eoh")) != -1) {
		echo |= c == 'e';
		count |= c == 'q';
		ecn |= c == 'E';
		plan.one_way |= c == 'o';
		if (c == 'h')
			return fputs(usage, stdout), 0;
		if (c == '?' || (optarg && strchr("niswg", c) && !parse(c, optarg, &plan)))
			return fputs(usage, stderr), 2;
	}
	if (argc - optind != (echo || count ? 0 : 2) || plan.bytes * plan.train > BYTES_MAX)
		return fputs(usage, stderr), 2;
	m.seen = calloc(m.room, 1); /* touched where it is used */
	if (!m.seen)
		return fail("no memory");
	if (echo || count) {
		status = serve(&m, echo);
	} else {
		int fd = open_to(argv[optind], argv[optind + 1], ecn);

		int segment = (int)plan.bytes;

		if (fd >= 0 && plan.train > 1 &&
		    setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) < 0) {
			status = fail("UDP_SEGMENT");
			close(fd);
		} else if (fd >= 0) {
			ping(&m, fd, &plan);
			close(fd);
			status = 0;
		}
	}
	free(m.seen);
	return status;
}

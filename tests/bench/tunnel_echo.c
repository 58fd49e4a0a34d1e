/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Round trips of small messages over TCP, many connections at once.
 *
 *     tunnel_echo serve PORT                                echo on all addresses until SIGTERM
 *     tunnel_echo run HOST PORT[,PORT...] CONNS EACH EVERY_US BYTES
 *                                                           EACH messages on each of CONNS connections, which take the ports
 *                                                           in turn; EVERY_US: a message
 *                                                           at these times, whether or not the last one has come back;
 *                                                           0: each when the one before has. Prints what it found as
 *                                                           samples=N echo_us=MEDIAN echo_p99_us=P99 echo_worst_us=WORST
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BYTES_MOST 65536
#define STALL_US 30000000.0		/* nothing came back for so long */

struct conn {
	int fd;
	unsigned sent, back;		/* messages */
	size_t part;			/* bytes of the next one that have come back */
	double due, *sent_at;		/* us */
};

static struct {
	int epoll;
	unsigned conns, each;
	double every_us;
	size_t bytes;
	double *took;
	unsigned taken;
} run;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static void set_up(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void watch(int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
}

/* ---- the server ---- */

/* Small messages fit the socket's buffer; a client that does not read them is none of ours. */
static void give_back(int fd)
{
	uint8_t buf[BYTES_MOST];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	if (n <= 0 || send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
		close(fd);
}

static _Noreturn void serve(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1024) < 0)
		die("listen");
	watch(listener, NULL);
	for (;;) {
		struct epoll_event event;

		if (epoll_wait(run.epoll, &event, 1, -1) < 1)
			continue;
		if (event.data.ptr == NULL) {
			int fd = accept(listener, NULL, NULL);

			set_up(fd);
			watch(fd, (void *)(intptr_t)fd);
		} else {
			give_back((int)(intptr_t)event.data.ptr);
		}
	}
}

/* ---- the clients ---- */

static void send_message(struct conn *c)
{
	static const uint8_t zeros[BYTES_MOST];

	c->sent_at[c->sent++] = now_us();
	if (send(c->fd, zeros, run.bytes, MSG_NOSIGNAL) != (ssize_t)run.bytes)
		die("send");
}

static void take(struct conn *c)
{
	uint8_t buf[BYTES_MOST];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n <= 0)
		die("recv");
	for (c->part += (size_t)n; c->part >= run.bytes; c->part -= run.bytes)
		run.took[run.taken++] = now_us() - c->sent_at[c->back++];
	if (run.every_us == 0 && c->back == c->sent && c->sent < run.each)
		send_message(c);
}

/* Sends what is due; when the next one is. */
static double send_due(struct conn *all)
{
	double next = 1e18;

	for (unsigned i = 0; i < run.conns && run.every_us > 0; i++) {
		struct conn *c = &all[i];

		for (; c->sent < run.each && c->due <= now_us(); c->due += run.every_us)
			send_message(c);
		if (c->sent < run.each && c->due < next)
			next = c->due;
	}
	return next;
}

static void connect_all(struct conn *all, const char *host, const char *ports)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	const char *port = ports;
	double begun;

	if (inet_pton(AF_INET, host, &at.sin_addr) != 1)
		die(host);
	for (unsigned i = 0; i < run.conns; i++) {
		at.sin_port = htons((uint16_t)atoi(port));
		port = strchr(port, ',') != NULL ? strchr(port, ',') + 1 : ports;
		all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		all[i].sent_at = calloc(run.each, sizeof(double));
		if (all[i].sent_at == NULL || connect(all[i].fd, (struct sockaddr *)&at, sizeof(at)) < 0)
			die("connect");
		set_up(all[i].fd);
		watch(all[i].fd, &all[i]);
	}
	/* One after another, so that messages of two connections seldom share a packet. */
	begun = now_us() + 200000;
	for (unsigned i = 0; i < run.conns; i++)
		all[i].due = begun + run.every_us * i / run.conns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print_result(void)
{
	qsort(run.took, run.taken, sizeof(*run.took), compare);
	printf("samples=%u echo_us=%.1f echo_p99_us=%.1f echo_worst_us=%.1f\n", run.taken, run.took[run.taken / 2],
	       run.took[run.taken * 99ULL / 100], run.took[run.taken - 1]);
}

static int echo(char **arg)
{
	struct conn *all;
	double last;

	run.conns = (unsigned)atoi(arg[2]);
	run.each = (unsigned)atoi(arg[3]);
	run.every_us = atof(arg[4]);
	run.bytes = (size_t)atoi(arg[5]);
	all = calloc(run.conns, sizeof(*all));
	run.took = calloc((size_t)run.conns * run.each, sizeof(double));
	if (all == NULL || run.took == NULL || run.each == 0 || run.bytes == 0 || run.bytes > BYTES_MOST)
		die("arguments");
	connect_all(all, arg[0], arg[1]);
	for (unsigned i = 0; i < run.conns && run.every_us == 0; i++)
		send_message(&all[i]);
	for (last = now_us(); run.taken < run.conns * run.each;) {
		struct epoll_event events[64];
		double wait_us = send_due(all) - now_us();
		struct timespec wait = { .tv_nsec = (long)(wait_us < 0 ? 0 : wait_us > 5e5 ? 5e8 : wait_us * 1e3) };
		int n = epoll_pwait2(run.epoll, events, 64, &wait, NULL);

		for (int i = 0; i < n; i++)
			take(events[i].data.ptr);
		if (n > 0)
			last = now_us();
		else if (now_us() - last > STALL_US)
			break;
	}
	if (run.taken < run.conns * run.each) {
		fprintf(stderr, "tunnel_echo: %u of %u came back\n", run.taken, run.conns * run.each);
		return 1;
	}
	print_result();
	return 0;
}

int main(int argc, char **argv)
{
	run.epoll = epoll_create1(0);
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	if (argc == 8 && strcmp(argv[1], "run") == 0)
		return echo(argv + 2);
	fputs("usage: tunnel_echo serve PORT | run HOST PORT[,PORT...] CONNS EACH EVERY_US BYTES\n", stderr);
	return 2;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many TCP connections at once that check every byte and how each side ends. Both ends know from a seed, which the client
 * sends first, what will happen: how long each stream is, and whether it ends, half-closes, or is reset and by whom.
 *
 *     tcpload serve PORT                              until SIGTERM and the last end; exit 1 when anything was not as it should be
 *     tcpload run HOST PORT COUNT AT_ONCE SEED [clean] [MOST_BYTES]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <time.h>
#include <unistd.h>

#define STALL_S 60			/* without a byte on any connection */
#define REST_S 7			/* what clients sent last may be on its way when they have gone */

enum plot {
	BOTH_END,			/* each sends all and then its FIN */
	CLIENT_RESETS,			/* in the middle, having heard the server */
	SERVER_RESETS,			/* in the middle */
	SERVER_LEAVES,			/* sends all and its FIN, then closes on a client that goes on sending */
	PLOTS,
};

static const char *const plot_text[] = { "both end", "client resets", "server resets", "server leaves" };

struct conn {
	struct conn *next, *prev;
	int fd;
	bool is_server, is_connecting, has_seed;
	uint8_t head[8];
	unsigned head_n;
	uint64_t seed;
	enum plot plot;
	uint64_t send_len, recv_len, cut;	/* UINT64_MAX: without end */
	uint64_t sent, got;
	bool told_end, saw_end, leaving;
	uint32_t armed;
};

static struct {
	int epoll, listener;
	struct conn *first, *dead;
	unsigned alive, done, bad;
	uint64_t bytes;
	double moved_at;
	bool clean;
	uint64_t most;
} load;

static volatile sig_atomic_t stopped;

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t mix(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint8_t pattern(uint64_t seed, bool from_server, uint64_t off)
{
	return (uint8_t)((off * 31) >> 3 ^ off >> 15 ^ seed ^ (from_server ? 0x5a : 0));
}

/* Mostly short, some long, some empty. */
static uint64_t some_length(uint64_t *state, uint64_t most)
{
	uint64_t r = mix(state);

	switch (r % 8) {
	case 0: return 0;
	case 1: return 1 + (r >> 8) % most;
	case 2: return 1 + (r >> 8) % (most / 8);
	default: return 1 + (r >> 8) % 4000;
	}
}

/* The low 32 bits of a seed are chance; what both ends must know besides stands above. */
static void plan(struct conn *c)
{
	uint64_t state = c->seed, most = (c->seed >> 32 & 0xff) << 16;
	uint64_t up = some_length(&state, most), down = some_length(&state, most);
	bool clean = c->seed >> 40 & 1;

	c->plot = clean || mix(&state) % 2 ? BOTH_END : (enum plot)(1 + mix(&state) % (PLOTS - 1));
	if (c->plot != BOTH_END) {
		up++;
		down++;
	}
	c->cut = 1 + mix(&state) % (c->plot == CLIENT_RESETS ? up : c->plot == SERVER_RESETS ? up : 1);
	if (c->plot == SERVER_LEAVES)
		up = UINT64_MAX;
	c->send_len = c->is_server ? down : up;
	c->recv_len = c->is_server ? up : down;
}

/* ---- ends ---- */

static void finish(struct conn *c, bool with_reset, const char *fault)
{
	struct linger now = { .l_onoff = 1 };

	if (fault != NULL) {
		struct sockaddr_in own = { 0 };
		socklen_t len = sizeof(own);

		load.bad++;
		getsockname(c->fd, (struct sockaddr *)&own, &len);
		if (load.bad < 20)
			fprintf(stderr, "tcpload: %s port %u, seed %llx, %s: %s (sent %llu of %lld, got %llu of %lld, end %d %d)\n",
				c->is_server ? "server" : "client", ntohs(own.sin_port), (unsigned long long)c->seed,
				c->has_seed ? plot_text[c->plot] : "no seed", fault, (unsigned long long)c->sent,
				(long long)c->send_len, (unsigned long long)c->got, (long long)c->recv_len,
				c->told_end, c->saw_end);
	}
	if (with_reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	c->fd = -1;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		load.first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->next = load.dead;
	load.dead = c;
	load.alive--;
	load.done++;
}

static bool check(struct conn *c, const uint8_t *buf, size_t n);

/* A reset does not throw away what the socket has already taken in. False: a fault was found. */
static bool drain(struct conn *c)
{
	uint8_t buf[65536];
	ssize_t n;

	while ((n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		if (!check(c, buf, (size_t)n))
			return false;
	}
	return true;
}

/* The far side reset the connection, or our writing found it gone. */
static void on_broken(struct conn *c, int error)
{
	const char *fault = NULL;

	if (!c->is_connecting && c->has_seed && !c->is_server && !drain(c))
		return;

	if (c->is_connecting || !c->has_seed)
		fault = strerror(error);
	else if (c->plot == BOTH_END)
		fault = "reset instead of an end";
	else if (c->plot == CLIENT_RESETS && !c->is_server)
		fault = "the server reset";
	else if (c->plot == SERVER_RESETS && c->is_server)
		fault = "the client reset";
	else if (c->plot == SERVER_LEAVES && (c->is_server || c->got < c->recv_len))
		fault = "reset before the end was delivered";
	finish(c, false, fault);
}

static void on_end(struct conn *c)
{
	c->saw_end = true;
	if (!c->has_seed || c->got < c->recv_len)
		finish(c, true, "the end came too early");
	else if (c->plot == SERVER_RESETS && !c->is_server)
		finish(c, true, "an end instead of a reset");
	else if (c->plot == CLIENT_RESETS && c->is_server)
		finish(c, true, "an end instead of a reset");
}

/* ---- bytes ---- */

static bool check(struct conn *c, const uint8_t *buf, size_t n)
{
	if (n > c->recv_len - c->got) {
		finish(c, true, "more bytes than were sent");
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (buf[i] == pattern(c->seed, !c->is_server, c->got + i))
			continue;
		finish(c, true, "a wrong byte");
		return false;
	}
	c->got += n;
	return true;
}

static bool receive(struct conn *c)
{
	uint8_t buf[65536];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);
	size_t at = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0) {
		on_broken(c, errno);
		return false;
	}
	load.moved_at = now_s();
	if (n == 0) {
		on_end(c);
		return c->fd >= 0;
	}
	load.bytes += (uint64_t)n;
	while (c->is_server && c->head_n < sizeof(c->head) && at < (size_t)n)
		c->head[c->head_n++] = buf[at++];
	if (c->is_server && !c->has_seed && c->head_n == sizeof(c->head)) {
		memcpy(&c->seed, c->head, sizeof(c->seed));
		c->has_seed = true;
		plan(c);
	}
	return check(c, buf + at, (size_t)n - at);
}

static bool send_some(struct conn *c)
{
	uint8_t buf[65536];
	uint64_t left = c->send_len - c->sent;
	size_t n = left < sizeof(buf) ? (size_t)left : sizeof(buf);
	ssize_t done;

	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(c->seed, c->is_server, c->sent + i);
	done = send(c->fd, buf, n, MSG_NOSIGNAL);
	if (done < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (done < 0) {
		on_broken(c, errno);
		return false;
	}
	c->sent += (uint64_t)done;
	load.bytes += (uint64_t)done;
	load.moved_at = now_s();
	return true;
}

static bool send_head(struct conn *c)
{
	/* A fresh socket takes eight bytes. */
	if (send(c->fd, &c->seed, sizeof(c->seed), MSG_NOSIGNAL) == sizeof(c->seed))
		return true;
	on_broken(c, errno);
	return false;
}

/* ---- the plot ---- */

static bool act(struct conn *c)
{
	if (!c->has_seed)
		return true;
	if (c->plot == CLIENT_RESETS && !c->is_server && c->got > 0 && c->sent >= c->cut) {
		finish(c, true, NULL);
		return false;
	}
	if (c->plot == SERVER_RESETS && c->is_server && c->got >= c->cut) {
		finish(c, true, NULL);
		return false;
	}
	if (!c->told_end && c->sent == c->send_len &&
	    (c->plot == BOTH_END || (c->plot == SERVER_LEAVES && c->is_server))) {
		shutdown(c->fd, SHUT_WR);
		c->told_end = true;
		c->leaving = c->plot == SERVER_LEAVES;
	}
	if (c->plot == BOTH_END && c->told_end && c->saw_end) {
		finish(c, false, NULL);
		return false;
	}
	return true;
}

static void arm(struct conn *c)
{
	uint32_t want = 0;
	struct epoll_event event = { .data.ptr = c };

	if (c->is_connecting || (c->has_seed && c->sent < c->send_len))
		want |= EPOLLOUT;
	if (!c->is_connecting && !c->saw_end && !c->leaving)
		want |= EPOLLIN;
	if (want == c->armed)
		return;
	event.events = want;
	epoll_ctl(load.epoll, EPOLL_CTL_MOD, c->fd, &event);
	c->armed = want;
}

static bool on_connected(struct conn *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0) {
		on_broken(c, error);
		return false;
	}
	c->is_connecting = false;
	return send_head(c);
}

static void on_event(struct conn *c, uint32_t events)
{
	if (c->is_connecting && !on_connected(c))
		return;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !c->saw_end && !c->leaving && !receive(c))
		return;
	if ((events & EPOLLERR) && (c->saw_end || c->leaving)) {
		on_broken(c, ECONNRESET);
		return;
	}
	if (c->has_seed && !c->is_connecting && c->sent < c->send_len && (events & EPOLLOUT) && !send_some(c))
		return;
	if (act(c))
		arm(c);
}

/* Servers that leave wait until what they sent has been taken. */
static void look_after_leaving(void)
{
	struct conn *next;

	for (struct conn *c = load.first; c != NULL; c = next) {
		int unsent = 0;

		next = c->next;
		if (c->leaving && ioctl(c->fd, SIOCOUTQ, &unsent) == 0 && unsent == 0)
			finish(c, false, NULL);
	}
}

/* ---- the loop ---- */

static struct conn *add(int fd, bool is_server)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	if (c == NULL)
		abort();
	c->fd = fd;
	c->is_server = is_server;
	c->armed = event.events;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->next = load.first;
	if (c->next != NULL)
		c->next->prev = c;
	load.first = c;
	load.alive++;
	epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &event);
	return c;
}

static void take_clients(void)
{
	int fd;

	while ((fd = accept(load.listener, NULL, NULL)) >= 0) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		add(fd, true);
	}
}

static void turn(void)
{
	struct epoll_event events[256];
	int n = epoll_wait(load.epoll, events, 256, 5);

	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;

		if (c == NULL)
			take_clients();
		else if (c->fd >= 0)
			on_event(c, events[i].events);
	}
	look_after_leaving();
	while (load.dead != NULL) {
		struct conn *c = load.dead;

		load.dead = c->next;
		free(c);
	}
}

static int address(const char *host, const char *port, struct sockaddr_in *at)
{
	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	return inet_pton(AF_INET, host, &at->sin_addr) == 1 ? 0 : -1;
}

static void start_client(const struct sockaddr_in *at, uint64_t seed)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct conn *c = add(fd, false);

	c->is_connecting = true;
	c->seed = seed;
	c->has_seed = true;
	plan(c);
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 && errno != EINPROGRESS)
		on_broken(c, errno);
	else
		arm(c);
}

static int run(const char *host, const char *port, unsigned count, unsigned at_once, uint64_t chance)
{
	struct sockaddr_in at;
	unsigned started = 0;
	double begun = now_s();

	if (address(host, port, &at) < 0)
		return 2;
	load.moved_at = begun;
	while (load.done < count && now_s() - load.moved_at < STALL_S) {
		while (started < count && load.alive < at_once) {
			uint64_t seed = mix(&chance) & 0xffffffff;

			started++;
			start_client(&at, seed | load.most << 32 | (uint64_t)load.clean << 40);
		}
		turn();
	}
	for (struct conn *c = load.first; c != NULL; c = load.first)
		finish(c, true, "stalled");
	printf("%u connections, %u bad, %llu bytes, %.2f s\n", load.done, load.bad, (unsigned long long)load.bytes,
	       now_s() - begun);
	return load.bad > 0;
}

static void on_signal(int number)
{
	stopped = number;
}

static int serve(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	struct epoll_event event = { .events = EPOLLIN };
	int one = 1;

	load.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(load.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(load.listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(load.listener, 4096) < 0) {
		perror("tcpload: listen");
		return 2;
	}
	epoll_ctl(load.epoll, EPOLL_CTL_ADD, load.listener, &event);
	while (!stopped)
		turn();
	for (double until = now_s() + REST_S; load.alive > 0 && now_s() < until;)
		turn();
	/* A connection of which neither end knows any more. */
	for (struct conn *c = load.first; c != NULL; c = load.first)
		finish(c, true, "was never ended");
	printf("%u connections, %u bad, %llu bytes\n", load.done, load.bad, (unsigned long long)load.bytes);
	return load.bad > 0;
}

int main(int argc, char **argv)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	load.epoll = epoll_create1(0);
	load.most = 4;			/* in units of 64 KiB */
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc >= 7 && strcmp(argv[1], "run") == 0) {
		load.clean = argc > 7 && strcmp(argv[7], "clean") == 0;
		if (argc > 8)
			load.most = (uint64_t)atoi(argv[8]) >> 16 & 0xff;
		return run(argv[2], argv[3], (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]),
			   strtoull(argv[6], NULL, 0));
	}
	fputs("usage: tcpload serve PORT | run HOST PORT COUNT AT_ONCE SEED [clean|any] [MOST]\n", stderr);
	return 2;
}

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE			/* accept4 */
#include "tunnel/entry.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tunnel/lookup.h"
#include "tunnel/relay.h"
#include "tunnel/request.h"

#define CLIENTS_A_TURN 64		/* accepted before other watchers get their turn */
#define PAUSE_S 0.1			/* when there is no descriptor for another client */
#define COMPLAIN_US 10000000

struct entry {
	struct relay *relay;
	size_t n;
	struct ev_io io[LOOKUP_ADDRESSES_MAX];
	struct ev_timer pause;
	uint64_t complained_us;
};

/* ---- clients ---- */

static void on_pause_over(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct entry *entry = timer->data;

	(void)revents;
	for (size_t i = 0; i < entry->n; i++)
		ev_io_start(loop, &entry->io[i]);
}

/* The others in the queue have to wait until somebody leaves. */
static void pause_listening(struct entry *entry, int error)
{
	uint64_t now_us = relay_now_us();

	for (size_t i = 0; i < entry->n; i++)
		ev_io_stop(entry->relay->loop, &entry->io[i]);
	ev_timer_set(&entry->pause, PAUSE_S, 0.);
	ev_timer_start(entry->relay->loop, &entry->pause);
	if (now_us - entry->complained_us < COMPLAIN_US)
		return;
	entry->complained_us = now_us;
	relay_log(entry->relay, 1, "clients have to wait: %s", strerror(error));
}

static void reset_client(struct entry *entry, int fd)
{
	struct linger now = { .l_onoff = 1 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	entry->relay->count.refused_clients++;
}

static bool is_resource(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_client(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct entry *entry = io->data;

	(void)loop;
	(void)revents;
	for (int i = 0; i < CLIENTS_A_TURN; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		int fd = accept4(io->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (is_resource(errno))
				pause_listening(entry, errno);
			return;
		}
		if (access_allows(&entry->relay->opt->allow, (struct sockaddr *)&from))
			request_add_client(entry->relay->streams, fd, (struct sockaddr *)&from);
		else
			reset_client(entry, fd);
	}
}

/* ---- listeners ---- */

static int open_listener(const struct sockaddr *at, socklen_t len, bool both)
{
	int one = 1, v6_only = !both, error;
	int fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
	if (bind(fd, at, len) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static int add_listener(struct entry *entry, const struct sockaddr *at, socklen_t len, bool both)
{
	int fd = open_listener(at, len, both);
	struct ev_io *io = &entry->io[entry->n];

	if (fd < 0)
		return fd;
	ev_io_init(io, on_client, fd, EV_READ);
	io->data = entry;
	ev_io_start(entry->relay->loop, io);
	entry->n++;
	return 0;
}

/* One socket for both families where the machine has IPv6. */
static int listen_anywhere(struct entry *entry, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int ret = add_listener(entry, (struct sockaddr *)&v6, sizeof(v6), true);

	if (ret == -EAFNOSUPPORT || ret == -EADDRNOTAVAIL)
		ret = add_listener(entry, (struct sockaddr *)&v4, sizeof(v4), true);
	return ret;
}

static int listen_at(struct entry *entry, const struct rmdt_endpoint *at, char *err)
{
	struct lookup_result found;
	int ret = 0;

	if (at->host[0] == '\0')
		return listen_anywhere(entry, at->port);
	lookup_now(at->host, at->port, true, &found);
	if (found.n == 0) {
		snprintf(err, RMDT_ERROR_BYTES, "%s", found.error);
		return -EADDRNOTAVAIL;
	}
	for (size_t i = 0; ret == 0 && i < found.n; i++)
		ret = add_listener(entry, (struct sockaddr *)&found.addr[i], found.len[i], false);
	return ret;
}

int entry_new(struct relay *relay, const struct target *target, struct entry **out, char *err)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	int ret;

	if (entry == NULL)
		return -ENOMEM;
	entry->relay = relay;
	ev_init(&entry->pause, on_pause_over);
	entry->pause.data = entry;
	err[0] = '\0';
	ret = listen_at(entry, &target->at[0], err);
	if (ret < 0) {
		if (err[0] == '\0')
			snprintf(err, RMDT_ERROR_BYTES, "cannot listen at \"%.100s\": %s", target->text, strerror(-ret));
		entry_free(entry);
		return ret;
	}
	*out = entry;
	return 0;
}

void entry_free(struct entry *entry)
{
	if (entry == NULL)
		return;
	ev_timer_stop(entry->relay->loop, &entry->pause);
	for (size_t i = 0; i < entry->n; i++) {
		ev_io_stop(entry->relay->loop, &entry->io[i]);
		close(entry->io[i].fd);
	}
	free(entry);
}

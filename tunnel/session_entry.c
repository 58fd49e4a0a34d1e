/* SPDX-License-Identifier: Apache-2.0 */
/* Clients: a session for each address that sends to us. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tunnel/session_impl.h"

#define BATCHES_A_TURN 8		/* of one listener, before others get their turn */

/* ---- the table of clients ---- */

static uint64_t hash_client(const struct sessions *s, const struct udp_packet *p, int fd)
{
	const uint8_t *bytes = (const uint8_t *)&p->from;
	uint64_t h = (uint64_t)fd;

	for (socklen_t i = 0; i < p->from_len; i += 8) {
		uint64_t word = 0;

		memcpy(&word, bytes + i, p->from_len - i < 8 ? p->from_len - i : 8);
		h = sessions_mix(s, h ^ word);
	}
	return h;
}

static struct session **client_chain(struct sessions *s, const struct udp_packet *p, int fd)
{
	return &s->by_client[hash_client(s, p, fd) % SESSIONS_CHAINS];
}

static bool is_client(const struct session *session, const struct udp_packet *p, int fd)
{
	return session->fd == fd && session->client.from_len == p->from_len &&
	       memcmp(&session->client.from, &p->from, p->from_len) == 0;
}

static struct session *find_client(struct sessions *s, const struct udp_packet *p, int fd)
{
	struct session *session = *client_chain(s, p, fd);

	while (session && !is_client(session, p, fd))
		session = session->next_by_client;
	return session;
}

static struct session *add_client(struct sessions *s, const struct udp_packet *p, int fd)
{
	struct session *session = session_new(s, NULL, s->next_number), **at = client_chain(s, p, fd);

	if (!session)
		return NULL;
	s->next_number++;
	session->fd = fd;
	session->client = *p;
	session->client.data = NULL;
	session->next_by_client = *at;
	*at = session;
	return session;
}

void session_entry_forget(struct session *session)
{
	struct session **at = client_chain(session->sessions, &session->client, session->fd);

	while (*at && *at != session)
		at = &(*at)->next_by_client;
	if (*at)
		*at = session->next_by_client;
}

/* ---- from clients ---- */

static struct rmdt_peer *choose_peer(struct session *session)
{
	struct link *link;

	if (session->peer)
		return session->peer;
	link = routes_pick(session->sessions->relay->routes);
	session->peer = link ? link->peer : NULL;
	return session->peer;
}

/* Calls for every association that is up; how many there were. */
static size_t each_route(struct session *session, void (*call)(struct session *, struct rmdt_peer *, const void *, size_t),
			 const void *data, size_t len)
{
	struct routes *routes = session->sessions->relay->routes;
	size_t n = 0;

	for (size_t i = 0; i < routes->n; i++) {
		struct link *link = routes->at[i].link;

		if (!link || !link->settled)
			continue;
		call(session, link->peer, data, len);
		n++;
	}
	return n;
}

static void take(struct sessions *s, const struct udp_packet *p, int fd)
{
	struct session *session;
	struct rmdt_peer *peer;

	if (!access_allows(&s->relay->opt->allow, (const struct sockaddr *)&p->from)) {
		s->count.refused_clients++;
		return;
	}
	session = find_client(s, p, fd);
	if (session)
		session_touch(session);
	else
		session = add_client(s, p, fd);
	if (!session)
		return;
	session->client.local = p->local;
	s->count.from_datagrams++;
	s->count.from_bytes += p->len;
	if (s->relay->opt->copy) {
		if (each_route(session, session_forward, p->data, p->len) == 0)
			s->count.dropped_outage++;
		return;
	}
	peer = choose_peer(session);
	if (peer)
		session_forward(session, peer, p->data, p->len);
	else
		s->count.dropped_outage++;
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct sessions *s = io->data;
	int n = UDP_BATCH;

	(void)loop;
	(void)revents;
	for (int turn = 0; turn < BATCHES_A_TURN && n == UDP_BATCH; turn++) {
		n = udp_receive(io->fd, &s->batch);
		for (int i = 0; i < n; i++)
			take(s, &s->batch.packet[i], io->fd);
	}
}

/* ---- to clients ---- */

void session_entry_deliver(struct session *session, const void *data, size_t len)
{
	struct sessions *s = session->sessions;

	session_touch(session);
	if (udp_send(session->fd, data, len, &session->client) < 0) {
		s->count.dropped_socket++;
		return;
	}
	s->count.to_datagrams++;
	s->count.to_bytes += len;
}

static void say_over(struct session *session, struct rmdt_peer *peer, const void *data, size_t len)
{
	struct datagram d = { .kind = DATAGRAM_OVER, .session = session->number };
	uint8_t message[DATAGRAM_HEADER_BYTES];
	int n = datagram_write(&d, message, sizeof(message));

	(void)data;
	(void)len;
	/* When it is lost the far end's own clock ends the session. */
	(void)rmdt_message_send(peer, message, (size_t)n);
}

void session_entry_expire(struct session *session)
{
	if (session->sessions->relay->opt->copy)
		(void)each_route(session, say_over, NULL, 0);
	else if (session->peer)
		say_over(session, session->peer, NULL, 0);
}

/* ---- listeners ---- */

static int add_listener(struct sessions *s, const struct sockaddr *at, socklen_t len, bool both)
{
	struct ev_io *io = &s->listener[s->n_listeners];
	int fd = udp_listen(at, len, both);

	if (fd < 0)
		return fd;
	ev_io_init(io, on_readable, fd, EV_READ);
	io->data = s;
	ev_io_start(s->relay->loop, io);
	s->n_listeners++;
	return 0;
}

/* One socket for both families where the machine has IPv6. */
static int listen_anywhere(struct sessions *s, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int rc = add_listener(s, (struct sockaddr *)&v6, sizeof(v6), true);

	if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)
		rc = add_listener(s, (struct sockaddr *)&v4, sizeof(v4), true);
	return rc;
}

static int listen_at(struct sessions *s, const struct rmdt_endpoint *at, char *err)
{
	struct lookup_result found;
	int rc = 0;

	if (at->host[0] == '\0')
		return listen_anywhere(s, at->port);
	lookup_now(at->host, at->port, true, &found);
	if (found.n == 0) {
		snprintf(err, RMDT_ERROR_BYTES, "%s", found.error);
		return -EADDRNOTAVAIL;
	}
	for (size_t i = 0; rc == 0 && i < found.n; i++)
		rc = add_listener(s, (struct sockaddr *)&found.addr[i], found.len[i], false);
	return rc;
}

int sessions_open_entry(struct sessions *s, const struct target *target, char *err)
{
	int rc;

	err[0] = '\0';
	rc = listen_at(s, &target->at[0], err);
	if (rc < 0 && err[0] == '\0')
		snprintf(err, RMDT_ERROR_BYTES, "cannot listen at \"%.100s\": %s", target->text, strerror(-rc));
	return rc;
}

void sessions_close_entry(struct sessions *s)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		ev_io_stop(s->relay->loop, &s->listener[i]);
		close(s->listener[i].fd);
	}
	s->n_listeners = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The server: a socket connected to it for each session of a far relay. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tunnel/session_impl.h"

#define FRESH_US	30000000	/* how long an answer of the resolver serves new sessions without a new question */
#define RETRY_US	2000000		/* and how long until a name that was not found is asked for again */
#define BATCHES_A_TURN	4		/* of one session, before others get their turn */

/* ---- names ---- */

static void on_found(void *ctx, const struct lookup_result *result)
{
	struct sessions *s = ctx;

	s->lookup = NULL;
	s->found_us = relay_now_us();
	if (result->n > 0) {
		s->found = *result;
		s->was_found = true;
	} else if (result->fault == EAI_NONAME && !s->was_found) {
		relay_fail(s->relay, "%s", result->error);
	} else if (sessions_may_complain(s)) {
		relay_log(s->relay, 1, "%s", result->error);
	}
}

/* The old addresses serve until there are new ones. */
static void look_up(struct sessions *s)
{
	uint64_t age_us = relay_now_us() - s->found_us;

	if (s->lookup || (s->found_us && age_us < (s->found.n ? FRESH_US : RETRY_US)))
		return;
	if (lookup_start(s->relay->loop, s->server.host, s->server.port, on_found, s, &s->lookup) < 0)
		s->found_us = relay_now_us();
}

/* ---- sockets ---- */

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents);

/* To the first address that the system has a way to, from that of the attempt on. */
static int open_socket(struct session *session, size_t *address)
{
	const struct lookup_result *to = &session->sessions->found;
	int fd = -EADDRNOTAVAIL;

	for (; *address < to->n; ++*address) {
		fd = udp_connect((const struct sockaddr *)&to->addr[*address], to->len[*address]);
		if (fd >= 0)
			break;
	}
	if (fd < 0)
		return fd;
	session->fd = fd;
	ev_io_init(&session->io, on_readable, fd, EV_READ);
	session->io.data = session;
	ev_io_start(session->sessions->relay->loop, &session->io);
	return 0;
}

static void close_socket(struct session *session)
{
	if (session->fd < 0)
		return;
	ev_io_stop(session->sessions->relay->loop, &session->io);
	close(session->fd);
	session->fd = -1;
}

void session_exit_close(struct session *session)
{
	close_socket(session);
	free(session->attempt);
	session->attempt = NULL;
}

/* While another address is left, the first datagrams are kept to be said again there. */
static void begin_attempt(struct session *session, size_t address)
{
	if (address + 1 >= session->sessions->found.n)
		return;
	session->attempt = calloc(1, sizeof(*session->attempt));
	if (session->attempt)
		session->attempt->address = address;
}

struct session *session_exit_new(struct sessions *s, struct rmdt_peer *peer, uint64_t number)
{
	struct session *session;
	size_t address = 0;
	int rc;

	look_up(s);
	if (s->found.n == 0) {
		s->count.dropped_outage++;
		return NULL;
	}
	session = session_new(s, peer, number);
	if (!session)
		return NULL;
	rc = open_socket(session, &address);
	if (rc == -EMFILE && s->n > 1) {
		/* A smaller bound than ours holds: it is kept in the same way. */
		s->count.evicted++;
		session_free(s->oldest);
		rc = open_socket(session, &address);
	}
	if (rc < 0) {
		s->count.dropped_socket++;
		if (sessions_may_complain(s))
			relay_log(s->relay, 1, "no socket for a session: %s", strerror(-rc));
		session_free(session);
		return NULL;
	}
	begin_attempt(session, address);
	return session;
}

/* The server's port is closed there: true when another address was taken and asked. */
static bool try_next(struct session *session)
{
	struct session_try *attempt = session->attempt;
	size_t address;

	if (!attempt)
		return false;
	address = attempt->address + 1;
	close_socket(session);
	if (open_socket(session, &address) < 0) {
		address = 0;
		(void)open_socket(session, &address);
		free(attempt);
		session->attempt = NULL;
		return false;
	}
	attempt->address = address;
	if (attempt->len)
		(void)udp_send(session->fd, attempt->data, attempt->len, NULL);
	if (address + 1 < session->sessions->found.n)
		return true;
	free(attempt);
	session->attempt = NULL;
	return true;
}

/* ---- from the server ---- */

static void end_attempt(struct session *session)
{
	free(session->attempt);
	session->attempt = NULL;
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct session *session = io->data;
	struct sessions *s = session->sessions;
	int n = UDP_BATCH;

	(void)loop;
	(void)revents;
	for (int turn = 0; turn < BATCHES_A_TURN && n == UDP_BATCH; turn++) {
		n = udp_receive(session->fd, &s->batch);
		if (n == -ECONNREFUSED) {
			(void)try_next(session);
			return;
		}
		if (n > 0) {
			end_attempt(session);
			session_touch(session);
		}
		for (int i = 0; i < n; i++) {
			s->count.from_datagrams++;
			s->count.from_bytes += s->batch.packet[i].len;
			session_forward(session, session->peer, s->batch.packet[i].data, s->batch.packet[i].len);
		}
	}
}

/* ---- to the server ---- */

static void keep(struct session *session, const void *data, size_t len)
{
	if (!session->attempt || len > SESSION_TRY_BYTES)
		return;
	if (len)
		memcpy(session->attempt->data, data, len);
	session->attempt->len = len;
}

void session_exit_deliver(struct session *session, const void *data, size_t len)
{
	struct sessions *s = session->sessions;
	int rc;

	session_touch(session);
	rc = udp_send(session->fd, data, len, NULL);
	/* That was said of an earlier datagram; this one has not been sent. */
	if (rc == -ECONNREFUSED) {
		(void)try_next(session);
		rc = session->fd < 0 ? -ENOTCONN : udp_send(session->fd, data, len, NULL);
	}
	if (rc < 0) {
		s->count.dropped_socket++;
		return;
	}
	keep(session, data, len);
	s->count.to_datagrams++;
	s->count.to_bytes += len;
}

/* ---- life ---- */

int sessions_open_exit(struct sessions *s, const struct target *target)
{
	s->server = target->at[0];
	/* A mistake in the name is better told now than to the first client. */
	look_up(s);
	return 0;
}

void sessions_close_exit(struct sessions *s)
{
	lookup_cancel(s->lookup);
	s->lookup = NULL;
}

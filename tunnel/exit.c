/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/exit.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tunnel/lookup.h"
#include "tunnel/relay.h"
#include "tunnel/request.h"
#include "tunnel/stream.h"

#define FRESH_US 10000000		/* how long an answer of the resolver serves new streams */
#define CONNECT_S 10.0			/* one address; what a person waits */
#define CONNECT_NEXT_S 3.0		/* when there is another */

struct exit_side {
	struct relay *relay;
	struct rmdt_endpoint at;
	char text[300];
	struct lookup *lookup;		/* under way; NULL: none */
	struct lookup_result found;
	uint64_t found_us;
	bool was_found;
	struct attempt *waiting;	/* for the lookup */
};

struct attempt {
	struct attempt *next;		/* while waiting */
	struct exit_side *exit;
	struct stream *stream;
	struct lookup_result to;
	size_t tried;
	int fd;				/* -1: none */
	int error;			/* of the address that said most */
	struct ev_io writable;
	struct ev_timer patience;
};

static void try_next(struct attempt *a);

/* ---- attempts ---- */

static void stop_watching(struct attempt *a)
{
	ev_io_stop(a->exit->relay->loop, &a->writable);
	ev_timer_stop(a->exit->relay->loop, &a->patience);
}

static void attempt_free(struct attempt *a)
{
	struct attempt **at = &a->exit->waiting;

	while (*at != NULL && *at != a)
		at = &(*at)->next;
	if (*at != NULL)
		*at = a->next;
	stop_watching(a);
	if (a->fd >= 0)
		close(a->fd);
	a->stream->attempt = NULL;
	free(a);
}

static void finish(struct attempt *a)
{
	struct stream *stream = a->stream;
	int fd = a->fd;

	a->fd = -1;
	attempt_free(a);
	request_connected(stream, fd);
}

static unsigned code_of(int error)
{
	switch (error) {
	case ECONNREFUSED: return STREAM_REFUSED;
	case ETIMEDOUT: return STREAM_TIMEOUT;
	default: return STREAM_UNREACHABLE;
	}
}

static void give_up(struct attempt *a)
{
	struct stream *stream = a->stream;
	char reason[RMDT_REASON_BYTES + 1];
	int error = a->error != 0 ? a->error : EHOSTUNREACH;

	snprintf(reason, sizeof(reason), "cannot connect to %.80s: %s", a->exit->text, strerror(error));
	attempt_free(a);
	request_failed(stream, code_of(error), reason);
}

static void on_failed(struct attempt *a, int error)
{
	stop_watching(a);
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	/* A refusal is the answer of a host; anything else may be for want of a route. */
	if (a->error != ECONNREFUSED)
		a->error = error;
}

static void on_writable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct attempt *a = io->data;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)loop;
	(void)revents;
	stop_watching(a);
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0) {
		finish(a);
		return;
	}
	on_failed(a, error);
	try_next(a);
}

static void on_patience(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct attempt *a = timer->data;

	(void)loop;
	(void)revents;
	on_failed(a, ETIMEDOUT);
	try_next(a);
}

static int start_connect(struct attempt *a, size_t i)
{
	const struct sockaddr *to = (const struct sockaddr *)&a->to.addr[i];

	a->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		return errno;
	if (connect(a->fd, to, a->to.len[i]) == 0 || errno == EINPROGRESS)
		return 0;
	return errno;
}

/* Until one is under way. The attempt may be gone after it. */
static void try_next(struct attempt *a)
{
	struct ev_loop *loop = a->exit->relay->loop;

	while (a->tried < a->to.n) {
		int error = start_connect(a, a->tried++);

		if (error != 0) {
			on_failed(a, error);
			continue;
		}
		ev_io_set(&a->writable, a->fd, EV_WRITE);
		ev_io_start(loop, &a->writable);
		ev_timer_set(&a->patience, a->tried < a->to.n ? CONNECT_NEXT_S : CONNECT_S, 0.);
		ev_timer_start(loop, &a->patience);
		return;
	}
	give_up(a);
}

static void begin(struct attempt *a)
{
	a->to = a->exit->found;
	try_next(a);
}

/* ---- names ---- */

static void on_found(void *ctx, const struct lookup_result *result)
{
	struct exit_side *exit = ctx;
	struct attempt *a;

	exit->lookup = NULL;
	if (result->n > 0) {
		exit->found = *result;
		exit->found_us = relay_now_us();
		exit->was_found = true;
	} else if (result->fault == EAI_NONAME && !exit->was_found) {
		relay_fail(exit->relay, "%s", result->error);
	}
	while ((a = exit->waiting) != NULL) {
		struct stream *stream = a->stream;

		exit->waiting = a->next;
		if (result->n > 0) {
			begin(a);
			continue;
		}
		attempt_free(a);
		request_failed(stream, STREAM_NO_NAME, result->error);
	}
}

static int look_up(struct exit_side *exit)
{
	if (exit->lookup != NULL)
		return 0;
	return lookup_start(exit->relay->loop, exit->at.host, exit->at.port, on_found, exit, &exit->lookup);
}

/* ---- the rest ---- */

void exit_connect(struct exit_side *exit, struct stream *stream)
{
	struct attempt *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		request_failed(stream, RMDT_CODE_INTERNAL, "out of memory");
		return;
	}
	a->exit = exit;
	a->stream = stream;
	a->fd = -1;
	ev_init(&a->writable, on_writable);
	a->writable.data = a;
	ev_init(&a->patience, on_patience);
	a->patience.data = a;
	stream->attempt = a;
	if (exit->found.n > 0 && relay_now_us() - exit->found_us < FRESH_US) {
		begin(a);
		return;
	}
	a->next = exit->waiting;
	exit->waiting = a;
	if (look_up(exit) < 0) {
		attempt_free(a);
		request_failed(stream, RMDT_CODE_INTERNAL, "no thread for the resolver");
	}
}

void exit_cancel(struct stream *stream)
{
	if (stream->attempt != NULL)
		attempt_free(stream->attempt);
}

int exit_new(struct relay *relay, const struct target *target, struct exit_side **out)
{
	struct exit_side *exit = calloc(1, sizeof(*exit));

	if (exit == NULL)
		return -ENOMEM;
	exit->relay = relay;
	exit->at = target->at[0];
	snprintf(exit->text, sizeof(exit->text), strchr(exit->at.host, ':') != NULL ? "[%s]:%u" : "%s:%u",
		 exit->at.host, exit->at.port);
	/* A mistake in the name is better told now than to the first client. */
	(void)look_up(exit);
	*out = exit;
	return 0;
}

void exit_free(struct exit_side *exit)
{
	if (exit == NULL)
		return;
	lookup_cancel(exit->lookup);
	free(exit);
}

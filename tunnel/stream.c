/* SPDX-License-Identifier: Apache-2.0 */
/* How streams end; request.c begins them, pump.c moves their bytes. */
#include "tunnel/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tunnel/exit.h"
#include "tunnel/relay.h"
#include "tunnel/request.h"
#include "tunnel/route.h"
#include "tunnel/streams.h"

/* A client or server that vanished without a word is found dead after two minutes. */
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_EVERY_S 15
#define KEEPALIVE_COUNT 4

/* ---- sockets ---- */

/*
 * Until its stream has ended well, a socket is one to be reset: also when this process is killed, and the kernel closes it.
 * A plain end would pass for the end of what has been sent.
 */
static void set_reset_on_close(int fd, bool yes)
{
	struct linger linger = { .l_onoff = yes };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void set_manners(int fd)
{
	int one = 1, idle = KEEPALIVE_IDLE_S, every = KEEPALIVE_EVERY_S, count = KEEPALIVE_COUNT;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

int stream_adopt(struct stream *s, int fd)
{
	int ret;

	set_manners(fd);
	set_reset_on_close(fd, true);
	ret = pollset_add(&s->home->sockets, fd, s);
	if (ret < 0)
		close(fd);
	else
		s->fd = fd;
	return ret;
}

/* ---- ends ---- */

void stream_close_socket(struct stream *s, bool with_reset)
{
	if (s->fd < 0)
		return;
	set_reset_on_close(s->fd, with_reset);
	pollset_remove(&s->home->sockets, s->fd, s);
	close(s->fd);
	s->fd = -1;
}

/* Flows that have not ended are reset by being given back. */
void stream_free(struct stream *s)
{
	struct relay *relay = s->home->relay;

	stream_close_socket(s, false);
	exit_cancel(s);
	ev_timer_stop(relay->loop, &s->timer);
	streams_remove(s);
	rmdt_out_free(s->out);
	rmdt_in_free(s->in);
	relay_log(relay, 2, "client %s: over, %llu bytes up, %llu down", s->client,
		  (unsigned long long)s->up_bytes, (unsigned long long)s->down_bytes);
	free(s);
	relay_on_stream_over(relay);
}

void stream_abort(struct stream *s, unsigned code, const char *reason)
{
	if (s->out != NULL && s->up != WAY_DONE)
		rmdt_out_reset(s->out, code, reason);
	if (s->in != NULL && s->down != WAY_DONE)
		rmdt_in_stop(s->in, code, reason);
	if (s->fd >= 0 || s->state == STREAM_CONNECTING)
		s->home->relay->count.reset++;
	stream_close_socket(s, true);
	stream_free(s);
}

bool stream_goes_on(struct stream *s)
{
	bool socket_is_over = s->up != WAY_OPEN && s->down == WAY_DONE;

	if (s->state == STREAM_LAST)
		return true;
	if (socket_is_over && s->fd >= 0)
		stream_close_socket(s, false);
	if (s->up != WAY_DONE || s->down != WAY_DONE)
		return true;
	stream_free(s);
	return false;
}

/*
 * What the socket gave before it broke goes on its way when its end was told too; otherwise the flow is reset. Nothing more
 * can be taken, so the in-flow is stopped, or will be when it comes.
 */
void stream_on_broken(struct stream *s, int error)
{
	const char *reason = strerror(error);

	if (s->up == WAY_OPEN || s->state == STREAM_LAST) {
		stream_abort(s, STREAM_RESET, reason);
		return;
	}
	s->home->relay->count.reset++;
	stream_close_socket(s, true);
	if (s->in == NULL && s->down == WAY_OPEN)
		return;
	if (s->in != NULL) {
		rmdt_in_stop(s->in, STREAM_GONE, reason);
		rmdt_in_free(s->in);
		s->in = NULL;
	}
	s->down = WAY_DONE;
	(void)stream_goes_on(s);
}

/* The far relay has taken the request in, or the reply. */
static void on_joined(struct stream *s)
{
	s->is_taken = true;
	if (s->state == STREAM_OPENING)
		ev_timer_stop(s->home->relay->loop, &s->timer);
}

static void on_confirmed(struct stream *s)
{
	s->up = WAY_DONE;
	(void)stream_goes_on(s);
}

static const char *reason_of(const struct rmdt_event *event)
{
	return event->reason[0] != '\0' ? event->reason : rmdt_code_text(event->code);
}

static bool never_connected(unsigned code)
{
	return code >= STREAM_REFUSED && code <= STREAM_NO_NAME;
}
static bool ended_with_association(unsigned code)
{
	return code == RMDT_CODE_RESTARTED || code == RMDT_CODE_REPLACED || code == RMDT_CODE_TIMEOUT ||
	       code == RMDT_CODE_CLOSED || code == RMDT_CODE_LEFT;
}

static void on_lost(struct stream *s, const struct rmdt_event *event)
{
	/* Of an association before. */
	if (s->link != NULL ? event->peer != s->link->peer : s->state == STREAM_WAITING)
		return;
	if (ended_with_association(event->code) && request_may_wait_again(s)) {
		request_wait_again(s);
		return;
	}
	if (s->state == STREAM_OPENING && event->code != STREAM_RESET && event->code != STREAM_GONE) {
		s->home->relay->count.failed++;
		relay_log(s->home->relay, 1, "client %s: %s", s->client, reason_of(event));
	}
	s->up = WAY_DONE;
	if (event->code != STREAM_GONE) {
		stream_abort(s, never_connected(event->code) ? STREAM_RESET : event->code, event->reason);
		return;
	}
	/* The far socket had told its end before it was reset: that flow comes first. */
	s->can_read = false;
	s->reset_comes = true;
	if (s->down == WAY_DONE)
		stream_reset_later(s);
}

static void on_reset(struct stream *s, const struct rmdt_event *event)
{
	relay_log(s->home->relay, 2, "client %s: %s", s->client, reason_of(event));
	s->down = WAY_DONE;
	stream_abort(s, event->code, event->reason);
}

void stream_on_event(const struct rmdt_event *event)
{
	struct stream *s = event->out != NULL ? rmdt_out_user(event->out) :
			   event->in != NULL ? rmdt_in_user(event->in) : NULL;

	if (s == NULL)
		return;
	switch (event->kind) {
	case RMDT_EVENT_IN_READABLE:
	case RMDT_EVENT_OUT_ROOM: stream_pump(s); break;
	case RMDT_EVENT_OUT_JOINED: on_joined(s); break;
	case RMDT_EVENT_OUT_CONFIRMED: on_confirmed(s); break;
	case RMDT_EVENT_OUT_LOST: on_lost(s, event); break;
	case RMDT_EVENT_IN_RESET: on_reset(s, event); break;
	default: break;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a stream: from the socket up into the out-flow, from the in-flow down into the socket. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <unistd.h>

#include "tunnel/relay.h"
#include "tunnel/stream.h"
#include "tunnel/streams.h"

#define TURN_BYTES (1 << 20)		/* what one way may move before others get their turn */
#define READ_BYTES (256 << 10)		/* a block of the engine */
#define LAST_TICK_S 0.01
#define LAST_TICKS_MOST 3000		/* 30 s without a byte taken */

/* ---- up ---- */

/* -EAGAIN: nothing more now; 0: the end; otherwise what was moved, or an error of the socket. */
static ssize_t read_some(struct stream *s)
{
	struct rmdt_span span;
	ssize_t n;

	/* Without room the bytes stay in the kernel, and its window tells the peer. OUT_ROOM comes then. */
	n = rmdt_out_reserve(s->out, READ_BYTES, &span, 0, NULL);
	if (n == -EAGAIN)
		stall_on_no_room(&s->home->stall, s);
	if (n < 0)
		return -EAGAIN;
	s->up_stuck_us = 0;
	do
		n = recv(s->fd, span.ptr, span.len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		n = -errno;
	else if (n == 0 && s->no_end)
		n = -ECONNRESET;
	rmdt_out_commit(s->out, &span, n > 0 ? (size_t)n : 0);
	/* A short read emptied the socket, but for an end that was told of before. */
	if (n == -EAGAIN || (n > 0 && (size_t)n < span.len && !s->has_end))
		s->can_read = false;
	return n;
}

/* 0, or the error that broke the socket. */
static int pump_up(struct stream *s)
{
	size_t moved = 0;

	while (s->up == WAY_OPEN && s->can_read && s->out != NULL && s->fd >= 0) {
		ssize_t n;

		if (moved >= TURN_BYTES) {
			streams_queue_turn(s);
			return 0;
		}
		n = read_some(s);
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)-n;
		if (n == 0) {
			rmdt_out_finish(s->out);
			s->up = WAY_FINISHED;
			s->can_read = false;
		}
		moved += (size_t)n;
		s->up_bytes += (size_t)n;
		s->home->relay->count.up_bytes += (size_t)n;
	}
	return 0;
}

/* ---- down ---- */

static void on_last_tick(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct stream *s = timer->data;
	int unsent = 0;

	(void)loop;
	(void)revents;
	if (s->fd >= 0 && ioctl(s->fd, SIOCOUTQ, &unsent) < 0)
		unsent = 0;
	s->last_ticks = unsent != s->last_unsent ? 0 : s->last_ticks + 1;
	s->last_unsent = unsent;
	if (unsent == 0 || s->last_ticks > LAST_TICKS_MOST)
		stream_abort(s, STREAM_RESET, "reset");
}

/*
 * The far socket was reset after its end had been told: what came before the reset is ours to deliver, and a reset would
 * throw it away as long as our socket has it.
 */
void stream_reset_later(struct stream *s)
{
	s->state = STREAM_LAST;
	ev_timer_stop(s->home->relay->loop, &s->timer);
	ev_timer_init(&s->timer, on_last_tick, 0., LAST_TICK_S);
	s->timer.data = s;
	ev_timer_start(s->home->relay->loop, &s->timer);
}

static void end_down(struct stream *s)
{
	(void)shutdown(s->fd, SHUT_WR);
	rmdt_in_confirm(s->in);
	rmdt_in_free(s->in);
	s->in = NULL;
	s->down = WAY_DONE;
	if (s->reset_comes)
		stream_reset_later(s);
}

/*
 * What the socket took in before it broke can still be read. The kernel tells the error once, to us, so that reading will
 * then find an end where there was a reset; but EPIPE says that a FIN did come before.
 */
static void on_write_error(struct stream *s, int error)
{
	s->is_broken = s->can_read = true;
	s->no_end = error != EPIPE;
}

/* What was moved; 0: the end was; -EAGAIN: nothing more now. */
static ssize_t write_some(struct stream *s)
{
	const uint8_t *ptr;
	ssize_t ready = rmdt_in_peek(s->in, &ptr, 0, NULL), n;

	if (ready == 0)
		end_down(s);
	if (ready <= 0)
		return ready == 0 ? 0 : -EAGAIN;	/* broken: IN_RESET says so in a moment */
	do
		n = send(s->fd, ptr, (size_t)ready, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		s->down_stuck_us = 0;
	if (n < ready) {
		s->can_write = false;
		stall_on_stuck(&s->home->stall, &s->down_stuck_us);
	}
	if (n < 0 && errno != EAGAIN)
		on_write_error(s, errno);
	if (n < 0)
		return -EAGAIN;
	rmdt_in_consume(s->in, (size_t)n);
	return n;
}

static void pump_down(struct stream *s)
{
	size_t moved = 0;

	while (s->down == WAY_OPEN && s->can_write && s->in != NULL && s->fd >= 0 && !s->is_broken) {
		ssize_t n;

		if (moved >= TURN_BYTES) {
			streams_queue_turn(s);
			return;
		}
		n = write_some(s);
		if (n == -EAGAIN)
			return;
		moved += (size_t)n;
		s->down_bytes += (size_t)n;
		s->home->relay->count.down_bytes += (size_t)n;
	}
}

/* ---- both ---- */

/* Up first: what came before a reset is to be read before writing meets it. */
void stream_pump(struct stream *s)
{
	int error = pump_up(s);

	if (error == 0) {
		pump_down(s);
		error = s->is_broken ? pump_up(s) : 0;
	}
	if (error == 0 && s->is_broken && s->up != WAY_OPEN && s->fd >= 0 && s->state != STREAM_LAST)
		error = ECONNRESET;
	if (error != 0)
		stream_on_broken(s, error);
	else
		(void)stream_goes_on(s);
}

void stream_on_socket(void *ctx, uint32_t events)
{
	struct stream *s = ctx;

	s->can_read = s->can_read || (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR));
	s->can_write = s->can_write || (events & EPOLLOUT);
	s->has_end = s->has_end || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
	s->is_broken = s->is_broken || (events & EPOLLERR);
	/* Nothing is read of a client that waits, and the last bytes of a stream cannot be delivered any more. */
	if (s->is_broken && (s->state == STREAM_WAITING || s->state == STREAM_LAST))
		stream_on_broken(s, ECONNRESET);
	else
		stream_pump(s);
}

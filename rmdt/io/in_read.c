/* SPDX-License-Identifier: Apache-2.0 */
/* The application's side of an in-flow. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/credit.h"
#include "io/in.h"

/* Bytes consumed between two looks of the I/O thread: a sixteenth of the first window, so credit never runs short by it. */
#define SAY_EVERY_BYTES (RMDT_CREDIT_FLOW_BYTES / 16)

/* What peek gives without waiting: a length, 0 at the complete end, -EPIPE, or -EAGAIN. */
static ssize_t look(struct rmdt_in *in, const uint8_t **ptr, bool broken)
{
	size_t n = rmdt_recvbuf_peek(in->recvbuf, ptr);

	if (n)
		return (ssize_t)n;
	if (rmdt_recvbuf_drained(in->recvbuf))
		return 0;
	return broken ? -EPIPE : -EAGAIN;
}

ssize_t rmdt_in_peek(struct rmdt_in *in, const uint8_t **ptr, int timeout_ms, struct rmdt_cancel *cancel)
{
	size_t ready = rmdt_recvbuf_peek(in->recvbuf, ptr);
	struct rmdt_patience patience;
	struct rmdt_waiter me;
	ssize_t n;
	int rc = 0;

	if (ready)
		return (ssize_t)ready;
	rmdt_patience_init(&patience, timeout_ms, cancel);
	pthread_mutex_lock(&in->lock);
	rmdt_waiters_enter(&in->waiters, &me);
	while ((n = look(in, ptr, in->broken || in->stopped)) == -EAGAIN && !rc) {
		in->armed = true;
		rc = rmdt_waiter_sleep(&me, &in->lock, &patience);
	}
	rmdt_waiters_leave(&in->waiters, &me);
	pthread_mutex_unlock(&in->lock);
	return n == -EAGAIN ? rc : n;
}

/* See stop_watching(): whoever reads "no" here finds that the thread has looked without seeing what was just consumed. */
static bool is_watched(struct rmdt_in *in)
{
	return atomic_fetch_or(&in->watched, 0) != 0;
}

int rmdt_in_consume(struct rmdt_in *in, size_t len)
{
	uint64_t consumed;
	int rc;

	if (len == 0)
		return 0;
	rc = rmdt_recvbuf_consume(in->recvbuf, len);
	if (rc)
		return rc;
	consumed = rmdt_recvbuf_consumed(in->recvbuf);
	/* When all is consumed no later call may come that would say so. */
	if (consumed - in->said_off < SAY_EVERY_BYTES && consumed != rmdt_recvbuf_ready(in->recvbuf))
		return 0;
	if (consumed - in->said_off >= SAY_EVERY_BYTES || !is_watched(in)) {
		in->said_off = consumed;
		rmdt_in_post(in, RMDT_IN_CONSUMED);
	}
	if (consumed != rmdt_recvbuf_ready(in->recvbuf))
		return 0;
	pthread_mutex_lock(&in->lock);
	in->armed = rmdt_recvbuf_ready(in->recvbuf) == consumed;
	pthread_mutex_unlock(&in->lock);
	return 0;
}

ssize_t rmdt_in_read(struct rmdt_in *in, void *buf, size_t len, int timeout_ms, struct rmdt_cancel *cancel)
{
	const uint8_t *ptr = NULL;
	size_t done = 0;

	while (done < len) {
		ssize_t n = rmdt_in_peek(in, &ptr, done ? 0 : timeout_ms, cancel);

		if (n <= 0)
			return done ? (ssize_t)done : n;
		if ((size_t)n > len - done)
			n = (ssize_t)(len - done);
		memcpy((uint8_t *)buf + done, ptr, (size_t)n);
		(void)rmdt_in_consume(in, (size_t)n);
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* ---- marks and ends ---- */

int rmdt_in_mark(struct rmdt_in *in, unsigned kind, uint64_t off)
{
	uint64_t old;

	if (kind >= RMDT_MARKS)
		return -EINVAL;
	old = atomic_load(&in->mark_off[kind]);
	while (off > old) {
		if (!atomic_compare_exchange_weak(&in->mark_off[kind], &old, off))
			continue;
		rmdt_in_post(in, RMDT_IN_MARK);
		break;
	}
	return 0;
}

int rmdt_in_confirm(struct rmdt_in *in)
{
	int rc = 0;

	if (!rmdt_recvbuf_drained(in->recvbuf))
		return -EAGAIN;
	pthread_mutex_lock(&in->lock);
	if (in->stopped || (in->broken && !in->confirmed))
		rc = -EPIPE;
	else
		in->confirmed = true;
	pthread_mutex_unlock(&in->lock);
	if (!rc)
		rmdt_in_post(in, RMDT_IN_CONSUMED | RMDT_IN_CONFIRM);
	return rc;
}

int rmdt_in_stop(struct rmdt_in *in, unsigned code, const char *reason)
{
	bool was;

	pthread_mutex_lock(&in->lock);
	was = in->broken || in->stopped || in->confirmed;
	if (!was) {
		in->stopped = true;
		in->code = code;
		snprintf(in->reason, sizeof(in->reason), "%s", reason ? reason : "");
		rmdt_waiters_wake_all(&in->waiters);
	}
	pthread_mutex_unlock(&in->lock);
	if (!was)
		rmdt_in_post(in, RMDT_IN_STOP);
	return 0;
}

int rmdt_in_info(struct rmdt_in *in, struct rmdt_in_info *info)
{
	memset(info, 0, sizeof(*info));
	info->peer = in->peer;
	info->purpose = in->purpose;
	memcpy(info->name, in->name, sizeof(info->name));
	info->start_off = in->start_off;
	info->final_off = UINT64_MAX;
	(void)rmdt_recvbuf_final(in->recvbuf, &info->final_off);
	info->received_off = rmdt_recvbuf_ready(in->recvbuf);
	info->consumed_off = rmdt_recvbuf_consumed(in->recvbuf);
	info->ended = rmdt_recvbuf_complete(in->recvbuf);
	pthread_mutex_lock(&in->lock);
	info->broken = in->broken || in->stopped;
	info->code = in->code;
	memcpy(info->reason, in->reason, sizeof(info->reason));
	pthread_mutex_unlock(&in->lock);
	return 0;
}

size_t rmdt_in_meta(const struct rmdt_in *in, const uint8_t **meta)
{
	*meta = in->meta;
	return in->meta_len;
}

void *rmdt_in_user(const struct rmdt_in *in)
{
	return atomic_load(&in->user);
}

void rmdt_in_set_user(struct rmdt_in *in, void *user)
{
	atomic_store(&in->user, user);
}

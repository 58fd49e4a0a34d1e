/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's side of an out-flow. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "io/out.h"

/* What one caller wants of the buffer: called with the lock held, -EAGAIN or -ENOBUFS while there is no room. */
struct wish {
	size_t bytes;
	int (*try)(struct rmdt_out *out, const struct wish *wish);
	struct rmdt_span *span;
};

static int try_reserve(struct rmdt_out *out, const struct wish *wish)
{
	return rmdt_sendbuf_reserve(out->buf, wish->bytes, wish->span);
}

static int try_credit(struct rmdt_out *out, const struct wish *wish)
{
	return rmdt_sendbuf_take_credit(out->buf, wish->bytes);
}

static bool is_room_error(int rc)
{
	return rc == -EAGAIN || rc == -ENOBUFS || rc == -EBUSY;
}

static int attempt(struct rmdt_out *out, const struct wish *wish)
{
	int rc;

	if (out->reset || out->finishing)
		return -EPIPE;
	rmdt_out_share(out);
	rc = wish->try(out, wish);
	if (rc == -EBUSY)
		out->crowded = true;
	if (rc == -EBUSY || !is_room_error(rc))
		return rc;
	/* The policy may make room for a writer that waits for it. */
	out->need_bytes = rc == -ENOBUFS ? RMDT_BLOCK_BYTES : wish->bytes;
	rmdt_out_judge(out);
	return wish->try(out, wish);
}

static int sleep_for_room(struct rmdt_out *out, struct rmdt_waiter *me, const struct rmdt_patience *patience, int why)
{
	struct rmdt_patience soon = *patience;
	int rc;

	if (why != -ENOBUFS)
		return rmdt_waiter_sleep(me, &out->lock, patience);
	rmdt_patience_init(&soon, RMDT_OUT_POOL_RETRY_US / 1000, patience->cancel);
	if (patience->deadline_us < soon.deadline_us)
		return rmdt_waiter_sleep(me, &out->lock, patience);
	rc = rmdt_waiter_sleep(me, &out->lock, &soon);
	return rc == -ETIMEDOUT ? 0 : rc;
}

/* With the lock held. In order of arrival: only the first of those who wait tries. */
static int wait_for_room(struct rmdt_out *out, const struct wish *wish, const struct rmdt_patience *patience)
{
	struct rmdt_waiter me;
	int rc = 0, tried = -EAGAIN;

	rmdt_waiters_enter(&out->room, &me);
	for (;;) {
		if (out->room.first == &me || out->reset || out->finishing) {
			tried = attempt(out, wish);
			if (!is_room_error(tried))
				break;
		}
		rc = sleep_for_room(out, &me, patience, tried);
		if (rc)
			break;
	}
	rmdt_waiters_leave(&out->room, &me);
	out->need_bytes = 0;
	rmdt_out_offer_room(out);
	return rc ? rc : tried;
}

static int fulfil(struct rmdt_out *out, const struct wish *wish, int timeout_ms, struct rmdt_cancel *cancel)
{
	struct rmdt_patience patience;
	int rc;

	pthread_mutex_lock(&out->lock);
	rc = out->room.first ? -EAGAIN : attempt(out, wish);
	if (is_room_error(rc) && timeout_ms == 0) {
		/* The policy must know of it until it can be told: no other call may come before. */
		out->wanted_bytes = rc == -ENOBUFS ? RMDT_BLOCK_BYTES : wish->bytes;
		if (rc == -ENOBUFS)
			rmdt_out_look_again(out);
		rc = -EAGAIN;
	} else if (is_room_error(rc)) {
		rmdt_patience_init(&patience, timeout_ms, cancel);
		rc = wait_for_room(out, wish, &patience);
	}
	if (!out->room.first)
		out->need_bytes = 0;
	pthread_mutex_unlock(&out->lock);
	return rc;
}

/* ---- reserve and commit ---- */

int rmdt_out_reserve(struct rmdt_out *out, size_t want, struct rmdt_span *span, int timeout_ms,
		     struct rmdt_cancel *cancel)
{
	struct wish wish = { .bytes = want, .try = try_reserve, .span = span };

	if (want == 0)
		return -EINVAL;
	return fulfil(out, &wish, timeout_ms, cancel);
}

void rmdt_out_kick(struct rmdt_out *out)
{
	for (size_t i = 0; i < out->n_slots; i++) {
		if (out->members[i].state == RMDT_FANOUT_LIVE && out->branches[i]->flow)
			rmdt_branch_post(out->branches[i], RMDT_BRANCH_KICK);
	}
}

/* The end that was asked for comes when nobody is filling any more. */
static void finish_if_due(struct rmdt_out *out)
{
	if (out->finishing)
		(void)rmdt_sendbuf_finish(out->buf);
}

int rmdt_out_commit(struct rmdt_out *out, const struct rmdt_span *span, size_t used)
{
	uint64_t head;
	int rc;

	pthread_mutex_lock(&out->lock);
	head = rmdt_sendbuf_head(out->buf);
	rc = rmdt_sendbuf_commit(out->buf, span->off, used);
	if (!rc) {
		finish_if_due(out);
		if (rmdt_sendbuf_head(out->buf) != head || out->finishing)
			rmdt_out_kick(out);
		if (used < span->len || out->crowded) {
			out->crowded = false;
			rmdt_out_offer_room(out);
		}
	}
	pthread_mutex_unlock(&out->lock);
	return rc;
}

ssize_t rmdt_out_write(struct rmdt_out *out, const void *data, size_t len, int timeout_ms, struct rmdt_cancel *cancel)
{
	struct rmdt_patience patience;
	const uint8_t *from = data;
	size_t done = 0;

	rmdt_patience_init(&patience, timeout_ms, cancel);
	while (done < len) {
		struct rmdt_span span;
		int rc = rmdt_out_reserve(out, len - done, &span, rmdt_patience_left_ms(&patience), cancel);

		if (rc == -EAGAIN && !patience.none)
			rc = -ETIMEDOUT;
		if (rc)
			return done ? (ssize_t)done : rc;
		memcpy(span.ptr, from + done, span.len);
		rc = rmdt_out_commit(out, &span, span.len);
		if (rc)
			return rc;
		done += span.len;
	}
	return (ssize_t)done;
}

/* ---- credit ---- */

int rmdt_out_take_credit(struct rmdt_out *out, size_t len, int timeout_ms, struct rmdt_cancel *cancel)
{
	struct wish wish = { .bytes = len, .try = try_credit };

	return fulfil(out, &wish, timeout_ms, cancel);
}

void rmdt_out_return_credit(struct rmdt_out *out, size_t len)
{
	uint64_t held;

	pthread_mutex_lock(&out->lock);
	/* The end of the stream has voided all credit; those who hold some need not know. */
	held = rmdt_sendbuf_credit(out->buf);
	if (!rmdt_sendbuf_final(out->buf, NULL) && len)
		rmdt_sendbuf_give_back(out->buf, len < held ? len : held);
	rmdt_out_offer_room(out);
	pthread_mutex_unlock(&out->lock);
}

int rmdt_out_place(struct rmdt_out *out, size_t len, struct rmdt_span *spans, int max)
{
	size_t n = 0;
	int rc;

	if (max <= 0)
		return -EINVAL;
	pthread_mutex_lock(&out->lock);
	rc = out->reset || out->finishing ? -EPIPE : rmdt_sendbuf_place(out->buf, len, spans, (size_t)max, &n);
	pthread_mutex_unlock(&out->lock);
	return rc ? rc : (int)n;
}

/* ---- the source ---- */

static int reserve_fill(struct rmdt_out *out, struct rmdt_span *span)
{
	struct wish wish = { .bytes = RMDT_BLOCK_BYTES, .try = try_reserve, .span = span };
	int rc;

	pthread_mutex_lock(&out->lock);
	rc = out->room.first ? -EAGAIN : attempt(out, &wish);
	if (is_room_error(rc))
		out->fill_bytes = wish.bytes;
	if (rc == -ENOBUFS)
		rmdt_out_look_again(out);
	if (!out->room.first)
		out->need_bytes = 0;
	pthread_mutex_unlock(&out->lock);
	return rc;
}

/* Nothing came. Told only when the span is closed: a writer may begin now. */
static void rest(struct rmdt_out *out)
{
	rmdt_out_hold(out);
	if (!rmdt_events_post(&out->notice, RMDT_EVENT_OUT_DRY, 0, NULL))
		rmdt_out_drop(out);
}

bool rmdt_out_fill(struct rmdt_out *out)
{
	struct rmdt_span span;
	size_t used = 0;

	/* Another thread is at it: its commit kicks us. */
	if (pthread_mutex_trylock(&out->filling))
		return false;
	if (!atomic_load(&out->fill_rests) && !reserve_fill(out, &span)) {
		/* Before it is asked: a poke that comes while it answers takes it back. */
		atomic_store(&out->fill_rests, true);
		used = out->fill(out->user, span.ptr, span.len);
		if (used > 0)
			atomic_store(&out->fill_rests, false);
		(void)rmdt_out_commit(out, &span, used);
		if (used == 0 && atomic_load(&out->fill_rests))
			rest(out);
	}
	pthread_mutex_unlock(&out->filling);
	return used > 0;
}

void rmdt_out_poke(struct rmdt_out *out)
{
	pthread_mutex_lock(&out->lock);
	atomic_store(&out->fill_rests, false);
	rmdt_out_kick(out);
	pthread_mutex_unlock(&out->lock);
}

/* ---- the end ---- */

int rmdt_out_finish(struct rmdt_out *out)
{
	pthread_mutex_lock(&out->lock);
	out->finishing = true;
	finish_if_due(out);
	rmdt_out_kick(out);
	rmdt_out_judge(out);
	rmdt_waiters_wake_all(&out->room);
	pthread_mutex_unlock(&out->lock);
	return 0;
}

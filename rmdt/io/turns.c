/* SPDX-License-Identifier: Apache-2.0 */
#include "io/turns.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "io/address.h"
#include "io/branch.h"
#include "io/clock.h"
#include "io/engine.h"
#include "io/link.h"
#include "io/peer.h"
#include "io/thread.h"

/* Send calls in one round: 2 MiB before it is read again. */
#define SENDS		4
/* Trains of one association in a row: its receiver wakes once for them. The next sends the same bytes, still in the cache. */
#define TURN_TRAINS	4

/* A train was refused: too large for the way, or there is no way. Silence is for the conn's own timers to judge. */
static void on_send_error(struct rmdt_thread *t, struct rmdt_link *link, size_t segment, int error)
{
	if (error == -EMSGSIZE)
		rmdt_conn_too_big(link->conn, t->now_us, segment);
	else if (!link->up && !link->down)
		rmdt_link_close(link, RMDT_CODE_ADDRESS, strerror(-error));
	rmdt_link_touch(link);
}

/* True: the outbox is empty again. */
static bool flush(struct rmdt_thread *t)
{
	struct rmdt_outbox *out = &t->outbox;
	uint64_t bytes = 0, datagrams = 0;

	if (rmdt_udp_send(&t->udp, out) == -EAGAIN) {
		t->blocked = true;
		return false;
	}
	for (size_t i = 0; i < out->n; i++) {
		const struct rmdt_train *train = &out->train[i];

		if (out->error[i] == 0) {
			bytes += train->len;
			datagrams += (train->len + train->segment - 1) / train->segment;
		} else if (out->owner[i]) {
			on_send_error(t, out->owner[i], train->segment, out->error[i]);
		}
	}
	rmdt_outbox_clear(out);
	rmdt_count(&t->engine->counters.bytes_out, bytes);
	rmdt_count(&t->engine->counters.datagrams_out, datagrams);
	return true;
}

/* One train of this link. False: it has nothing to send now. */
static bool load_train(struct rmdt_thread *t, struct rmdt_link *link)
{
	struct rmdt_train *train = &t->outbox.train[t->outbox.n];

	train->cap = rmdt_address_payload_max(rmdt_conn_remote(link->conn));
	train->len = 0;
	train->probe = false;
	if (link->peer && link->peer->link == link && link->peer->fills)
		rmdt_branch_feed_all(link->peer);
	if (!rmdt_conn_send(link->conn, t->now_us, train))
		return false;
	t->outbox.owner[t->outbox.n++] = link;
	return true;
}

/* A touched link: what happened, what is due, what it wants to send, up to a turn. */
static void serve(struct rmdt_thread *t, struct rmdt_link *link)
{
	unsigned trains = 0;

	rmdt_link_untouch(link);
	rmdt_link_pull(link);
	if (rmdt_conn_deadline_us(link->conn) <= t->now_us)
		rmdt_conn_tick(link->conn, t->now_us);
	while (load_train(t, link)) {
		if (++trains == TURN_TRAINS || t->outbox.n == RMDT_OUTBOX_TRAINS) {
			rmdt_link_touch(link);
			if (link->peer && link->peer->link == link)
				rmdt_peer_on_busy(link->peer);
			return;
		}
	}
	rmdt_link_pull(link);
	if (link->peer && link->peer->link == link)
		rmdt_peer_on_drained(link->peer);
	if (!link->dirty)
		(void)rmdt_link_rest(link);
}

void rmdt_turns_play(struct rmdt_thread *t)
{
	if (t->blocked)
		return;
	if (t->outbox.n && !flush(t))
		return;
	for (unsigned n = 0; n < SENDS && t->dirty_first; n++) {
		t->now_us = rmdt_clock_us();
		while (t->dirty_first && t->outbox.n < RMDT_OUTBOX_TRAINS)
			serve(t, t->dirty_first);
		if (t->outbox.n && !flush(t))
			return;
	}
}

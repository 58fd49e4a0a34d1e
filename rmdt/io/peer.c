/* SPDX-License-Identifier: Apache-2.0 */
#include "io/peer.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/address.h"
#include "io/branch.h"
#include "io/clock.h"
#include "io/connect.h"
#include "io/in.h"
#include "io/link.h"
#include "io/thread.h"

/* After the last handle was given back: how long the far end may take to hear how flows ended. */
#define LEAVE_US		2000000

/* ---- life ---- */

static void run(struct rmdt_task *task, unsigned bits);

static void drop_notice(struct rmdt_notice *notice)
{
	rmdt_peer_drop(notice->peer);
}

int rmdt_peer_new(struct rmdt_engine *engine, struct rmdt_thread *thread, struct rmdt_peer **out)
{
	struct rmdt_peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return -ENOMEM;
	peer->engine = engine;
	peer->thread = thread;
	peer->task.run = run;
	peer->notice.home = rmdt_engine_events(engine, thread);
	peer->notice.peer = peer;
	peer->notice.drop = drop_notice;
	peer->info_us = rmdt_clock_us();
	rmdt_strain_looked(&peer->strain, peer->info_us);
	pthread_mutex_init(&peer->lock, NULL);
	atomic_init(&peer->refs, 2);
	/* An even share of the uplink, until it is known what the others leave. */
	atomic_init(&peer->cap_rate, engine->values.rate_bytes_per_s / (atomic_fetch_add(&engine->n_peers, 1) + 1));
	rmdt_engine_list(engine, &engine->peers, &peer->listed);
	*out = peer;
	return 0;
}

void rmdt_peer_hold(struct rmdt_peer *peer)
{
	atomic_fetch_add(&peer->refs, 1);
}

/*
 * Only the list knows a peer without holding it, and whoever finds it there takes a reference under the engine's lock;
 * so the last reference must go under that lock, too.
 */
void rmdt_peer_drop(struct rmdt_peer *peer)
{
	struct rmdt_engine *e = peer->engine;
	unsigned refs = atomic_load(&peer->refs);

	while (refs > 1) {
		if (atomic_compare_exchange_weak(&peer->refs, &refs, refs - 1))
			return;
	}
	pthread_mutex_lock(&e->lock);
	if (atomic_fetch_sub(&peer->refs, 1) != 1) {
		pthread_mutex_unlock(&e->lock);
		return;
	}
	peer->listed.prev->next = peer->listed.next;
	peer->listed.next->prev = peer->listed.prev;
	pthread_mutex_unlock(&e->lock);
	rmdt_letters_clear(&peer->outgoing);
	rmdt_letters_clear(&peer->incoming);
	pthread_mutex_destroy(&peer->lock);
	free(peer);
}

void rmdt_peer_post(struct rmdt_peer *peer, unsigned bits)
{
	rmdt_peer_hold(peer);
	if (!rmdt_mailbox_post(&peer->thread->mailbox, &peer->task, bits))
		rmdt_peer_drop(peer);
}

void rmdt_peer_notify(struct rmdt_peer *peer, enum rmdt_event_kind kind, unsigned code, const char *reason)
{
	rmdt_peer_hold(peer);
	if (!rmdt_events_post(&peer->notice, kind, code, reason))
		rmdt_peer_drop(peer);
}

bool rmdt_peer_is_down(struct rmdt_peer *peer)
{
	bool down;

	pthread_mutex_lock(&peer->lock);
	down = peer->state == RMDT_PEER_IS_DOWN;
	pthread_mutex_unlock(&peer->lock);
	return down;
}

/* ---- on its thread ---- */

void rmdt_peer_publish(struct rmdt_peer *peer)
{
	struct rmdt_conn *conn;
	uint64_t now_us = peer->thread->now_us;

	if (!peer->link)
		return;
	conn = peer->link->conn;
	pthread_mutex_lock(&peer->lock);
	rmdt_conn_info(conn, now_us, &peer->info);
	peer->info.up = peer->state == RMDT_PEER_IS_UP;
	peer->info_us = now_us;
	rmdt_strain_looked(&peer->strain, now_us);
	peer->message_max = (uint32_t)rmdt_conn_message_max(conn);
	pthread_mutex_unlock(&peer->lock);
	atomic_store_explicit(&peer->cwnd_bytes, peer->info.cwnd_bytes, memory_order_relaxed);
	rmdt_link_count(peer->link);
}

static void send_letters(struct rmdt_peer *peer)
{
	const struct rmdt_letter *letter;
	bool moved = false;

	if (!peer->link)
		return;
	pthread_mutex_lock(&peer->lock);
	while ((letter = rmdt_letters_first(&peer->outgoing))) {
		int rc = rmdt_conn_message_send(peer->link->conn, letter->data, letter->len);

		/* What cannot be sent at all is dropped: these are datagrams. What does not fit now stays. */
		if (rc == -EAGAIN)
			break;
		moved |= rc == 0;
		rmdt_letters_pop(&peer->outgoing);
	}
	peer->letters_left = letter != NULL;
	pthread_mutex_unlock(&peer->lock);
	/* Not without need: this is called when the link was served, and who is touched is served again at once. */
	if (moved)
		rmdt_link_touch(peer->link);
}

void rmdt_peer_on_message(struct rmdt_peer *peer)
{
	uint8_t buf[65536];
	int n;

	while ((n = rmdt_conn_message_take(peer->link->conn, buf, sizeof(buf))) >= 0) {
		pthread_mutex_lock(&peer->lock);
		(void)rmdt_letters_add(&peer->incoming, buf, (size_t)n);
		pthread_mutex_unlock(&peer->lock);
	}
	rmdt_peer_notify(peer, RMDT_EVENT_MESSAGE, 0, NULL);
}

/* With the lock held. */
static void note_address(struct rmdt_peer *peer)
{
	char text[RMDT_ADDRESS_TEXT_BYTES];

	rmdt_address_format(rmdt_conn_remote(peer->link->conn), text);
	snprintf(peer->info.address, sizeof(peer->info.address), "%s", text);
	if (peer->inbound)
		snprintf(peer->info.host, sizeof(peer->info.host), "%s", text);
}

void rmdt_peer_on_moved(struct rmdt_peer *peer)
{
	pthread_mutex_lock(&peer->lock);
	note_address(peer);
	pthread_mutex_unlock(&peer->lock);
	rmdt_peer_publish(peer);
	rmdt_peer_notify(peer, RMDT_EVENT_PEER_MOVED, 0, NULL);
}

void rmdt_peer_on_up(struct rmdt_peer *peer, struct rmdt_link *link)
{
	struct rmdt_conn *conn = link->conn;
	struct rmdt_branch *next;

	peer->link = link;
	pthread_mutex_lock(&peer->lock);
	peer->state = RMDT_PEER_IS_UP;
	peer->info.inbound = peer->inbound;
	note_address(peer);
	snprintf(peer->info.name, sizeof(peer->info.name), "%s", rmdt_conn_remote_name(conn));
	memcpy(peer->info.key, rmdt_conn_remote_key(conn), RMDT_KEY_BYTES);
	memcpy(peer->info.instance, rmdt_conn_remote_instance(conn), RMDT_INSTANCE_BYTES);
	rmdt_fingerprint(peer->info.key, peer->info.fingerprint);
	pthread_mutex_unlock(&peer->lock);
	rmdt_peer_publish(peer);
	rmdt_conn_set_cap_rate(conn, atomic_load(&peer->cap_rate));
	rmdt_peer_notify(peer, RMDT_EVENT_PEER_UP, 0, NULL);
	for (struct rmdt_branch *b = peer->branches; b; b = next) {
		next = b->next;
		rmdt_branch_on_up(b);
	}
	send_letters(peer);
}

static void learn_path(struct rmdt_peer *peer)
{
	uint64_t rate, rtt_us;

	if (peer->link && rmdt_conn_path(peer->link->conn, &rate, &rtt_us))
		rmdt_pathbox_learn(&peer->engine->paths, rmdt_conn_remote_key(peer->link->conn),
				   rmdt_conn_remote(peer->link->conn), rate, rtt_us);
}

void rmdt_peer_on_down(struct rmdt_peer *peer, unsigned code, const char *given)
{
	/* It may lie in what is freed here. */
	char reason[RMDT_REASON_BYTES + 1];

	if (peer->state == RMDT_PEER_IS_DOWN)
		return;
	snprintf(reason, sizeof(reason), "%s", given ? given : "");
	peer->down_code = code;
	memcpy(peer->down_reason, reason, sizeof(reason));
	rmdt_peer_publish(peer);
	learn_path(peer);
	rmdt_connect_cancel(peer);
	pthread_mutex_lock(&peer->lock);
	peer->state = RMDT_PEER_IS_DOWN;
	peer->info.up = false;
	rmdt_letters_clear(&peer->outgoing);
	pthread_mutex_unlock(&peer->lock);
	if (peer->probe)
		rmdt_link_abandon(peer->probe, RMDT_CODE_CLOSED, NULL);
	peer->probe = NULL;
	while (peer->branches)
		rmdt_branch_on_down(peer->branches, code, reason);
	for (struct rmdt_in *in = peer->ins; in; in = in->next)
		rmdt_in_break(in, code, reason);
	peer->link = NULL;
	atomic_fetch_sub(&peer->engine->n_peers, 1);
	/* The reference of the list goes with the last event. */
	if (!rmdt_events_post(&peer->notice, RMDT_EVENT_PEER_DOWN, code, reason))
		rmdt_peer_drop(peer);
}

/* The last handle is gone: members leave at once, and the association ends when the far end knows about all flows. */
static void leave(struct rmdt_peer *peer)
{
	struct rmdt_branch *next;

	if (peer->state == RMDT_PEER_IS_DOWN)
		return;
	for (struct rmdt_branch *b = peer->branches; b; b = next) {
		next = b->next;
		rmdt_branch_end(b, RMDT_MEMBER_LOST, RMDT_CODE_LEFT, NULL);
	}
	if (peer->state == RMDT_PEER_CONNECTING) {
		rmdt_peer_on_down(peer, RMDT_CODE_LEFT, NULL);
		return;
	}
	peer->leaving = true;
	if (peer->link)
		rmdt_link_touch(peer->link);
}

static void go_on_leaving(struct rmdt_peer *peer)
{
	struct rmdt_thread *t = peer->thread;

	if (peer->ins)
		return;
	if (!peer->leave_us)
		peer->leave_us = t->now_us + LEAVE_US;
	if (!rmdt_conn_is_settled(peer->link->conn) && t->now_us < peer->leave_us)
		return;
	rmdt_link_close(peer->link, RMDT_CODE_CLOSED, NULL);
	rmdt_link_touch(peer->link);
}

void rmdt_peer_on_drained(struct rmdt_peer *peer)
{
	if (!peer->link)
		return;
	if (peer->letters_left)
		send_letters(peer);
	if (rmdt_strain_rested(&peer->strain, peer->thread->now_us))
		rmdt_peer_publish(peer);
	if (peer->leaving)
		go_on_leaving(peer);
}

void rmdt_peer_on_busy(struct rmdt_peer *peer)
{
	if (!peer->link || !rmdt_strain_pressed(&peer->strain, peer->thread->now_us))
		return;
	rmdt_peer_publish(peer);
	pthread_mutex_lock(&peer->lock);
	peer->info.limited_by = RMDT_BY_CPU;
	pthread_mutex_unlock(&peer->lock);
}

uint64_t rmdt_peer_next_us(const struct rmdt_peer *peer)
{
	uint64_t look_us = rmdt_strain_next_us(&peer->strain);

	return peer->leave_us && peer->leave_us < look_us ? peer->leave_us : look_us;
}

static void close_now(struct rmdt_peer *peer)
{
	char reason[RMDT_REASON_BYTES + 1];
	unsigned code;

	pthread_mutex_lock(&peer->lock);
	code = peer->close_code;
	memcpy(reason, peer->close_reason, sizeof(reason));
	pthread_mutex_unlock(&peer->lock);
	if (peer->state == RMDT_PEER_CONNECTING)
		rmdt_peer_on_down(peer, code, reason);
	else if (peer->link)
		rmdt_link_close(peer->link, code, reason);
}

static void run(struct rmdt_task *task, unsigned bits)
{
	struct rmdt_peer *peer = (struct rmdt_peer *)((char *)task - offsetof(struct rmdt_peer, task));

	if (bits & RMDT_PEER_START)
		rmdt_connect_start(peer);
	if (bits & RMDT_PEER_RESOLVED)
		rmdt_connect_resolved(peer);
	if (bits & RMDT_PEER_LETTERS)
		send_letters(peer);
	if ((bits & RMDT_PEER_CAP) && peer->link)
		rmdt_conn_set_cap_rate(peer->link->conn, atomic_load(&peer->cap_rate));
	if (bits & RMDT_PEER_CLOSE)
		close_now(peer);
	if (bits & RMDT_PEER_RELEASE)
		leave(peer);
	if (peer->link)
		rmdt_link_touch(peer->link);
	rmdt_peer_drop(peer);
}

/* ---- rmdt.h ---- */

void rmdt_peer_close(struct rmdt_peer *peer, unsigned code, const char *reason)
{
	pthread_mutex_lock(&peer->lock);
	peer->close_code = code;
	snprintf(peer->close_reason, sizeof(peer->close_reason), "%s", reason ? reason : "");
	pthread_mutex_unlock(&peer->lock);
	rmdt_peer_post(peer, RMDT_PEER_CLOSE);
}

struct rmdt_peer *rmdt_peer_ref(struct rmdt_peer *peer)
{
	rmdt_peer_hold(peer);
	atomic_fetch_add(&peer->handles, 1);
	return peer;
}

void rmdt_peer_free(struct rmdt_peer *peer)
{
	if (!peer)
		return;
	if (atomic_fetch_sub(&peer->handles, 1) == 1) {
		if (rmdt_events_close(&peer->notice))
			rmdt_peer_drop(peer);
		rmdt_peer_post(peer, RMDT_PEER_RELEASE);
	}
	rmdt_peer_drop(peer);
}

void *rmdt_peer_user(const struct rmdt_peer *peer)
{
	return atomic_load(&peer->user);
}

void rmdt_peer_set_user(struct rmdt_peer *peer, void *user)
{
	atomic_store(&peer->user, user);
}

int rmdt_peer_info(struct rmdt_peer *peer, struct rmdt_peer_info *info)
{
	uint64_t now_us = rmdt_clock_us(), since_us;

	pthread_mutex_lock(&peer->lock);
	*info = peer->info;
	since_us = now_us > peer->info_us ? now_us - peer->info_us : 0;
	pthread_mutex_unlock(&peer->lock);
	if (info->up) {
		info->age_us += since_us;
		info->silent_us += since_us;
	}
	return 0;
}

int rmdt_message_send(struct rmdt_peer *peer, const void *data, size_t len)
{
	int rc;

	pthread_mutex_lock(&peer->lock);
	if (peer->state != RMDT_PEER_IS_UP)
		rc = -ENOTCONN;
	else if (len > peer->message_max)
		rc = -EMSGSIZE;
	else
		rc = rmdt_letters_add(&peer->outgoing, data, len);
	pthread_mutex_unlock(&peer->lock);
	if (!rc)
		rmdt_peer_post(peer, RMDT_PEER_LETTERS);
	return rc;
}

size_t rmdt_message_max(struct rmdt_peer *peer)
{
	size_t max;

	pthread_mutex_lock(&peer->lock);
	max = peer->message_max;
	pthread_mutex_unlock(&peer->lock);
	return max;
}

int rmdt_message_recv(struct rmdt_peer *peer, void *buf, size_t size)
{
	const struct rmdt_letter *letter;
	int rc = -EAGAIN;

	pthread_mutex_lock(&peer->lock);
	letter = rmdt_letters_first(&peer->incoming);
	if (letter && letter->len > size) {
		rc = -EMSGSIZE;
	} else if (letter) {
		memcpy(buf, letter->data, letter->len);
		rc = (int)letter->len;
		rmdt_letters_pop(&peer->incoming);
	}
	pthread_mutex_unlock(&peer->lock);
	return rc;
}

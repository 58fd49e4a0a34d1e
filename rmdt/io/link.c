/* SPDX-License-Identifier: Apache-2.0 */
#include "io/link.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/address.h"
#include "io/branch.h"
#include "io/connect.h"
#include "io/engine.h"
#include "io/in.h"
#include "io/peer.h"
#include "io/random.h"
#include "io/route.h"
#include "io/thread.h"
#include "io/welcome.h"

/* IP packet without probing when no size is given: what IPv6 guarantees. */
#define SAFE_MTU_BYTES 1280

/* ---- making ---- */

/* Never 0, and in its top byte what io/udp.c steers by. */
static uint32_t choose_cid(struct rmdt_thread *t)
{
	uint32_t cid;

	do {
		rmdt_random_bytes(&cid, sizeof(cid));
		cid = (cid >> 8) | (uint32_t)(t->index + 1) << 24;
	} while (rmdt_table_find(&t->by_cid, cid));
	return cid;
}

/* UDP payload that is worth trying on the way to an address. */
static int choose_mtu(const struct rmdt_config_values *v, const struct rmdt_addr *to, struct rmdt_conn_config *cfg)
{
	uint32_t mtu, max = rmdt_address_payload_max(to), overhead = rmdt_address_overhead(to);
	int rc = rmdt_route_mtu(to, &mtu);

	if (rc)
		return rc;
	if (v->mtu_bytes && v->mtu_bytes < mtu)
		mtu = v->mtu_bytes;
	else if (!v->mtu_bytes && !v->mtu_probe && SAFE_MTU_BYTES < mtu)
		mtu = SAFE_MTU_BYTES;
	mtu = mtu > overhead + RMDT_BASE_BYTES ? mtu - overhead : RMDT_BASE_BYTES;
	cfg->mtu_max_bytes = mtu < max ? mtu : max;
	cfg->mtu_fixed = !v->mtu_probe;
	return 0;
}

static int fill_config(struct rmdt_thread *t, const struct rmdt_addr *remote, struct rmdt_conn_config *cfg)
{
	struct rmdt_engine *e = t->engine;
	const struct rmdt_config_values *v = &e->values;

	memset(cfg, 0, sizeof(*cfg));
	cfg->local_cid = choose_cid(t);
	cfg->remote = *remote;
	memcpy(cfg->static_private, e->trust.id.priv, sizeof(cfg->static_private));
	memcpy(cfg->instance, e->instance, sizeof(cfg->instance));
	cfg->psk = e->trust.has_psk ? e->trust.psk : NULL;
	cfg->suite = e->suite;
	cfg->cipher_none = e->cipher_none;
	memcpy(cfg->name, e->name, sizeof(cfg->name));
	cfg->cc = v->cc;
	cfg->fixed_rate = cfg->cap_rate = v->rate_bytes_per_s;
	cfg->connect_timeout_us = v->connect_timeout_us;
	cfg->dead_after_us = v->dead_after_us;
	cfg->keepalive_us = v->keepalive_us;
	cfg->max_flows = v->max_flows;
	/* Half of what the engine may hold: one peer must not starve the others, and the out-flows need room, too. */
	cfg->window_cap_bytes = v->buffer_bytes / 2;
	cfg->blocks = &e->blocks;
	cfg->rekey_packets = v->rekey_packets;
	cfg->rekey_us = v->rekey_after_us;
	rmdt_random_bytes(cfg->seed, sizeof(cfg->seed));
	return choose_mtu(v, remote, cfg);
}

static void ring(struct rmdt_alarm *alarm, uint64_t now_us)
{
	struct rmdt_link *link = (struct rmdt_link *)((char *)alarm - offsetof(struct rmdt_link, alarm));

	(void)now_us;
	rmdt_link_touch(link);
}

static int make(struct rmdt_thread *t, const struct rmdt_conn_config *cfg, enum rmdt_link_kind kind,
		struct rmdt_link **out)
{
	struct rmdt_link *link = calloc(1, sizeof(*link));
	int rc;

	if (!link)
		return -ENOMEM;
	link->thread = t;
	link->kind = kind;
	link->cid = cfg->local_cid;
	link->may = RMDT_MAY_ALL;
	link->alarm.ring = ring;
	rc = rmdt_conn_new(cfg, t->now_us, &link->conn);
	if (!rc)
		rc = rmdt_table_add(&t->by_cid, link->cid, link);
	if (rc) {
		if (link->conn)
			rmdt_conn_free(link->conn);
		free(link);
		return rc;
	}
	link->next = t->links;
	if (link->next)
		link->next->prev = link;
	t->links = link;
	rmdt_link_touch(link);
	*out = link;
	return 0;
}

int rmdt_link_connect(struct rmdt_thread *t, struct rmdt_peer *peer, enum rmdt_link_kind kind,
		      const struct rmdt_addr *to, uint64_t timeout_us, struct rmdt_link **out)
{
	struct rmdt_conn_config cfg;
	struct sockaddr_storage ss;
	int rc = rmdt_address_get(to, t->udp.family, &ss) ? fill_config(t, to, &cfg) : -EAFNOSUPPORT;

	if (rc)
		return rc;
	cfg.initiator = true;
	cfg.role = (uint8_t)peer->role;
	cfg.connect_timeout_us = timeout_us;
	rc = make(t, &cfg, kind, out);
	if (rc)
		return rc;
	(*out)->peer = peer;
	rmdt_peer_hold(peer);
	rmdt_count(&t->engine->counters.handshakes_started, 1);
	return 0;
}

int rmdt_link_respond(struct rmdt_thread *t, const struct rmdt_handshake_packet *init, uint64_t init_key,
		      const struct rmdt_addr *from, struct rmdt_link **out)
{
	struct rmdt_conn_config cfg;
	struct rmdt_link *link;
	int rc = fill_config(t, from, &cfg);

	if (rc)
		return rc;
	cfg.suite = init->suite;
	rc = make(t, &cfg, RMDT_LINK_INBOUND, &link);
	if (rc)
		return rc;
	rc = rmdt_table_add(&t->by_init, init_key, link);
	if (rc) {
		rmdt_link_free(link);
		return rc;
	}
	link->init_key = init_key;
	link->init_scid = init->scid;
	link->init_from = *from;
	link->half_open = true;
	atomic_fetch_add(&t->engine->n_half_open, 1);
	*out = link;
	return 0;
}

void rmdt_link_untouch(struct rmdt_link *link)
{
	struct rmdt_thread *t = link->thread;

	if (!link->dirty)
		return;
	if (link->prev_dirty)
		link->prev_dirty->next_dirty = link->next_dirty;
	else
		t->dirty_first = link->next_dirty;
	if (link->next_dirty)
		link->next_dirty->prev_dirty = link->prev_dirty;
	else
		t->dirty_last = link->prev_dirty;
	link->next_dirty = link->prev_dirty = NULL;
	link->dirty = false;
}

static void forget_in_outbox(struct rmdt_link *link)
{
	struct rmdt_outbox *out = &link->thread->outbox;

	for (size_t i = 0; i < out->n; i++) {
		if (out->owner[i] == link)
			out->owner[i] = NULL;
	}
}

void rmdt_link_free(struct rmdt_link *link)
{
	struct rmdt_thread *t = link->thread;
	struct rmdt_peer *peer = link->peer;

	rmdt_link_count(link);
	rmdt_link_untouch(link);
	forget_in_outbox(link);
	rmdt_alarms_clear(&t->alarms, &link->alarm);
	if (link->half_open)
		atomic_fetch_sub(&t->engine->n_half_open, 1);
	if (link->refused)
		t->refused--;
	if (link->init_from.len)
		(void)rmdt_table_remove(&t->by_init, link->init_key);
	(void)rmdt_table_remove(&t->by_cid, link->cid);
	if (link->prev)
		link->prev->next = link->next;
	else
		t->links = link->next;
	if (link->next)
		link->next->prev = link->prev;
	if (peer && peer->link == link)
		peer->link = NULL;
	if (peer && peer->probe == link)
		peer->probe = NULL;
	if (peer)	/* an attempt that the end of the engine cut short was never told to have failed */
		rmdt_connect_forget(peer, link);
	rmdt_conn_free(link->conn);
	free(link);
	if (peer)
		rmdt_peer_drop(peer);
}

/* ---- events ---- */

void rmdt_link_touch(struct rmdt_link *link)
{
	struct rmdt_thread *t = link->thread;

	if (link->dirty)
		return;
	link->dirty = true;
	link->next_dirty = NULL;
	link->prev_dirty = t->dirty_last;
	if (t->dirty_last)
		t->dirty_last->next_dirty = link;
	else
		t->dirty_first = link;
	t->dirty_last = link;
}

static void on_down(struct rmdt_link *link, const struct rmdt_conn_event *ev)
{
	struct rmdt_thread *t = link->thread;
	struct rmdt_peer *peer = link->peer;
	char text[RMDT_ADDRESS_TEXT_BYTES];

	link->down = true;
	if (!link->up)
		rmdt_count(&t->engine->counters.handshakes_rejected, 1);
	if (link->half_open) {
		link->half_open = false;
		atomic_fetch_sub(&t->engine->n_half_open, 1);
		link->refused = true;
		t->refused++;
		rmdt_log(&t->engine->log, RMDT_LOG_INFO, "handshake from %s failed: %s%s%s",
			 rmdt_address_format(rmdt_conn_remote(link->conn), text), rmdt_code_text(ev->code),
			 ev->reason[0] ? ": " : "", ev->reason);
	}
	if (!peer)
		return;
	if (peer->link == link)
		rmdt_peer_on_down(peer, ev->code, ev->reason);
	else if (peer->probe == link)
		peer->probe = NULL;
	else if (link->kind == RMDT_LINK_ATTEMPT && !link->abandoned)
		rmdt_connect_failed(peer, link, ev->code, ev->reason);
}

static void dispatch(struct rmdt_link *link, const struct rmdt_conn_event *ev)
{
	struct rmdt_peer *peer = link->peer;
	bool current = peer && peer->link == link;

	switch (ev->kind) {
	case RMDT_CONN_NONE:
		break;
	case RMDT_CONN_ADMIT:
		rmdt_welcome_admit(link);
		break;
	case RMDT_CONN_UP:
		link->up = true;
		rmdt_count(&link->thread->engine->counters.handshakes_done, 1);
		rmdt_welcome_up(link);
		break;
	case RMDT_CONN_DOWN:
		on_down(link, ev);
		break;
	case RMDT_CONN_MOVED:
		if (current)
			rmdt_welcome_moved(link);
		break;
	case RMDT_CONN_RESTART_HINT:
		if (current)
			rmdt_connect_probe(peer);
		break;
	case RMDT_CONN_MESSAGE:
		if (current)
			rmdt_peer_on_message(peer);
		break;
	case RMDT_CONN_OFFER:
		rmdt_in_on_offer(link, ev->in);
		break;
	case RMDT_CONN_IN:
		rmdt_in_on_event(ev->in, ev->flags);
		break;
	case RMDT_CONN_OUT:
		rmdt_branch_on_event(ev->out, ev->flags);
		break;
	}
}

void rmdt_link_pull(struct rmdt_link *link)
{
	struct rmdt_conn_event ev;

	while (rmdt_conn_event(link->conn, &ev))
		dispatch(link, &ev);
}

/* ---- ending ---- */

void rmdt_link_close(struct rmdt_link *link, unsigned code, const char *reason)
{
	if (link->down)
		return;
	link->closed_here = true;
	rmdt_conn_close(link->conn, link->thread->now_us, code, reason);
	rmdt_link_touch(link);
}

void rmdt_link_abandon(struct rmdt_link *link, unsigned code, const char *reason)
{
	if (link->abandoned)
		return;
	link->abandoned = true;
	rmdt_link_close(link, code, reason);
	rmdt_link_touch(link);
}

/* The engine is ending: goodbye as soon as nothing would be lost by it, or time is over. */
static uint64_t say_goodbye(struct rmdt_link *link)
{
	struct rmdt_thread *t = link->thread;
	uint64_t last_us = atomic_load(&t->engine->closing_us) + RMDT_ENGINE_LINGER_US;

	if (link->abandoned)
		return RMDT_ALARM_NEVER;
	if (link->up && !link->down && !rmdt_conn_is_settled(link->conn) && t->now_us < last_us)
		return last_us;
	rmdt_link_abandon(link, RMDT_CODE_CLOSED, NULL);
	return RMDT_ALARM_NEVER;
}

bool rmdt_link_rest(struct rmdt_link *link)
{
	struct rmdt_thread *t = link->thread;
	uint64_t next_us = rmdt_conn_deadline_us(link->conn), other_us = RMDT_ALARM_NEVER;
	bool is_over;

	if (t->closing)
		other_us = say_goodbye(link);
	else if (link->peer && link->peer->link == link)
		other_us = rmdt_peer_next_us(link->peer);
	/*
	 * A handshake that has failed would still repeat its refusal, and an association that the far end closed its answer,
	 * to who asks again; that is not worth waiting for at the end.
	 */
	is_over = rmdt_conn_is_drained(link->conn) || (link->refused && t->refused > RMDT_THREAD_REFUSED) ||
		  (t->closing && (!link->up || !link->closed_here));
	if (link->down && link->holds == 0 && is_over) {
		rmdt_link_free(link);
		return true;
	}
	rmdt_alarms_set(&t->alarms, &link->alarm, next_us < other_us ? next_us : other_us);
	return false;
}

void rmdt_link_count(struct rmdt_link *link)
{
	const struct rmdt_conn_counters *now = rmdt_conn_counters(link->conn);
	struct rmdt_counters *sum = &link->thread->engine->counters;

	rmdt_count(&sum->dropped_malformed, now->dropped_malformed - link->counted.dropped_malformed);
	rmdt_count(&sum->dropped_forged, now->dropped_forged - link->counted.dropped_forged);
	rmdt_count(&sum->dropped_replayed, now->dropped_replayed - link->counted.dropped_replayed);
	rmdt_count(&sum->dropped_credit, now->dropped_credit - link->counted.dropped_credit);
	link->counted = *now;
}

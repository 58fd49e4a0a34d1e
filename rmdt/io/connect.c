/* SPDX-License-Identifier: Apache-2.0 */
#include "io/connect.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/address.h"
#include "io/alarms.h"
#include "io/link.h"
#include "io/peer.h"
#include "io/resolve.h"
#include "io/thread.h"

/* A probe is only a question; a far end that is there answers it at once. */
#define PROBE_TIMEOUT_US 3000000

struct rmdt_connect {
	struct rmdt_peer *peer;
	struct rmdt_resolve *resolve;
	struct rmdt_resolve_result found;
	size_t next;			/* address that is tried next */
	struct rmdt_link *attempt[RMDT_RESOLVE_MAX];	/* by address; NULL: not yet, or failed */
	unsigned under_way;
	struct rmdt_alarm alarm;	/* next address, or the end of all patience */
	uint64_t deadline_us;
	unsigned code;			/* of the failure that says most */
	char reason[RMDT_REASON_BYTES + 1];
};

static void try_next(struct rmdt_connect *c);

static void on_resolved(void *ctx)
{
	rmdt_peer_post(ctx, RMDT_PEER_RESOLVED);
}

static void ring(struct rmdt_alarm *alarm, uint64_t now_us)
{
	struct rmdt_connect *c = (struct rmdt_connect *)((char *)alarm - offsetof(struct rmdt_connect, alarm));
	char reason[RMDT_REASON_BYTES + 1];

	if (now_us < c->deadline_us) {
		try_next(c);
		return;
	}
	if (c->code) {
		rmdt_peer_on_down(c->peer, c->code, c->reason);
		return;
	}
	snprintf(reason, sizeof(reason), "no answer from \"%.80s\" within %.1f s", c->peer->host,
		 (double)c->peer->engine->values.connect_timeout_us / 1e6);
	rmdt_peer_on_down(c->peer, RMDT_CODE_TIMEOUT, reason);
}

void rmdt_connect_start(struct rmdt_peer *peer)
{
	struct rmdt_thread *t = peer->thread;
	struct rmdt_connect *c;
	int rc;

	if (peer->state != RMDT_PEER_CONNECTING || peer->connect)
		return;
	c = calloc(1, sizeof(*c));
	if (!c) {
		rmdt_peer_on_down(peer, RMDT_CODE_INTERNAL, "out of memory here");
		return;
	}
	c->peer = peer;
	c->alarm.ring = ring;
	c->deadline_us = t->now_us + peer->engine->values.connect_timeout_us;
	peer->connect = c;
	rmdt_alarms_set(&t->alarms, &c->alarm, c->deadline_us);
	rc = rmdt_resolve_start(peer->host, peer->port, on_resolved, peer, &c->resolve);
	if (rc)
		rmdt_peer_on_down(peer, RMDT_CODE_INTERNAL, rmdt_strerror(rc));
}

void rmdt_connect_resolved(struct rmdt_peer *peer)
{
	struct rmdt_connect *c = peer->connect;

	if (!c || c->found.n)
		return;
	rmdt_resolve_result(c->resolve, &c->found);
	if (c->found.n == 0)
		rmdt_peer_on_down(peer, RMDT_CODE_ADDRESS, c->found.error);
	else
		try_next(c);
}

/* Silence says least, then a missing route; a refusal says most. */
static unsigned weight(unsigned code)
{
	if (code == RMDT_CODE_NONE)
		return 0;
	if (code == RMDT_CODE_TIMEOUT)
		return 1;
	return code == RMDT_CODE_ADDRESS ? 2 : 3;
}

static void remember(struct rmdt_connect *c, unsigned code, const char *reason)
{
	if (weight(code) <= weight(c->code))
		return;
	c->code = code;
	snprintf(c->reason, sizeof(c->reason), "%s", reason ? reason : "");
}

/* Tries addresses until one is under way, then sets the alarm for the one after it. */
static void try_next(struct rmdt_connect *c)
{
	struct rmdt_thread *t = c->peer->thread;
	bool started = false;

	while (!started && c->next < c->found.n) {
		const struct rmdt_addr *to = &c->found.addr[c->next];
		int rc = rmdt_link_connect(t, c->peer, RMDT_LINK_ATTEMPT, to, c->deadline_us - t->now_us,
					   &c->attempt[c->next]);
		char text[RMDT_ADDRESS_TEXT_BYTES], reason[RMDT_REASON_BYTES + 1];

		c->next++;
		started = rc == 0;
		c->under_way += started;
		if (started)
			break;
		snprintf(reason, sizeof(reason), "%s: %s", rmdt_address_format(to, text), strerror(-rc));
		remember(c, RMDT_CODE_ADDRESS, reason);
	}
	if (c->under_way == 0) {
		rmdt_peer_on_down(c->peer, c->code, c->reason);
		return;
	}
	rmdt_alarms_set(&t->alarms, &c->alarm, c->next < c->found.n && t->now_us + RMDT_CONNECT_HEAD_START_US <
						c->deadline_us ? t->now_us + RMDT_CONNECT_HEAD_START_US :
								 c->deadline_us);
}

static void forget(struct rmdt_connect *c, struct rmdt_link *link)
{
	for (size_t i = 0; i < c->found.n; i++) {
		if (c->attempt[i] == link) {
			c->attempt[i] = NULL;
			c->under_way--;
		}
	}
}

void rmdt_connect_failed(struct rmdt_peer *peer, struct rmdt_link *link, unsigned code, const char *reason)
{
	struct rmdt_connect *c = peer->connect;

	if (!c)
		return;
	forget(c, link);
	link->abandoned = true;
	remember(c, code, reason);
	if (c->next < c->found.n)
		try_next(c);
	else if (c->under_way == 0)
		rmdt_peer_on_down(peer, c->code, c->reason);
}

void rmdt_connect_won(struct rmdt_peer *peer, struct rmdt_link *link)
{
	if (!peer->connect)
		return;
	forget(peer->connect, link);
	rmdt_connect_cancel(peer);
}

void rmdt_connect_forget(struct rmdt_peer *peer, struct rmdt_link *link)
{
	if (peer->connect)
		forget(peer->connect, link);
}

void rmdt_connect_cancel(struct rmdt_peer *peer)
{
	struct rmdt_connect *c = peer->connect;

	if (!c)
		return;
	peer->connect = NULL;
	rmdt_resolve_cancel(c->resolve);
	rmdt_alarms_clear(&peer->thread->alarms, &c->alarm);
	for (size_t i = 0; i < c->found.n; i++) {
		if (c->attempt[i])
			rmdt_link_abandon(c->attempt[i], RMDT_CODE_CLOSED, NULL);
	}
	free(c);
}

void rmdt_connect_probe(struct rmdt_peer *peer)
{
	struct rmdt_addr to;

	if (peer->probe || !peer->link)
		return;
	to = *rmdt_conn_remote(peer->link->conn);
	if (rmdt_link_connect(peer->thread, peer, RMDT_LINK_PROBE, &to, PROBE_TIMEOUT_US, &peer->probe))
		peer->probe = NULL;
}

/* ---- rmdt.h ---- */

int rmdt_connect(struct rmdt_engine *engine, const struct rmdt_connect_options *opt, struct rmdt_peer **out)
{
	struct rmdt_peer *peer;
	unsigned i;
	int rc;

	if (rmdt_engine_is_closing(engine))
		return -ESHUTDOWN;
	if (atomic_load(&engine->n_peers) >= engine->values.max_peers)
		return -ENOBUFS;
	i = atomic_fetch_add(&engine->next_thread, 1) % engine->n_threads;
	rc = rmdt_peer_new(engine, &engine->threads[i], &peer);
	if (rc)
		return rc;
	snprintf(peer->host, sizeof(peer->host), "%s", opt->to.host);
	snprintf(peer->info.host, sizeof(peer->info.host), "%s", opt->to.host);
	peer->port = opt->to.port ? opt->to.port : RMDT_DEFAULT_PORT;
	peer->role = opt->purpose ? opt->purpose : RMDT_OTHER;
	atomic_store(&peer->user, opt->user);
	atomic_store(&peer->handles, 1);
	*out = peer;
	rmdt_peer_post(peer, RMDT_PEER_START);
	return 0;
}

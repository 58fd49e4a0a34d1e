/* SPDX-License-Identifier: Apache-2.0 */
#include "io/welcome.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "io/address.h"
#include "io/connect.h"
#include "io/engine.h"
#include "io/link.h"
#include "io/peer.h"
#include "io/thread.h"

/* ---- admission ---- */

static unsigned ask_application(struct rmdt_link *link, const struct rmdt_admission *a)
{
	const struct rmdt_engine_options *opt = &link->thread->engine->opt;
	struct sockaddr_storage ss;
	char print[RMDT_FINGERPRINT_BYTES];
	struct rmdt_candidate candidate = {
		.key = a->key, .fingerprint = print, .addr = (struct sockaddr *)&ss,
		.name = rmdt_conn_remote_name(link->conn),
		.inbound = link->kind == RMDT_LINK_INBOUND,
		.listed = a->listed, .psk = a->psk, .allowed = a->allowed, .host = a->host,
	};

	if (!opt->admit)
		return 0;
	memset(&ss, 0, sizeof(ss));
	(void)rmdt_address_get(a->from, rmdt_address_family(a->from), &ss);
	rmdt_fingerprint(a->key, print);
	return opt->admit(opt->ctx, &candidate);
}

static unsigned admit_inbound(struct rmdt_link *link, struct rmdt_admission *a)
{
	struct rmdt_engine *e = link->thread->engine;
	unsigned code = rmdt_trustbox_inbound(&e->trust, a);

	if (!code && atomic_load(&e->n_peers) >= e->values.max_peers) {
		snprintf(a->reason, sizeof(a->reason), "max-peers = %u is reached",
			 e->values.max_peers);
		code = RMDT_CODE_BUSY;
	}
	return code;
}

static unsigned admit_attempt(struct rmdt_link *link, struct rmdt_admission *a)
{
	struct rmdt_peer *peer = link->peer;

	/* Another address of the same name was faster. */
	if (peer->state != RMDT_PEER_CONNECTING || link->abandoned)
		return RMDT_CODE_CLOSED;
	a->host = peer->host;
	a->port = peer->port;
	return rmdt_trustbox_outbound(&link->thread->engine->trust, a);
}

/*
 * The far end said that it does not know our association, which proves nothing. The handshake does:
 * same key, other instance. It ends here, before the far end would count it as a peer.
 */
static void judge_probe(struct rmdt_link *link)
{
	struct rmdt_peer *peer = link->peer;
	struct rmdt_thread *t = link->thread;
	bool restarted = peer->link &&
			 memcmp(rmdt_conn_remote_key(link->conn), peer->info.key,
				RMDT_KEY_BYTES) == 0 &&
			 memcmp(rmdt_conn_remote_instance(link->conn), peer->info.instance,
				RMDT_INSTANCE_BYTES) != 0;

	rmdt_conn_admit(link->conn, t->now_us, RMDT_CODE_CLOSED, "only asking");
	if (!restarted)
		return;
	rmdt_link_close(peer->link, RMDT_CODE_RESTARTED, "restarted: it is a new instance");
	rmdt_link_touch(peer->link);
}

void rmdt_welcome_admit(struct rmdt_link *link)
{
	struct rmdt_engine *e = link->thread->engine;
	struct rmdt_admission a = {
		.key = rmdt_conn_remote_key(link->conn), .from = rmdt_conn_remote(link->conn),
		.purpose = rmdt_conn_role(link->conn), .psk = rmdt_conn_used_psk(link->conn),
		.accept_unlisted = e->opt.accept_unlisted,
		.ask_unlisted = e->opt.ask_unlisted && e->opt.admit,
	};
	uint64_t rate, rtt_us;
	unsigned code;

	if (link->kind == RMDT_LINK_PROBE) {
		judge_probe(link);
		return;
	}
	code = link->kind == RMDT_LINK_INBOUND ? admit_inbound(link, &a) : admit_attempt(link, &a);
	if (!code)
		code = ask_application(link, &a);
	/* Last, so that nobody is believed later whom the application would not have. */
	if (!code && a.is_unknown)
		code = rmdt_trustbox_pin(&e->trust, &a);
	link->may = a.may;
	if (!code && rmdt_pathbox_find(&e->paths, a.key, a.from, &rate, &rtt_us))
		rmdt_conn_set_hint(link->conn, rate, rtt_us);
	rmdt_conn_admit(link->conn, link->thread->now_us, code, code ? a.reason : NULL);
}

void rmdt_welcome_moved(struct rmdt_link *link)
{
	struct rmdt_admission a = {
		.key = rmdt_conn_remote_key(link->conn), .from = rmdt_conn_remote(link->conn),
		.purpose = rmdt_conn_role(link->conn), .may = link->may,
	};
	unsigned code = 0;

	if (link->kind == RMDT_LINK_INBOUND)
		code = rmdt_trustbox_moved(&link->thread->engine->trust, &a);
	link->may = a.may;
	if (code)
		rmdt_link_close(link, code, a.reason);
	else
		rmdt_peer_on_moved(link->peer);
}

/* ---- up ---- */

/*
 * An older association that this one replaces: of the same key, role and name, and either of
 * another instance of the far end, or of the same one but opened from the other side, and then the
 * side with the smaller key wins (protocol, H11).
 */
static bool conflicts(struct rmdt_peer *old, struct rmdt_peer *fresh, bool *fresh_loses)
{
	struct rmdt_engine *e = fresh->engine;
	bool same_instance;
	int order;

	*fresh_loses = false;
	if (old == fresh || old->state != RMDT_PEER_IS_UP || old->close_code ||
	    old->role != fresh->role ||
	    memcmp(old->info.key, fresh->info.key, RMDT_KEY_BYTES) != 0 ||
	    strcmp(old->info.name, fresh->info.name) != 0)
		return false;
	same_instance = memcmp(old->info.instance, fresh->info.instance, RMDT_INSTANCE_BYTES) == 0;
	if (!same_instance)
		return old->inbound && fresh->inbound;
	if (old->inbound == fresh->inbound)
		return false;
	order = memcmp(e->trust.id.pub, fresh->info.key, RMDT_KEY_BYTES);
	if (order == 0)
		order = memcmp(e->instance, fresh->info.instance, RMDT_INSTANCE_BYTES);
	*fresh_loses = (order < 0) == fresh->inbound;
	return true;
}

static bool was_replaced(struct rmdt_peer *peer)
{
	bool was;

	pthread_mutex_lock(&peer->lock);
	was = peer->close_code == RMDT_CODE_REPLACED;
	pthread_mutex_unlock(&peer->lock);
	return was;
}

static void set_replaced(struct rmdt_peer *peer)
{
	pthread_mutex_lock(&peer->lock);
	peer->close_code = RMDT_CODE_REPLACED;
	pthread_mutex_unlock(&peer->lock);
}

/*
 * A peer that has to go and was not told yet, with a reference; NULL: none. Only identities are
 * compared, and they are constant once up. Two that come up at one moment on two threads each find
 * the other; so it is marked under the engine's lock, and who is marked replaces nobody.
 */
static struct rmdt_peer *find_conflict(struct rmdt_peer *fresh)
{
	struct rmdt_engine *e = fresh->engine;
	struct rmdt_peer *loser = NULL;
	bool gone;

	pthread_mutex_lock(&e->lock);
	gone = was_replaced(fresh);
	for (struct rmdt_listed *l = e->peers.next; l != &e->peers && !loser && !gone;
	     l = l->next) {
		struct rmdt_peer *old = (struct rmdt_peer *)((char *)l - offsetof(struct rmdt_peer, listed));
		bool fresh_loses;

		pthread_mutex_lock(&old->lock);
		if (conflicts(old, fresh, &fresh_loses))
			loser = fresh_loses ? fresh : old;
		pthread_mutex_unlock(&old->lock);
	}
	if (loser) {
		rmdt_peer_hold(loser);
		set_replaced(loser);
	}
	pthread_mutex_unlock(&e->lock);
	return loser;
}

static struct rmdt_peer *make_inbound(struct rmdt_link *link)
{
	struct rmdt_engine *e = link->thread->engine;
	struct rmdt_peer *peer;

	if (rmdt_peer_new(e, link->thread, &peer))
		return NULL;
	peer->inbound = true;
	peer->role = rmdt_conn_role(link->conn);
	/* The caller's reference is the link's. */
	link->peer = peer;
	return peer;
}

void rmdt_welcome_up(struct rmdt_link *link)
{
	struct rmdt_peer *peer = link->peer, *loser = NULL;

	if (link->half_open) {
		link->half_open = false;
		atomic_fetch_sub(&link->thread->engine->n_half_open, 1);
	}
	if (link->kind == RMDT_LINK_INBOUND)
		peer = make_inbound(link);
	else if (link->kind == RMDT_LINK_PROBE || peer->state != RMDT_PEER_CONNECTING)
		peer = NULL;
	if (!peer) {
		rmdt_link_abandon(link, RMDT_CODE_CLOSED, NULL);
		return;
	}
	if (link->kind == RMDT_LINK_ATTEMPT)
		rmdt_connect_won(peer, link);
	rmdt_peer_on_up(peer, link);
	while (loser != peer && (loser = find_conflict(peer))) {
		rmdt_peer_close(loser, RMDT_CODE_REPLACED,
				"a newer association of the same key, role and name");
		rmdt_peer_drop(loser);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/engine.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/in.h"
#include "io/out.h"
#include "io/peer.h"
#include "io/random.h"
#include "io/thread.h"

/* ---- what its objects need ---- */

void rmdt_engine_list(struct rmdt_engine *e, struct rmdt_listed *head, struct rmdt_listed *item)
{
	pthread_mutex_lock(&e->lock);
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
	pthread_mutex_unlock(&e->lock);
}

void rmdt_engine_unlist(struct rmdt_engine *e, struct rmdt_listed *item)
{
	pthread_mutex_lock(&e->lock);
	item->prev->next = item->next;
	item->next->prev = item->prev;
	pthread_mutex_unlock(&e->lock);
}

struct rmdt_events *rmdt_engine_events(struct rmdt_engine *e, struct rmdt_thread *thread)
{
	return e->opt.handler ? &thread->events : &e->events;
}

bool rmdt_engine_is_closing(const struct rmdt_engine *e)
{
	return atomic_load_explicit(&e->closing_us, memory_order_acquire) != 0;
}

/* ---- new: settings ---- */

static void lock_blocks(void *ctx)
{
	pthread_mutex_lock(ctx);
}

static void unlock_blocks(void *ctx)
{
	pthread_mutex_unlock(ctx);
}

static void choose_suite(struct rmdt_engine *e)
{
	e->suite = strcmp(e->values.cipher, "chacha20-poly1305") == 0 ? RMDT_CHACHA20_POLY1305 : RMDT_AES_256_GCM;
	e->cipher_none = strcmp(e->values.cipher, "none") == 0;
}

/* Without a name of its own an engine must not be taken for another that has the same key: its instance is the name. */
static int choose_name(struct rmdt_engine *e, const char *name, char *err)
{
	if (name && strlen(name) > RMDT_NAME_BYTES) {
		snprintf(err, RMDT_ERROR_BYTES, "engine name \"%.64s...\": more than %d bytes", name, RMDT_NAME_BYTES);
		return -EINVAL;
	}
	if (name && *name) {
		snprintf(e->name, sizeof(e->name), "%s", name);
		return 0;
	}
	for (size_t i = 0; i < 8; i++)
		snprintf(e->name + 2 * i, 3, "%02x", e->instance[i]);
	return 0;
}

static const char *name_aead(enum rmdt_suite suite)
{
	static const uint8_t zeros[RMDT_AEAD_KEY_BYTES];
	struct rmdt_aead *aead = rmdt_aead_new(suite, zeros, zeros);
	const char *name = aead ? rmdt_aead_engine(aead) : "none";

	rmdt_aead_free(aead);
	return name;
}

static int set_up(struct rmdt_engine *e, const struct rmdt_engine_options *opt, char *err)
{
	struct rmdt_blocks_ops ops = { .lock = lock_blocks, .unlock = unlock_blocks, .ctx = &e->blocks_lock };
	int rc;

	e->opt = *opt;
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->blocks_lock, NULL);
	e->peers.next = e->peers.prev = &e->peers;
	e->outs.next = e->outs.prev = &e->outs;
	e->ins.next = e->ins.prev = &e->ins;
	rc = rmdt_config_copy(&e->config, opt->config);
	if (rc)
		return rc;
	rmdt_config_values(e->config, &e->values);
	e->log = (struct rmdt_log){ opt->log, opt->ctx, (int)e->values.log_level };
	rmdt_random_bytes(e->instance, sizeof(e->instance));
	choose_suite(e);
	e->aead = name_aead(e->suite);
	rmdt_blocks_init(&e->blocks, e->values.buffer_bytes, &ops);
	rc = choose_name(e, opt->name, err);
	if (!rc)
		rc = rmdt_events_init(&e->events);
	if (rc)
		return rc;
	e->events_ready = true;
	rc = rmdt_trustbox_init(&e->trust, &e->values, &e->log, err);
	e->trust_ready = rc == 0;
	if (!rc)
		rmdt_pathbox_init(&e->paths, e->trust.dir, e->values.remember, &e->log);
	return rc;
}

/* ---- new: sockets ---- */

static int resolve_listen(const struct rmdt_endpoint *ep, struct sockaddr_storage *ss, socklen_t *len, char *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE }, *list;
	int rc;

	*len = 0;
	if (!ep->host[0])
		return 0;
	rc = getaddrinfo(ep->host, NULL, &hints, &list);
	if (rc) {
		snprintf(err, RMDT_ERROR_BYTES, "cannot listen on \"%.100s\": %s", ep->host, gai_strerror(rc));
		return -EADDRNOTAVAIL;
	}
	memcpy(ss, list->ai_addr, list->ai_addrlen);
	*len = list->ai_addrlen;
	freeaddrinfo(list);
	return 0;
}

/*
 * The first socket is bound alone, so that a port which anybody has is an error, also when he would share it; only then
 * it opens up for those of the other threads. So two engines can never share a port and take each other's packets.
 */
static int open_sockets(struct rmdt_engine *e, struct rmdt_udp_options *opt)
{
	int rc = rmdt_udp_open(&e->threads[0].udp, opt);

	if (rc || e->n_threads == 1)
		return rc;
	rc = rmdt_udp_share(&e->threads[0].udp);
	opt->port = e->threads[0].udp.port;
	opt->shared = true;
	for (unsigned i = 1; i < e->n_threads && !rc; i++)
		rc = rmdt_udp_open(&e->threads[i].udp, opt);
	if (!rc)
		e->steered = rmdt_udp_steer(&e->threads[0].udp, e->n_threads) == 0;
	return rc;
}

static int bind_port(struct rmdt_engine *e, char *err)
{
	const struct rmdt_endpoint *ep = &e->opt.listen;
	struct sockaddr_storage ss;
	struct rmdt_udp_options opt = { .port = ep->port, .buffer_bytes = e->values.socket_buffer_bytes,
					.gso = e->values.gso, .gro = e->values.gro };
	int rc = resolve_listen(ep, &ss, &opt.bind_len, err);

	if (rc)
		return rc;
	opt.bind = opt.bind_len ? (struct sockaddr *)&ss : NULL;
	rc = open_sockets(e, &opt);
	if (rc)
		snprintf(err, RMDT_ERROR_BYTES, "cannot listen on UDP port %u of \"%.100s\": %s", ep->port, ep->host,
			 rmdt_strerror(rc));
	else
		e->port = e->threads[0].udp.port;
	return rc;
}

/* ---- new and free ---- */

static int make_threads(struct rmdt_engine *e, char *err)
{
	unsigned i;
	int rc;

	e->n_threads = e->values.threads ? e->values.threads : 1;
	e->threads = calloc(e->n_threads, sizeof(*e->threads));
	if (!e->threads)
		return -ENOMEM;
	for (i = 0; i < e->n_threads; i++)
		e->threads[i].udp.fd = -1;
	rc = bind_port(e, err);
	for (i = 0; i < e->n_threads && !rc; i++)
		rc = rmdt_thread_init(&e->threads[i], e, i);
	if (rc)
		return rc;
	if (e->n_threads > 1 && !e->steered)
		rmdt_log(&e->log, RMDT_LOG_INFO, "the kernel does not steer packets to threads; that is done here");
	rmdt_uplink_start(&e->uplink, e);
	for (i = 0; i < e->n_threads && !rc; i++)
		rc = rmdt_thread_start(&e->threads[i]);
	return rc;
}

/* The first handle that the application still has; each call gives one back, so this ends. */
static bool give_one_back(struct rmdt_engine *e)
{
	struct rmdt_out *out = NULL;
	struct rmdt_in *in = NULL;
	struct rmdt_peer *peer = NULL;

	pthread_mutex_lock(&e->lock);
	for (struct rmdt_listed *l = e->outs.next; l != &e->outs && !out; l = l->next) {
		struct rmdt_out *o = (struct rmdt_out *)((char *)l - offsetof(struct rmdt_out, listed));

		out = atomic_load(&o->given_back) ? NULL : o;
	}
	for (struct rmdt_listed *l = e->ins.next; l != &e->ins && !in; l = l->next) {
		struct rmdt_in *i = (struct rmdt_in *)((char *)l - offsetof(struct rmdt_in, listed));

		in = atomic_load(&i->given_back) ? NULL : i;
	}
	for (struct rmdt_listed *l = e->peers.next; l != &e->peers && !peer; l = l->next) {
		struct rmdt_peer *p = (struct rmdt_peer *)((char *)l - offsetof(struct rmdt_peer, listed));

		peer = atomic_load(&p->handles) ? p : NULL;
	}
	pthread_mutex_unlock(&e->lock);
	/* Flows first: a peer that is given back before its members makes them leave. */
	if (out)
		rmdt_out_free(out);
	else if (in)
		rmdt_in_free(in);
	else if (peer)
		rmdt_peer_free(peer);
	return out || in || peer;
}

static void end_threads(struct rmdt_engine *e)
{
	bool busy = true;
	unsigned i;

	for (i = 0; i < e->n_threads && e->threads; i++) {
		if (e->threads[i].started)
			rmdt_mailbox_poke(&e->threads[i].mailbox);
	}
	for (i = 0; i < e->n_threads && e->threads; i++)
		rmdt_thread_join(&e->threads[i]);
	/* An accept callback may have taken its time and said yes only now. */
	while (give_one_back(e))
		;
	while (busy) {
		busy = false;
		for (i = 0; i < e->n_threads && e->threads; i++) {
			if (e->threads[i].ready && rmdt_thread_settle(&e->threads[i]))
				busy = true;
		}
	}
}

static void tear_down(struct rmdt_engine *e)
{
	uint64_t none = 0;
	unsigned i;

	(void)atomic_compare_exchange_strong(&e->closing_us, &none, rmdt_clock_us());
	end_threads(e);
	if (e->events_ready)
		rmdt_events_fini(&e->events);
	for (i = 0; i < e->n_threads && e->threads; i++) {
		rmdt_thread_fini(&e->threads[i]);
		rmdt_udp_close(&e->threads[i].udp);
	}
	free(e->threads);
	if (e->trust_ready) {
		rmdt_pathbox_fini(&e->paths);
		rmdt_trustbox_fini(&e->trust);
	}
	assert(e->peers.next == &e->peers && e->outs.next == &e->outs && e->ins.next == &e->ins);
	if (e->config)
		rmdt_blocks_fini(&e->blocks);
	rmdt_config_free(e->config);
	pthread_mutex_destroy(&e->blocks_lock);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

int rmdt_engine_new(const struct rmdt_engine_options *opt, struct rmdt_engine **engine, char *err)
{
	char unused[RMDT_ERROR_BYTES];
	struct rmdt_engine *e = calloc(1, sizeof(*e));
	int rc;

	err = err ? err : unused;
	err[0] = '\0';
	if (!e)
		return -ENOMEM;
	rc = set_up(e, opt, err);
	if (!rc) {
		err[0] = '\0';	/* a file that may be absent has left its complaint */
		rc = make_threads(e, err);
	}
	if (rc) {
		if (!err[0])
			snprintf(err, RMDT_ERROR_BYTES, "cannot start the engine: %s", rmdt_strerror(rc));
		tear_down(e);
		return rc;
	}
	*engine = e;
	return 0;
}

void rmdt_engine_free(struct rmdt_engine *e)
{
	if (!e)
		return;
	for (unsigned i = 0; i < e->n_threads; i++)
		rmdt_thread_silence(&e->threads[i]);
	while (give_one_back(e))
		;
	atomic_store(&e->closing_us, rmdt_clock_us());
	/* What came while the threads did not know yet. */
	while (give_one_back(e))
		;
	tear_down(e);
}

/* ---- the rest of rmdt.h ---- */

uint16_t rmdt_engine_port(const struct rmdt_engine *e)
{
	return e->port;
}

void rmdt_engine_key(const struct rmdt_engine *e, uint8_t key[RMDT_KEY_BYTES])
{
	memcpy(key, e->trust.id.pub, RMDT_KEY_BYTES);
}

int rmdt_engine_reload(struct rmdt_engine *e, char *err)
{
	char unused[RMDT_ERROR_BYTES];

	return rmdt_trustbox_reload(&e->trust, err ? err : unused);
}

int rmdt_engine_pin(struct rmdt_engine *e, const struct rmdt_endpoint *host, const uint8_t key[RMDT_KEY_BYTES], char *err)
{
	char unused[RMDT_ERROR_BYTES];
	struct rmdt_admission a = { .key = key, .host = host->host, .port = host->port };

	err = err ? err : unused;
	if (host->host[0])
		return rmdt_trustbox_believe(&e->trust, &a, err);
	snprintf(err, RMDT_ERROR_BYTES, "only a host with a name can be pinned");
	return -EINVAL;
}

int rmdt_engine_next_event(struct rmdt_engine *e, struct rmdt_event *event, int timeout_ms,
			   struct rmdt_cancel *cancel)
{
	struct rmdt_patience patience;

	if (e->opt.handler)
		return -EINVAL;
	rmdt_patience_init(&patience, timeout_ms, cancel);
	return rmdt_events_wait(&e->events, event, &patience);
}

int rmdt_engine_fd(const struct rmdt_engine *e)
{
	return e->events.fd;
}

static uint64_t get(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void rmdt_engine_stats(struct rmdt_engine *e, struct rmdt_engine_stats *s)
{
	struct rmdt_counters *c = &e->counters;

	*s = (struct rmdt_engine_stats){
		.datagrams_in = get(&c->datagrams_in), .datagrams_out = get(&c->datagrams_out),
		.bytes_in = get(&c->bytes_in), .bytes_out = get(&c->bytes_out),
		.dropped_malformed = get(&c->dropped_malformed), .dropped_unknown = get(&c->dropped_unknown),
		.dropped_forged = get(&c->dropped_forged), .dropped_replayed = get(&c->dropped_replayed),
		.dropped_credit = get(&c->dropped_credit), .handshakes_started = get(&c->handshakes_started),
		.handshakes_done = get(&c->handshakes_done), .handshakes_rejected = get(&c->handshakes_rejected),
		.retries_sent = get(&c->retries_sent), .hints_sent = get(&c->hints_sent),
		.buffer_used_bytes = (uint64_t)rmdt_blocks_used(&e->blocks) * RMDT_BLOCK_BYTES,
		.buffer_cap_bytes = e->values.buffer_bytes,
		.peers = atomic_load(&e->n_peers), .out_flows = atomic_load(&e->n_out_flows),
		.in_flows = atomic_load(&e->n_in_flows), .half_open = atomic_load(&e->n_half_open),
		.gso = true, .gro = true, .aead = e->aead,
	};
	for (unsigned i = 0; i < e->n_threads; i++) {
		s->gso = s->gso && atomic_load(&e->threads[i].udp.gso);
		s->gro = s->gro && atomic_load(&e->threads[i].udp.gro);
	}
}

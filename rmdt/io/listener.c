/* SPDX-License-Identifier: Apache-2.0 */
#include "io/listener.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "core/packet.h"
#include "io/engine.h"
#include "io/link.h"
#include "io/peer.h"
#include "io/random.h"
#include "io/thread.h"

void rmdt_listener_init(struct rmdt_listener *l, uint64_t now_us)
{
	uint8_t secret[RMDT_COOKIE_SECRET_BYTES];

	rmdt_random_bytes(secret, sizeof(secret));
	rmdt_cookie_init(&l->cookie, secret, now_us);
	OPENSSL_cleanse(secret, sizeof(secret));
	rmdt_random_bytes(l->hash_key, sizeof(l->hash_key));
	l->hints_since_us = now_us;
	l->hints = l->heard = 0;
}

void rmdt_listener_fini(struct rmdt_listener *l)
{
	rmdt_cookie_fini(&l->cookie);
}

/* ---- first messages ---- */

/* A stranger chooses id and address; with a secret in the hash he cannot make two first messages meet. */
static uint64_t init_key(const struct rmdt_listener *l, uint32_t scid, const struct rmdt_addr *from)
{
	uint8_t text[sizeof(l->hash_key) + sizeof(scid) + sizeof(from->bytes)], digest[SHA256_DIGEST_LENGTH];
	uint64_t key;

	memcpy(text, l->hash_key, sizeof(l->hash_key));
	memcpy(text + sizeof(l->hash_key), &scid, sizeof(scid));
	memcpy(text + sizeof(l->hash_key) + sizeof(scid), from->bytes, sizeof(from->bytes));
	SHA256(text, sizeof(text), digest);
	memcpy(&key, digest, sizeof(key));
	return key;
}

static void reject(struct rmdt_thread *t, const struct rmdt_handshake_packet *init, const struct rmdt_addr *to,
		   unsigned code, const char *reason)
{
	struct rmdt_handshake_packet p = { .type = RMDT_HS_REJECT, .suite = init->suite, .flags = init->flags,
					   .version = RMDT_VERSION_1, .dcid = init->scid, .code = code,
					   .reason = reason, .reason_len = strlen(reason) };

	rmdt_count(&t->engine->counters.handshakes_rejected, 1);
	rmdt_thread_send_small(t, &p, to);
}

static void say_versions(struct rmdt_thread *t, const struct rmdt_handshake_packet *init, const struct rmdt_addr *to)
{
	struct rmdt_handshake_packet p = { .type = RMDT_HS_VERSIONS, .version = RMDT_VERSION_1, .dcid = init->scid,
					   .versions = { RMDT_VERSION_1 }, .n_versions = 1 };

	rmdt_thread_send_small(t, &p, to);
}

/* True: the initiator has shown with a cookie that it gets what we send to its address, or it need not. */
static bool address_is_proven(struct rmdt_thread *t, const struct rmdt_handshake_packet *init,
			      const struct rmdt_addr *from)
{
	struct rmdt_cookie *c = &t->listener.cookie;
	struct rmdt_cookie_bind bind = { from->bytes, from->len, init->noise, init->noise_len, &init->scid,
					 sizeof(init->scid) };
	uint8_t cookie[RMDT_COOKIE_BYTES];
	struct rmdt_handshake_packet p = { .type = RMDT_HS_RETRY, .suite = init->suite, .flags = init->flags,
					   .version = RMDT_VERSION_1, .dcid = init->scid, .cookie = cookie,
					   .cookie_len = sizeof(cookie) };

	/* From a quarter of the maximum on, strangers pay with a round trip. */
	if (atomic_load(&t->engine->n_half_open) < t->engine->values.max_half_open / 4)
		return true;
	if (rmdt_cookie_wants_secret(c, t->now_us)) {
		uint8_t secret[RMDT_COOKIE_SECRET_BYTES];

		rmdt_random_bytes(secret, sizeof(secret));
		rmdt_cookie_rotate(c, secret, t->now_us);
		OPENSSL_cleanse(secret, sizeof(secret));
	}
	if (init->cookie_len &&
	    rmdt_cookie_verify(c, &bind, t->now_us, init->cookie, init->cookie_len))
		return true;
	if (rmdt_cookie_make(c, &bind, t->now_us, cookie) == 0) {
		rmdt_count(&t->engine->counters.retries_sent, 1);
		rmdt_thread_send_small(t, &p, from);
	}
	return false;
}

static void on_init(struct rmdt_thread *t, uint8_t *buf, size_t len, unsigned ecn, const struct rmdt_addr *from)
{
	struct rmdt_engine *e = t->engine;
	struct rmdt_handshake_packet init;
	struct rmdt_link *link;
	uint64_t key;

	if (rmdt_handshake_read(buf, len, &init)) {
		rmdt_count(&e->counters.dropped_malformed, 1);
		return;
	}
	key = init_key(&t->listener, init.scid, from);
	link = rmdt_table_find(&t->by_init, key);
	if (link) {
		rmdt_conn_receive(link->conn, t->now_us, buf, len, ecn, from);
		rmdt_link_touch(link);
		return;
	}
	if (init.version != RMDT_VERSION_1)
		say_versions(t, &init, from);
	else if (init.suite != RMDT_AES_256_GCM && init.suite != RMDT_CHACHA20_POLY1305)
		reject(t, &init, from, RMDT_CODE_SUITE, "");
	else if (!!(init.flags & RMDT_HS_FLAG_PSK) != e->trust.has_psk)
		reject(t, &init, from, RMDT_CODE_PSK,
		       e->trust.has_psk ? "a pre-shared key is wanted here" : "no pre-shared key is set here");
	else if (rmdt_engine_is_closing(e) || atomic_load(&e->n_half_open) >= e->values.max_half_open)
		rmdt_count(&e->counters.handshakes_rejected, 1);
	else if (atomic_load(&e->n_peers) >= e->values.max_peers)
		reject(t, &init, from, RMDT_CODE_BUSY, "max-peers is reached");
	else if (address_is_proven(t, &init, from) && rmdt_link_respond(t, &init, key, from, &link) == 0)
		rmdt_conn_receive(link->conn, t->now_us, buf, len, ecn, from);
}

/* ---- strays ---- */

static void begin_second(struct rmdt_listener *l, uint64_t now_us)
{
	if (now_us - l->hints_since_us < 1000000)
		return;
	l->hints_since_us = now_us;
	l->hints = l->heard = 0;
}

/* The far end does not know the connection id that stands in the sender's place: ours there. We know it by its address. */
static void on_unknown(struct rmdt_thread *t, uint8_t *buf, size_t len, unsigned ecn, const struct rmdt_addr *from)
{
	begin_second(&t->listener, t->now_us);
	if (t->listener.heard++ >= RMDT_LISTENER_HEARD_PER_S)
		return;
	for (struct rmdt_link *link = t->links; link; link = link->next) {
		if (!link->up || !rmdt_addr_equal(rmdt_conn_remote(link->conn), from))
			continue;
		rmdt_conn_receive(link->conn, t->now_us, buf, len, ecn, from);
		rmdt_link_touch(link);
	}
}

static void hint(struct rmdt_thread *t, uint32_t cid, size_t len, const struct rmdt_addr *to)
{
	struct rmdt_listener *l = &t->listener;
	struct rmdt_handshake_packet p = { .type = RMDT_HS_UNKNOWN, .version = RMDT_VERSION_1, .scid = cid };

	begin_second(l, t->now_us);
	/* Shorter than what drew it, so that two ends that do not know each other cannot play tennis. */
	if (len <= RMDT_HANDSHAKE_HEADER_BYTES || l->hints >= RMDT_LISTENER_HINTS_PER_S)
		return;
	l->hints++;
	rmdt_count(&t->engine->counters.hints_sent, 1);
	rmdt_thread_send_small(t, &p, to);
}

void rmdt_listener_receive(struct rmdt_thread *t, uint8_t *buf, size_t len, unsigned ecn, const struct rmdt_addr *from)
{
	uint32_t cid;
	enum rmdt_form form = rmdt_packet_form(buf, len, &cid);

	if (form == RMDT_FORM_BAD) {
		rmdt_count(&t->engine->counters.dropped_malformed, 1);
		return;
	}
	if (form == RMDT_FORM_HANDSHAKE) {
		unsigned type = buf[0] & 0x3f;

		if (type == RMDT_HS_INIT && cid == 0)
			on_init(t, buf, len, ecn, from);
		else if (type == RMDT_HS_UNKNOWN && cid == 0)
			on_unknown(t, buf, len, ecn, from);
		else
			rmdt_count(&t->engine->counters.dropped_unknown, 1);
		return;
	}
	rmdt_count(&t->engine->counters.dropped_unknown, 1);
	if (cid)
		hint(t, cid, len, from);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sessions: finding, ageing, and their datagrams in messages. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tunnel/session_impl.h"

#define SWEEP_S		1.0
#define COMPLAIN_US	10000000

/* ---- tables ---- */

/* The finaliser of SplitMix64 over value and seed. */
uint64_t sessions_mix(const struct sessions *s, uint64_t value)
{
	uint64_t x = value + s->seed;

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static struct session **chain(struct sessions *s, const struct rmdt_peer *owner, uint64_t number)
{
	return &s->by_number[sessions_mix(s, number ^ sessions_mix(s, (uintptr_t)owner)) % SESSIONS_CHAINS];
}

/* Numbers are the entry's alone; an exit has those of several entries. */
static const struct rmdt_peer *owner_of(const struct session *session)
{
	return session->sessions->relay->role == RELAY_EXIT ? session->peer : NULL;
}

struct session *session_find(struct sessions *s, const struct rmdt_peer *owner, uint64_t number)
{
	struct session *at = *chain(s, owner, number);

	while (at && (at->number != number || owner_of(at) != owner))
		at = at->next_by_number;
	return at;
}

static void append(struct session *session)
{
	struct sessions *s = session->sessions;

	session->newer = NULL;
	session->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = session;
	s->newest = session;
}

static void take_out(struct session *session)
{
	struct sessions *s = session->sessions;

	*(session->older ? &session->older->newer : &s->oldest) = session->newer;
	*(session->newer ? &session->newer->older : &s->newest) = session->older;
}

void session_touch(struct session *session)
{
	session->used_us = relay_now_us();
	take_out(session);
	append(session);
}

/* ---- life ---- */

static void expire(struct session *session)
{
	if (session->sessions->relay->role == RELAY_ENTRY)
		session_entry_expire(session);
	session_free(session);
}

struct session *session_new(struct sessions *s, const struct rmdt_peer *owner, uint64_t number)
{
	struct session *session = calloc(1, sizeof(*session)), **at = chain(s, owner, number);

	if (!session)
		return NULL;
	if (s->n == SESSIONS_MAX) {
		s->count.evicted++;
		expire(s->oldest);
	}
	session->sessions = s;
	session->number = number;
	session->fd = -1;
	session->peer = (struct rmdt_peer *)owner;
	session->used_us = relay_now_us();
	session->next_by_number = *at;
	*at = session;
	append(session);
	s->n++;
	s->count.sessions++;
	return session;
}

void session_free(struct session *session)
{
	struct sessions *s = session->sessions;
	struct session **at = chain(s, owner_of(session), session->number);

	while (*at != session)
		at = &(*at)->next_by_number;
	*at = session->next_by_number;
	if (s->relay->role == RELAY_ENTRY)
		session_entry_forget(session);
	else
		session_exit_close(session);
	take_out(session);
	s->n--;
	free(session);
}

static void on_sweep(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct sessions *s = timer->data;
	uint64_t now_us = relay_now_us();

	(void)loop;
	(void)revents;
	joiner_expire(&s->joiner, now_us);
	while (s->oldest && now_us - s->oldest->used_us >= s->relay->opt->udp_idle_us)
		expire(s->oldest);
}

bool sessions_may_complain(struct sessions *s)
{
	uint64_t now_us = relay_now_us();

	if (s->complained_us && now_us - s->complained_us < COMPLAIN_US)
		return false;
	s->complained_us = now_us;
	return true;
}

int sessions_new(struct relay *relay, const struct target *target, struct sessions **out, char *err)
{
	struct sessions *s = calloc(1, sizeof(*s));
	int rc = s ? 0 : -ENOMEM;

	if (rc)
		return rc;
	s->relay = relay;
	s->next_number = 1;
	ev_timer_init(&s->sweep, on_sweep, SWEEP_S, SWEEP_S);
	s->sweep.data = s;
	if (getrandom(&s->seed, sizeof(s->seed), 0) != sizeof(s->seed))
		s->seed = relay_now_us();
	rc = udp_batch_init(&s->batch);
	if (!rc)
		rc = relay->role == RELAY_ENTRY ? sessions_open_entry(s, target, err) : sessions_open_exit(s, target);
	if (rc) {
		sessions_free(s);
		return rc;
	}
	ev_timer_start(relay->loop, &s->sweep);
	*out = s;
	return 0;
}

void sessions_free(struct sessions *s)
{
	if (!s)
		return;
	ev_timer_stop(s->relay->loop, &s->sweep);
	while (s->oldest)
		session_free(s->oldest);
	if (s->relay->role == RELAY_ENTRY)
		sessions_close_entry(s);
	else
		sessions_close_exit(s);
	joiner_fini(&s->joiner);
	udp_batch_fini(&s->batch);
	free(s);
}

uint32_t sessions_count(const struct sessions *s)
{
	return s->n;
}

const struct sessions_counters *sessions_counters(const struct sessions *s)
{
	return &s->count;
}

/* ---- to the far relay ---- */

void session_forward(struct session *session, struct rmdt_peer *peer, const void *data, size_t len)
{
	struct sessions *s = session->sessions;
	struct datagram whole = { .session = session->number, .number = session->datagrams, .data = data, .len = len };
	size_t max = rmdt_message_max(peer), n;
	struct datagram_cut cut;
	int rc;

	if (max > sizeof(s->message))
		max = sizeof(s->message);
	if (max == 0) {
		s->count.dropped_outage++;
		return;
	}
	if (datagram_cut_init(&cut, &whole, max) < 0) {
		s->count.dropped_size++;
		return;
	}
	if (cut.d.kind == DATAGRAM_PIECE)
		session->datagrams++;
	while ((n = datagram_cut_next(&cut, s->message, max)) > 0) {
		rc = rmdt_message_send(peer, s->message, n);
		if (rc == 0)
			continue;
		/* The other pieces would be of no use. */
		if (rc == -ENOTCONN)
			s->count.dropped_outage++;
		else if (rc == -EMSGSIZE)
			s->count.dropped_size++;
		else
			s->count.dropped_queue++;
		return;
	}
}

/* ---- from the far relay ---- */

static void deliver(struct sessions *s, struct rmdt_peer *peer, uint64_t number, const void *data, size_t len)
{
	struct session *session;

	if (s->relay->role == RELAY_ENTRY) {
		session = session_find(s, NULL, number);
		if (session)
			session_entry_deliver(session, data, len);
		return;
	}
	session = session_find(s, peer, number);
	if (!session)
		session = session_exit_new(s, peer, number);
	if (session)
		session_exit_deliver(session, data, len);
}

static void end(struct sessions *s, const struct rmdt_peer *peer, uint64_t number)
{
	struct session *session = s->relay->role == RELAY_EXIT ? session_find(s, peer, number) : NULL;

	if (session)
		session_free(session);
}

void sessions_on_message(struct sessions *s, struct rmdt_peer *peer, const void *data, size_t len)
{
	const uint8_t *whole;
	struct datagram d;
	size_t whole_len;
	uint64_t dropped = s->joiner.dropped;

	if (datagram_read(data, len, &d) < 0) {
		s->count.dropped_malformed++;
		return;
	}
	switch (d.kind) {
	case DATAGRAM_WHOLE:
		deliver(s, peer, d.session, d.data, d.len);
		break;
	case DATAGRAM_PIECE:
		whole = joiner_add(&s->joiner, peer, &d, relay_now_us(), &whole_len);
		if (whole)
			deliver(s, peer, d.session, whole, whole_len);
		s->count.dropped_joining += s->joiner.dropped - dropped;
		break;
	case DATAGRAM_OVER:
		end(s, peer, d.session);
		break;
	}
}

void sessions_on_peer_down(struct sessions *s, const struct rmdt_peer *peer)
{
	struct session *newer;

	joiner_forget(&s->joiner, peer);
	for (struct session *session = s->oldest; session; session = newer) {
		newer = session->newer;
		if (session->peer != peer)
			continue;
		if (s->relay->role == RELAY_EXIT)
			session_free(session);
		else
			session->peer = NULL;
	}
}

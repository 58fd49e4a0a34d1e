/* SPDX-License-Identifier: Apache-2.0 */
#include "io/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/address.h"
#include "io/spawn.h"

/* Shared by the asker and the thread that asks the system; whoever lets go last frees it. */
struct rmdt_resolve {
	char host[256];
	uint16_t port;
	void *ctx;

	pthread_mutex_t lock;
	unsigned refs;
	void (*done)(void *ctx);	/* NULL: canceled */
	struct rmdt_resolve_result result;
};

static void drop(struct rmdt_resolve *r)
{
	bool last;

	pthread_mutex_lock(&r->lock);
	last = --r->refs == 0;
	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static bool has(const struct rmdt_resolve_result *result, const struct rmdt_addr *addr)
{
	for (size_t i = 0; i < result->n; i++) {
		if (rmdt_addr_equal(&result->addr[i], addr))
			return true;
	}
	return false;
}

static const struct addrinfo *next_of(const struct addrinfo *ai, int family, bool same)
{
	while (ai && (ai->ai_family == family) != same)
		ai = ai->ai_next;
	return ai;
}

static void add(struct rmdt_resolve_result *result, const struct addrinfo *ai)
{
	struct rmdt_addr addr;

	if (result->n < RMDT_RESOLVE_MAX && rmdt_address_set(&addr, ai->ai_addr, ai->ai_addrlen) &&
	    !has(result, &addr))
		result->addr[result->n++] = addr;
}

/* By turns, so that a family without a working route costs one delay and not one per address. */
static void interleave(struct rmdt_resolve_result *result, const struct addrinfo *list)
{
	int family = list->ai_family;
	const struct addrinfo *a = list, *b = next_of(list, family, false);

	while (a || b) {
		if (a) {
			add(result, a);
			a = next_of(a->ai_next, family, true);
		}
		if (b) {
			add(result, b);
			b = next_of(b->ai_next, family, false);
		}
	}
}

static int ask(const char *host, uint16_t port, int flags, struct rmdt_resolve_result *result)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV | flags }, *list;
	char service[8];
	int rc;

	memset(result, 0, sizeof(*result));
	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(*host ? host : NULL, service, &hints, &list);
	if (rc) {
		snprintf(result->error, sizeof(result->error), "cannot resolve \"%.60s\": %s", host,
			 rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		return rc;
	}
	interleave(result, list);
	freeaddrinfo(list);
	if (result->n == 0)
		snprintf(result->error, sizeof(result->error), "\"%.60s\" has no IP address", host);
	return 0;
}

static void finish(struct rmdt_resolve *r, const struct rmdt_resolve_result *result)
{
	pthread_mutex_lock(&r->lock);
	r->result = *result;
	if (r->done)
		r->done(r->ctx);
	pthread_mutex_unlock(&r->lock);
}

static void *run(void *arg)
{
	struct rmdt_resolve *r = arg;
	struct rmdt_resolve_result result;

	(void)ask(r->host, r->port, AI_ADDRCONFIG, &result);
	/* A machine with nothing but loopback has no address to be configured by. */
	if (result.n == 0)
		(void)ask(r->host, r->port, 0, &result);
	finish(r, &result);
	drop(r);
	return NULL;
}

/* Detached: a resolver that hangs must not hang whoever has lost interest. */
static int start_thread(struct rmdt_resolve *r)
{
	pthread_t id;
	int rc = rmdt_spawn(&id, run, r);

	if (rc == 0)
		pthread_detach(id);
	return rc;
}

int rmdt_resolve_start(const char *host, uint16_t port, void (*done)(void *ctx), void *ctx,
		       struct rmdt_resolve **out)
{
	struct rmdt_resolve_result numeric;
	struct rmdt_resolve *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	snprintf(r->host, sizeof(r->host), "%s", host);
	r->port = port;
	r->done = done;
	r->ctx = ctx;
	r->refs = 2;
	pthread_mutex_init(&r->lock, NULL);
	*out = r;
	if (!*host || ask(host, port, AI_NUMERICHOST, &numeric) == 0) {
		if (!*host)
			(void)ask(host, port, 0, &numeric);
		finish(r, &numeric);
		drop(r);
		return 0;
	}
	rc = start_thread(r);
	if (rc) {
		drop(r);
		drop(r);
		*out = NULL;
	}
	return rc;
}

void rmdt_resolve_result(struct rmdt_resolve *r, struct rmdt_resolve_result *result)
{
	pthread_mutex_lock(&r->lock);
	*result = r->result;
	pthread_mutex_unlock(&r->lock);
}

void rmdt_resolve_cancel(struct rmdt_resolve *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->done = NULL;
	pthread_mutex_unlock(&r->lock);
	drop(r);
}

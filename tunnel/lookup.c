/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Two owners: the loop, which may lose interest, and the thread, which cannot be stopped inside getaddrinfo. Who comes
 * last frees.
 */
struct lookup {
	struct ev_loop *loop;
	struct ev_async done;
	lookup_done *tell;
	void *ctx;
	char host[256];
	uint16_t port;
	struct lookup_result result;
	pthread_mutex_t lock;		/* of the two below, and the thread's right to touch `loop` */
	bool is_cancelled, is_finished;
};

static void take(const struct addrinfo *list, struct lookup_result *result)
{
	for (; list != NULL && result->n < LOOKUP_ADDRESSES_MAX; list = list->ai_next) {
		memcpy(&result->addr[result->n], list->ai_addr, list->ai_addrlen);
		result->len[result->n++] = list->ai_addrlen;
	}
}

void lookup_now(const char *host, uint16_t port, bool passive, struct lookup_result *result)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0) };
	struct addrinfo *list = NULL;
	char service[8];
	int saved;

	*result = (struct lookup_result){ 0 };
	snprintf(service, sizeof(service), "%u", port);
	result->fault = getaddrinfo(host[0] != '\0' ? host : NULL, service, &hints, &list);
	saved = errno;
	if (result->fault == 0)
		take(list, result);
	else
		snprintf(result->error, sizeof(result->error), "name \"%.60s\": %s", host,
			 result->fault == EAI_SYSTEM ? strerror(saved) : gai_strerror(result->fault));
	if (list != NULL)
		freeaddrinfo(list);
}

static void destroy(struct lookup *lookup)
{
	pthread_mutex_destroy(&lookup->lock);
	free(lookup);
}

static void *run(void *arg)
{
	struct lookup *lookup = arg;
	bool is_cancelled;

	lookup_now(lookup->host, lookup->port, false, &lookup->result);
	pthread_mutex_lock(&lookup->lock);
	lookup->is_finished = true;
	is_cancelled = lookup->is_cancelled;
	if (!is_cancelled)
		ev_async_send(lookup->loop, &lookup->done);
	pthread_mutex_unlock(&lookup->lock);
	if (is_cancelled)
		destroy(lookup);
	return NULL;
}

static void on_done(struct ev_loop *loop, struct ev_async *watcher, int revents)
{
	struct lookup *lookup = watcher->data;

	(void)revents;
	/* The thread may still hold the lock that it told us under. */
	pthread_mutex_lock(&lookup->lock);
	pthread_mutex_unlock(&lookup->lock);
	ev_async_stop(loop, watcher);
	lookup->tell(lookup->ctx, &lookup->result);
	destroy(lookup);
}

static int start_thread(struct lookup *lookup)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, run, lookup);
	pthread_attr_destroy(&attr);
	return -rc;
}

int lookup_start(struct ev_loop *loop, const char *host, uint16_t port, lookup_done *done, void *ctx,
		 struct lookup **out)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	int ret;

	if (lookup == NULL)
		return -ENOMEM;
	lookup->loop = loop;
	lookup->tell = done;
	lookup->ctx = ctx;
	lookup->port = port;
	snprintf(lookup->host, sizeof(lookup->host), "%s", host);
	pthread_mutex_init(&lookup->lock, NULL);
	ev_async_init(&lookup->done, on_done);
	lookup->done.data = lookup;
	ev_async_start(loop, &lookup->done);
	ret = start_thread(lookup);
	if (ret < 0) {
		ev_async_stop(loop, &lookup->done);
		destroy(lookup);
		return ret;
	}
	*out = lookup;
	return 0;
}

void lookup_cancel(struct lookup *lookup)
{
	bool is_finished;

	if (lookup == NULL)
		return;
	pthread_mutex_lock(&lookup->lock);
	ev_async_stop(lookup->loop, &lookup->done);
	lookup->is_cancelled = true;
	is_finished = lookup->is_finished;
	pthread_mutex_unlock(&lookup->lock);
	if (is_finished)
		destroy(lookup);
}

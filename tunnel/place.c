/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/place.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tunnel/access.h"
#include "tunnel/relay.h"

#define AGAIN_S 60.0			/* names that are used are looked up so often */

static bool is_no_name(int fault)
{
	return fault == EAI_NONAME
#ifdef EAI_NODATA
	       || fault == EAI_NODATA
#endif
		;
}

static void on_found(void *ctx, const struct lookup_result *result)
{
	struct place *place = ctx;

	place->lookup = NULL;
	if (result->n == 0) {
		/* What we had is better than nothing, but a name that never existed is a mistake of the user. */
		if (is_no_name(result->fault) && !place->was_found)
			relay_fail(place->relay, "%s", result->error);
		return;
	}
	place->was_found = true;
	pthread_mutex_lock(&place->lock);
	place->found = *result;
	pthread_mutex_unlock(&place->lock);
}

void place_look_up(struct place *place)
{
	struct ev_loop *loop = place->relay->loop;

	if (place->lookup != NULL || place_is_nowhere(place) || place->is_numeric)
		return;
	if (lookup_start(loop, place->at.host, place->at.port, on_found, place, &place->lookup) < 0)
		place->lookup = NULL;
	ev_timer_again(loop, &place->again);
}

static void on_again(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	place_look_up(timer->data);
}

void place_rest(struct place *place)
{
	ev_timer_stop(place->relay->loop, &place->again);
	lookup_cancel(place->lookup);
	place->lookup = NULL;
}

bool place_has(struct place *place, const struct sockaddr *addr)
{
	bool yes = false;

	pthread_mutex_lock(&place->lock);
	for (size_t i = 0; i < place->found.n && !yes; i++)
		yes = access_same_host(addr, (const struct sockaddr *)&place->found.addr[i]);
	pthread_mutex_unlock(&place->lock);
	return yes;
}

static bool is_numeric(const char *host)
{
	struct in6_addr addr;

	return strchr(host, ':') != NULL || inet_pton(AF_INET, host, &addr) == 1;
}

/* An address of one link says nothing without the link. */
static bool lacks_scope(const struct lookup_result *found)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&found->addr[0];

	return v6->sin6_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) && v6->sin6_scope_id == 0;
}

static int find_numeric(struct place *place, char *err)
{
	lookup_now(place->at.host, place->at.port, false, &place->found);
	if (place->found.n == 0)
		snprintf(err, RMDT_ERROR_BYTES, "%s", place->found.error);
	else if (lacks_scope(&place->found))
		snprintf(err, RMDT_ERROR_BYTES, "\"%.100s\": an address of a link needs its interface, as in fe80::1%%eth0",
			 place->at.host);
	else
		return 0;
	return -EINVAL;
}

int place_init(struct place *place, struct relay *relay, const struct rmdt_endpoint *at, char *err)
{
	*place = (struct place){ .relay = relay, .at = *at, .is_numeric = is_numeric(at->host) };
	if (place_is_nowhere(place))
		snprintf(place->text, sizeof(place->text), "the far relay");
	else
		snprintf(place->text, sizeof(place->text),
			 strchr(at->host, ':') != NULL ? "rmdt://[%s]:%u" : "rmdt://%s:%u", at->host, at->port);
	if (place->is_numeric && find_numeric(place, err) < 0)
		return -EINVAL;
	ev_init(&place->again, on_again);
	place->again.data = place;
	place->again.repeat = AGAIN_S;
	pthread_mutex_init(&place->lock, NULL);
	return 0;
}

void place_fini(struct place *place)
{
	pthread_mutex_destroy(&place->lock);
}

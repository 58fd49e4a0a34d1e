/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/admit.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tunnel/relay.h"
#include "tunnel/route.h"

#define AGAIN_US 600000000		/* who goes on knocking is named again then */
#define SPACED_US 1000000		/* a line for strangers at most so often, whoever they are */

/* ---- telling ---- */

static void on_stranger(struct ev_loop *loop, struct ev_async *async, int revents)
{
	struct admit *admit = async->data;

	(void)loop;
	(void)revents;
	for (size_t i = 0; i < admit->routes->n; i++)
		place_look_up(&admit->routes->at[i].place);
}

/* The one of this refusal, or else the one told longest ago, made into it. */
static struct admit_refusal *find_refusal(struct admit *admit, const struct rmdt_candidate *c, const char *host,
					  unsigned code)
{
	struct admit_refusal *oldest = &admit->refusal[0];

	for (size_t i = 0; i < ADMIT_REFUSALS; i++) {
		struct admit_refusal *r = &admit->refusal[i];

		if (r->told_us != 0 && r->code == code && memcmp(r->key, c->key, sizeof(r->key)) == 0 &&
		    strcmp(r->host, host) == 0)
			return r;
		if (r->told_us < oldest->told_us)
			oldest = r;
	}
	*oldest = (struct admit_refusal){ .code = code };
	memcpy(oldest->key, c->key, sizeof(oldest->key));
	snprintf(oldest->host, sizeof(oldest->host), "%.63s", host);
	return oldest;
}

/* Is this refusal to be told? Then *times says how often it has been made since it was told last. */
static bool may_tell(struct admit *admit, const struct rmdt_candidate *c, const char *host, unsigned code,
		     uint64_t *times)
{
	uint64_t now_us = relay_now_us();
	struct admit_refusal *r;
	bool yes;

	pthread_mutex_lock(&admit->lock);
	r = find_refusal(admit, c, host, code);
	r->count++;
	yes = (r->told_us == 0 || now_us - r->told_us >= AGAIN_US) && now_us - admit->told_us >= SPACED_US;
	if (yes) {
		*times = r->count;
		r->count = 0;
		r->told_us = admit->told_us = now_us;
	}
	pthread_mutex_unlock(&admit->lock);
	return yes;
}

static unsigned refuse(struct admit *admit, const struct rmdt_candidate *c, unsigned code, const char *why)
{
	char host[NI_MAXHOST] = "", port[8] = "";
	socklen_t len = c->addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	uint64_t times;

	(void)getnameinfo(c->addr, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	host[sizeof(admit->refusal[0].host) - 1] = '\0';
	if (!may_tell(admit, c, host, code, &times))
		return code;
	if (times > 1)
		relay_log(admit->routes->relay, 1, "refused %s port %s with the key %s, %llu times since it was told: %s",
			  host, port, c->fingerprint, (unsigned long long)times, why);
	else
		relay_log(admit->routes->relay, 1, "refused %s port %s with the key %s: %s", host, port, c->fingerprint, why);
	return code;
}

/* ---- judging ---- */

unsigned admit_judge(struct admit *admit, const struct rmdt_candidate *c)
{
	struct routes *routes = admit->routes;
	char err[RMDT_ERROR_BYTES] = "";
	bool is_known = false;

	if (!c->inbound)
		return 0;
	if (!routes->relay->is_ready)
		return RMDT_CODE_BUSY;
	if (routes->relay->is_draining)
		return RMDT_CODE_CLOSED;
	if (c->listed || c->psk)
		return 0;
	for (size_t i = 0; i < routes->n; i++) {
		struct place *place = &routes->at[i].place;

		if (!place_has(place, c->addr))
			continue;
		is_known = true;
		if (rmdt_engine_pin(routes->relay->engine, &place->at, c->key, err) == 0)
			return 0;
	}
	if (is_known)
		return refuse(admit, c, RMDT_CODE_KEY_CHANGED, err);
	/* The name may have got another address since. */
	ev_async_send(routes->relay->loop, &admit->stranger);
	return refuse(admit, c, RMDT_CODE_UNAUTHORISED, "neither is its key listed nor does rmdt:// name its address");
}

/* ---- life ---- */

void admit_init(struct admit *admit, struct routes *routes)
{
	*admit = (struct admit){ .routes = routes };
	pthread_mutex_init(&admit->lock, NULL);
	ev_async_init(&admit->stranger, on_stranger);
	admit->stranger.data = admit;
	ev_async_start(routes->relay->loop, &admit->stranger);
}

void admit_fini(struct admit *admit)
{
	ev_async_stop(admit->routes->relay->loop, &admit->stranger);
	pthread_mutex_destroy(&admit->lock);
}

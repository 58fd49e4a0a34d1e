/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/relay.h"
#include "tunnel/streams.h"

#define BACKOFF_LEAST_S 0.2
#define BACKOFF_MOST_S 2.0		/* a relay that returns is served within 3 s */
#define BACKOFF_REFUSED_S 5.0		/* a refusal does not change by itself */
#define SETTLE_LEAST_S 0.05

static void dial(struct route *route);
static void on_settle(struct ev_loop *loop, struct ev_timer *timer, int revents);

/* ---- links ---- */

static struct link *link_new(struct routes *routes)
{
	struct link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->routes = routes;
	ev_init(&link->settle, on_settle);
	link->settle.data = link;
	link->next = routes->links;
	routes->links = link;
	return link;
}

static void link_free(struct link *link)
{
	struct link **at = &link->routes->links;

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	ev_timer_stop(link->routes->relay->loop, &link->settle);
	if (link->peer != NULL) {
		rmdt_peer_set_user(link->peer, NULL);
		rmdt_peer_free(link->peer);
	}
	free(link);
}

struct link *routes_find(struct routes *routes, const struct rmdt_peer *peer)
{
	(void)routes;
	return rmdt_peer_user(peer);
}

bool routes_any_settling(const struct routes *routes)
{
	for (size_t i = 0; i < routes->n; i++) {
		if (routes->at[i].link != NULL && !routes->at[i].link->settled)
			return true;
	}
	return false;
}

static bool is_silent(const struct link *link)
{
	struct rmdt_peer_info info;

	return rmdt_peer_info(link->peer, &info) == 0 && info.silent_us > link->routes->relay->silence_us;
}

struct link *routes_pick(struct routes *routes)
{
	size_t first = routes->relay->opt->balance ? routes->next : 0;
	struct link *silent = NULL;

	for (size_t i = 0; i < routes->n; i++) {
		size_t at = (first + i) % routes->n;
		struct link *link = routes->at[at].link;

		if (link == NULL || !link->settled)
			continue;
		if (is_silent(link)) {
			silent = silent == NULL ? link : silent;
			continue;
		}
		routes->next = at + 1;
		return link;
	}
	/* It may be heard again, and nobody else is there. */
	return routes->relay->opt->fail_on_outage ? NULL : silent;
}

/* The newest of a route's settled links is the best: an older one is about to be found dead. */
static void choose(struct route *route)
{
	struct link *best = NULL;

	for (struct link *l = route->routes->links; l != NULL; l = l->next) {
		if (l->up && l->route == route && (best == NULL || (l->settled && !best->settled)))
			best = l;
	}
	if ((best == NULL) != (route->link == NULL))
		route->since_us = relay_now_us();
	route->link = best;
}

/* ---- dialling ---- */

static void dial_in(struct route *route, double delay_s)
{
	struct relay *relay = route->routes->relay;
	/* A quarter of chance, so that two relays do not go on crossing each other. */
	double chance = 0.75 + 0.5 * (double)rand() / RAND_MAX;

	if (place_is_nowhere(&route->place) || relay->is_draining)
		return;
	ev_timer_stop(relay->loop, &route->redial);
	ev_timer_set(&route->redial, delay_s * chance, 0.);
	ev_timer_start(relay->loop, &route->redial);
}

static void back_off(struct route *route, unsigned code)
{
	bool is_refusal = code == RMDT_CODE_UNAUTHORISED || code == RMDT_CODE_PSK || code == RMDT_CODE_KEY_CHANGED ||
			  code == RMDT_CODE_VERSION || code == RMDT_CODE_SUITE;
	double most = is_refusal ? BACKOFF_REFUSED_S : BACKOFF_MOST_S;

	dial_in(route, route->backoff_s);
	route->backoff_s = route->backoff_s * 2 < most ? route->backoff_s * 2 : most;
}

static void on_redial(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	dial(timer->data);
}

static void dial(struct route *route)
{
	struct relay *relay = route->routes->relay;
	struct rmdt_connect_options opt = { .to = route->place.at, .purpose = RMDT_TUNNEL };
	struct link *link;

	if (relay->is_draining || route->link != NULL || route->dial != NULL || place_is_nowhere(&route->place))
		return;
	link = link_new(route->routes);
	if (link == NULL)
		goto later;
	link->route = route;
	opt.user = link;
	if (rmdt_connect(relay->engine, &opt, &link->peer) == 0) {
		route->dial = link;
		return;
	}
	link_free(link);
later:
	back_off(route, RMDT_CODE_INTERNAL);
}

/* An attempt that is up already cannot be taken back: the engines settle then which of the two stays. */
static void cancel_dial(struct route *route)
{
	struct rmdt_peer_info info;

	ev_timer_stop(route->routes->relay->loop, &route->redial);
	if (route->dial == NULL)
		return;
	rmdt_peer_info(route->dial->peer, &info);
	if (info.up)
		return;
	link_free(route->dial);
	route->dial = NULL;
}

/* ---- up ---- */

static bool found_at(struct route *route, const char *numeric, bool *same_port)
{
	struct rmdt_endpoint at;
	struct lookup_result one;
	char err[RMDT_ERROR_BYTES];

	*same_port = false;
	if (rmdt_parse_endpoint(numeric, 0, &at, err) < 0)
		return false;
	lookup_now(at.host, at.port, false, &one);
	*same_port = at.port == route->place.at.port;
	return one.n > 0 && place_has(&route->place, (struct sockaddr *)&one.addr[0]);
}

/* How much speaks for a link that came in to belong to this route. */
static unsigned evidence(struct route *route, const struct link *link)
{
	bool same_port, same_key = route->ups > 0 && memcmp(route->last_key, link->key, sizeof(link->key)) == 0;

	if (found_at(route, link->address, &same_port))
		return same_port ? 4 : same_key ? 3 : 2;
	if (same_key)
		return 3;
	return place_is_nowhere(&route->place) || route->routes->n == 1;
}

/* A link that only may belong to a route does not push aside one that is up. */
static struct route *find_route(struct routes *routes, const struct link *link)
{
	struct route *best = NULL;
	unsigned most = 0;

	for (size_t i = 0; i < routes->n; i++) {
		unsigned e = evidence(&routes->at[i], link);

		if (e < 3 && routes->at[i].link != NULL)
			e = 0;
		if (e > most) {
			most = e;
			best = &routes->at[i];
		}
	}
	return best;
}

static void settle(struct link *link)
{
	struct relay *relay = link->routes->relay;
	struct route *route = link->route;

	link->settled = true;
	relay_log(relay, 1, "%s is up%s%s%s%s", route != NULL ? route->place.text : "a relay",
		  link->inbound ? ", dialled from " : " at ", link->address, link->name[0] != '\0' ? ", named " : "",
		  link->name);
	relay_event(relay, "up", "relay", link->address);
	if (route != NULL) {
		memcpy(route->last_key, link->key, sizeof(link->key));
		route->ups++;
		route->told_code = 0;
		route->backoff_s = BACKOFF_LEAST_S;
		choose(route);
	}
	streams_on_link_up(relay->streams);
}

/* An attempt that is still under way has missed its time to cross: what is up must not be replaced by it later. */
static void on_settle(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct link *link = timer->data;

	(void)loop;
	(void)revents;
	if (link->route != NULL)
		cancel_dial(link->route);
	settle(link);
}

/*
 * Two associations that cross each other: the one dialled by the side with the smaller key stays (protocol, H11). One that
 * came in and would stay can be used at once. With another, time is given to its rival; and who has dialled is up before the
 * far end has judged, so that a refusal needs time to arrive.
 */
static void start_settling(struct link *link, uint64_t rtt_us)
{
	struct relay *relay = link->routes->relay;
	uint8_t own[RMDT_KEY_BYTES];
	int order;

	rmdt_engine_key(relay->engine, own);
	order = memcmp(own, link->key, sizeof(own));
	if (link->inbound && order > 0) {
		settle(link);
		return;
	}
	ev_timer_set(&link->settle, SETTLE_LEAST_S + 2 * (double)rtt_us / 1e6, 0.);
	ev_timer_start(relay->loop, &link->settle);
}

/* A relay that was started again has nothing of what its old association carried. */
static void end_predecessors(struct link *link)
{
	for (struct link *old = link->routes->links; old != NULL; old = old->next) {
		if (old == link || !old->up || strcmp(old->name, link->name) != 0 ||
		    memcmp(old->key, link->key, sizeof(link->key)) != 0 ||
		    memcmp(old->instance, link->instance, sizeof(link->instance)) == 0)
			continue;
		rmdt_peer_close(old->peer, RMDT_CODE_RESTARTED, "restarted: it is a new instance");
		old->up = old->settled = false;
		ev_timer_stop(link->routes->relay->loop, &old->settle);
		if (old->route != NULL)
			choose(old->route);
	}
}

static struct link *take_up(struct routes *routes, struct rmdt_peer *peer, struct rmdt_peer_info *info)
{
	struct link *link = rmdt_peer_user(peer);

	rmdt_peer_info(peer, info);
	if (link == NULL) {
		link = link_new(routes);
		if (link == NULL)
			return NULL;
		link->peer = rmdt_peer_ref(peer);
		link->inbound = true;
		rmdt_peer_set_user(peer, link);
	}
	link->up = true;
	memcpy(link->key, info->key, sizeof(link->key));
	memcpy(link->instance, info->instance, sizeof(link->instance));
	memcpy(link->name, info->name, sizeof(link->name));
	memcpy(link->address, info->address, sizeof(link->address));
	return link;
}

void routes_on_up(struct routes *routes, struct rmdt_peer *peer)
{
	struct rmdt_peer_info info;
	struct link *link = take_up(routes, peer, &info);
	struct route *route;

	if (link == NULL)
		return;
	end_predecessors(link);
	if (link->route == NULL)
		link->route = find_route(routes, link);
	route = link->route;
	if (route != NULL) {
		if (route->dial == link)
			route->dial = NULL;
		ev_timer_stop(routes->relay->loop, &route->redial);
		choose(route);
	}
	start_settling(link, info.rtt_us);
}

void routes_on_moved(struct routes *routes, struct rmdt_peer *peer)
{
	struct link *link = routes_find(routes, peer);
	struct rmdt_peer_info info;

	if (link == NULL)
		return;
	rmdt_peer_info(peer, &info);
	relay_log(routes->relay, 1, "%s has moved from %s to %s", link->route != NULL ? link->route->place.text : "a relay",
		  link->address, info.address);
	relay_event(routes->relay, "moved", "relay", info.address);
	memcpy(link->address, info.address, sizeof(link->address));
}

/* ---- down ---- */

static void tell_down(struct route *route, bool was_up, unsigned code, const char *reason)
{
	const char *why = reason[0] != '\0' ? reason : rmdt_code_text(code);

	/* Said once, not for each attempt. */
	if (route->told_code == code && !was_up)
		return;
	route->told_code = code;
	relay_log(route->routes->relay, 1, "%s %s: %s", route->place.text,
		  was_up ? "is down" : "cannot be reached yet", why);
}

/* was_up: it could be used; otherwise an attempt has failed. */
static void on_route_down(struct route *route, bool was_up, unsigned code, const char *reason)
{
	struct relay *relay = route->routes->relay;

	choose(route);
	if (route->link != NULL)
		return;
	/* The association that replaced this one is on its way; we see to it only if it does not come. */
	if (code == RMDT_CODE_REPLACED) {
		dial_in(route, 1.);
		return;
	}
	tell_down(route, was_up, code, reason);
	place_look_up(&route->place);
	if (!was_up) {
		back_off(route, code);
		return;
	}
	relay_event(relay, "down", "relay", route->place.text);
	/* Who said goodbye is not there at once. */
	dial_in(route, code == RMDT_CODE_CLOSED ? BACKOFF_LEAST_S : 0.02);
}

void routes_on_down(struct routes *routes, struct rmdt_peer *peer, unsigned code, const char *reason)
{
	struct link *link = routes_find(routes, peer);
	struct route *route = link != NULL ? link->route : NULL;
	bool was_settled = link != NULL && link->settled;

	if (link == NULL)
		return;
	if (route != NULL && route->dial == link)
		route->dial = NULL;
	link->up = link->settled = false;
	streams_on_link_down(routes->relay->streams, link);
	if (route != NULL)
		on_route_down(route, was_settled, code, reason);
	else if (was_settled && code != RMDT_CODE_REPLACED)
		relay_log(routes->relay, 1, "the relay at %s is down: %s", link->address,
			  reason[0] != '\0' ? reason : rmdt_code_text(code));
	link_free(link);
}

/* ---- life ---- */

static int init_route(struct routes *routes, struct route *route, const struct rmdt_endpoint *at, char *err)
{
	int ret = place_init(&route->place, routes->relay, at, err);

	if (ret < 0)
		return ret;
	route->routes = routes;
	route->backoff_s = BACKOFF_LEAST_S;
	route->since_us = relay_now_us();
	ev_init(&route->redial, on_redial);
	route->redial.data = route;
	return 0;
}

int routes_new(struct relay *relay, const struct target *target, struct routes **out, char *err)
{
	struct routes *routes = calloc(1, sizeof(*routes));
	int ret = 0;

	if (routes == NULL)
		return -ENOMEM;
	routes->relay = relay;
	admit_init(&routes->admit, routes);
	for (; ret == 0 && routes->n < target->n; routes->n += ret == 0)
		ret = init_route(routes, &routes->at[routes->n], &target->at[routes->n], err);
	if (ret == 0)
		*out = routes;
	else
		routes_free(routes);
	return ret;
}

void routes_start(struct routes *routes)
{
	for (size_t i = 0; i < routes->n; i++) {
		place_look_up(&routes->at[i].place);
		dial(&routes->at[i]);
	}
}

void routes_rest(struct routes *routes)
{
	for (size_t i = 0; i < routes->n; i++) {
		struct route *route = &routes->at[i];

		ev_timer_stop(routes->relay->loop, &route->redial);
		place_rest(&route->place);
		cancel_dial(route);
	}
}

void routes_drop_links(struct routes *routes)
{
	if (routes == NULL)
		return;
	routes_rest(routes);
	for (size_t i = 0; i < routes->n; i++)
		routes->at[i].dial = routes->at[i].link = NULL;
	while (routes->links != NULL)
		link_free(routes->links);
}

void routes_free(struct routes *routes)
{
	if (routes == NULL)
		return;
	admit_fini(&routes->admit);
	for (size_t i = 0; i < routes->n; i++)
		place_fini(&routes->at[i].place);
	free(routes);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/notify.h"
#include "cli/status.h"
#include "tunnel/relay.h"
#include "tunnel/route.h"
#include "tunnel/session.h"

#define WHAT_BYTES	1024
#define LINE_EVERY_S	60.0
#define PEER_BYTES	2048		/* room that one peer needs in the document, at most */

struct report {
	struct relay *relay;
	struct status_server *server;	/* NULL: there was no place for it */
	struct ev_io io;
	struct ev_timer minute;		/* runs when there is a file for it */
	char what[WHAT_BYTES];
};

/* ---- the document ---- */

static void write_routes(const struct relay *relay, struct json *json)
{
	uint64_t now_us = relay_now_us();

	json_array(json, "routes");
	for (size_t i = 0; i < relay->routes->n; i++) {
		const struct route *route = &relay->routes->at[i];

		json_object(json, NULL);
		json_text(json, "host", route->place.at.host);
		json_number(json, "port", route->place.at.port);
		json_flag(json, "up", route->link != NULL && route->link->settled);
		json_seconds(json, "since", now_us - (route->since_us ? route->since_us : relay->started_us));
		json_number(json, "ups", route->ups);
		json_end(json);
	}
	json_end(json);
}

static void write_peers(const struct relay *relay, struct json *json)
{
	struct rmdt_peer_info info;

	json_array(json, "peers");
	for (const struct link *link = relay->routes->links; link != NULL; link = link->next) {
		if (!link->up || rmdt_peer_info(link->peer, &info) < 0)
			continue;
		/* Nobody has so many, but a document that ends in the middle would be of no use. */
		if (json_room(json) < 3 * PEER_BYTES)
			break;
		json_object(json, NULL);
		status_write_peer(json, &info);
		json_end(json);
	}
	json_end(json);
}

static void write_streams(const struct relay *relay, struct json *json)
{
	const struct relay_counters *c = &relay->count;

	json_object(json, "connections");
	json_number(json, "open", c->open_streams);
	json_number(json, "waiting", c->waiting_streams);
	json_number(json, "total", c->streams);
	json_number(json, "failed", c->failed);
	json_number(json, "reset", c->reset);
	json_number(json, "refused_clients", c->refused_clients);
	json_number(json, "read_bytes", c->up_bytes);
	json_number(json, "written_bytes", c->down_bytes);
	json_end(json);
}

static void write_sessions(const struct sessions *sessions, struct json *json)
{
	const struct sessions_counters *c = sessions_counters(sessions);

	json_object(json, "sessions");
	json_number(json, "open", sessions_count(sessions));
	json_number(json, "total", c->sessions);
	json_number(json, "evicted", c->evicted);
	json_number(json, "refused_datagrams", c->refused_clients);
	json_number(json, "read_datagrams", c->from_datagrams);
	json_number(json, "read_bytes", c->from_bytes);
	json_number(json, "written_datagrams", c->to_datagrams);
	json_number(json, "written_bytes", c->to_bytes);
	json_number(json, "dropped_outage", c->dropped_outage);
	json_number(json, "dropped_queue", c->dropped_queue);
	json_number(json, "dropped_size", c->dropped_size);
	json_number(json, "dropped_joining", c->dropped_joining);
	json_number(json, "dropped_socket", c->dropped_socket);
	json_number(json, "dropped_malformed", c->dropped_malformed);
	json_end(json);
}

void report_write(const struct relay *relay, struct json *json)
{
	json_text(json, "role", relay->role == RELAY_ENTRY ? "entry" : "exit");
	json_seconds(json, "seconds", relay_now_us() - relay->started_us);
	json_flag(json, "draining", relay->is_draining);
	if (relay->sessions != NULL)
		write_sessions(relay->sessions, json);
	else
		write_streams(relay, json);
	write_routes(relay, json);
	status_write_engine(json, relay->engine);
	write_peers(relay, json);
}

/* ---- lines of --json ---- */

static void write_line(const struct relay *relay)
{
	char *buf = malloc(STATUS_BYTES);
	struct timespec now;
	struct json json;

	if (buf == NULL)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	json_init(&json, buf, STATUS_BYTES);
	json_object(&json, NULL);
	json_text(&json, "event", "report");
	json_seconds(&json, "time", (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	report_write(relay, &json);
	json_end(&json);
	fprintf(relay->opt->json, "%s\n", buf);
	fflush(relay->opt->json);
	free(buf);
}

static void on_minute(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	const struct report *report = timer->data;

	(void)loop;
	(void)revents;
	write_line(report->relay);
}

/* ---- the socket and the service manager ---- */

static void on_ask(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct report *report = io->data;

	(void)loop;
	(void)revents;
	status_serve(report->server);
}

static void write_document(void *ctx, struct json *json)
{
	report_write(ctx, json);
}

static void open_socket(struct report *report)
{
	struct status_options opt = { .program = RELAY_NAME, .what = report->what, .write = write_document,
				      .ctx = report->relay };
	char err[RMDT_ERROR_BYTES];

	if (status_new(&opt, &report->server, err) < 0) {
		relay_log(report->relay, 2, "%s", err);
		return;
	}
	ev_io_init(&report->io, on_ask, status_fd(report->server), EV_READ);
	report->io.data = report;
	ev_io_start(report->relay->loop, &report->io);
}

void report_on_link(struct report *report)
{
	const struct routes *routes;
	char line[128];
	size_t up = 0;

	if (report == NULL)
		return;
	routes = report->relay->routes;
	for (size_t i = 0; i < routes->n; i++)
		up += routes->at[i].link != NULL;
	snprintf(line, sizeof(line), "STATUS=%zu of %zu relays reached", up, routes->n);
	(void)notify_send(line);
}

struct report *report_start(struct relay *relay)
{
	struct report *report = calloc(1, sizeof(*report));

	if (report == NULL)
		return NULL;
	report->relay = relay;
	snprintf(report->what, sizeof(report->what), "%.500s %.500s", relay->opt->local.text, relay->opt->remote.text);
	open_socket(report);
	ev_timer_init(&report->minute, on_minute, LINE_EVERY_S, LINE_EVERY_S);
	report->minute.data = report;
	if (relay->opt->json != NULL)
		ev_timer_start(relay->loop, &report->minute);
	(void)notify_send("READY=1");
	report_on_link(report);
	return report;
}

void report_on_stop(struct report *report)
{
	if (report != NULL)
		(void)notify_send("STOPPING=1");
}

void report_free(struct report *report)
{
	if (report == NULL)
		return;
	if (report->relay->opt->json != NULL)
		write_line(report->relay);
	ev_timer_stop(report->relay->loop, &report->minute);
	if (report->server != NULL)
		ev_io_stop(report->relay->loop, &report->io);
	status_free(report->server);
	free(report);
}

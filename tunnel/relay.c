/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/relay.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/text.h"
#include "tunnel/entry.h"
#include "tunnel/exit.h"
#include "tunnel/report.h"
#include "tunnel/route.h"
#include "tunnel/session.h"
#include "tunnel/request.h"
#include "tunnel/streams.h"

#define EVENTS_A_TURN 256		/* of the engine, before sockets get their turn */
#define LINE_BYTES 1024
#define CROWD_STREAMS 64		/* fewer leave nothing behind that is worth the trouble */
#define TRIM_S 1.0			/* the next crowd may be at the door */

/* ---- words ---- */

uint64_t relay_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* One write per line, so that lines of several threads do not mix. What comes from afar cannot steer a terminal. */
static void write_line(const char *format, va_list args)
{
	char raw[LINE_BYTES], line[LINE_BYTES];

	vsnprintf(raw, sizeof(raw), format, args);
	text_plain(raw, line, sizeof(line));
	fprintf(stderr, RELAY_NAME ": %s\n", line);
}

void relay_log(const struct relay *relay, int level, const char *format, ...)
{
	va_list args;

	if (level > (relay->opt->quiet ? 0 : relay->log_level))
		return;
	va_start(args, format);
	write_line(format, args);
	va_end(args);
}

void relay_fail(struct relay *relay, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(format, args);
	va_end(args);
	relay->status = -EINVAL;
	ev_break(relay->loop, EVBREAK_ALL);
}

void relay_event(struct relay *relay, const char *event, const char *key, const char *value)
{
	char buf[LINE_BYTES];
	struct timespec now;
	struct json json;

	if (relay->opt->json == NULL)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	json_init(&json, buf, sizeof(buf));
	json_object(&json, NULL);
	json_text(&json, "event", event);
	json_seconds(&json, "time", (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	if (key != NULL)
		json_text(&json, key, value);
	json_end(&json);
	fprintf(relay->opt->json, "%s\n", buf);
	fflush(relay->opt->json);
}

/* ---- callbacks of the engine, on its threads ---- */

static unsigned on_offer(void *ctx, const struct rmdt_offer *offer, char reason[RMDT_REASON_BYTES + 1])
{
	return request_judge(ctx, offer, reason);
}

static unsigned on_candidate(void *ctx, const struct rmdt_candidate *candidate)
{
	struct relay *relay = ctx;

	return admit_judge(&relay->routes->admit, candidate);
}

static void on_log(void *ctx, int level, const char *line)
{
	relay_log(ctx, level, "%s", line);
}

/* ---- events of the engine ---- */

static void on_message(struct relay *relay, struct rmdt_peer *peer)
{
	uint8_t buf[65536];
	int n;

	while ((n = rmdt_message_recv(peer, buf, sizeof(buf))) >= 0)
		if (relay->sessions != NULL)
			sessions_on_message(relay->sessions, peer, buf, (size_t)n);
}

static void on_down(struct relay *relay, const struct rmdt_event *event)
{
	if (relay->sessions != NULL)
		sessions_on_peer_down(relay->sessions, event->peer);
	routes_on_down(relay->routes, event->peer, event->code, event->reason);
	report_on_link(relay->report);
}

static void on_up(struct relay *relay, struct rmdt_peer *peer)
{
	routes_on_up(relay->routes, peer);
	report_on_link(relay->report);
}

static void take_event(struct relay *relay, const struct rmdt_event *event)
{
	switch (event->kind) {
	case RMDT_EVENT_PEER_UP: on_up(relay, event->peer); break;
	case RMDT_EVENT_PEER_DOWN: on_down(relay, event); break;
	case RMDT_EVENT_PEER_MOVED: routes_on_moved(relay->routes, event->peer); break;
	case RMDT_EVENT_MESSAGE: on_message(relay, event->peer); break;
	case RMDT_EVENT_IN_OPEN: request_on_in_open(relay->streams, event->in); break;
	default: stream_on_event(event); break;
	}
}

/* The descriptor stays readable while there are more. */
static void on_events(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct relay *relay = io->data;
	struct rmdt_event event;

	(void)loop;
	(void)revents;
	/* After relay_fail, until the loop ends, nothing more is to be said. */
	for (int i = 0; i < EVENTS_A_TURN && relay->status == 0; i++) {
		if (rmdt_engine_next_event(relay->engine, &event, 0, NULL) < 0)
			return;
		take_event(relay, &event);
	}
}

/* ---- the end ---- */

/* The allocator keeps what a crowd needed, between pieces that are still in use, unless it is told. */
static void on_trim(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct relay *relay = timer->data;

	(void)loop;
	(void)revents;
	/* What is still in use may lie on top of the rest; then it is tried again when that is over. */
	relay->count.most_streams = relay->count.open_streams > 0 ? CROWD_STREAMS : 0;
	if (relay->count.open_streams > CROWD_STREAMS)
		relay->count.most_streams = relay->count.open_streams;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

void relay_on_stream_over(struct relay *relay)
{
	const struct relay_counters *count = &relay->count;

	if (relay->is_draining && count->open_streams == 0)
		ev_break(relay->loop, EVBREAK_ALL);
	if (count->most_streams < CROWD_STREAMS || count->open_streams > count->most_streams / 4 ||
	    ev_is_active(&relay->trim))
		return;
	ev_timer_set(&relay->trim, TRIM_S, 0.);
	ev_timer_start(relay->loop, &relay->trim);
}

static void on_drained(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct relay *relay = timer->data;

	(void)revents;
	relay_log(relay, 1, "%u connections are reset", relay->count.open_streams);
	ev_break(loop, EVBREAK_ALL);
}

void relay_stop(struct relay *relay, bool at_once)
{
	if (at_once || relay->is_draining) {
		ev_break(relay->loop, EVBREAK_ALL);
		return;
	}
	relay->is_draining = true;
	report_on_stop(relay->report);
	entry_free(relay->entry);
	relay->entry = NULL;
	routes_rest(relay->routes);
	if (relay->count.open_streams > 0)
		relay_log(relay, 1, "ending: %u connections have %.0f s to come to their ends",
			  relay->count.open_streams, (double)relay->opt->drain_us / 1e6);
	relay_event(relay, "draining", NULL, NULL);
	ev_timer_set(&relay->drain, (double)relay->opt->drain_us / 1e6, 0.);
	ev_timer_start(relay->loop, &relay->drain);
	relay_on_stream_over(relay);
}

static void on_term(struct ev_loop *loop, struct ev_signal *signal, int revents)
{
	(void)loop;
	(void)revents;
	relay_stop(signal->data, false);
}

static void on_interrupt(struct ev_loop *loop, struct ev_signal *signal, int revents)
{
	(void)loop;
	(void)revents;
	relay_stop(signal->data, true);
}

static void on_hangup(struct ev_loop *loop, struct ev_signal *signal, int revents)
{
	struct relay *relay = signal->data;
	char err[RMDT_ERROR_BYTES];

	(void)loop;
	(void)revents;
	if (rmdt_engine_reload(relay->engine, err) < 0)
		relay_log(relay, 0, "%s", err);
	else
		relay_log(relay, 1, "authorized_keys and known_hosts were read again");
}

/* ---- life ---- */

static void watch_signal(struct relay *relay, struct ev_signal *watcher, int number,
			 void (*on_signal)(struct ev_loop *, struct ev_signal *, int))
{
	struct sigaction old;

	ev_signal_init(watcher, on_signal, number);
	watcher->data = relay;
	/* nohup and background jobs of a shell keep what they were given. */
	if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN && number != SIGTERM)
		return;
	ev_signal_start(relay->loop, watcher);
}

static void watch(struct relay *relay)
{
	signal(SIGPIPE, SIG_IGN);
	watch_signal(relay, &relay->term, SIGTERM, on_term);
	watch_signal(relay, &relay->interrupt, SIGINT, on_interrupt);
	watch_signal(relay, &relay->hangup, SIGHUP, on_hangup);
	ev_init(&relay->drain, on_drained);
	relay->drain.data = relay;
	ev_init(&relay->trim, on_trim);
	relay->trim.data = relay;
	ev_io_init(&relay->events, on_events, rmdt_engine_fd(relay->engine), EV_READ);
	relay->events.data = relay;
	ev_io_start(relay->loop, &relay->events);
}

static void stop_watching(struct relay *relay)
{
	ev_signal_stop(relay->loop, &relay->term);
	ev_signal_stop(relay->loop, &relay->interrupt);
	ev_signal_stop(relay->loop, &relay->hangup);
	ev_timer_stop(relay->loop, &relay->drain);
	ev_timer_stop(relay->loop, &relay->trim);
	ev_io_stop(relay->loop, &relay->events);
}

/* The same after each start, and different for two relays of one key: the far end tells by it who took whose place. */
static void make_name(const struct relay *relay, char name[RMDT_NAME_BYTES + 1])
{
	char host[RMDT_NAME_BYTES + 1];

	if (gethostname(host, sizeof(host)) < 0)
		host[0] = '\0';
	host[sizeof(host) - 1] = '\0';
	snprintf(name, RMDT_NAME_BYTES + 1, "%.56s:%u", host, relay->opt->port);
}

static int start_engine(struct relay *relay, char *err)
{
	char name[RMDT_NAME_BYTES + 1];
	struct rmdt_engine_options opt = {
		.config = relay->opt->config, .listen = { .port = relay->opt->port, .has_port = true }, .name = name,
		.ask_unlisted = true, .ctx = relay, .accept = on_offer, .admit = on_candidate, .log = on_log,
	};
	int ret;

	make_name(relay, name);
	ret = rmdt_engine_new(&opt, &relay->engine, err);
	relay->is_ready = ret == 0;
	return ret;
}

/* A connection is a descriptor; the default limit of most systems is made for select(2). */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Sockets of clients come last: who can connect finds everything else there. */
static int set_up(struct relay *relay, char *err)
{
	const struct relay_options *opt = relay->opt;
	bool is_entry = relay->role == RELAY_ENTRY;
	const struct target *far = is_entry ? &opt->remote : &opt->local, *near = is_entry ? &opt->local : &opt->remote;
	int ret = routes_new(relay, far, &relay->routes, err);

	if (ret == 0)
		ret = streams_new(relay, &relay->streams);
	if (ret == 0)
		ret = start_engine(relay, err);
	if (ret == 0)
		watch(relay);
	if (ret == 0 && near->scheme == TARGET_TCP)
		ret = is_entry ? entry_new(relay, near, &relay->entry, err) : exit_new(relay, near, &relay->exit);
	if (ret == 0 && near->scheme == TARGET_UDP)
		ret = sessions_new(relay, near, &relay->sessions, err);
	return ret;
}

int relay_new(const struct relay_options *opt, struct relay **out, char *err)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	const char *level = rmdt_config_get(opt->config, "log-level", NULL);
	int ret;

	err[0] = '\0';
	if (relay == NULL)
		return -ENOMEM;
	relay->opt = opt;
	relay->role = opt->local.scheme == TARGET_RMDT ? RELAY_EXIT : RELAY_ENTRY;
	relay->started_us = relay_now_us();
	(void)rmdt_config_number(opt->config, "keepalive", &relay->silence_us);
	/* Two signs of life were due, and a round trip. */
	relay->silence_us = 2 * relay->silence_us + 1000000;
	/* Two relays that are started at once shall not dial in step. */
	srand((unsigned)relay->started_us ^ (unsigned)getpid());
	relay->log_level = strcmp(level, "error") == 0 ? 0 : strcmp(level, "warning") == 0 ? 1 :
			   strcmp(level, "info") == 0 ? 2 : 3;
	relay->loop = ev_loop_new(EVFLAG_AUTO);
	raise_limit();
	ret = relay->loop != NULL ? set_up(relay, err) : -ENOMEM;
	if (ret < 0) {
		if (err[0] == '\0')
			snprintf(err, RMDT_ERROR_BYTES, "%s", rmdt_strerror(ret));
		relay_free(relay);
		return ret;
	}
	*out = relay;
	return 0;
}

int relay_run(struct relay *relay)
{
	const struct relay_options *opt = relay->opt;

	routes_start(relay->routes);
	relay_log(relay, 1, "from %s to %s, at UDP port %u", opt->local.text, opt->remote.text,
		  rmdt_engine_port(relay->engine));
	relay_event(relay, "start", NULL, NULL);
	relay->report = report_start(relay);
	ev_run(relay->loop, 0);
	report_free(relay->report);
	relay->report = NULL;
	relay_event(relay, "end", NULL, NULL);
	return relay->status;
}

void relay_free(struct relay *relay)
{
	if (relay == NULL)
		return;
	relay->is_draining = true;
	entry_free(relay->entry);
	streams_free(relay->streams);
	relay->streams = NULL;
	exit_free(relay->exit);
	sessions_free(relay->sessions);
	routes_drop_links(relay->routes);
	if (relay->engine != NULL)
		stop_watching(relay);
	rmdt_engine_free(relay->engine);
	routes_free(relay->routes);
	if (relay->loop != NULL)
		ev_loop_destroy(relay->loop);
	free(relay);
}

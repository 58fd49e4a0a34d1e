/* SPDX-License-Identifier: Apache-2.0 */
/* How streams begin and end; pump.c moves their bytes. */
#include "tunnel/stream.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tunnel/exit.h"
#include "tunnel/relay.h"
#include "tunnel/route.h"

/* A client or server that vanished without a word is found dead after two minutes. */
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_EVERY_S 15
#define KEEPALIVE_COUNT 4

static void start_client(struct stream *s);

/* ---- the table ---- */

static struct stream **bucket_of(struct streams *streams, uint32_t number)
{
	return &streams->bucket[number % STREAM_BUCKETS];
}

static struct stream *find_number(struct streams *streams, uint32_t number)
{
	struct stream *s = *bucket_of(streams, number);

	while (s != NULL && s->number != number)
		s = s->next_number;
	return s;
}

static void list_number(struct stream *s)
{
	struct stream **bucket = bucket_of(s->home, s->number);

	s->next_number = *bucket;
	*bucket = s;
}

static void unlist_number(struct stream *s)
{
	struct stream **at = bucket_of(s->home, s->number);

	while (*at != NULL && *at != s)
		at = &(*at)->next_number;
	if (*at != NULL)
		*at = s->next_number;
}

static struct stream *stream_new(struct streams *streams, enum stream_state state)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->home = streams;
	s->state = state;
	s->fd = -1;
	s->started_us = relay_now_us();
	s->next = streams->first;
	if (s->next != NULL)
		s->next->prev = s;
	streams->first = s;
	streams->relay->count.open_streams++;
	streams->relay->count.streams++;
	if (streams->relay->count.open_streams > streams->relay->count.most_streams)
		streams->relay->count.most_streams = streams->relay->count.open_streams;
	return s;
}

/* ---- turns ---- */

void stream_queue_turn(struct stream *s)
{
	struct streams *streams = s->home;

	if (s->in_turn)
		return;
	s->in_turn = true;
	s->next_turn = NULL;
	*streams->turn_end = s;
	streams->turn_end = &s->next_turn;
	ev_idle_start(streams->relay->loop, &streams->turns);
}

static void leave_turn(struct stream *s)
{
	struct streams *streams = s->home;
	struct stream **at = &streams->turn;

	if (!s->in_turn)
		return;
	while (*at != s)
		at = &(*at)->next_turn;
	*at = s->next_turn;
	if (streams->turn_end == &s->next_turn)
		streams->turn_end = at;
	s->in_turn = false;
}

static void on_turns(struct ev_loop *loop, struct ev_idle *idle, int revents)
{
	struct streams *streams = idle->data;
	struct stream *last = NULL, *s;

	(void)revents;
	/* Those that queue again meanwhile wait for the next round. */
	for (s = streams->turn; s != NULL; s = s->next_turn)
		last = s;
	while ((s = streams->turn) != NULL) {
		bool is_last = s == last;

		leave_turn(s);
		stream_pump(s);
		if (is_last)
			break;
	}
	if (streams->turn == NULL)
		ev_idle_stop(loop, idle);
}

/* ---- ends ---- */

void stream_close_socket(struct stream *s, bool with_reset)
{
	struct linger now = { .l_onoff = 1 };

	if (s->fd < 0)
		return;
	if (with_reset)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	pollset_remove(&s->home->sockets, s->fd, s);
	close(s->fd);
	s->fd = -1;
}

/* Flows that have not ended are reset by being given back. */
static void stream_free(struct stream *s)
{
	struct relay *relay = s->home->relay;

	stream_close_socket(s, false);
	exit_cancel(s);
	ev_timer_stop(relay->loop, &s->timer);
	leave_turn(s);
	unlist_number(s);
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		s->home->first = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	relay->count.open_streams--;
	if (s->state == STREAM_WAITING)
		relay->count.waiting_streams--;
	rmdt_out_free(s->out);
	rmdt_in_free(s->in);
	relay_log(relay, 2, "client %s: over, %llu bytes up, %llu down", s->client,
		  (unsigned long long)s->up_bytes, (unsigned long long)s->down_bytes);
	free(s);
	relay_on_stream_over(relay);
}

void stream_abort(struct stream *s, unsigned code, const char *reason)
{
	if (s->out != NULL && s->up != WAY_DONE)
		rmdt_out_reset(s->out, code, reason);
	if (s->in != NULL && s->down != WAY_DONE)
		rmdt_in_stop(s->in, code, reason);
	if (s->fd >= 0 || s->state == STREAM_CONNECTING)
		s->home->relay->count.reset++;
	stream_close_socket(s, true);
	stream_free(s);
}

bool stream_goes_on(struct stream *s)
{
	bool socket_is_over = s->up != WAY_OPEN && s->down == WAY_DONE;

	if (s->state == STREAM_LAST)
		return true;
	if (socket_is_over && s->fd >= 0)
		stream_close_socket(s, false);
	if (s->up != WAY_DONE || s->down != WAY_DONE)
		return true;
	stream_free(s);
	return false;
}

/*
 * What the socket gave before it broke goes on its way when its end was told too; otherwise the flow is reset. Nothing more
 * can be taken, so the in-flow is stopped, or will be when it comes.
 */
void stream_on_broken(struct stream *s, int error)
{
	const char *reason = strerror(error);

	if (s->up == WAY_OPEN || s->state == STREAM_LAST) {
		stream_abort(s, STREAM_RESET, reason);
		return;
	}
	s->home->relay->count.reset++;
	stream_close_socket(s, true);
	if (s->in == NULL && s->down == WAY_OPEN)
		return;
	if (s->in != NULL) {
		rmdt_in_stop(s->in, STREAM_GONE, reason);
		rmdt_in_free(s->in);
		s->in = NULL;
	}
	s->down = WAY_DONE;
	(void)stream_goes_on(s);
}

static void on_confirmed(struct stream *s)
{
	s->up = WAY_DONE;
	(void)stream_goes_on(s);
}

static const char *reason_of(const struct rmdt_event *event)
{
	return event->reason[0] != '\0' ? event->reason : rmdt_code_text(event->code);
}

static bool never_connected(unsigned code)
{
	return code >= STREAM_REFUSED && code <= STREAM_NO_NAME;
}

/*
 * A request that the far relay never took in goes to the next association: no byte of it can have reached the server. (That
 * relay's word that it took it may have got lost with it; then it had at most begun to connect.)
 */
static bool may_wait_again(const struct stream *s)
{
	return s->state == STREAM_OPENING && !s->is_taken && s->in == NULL && s->fd >= 0 &&
	       !s->home->relay->opt->fail_on_outage;
}

static void wait_again(struct stream *s)
{
	struct relay *relay = s->home->relay;
	struct link *link = routes_pick(relay->routes);

	s->state = STREAM_WAITING;
	relay->count.waiting_streams++;
	ev_timer_start(relay->loop, &s->timer);
	if (link == s->link || link == NULL) {
		s->link = NULL;
		return;
	}
	s->link = NULL;
	start_client(s);
}

static bool ended_with_association(unsigned code)
{
	return code == RMDT_CODE_RESTARTED || code == RMDT_CODE_REPLACED || code == RMDT_CODE_TIMEOUT ||
	       code == RMDT_CODE_CLOSED || code == RMDT_CODE_LEFT;
}

static void on_lost(struct stream *s, const struct rmdt_event *event)
{
	/* Of an association before. */
	if (s->link != NULL ? event->peer != s->link->peer : s->state == STREAM_WAITING)
		return;
	if (ended_with_association(event->code) && may_wait_again(s)) {
		wait_again(s);
		return;
	}
	if (s->state == STREAM_OPENING && event->code != STREAM_RESET && event->code != STREAM_GONE) {
		s->home->relay->count.failed++;
		relay_log(s->home->relay, 1, "client %s: %s", s->client, reason_of(event));
	}
	s->up = WAY_DONE;
	if (event->code != STREAM_GONE) {
		stream_abort(s, never_connected(event->code) ? STREAM_RESET : event->code, event->reason);
		return;
	}
	/* The far socket had told its end before it was reset: that flow comes first. */
	s->can_read = false;
	s->reset_comes = true;
	if (s->down == WAY_DONE)
		stream_reset_later(s);
}

static void on_reset(struct stream *s, const struct rmdt_event *event)
{
	relay_log(s->home->relay, 2, "client %s: %s", s->client, reason_of(event));
	s->down = WAY_DONE;
	stream_abort(s, event->code, event->reason);
}

void streams_on_event(struct streams *streams, const struct rmdt_event *event)
{
	struct stream *s = event->out != NULL ? rmdt_out_user(event->out) :
			   event->in != NULL ? rmdt_in_user(event->in) : NULL;

	(void)streams;
	if (s == NULL)
		return;
	switch (event->kind) {
	case RMDT_EVENT_IN_READABLE:
	case RMDT_EVENT_OUT_ROOM: stream_pump(s); break;
	case RMDT_EVENT_OUT_JOINED: s->is_taken = true; break;
	case RMDT_EVENT_OUT_CONFIRMED: on_confirmed(s); break;
	case RMDT_EVENT_OUT_LOST: on_lost(s, event); break;
	case RMDT_EVENT_IN_RESET: on_reset(s, event); break;
	default: break;
	}
}

void streams_on_link_down(struct streams *streams, const struct link *link)
{
	struct stream *next;

	for (struct stream *s = streams != NULL ? streams->first : NULL; s != NULL; s = next) {
		next = s->next;
		if (s->link != link)
			continue;
		if (may_wait_again(s))
			wait_again(s);
		else if (s->state != STREAM_LAST)
			stream_abort(s, STREAM_RESET, "the association is gone");
		else
			s->link = NULL;
	}
}

/* ---- sockets ---- */

static void set_manners(int fd)
{
	int one = 1, idle = KEEPALIVE_IDLE_S, every = KEEPALIVE_EVERY_S, count = KEEPALIVE_COUNT;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/* -errno: the socket has been closed. */
static int adopt(struct stream *s, int fd)
{
	int ret;

	set_manners(fd);
	ret = pollset_add(&s->home->sockets, fd, s);
	if (ret < 0)
		close(fd);
	else
		s->fd = fd;
	return ret;
}

/* ---- the entry ---- */

/* The name tells the exit which stream it is, and for whom: "tcp 17 192.0.2.1:40000". */
static int open_request(struct stream *s, struct link *link)
{
	static const uint8_t meta[] = { STREAM_VERSION };
	char name[RMDT_NAME_BYTES + 1], err[RMDT_ERROR_BYTES];
	struct rmdt_out_options opt = {
		.purpose = RMDT_TUNNEL, .name = name, .meta = meta, .meta_len = sizeof(meta), .priority = 1,
		.slow = "block", .no_progress = true, .user = s,
	};
	int ret = 0;

	snprintf(name, sizeof(name), "tcp %u %.48s", s->number, s->client);
	if (s->out == NULL)
		ret = rmdt_out_new(s->home->relay->engine, &opt, &s->out, err);
	if (ret == 0)
		ret = rmdt_out_join(s->out, link->peer, 0);
	if (ret < 0)
		return ret;
	ev_timer_stop(s->home->relay->loop, &s->timer);
	s->home->relay->count.waiting_streams--;
	s->link = link;
	s->state = STREAM_OPENING;
	return 0;
}

static void on_waited(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct stream *s = timer->data;
	struct relay *relay = s->home->relay;

	(void)loop;
	(void)revents;
	relay->count.failed++;
	relay_log(relay, 1, "client %s: reset, no relay could be reached within %.0f s", s->client,
		  (double)relay->opt->hold_us / 1e6);
	stream_abort(s, STREAM_TIMEOUT, "");
}

/* Takes the link that is there, or waits for one. */
static void start_client(struct stream *s)
{
	struct relay *relay = s->home->relay;
	struct link *link = routes_pick(relay->routes);
	int ret;

	if (link == NULL) {
		if (!relay->opt->fail_on_outage || routes_any_up(relay->routes))
			return;
		relay->count.failed++;
		relay_log(relay, 1, "client %s: reset, no relay can be reached", s->client);
		stream_abort(s, STREAM_TIMEOUT, "");
		return;
	}
	ret = open_request(s, link);
	if (ret == 0) {
		stream_pump(s);
		return;
	}
	relay_log(relay, 1, "client %s: %s", s->client, rmdt_strerror(ret));
	relay->count.failed++;
	stream_abort(s, STREAM_RESET, rmdt_strerror(ret));
}

static void name_client(struct stream *s, const struct sockaddr *from)
{
	char host[48] = "?", port[8] = "0";
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	bool is_v6 = from->sa_family == AF_INET6;

	if (is_v6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(&v4.sin_addr, v6->sin6_addr.s6_addr + 12, 4);
		v4.sin_port = v6->sin6_port;
		from = (struct sockaddr *)&v4;
		is_v6 = false;
	}
	(void)getnameinfo(from, is_v6 ? sizeof(struct sockaddr_in6) : sizeof(v4), host, sizeof(host), port,
			  sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(s->client, sizeof(s->client), is_v6 ? "[%s]:%s" : "%s:%s", host, port);
}

void streams_add_client(struct streams *streams, int fd, const struct sockaddr *from)
{
	struct relay *relay = streams->relay;
	struct stream *s = relay->count.open_streams < streams->limit ? stream_new(streams, STREAM_WAITING) : NULL;

	if (s == NULL) {
		struct linger now = { .l_onoff = 1 };

		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
		relay->count.failed++;
		relay_log(relay, 1, "a client was reset: max-flows = %u is reached", streams->limit);
		return;
	}
	relay->count.waiting_streams++;
	s->number = ++streams->next_number;
	list_number(s);
	name_client(s, from);
	if (adopt(s, fd) < 0) {
		stream_free(s);
		return;
	}
	relay_log(relay, 2, "client %s: connected", s->client);
	ev_timer_init(&s->timer, on_waited, (double)relay->opt->hold_us / 1e6, 0.);
	s->timer.data = s;
	ev_timer_start(relay->loop, &s->timer);
	start_client(s);
}

void streams_on_link_up(struct streams *streams)
{
	struct stream *next;

	for (struct stream *s = streams != NULL ? streams->first : NULL; s != NULL; s = next) {
		next = s->next;
		if (s->state == STREAM_WAITING)
			start_client(s);
	}
}

static void take_reply(struct streams *streams, struct rmdt_in *in, const struct rmdt_in_info *info, uint32_t number)
{
	struct stream *s = find_number(streams, number);

	/* Only from the relay that was asked, and only once. */
	if (s == NULL || s->link == NULL || s->link->peer != info->peer || s->in != NULL || s->down != WAY_OPEN) {
		rmdt_in_stop(in, STREAM_RESET, "no such stream");
		rmdt_in_free(in);
		return;
	}
	s->in = in;
	rmdt_in_set_user(in, s);
	if (s->state == STREAM_OPENING)
		s->state = STREAM_OPEN;
	if (s->fd < 0) {
		stream_on_broken(s, ECONNRESET);
		return;
	}
	stream_pump(s);
}

/* ---- the exit ---- */

static void take_request(struct streams *streams, struct rmdt_in *in, const struct rmdt_in_info *info, uint32_t number)
{
	struct stream *s = stream_new(streams, STREAM_CONNECTING);
	const char *client = strchr(info->name + strlen("tcp "), ' ');

	if (s == NULL) {
		rmdt_in_stop(in, RMDT_CODE_INTERNAL, "out of memory");
		rmdt_in_free(in);
		return;
	}
	s->number = number;
	s->in = in;
	s->link = routes_find(streams->relay->routes, info->peer);
	rmdt_in_set_user(in, s);
	/* It goes into our log. */
	for (size_t i = 0; client != NULL && client[i + 1] != '\0' && i < sizeof(s->client) - 1; i++)
		s->client[i] = client[i + 1] >= ' ' && client[i + 1] <= '~' ? client[i + 1] : '?';
	relay_log(streams->relay, 2, "client %s: wants to be connected", s->client);
	exit_connect(streams->relay->exit, s);
}

void stream_connected(struct stream *s, int fd)
{
	char name[RMDT_NAME_BYTES + 1], err[RMDT_ERROR_BYTES];
	struct rmdt_out_options opt = { .purpose = RMDT_TUNNEL, .name = name, .priority = 1, .slow = "block",
					.no_progress = true, .reply_to = s->in, .user = s };
	int ret = adopt(s, fd);

	snprintf(name, sizeof(name), "tcp %u", s->number);
	if (ret == 0 && s->link == NULL)
		ret = -ENOTCONN;
	if (ret == 0)
		ret = rmdt_out_new(s->home->relay->engine, &opt, &s->out, err);
	if (ret == 0)
		ret = rmdt_out_join(s->out, s->link->peer, 0);
	if (ret < 0) {
		stream_abort(s, RMDT_CODE_INTERNAL, rmdt_strerror(ret));
		return;
	}
	s->state = STREAM_OPEN;
	stream_pump(s);
}

void stream_failed(struct stream *s, unsigned code, const char *reason)
{
	s->home->relay->count.failed++;
	relay_log(s->home->relay, 1, "client %s: %s", s->client, reason);
	rmdt_in_stop(s->in, code, reason);
	s->down = WAY_DONE;
	stream_free(s);
}

/* ---- offers ---- */

static bool parse_number(const char *name, uint32_t *number)
{
	char *end;
	unsigned long n;

	if (strncmp(name, "tcp ", 4) != 0 || name[4] < '0' || name[4] > '9')
		return false;
	n = strtoul(name + 4, &end, 10);
	*number = (uint32_t)n;
	return n <= UINT32_MAX && (*end == '\0' || *end == ' ');
}

unsigned streams_judge(const struct relay *relay, const struct rmdt_offer *offer, char *reason)
{
	uint32_t number;

	if (offer->purpose != RMDT_TUNNEL) {
		snprintf(reason, RMDT_REASON_BYTES, "this is a tunnel");
		return RMDT_CODE_REFUSED;
	}
	if (!relay->is_ready)
		return RMDT_CODE_BUSY;
	/* The request may be over already, so only its number tells which stream it is. */
	if (offer->is_reply)
		return relay->role == RELAY_ENTRY && parse_number(offer->name, &number) ? 0 : RMDT_CODE_CLOSED;
	if (offer->meta_len == 0 || offer->meta[0] != STREAM_VERSION) {
		snprintf(reason, RMDT_REASON_BYTES, "the far relay speaks version %d of the tunnel", STREAM_VERSION);
		return RMDT_CODE_VERSION;
	}
	if (relay->role != RELAY_EXIT || relay->opt->remote.scheme != TARGET_TCP ||
	    !parse_number(offer->name, &number)) {
		snprintf(reason, RMDT_REASON_BYTES, "the far relay connects to %s",
			 relay->role == RELAY_EXIT ? relay->opt->remote.text : "nothing, it has clients itself");
		return RMDT_CODE_REFUSED;
	}
	if (relay->is_draining) {
		snprintf(reason, RMDT_REASON_BYTES, "the far relay is ending");
		return RMDT_CODE_CLOSED;
	}
	return 0;
}

void streams_on_in_open(struct streams *streams, struct rmdt_in *in)
{
	struct rmdt_in_info info;
	uint32_t number = 0;

	rmdt_in_info(in, &info);
	(void)parse_number(info.name, &number);
	if (streams->relay->role == RELAY_ENTRY)
		take_reply(streams, in, &info, number);
	else
		take_request(streams, in, &info, number);
}

/* ---- life ---- */

int streams_new(struct relay *relay, struct streams **out)
{
	struct streams *streams = calloc(1, sizeof(*streams));
	uint64_t limit = 0;
	int ret;

	if (streams == NULL)
		return -ENOMEM;
	streams->relay = relay;
	streams->turn_end = &streams->turn;
	(void)rmdt_config_number(relay->opt->config, "max-flows", &limit);
	streams->limit = (uint32_t)limit;
	ret = pollset_init(&streams->sockets, relay->loop, stream_on_socket);
	if (ret < 0) {
		free(streams);
		return ret;
	}
	ev_idle_init(&streams->turns, on_turns);
	/* Among other work, not after it. */
	ev_set_priority(&streams->turns, EV_MAXPRI);
	streams->turns.data = streams;
	*out = streams;
	return 0;
}

void streams_free(struct streams *streams)
{
	if (streams == NULL)
		return;
	while (streams->first != NULL)
		stream_abort(streams->first, RMDT_CODE_CLOSED, "the relay ended");
	ev_idle_stop(streams->relay->loop, &streams->turns);
	pollset_fini(&streams->sockets);
	free(streams);
}

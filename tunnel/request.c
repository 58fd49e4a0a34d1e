/* SPDX-License-Identifier: Apache-2.0 */
/* A request asks the far relay for a connection to the server, and is answered by a reply. */
#include "tunnel/request.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tunnel/exit.h"
#include "tunnel/relay.h"
#include "tunnel/route.h"
#include "tunnel/stream.h"
#include "tunnel/streams.h"

/* ---- the entry ---- */

static void on_not_joined(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct stream *s = timer->data;
	struct relay *relay = s->home->relay;

	(void)loop;
	(void)revents;
	relay->count.failed++;
	relay_log(relay, 1, "client %s: reset, the relay does not answer", s->client);
	stream_abort(s, STREAM_TIMEOUT, "");
}

/* Where outages are to fail, so does one that nobody has noticed yet. OUT_JOINED stops the timer. */
static void await_joined(struct stream *s)
{
	struct relay *relay = s->home->relay;

	ev_timer_stop(relay->loop, &s->timer);
	if (!relay->opt->fail_on_outage)
		return;
	ev_timer_init(&s->timer, on_not_joined, (double)relay->silence_us / 1e6, 0.);
	ev_timer_start(relay->loop, &s->timer);
}

/* The name tells the exit which stream it is ("tcp 17"), the metadata for whom: version, "192.0.2.1:40000". */
static int open_request(struct stream *s, struct link *link)
{
	char name[RMDT_NAME_BYTES + 1], err[RMDT_ERROR_BYTES];
	uint8_t meta[1 + sizeof(s->client)] = { STREAM_VERSION };
	struct rmdt_out_options opt = {
		.purpose = RMDT_TUNNEL, .name = name, .meta = meta, .meta_len = 1 + strlen(s->client), .priority = 1,
		.slow = "block", .no_progress = true, .user = s,
	};
	int ret = 0;

	snprintf(name, sizeof(name), "tcp %u", s->number);
	memcpy(meta + 1, s->client, strlen(s->client));
	if (s->out == NULL)
		ret = rmdt_out_new(s->home->relay->engine, &opt, &s->out, err);
	if (ret == 0)
		ret = rmdt_out_join(s->out, link->peer, 0);
	if (ret < 0)
		return ret;
	s->home->relay->count.waiting_streams--;
	s->link = link;
	s->state = STREAM_OPENING;
	await_joined(s);
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
void request_start(struct stream *s)
{
	struct relay *relay = s->home->relay;
	struct link *link = routes_pick(relay->routes);
	int ret;

	if (link == NULL) {
		if (!relay->opt->fail_on_outage || routes_any_settling(relay->routes))
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

bool request_may_wait_again(const struct stream *s)
{
	return s->state == STREAM_OPENING && !s->is_taken && s->in == NULL && s->fd >= 0 &&
	       !s->home->relay->opt->fail_on_outage;
}

void request_wait_again(struct stream *s)
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
	request_start(s);
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

void request_add_client(struct streams *streams, int fd, const struct sockaddr *from)
{
	struct relay *relay = streams->relay;
	struct stream *s = relay->count.open_streams < streams->limit ? streams_add(streams, STREAM_WAITING) : NULL;

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
	streams_list_number(s);
	name_client(s, from);
	if (stream_adopt(s, fd) < 0) {
		stream_free(s);
		return;
	}
	relay_log(relay, 2, "client %s: connected", s->client);
	ev_timer_init(&s->timer, on_waited, (double)relay->opt->hold_us / 1e6, 0.);
	s->timer.data = s;
	ev_timer_start(relay->loop, &s->timer);
	request_start(s);
}

static void take_reply(struct streams *streams, struct rmdt_in *in, const struct rmdt_in_info *info, uint32_t number)
{
	struct stream *s = streams_find(streams, number);

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
	struct stream *s = streams_add(streams, STREAM_CONNECTING);
	const uint8_t *meta;
	size_t meta_len = rmdt_in_meta(in, &meta);

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
	for (size_t i = 1; i < meta_len && i < sizeof(s->client); i++)
		s->client[i - 1] = meta[i] >= ' ' && meta[i] <= '~' ? (char)meta[i] : '?';
	relay_log(streams->relay, 2, "client %s: wants to be connected", s->client);
	exit_connect(streams->relay->exit, s);
}

void request_connected(struct stream *s, int fd)
{
	char name[RMDT_NAME_BYTES + 1], err[RMDT_ERROR_BYTES];
	struct rmdt_out_options opt = { .purpose = RMDT_TUNNEL, .name = name, .priority = 1, .slow = "block",
					.no_progress = true, .reply_to = s->in, .user = s };
	int ret = stream_adopt(s, fd);

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

void request_failed(struct stream *s, unsigned code, const char *reason)
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
	return n <= UINT32_MAX && *end == '\0';
}

unsigned request_judge(const struct relay *relay, const struct rmdt_offer *offer, char *reason)
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

void request_on_in_open(struct streams *streams, struct rmdt_in *in)
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

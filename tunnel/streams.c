/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/streams.h"

#include <errno.h>
#include <stdlib.h>

#include "tunnel/relay.h"
#include "tunnel/request.h"

/* ---- the table ---- */

static struct stream **bucket_of(struct streams *streams, uint32_t number)
{
	return &streams->bucket[number % STREAMS_BUCKETS];
}

struct stream *streams_find(struct streams *streams, uint32_t number)
{
	struct stream *s = *bucket_of(streams, number);

	while (s != NULL && s->number != number)
		s = s->next_number;
	return s;
}

void streams_list_number(struct stream *s)
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

struct stream *streams_add(struct streams *streams, enum stream_state state)
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

void streams_queue_turn(struct stream *s)
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

void streams_remove(struct stream *s)
{
	struct relay_counters *count = &s->home->relay->count;

	leave_turn(s);
	unlist_number(s);
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		s->home->first = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	count->open_streams--;
	if (s->state == STREAM_WAITING)
		count->waiting_streams--;
}

/* ---- associations come and go ---- */

void streams_on_link_up(struct streams *streams)
{
	struct stream *next;

	for (struct stream *s = streams != NULL ? streams->first : NULL; s != NULL; s = next) {
		next = s->next;
		if (s->state == STREAM_WAITING)
			request_start(s);
	}
}

void streams_on_link_down(struct streams *streams, const struct link *link)
{
	struct stream *next;

	for (struct stream *s = streams != NULL ? streams->first : NULL; s != NULL; s = next) {
		next = s->next;
		if (s->link != link)
			continue;
		if (request_may_wait_again(s))
			request_wait_again(s);
		else if (s->state != STREAM_LAST)
			stream_abort(s, STREAM_RESET, "the association is gone");
		else
			s->link = NULL;
	}
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
	stall_init(&streams->stall, streams);
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
	stall_fini(&streams->stall);
	pollset_fini(&streams->sockets);
	free(streams);
}

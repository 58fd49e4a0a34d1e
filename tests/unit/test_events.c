/* SPDX-License-Identifier: Apache-2.0 */
#include "io/events.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct object {
	struct rmdt_notice notice;
	unsigned dropped;
};

static void drop(struct rmdt_notice *notice)
{
	((struct object *)notice)->dropped++;
}

static void object_init(struct object *o, struct rmdt_events *ev)
{
	*o = (struct object){ .notice = { .home = ev, .drop = drop, .peer = (struct rmdt_peer *)o } };
}

static bool is_readable(const struct rmdt_events *ev)
{
	struct pollfd p = { .fd = ev->fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/*
 * Events of one object merge and come in the order of their kinds; the object is lent until the
 * next take.
 */
static void test_merge(void **state)
{
	struct rmdt_events ev;
	struct rmdt_event e;
	struct object a, b;

	(void)state;
	assert_int_equal(rmdt_events_init(&ev), 0);
	object_init(&a, &ev);
	object_init(&b, &ev);
	assert_false(is_readable(&ev));
	assert_true(rmdt_events_post(&a.notice, RMDT_EVENT_MESSAGE, 0, NULL));
	assert_false(rmdt_events_post(&a.notice, RMDT_EVENT_MESSAGE, 0, NULL));
	assert_false(rmdt_events_post(&a.notice, RMDT_EVENT_PEER_UP, 0, NULL));
	assert_true(rmdt_events_post(&b.notice, RMDT_EVENT_PEER_UP, 0, NULL));
	assert_true(is_readable(&ev));
	assert_true(rmdt_events_take(&ev, &e));
	assert_int_equal(e.kind, RMDT_EVENT_PEER_UP);
	assert_ptr_equal(e.peer, &a);
	assert_true(rmdt_events_take(&ev, &e));
	assert_int_equal(e.kind, RMDT_EVENT_MESSAGE);
	assert_int_equal(a.dropped, 0);
	/* Queued again while it is lent. */
	assert_true(rmdt_events_post(&a.notice, RMDT_EVENT_MESSAGE, 0, NULL));
	assert_true(rmdt_events_take(&ev, &e));
	assert_ptr_equal(e.peer, &b);
	assert_int_equal(a.dropped, 1);
	assert_true(rmdt_events_take(&ev, &e));
	assert_ptr_equal(e.peer, &a);
	assert_false(is_readable(&ev));
	assert_false(rmdt_events_take(&ev, &e));
	rmdt_events_return(&ev);
	assert_int_equal(a.dropped, 2);
	assert_int_equal(b.dropped, 1);
	rmdt_events_fini(&ev);
}

/* PEER_DOWN goes behind all that is queued, with its words, and nothing follows it. */
static void test_down(void **state)
{
	struct rmdt_events ev;
	struct rmdt_event e;
	struct object peer, flow;
	char longer[RMDT_REASON_BYTES + 40];

	(void)state;
	assert_int_equal(rmdt_events_init(&ev), 0);
	object_init(&peer, &ev);
	object_init(&flow, &ev);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	rmdt_events_post(&peer.notice, RMDT_EVENT_PEER_UP, 0, NULL);
	rmdt_events_post(&flow.notice, RMDT_EVENT_OUT_LOST, 4, longer);
	assert_false(rmdt_events_post(&peer.notice, RMDT_EVENT_PEER_DOWN, 12, "gone"));
	assert_false(rmdt_events_post(&peer.notice, RMDT_EVENT_MESSAGE, 0, NULL));
	rmdt_events_take(&ev, &e);
	assert_int_equal(e.kind, RMDT_EVENT_OUT_LOST);
	assert_int_equal(e.code, 4);
	assert_int_equal(strlen(e.reason), RMDT_REASON_BYTES);
	rmdt_events_take(&ev, &e);
	assert_int_equal(e.kind, RMDT_EVENT_PEER_UP);
	rmdt_events_take(&ev, &e);
	assert_int_equal(e.kind, RMDT_EVENT_PEER_DOWN);
	assert_int_equal(e.code, 12);
	assert_string_equal(e.reason, "gone");
	assert_false(rmdt_events_take(&ev, &e));
	rmdt_events_fini(&ev);
	assert_int_equal(peer.dropped, 1);
	assert_int_equal(flow.dropped, 1);
}

static void test_close(void **state)
{
	struct rmdt_events ev;
	struct rmdt_event e;
	struct rmdt_patience none;
	struct object a, b;

	(void)state;
	assert_int_equal(rmdt_events_init(&ev), 0);
	object_init(&a, &ev);
	object_init(&b, &ev);
	rmdt_events_post(&a.notice, RMDT_EVENT_IN_READABLE, 0, NULL);
	rmdt_events_post(&b.notice, RMDT_EVENT_IN_READABLE, 0, NULL);
	assert_true(rmdt_events_close(&a.notice));
	assert_false(rmdt_events_close(&a.notice));
	assert_false(rmdt_events_post(&a.notice, RMDT_EVENT_IN_READABLE, 0, NULL));
	rmdt_patience_init(&none, 0, NULL);
	assert_int_equal(rmdt_events_wait(&ev, &e, &none), 0);
	assert_ptr_equal(e.peer, &b);
	assert_int_equal(rmdt_events_wait(&ev, &e, &none), -EAGAIN);
	assert_int_equal(a.dropped, 0);
	assert_int_equal(b.dropped, 1);
	rmdt_events_post(&b.notice, RMDT_EVENT_IN_RESET, 1, NULL);
	/* What nobody took is dropped with the queue. */
	rmdt_events_fini(&ev);
	assert_int_equal(b.dropped, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_down),
		cmocka_unit_test(test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

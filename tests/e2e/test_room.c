/* SPDX-License-Identifier: Apache-2.0 */
/* Writers that wait for room, and who else may get or give it meanwhile. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tests/e2e/kit.h"

#define MIB (UINT64_C(1) << 20)

static void nap_ms(int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, (long)(ms % 1000) * 1000000 }, NULL);
}

/* Room that comes back without any byte having gone: all of it was reserved, or taken as credit. */
static void test_room_given_back(void **state)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .buffer_bytes = MIB };
	struct rmdt_span span = { 0 }, last = { 0 };
	struct kit_node a = { 0 };
	struct rmdt_out *out;

	(void)state;
	kit_start(&a);
	out = kit_out(&a, &opt);
	while (rmdt_out_reserve(out, 262144, &span, 0, NULL) == 0)
		last = span;
	assert_int_equal(rmdt_out_commit(out, &last, 0), 0);
	kit_await(&a, RMDT_EVENT_OUT_ROOM, 1);
	assert_int_equal(rmdt_out_take_credit(out, last.len, 0, NULL), 0);
	assert_int_equal(rmdt_out_reserve(out, 1, &span, 0, NULL), -EAGAIN);
	rmdt_out_return_credit(out, last.len);
	kit_await(&a, RMDT_EVENT_OUT_ROOM, 2);
	assert_int_equal(rmdt_out_reserve(out, 1, &span, 0, NULL), 0);
	kit_stop(&a);
}

static uint64_t fill(struct rmdt_out *out)
{
	struct rmdt_span span;
	uint64_t sum = 0;
	int rc;

	while ((rc = rmdt_out_reserve(out, 262144, &span, 0, NULL)) == 0) {
		sum += span.len;
		assert_int_equal(rmdt_out_commit(out, &span, span.len), 0);
	}
	assert_int_equal(rc, -EAGAIN);
	return sum;
}

/* The engine's memory is used up by another flow, and then is not. */
static void test_room_of_others(void **state)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .buffer_bytes = 3 * MIB };
	struct kit_node a = { .settings = "buffer=4M" };
	struct rmdt_out *one, *two;

	(void)state;
	kit_start(&a);
	one = kit_out(&a, &opt);
	two = kit_out(&a, &opt);
	assert_true(fill(one) > 2 * MIB);
	assert_true(fill(two) < MIB);
	nap_ms(50);
	assert_int_equal(kit_count(&a, RMDT_EVENT_OUT_ROOM), 0);
	rmdt_out_free(one);
	kit_await(&a, RMDT_EVENT_OUT_ROOM, 1);
	assert_true(fill(two) > 2 * MIB);
	kit_stop(&a);
}

static struct rmdt_span spans[64];

static void *commit_first(void *out)
{
	nap_ms(100);
	(void)rmdt_out_commit(out, &spans[0], spans[0].len);
	return NULL;
}

/* As many spans as may be open at once are; one more waits for the first commit. */
static void test_room_for_span(void **state)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .buffer_bytes = MIB };
	struct kit_node a = { 0 };
	struct rmdt_span more;
	struct rmdt_out *out;
	pthread_t id;

	(void)state;
	kit_start(&a);
	out = kit_out(&a, &opt);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(rmdt_out_reserve(out, 100, &spans[i], 0, NULL), 0);
	assert_int_equal(rmdt_out_reserve(out, 100, &more, 0, NULL), -EAGAIN);
	assert_int_equal(kit_count(&a, RMDT_EVENT_OUT_ROOM), 0);
	pthread_create(&id, NULL, commit_first, out);
	assert_int_equal(rmdt_out_reserve(out, 100, &more, KIT_WAIT_MS, NULL), 0);
	pthread_join(id, NULL);
	assert_int_equal(rmdt_out_commit(out, &spans[1], 100), 0);
	kit_await(&a, RMDT_EVENT_OUT_ROOM, 1);
	kit_stop(&a);
}

/*
 * A writer that never waits but comes back with OUT_ROOM gets it from the policy as one that waits
 * does.
 */
static void write_without_waiting(const char *slow)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .slow = slow, .buffer_bytes = 2 * MIB };
	struct kit_node a = { 0 }, b = { 0 }, c = { .keep = true };
	uint64_t left = 20 * MIB;
	struct rmdt_out *out;

	kit_start_all(&a, &b, &c);
	out = kit_out(&a, &opt);
	rmdt_out_join(out, kit_connect_up(&a, &b), 0);
	rmdt_out_join(out, kit_connect_up(&a, &c), 0);
	while (left) {
		unsigned told = kit_count(&a, RMDT_EVENT_OUT_ROOM);
		struct rmdt_span span;

		if (rmdt_out_reserve(out, left < 262144 ? (size_t)left : 262144, &span, 0, NULL)) {
			kit_await(&a, RMDT_EVENT_OUT_ROOM, told + 1);
			continue;
		}
		kit_fill(&span);
		assert_int_equal(rmdt_out_commit(out, &span, span.len), 0);
		left -= span.len;
	}
	rmdt_out_finish(out);
	kit_await(&b, RMDT_EVENT_IN_OPEN, 1);
	kit_await_confirmed(&b, 1);
	kit_await(&a, RMDT_EVENT_OUT_LOST, 1);
	assert_int_equal(a.last[RMDT_EVENT_OUT_LOST].code, RMDT_CODE_BEHIND);
	assert_int_equal(b.flow[0].bytes, 20 * MIB);
	kit_stop_all(&a, &b, &c);
}

static void test_room_from_quorum(void **state)
{
	(void)state;
	write_without_waiting("quorum:1");
}

/* The lag allowed is more than the buffer can hold. */
static void test_room_from_drop(void **state)
{
	(void)state;
	write_without_waiting("drop:100M");
}

/* With an argument: only the tests whose name matches it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room_given_back),
		cmocka_unit_test(test_room_of_others),
		cmocka_unit_test(test_room_for_span),
		cmocka_unit_test(test_room_from_quorum),
		cmocka_unit_test(test_room_from_drop),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

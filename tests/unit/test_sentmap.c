/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sentmap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void add(struct rmdt_sentmap *m, uint8_t kind)
{
	uint64_t pn = rmdt_sentmap_next(m);
	struct rmdt_sent s = { .sent_us = 1000 + pn, .token = pn * 3, .kind = kind };

	assert_int_equal(rmdt_sentmap_add(m, &s), 0);
	assert_int_equal(rmdt_sentmap_next(m), pn + 1);
}

static void assert_holds(const struct rmdt_sentmap *m, uint64_t from, uint64_t to)
{
	assert_int_equal(rmdt_sentmap_count(m), to - from);
	assert_null(rmdt_sentmap_get(m, to));
	assert_null(rmdt_sentmap_get(m, UINT64_MAX));
	if (from > 0)
		assert_null(rmdt_sentmap_get(m, from - 1));
	for (uint64_t pn = from; pn < to; pn++) {
		assert_non_null(rmdt_sentmap_get(m, pn));
		assert_int_equal(rmdt_sentmap_get(m, pn)->token, pn * 3);
		assert_int_equal(rmdt_sentmap_get(m, pn)->sent_us, 1000 + pn);
	}
}

static void test_grows_and_keeps_entries(void **state)
{
	struct rmdt_sentmap m;

	(void)state;
	rmdt_sentmap_init(&m, 5000);
	assert_holds(&m, 0, 0);
	for (int i = 0; i < 3000; i++)
		add(&m, RMDT_SENT_ELICITING);
	assert_holds(&m, 0, 3000);
	assert_int_equal(m.cap, 4096);
	for (uint64_t pn = 0; pn < 2990; pn++)
		rmdt_sentmap_get(&m, pn)->state = RMDT_SENT_ACKED;
	rmdt_sentmap_release(&m, 0);
	assert_holds(&m, 2990, 3000);
	rmdt_sentmap_trim(&m);
	assert_int_equal(m.cap, 64);
	assert_holds(&m, 2990, 3000);
	for (int i = 0; i < 1000; i++)
		add(&m, RMDT_SENT_ELICITING);
	assert_holds(&m, 2990, 4000);
	rmdt_sentmap_fini(&m);
}

static void test_full(void **state)
{
	struct rmdt_sent s = { .kind = RMDT_SENT_INFLIGHT };
	struct rmdt_sentmap m;

	(void)state;
	rmdt_sentmap_init(&m, 100);
	for (int i = 0; i < 128; i++)
		add(&m, RMDT_SENT_INFLIGHT);
	assert_int_equal(rmdt_sentmap_add(&m, &s), -ENOBUFS);
	assert_int_equal(rmdt_sentmap_skip(&m), -ENOBUFS);
	assert_holds(&m, 0, 128);
	/* An old loss at the front gives way, however fresh. */
	rmdt_sentmap_get(&m, 0)->state = RMDT_SENT_LOST;
	rmdt_sentmap_get(&m, 0)->lost_us = UINT64_MAX - 1;
	add(&m, RMDT_SENT_INFLIGHT);
	assert_holds(&m, 1, 129);
	rmdt_sentmap_fini(&m);
}

static void test_release_stops_at_what_is_waited_for(void **state)
{
	struct rmdt_sentmap m;

	(void)state;
	rmdt_sentmap_init(&m, 100);
	add(&m, RMDT_SENT_CTRL);      /* 0: will be acked */
	assert_int_equal(rmdt_sentmap_skip(&m), 0); /* 1 */
	add(&m, RMDT_SENT_ELICITING); /* 2: will be lost */
	add(&m, RMDT_SENT_ELICITING); /* 3: will be acked */
	add(&m, RMDT_SENT_INFLIGHT);  /* 4 */
	assert_int_equal(rmdt_sentmap_get(&m, 0)->state, RMDT_SENT_STANDING);
	assert_int_equal(rmdt_sentmap_get(&m, 1)->state, RMDT_SENT_SKIPPED);
	rmdt_sentmap_get(&m, 2)->state = RMDT_SENT_LOST;
	rmdt_sentmap_get(&m, 2)->lost_us = 2000;
	rmdt_sentmap_get(&m, 3)->state = RMDT_SENT_ACKED;

	/* Also one that elicits nothing: its owner has yet to hear of it. */
	rmdt_sentmap_release(&m, UINT64_MAX);
	assert_int_equal(m.base, 0);
	rmdt_sentmap_get(&m, 0)->state = RMDT_SENT_ACKED;
	rmdt_sentmap_release(&m, 0);
	assert_int_equal(m.base, 2);
	rmdt_sentmap_release(&m, 1999);
	assert_int_equal(m.base, 2);
	rmdt_sentmap_release(&m, 2000);
	assert_int_equal(m.base, 4);
	rmdt_sentmap_release(&m, UINT64_MAX);
	assert_int_equal(m.base, 4);
	rmdt_sentmap_get(&m, 4)->state = RMDT_SENT_ACKED;
	rmdt_sentmap_release(&m, 0);
	rmdt_sentmap_trim(&m);
	assert_int_equal(m.cap, 0);
	assert_null(rmdt_sentmap_get(&m, 4));
	add(&m, 0);
	assert_holds(&m, 5, 6);
	rmdt_sentmap_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_and_keeps_entries),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_release_stops_at_what_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

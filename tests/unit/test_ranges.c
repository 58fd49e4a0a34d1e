/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ranges.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define UNIVERSE 200

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void assert_is(const struct rmdt_ranges *r, const struct rmdt_range *want, size_t count)
{
	uint64_t total = 0;

	assert_int_equal(rmdt_ranges_count(r), count);
	for (size_t i = 0; i < count; i++) {
		assert_true(rmdt_ranges_get(r, i)->start == want[i].start);
		assert_true(rmdt_ranges_get(r, i)->end == want[i].end);
		assert_ptr_equal(rmdt_ranges_get_high(r, count - 1 - i), rmdt_ranges_get(r, i));
		total += want[i].end - want[i].start;
	}
	assert_true(rmdt_ranges_total(r) == total);
	assert_true(rmdt_ranges_end(r) == (count ? want[count - 1].end : 0));
}

#define ASSERT_IS(r, ...)                                                                     \
	assert_is((r), (const struct rmdt_range[]){ __VA_ARGS__ },                            \
		  sizeof((const struct rmdt_range[]){ __VA_ARGS__ }) / sizeof(struct rmdt_range))

static void test_add_merges(void **state)
{
	struct rmdt_ranges r;

	(void)state;
	rmdt_ranges_init(&r, 0);
	assert_true(rmdt_ranges_is_empty(&r));
	assert_int_equal(rmdt_ranges_end(&r), 0);
	assert_int_equal(rmdt_ranges_add(&r, 10, 20), 0);
	assert_int_equal(rmdt_ranges_add(&r, 30, 40), 0);
	ASSERT_IS(&r, { 10, 20 }, { 30, 40 });
	assert_int_equal(rmdt_ranges_add(&r, 20, 25), 0);
	ASSERT_IS(&r, { 10, 25 }, { 30, 40 });
	assert_int_equal(rmdt_ranges_add(&r, 29, 30), 0);
	ASSERT_IS(&r, { 10, 25 }, { 29, 40 });
	assert_int_equal(rmdt_ranges_add(&r, 12, 13), 0);
	ASSERT_IS(&r, { 10, 25 }, { 29, 40 });
	assert_int_equal(rmdt_ranges_add(&r, 5, 100), 0);
	ASSERT_IS(&r, { 5, 100 });
	assert_int_equal(rmdt_ranges_add(&r, 7, 7), 0);
	assert_int_equal(rmdt_ranges_add(&r, 8, 7), -EINVAL);
	ASSERT_IS(&r, { 5, 100 });
	rmdt_ranges_fini(&r);
}

static void test_remove_splits(void **state)
{
	struct rmdt_ranges r;

	(void)state;
	rmdt_ranges_init(&r, 2);
	assert_int_equal(rmdt_ranges_remove(&r, 0, UINT64_MAX), 0);
	assert_int_equal(rmdt_ranges_add(&r, 0, 100), 0);
	assert_int_equal(rmdt_ranges_remove(&r, 40, 50), 0);
	ASSERT_IS(&r, { 0, 40 }, { 50, 100 });
	assert_int_equal(rmdt_ranges_remove(&r, 10, 20), -ENOBUFS);
	ASSERT_IS(&r, { 0, 40 }, { 50, 100 });
	assert_int_equal(rmdt_ranges_add(&r, 200, 201), -ENOBUFS);
	assert_int_equal(rmdt_ranges_add(&r, 100, 201), 0);
	assert_int_equal(rmdt_ranges_remove(&r, 30, 60), 0);
	ASSERT_IS(&r, { 0, 30 }, { 60, 201 });
	assert_int_equal(rmdt_ranges_remove(&r, 0, 201), 0);
	assert_true(rmdt_ranges_is_empty(&r));
	assert_int_equal(rmdt_ranges_total(&r), 0);
	rmdt_ranges_fini(&r);
}

static void test_extremes(void **state)
{
	struct rmdt_ranges r;
	struct rmdt_range out = { 1, 2 };

	(void)state;
	rmdt_ranges_init(&r, 0);
	assert_false(rmdt_ranges_pop_first(&r, &out));
	assert_false(rmdt_ranges_next(&r, 0, &out));
	assert_true(out.start == 1 && out.end == 2);
	assert_int_equal(rmdt_ranges_add(&r, 0, UINT64_MAX), 0);
	assert_true(rmdt_ranges_total(&r) == UINT64_MAX);
	assert_true(rmdt_ranges_contains(&r, UINT64_MAX - 1));
	assert_false(rmdt_ranges_contains(&r, UINT64_MAX));
	assert_true(rmdt_ranges_first_gap(&r, 5) == UINT64_MAX);
	assert_true(rmdt_ranges_covers(&r, 0, UINT64_MAX));
	rmdt_ranges_clip(&r, UINT64_MAX - 1);
	ASSERT_IS(&r, { UINT64_MAX - 1, UINT64_MAX });
	assert_true(rmdt_ranges_next(&r, 3, &out));
	assert_true(out.start == UINT64_MAX - 1);
	assert_true(rmdt_ranges_pop_first(&r, &out));
	assert_true(rmdt_ranges_is_empty(&r));
	rmdt_ranges_fini(&r);
}

static void check_queries(const struct rmdt_ranges *r, const bool *model, uint32_t *seed)
{
	uint64_t start = next_random(seed) % UNIVERSE;
	uint64_t end = start + next_random(seed) % (UNIVERSE - start + 1);
	uint64_t gap = start, next = start;
	struct rmdt_range found;
	bool covers = true, intersects = false;

	for (uint64_t i = start; i < end; i++) {
		covers = covers && model[i];
		intersects = intersects || model[i];
	}
	assert_int_equal(rmdt_ranges_covers(r, start, end), covers);
	assert_int_equal(rmdt_ranges_intersects(r, start, end), intersects);
	assert_int_equal(rmdt_ranges_contains(r, start), model[start]);
	while (gap < UNIVERSE && model[gap])
		gap++;
	assert_true(rmdt_ranges_first_gap(r, start) == gap);
	while (next < UNIVERSE && !model[next])
		next++;
	assert_int_equal(rmdt_ranges_next(r, start, &found), next < UNIVERSE);
	if (next < UNIVERSE) {
		assert_true(found.start == next);
		while (next < UNIVERSE && model[next])
			next++;
		assert_true(found.end == next);
	}
}

static void check_shape(const struct rmdt_ranges *r, const bool *model)
{
	size_t count = 0;
	uint64_t total = 0;

	for (uint64_t i = 0; i < UNIVERSE; i++) {
		total += model[i];
		if (model[i] && (i == 0 || !model[i - 1])) {
			assert_true(count < rmdt_ranges_count(r));
			assert_true(rmdt_ranges_get(r, count++)->start == i);
		}
		if (model[i] && (i == UNIVERSE - 1 || !model[i + 1]))
			assert_true(rmdt_ranges_get(r, count - 1)->end == i + 1);
	}
	assert_int_equal(rmdt_ranges_count(r), count);
	assert_true(rmdt_ranges_total(r) == total);
}

/* A bound of 20 ranges is met often, so that refusals are seen to change nothing. */
static void test_against_bitmap(void **state)
{
	uint32_t seed = 20;
	size_t refused = 0;

	(void)state;
	for (size_t max = 0; max <= 20; max += 20) {
		bool model[UNIVERSE] = { false };
		struct rmdt_ranges r;

		rmdt_ranges_init(&r, max);
		for (int step = 0; step < 20000; step++) {
			uint64_t start = next_random(&seed) % UNIVERSE;
			uint64_t end = start + next_random(&seed) % 8;
			uint32_t what = next_random(&seed) % 100;
			int err = 0;

			if (end > UNIVERSE)
				end = UNIVERSE;
			if (what < 60) {
				err = rmdt_ranges_add(&r, start, end);
				if (!err)
					memset(model + start, 1, end - start);
			} else if (what < 98) {
				err = rmdt_ranges_remove(&r, start, end);
				if (!err)
					memset(model + start, 0, end - start);
			} else if (what == 98) {
				rmdt_ranges_clip(&r, start / 4);
				memset(model, 0, start / 4);
			} else {
				struct rmdt_range first;

				if (rmdt_ranges_pop_first(&r, &first))
					memset(model + first.start, 0, first.end - first.start);
			}
			refused += err != 0;
			assert_true(err == 0 || (max && err == -ENOBUFS));
			check_shape(&r, model);
			check_queries(&r, model, &seed);
		}
		rmdt_ranges_fini(&r);
	}
	assert_true(refused > 100);
}

/* A queue that moves on for ever must not grow, nor a million steps take noticeable time. */
static void test_queue_stays_small(void **state)
{
	struct rmdt_ranges r;
	struct rmdt_range first;

	(void)state;
	rmdt_ranges_init(&r, 0);
	for (uint64_t i = 0; i < 1000000; i++) {
		assert_int_equal(rmdt_ranges_add(&r, 3 * i, 3 * i + 2), 0);
		if (i >= 1000) {
			if (!rmdt_ranges_pop_first(&r, &first) || first.start != 3 * (i - 1000))
				fail();
		}
	}
	assert_int_equal(rmdt_ranges_count(&r), 1000);
	assert_true(r.cap <= 4096);
	rmdt_ranges_fini(&r);
}

/* Holes in a large set fill from anywhere. */
static void test_many_ranges(void **state)
{
	enum { MANY = 100000 };
	struct rmdt_ranges r;
	uint32_t seed = 7;

	(void)state;
	rmdt_ranges_init(&r, MANY);
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(rmdt_ranges_add(&r, 2 * i, 2 * i + 1), 0);
	assert_int_equal(rmdt_ranges_count(&r), MANY);
	assert_int_equal(rmdt_ranges_add(&r, 2 * MANY, 2 * MANY + 1), -ENOBUFS);
	for (int i = 0; i < 5000; i++) {
		uint64_t hole = next_random(&seed) % (MANY - 1) * 2 + 1;

		assert_int_equal(rmdt_ranges_add(&r, hole, hole + 1), 0);
		assert_true(rmdt_ranges_covers(&r, hole - 1, hole + 2));
	}
	rmdt_ranges_clear(&r);
	assert_true(rmdt_ranges_is_empty(&r));
	assert_false(rmdt_ranges_contains(&r, 0));
	rmdt_ranges_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_merges),
		cmocka_unit_test(test_remove_splits),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_against_bitmap),
		cmocka_unit_test(test_queue_stays_small),
		cmocka_unit_test(test_many_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

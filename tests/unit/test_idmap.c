/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/idmap.h"
#include "core/rng.h"

static void test_empty(void **state)
{
	struct rmdt_idmap m;

	(void)state;
	rmdt_idmap_init(&m);
	assert_null(rmdt_idmap_get(&m, 0));
	rmdt_idmap_remove(&m, 7);
	rmdt_idmap_fini(&m);
}

static void test_last_hit_is_forgotten_on_removal(void **state)
{
	struct rmdt_idmap m;
	int a, b;

	(void)state;
	rmdt_idmap_init(&m);
	assert_int_equal(rmdt_idmap_add(&m, 5, &a), 0);
	assert_ptr_equal(rmdt_idmap_get(&m, 5), &a);
	rmdt_idmap_remove(&m, 5);
	assert_null(rmdt_idmap_get(&m, 5));
	assert_int_equal(rmdt_idmap_add(&m, 5, &b), 0);
	assert_ptr_equal(rmdt_idmap_get(&m, 5), &b);
	rmdt_idmap_fini(&m);
}

/* Random adds and removals against a plain array. */
static void test_model(void **state)
{
	enum { IDS = 500 };
	static char cell[IDS];
	void *model[IDS] = { 0 };
	uint8_t seed[32] = { 1 };
	struct rmdt_rng rng;
	struct rmdt_idmap m;
	size_t count = 0;

	(void)state;
	rmdt_rng_init(&rng, seed);
	rmdt_idmap_init(&m);
	for (int i = 0; i < 50000; i++) {
		uint32_t id = (uint32_t)(rmdt_rng_u64(&rng) % IDS);

		if (model[id]) {
			rmdt_idmap_remove(&m, id);
			model[id] = NULL;
			count--;
		} else {
			assert_int_equal(rmdt_idmap_add(&m, id, &cell[id]), 0);
			model[id] = &cell[id];
			count++;
		}
		assert_int_equal(m.count, count);
		id = (uint32_t)(rmdt_rng_u64(&rng) % IDS);
		assert_ptr_equal(rmdt_idmap_get(&m, id), model[id]);
	}
	for (uint32_t id = 0; id < IDS; id++)
		assert_ptr_equal(rmdt_idmap_get(&m, id), model[id]);
	rmdt_idmap_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_last_hit_is_forgotten_on_removal),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

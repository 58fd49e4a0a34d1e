/* SPDX-License-Identifier: Apache-2.0 */
#include "io/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEYS 600

/* Against a plain array; the low bits of the keys collide on purpose. */
static void test_model(void **state)
{
	static int values[KEYS];
	static int *model[KEYS];
	struct rmdt_table t;
	unsigned seed = 3;
	size_t used = 0;

	(void)state;
	rmdt_table_init(&t);
	assert_null(rmdt_table_find(&t, 1));
	assert_null(rmdt_table_remove(&t, 1));
	for (unsigned step = 0; step < 60000; step++) {
		unsigned i = (unsigned)rand_r(&seed) % KEYS;
		uint64_t key = (uint64_t)(i / 3) << 40 | i % 3 | (i % 7) * 64;

		/* Three keys for each i / 3, made unlike by i % 3. */
		key |= (uint64_t)i << 20;
		if ((unsigned)rand_r(&seed) % 2) {
			assert_int_equal(rmdt_table_add(&t, key, &values[i]),
					 model[i] ? -EEXIST : 0);
			used += !model[i];
			model[i] = &values[i];
		} else {
			assert_ptr_equal(rmdt_table_remove(&t, key), model[i]);
			used -= model[i] != NULL;
			model[i] = NULL;
		}
		assert_ptr_equal(rmdt_table_find(&t, key), model[i]);
		assert_int_equal(t.used, used);
	}
	for (unsigned i = 0; i < KEYS; i++) {
		uint64_t key = (uint64_t)(i / 3) << 40 | i % 3 | (i % 7) * 64 | (uint64_t)i << 20;

		assert_ptr_equal(rmdt_table_find(&t, key), model[i]);
	}
	rmdt_table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The two bounded queues of packets: parcels between threads, letters of a peer. */
#include "io/parcels.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/letters.h"

static void test_parcels(void **state)
{
	struct rmdt_addr from = { .len = 4, .bytes = { 1, 2, 3, 4 } };
	struct rmdt_parcel *first, *next;
	struct rmdt_parcels q;
	uint32_t n = 0;

	(void)state;
	rmdt_parcels_init(&q);
	assert_null(rmdt_parcels_take(&q));
	for (uint32_t i = 0; i < RMDT_PARCELS_MAX; i++)
		assert_true(rmdt_parcels_add(&q, (uint8_t *)&i, sizeof(i), i % 4, &from));
	assert_false(rmdt_parcels_add(&q, (uint8_t *)"x", 1, 0, &from));
	first = rmdt_parcels_take(&q);
	for (; first; first = next, n++) {
		assert_int_equal(first->len, sizeof(n));
		assert_memory_equal(first->buf, &n, sizeof(n));
		assert_int_equal(first->ecn, n % 4);
		assert_true(rmdt_addr_equal(&first->from, &from));
		next = first->next;
		free(first);
	}
	assert_int_equal(n, RMDT_PARCELS_MAX);
	assert_true(rmdt_parcels_add(&q, (uint8_t *)"x", 1, 0, &from));
	rmdt_parcels_fini(&q);
}

static void test_letters(void **state)
{
	struct rmdt_letters q = { 0 };

	(void)state;
	assert_null(rmdt_letters_first(&q));
	rmdt_letters_pop(&q);
	assert_int_equal(rmdt_letters_add(&q, NULL, 0), 0);
	for (unsigned i = 1; i < RMDT_LETTERS_MAX; i++)
		assert_int_equal(rmdt_letters_add(&q, &i, sizeof(i)), 0);
	assert_int_equal(rmdt_letters_add(&q, "x", 1), -EAGAIN);
	assert_int_equal(rmdt_letters_first(&q)->len, 0);
	rmdt_letters_pop(&q);
	for (unsigned i = 1; i < RMDT_LETTERS_MAX; i++) {
		assert_memory_equal(rmdt_letters_first(&q)->data, &i, sizeof(i));
		rmdt_letters_pop(&q);
	}
	assert_null(rmdt_letters_first(&q));
	assert_int_equal(rmdt_letters_add(&q, "x", 1), 0);
	rmdt_letters_clear(&q);
	assert_int_equal(q.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parcels),
		cmocka_unit_test(test_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

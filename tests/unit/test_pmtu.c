/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pmtu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS UINT64_C(1000)
#define TIMEOUT (300 * MS)

/* Lets the search run over a path that carries `path` bytes; returns how many probes it took. */
static int run_search(struct rmdt_pmtu *p, uint64_t *now_us, uint32_t path)
{
	uint32_t size, last = 0;
	int probes = 0, same = 0;

	while ((size = rmdt_pmtu_next_probe(p, *now_us)) != 0) {
		assert_true(size > rmdt_pmtu_current(p) && size <= p->max);
		assert_int_equal(rmdt_pmtu_deadline_us(p), 0);
		same = size == last ? same + 1 : 1;
		last = size;
		assert_true(same <= RMDT_PMTU_TRIES);
		rmdt_pmtu_probe_sent(p, *now_us, TIMEOUT);
		/* One in flight at most. */
		assert_int_equal(rmdt_pmtu_next_probe(p, *now_us), 0);
		*now_us += 10 * MS;
		if (size <= path)
			rmdt_pmtu_on_probe_acked(p, *now_us, size);
		else
			rmdt_pmtu_on_probe_lost(p, *now_us, size);
		assert_true(++probes < 60);
	}
	assert_int_equal(p->state, RMDT_PMTU_DONE);
	return probes;
}

static void test_search_rows(void **state)
{
	static const struct {
		uint32_t max, path, least, most;
		int probes; /* at most */
	} rows[] = {
		{ 1472, 1472, 1472, 1472, 1 },     /* first shot */
		{ 65507, 65507, 65507, 65507, 1 }, /* loopback */
		{ 8972, 8972, 8972, 8972, 1 },
		{ 8972, 1472, 1472, 1472, 40 },    /* jumbo interface, plain path */
		{ 1472, 1452, 1452, 1452, 12 },
		{ 1472, 1399, 1383, 1399, 30 },    /* some tunnel */
		{ 1472, 1200, 1200, 1200, 40 },    /* nothing but base */
		{ 9000, 5000, 4984, 5000, 50 },
		{ 1205, 1205, 1205, 1205, 1 },     /* less than a step above base */
		{ 1205, 1200, 1200, 1200, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rmdt_pmtu p;
		uint64_t now_us = 1;

		rmdt_pmtu_init(&p, 0, rows[i].max);
		assert_int_equal(rmdt_pmtu_current(&p), RMDT_PMTU_BASE);
		assert_in_range(run_search(&p, &now_us, rows[i].path), 1, rows[i].probes);
		assert_in_range(rmdt_pmtu_current(&p), rows[i].least, rows[i].most);
		if (rows[i].path >= rows[i].max)
			assert_true(rmdt_pmtu_deadline_us(&p) == UINT64_MAX);
		else
			assert_int_equal(rmdt_pmtu_deadline_us(&p), now_us + RMDT_PMTU_RAISE_US);
	}
}

/* Every path size must be found, to within a step, from every interface. */
static void test_all_paths(void **state)
{
	static const uint32_t maxima[] = { 1472, 8972, 65507 };

	(void)state;
	for (size_t i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
		for (uint32_t path = 1200; path <= maxima[i]; path += 1 + path / 97) {
			struct rmdt_pmtu p;
			uint64_t now_us = 1;

			rmdt_pmtu_init(&p, 0, maxima[i]);
			run_search(&p, &now_us, path);
			assert_in_range(rmdt_pmtu_current(&p), path - RMDT_PMTU_STEP, path);
		}
	}
}

static void test_nothing_to_search(void **state)
{
	struct rmdt_pmtu p;

	(void)state;
	rmdt_pmtu_init(&p, 1200, 900);
	assert_int_equal(rmdt_pmtu_current(&p), 900);
	assert_int_equal(rmdt_pmtu_next_probe(&p, 1), 0);
	assert_true(rmdt_pmtu_deadline_us(&p) == UINT64_MAX);
	/* A probe that was never asked for does nothing. */
	rmdt_pmtu_probe_sent(&p, 1, TIMEOUT);
	assert_true(rmdt_pmtu_deadline_us(&p) == UINT64_MAX);
	rmdt_pmtu_init(&p, 0, 0);
	assert_int_equal(p.max, RMDT_PMTU_MAX);
	rmdt_pmtu_init(&p, 0, 70000);
	assert_int_equal(p.max, RMDT_PMTU_MAX);
}

static void test_fixed(void **state)
{
	struct rmdt_pmtu p;

	(void)state;
	rmdt_pmtu_init_fixed(&p, 4000);
	assert_int_equal(rmdt_pmtu_next_probe(&p, UINT64_MAX), 0);
	assert_true(rmdt_pmtu_deadline_us(&p) == UINT64_MAX);
	for (uint64_t t = 0; t < 20000 * MS; t += 100 * MS)
		assert_false(rmdt_pmtu_on_packet_lost(&p, t, 4000, 100 * MS));
	rmdt_pmtu_on_emsgsize(&p, 1, 4000);
	rmdt_pmtu_on_probe_acked(&p, 1, 9000);
	assert_int_equal(rmdt_pmtu_current(&p), 4000);
}

static void test_probe_timer(void **state)
{
	struct rmdt_pmtu p;

	(void)state;
	rmdt_pmtu_init(&p, 0, 1472);
	for (uint64_t i = 0; i < RMDT_PMTU_TRIES; i++) {
		assert_int_equal(rmdt_pmtu_next_probe(&p, i * TIMEOUT), 1472);
		rmdt_pmtu_probe_sent(&p, i * TIMEOUT, TIMEOUT);
		assert_int_equal(rmdt_pmtu_deadline_us(&p), (i + 1) * TIMEOUT);
		assert_int_equal(rmdt_pmtu_next_probe(&p, (i + 1) * TIMEOUT - 1), 0);
	}
	assert_int_equal(rmdt_pmtu_next_probe(&p, RMDT_PMTU_TRIES * TIMEOUT), 1452);
	/* The ack that came too late is believed. */
	rmdt_pmtu_on_probe_acked(&p, RMDT_PMTU_TRIES * TIMEOUT, 1472);
	assert_int_equal(rmdt_pmtu_current(&p), 1472);
	assert_int_equal(p.state, RMDT_PMTU_DONE);
}

static void test_raise_timer(void **state)
{
	struct rmdt_pmtu p;
	uint64_t now_us = 1;

	(void)state;
	rmdt_pmtu_init(&p, 0, 8972);
	run_search(&p, &now_us, 1472);
	assert_int_equal(rmdt_pmtu_next_probe(&p, now_us + RMDT_PMTU_RAISE_US - 1), 0);
	now_us += RMDT_PMTU_RAISE_US;
	assert_int_equal(run_search(&p, &now_us, 8972), 1);
	assert_int_equal(rmdt_pmtu_current(&p), 8972);
}

/* Loses one packet of `size` each 20 ms, with acks of small ones between; the loss that tells. */
static int lose_until_black(struct rmdt_pmtu *p, uint64_t *now_us, uint32_t size, int most)
{
	for (int i = 1; i <= most; i++) {
		*now_us += 20 * MS;
		if (rmdt_pmtu_on_packet_lost(p, *now_us, size, 100 * MS))
			return i;
		rmdt_pmtu_on_packet_acked(p, RMDT_PMTU_BASE + 50);
	}
	return 0;
}

static void test_black_hole(void **state)
{
	struct rmdt_pmtu p;
	uint64_t now_us = 1;

	(void)state;
	rmdt_pmtu_init(&p, 0, 8972);
	run_search(&p, &now_us, 8972);
	/* 2 probe timeouts of 100 ms after the first loss: the 11th. */
	assert_int_equal(lose_until_black(&p, &now_us, 8972, 20), 11);
	assert_int_equal(rmdt_pmtu_current(&p), RMDT_PMTU_BASE);
	assert_int_equal(p.black_holes, 1);
	/* Losses of what was still under way do not count again. */
	assert_int_equal(lose_until_black(&p, &now_us, 8972, 20), 0);
	run_search(&p, &now_us, 1472);
	assert_int_equal(rmdt_pmtu_current(&p), 1472);
	/* An outage: the same size comes back with the first probe. */
	assert_int_equal(lose_until_black(&p, &now_us, 1472, 20), 11);
	assert_int_equal(run_search(&p, &now_us, 1472), 1);
	assert_int_equal(rmdt_pmtu_current(&p), 1472);
	/* The upper bound holds until the raise timer. */
	now_us += RMDT_PMTU_RAISE_US;
	run_search(&p, &now_us, 8972);
	assert_int_equal(rmdt_pmtu_current(&p), 8972);
}

static void test_no_black_hole(void **state)
{
	struct rmdt_pmtu p;
	uint64_t now_us = 1;

	(void)state;
	rmdt_pmtu_init(&p, 0, 1472);
	run_search(&p, &now_us, 1472);
	/* A burst of losses told at once is no black hole, nor are small packets. */
	for (int i = 0; i < 1000; i++) {
		assert_false(rmdt_pmtu_on_packet_lost(&p, now_us, 1472, 100 * MS));
		assert_false(rmdt_pmtu_on_packet_lost(&p, now_us + i * MS, 1200, 100 * MS));
	}
	/* Nor heavy loss, as long as something of the size comes through. */
	for (int i = 0; i < 1000; i++) {
		now_us += 50 * MS;
		assert_false(rmdt_pmtu_on_packet_lost(&p, now_us, 1472, 100 * MS));
		if (i % 4 == 0)
			rmdt_pmtu_on_packet_acked(&p, 1472);
	}
	assert_int_equal(rmdt_pmtu_current(&p), 1472);
}

static void test_emsgsize(void **state)
{
	struct rmdt_pmtu p;
	uint64_t now_us = 1;

	(void)state;
	/* A probe refused on the spot needs no second try. */
	rmdt_pmtu_init(&p, 0, 8972);
	assert_int_equal(rmdt_pmtu_next_probe(&p, now_us), 8972);
	rmdt_pmtu_probe_sent(&p, now_us, TIMEOUT);
	rmdt_pmtu_on_emsgsize(&p, now_us, 8972);
	assert_int_equal(rmdt_pmtu_next_probe(&p, now_us), 8952);
	rmdt_pmtu_on_emsgsize(&p, now_us, 8952);
	rmdt_pmtu_on_emsgsize(&p, now_us, 9500);
	run_search(&p, &now_us, 1472);
	assert_int_equal(rmdt_pmtu_current(&p), 1472);
	/* What worked is refused now: back to base, and up again below it. */
	rmdt_pmtu_on_emsgsize(&p, now_us, 1472);
	assert_int_equal(rmdt_pmtu_current(&p), RMDT_PMTU_BASE);
	assert_int_equal(rmdt_pmtu_next_probe(&p, now_us), 1452);
	rmdt_pmtu_on_emsgsize(&p, now_us, RMDT_PMTU_BASE);
	assert_int_equal(rmdt_pmtu_current(&p), RMDT_PMTU_BASE);
	run_search(&p, &now_us, 1452);
	assert_int_equal(rmdt_pmtu_current(&p), 1452);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search_rows),
		cmocka_unit_test(test_all_paths),
		cmocka_unit_test(test_nothing_to_search),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_probe_timer),
		cmocka_unit_test(test_raise_timer),
		cmocka_unit_test(test_black_hole),
		cmocka_unit_test(test_no_black_hole),
		cmocka_unit_test(test_emsgsize),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

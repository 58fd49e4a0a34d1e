/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "core/outflow.h"
#include "core/packet.h"
#include "core/rng.h"

struct fixture {
	struct rmdt_blocks pool;
	struct rmdt_sendbuf *sb;
	struct rmdt_outflow *of;
};

static void put(struct fixture *f, size_t len)
{
	while (len > 0) {
		struct rmdt_span span;

		assert_int_equal(rmdt_sendbuf_reserve(f->sb, len, &span), 0);
		memset(span.ptr, 'x', span.len);
		assert_int_equal(rmdt_sendbuf_commit(f->sb, span.off, span.len), 0);
		len -= span.len;
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct rmdt_open open = { .priority = 1 };

	rmdt_blocks_init(&f->pool, 16 << 20, NULL);
	f->sb = rmdt_sendbuf_new(&f->pool, 1000, 8 << 20);
	assert_int_equal(rmdt_outflow_new(&f->of, 3, f->sb, 1000, &open), 0);
	f->of->limit_off = UINT64_MAX;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rmdt_outflow_free(f->of);
	rmdt_sendbuf_free(f->sb);
	rmdt_blocks_fini(&f->pool);
	free(f);
	return 0;
}

static struct rmdt_chunk next(struct fixture *f, size_t max)
{
	struct rmdt_chunk c;

	assert_true(rmdt_outflow_next(f->of, max, UINT64_MAX, &c, NULL));
	rmdt_outflow_on_sent(f->of, &c);
	return c;
}

static void test_new_bytes_in_order(void **state)
{
	struct fixture *f = *state;
	struct rmdt_chunk c;

	assert_false(rmdt_outflow_next(f->of, 100, UINT64_MAX, &c, NULL));
	put(f, 250);
	c = next(f, 100);
	assert_true(c.off == 1000 && c.len == 100 && !c.repair && !c.fin);
	c = next(f, 100);
	assert_true(c.off == 1100 && c.len == 100);
	rmdt_sendbuf_finish(f->sb);
	c = next(f, 100);
	assert_true(c.off == 1200 && c.len == 50 && c.fin);
	assert_true(f->of->final_off == 1250);
	assert_false(rmdt_outflow_next(f->of, 100, UINT64_MAX, &c, NULL));
}

static void test_repairs_come_first_and_only_once(void **state)
{
	struct fixture *f = *state;
	struct rmdt_chunk c;

	put(f, 1000);
	for (int i = 0; i < 5; i++)
		next(f, 100);
	rmdt_outflow_on_lost(f->of, 1100, 100);
	rmdt_outflow_on_lost(f->of, 1100, 100);
	c = next(f, 100);
	assert_true(c.repair && c.off == 1100 && c.len == 100);
	c = next(f, 100);
	assert_true(!c.repair && c.off == 1500);
	assert_int_equal(f->of->repaired_bytes, 100);
	assert_int_equal(f->of->chunk_bytes, 700);
}

static void test_acked_bytes_are_not_repaired(void **state)
{
	struct fixture *f = *state;
	struct rmdt_chunk c;

	put(f, 1000);
	for (int i = 0; i < 10; i++)
		next(f, 100);
	rmdt_outflow_on_acked(f->of, 1200, 100);
	rmdt_outflow_on_acked(f->of, 1400, 50);
	rmdt_outflow_on_lost(f->of, 1100, 500);		/* 1100-1200, 1300-1400, 1450-1600 are missing */
	c = next(f, 1000);
	assert_true(c.off == 1100 && c.len == 100);
	c = next(f, 1000);
	assert_true(c.off == 1300 && c.len == 100);
	c = next(f, 1000);
	assert_true(c.off == 1450 && c.len == 150);
	assert_false(rmdt_outflow_next(f->of, 100, UINT64_MAX, &c, NULL));
}

/* The repair of 2000 was lost: it goes out now, and once more when nothing more urgent is left. */
static void test_what_is_lost_twice_is_sent_twice(void **state)
{
	struct fixture *f = *state;
	struct rmdt_chunk c;

	put(f, 5000);
	for (unsigned i = 0; i < 5; i++)
		next(f, 1000);
	rmdt_outflow_on_lost(f->of, 2000, 1000);
	rmdt_outflow_insist(f->of, 2000, 1000);
	rmdt_outflow_on_lost(f->of, 4000, 1000);
	c = next(f, 1000);
	assert_true(c.repair && c.off == 2000);
	c = next(f, 1000);
	assert_true(c.repair && c.off == 4000);
	c = next(f, 700);
	assert_true(c.repair && c.off == 2000 && c.len == 700);
	rmdt_outflow_on_acked(f->of, 2700, 300);
	assert_false(rmdt_outflow_next(f->of, 1000, UINT64_MAX, &c, NULL));
	/* What has arrived meanwhile is not insisted on. */
	rmdt_outflow_on_lost(f->of, 1000, 1000);
	rmdt_outflow_insist(f->of, 1000, 1000);
	rmdt_outflow_on_acked(f->of, 1000, 1700);
	rmdt_outflow_insist(f->of, 1000, 1000);
	assert_false(rmdt_outflow_next(f->of, 1000, UINT64_MAX, &c, NULL));
}

static void test_credit_and_limit(void **state)
{
	struct fixture *f = *state;
	struct rmdt_chunk c;
	bool blocked;

	put(f, 1000);
	f->of->limit_off = 1150;
	next(f, 100);
	assert_true(rmdt_outflow_next(f->of, 100, UINT64_MAX, &c, &blocked));
	assert_true(c.len == 50);
	assert_true(rmdt_outflow_next(f->of, 100, 20, &c, &blocked));
	assert_true(c.len == 20);
	rmdt_outflow_on_sent(f->of, &c);
	assert_false(rmdt_outflow_next(f->of, 100, 0, &c, &blocked));
	assert_true(blocked);
	/* S4: a repair needs no credit. */
	rmdt_outflow_on_lost(f->of, 1000, 100);
	assert_true(rmdt_outflow_next(f->of, 100, 0, &c, &blocked));
	assert_true(c.repair);
}

static void test_positions_from_the_far_end(void **state)
{
	struct fixture *f = *state;

	put(f, 1000);
	for (int i = 0; i < 5; i++)
		next(f, 100);
	assert_int_equal(rmdt_outflow_on_state(f->of, 1300, 1200, UINT64_MAX), 1);
	assert_int_equal(f->of->received_off, 1300);
	assert_int_equal(f->of->consumed_off, 1200);
	assert_int_equal(rmdt_outflow_on_state(f->of, 1200, 1100, 0), 0);	/* late: never back */
	assert_int_equal(f->of->received_off, 1300);
	assert_int_equal(rmdt_outflow_on_state(f->of, 1501, 1200, 0), -EPROTO);	/* never sent */
	assert_int_equal(rmdt_outflow_on_state(f->of, 1400, 1401, 0), -EPROTO);	/* consumed before received */
	rmdt_outflow_on_lost(f->of, 1000, 300);	/* long there */
	assert_true(rmdt_ranges_is_empty(&f->of->lost));
}

/* P9: what lies farther off could be taken for something else. */
static void test_limit_beyond_the_reach(void **state)
{
	struct fixture *f = *state;

	put(f, 1000);
	next(f, 100);
	f->of->limit_off = 0;
	assert_int_equal(rmdt_outflow_on_state(f->of, 1100, 1050, 1050 + RMDT_FLOW_REACH_BYTES), 1);
	assert_true(f->of->limit_off == 1050 + RMDT_FLOW_REACH_BYTES);
	assert_int_equal(rmdt_outflow_on_state(f->of, 1100, 1060, UINT64_C(1) << 61), 1);
	assert_true(f->of->limit_off == 1060 + RMDT_FLOW_REACH_BYTES);
}

static void test_probe_is_the_oldest_missing(void **state)
{
	struct fixture *f = *state;
	struct rmdt_chunk c;

	assert_false(rmdt_outflow_probe(f->of, 100, &c));
	put(f, 500);
	for (int i = 0; i < 5; i++)
		next(f, 100);
	rmdt_outflow_on_acked(f->of, 1000, 100);
	rmdt_outflow_on_acked(f->of, 1150, 100);
	assert_true(rmdt_outflow_probe(f->of, 100, &c));
	assert_true(c.off == 1100 && c.len == 50 && c.repair);
}

static void test_large_chunks_divide_a_block(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	put(f, RMDT_BLOCK_BYTES);	/* begins at 1000, so ends in the second block */
	for (uint64_t left = RMDT_BLOCK_BYTES; left > 0; n++)
		left -= next(f, 65463).len;
	assert_in_range(n, 5, 7);
}

/* Any order of losses and acks ends with everything received, and what is sent again is what was lost. */
static void test_model(void **state)
{
	struct fixture *f = *state;
	uint8_t seed[32] = { 7 };
	struct { uint64_t off; uint32_t len; } fly[64];
	unsigned n = 0, rounds = 0;
	struct rmdt_rng rng;
	struct rmdt_chunk c;

	rmdt_rng_init(&rng, seed);
	put(f, 200000);
	rmdt_sendbuf_finish(f->sb);
	while (f->of->received_off < 201000) {
		assert_true(++rounds < 20000);
		while (n < 64 && rmdt_outflow_next(f->of, 1 + rmdt_rng_u64(&rng) % 1500, UINT64_MAX, &c, NULL)) {
			rmdt_outflow_on_sent(f->of, &c);
			fly[n].off = c.off;
			fly[n++].len = c.len;
		}
		if (n > 0) {
			unsigned i = (unsigned)(rmdt_rng_u64(&rng) % n);

			if (rmdt_rng_u64(&rng) % 4 == 0)
				rmdt_outflow_on_lost(f->of, fly[i].off, fly[i].len);
			else
				rmdt_outflow_on_acked(f->of, fly[i].off, fly[i].len);
			fly[i] = fly[--n];
		}
	}
	assert_true(rmdt_ranges_is_empty(&f->of->lost));
	assert_true(f->of->final_off == 201000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_new_bytes_in_order), CASE(test_repairs_come_first_and_only_once),
		CASE(test_acked_bytes_are_not_repaired), CASE(test_what_is_lost_twice_is_sent_twice),
		CASE(test_credit_and_limit),
		CASE(test_positions_from_the_far_end), CASE(test_limit_beyond_the_reach),
		CASE(test_probe_is_the_oldest_missing),
		CASE(test_large_chunks_divide_a_block), CASE(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

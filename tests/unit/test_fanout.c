/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/fanout.h"
#include "rmdt.h"

#define NONE RMDT_OFF_NONE

/* A flow whose buffer is [base, head), with up to four members. */
struct flow {
	struct rmdt_fanout fo;
	struct rmdt_fanout_input in;
	struct rmdt_fanout_member m[4];
	size_t n;
	struct rmdt_fanout_output out;
};

static void start(struct flow *f, const char *policy, uint64_t linger_us, size_t n)
{
	struct rmdt_policy parsed;
	char why[256];

	memset(f, 0, sizeof(*f));
	assert_int_equal(rmdt_policy_parse(policy, &parsed, why, sizeof(why)), 0);
	rmdt_fanout_init(&f->fo, &parsed, linger_us);
	f->in.final_off = NONE;
	f->n = n;
	for (size_t i = 0; i < n; i++) {
		f->m[i].required = true;
		f->m[i].held_off = NONE;
	}
}

static void judge(struct flow *f, uint64_t now_us)
{
	rmdt_fanout_judge(&f->fo, &f->in, f->m, f->n, now_us, &f->out);
}

/* All that are told to go have gone. */
static void obey(struct flow *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->m[i].state == RMDT_FANOUT_LIVE && f->m[i].verdict != RMDT_DETACH_NONE)
			f->m[i].state = RMDT_FANOUT_DETACHED;
}

static void test_block(void **state)
{
	struct flow f;

	(void)state;
	start(&f, "block", 0, 3);
	f.in.head_off = 1000;
	f.m[0].position_off = 900;
	f.m[1].position_off = 300;
	f.m[2].position_off = 500;
	f.in.need_bytes = 1000;
	judge(&f, 1);
	assert_int_equal(f.out.release_off, 300);
	assert_int_equal(f.out.live, 3);
	assert_int_equal(f.out.next_us, NONE);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_NONE);
	assert_int_equal(f.m[1].lag_bytes, 600);
	/* The application keeps a log for one of them. */
	f.m[0].held_off = 100;
	judge(&f, 2);
	assert_int_equal(f.out.release_off, 100);
	/* A dead one is told to go, pins its bytes until it is gone, then no more. */
	f.m[0].held_off = NONE;
	f.m[1].state = RMDT_FANOUT_DETACHING;
	judge(&f, 3);
	assert_int_equal(f.out.release_off, 300);
	assert_false(f.out.satisfied);
	f.m[1].state = RMDT_FANOUT_DETACHED;
	judge(&f, 4);
	assert_int_equal(f.out.release_off, 500);
	assert_int_equal(f.out.live, 2);
	assert_int_equal(f.out.detached, 1);
}

static void test_nobody_attached(void **state)
{
	struct flow f;

	(void)state;
	start(&f, "block", 0, 0);
	f.in.base_off = 50;
	f.in.head_off = 100;
	judge(&f, 1);
	assert_int_equal(f.out.release_off, 50);
	f.n = 1;
	f.m[0].state = RMDT_FANOUT_DETACHED;
	judge(&f, 2);
	assert_int_equal(f.out.release_off, 50);
	f.in.final_off = 100;
	judge(&f, 3);
	assert_true(f.out.complete);
}

static void test_not_required(void **state)
{
	struct flow f;

	(void)state;
	start(&f, "block", 1000, 2);
	f.m[1].required = false;
	f.in.head_off = 1000;
	f.m[0].position_off = 900;
	f.m[1].position_off = 100;
	f.in.base_off = 100;
	judge(&f, 1);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_NONE);
	f.in.need_bytes = 10;
	judge(&f, 2);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_QUORUM);
	assert_int_equal(f.out.release_off, 100);
	obey(&f);
	judge(&f, 3);
	assert_int_equal(f.out.release_off, 900);
	assert_true(f.out.satisfied);
}

static void test_drop_bytes(void **state)
{
	struct flow f;

	(void)state;
	start(&f, "drop:100k", 0, 2);
	f.in.head_off = 5000000;
	f.m[0].position_off = 200000;
	f.m[1].position_off = 100000;
	judge(&f, 1);		/* both far behind the writer, neither behind the other */
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_NONE);
	f.m[0].position_off = 200001;
	judge(&f, 2);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_LAG_BYTES);
	assert_int_equal(f.m[0].verdict, RMDT_DETACH_NONE);
	assert_int_equal(f.out.release_off, 100000);
	assert_int_equal(f.out.live, 1);
	assert_int_equal(f.out.detached, 1);
	obey(&f);
	judge(&f, 3);
	assert_int_equal(f.out.release_off, 200001);
	assert_true(f.out.satisfied);
}

static void test_drop_more_than_the_buffer_holds(void **state)
{
	struct flow f;

	(void)state;
	start(&f, "drop:1G", 0, 2);
	f.in.head_off = 1000000;
	f.m[0].position_off = 1000000;
	judge(&f, 1);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_NONE);
	f.in.need_bytes = 1;
	f.m[0].position_off = 870000;	/* it still has 13 % ahead of it */
	judge(&f, 2);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_NONE);
	f.m[0].position_off = 880000;
	judge(&f, 3);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_LAG_BYTES);
}

static void test_drop_time(void **state)
{
	struct flow f;
	uint64_t now = 1000000, dropped_us = 0;

	(void)state;
	start(&f, "drop:1s", 0, 2);
	/* Both go on at 1 MB/s for 10 s, then the second one stops. */
	for (; now < 20000000 && !dropped_us; now += 10000) {
		f.in.head_off += 10000;
		f.m[0].position_off += 10000;
		if (now < 11000000)
			f.m[1].position_off += 10000;
		judge(&f, now);
		if (f.m[1].verdict != RMDT_DETACH_NONE)
			dropped_us = now;
		assert_int_equal(f.m[0].verdict, RMDT_DETACH_NONE);
	}
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_LAG_TIME);
	assert_in_range(dropped_us, 12000000, 12100000);
}

/* Time alone must bring the judgement, at the time that next_us says. */
static void test_drop_time_while_quiet(void **state)
{
	struct flow f;
	uint64_t now = 1000000;
	int calls = 0;

	(void)state;
	start(&f, "drop:2s", 0, 2);
	judge(&f, now);
	assert_int_equal(f.out.next_us, NONE);
	/* An hour later there is one write, which only the first one gets. */
	now += 3600000000;
	f.in.head_off = 100;
	f.m[0].position_off = 100;
	judge(&f, now);
	while (f.m[1].verdict == RMDT_DETACH_NONE) {
		assert_true(f.out.next_us > now && f.out.next_us != NONE);
		now = f.out.next_us;
		judge(&f, now);
		assert_true(++calls < 10);
	}
	assert_in_range(now, 3603000000, 3603100000);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_LAG_TIME);
}

/* The furthest moves again just after it was noted: that is noted later, without another event. */
static void test_drop_time_just_after_a_sample(void **state)
{
	struct flow f;
	uint64_t now = 1000000;

	(void)state;
	start(&f, "drop:2s", 0, 2);
	judge(&f, now);
	now += 1000000;
	f.in.head_off = f.m[0].position_off = f.m[1].position_off = 100;
	judge(&f, now);
	now += 1000;
	f.in.head_off = f.m[0].position_off = 200;
	judge(&f, now);
	while (f.m[1].verdict == RMDT_DETACH_NONE) {
		assert_true(f.out.next_us > now && f.out.next_us != NONE);
		now = f.out.next_us;
		judge(&f, now);
	}
	assert_in_range(now, 4001000, 4100000);
}

static void test_drop_time_spares_who_has_just_joined(void **state)
{
	struct flow f;

	(void)state;
	start(&f, "drop:1s", 0, 1);
	judge(&f, 1000000);
	f.in.head_off = 1000;
	f.m[0].position_off = 1000;
	judge(&f, 2000000);
	f.n = 2;
	f.m[1] = (struct rmdt_fanout_member){ .required = true, .held_off = NONE,
					      .joined_us = 9000000 };
	judge(&f, 9900000);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_NONE);
	assert_int_equal(f.m[1].lag_us, 900000);
	judge(&f, 10000001);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_LAG_TIME);
}

static void test_quorum_needs_room_first(void **state)
{
	struct flow f;

	(void)state;
	start(&f, "quorum:2", 0, 3);
	f.in.head_off = 1000;
	f.m[0].position_off = 1000;
	f.m[1].position_off = 800;
	judge(&f, 1);
	assert_int_equal(f.out.release_off, 0);
	assert_int_equal(f.m[2].verdict, RMDT_DETACH_NONE);
	f.m[2].position_off = 10;
	f.in.base_off = 10;
	f.in.need_bytes = 1;
	judge(&f, 2);
	assert_int_equal(f.m[2].verdict, RMDT_DETACH_QUORUM);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_NONE);
	assert_int_equal(f.out.release_off, 10);
	obey(&f);
	judge(&f, 3);
	assert_int_equal(f.out.release_off, 800);
	assert_true(f.out.satisfied);
	/* From now on two are left and both are needed. */
	f.in.base_off = 800;
	judge(&f, 4);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_NONE);
	assert_int_equal(f.out.release_off, 800);
	f.m[1].state = RMDT_FANOUT_DETACHED;
	judge(&f, 5);
	assert_false(f.out.satisfied);
	assert_int_equal(f.out.release_off, 1000);
}

static void test_quorum_keeps_equals(void **state)
{
	struct flow f;

	/* The writer always fills the buffer; all three go at the speed of the network. */
	(void)state;
	start(&f, "quorum:1", 0, 3);
	f.in.head_off = 1000000;
	f.in.need_bytes = 65536;
	for (uint64_t at = 0; at < 10000000; at += 1000) {
		f.m[0].position_off = at + 3000;
		f.m[1].position_off = at + 1500;
		f.m[2].position_off = at;
		judge(&f, at);
		assert_int_equal(f.out.live, 3);
		f.in.base_off = f.out.release_off;
		f.in.head_off = f.in.base_off + 1000000;
	}
}

static void test_quorum_with_a_dead_one_never_stalls(void **state)
{
	struct flow f;

	/* The last one never moves. All that the others have got is kept for it, but no longer. */
	(void)state;
	start(&f, "quorum:2", 0, 3);
	f.in.head_off = 1000000;
	f.in.need_bytes = 900000;
	f.m[0].position_off = f.m[1].position_off = 499999;
	judge(&f, 1);
	assert_int_equal(f.m[2].verdict, RMDT_DETACH_NONE);
	f.m[0].position_off = f.m[1].position_off = 500001;
	judge(&f, 2);
	assert_int_equal(f.m[2].verdict, RMDT_DETACH_QUORUM);
	/* Also when little is buffered and much is wanted. */
	start(&f, "quorum:2", 0, 3);
	f.in.head_off = 100;
	f.in.need_bytes = 999990;
	f.m[0].position_off = f.m[1].position_off = 100;
	judge(&f, 1);
	assert_int_equal(f.m[2].verdict, RMDT_DETACH_QUORUM);
}

static void test_linger(void **state)
{
	struct flow f;

	(void)state;
	start(&f, "quorum:1", 5000000, 2);
	f.in.head_off = f.in.final_off = 1000;
	f.m[0].position_off = 1000;
	judge(&f, 1000000);
	assert_int_equal(f.out.next_us, NONE);
	f.m[0].state = RMDT_FANOUT_FINISHED;
	judge(&f, 2000000);
	assert_int_equal(f.out.next_us, 7000000);
	assert_false(f.out.complete);
	assert_int_equal(f.out.release_off, 0);
	judge(&f, 6999999);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_NONE);
	judge(&f, 7000000);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_LINGER);
	assert_int_equal(f.out.next_us, NONE);
	assert_false(f.out.complete);
	f.m[1].state = RMDT_FANOUT_DETACHING;
	judge(&f, 7000001);
	assert_false(f.out.complete);
	f.m[1].state = RMDT_FANOUT_DETACHED;
	judge(&f, 7000002);
	assert_true(f.out.complete);
	assert_true(f.out.satisfied);
	assert_int_equal(f.out.release_off, 1000);
}

static void test_block_never_lingers(void **state)
{
	struct flow f;

	(void)state;
	start(&f, "block", 0, 2);
	f.in.head_off = f.in.final_off = 1000;
	f.m[0].state = RMDT_FANOUT_FINISHED;
	judge(&f, 1);
	judge(&f, 3600000000);
	assert_int_equal(f.m[1].verdict, RMDT_DETACH_NONE);
	f.m[1].state = RMDT_FANOUT_FINISHED;
	judge(&f, 3600000001);
	assert_true(f.out.complete && f.out.satisfied);
	assert_int_equal(f.out.finished, 2);
}

static void test_reasons(void **state)
{
	(void)state;
	for (int r = RMDT_DETACH_NONE; r <= RMDT_DETACH_LINGER; r++)
		assert_non_null(rmdt_detach_reason_text((enum rmdt_detach_reason)r));
	assert_int_equal(rmdt_detach_reason_code(RMDT_DETACH_NONE), RMDT_CODE_NONE);
	assert_int_equal(rmdt_detach_reason_code(RMDT_DETACH_LAG_TIME), RMDT_CODE_BEHIND);
	assert_int_equal(rmdt_detach_reason_code(RMDT_DETACH_QUORUM), RMDT_CODE_BEHIND);
	assert_int_equal(rmdt_detach_reason_code(RMDT_DETACH_LINGER), RMDT_CODE_LINGER);
}

/* Whatever happens: nothing is released that a member not yet gone needs; base never goes back. */
static void test_random(void **state)
{
	static const char *const policies[] = { "block", "drop:64Ki", "drop:5ms", "quorum:2" };
	unsigned seed = 11;

	(void)state;
	for (int run = 0; run < 400; run++) {
		struct flow f;
		uint64_t now = 1000;

		start(&f, policies[run % 4], 3000, 4);
		f.m[3].required = run % 3 != 0;
		for (int step = 0; step < 300; step++) {
			struct rmdt_fanout_member *m;

			seed = seed * 1103515245u + 12345u;
			m = &f.m[seed >> 8 & 3];
			now += seed >> 12 & 1023;
			if (f.in.head_off - f.in.base_off < 200000 && f.in.final_off == NONE)
				f.in.head_off += seed >> 10 & 16383;
			f.in.need_bytes = f.in.head_off - f.in.base_off < 200000 ? 0 : 4096;
			if (step == 250)
				f.in.final_off = f.in.head_off;
			m->position_off += seed >> 9 & 32767;
			if (m->position_off > f.in.head_off)
				m->position_off = f.in.head_off;
			if (m->state == RMDT_FANOUT_DETACHING)
				m->state = RMDT_FANOUT_DETACHED;
			if (m->state == RMDT_FANOUT_LIVE && m->position_off == f.in.final_off)
				m->state = RMDT_FANOUT_FINISHED;
			judge(&f, now);
			assert_true(f.out.next_us > now);
			assert_true(f.out.release_off >= f.in.base_off);
			assert_true(f.out.release_off <= f.in.head_off);
			for (int i = 0; i < 4; i++) {
				if (f.m[i].state == RMDT_FANOUT_LIVE ||
				    f.m[i].state == RMDT_FANOUT_DETACHING)
					assert_true(f.out.release_off <= f.m[i].position_off);
				if (f.m[i].state == RMDT_FANOUT_LIVE && f.m[i].verdict)
					f.m[i].state = RMDT_FANOUT_DETACHING;
			}
			if (run % 4 == 0)	/* block never detaches a required one */
				assert_true(f.m[0].state == RMDT_FANOUT_LIVE ||
					    f.m[0].state == RMDT_FANOUT_FINISHED);
			f.in.base_off = f.out.release_off;
			assert_int_equal(f.out.live + f.out.finished + f.out.detached, 4);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_nobody_attached),
		cmocka_unit_test(test_not_required),
		cmocka_unit_test(test_drop_bytes),
		cmocka_unit_test(test_drop_more_than_the_buffer_holds),
		cmocka_unit_test(test_drop_time),
		cmocka_unit_test(test_drop_time_while_quiet),
		cmocka_unit_test(test_drop_time_just_after_a_sample),
		cmocka_unit_test(test_drop_time_spares_who_has_just_joined),
		cmocka_unit_test(test_quorum_needs_room_first),
		cmocka_unit_test(test_quorum_keeps_equals),
		cmocka_unit_test(test_quorum_with_a_dead_one_never_stalls),
		cmocka_unit_test(test_linger),
		cmocka_unit_test(test_block_never_lingers),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

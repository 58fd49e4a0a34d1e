/* SPDX-License-Identifier: Apache-2.0 */
/* Marking is tried, believed, and given up where the path bleaches, drops or invents marks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/ecn.h"
#include "core/rng.h"

/* A sender of packets pn, pn + 1, ... and what the far end counts. */
struct path {
	struct rmdt_ecn_path ecn;
	uint64_t pn, ect, ce;
};

static struct path begin(void)
{
	struct path p = { .pn = 100 };

	rmdt_ecn_init(&p.ecn);
	return p;
}

/* One packet goes out; was it marked? */
static bool send(struct path *p)
{
	bool marked = rmdt_ecn_wants(&p->ecn) > 0;

	if (marked)
		rmdt_ecn_on_sent(&p->ecn);
	p->pn++;
	return marked;
}

static uint32_t tell(struct path *p)
{
	return rmdt_ecn_on_ack(&p->ecn, p->ect, p->ce);
}

/* n marked packets are sent, arrive as they are, and are acked at once. */
static void pass(struct path *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_true(send(p));
		p->ect++;
		rmdt_ecn_on_acked(&p->ecn, p->pn - 1);
		assert_int_equal(tell(p), 0);
	}
}

static void lose(struct path *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_true(send(p));
		rmdt_ecn_on_lost(&p->ecn, p->pn - 1, p->pn);
	}
}

static void test_first_ten(void **state)
{
	struct path p = begin();

	(void)state;
	for (unsigned i = 0; i < RMDT_ECN_TEST_PKTS; i++)
		assert_true(send(&p));
	assert_false(send(&p));
	assert_int_equal(p.ecn.state, RMDT_ECN_TESTING);
	p.ect = 1;
	rmdt_ecn_on_acked(&p.ecn, 100);
	assert_int_equal(tell(&p), 0);
	assert_int_equal(p.ecn.state, RMDT_ECN_CAPABLE);
	assert_int_equal(rmdt_ecn_wants(&p.ecn), UINT32_MAX);
	pass(&p, 1000);
}

static void test_marks_are_heeded_once(void **state)
{
	struct path p = begin();

	(void)state;
	pass(&p, 20);
	for (unsigned i = 0; i < 5; i++)
		assert_true(send(&p));
	p.ect += 2;
	p.ce += 3;
	for (unsigned i = 5; i > 0; i--)
		rmdt_ecn_on_acked(&p.ecn, p.pn - i);
	assert_int_equal(tell(&p), 3);
	assert_int_equal(tell(&p), 0);
	/* An ack that was overtaken tells less, and means nothing. */
	assert_int_equal(rmdt_ecn_on_ack(&p.ecn, 20, 1), 0);
	assert_int_equal(p.ecn.state, RMDT_ECN_CAPABLE);
	assert_true(send(&p));
	p.ce++;
	rmdt_ecn_on_acked(&p.ecn, p.pn - 1);
	assert_int_equal(tell(&p), 1);
}

static void test_marks_of_the_test_are_not_forgotten(void **state)
{
	struct path p = begin();

	(void)state;
	assert_true(send(&p));
	assert_true(send(&p));
	p.ce = 2;
	assert_int_equal(tell(&p), 0);	/* nothing of it is acked: perhaps not ours */
	rmdt_ecn_on_acked(&p.ecn, 100);
	rmdt_ecn_on_acked(&p.ecn, 101);
	assert_int_equal(tell(&p), 2);
}

static void test_bleached(void **state)
{
	struct path p = begin();

	(void)state;
	assert_true(send(&p));
	rmdt_ecn_on_acked(&p.ecn, 100);
	assert_int_equal(tell(&p), 0);
	assert_int_equal(p.ecn.state, RMDT_ECN_FAILED);
	assert_false(send(&p));
	p.ce = 1;			/* too late */
	assert_int_equal(tell(&p), 0);
}

static void test_bleached_later(void **state)
{
	struct path p = begin();

	(void)state;
	pass(&p, 300);
	assert_true(send(&p));
	rmdt_ecn_on_acked(&p.ecn, p.pn - 1);
	assert_int_equal(tell(&p), 0);
	assert_false(send(&p));
}

static void test_dropped(void **state)
{
	struct path p = begin();

	(void)state;
	lose(&p, RMDT_ECN_TESTS * RMDT_ECN_TEST_PKTS);
	assert_int_equal(p.ecn.state, RMDT_ECN_FAILED);
	assert_false(send(&p));
	/* Another path is another matter, and what was sent on this one says nothing about it. */
	rmdt_ecn_new_path(&p.ecn, p.pn);
	rmdt_ecn_on_lost(&p.ecn, 100, p.pn);
	rmdt_ecn_on_acked(&p.ecn, 101);
	assert_int_equal(tell(&p), 0);
	pass(&p, 30);
}

static void test_dropped_later(void **state)
{
	struct path p = begin();

	(void)state;
	pass(&p, 300);
	lose(&p, RMDT_ECN_LOST_PKTS);
	assert_int_equal(p.ecn.state, RMDT_ECN_TESTING);
	lose(&p, RMDT_ECN_TESTS * RMDT_ECN_TEST_PKTS);
	assert_false(send(&p));
}

/* Ordinary loss, an outage: marking goes on. */
static void test_loss_is_no_drop(void **state)
{
	struct path p = begin();

	(void)state;
	pass(&p, 1);
	for (unsigned i = 0; i < 100; i++) {
		lose(&p, RMDT_ECN_LOST_PKTS - 1);
		pass(&p, 1);
	}
	assert_int_equal(p.ecn.state, RMDT_ECN_CAPABLE);
	lose(&p, RMDT_ECN_LOST_PKTS);
	/* each outage swallows a test, and one test passes */
	for (unsigned i = 0; i < 50; i++) {
		lose(&p, RMDT_ECN_TEST_PKTS * (RMDT_ECN_TESTS - 1));
		pass(&p, 1);
		assert_int_equal(p.ecn.state, RMDT_ECN_CAPABLE);
		lose(&p, RMDT_ECN_LOST_PKTS);
	}
}

static void test_invented(void **state)
{
	struct path p = begin();

	(void)state;
	pass(&p, 50);
	p.ce = 1;			/* 51 counted of 50 */
	assert_int_equal(tell(&p), 0);
	assert_false(send(&p));

	p = begin();
	pass(&p, 50);
	assert_int_equal(rmdt_ecn_on_ack(&p.ecn, UINT64_C(1) << 61, UINT64_C(1) << 61), 0);
	assert_false(send(&p));
}

static void test_all_ce(void **state)
{
	struct path p = begin();
	uint64_t heeded = 0;

	(void)state;
	while (send(&p) && p.ce < 10000) {
		p.ce++;
		rmdt_ecn_on_acked(&p.ecn, p.pn - 1);
		heeded += tell(&p);
	}
	assert_int_equal(p.ce, RMDT_ECN_ALL_CE_PKTS);
	assert_int_equal(heeded, RMDT_ECN_ALL_CE_PKTS - 1);
}

/* What the old path marked is no word about the new one, heard before the move or after it. */
static void test_moved(void **state)
{
	struct path p = begin();

	(void)state;
	pass(&p, 20);
	for (unsigned i = 0; i < 6; i++)
		assert_true(send(&p));
	rmdt_ecn_new_path(&p.ecn, p.pn);
	p.ce += 4;
	for (unsigned i = 0; i < 4; i++)
		rmdt_ecn_on_acked(&p.ecn, 120 + i);
	assert_int_equal(tell(&p), 0);
	/* One ack for both: the marks are taken for the old path's as far as they can be. */
	assert_true(send(&p));
	assert_true(send(&p));
	p.ce += 3;
	p.ect++;
	rmdt_ecn_on_acked(&p.ecn, 124);
	rmdt_ecn_on_acked(&p.ecn, 125);
	rmdt_ecn_on_acked(&p.ecn, 126);
	rmdt_ecn_on_acked(&p.ecn, 127);
	assert_int_equal(tell(&p), 1);
	assert_int_equal(p.ecn.state, RMDT_ECN_CAPABLE);
	assert_true(send(&p));
	p.ce++;
	rmdt_ecn_on_acked(&p.ecn, p.pn - 1);
	assert_int_equal(tell(&p), 1);
}

/* Marks that were not believed are not made good on another path. */
static void test_moved_from_a_failed_path(void **state)
{
	struct path p = begin();

	(void)state;
	pass(&p, 50);
	p.ce = 1;			/* invented */
	assert_int_equal(tell(&p), 0);
	assert_int_equal(p.ecn.state, RMDT_ECN_FAILED);
	for (unsigned i = 0; i < 10; i++)
		rmdt_ecn_on_sent(&p.ecn);
	rmdt_ecn_new_path(&p.ecn, p.pn);
	pass(&p, 10);
}

/*
 * Acks lost and overtaken, packets lost and late, marks here and there: an honest path is always
 * believed.
 */
static void test_honest_path(void **state)
{
	enum { PKTS = 20000, WINDOW = 64 };
	static struct { bool marked, arrived, settled; } sent[PKTS];
	struct { uint64_t upto, ect, ce; } ack[PKTS];
	struct path p = begin();
	uint64_t heeded = 0, ce_told = 0;
	struct rmdt_rng rng;
	uint8_t seed[32] = { 7 };

	(void)state;
	rmdt_rng_init(&rng, seed);
	p.pn = 0;
	for (unsigned i = 0; i < PKTS; i++) {
		sent[i].marked = send(&p);
		sent[i].arrived = rmdt_rng_u64(&rng) % 10 != 0;
		if (sent[i].marked && sent[i].arrived && rmdt_rng_u64(&rng) % 20 == 0)
			p.ce++;
		else if (sent[i].marked && sent[i].arrived)
			p.ect++;
		ack[i].upto = i;
		ack[i].ect = p.ect;
		ack[i].ce = p.ce;
		if (i < WINDOW || rmdt_rng_u64(&rng) % 3 == 0)	/* a third of the acks is lost */
			continue;
		/* One of the last acks arrives; it names what came until it was written. */
		uint64_t which = i - rmdt_rng_u64(&rng) % 8;

		for (uint64_t k = which > 2 * WINDOW ? which - 2 * WINDOW :
		     0; k <= ack[which].upto; k++) {
			if (sent[k].settled || !sent[k].marked)
				continue;
			if (!sent[k].arrived && k + WINDOW > which)
				continue;
			sent[k].settled = true;
			if (sent[k].arrived)
				rmdt_ecn_on_acked(&p.ecn, k);
			else
				rmdt_ecn_on_lost(&p.ecn, k, p.pn);
		}
		heeded += rmdt_ecn_on_ack(&p.ecn, ack[which].ect, ack[which].ce);
		ce_told = ack[which].ce > ce_told ? ack[which].ce : ce_told;
		assert_int_not_equal(p.ecn.state, RMDT_ECN_FAILED);
	}
	assert_int_equal(heeded, ce_told);
	assert_true(heeded > 500);
	rmdt_rng_fini(&rng);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_ten),
		cmocka_unit_test(test_marks_are_heeded_once),
		cmocka_unit_test(test_marks_of_the_test_are_not_forgotten),
		cmocka_unit_test(test_bleached),
		cmocka_unit_test(test_bleached_later),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_dropped_later),
		cmocka_unit_test(test_loss_is_no_drop),
		cmocka_unit_test(test_invented),
		cmocka_unit_test(test_all_ce),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_moved_from_a_failed_path),
		cmocka_unit_test(test_honest_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "tests/lab/emu_conf.h"
#include "tests/lab/emu_link.h"

#define MS UINT64_C(1000000)
#define PKTS 200000

static void setup(struct emu_link *link, const char *words)
{
	struct emu_params params;
	char copy[256], *save;

	emu_conf_defaults(&params);
	strcpy(copy, words);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		assert_int_equal(emu_conf_apply(&params, w), 0);
	emu_link_init(link, &params, 7);
}

static struct emu_verdict offer(struct emu_link *link, uint64_t now_ns, uint32_t bytes)
{
	struct emu_verdict v;

	emu_link_offer(link, NULL, now_ns, bytes, &v);
	return v;
}

static void assert_part(double count, double of, double least, double most)
{
	if (count < of * least || count > of * most)
		fail_msg("%g of %g is not in %g..%g", count, of, least, most);
}

static void test_perfect(void **state)
{
	struct emu_link link;

	(void)state;
	emu_link_init(&link, NULL, 1);
	for (uint64_t i = 0; i < 1000; i++) {
		struct emu_verdict v = offer(&link, i / 10 * MS, 65535);

		assert_int_equal(v.fate, EMU_PASS);
		assert_int_equal(v.due_ns, i / 10 * MS);
		assert_false(v.twice || v.mark || v.corrupt);
	}
	assert_int_equal(link.count.in_pkts, 1000);
	assert_int_equal(link.count.fate[EMU_PASS], 1000);
}

static void test_rate_and_delay(void **state)
{
	struct emu_link link;

	(void)state;
	setup(&link, "rate=12M delay=50ms queue=1s");
	for (uint64_t i = 0; i < 1000; i++) /* 1500 bytes at 12 Mbit/s are 1 ms */
		assert_int_equal(offer(&link, 0, 1500).due_ns, (i + 1 + 50) * MS);
	/* Idle time is not saved up. */
	assert_int_equal(offer(&link, 5000 * MS, 1500).due_ns, 5051 * MS);
	assert_int_equal(emu_queue_wait_ns(&link.queue, 5000 * MS), 1 * MS);
	assert_int_equal(emu_queue_wait_ns(&link.queue, 5002 * MS), 0);
}

static unsigned accepted(struct emu_link *link, unsigned offered)
{
	unsigned n = 0;

	for (unsigned i = 0; i < offered; i++) {
		struct emu_verdict v = offer(link, 0, 1500);

		assert_true(v.fate == EMU_PASS || v.fate == EMU_DROP_QUEUE);
		n += v.fate == EMU_PASS;
	}
	assert_int_equal(link->count.fate[EMU_DROP_QUEUE], offered - n);
	return n;
}

static void test_queue_limits(void **state)
{
	struct emu_link link;

	(void)state;
	setup(&link, "rate=12M queue=20ms"); /* the wait may be 20 ms, and the one more that is on
	                                        the wire */
	assert_int_equal(accepted(&link, 100), 21);
	assert_int_equal(offer(&link, 1 * MS, 1500).fate, EMU_PASS);
	assert_int_equal(offer(&link, 1 * MS, 1500).fate, EMU_DROP_QUEUE);
	setup(&link, "rate=12M queue=15k");
	assert_int_equal(accepted(&link, 100), 10);
	setup(&link, "rate=12M queue=0");
	assert_int_equal(accepted(&link, 100), 100);
	setup(&link, "queue=0 rate=12M");
	assert_int_equal(accepted(&link, 1000), 1000);
	setup(&link, "rate=12M"); /* EMU_DEFAULT_QUEUE_US */
	assert_int_equal(accepted(&link, 1000), 101);
	/* A packet longer than the queue passes when there is none before it. */
	setup(&link, "rate=12M queue=1000");
	assert_int_equal(accepted(&link, 3), 1);
}

static void test_rate_change(void **state)
{
	struct emu_link link;
	struct emu_params params;

	(void)state;
	setup(&link, "rate=12M queue=1s");
	for (int i = 0; i < 100; i++)
		offer(&link, 0, 1500);
	params = link.params;
	params.shape.rate_bps = 0;
	emu_link_set(&link, &params);
	/* Even without a limit nothing overtakes what waits. */
	assert_int_equal(offer(&link, 0, 1500).due_ns, 100 * MS);
	assert_int_equal(offer(&link, 200 * MS, 1500).due_ns, 200 * MS);
}

static void test_loss(void **state)
{
	struct emu_link link;

	(void)state;
	setup(&link, "loss=1%");
	for (unsigned i = 0; i < PKTS; i++)
		offer(&link, i, 1500);
	assert_part((double)link.count.fate[EMU_LOST], PKTS, 0.009, 0.011);
	setup(&link, "loss=100%");
	assert_int_equal(offer(&link, 0, 1).fate, EMU_LOST);
}

static void test_burst(void **state)
{
	struct emu_link link;
	unsigned bursts = 0;
	bool before = false;

	(void)state;
	setup(&link, "burst=2%:8");
	for (unsigned i = 0; i < PKTS; i++) {
		bool lost = offer(&link, i, 1500).fate == EMU_LOST;

		bursts += lost && !before;
		before = lost;
	}
	double lost = (double)link.count.fate[EMU_LOST];

	assert_part(lost, PKTS, 0.017, 0.023);
	assert_part(lost, bursts, 7, 9);
	/* Switching it off ends the burst. */
	setup(&link, "ge=1:0.000001");
	assert_int_equal(offer(&link, 0, 1).fate, EMU_LOST);
	assert_int_equal(offer(&link, 0, 1).fate, EMU_LOST);
	struct emu_params off;

	emu_conf_defaults(&off);
	emu_link_set(&link, &off);
	assert_int_equal(offer(&link, 0, 1).fate, EMU_PASS);
	assert_int_equal(offer(&link, 0, 1).fate, EMU_PASS);
}

static void test_reorder(void **state)
{
	struct emu_link link;
	uint64_t last = 0;

	(void)state;
	setup(&link, "delay=10ms reorder=2%:3ms");
	for (uint64_t i = 0; i < PKTS; i++) {
		uint64_t now = i * 10000, due = offer(&link, now, 1500).due_ns;

		if (due == now + 13 * MS)
			continue;
		assert_int_equal(due, now + 10 * MS);
		assert_true(due >= last);
		last = due;
	}
	assert_part((double)link.count.reordered, PKTS, 0.018, 0.022);
}

static void test_jitter(void **state)
{
	struct emu_link link;
	uint64_t last = 0, least = UINT64_MAX, most = 0;

	(void)state;
	setup(&link, "delay=20ms jitter=8ms");
	for (uint64_t i = 0; i < PKTS; i++) {
		uint64_t now = i * 50000, due = offer(&link, now, 1500).due_ns;

		assert_true(due >= last);
		assert_in_range(due - now, 20 * MS, 28 * MS);
		last = due;
		least = due - now < least ? due - now : least;
		most = due - now > most ? due - now : most;
	}
	assert_true(least < 21 * MS && most > 27 * MS);
}

/* A delay that becomes shorter does not make packets overtake. */
static void test_delay_change(void **state)
{
	struct emu_link link;
	struct emu_params params;

	(void)state;
	setup(&link, "delay=100ms");
	offer(&link, 0, 1);
	params = link.params;
	params.delay_us = 1000;
	emu_link_set(&link, &params);
	assert_int_equal(offer(&link, 1 * MS, 1).due_ns, 100 * MS);
	assert_int_equal(offer(&link, 200 * MS, 1).due_ns, 201 * MS);
}

static void test_dup_and_corrupt(void **state)
{
	struct emu_link link;
	unsigned twice = 0, corrupt = 0;

	(void)state;
	setup(&link, "dup=3% corrupt=5%");
	for (unsigned i = 0; i < PKTS; i++) {
		struct emu_verdict v = offer(&link, i, 1500);

		twice += v.twice;
		corrupt += v.corrupt;
	}
	assert_part(twice, PKTS, 0.028, 0.032);
	assert_part(corrupt, PKTS, 0.047, 0.053);
	assert_int_equal(link.count.duplicated, twice);
}

static void test_mark(void **state)
{
	struct emu_link link;

	(void)state;
	setup(&link, "rate=12M queue=1s ecn=5ms");
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(offer(&link, 0, 1500).mark, i > 5);
	assert_false(offer(&link, 100 * MS, 1500).mark);
}

static void test_ect(void **state)
{
	struct emu_verdict v = { .mark = true };
	struct emu_link link;
	unsigned ecn;

	(void)state;
	setup(&link, "");
	for (ecn = 0; ecn < 4; ecn++) {
		unsigned out = ecn;

		assert_true(emu_link_ecn(&link, &v, &out));
		assert_int_equal(out, ecn ? 3 : 0);
	}
	assert_int_equal(link.count.marked, 2);
	setup(&link, "ect=bleach");
	ecn = 2;
	assert_true(emu_link_ecn(&link, &v, &ecn));
	assert_int_equal(ecn, 0);
	setup(&link, "ect=drop");
	assert_int_equal(offer(&link, 0, 100).fate, EMU_PASS);
	assert_true(emu_link_ecn(&link, &v, &ecn));
	ecn = 2;
	assert_false(emu_link_ecn(&link, &v, &ecn));
	assert_int_equal(link.count.fate[EMU_DROP_ECT], 1);
	assert_int_equal(link.count.fate[EMU_PASS], 0);
}

/*
 * How many of our packets, which come at twice the rate of the link, pass in a second from `at` on.
 */
static unsigned passes(struct emu_link *link, uint64_t at_ms)
{
	unsigned n = 0;

	for (uint64_t us = 0; us < 1000000; us += 60)	/* 200 Mbit/s */
		n += offer(link, at_ms * MS + us * EMU_NS_PER_US, 1500).fate == EMU_PASS;
	return n;
}

static void test_cross(void **state)
{
	struct emu_link link;
	unsigned n;

	(void)state;
	setup(&link, "rate=100M queue=10ms");
	n = passes(&link, 0);
	assert_in_range(n, 8300, 8450);		/* 8333 and a queue full */
	assert_int_equal(link.count.cross_pkts, 0);

	/* Two that do not give way share by what they offer: 200 and 100. */
	setup(&link, "rate=100M queue=10ms cross=100M");
	n = passes(&link, 0);
	assert_in_range(n, 4900, 6200);
	assert_in_range(n + link.count.cross_pkts, 8300, 8450);
	assert_true(link.count.cross_drops > 1000);

	/* What leaves room costs only the room it takes. */
	setup(&link, "rate=1G queue=10ms cross=300M");
	for (uint64_t us = 0; us < 1000000; us += 30)	/* 400 Mbit/s */
		assert_int_equal(offer(&link, us * EMU_NS_PER_US, 1500).fate, EMU_PASS);
	assert_in_range(link.count.cross_pkts, 24500, 25500);
	assert_int_equal(link.count.cross_drops, 0);
}

static void test_cross_comes_and_goes(void **state)
{
	struct emu_link link;
	uint64_t before = 0;

	(void)state;
	setup(&link, "rate=1G cross=120M:100ms:300ms");
	for (unsigned ms = 0; ms < 4000; ms++) {
		offer(&link, (50 + ms) * MS, 100);
		if (ms % 400 == 0)
			before = link.count.cross_pkts;
		if (ms % 400 == 110)
			assert_in_range(link.count.cross_pkts - before, 950, 1050);
		if (ms % 400 == 399)
			assert_in_range(link.count.cross_pkts - before, 950, 1050);
	}
	/* An hour without a packet is not made up for. */
	offer(&link, 3600 * 1000 * MS, 100);
	assert_true(link.count.cross_pkts < 20000);
	assert_int_equal(offer(&link, 3600 * 1000 * MS, 100).fate, EMU_PASS);
}

static void test_mtu_and_cut(void **state)
{
	struct emu_link link;

	(void)state;
	setup(&link, "mtu=1400");
	assert_int_equal(offer(&link, 0, 1400).fate, EMU_PASS);
	assert_int_equal(offer(&link, 0, 1401).fate, EMU_DROP_MTU);
	setup(&link, "cut=1");
	assert_int_equal(offer(&link, 0, 1).fate, EMU_DROP_CUT);
	assert_int_equal(link.count.fate[EMU_DROP_CUT], 1);
}

/* Two links of one host share its uplink: together they get its rate, and the second link's own
 * limit still holds. */
static void test_uplink(void **state)
{
	struct emu_link a, b;
	struct emu_queue uplink = { .shape = { .rate_bps = 12000000, .queue_us = 1000000 } };
	struct emu_verdict v;

	(void)state;
	setup(&a, "delay=1ms");
	setup(&b, "rate=6M queue=10s");
	for (uint64_t i = 0; i < 100; i++) {
		emu_link_offer(&a, &uplink, 0, 1500, &v);
		assert_int_equal(v.due_ns, (2 * i + 1 + 1) * MS);
		emu_link_offer(&b, &uplink, 0, 1500, &v);
		assert_int_equal(v.due_ns,
		                 (2 * i + 2 + 2) * MS); /* arrives every 2 ms, takes 2 ms */
	}
	uplink.shape.queue_us = 100000;
	emu_link_offer(&a, &uplink, 0, 1500, &v);
	assert_int_equal(v.fate, EMU_DROP_UPLINK);
}

static void test_same_seed_same_luck(void **state)
{
	struct emu_link a, b, other;
	unsigned differ = 0;

	(void)state;
	setup(&a, "loss=10% dup=10% jitter=5ms reorder=5%:1ms");
	b = a;
	other = a;
	other.rng = 8;
	for (uint64_t i = 0; i < 10000; i++) {
		struct emu_verdict x = offer(&a, i * MS, 100), y = offer(&b, i * MS, 100),
				   z = offer(&other, i * MS, 100);

		assert_memory_equal(&x, &y, sizeof(x));
		differ += x.fate != z.fate;
	}
	assert_true(differ > 1000);
}

static void test_words(void **state)
{
	static const char *const good[] = {
		"rate=0",     "rate=500M",      "rate=1.5G",      "rate=64k",   "queue=10ms",
		"queue=256k", "queue=1500",     "delay=1s",       "delay=0",    "jitter=200us",
		"loss=0.01",  "loss=1%",        "loss=100%",      "burst=1%:8", "burst=0",
		"ge=1%:50%",  "ge=0.1:0.5:1:0", "reorder=1%:5ms", "reorder=0",  "dup=1",
		"corrupt=1%", "fix=0",          "ecn=5ms",        "mtu=1280",   "mtu=0",
		"cut=1",      "perfect",        "ect=drop",       "ect=keep",   "cross=100M",
		"cross=0",    "cross=2G:500ms:1s"
	};
	static const char *const bad[] = { "",
		                           "rate",
		                           "rate=",
		                           "rate=x",
		                           "rate=-1",
		                           "rate=5ms",
		                           "rate=1e30",
		                           "rate=inf",
		                           "rate=nan",
		                           "rat=1",
		                           "rate=1M ",
		                           "delay=50",
		                           "delay=50m",
		                           "delay=99999s",
		                           "loss=101%",
		                           "loss=2",
		                           "loss=1%:",
		                           "loss=1%:2",
		                           "burst=1%",
		                           "burst=1%:0",
		                           "burst=95%:2",
		                           "ge=1%",
		                           "ge=1:1:1:1:1",
		                           "reorder=1%",
		                           "reorder=1%:5",
		                           "fix=2",
		                           "fix=",
		                           "mtu=70000",
		                           "cut=yes",
		                           "=1",
		                           "perfect=1",
		                           "ect=1",
		                           "ect=",
		                           "cross=50G",
		                           "cross=1M:1s",
		                           "cross=1M:1s:0",
		                           "cross=1M:1s:1s:1s",
		                           "cross=5ms" };
	struct emu_params params, before;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		emu_conf_defaults(&params);
		if (emu_conf_apply(&params, good[i]))
			fail_msg("'%s' was refused", good[i]);
	}
	memset(&params, 0x11, sizeof(params));
	params.corrupt_fix = params.cut = true;
	before = params;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (emu_conf_apply(&params, bad[i]) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
		assert_memory_equal(&params, &before, sizeof(params));
	}
}

static void test_values(void **state)
{
	struct emu_link link;
	const struct emu_params *p = &link.params;

	(void)state;
	setup(&link, "rate=1.5M queue=64k delay=1.5ms loss=0.5% corrupt=1 reorder=50%:2us ecn=1s "
	             "mtu=1280");
	assert_int_equal(p->shape.rate_bps, 1500000);
	assert_int_equal(p->shape.queue_bytes, 64000);
	assert_int_equal(p->shape.queue_us, 0);
	assert_int_equal(p->delay_us, 1500);
	assert_true(p->loss > 0.00499 && p->loss < 0.00501);
	assert_true(p->corrupt >= 1.0 && p->corrupt_fix);
	assert_true(p->reorder >= 0.5 && p->reorder <= 0.5);
	assert_int_equal(p->reorder_us, 2);
	assert_int_equal(p->ecn_us, 1000000);
	assert_int_equal(p->mtu, 1280);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_perfect),      cmocka_unit_test(test_rate_and_delay),
		cmocka_unit_test(test_queue_limits), cmocka_unit_test(test_rate_change),
		cmocka_unit_test(test_loss),         cmocka_unit_test(test_burst),
		cmocka_unit_test(test_reorder),      cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_delay_change), cmocka_unit_test(test_dup_and_corrupt),
		cmocka_unit_test(test_mark),         cmocka_unit_test(test_mtu_and_cut),
		cmocka_unit_test(test_ect),          cmocka_unit_test(test_cross),
		cmocka_unit_test(test_cross_comes_and_goes),
		cmocka_unit_test(test_uplink),       cmocka_unit_test(test_same_seed_same_luck),
		cmocka_unit_test(test_words),        cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

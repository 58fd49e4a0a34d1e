/* SPDX-License-Identifier: Apache-2.0 */
#include "core/acks.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000)

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static int receive(struct rmdt_acks *a, uint64_t now_us, uint64_t pn)
{
	struct rmdt_acks_packet pkt = { .pn = pn, .bytes = 1400, .ack_eliciting = true };

	return rmdt_acks_received(a, now_us, &pkt);
}

/* Writes an ack and parses it again. */
static void write_ack(struct rmdt_acks *a, uint64_t now_us, size_t max_bytes, struct rmdt_ack *out)
{
	uint8_t buf[4096];
	struct rmdt_wire_writer w;
	struct rmdt_wire_reader r;

	assert_true(max_bytes <= sizeof(buf));
	rmdt_wire_writer_init(&w, buf, sizeof(buf));
	assert_int_equal(rmdt_acks_write(a, now_us, &w, max_bytes), 0);
	assert_true(rmdt_wire_written(&w) <= max_bytes);
	rmdt_wire_reader_init(&r, buf, rmdt_wire_written(&w));
	assert_true(rmdt_ack_read(&r, out));
	assert_int_equal(rmdt_wire_remaining(&r), 0);
}

static bool names(const struct rmdt_ack *ack, uint64_t pn)
{
	for (size_t i = 0; i < ack->count; i++) {
		if (ack->range[i].start <= pn && pn < ack->range[i].end)
			return true;
	}
	return false;
}

/* Past the dense start, at a known RTT, with nothing pending. The next number is 200. */
static void settle(struct rmdt_acks *a, uint64_t now_us, uint64_t srtt_us)
{
	struct rmdt_ack ack;

	rmdt_acks_init(a);
	rmdt_acks_set_rtt(a, srtt_us);
	for (uint64_t pn = 0; pn < 200; pn++)
		assert_int_equal(receive(a, now_us, pn), 0);
	write_ack(a, now_us, 4096, &ack);
	assert_true(rmdt_acks_due_us(a) == UINT64_MAX);
}

static void test_replay(void **state)
{
	struct rmdt_acks a;

	(void)state;
	rmdt_acks_init(&a);
	assert_false(rmdt_acks_has_any(&a));
	assert_int_equal(rmdt_acks_check(&a, 5), RMDT_ACKS_NEW);
	assert_int_equal(receive(&a, 1, 5), 0);
	assert_int_equal(rmdt_acks_check(&a, 5), RMDT_ACKS_DUPLICATE);
	assert_int_equal(rmdt_acks_check(&a, 4), RMDT_ACKS_NEW);
	assert_int_equal(receive(&a, 2, 5), -EALREADY);
	assert_int_equal(receive(&a, 2, 4), 0);
	assert_int_equal(rmdt_acks_largest(&a), 5);
	assert_int_equal(rmdt_acks_check(&a, RMDT_ACKS_MAX_PN + 1), RMDT_ACKS_TOO_OLD);
	assert_int_equal(rmdt_acks_check(&a, UINT64_MAX), RMDT_ACKS_TOO_OLD);
	assert_int_equal(receive(&a, 3, 20 + RMDT_ACKS_REACH_PKTS), 0);
	assert_int_equal(rmdt_acks_check(&a, 21), RMDT_ACKS_NEW);
	assert_int_equal(rmdt_acks_check(&a, 20), RMDT_ACKS_TOO_OLD);
	assert_int_equal(receive(&a, 3, RMDT_ACKS_MAX_PN), 0);
	assert_int_equal(rmdt_acks_check(&a, RMDT_ACKS_MAX_PN), RMDT_ACKS_DUPLICATE);
	rmdt_acks_fini(&a);
}

/* Every second number only: memory is bounded, and what was forgotten is never taken again. */
static void test_floor_rises_when_full(void **state)
{
	enum { PKTS = 3 * RMDT_ACKS_MAX_RANGES };
	struct rmdt_acks a;

	(void)state;
	rmdt_acks_init(&a);
	for (uint64_t i = 0; i < PKTS; i++)
		assert_int_equal(receive(&a, i, 2 * i + 1), 0);
	assert_int_equal(rmdt_ranges_count(&a.seen), RMDT_ACKS_MAX_RANGES);
	assert_int_equal(a.floor, 2 * (PKTS - RMDT_ACKS_MAX_RANGES));
	assert_int_equal(a.forgotten_pkts, PKTS - RMDT_ACKS_MAX_RANGES);
	for (uint64_t pn = 0; pn < a.floor; pn++)
		assert_int_equal(rmdt_acks_check(&a, pn), RMDT_ACKS_TOO_OLD);
	assert_int_equal(rmdt_acks_check(&a, a.floor), RMDT_ACKS_NEW);
	assert_int_equal(receive(&a, 0, a.floor + 2), 0);

	/* One more range, below all others: it cannot be kept, but never comes in twice either. */
	assert_int_equal(receive(&a, PKTS, 2 * PKTS + 1), 0);
	for (uint64_t pn = 0; pn < 2 * PKTS + 2; pn++) {
		if (rmdt_acks_check(&a, pn) == RMDT_ACKS_NEW)
			assert_int_equal(receive(&a, PKTS, pn), 0);
		assert_int_not_equal(rmdt_acks_check(&a, pn), RMDT_ACKS_NEW);
	}
	rmdt_acks_fini(&a);
}

static void test_straggler_below_a_full_memory(void **state)
{
	struct rmdt_acks a;

	(void)state;
	rmdt_acks_init(&a);
	for (uint64_t i = 0; i < RMDT_ACKS_MAX_RANGES; i++)
		assert_int_equal(receive(&a, i, 2 * i + 10), 0);
	assert_int_equal(a.floor, 0);
	assert_int_equal(receive(&a, 1, 3), 0);
	assert_int_equal(rmdt_acks_check(&a, 3), RMDT_ACKS_TOO_OLD);
	assert_int_equal(a.floor, 11);
	assert_int_equal(rmdt_ranges_get(&a.seen, 0)->start, 12);
	rmdt_acks_fini(&a);
}

static void test_dense_start(void **state)
{
	struct rmdt_acks a;
	struct rmdt_ack ack;
	uint64_t acks = 0;

	(void)state;
	rmdt_acks_init(&a);
	for (uint64_t pn = 0; pn < RMDT_ACKS_DENSE_PKTS; pn++) {
		uint64_t now_us = 1000000 + pn * 10;

		assert_int_equal(receive(&a, now_us, pn), 0);
		/* The first of all at once, then every second one. */
		assert_int_equal(rmdt_acks_due_us(&a) <= now_us, pn == 0 || pn % 2 == 0);
		if (rmdt_acks_due_us(&a) <= now_us) {
			write_ack(&a, now_us, 100, &ack);
			acks++;
		}
	}
	assert_int_equal(acks, RMDT_ACKS_DENSE_PKTS / 2);
	rmdt_acks_fini(&a);
}

static void test_spacing_rows(void **state)
{
	static const struct {
		uint64_t srtt_us, delay_us;
	} rows[] = {
		{ 50, RMDT_ACKS_QUIET_US },
		{ 8 * MS, 4 * MS },
		{ 40 * MS, 20 * MS },
		{ 1000 * MS, RMDT_ACKS_MAX_DELAY_US },
		{ 0, 1 * MS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rmdt_acks a;

		settle(&a, 1000 * MS, rows[i].srtt_us);
		assert_int_equal(receive(&a, 1001 * MS, 200), 0);
		assert_int_equal(rmdt_acks_due_us(&a), 1001 * MS + rows[i].delay_us);
		rmdt_acks_fini(&a);
	}
}

static void test_little_data_waits(void **state)
{
	struct rmdt_acks_packet pkt = { .pn = 200, .bytes = 1000, .ack_eliciting = true };
	struct rmdt_acks a;
	uint64_t now_us = 1001 * MS;

	(void)state;
	/* A packet a millisecond: each puts the ack off, but no longer than a round trip and LAZY. */
	settle(&a, 1000 * MS, 5 * MS);
	for (; now_us < 1001 * MS + RMDT_ACKS_LAZY_US; now_us += MS, pkt.pn++) {
		assert_int_equal(rmdt_acks_received(&a, now_us, &pkt), 0);
		assert_true(rmdt_acks_due_us(&a) > now_us);
		assert_true(rmdt_acks_due_us(&a) <= 1001 * MS + RMDT_ACKS_LAZY_US);
	}
	assert_int_equal(rmdt_acks_due_us(&a), 1001 * MS + RMDT_ACKS_LAZY_US);
	rmdt_acks_fini(&a);
}

static void test_enough_data_is_told_soon(void **state)
{
	struct rmdt_acks_packet pkt = { .pn = 200, .bytes = 1024, .ack_eliciting = true };
	struct rmdt_acks a;

	(void)state;
	settle(&a, 1000 * MS, 80 * MS);
	for (unsigned i = 0; i < RMDT_ACKS_WORTH_BYTES / 1024; i++, pkt.pn++) {
		assert_true(rmdt_acks_due_us(&a) > 1011 * MS);
		assert_int_equal(rmdt_acks_received(&a, 1001 * MS, &pkt), 0);
	}
	/* An eighth of a round trip after the last ack. */
	assert_int_equal(rmdt_acks_due_us(&a), 1010 * MS);
	assert_int_equal(rmdt_acks_received(&a, 1012 * MS, &pkt), 0);
	assert_int_equal(rmdt_acks_due_us(&a), 1012 * MS);
	rmdt_acks_fini(&a);
}

static void test_ackonly_packets_make_none_due(void **state)
{
	struct rmdt_acks_packet pkt = { .pn = 300, .bytes = 60, .ack_eliciting = false };
	struct rmdt_acks a;
	struct rmdt_ack ack;

	(void)state;
	settle(&a, 1000 * MS, 80 * MS);
	assert_int_equal(rmdt_acks_received(&a, 5000 * MS, &pkt), 0);
	assert_true(rmdt_acks_due_us(&a) == UINT64_MAX);
	write_ack(&a, 5000 * MS, 100, &ack);
	assert_int_equal(ack.largest, 300);
	rmdt_acks_fini(&a);
}

static void test_idle_and_bytes(void **state)
{
	struct rmdt_acks_packet pkt = { .pn = 200, .bytes = 65000, .ack_eliciting = true };
	struct rmdt_acks a;

	(void)state;
	settle(&a, 1000 * MS, 80 * MS);
	assert_int_equal(receive(&a, 1080 * MS, 200), 0);
	assert_int_equal(rmdt_acks_due_us(&a), 1080 * MS);
	rmdt_acks_fini(&a);

	/* 17 packets of 65000 are more than 1 MiB: told at once on a short path only. */
	for (uint64_t srtt_us = RMDT_ACKS_SHORT_RTT_US; srtt_us <= RMDT_ACKS_SHORT_RTT_US + 1;
	     srtt_us++) {
		bool is_short = srtt_us == RMDT_ACKS_SHORT_RTT_US;

		settle(&a, 1000 * MS, srtt_us);
		for (pkt.pn = 200; pkt.pn < 217; pkt.pn++) {
			assert_true(rmdt_acks_due_us(&a) > 1000 * MS + 10);
			assert_int_equal(rmdt_acks_received(&a, 1000 * MS + 10, &pkt), 0);
		}
		assert_int_equal(rmdt_acks_due_us(&a) == 1000 * MS + 10, is_short);
		rmdt_acks_fini(&a);
	}
}

static void test_gap_hurries_within_limit(void **state)
{
	struct rmdt_acks a;
	struct rmdt_ack ack;

	(void)state;
	settle(&a, 1000 * MS, 160 * MS);
	assert_int_equal(receive(&a, 1001 * MS, 201), 0);
	assert_int_equal(rmdt_acks_due_us(&a), 1001 * MS);
	write_ack(&a, 1001 * MS, 100, &ack);
	assert_int_equal(ack.count, 2);
	/* The next gap 1 ms later waits until 20 ms after the first; a third changes nothing. */
	assert_int_equal(receive(&a, 1002 * MS, 203), 0);
	assert_int_equal(rmdt_acks_due_us(&a), 1021 * MS);
	assert_int_equal(receive(&a, 1003 * MS, 205), 0);
	assert_int_equal(rmdt_acks_due_us(&a), 1021 * MS);
	write_ack(&a, 1021 * MS, 100, &ack);
	/* A late one is news as well: it may save a repair. */
	assert_int_equal(receive(&a, 1045 * MS, 202), 0);
	assert_int_equal(rmdt_acks_due_us(&a), 1045 * MS);
	rmdt_acks_fini(&a);
}

/* A long path that loses much: no range may fall out of the acks before it was told. */
static void test_many_gaps_hurry(void **state)
{
	enum { PKTS = 20000 };
	bool *told = calloc(PKTS, sizeof(*told));
	uint64_t acks_written = 0;
	struct rmdt_acks a;
	struct rmdt_ack ack;

	(void)state;
	assert_non_null(told);
	settle(&a, 1000 * MS, 200 * MS);
	/* One packet a microsecond: 25 ms, the usual spacing, would be all of them. */
	for (uint64_t pn = 200; pn < PKTS; pn++) {
		uint64_t now_us = 1001 * MS + pn;

		if (pn % 10 == 5)
			continue;
		assert_int_equal(receive(&a, now_us, pn), 0);
		if (rmdt_acks_due_us(&a) > now_us && pn + 1 < PKTS)
			continue;
		write_ack(&a, now_us, 1000, &ack);
		acks_written++;
		for (size_t i = 0; i < ack.count; i++)
			memset(told + ack.range[i].start, 1,
			       ack.range[i].end - ack.range[i].start);
	}
	for (uint64_t pn = 0; pn < PKTS; pn++)
		assert_int_equal(told[pn], pn < 200 || pn % 10 != 5);
	assert_in_range(acks_written, PKTS / 10 / RMDT_ACKS_EVERY_RANGES,
			PKTS / 10 / RMDT_ACKS_EVERY_RANGES + 10);
	rmdt_acks_fini(&a);
	free(told);
}

static void test_ecn_counts(void **state)
{
	struct rmdt_acks_packet pkt = { .pn = 200, .bytes = 1400, .ack_eliciting = true };
	struct rmdt_acks a;
	struct rmdt_ack ack;

	(void)state;
	settle(&a, 1000 * MS, 160 * MS);
	pkt.ecn = RMDT_ECN_ECT0;
	assert_int_equal(rmdt_acks_received(&a, 1001 * MS, &pkt), 0);
	assert_true(rmdt_acks_due_us(&a) > 1001 * MS);
	pkt.ecn = RMDT_ECN_CE;
	assert_int_equal(rmdt_acks_received(&a, 1001 * MS, &pkt), -EALREADY);
	pkt.pn = 201;
	assert_int_equal(rmdt_acks_received(&a, 1001 * MS, &pkt), 0);
	assert_int_equal(rmdt_acks_due_us(&a), 1001 * MS);
	/* Nobody sends ECT(1): a path that makes it of ECT(0) must be found out, so it does not count. */
	pkt.pn = 202;
	pkt.ecn = RMDT_ECN_ECT1;
	assert_int_equal(rmdt_acks_received(&a, 1001 * MS, &pkt), 0);
	write_ack(&a, 1002 * MS, 100, &ack);
	assert_int_equal(ack.ce_pkts, 1);
	assert_int_equal(ack.ect0_pkts, 1);
	assert_int_equal(ack.delay_us, 1 * MS);
	assert_int_equal(ack.arrival_us, 1001 * MS);
	rmdt_acks_fini(&a);
}

static void test_write_bounds(void **state)
{
	struct rmdt_acks a;
	struct rmdt_ack ack;
	struct rmdt_wire_writer w;
	uint8_t buf[64];

	(void)state;
	rmdt_acks_init(&a);
	rmdt_wire_writer_init(&w, buf, sizeof(buf));
	assert_int_equal(rmdt_acks_write(&a, 0, &w, 64), -ENODATA);
	for (uint64_t i = 0; i < 2000; i++)
		assert_int_equal(receive(&a, i, 2 * i), 0);
	assert_int_equal(rmdt_acks_write(&a, 2000, &w, 8), -ENOBUFS);
	assert_int_equal(rmdt_wire_written(&w), 0);
	assert_false(w.bad);
	assert_true(rmdt_acks_due_us(&a) != UINT64_MAX);

	for (size_t max = 16; max < 200; max++) {
		write_ack(&a, 2000, max, &ack);
		assert_int_equal(ack.largest, 3998);
		/* All but the head and at most 2 spare bytes are ranges of 2 bytes each. */
		assert_in_range(ack.count, (max - 14) / 2, (max - 10) / 2 + 1);
		for (size_t i = 0; i < ack.count; i++)
			assert_int_equal(ack.range[i].start, 3998 - 2 * i);
	}
	write_ack(&a, 2000, 4096, &ack);
	assert_int_equal(ack.count, RMDT_ACK_MAX_RANGES);
	rmdt_acks_fini(&a);
}

static void test_confirmed_acks_are_not_repeated(void **state)
{
	enum { LAST = 40000 };
	struct rmdt_acks a;
	struct rmdt_ack ack;

	(void)state;
	rmdt_acks_init(&a);
	for (uint64_t pn = 0; pn <= LAST; pn++) {
		if (pn % 100 != 50)
			assert_int_equal(receive(&a, pn, pn), 0);
	}
	write_ack(&a, LAST, 2000, &ack);
	assert_int_equal(ack.count, 401);
	rmdt_acks_confirmed(&a, LAST + 1);
	assert_int_equal(a.floor, 0);
	rmdt_acks_confirmed(&a, LAST);
	write_ack(&a, LAST, 2000, &ack);
	assert_int_equal(ack.count, 2);
	assert_int_equal(a.floor, LAST - RMDT_ACKS_REPLAY_PKTS);
	assert_int_equal(rmdt_acks_check(&a, 50), RMDT_ACKS_TOO_OLD);

	/* A straggler is told in the next ack, also after a confirmation in between. */
	assert_int_equal(receive(&a, LAST, LAST - 950), 0);
	rmdt_acks_confirmed(&a, LAST);
	write_ack(&a, LAST, 2000, &ack);
	assert_true(names(&ack, LAST - 950));
	/* And forgotten in time. */
	for (int i = 0; i < 100; i++)
		rmdt_acks_confirmed(&a, LAST);
	write_ack(&a, LAST, 2000, &ack);
	assert_int_equal(ack.count, 2);
	rmdt_acks_fini(&a);
}

static void test_read_rejects_rows(void **state)
{
	/* largest 9, delay 0, arrival 0, ce 0, ect 0, then the ranges */
	static const struct {
		bool ok;
		size_t len;
		uint8_t ranges[12];
	} rows[] = {
		{ true, 2, { 0, 9 } },			    /* [0, 10) */
		{ false, 2, { 0, 10 } },		    /* below 0 */
		{ true, 4, { 1, 0, 0, 7 } },		    /* [9, 10) [0, 8) */
		{ false, 4, { 1, 0, 0, 8 } },		    /* second begins below 0 */
		{ true, 4, { 1, 0, 7, 0 } },		    /* [9, 10) [0, 1) */
		{ false, 4, { 1, 0, 8, 0 } },		    /* gap down to 0 leaves no room */
		{ false, 4, { 1, 9, 0, 0 } },		    /* nothing left below [0, 10) */
		{ false, 3, { 1, 0, 0 } },		    /* cut short */
		{ false, 1, { 0 } },
		{ false, 0, { 0 } },
		{ false, 12, { 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0 } },
		{ false, 3, { 0x41, 0xf4, 0 } },	    /* 500 further ranges */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t buf[20] = { 9 };
		struct rmdt_wire_reader r;
		struct rmdt_ack ack;

		memcpy(buf + 8, rows[i].ranges, rows[i].len);
		rmdt_wire_reader_init(&r, buf, 8 + rows[i].len);
		assert_int_equal(rmdt_ack_read(&r, &ack), rows[i].ok);
		assert_int_equal(r.bad, !rows[i].ok);
	}
}

/* Whatever arrives in whatever order: each ack names just what has been received. */
static void test_random_order(void **state)
{
	enum { PKTS = 20000, SPREAD = 300 };
	bool *got = calloc(PKTS, sizeof(*got));
	uint32_t seed = 11;
	struct rmdt_acks a;
	struct rmdt_ack ack;

	(void)state;
	assert_non_null(got);
	rmdt_acks_init(&a);
	rmdt_acks_set_rtt(&a, 10 * MS);
	for (uint64_t now_us = 1; now_us < PKTS; now_us++) {
		uint64_t pn = now_us + next_random(&seed) % SPREAD;

		if (pn >= PKTS)
			continue;
		assert_int_equal(receive(&a, now_us, pn), got[pn] ? -EALREADY : 0);
		if (got[pn])
			continue;
		got[pn] = true;
		assert_true(rmdt_acks_due_us(&a) <= now_us + RMDT_ACKS_LAZY_US);
		if (rmdt_acks_due_us(&a) > now_us)
			continue;
		write_ack(&a, now_us, 1000, &ack);
		for (uint64_t i = ack.range[ack.count - 1].start; i <= ack.largest; i++)
			assert_int_equal(names(&ack, i), got[i]);
		assert_true(ack.range[ack.count - 1].start + SPREAD < pn || ack.count > 100 ||
			    now_us < 2 * SPREAD);
		if (next_random(&seed) % 2)
			rmdt_acks_confirmed(&a, ack.largest);
	}
	rmdt_acks_fini(&a);
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_floor_rises_when_full),
		cmocka_unit_test(test_straggler_below_a_full_memory),
		cmocka_unit_test(test_dense_start),
		cmocka_unit_test(test_spacing_rows),
		cmocka_unit_test(test_little_data_waits),
		cmocka_unit_test(test_enough_data_is_told_soon),
		cmocka_unit_test(test_ackonly_packets_make_none_due),
		cmocka_unit_test(test_idle_and_bytes),
		cmocka_unit_test(test_gap_hurries_within_limit),
		cmocka_unit_test(test_many_gaps_hurry),
		cmocka_unit_test(test_ecn_counts),
		cmocka_unit_test(test_write_bounds),
		cmocka_unit_test(test_confirmed_acks_are_not_repeated),
		cmocka_unit_test(test_read_rejects_rows),
		cmocka_unit_test(test_random_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

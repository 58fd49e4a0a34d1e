/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loss.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000)
#define MAX_ACK_DELAY (25 * MS)
#define DATA_KIND (RMDT_SENT_ELICITING | RMDT_SENT_INFLIGHT | RMDT_SENT_DATA)
#define MAX_EVENTS 64

/* A loss with its RTT, and what the calls told, oldest first. */
struct bench {
	struct rmdt_rtt rtt;
	struct rmdt_loss loss;
	struct rmdt_loss_acked acked;
	struct rmdt_loss_lost lost;
	char log[MAX_EVENTS + 1]; /* 'a' acked, 'l' late, 'x' lost */
	uint64_t pn[MAX_EVENTS];
	size_t events;
};

static void note(struct bench *b, char what, uint64_t pn)
{
	assert_true(b->events < MAX_EVENTS);
	b->pn[b->events] = pn;
	b->log[b->events++] = what;
	b->log[b->events] = '\0';
}

static void on_acked(void *arg, uint64_t pn, const struct rmdt_sent *s, bool late)
{
	assert_int_equal(s->off, pn * 1000);
	note(arg, late ? 'l' : 'a', pn);
}

static void on_lost(void *arg, uint64_t pn, const struct rmdt_sent *s)
{
	assert_int_equal(s->off, pn * 1000);
	assert_int_equal(s->state, RMDT_SENT_LOST);
	note(arg, 'x', pn);
}

static const struct rmdt_loss_calls calls = { .acked = on_acked, .lost = on_lost };

/* RTT known to be exactly `rtt_us`, without variance to speak of. */
static void bench_init(struct bench *b, uint64_t rtt_us)
{
	memset(b, 0, sizeof(*b));
	rmdt_rtt_init(&b->rtt, 0);
	for (int i = 0; i < 100; i++)
		rmdt_rtt_sample(&b->rtt, 1, rtt_us, 0);
	rmdt_loss_init(&b->loss, &b->rtt, 1 << 16, MAX_ACK_DELAY);
}

static void bench_fini(struct bench *b)
{
	rmdt_loss_fini(&b->loss);
}

static void send_kind(struct bench *b, uint64_t now_us, uint8_t kind)
{
	struct rmdt_sent s = { .sent_us = now_us, .bytes = 1000, .kind = kind };

	s.off = rmdt_loss_next_pn(&b->loss) * 1000;
	assert_int_equal(rmdt_loss_on_sent(&b->loss, &s), 0);
}

static void send_pkts(struct bench *b, uint64_t now_us, size_t count)
{
	while (count-- > 0)
		send_kind(b, now_us, DATA_KIND);
}

static int try_ack(struct bench *b, uint64_t now_us, size_t count, const struct rmdt_range *ranges)
{
	static struct rmdt_ack ack;

	ack.count = count;
	for (size_t i = 0; i < count; i++)
		ack.range[i] = ranges[i];
	ack.largest = ranges[0].end - 1;
	b->events = 0;
	b->log[0] = '\0';
	return rmdt_loss_on_ack(&b->loss, now_us, &ack, &calls, b, &b->acked);
}

static void ack2(struct bench *b, uint64_t now_us, struct rmdt_range high, struct rmdt_range low)
{
	const struct rmdt_range ranges[] = { high, low };

	assert_int_equal(try_ack(b, now_us, low.end ? 2 : 1, ranges), 0);
	rmdt_loss_detect(&b->loss, now_us, &calls, b, &b->lost);
}

static void ack1(struct bench *b, uint64_t now_us, uint64_t start, uint64_t end)
{
	ack2(b, now_us, (struct rmdt_range){ start, end }, (struct rmdt_range){ 0, 0 });
}

static void test_ack_settles(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 20 * MS);
	send_pkts(&b, 100 * MS, 3);
	send_kind(&b, 101 * MS, 0);
	assert_int_equal(rmdt_loss_inflight_bytes(&b.loss), 3000);
	ack1(&b, 112 * MS, 0, 1);
	assert_string_equal(b.log, "a");
	assert_int_equal(b.acked.pkts, 1);
	assert_int_equal(b.acked.bytes, 1000);
	assert_int_equal(b.acked.inflight_before, 3000);
	assert_true(b.acked.has_rtt);
	assert_int_equal(b.acked.rtt_us, 12 * MS);
	assert_int_equal(rmdt_loss_inflight_bytes(&b.loss), 2000);
	/* The same again is no news and no sample. */
	ack1(&b, 113 * MS, 0, 1);
	assert_int_equal(b.acked.pkts, 0);
	assert_false(b.acked.has_rtt);
	/* Only an ack-only packet is new: no sample either. */
	ack2(&b, 113 * MS, (struct rmdt_range){ 3, 4 }, (struct rmdt_range){ 0, 1 });
	assert_string_equal(b.log, "a");
	assert_int_equal(b.acked.bytes, 0);
	assert_false(b.acked.has_rtt);
	/* New, but not the largest. */
	ack1(&b, 113 * MS, 0, 4);
	assert_string_equal(b.log, "aa");
	assert_int_equal(b.pn[0], 1);
	assert_int_equal(b.acked.largest, 2);
	assert_false(b.acked.has_rtt);
	assert_int_equal(rmdt_loss_inflight_bytes(&b.loss), 0);
	assert_int_equal(b.loss.eliciting_pkts, 0);
	assert_int_equal(b.loss.map.base, 4);
	bench_fini(&b);
}

static void test_lies_are_refused(void **state)
{
	struct rmdt_range lie = { 0, 6 };
	struct rmdt_range truth[] = { { 4, 5 }, { 0, 3 } };
	struct bench b;

	(void)state;
	bench_init(&b, 10 * MS);
	send_pkts(&b, 100 * MS, 3);
	assert_int_equal(rmdt_loss_on_skip(&b.loss), 0);
	send_pkts(&b, 100 * MS, 1);
	assert_int_equal(try_ack(&b, 110 * MS, 1, &lie), -EPROTO);
	lie.end = 5;
	assert_int_equal(try_ack(&b, 110 * MS, 1, &lie), -EPROTO);
	lie = (struct rmdt_range){ 4, 6 };
	assert_int_equal(try_ack(&b, 110 * MS, 1, &lie), -EPROTO);
	lie = (struct rmdt_range){ 3, 5 };
	assert_int_equal(try_ack(&b, 110 * MS, 1, &lie), -EPROTO);
	assert_int_equal(rmdt_loss_inflight_bytes(&b.loss), 4000);
	assert_int_equal(b.events, 0);
	assert_int_equal(try_ack(&b, 110 * MS, 2, truth), 0);
	assert_string_equal(b.log, "aaaa");
	/* The skipped number settles by itself. */
	assert_int_equal(b.loss.map.base, 5);
	bench_fini(&b);
}

static void test_skips_are_bounded(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 10 * MS);
	for (int i = 0; i < RMDT_LOSS_MAX_SKIPPED; i++) {
		send_pkts(&b, 100 * MS, 1);
		assert_int_equal(rmdt_loss_on_skip(&b.loss), 0);
	}
	send_pkts(&b, 100 * MS, 1);
	assert_int_equal(rmdt_loss_on_skip(&b.loss), -ENOBUFS);
	assert_int_equal(rmdt_loss_next_pn(&b.loss), 2 * RMDT_LOSS_MAX_SKIPPED + 1);
	bench_fini(&b);
}

static void test_packet_threshold(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 10 * MS);
	send_pkts(&b, 100 * MS, 6);
	ack1(&b, 110 * MS, 2, 3);
	assert_string_equal(b.log, "a");
	ack1(&b, 110 * MS, 2, 5);
	/* 4 - 1 >= 3: both are lost. 5 is later than all acked. */
	assert_string_equal(b.log, "aaxx");
	assert_int_equal(b.pn[2], 0);
	assert_int_equal(b.pn[3], 1);
	assert_int_equal(b.lost.pkts, 2);
	assert_int_equal(b.lost.bytes, 2000);
	assert_int_equal(b.lost.largest, 1);
	assert_true(b.lost.recovery_started);
	assert_false(b.lost.persistent);
	assert_int_equal(rmdt_loss_inflight_bytes(&b.loss), 1000);
	assert_int_equal(b.loss.lost_bytes, 2000);
	bench_fini(&b);
}

static void test_time_threshold(void **state)
{
	struct bench b;
	uint64_t deadline_us = 100 * MS + 10 * MS + 2500;

	(void)state;
	bench_init(&b, 10 * MS);
	assert_int_equal(rmdt_loss_reorder_us(&b.loss), 2500);
	send_pkts(&b, 100 * MS, 3);
	assert_true(rmdt_loss_deadline_us(&b.loss) == UINT64_MAX);
	ack1(&b, 110 * MS, 1, 2);
	assert_int_equal(rmdt_loss_deadline_us(&b.loss), deadline_us);
	assert_true(rmdt_loss_pto_deadline_us(&b.loss, 0) == UINT64_MAX);
	b.events = 0;
	rmdt_loss_detect(&b.loss, deadline_us - 1, &calls, &b, &b.lost);
	assert_int_equal(b.events, 0);
	rmdt_loss_detect(&b.loss, deadline_us, &calls, &b, &b.lost);
	assert_string_equal(b.log, "x");
	assert_int_equal(b.pn[0], 0);
	/* What was sent after the last acked is for the probe timer. */
	assert_true(rmdt_loss_deadline_us(&b.loss) == UINT64_MAX);
	assert_true(rmdt_loss_pto_deadline_us(&b.loss, 0) != UINT64_MAX);
	bench_fini(&b);
}

static void test_window_on_a_short_path(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 50);
	assert_int_equal(rmdt_loss_reorder_us(&b.loss), 200);
	b.loss.reorder_steps = 1000;
	assert_int_equal(rmdt_loss_reorder_us(&b.loss), RMDT_LOSS_REORDER_CAP_US);
	bench_fini(&b);
	bench_init(&b, 80 * MS);
	b.loss.reorder_steps = 1000;
	assert_int_equal(rmdt_loss_reorder_us(&b.loss), 80 * MS);
	bench_fini(&b);
}

static void test_spurious_loss_raises_packet_threshold(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 100 * MS);
	send_pkts(&b, 100 * MS, 20);
	ack1(&b, 200 * MS, 1, 9);
	assert_string_equal(b.log, "aaaaaaaax");
	assert_int_equal(rmdt_loss_inflight_bytes(&b.loss), 11000);
	ack1(&b, 201 * MS, 0, 10);
	assert_string_equal(b.log, "la");
	assert_int_equal(b.acked.late_pkts, 1);
	assert_int_equal(b.acked.late_bytes, 1000);
	assert_int_equal(b.acked.bytes, 1000);
	assert_int_equal(rmdt_loss_inflight_bytes(&b.loss), 10000);
	assert_int_equal(b.loss.spurious_pkts, 1);
	/* It came 8 behind: that is tolerated now, 9 is not. */
	assert_int_equal(b.loss.pkt_threshold, 9);
	assert_int_equal(b.loss.reorder_steps, 1);
	ack1(&b, 202 * MS, 11, 19);
	assert_null(strchr(b.log, 'x'));
	ack1(&b, 203 * MS, 11, 20);
	assert_non_null(strchr(b.log, 'x'));
	bench_fini(&b);
}

static void test_spurious_loss_widens_window(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 100 * MS);
	for (uint64_t i = 1; i <= 6; i++) {
		uint64_t t = i * 1000 * MS, pn = rmdt_loss_next_pn(&b.loss);

		send_pkts(&b, t, 4);
		ack1(&b, t + 100 * MS, pn + 2, pn + 3);
		rmdt_loss_detect(&b.loss, t + 250 * MS, &calls, &b, &b.lost);
		/* 25 ms more each round trip, however many came late, and no more than srtt. */
		assert_int_equal(b.lost.pkts, 2);
		ack1(&b, t + 260 * MS, pn, pn + 4);
		assert_int_equal(b.acked.late_pkts, 2);
		assert_int_equal(rmdt_loss_reorder_us(&b.loss),
				 i < 3 ? (i + 1) * 25 * MS : 100 * MS);
	}
	bench_fini(&b);
}

static void test_late_ack_after_entry_is_forgotten(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 10 * MS);
	send_pkts(&b, 100 * MS, 4);
	ack1(&b, 110 * MS, 1, 4);
	assert_string_equal(b.log, "aaax");
	assert_int_equal(b.loss.map.base, 0);
	rmdt_loss_detect(&b.loss, 129 * MS, &calls, &b, &b.lost);
	assert_int_equal(b.loss.map.base, 0);
	rmdt_loss_detect(&b.loss, 130 * MS, &calls, &b, &b.lost);
	assert_int_equal(b.loss.map.base, 4);
	ack1(&b, 131 * MS, 0, 4);
	assert_int_equal(b.acked.pkts, 0);
	bench_fini(&b);
}

static void test_thresholds_calm_down(void **state)
{
	struct bench b;
	uint64_t t = 1000 * MS;

	(void)state;
	bench_init(&b, 10 * MS);
	b.loss.pkt_threshold = 8;
	b.loss.reorder_steps = 4;
	for (int i = 0; i < 4 * RMDT_LOSS_CALM_RECOVERIES; i++, t += 100 * MS) {
		uint64_t pn = rmdt_loss_next_pn(&b.loss);

		send_pkts(&b, t, 20);
		ack1(&b, t + 10 * MS, pn + 1, pn + 20);
		assert_true(b.lost.recovery_started);
	}
	assert_int_equal(b.loss.pkt_threshold, RMDT_LOSS_PKT_THRESHOLD);
	assert_int_equal(b.loss.reorder_steps, 1);
	bench_fini(&b);
}

static void test_one_recovery_per_flight(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 100 * MS);
	send_pkts(&b, 100 * MS, 12);
	ack1(&b, 200 * MS, 1, 4);
	assert_true(b.lost.recovery_started);
	ack1(&b, 201 * MS, 5, 8);
	assert_int_equal(b.lost.pkts, 1);
	assert_false(b.lost.recovery_started);
	send_pkts(&b, 202 * MS, 8);
	ack1(&b, 300 * MS, 13, 20);
	assert_true(b.lost.recovery_started);
	bench_fini(&b);
}

static void test_probe_loss_is_no_congestion(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 100 * MS);
	send_kind(&b, 100 * MS, RMDT_SENT_ELICITING | RMDT_SENT_INFLIGHT | RMDT_SENT_PROBE);
	send_pkts(&b, 100 * MS, 3);
	ack1(&b, 200 * MS, 1, 4);
	assert_string_equal(b.log, "aaax");
	assert_int_equal(b.lost.pkts, 1);
	assert_int_equal(b.lost.bytes, 0);
	assert_false(b.lost.recovery_started);
	assert_int_equal(b.loss.lost_pkts, 0);
	assert_int_equal(rmdt_loss_inflight_bytes(&b.loss), 0);
	bench_fini(&b);
}

static void test_pto(void **state)
{
	struct bench b;
	uint64_t pto_us;

	(void)state;
	bench_init(&b, 100 * MS);
	pto_us = rmdt_rtt_pto_us(&b.rtt, MAX_ACK_DELAY);
	assert_true(rmdt_loss_pto_deadline_us(&b.loss, 0) == UINT64_MAX);
	send_kind(&b, 50 * MS, 0);
	assert_true(rmdt_loss_pto_deadline_us(&b.loss, 0) == UINT64_MAX);
	send_pkts(&b, 100 * MS, 1);
	send_kind(&b, 150 * MS, 0);
	assert_int_equal(rmdt_loss_pto_deadline_us(&b.loss, 0), 100 * MS + pto_us);
	assert_int_equal(rmdt_loss_pto_deadline_us(&b.loss, 2), 100 * MS + 4 * pto_us);
	/* 3 srtt + 1 s */
	assert_int_equal(rmdt_loss_pto_deadline_us(&b.loss, 5), 1400 * MS);
	assert_int_equal(rmdt_loss_pto_deadline_us(&b.loss, UINT32_MAX), 1400 * MS);
	rmdt_loss_set_pto_cap(&b.loss, 200 * MS);
	assert_int_equal(rmdt_loss_pto_deadline_us(&b.loss, 5), 600 * MS);
	bench_fini(&b);
}

static void test_persistent_after_an_outage(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 10 * MS);
	/* Nothing for a second but probes; the last of them is answered. */
	for (uint64_t t = 100; t <= 1100; t += 100)
		send_pkts(&b, t * MS, 1);
	ack1(&b, 1111 * MS, 10, 11);
	assert_int_equal(b.lost.pkts, 10);
	assert_true(b.lost.persistent);
	rmdt_loss_detect(&b.loss, 1300 * MS, &calls, &b, &b.lost);
	assert_int_equal(b.lost.pkts, 0);
	bench_fini(&b);

	/* The same losses with an ack in the middle are not. */
	bench_init(&b, 10 * MS);
	for (uint64_t t = 100; t <= 300; t += 20)
		send_pkts(&b, t * MS, 1);
	ack2(&b, 311 * MS, (struct rmdt_range){ 10, 11 }, (struct rmdt_range){ 5, 6 });
	assert_int_equal(b.lost.pkts, 9);
	assert_false(b.lost.persistent);
	bench_fini(&b);
}

static void test_abandon_and_trim(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 10 * MS);
	send_pkts(&b, 100 * MS, 5);
	ack1(&b, 110 * MS, 1, 2);
	b.events = 0;
	rmdt_loss_abandon(&b.loss, 111 * MS, &calls, &b);
	assert_string_equal(b.log, "xxxx");
	assert_int_equal(rmdt_loss_inflight_bytes(&b.loss), 0);
	assert_true(rmdt_loss_pto_deadline_us(&b.loss, 0) == UINT64_MAX);
	assert_true(rmdt_loss_deadline_us(&b.loss) == UINT64_MAX);
	/* What is answered all the same still counts. */
	ack1(&b, 112 * MS, 1, 5);
	assert_string_equal(b.log, "lll");
	rmdt_loss_trim(&b.loss);
	assert_int_equal(b.loss.map.cap, 0);
	send_pkts(&b, 113 * MS, 1);
	ack1(&b, 123 * MS, 5, 6);
	assert_string_equal(b.log, "a");
	bench_fini(&b);
}

/* Acked entries go at once, also while the clock is younger than what lost ones are kept. */
static void test_acked_entries_go_at_once(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 10 * MS);
	send_pkts(&b, 1, 4);
	ack1(&b, 2, 0, 4);
	assert_int_equal(b.loss.map.base, 4);
	bench_fini(&b);
}

/* One that mostly sends acks: a ping among them settles them all, each told once. */
static void test_ackonly_packets_are_settled(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 10 * MS);
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t t = 100 * MS + i * 20 * MS, pn = rmdt_loss_next_pn(&b.loss);

		for (int j = 0; j < 15; j++)
			send_kind(&b, t, RMDT_SENT_CTRL);
		send_kind(&b, t, RMDT_SENT_CTRL | RMDT_SENT_ELICITING);
		ack1(&b, t + 10 * MS, pn + 8, pn + 16);
		assert_string_equal(b.log, "aaaaaaaaxxxxxxxx");
		assert_int_equal(b.lost.bytes, 0);
	}
	assert_true(b.loss.map.cap <= 128);
	bench_fini(&b);
}

/* ---- a random path ---- */

enum { PKTS = 20000, GONE = 0, HERE = 1, LOST = 2 };

struct path {
	uint8_t told[PKTS];      /* acked (1) and lost (2) as the calls said */
	uint64_t late;
	uint64_t standing_bytes; /* our own count of bytes in flight */
};

static void path_acked(void *arg, uint64_t pn, const struct rmdt_sent *s, bool late)
{
	struct path *p = arg;

	assert_int_equal(p->told[pn], late ? LOST : GONE);
	p->told[pn] |= HERE;
	p->late += late;
	if (!late)
		p->standing_bytes -= s->bytes;
}

static void path_lost(void *arg, uint64_t pn, const struct rmdt_sent *s)
{
	struct path *p = arg;

	assert_int_equal(p->told[pn], GONE);
	p->told[pn] = LOST;
	p->standing_bytes -= s->bytes;
}

/* In which order the packets reach the receiver: sent 10 us apart, each up to `jitter` late. */
struct arrival {
	uint64_t at_us, pn;
};

static int compare_arrivals(const void *a, const void *b)
{
	const struct arrival *x = a, *y = b;

	if (x->at_us != y->at_us)
		return x->at_us < y->at_us ? -1 : 1;
	return x->pn < y->pn ? -1 : 1;
}

static size_t make_arrivals(struct arrival *arrivals, uint32_t seed, uint32_t jitter_us,
			    uint32_t loss_percent)
{
	size_t count = 0;

	for (uint64_t pn = 0; pn < PKTS; pn++) {
		seed = seed * 1664525 + 1013904223;
		/* The last ones get through, so that everything before is decided. */
		if ((seed >> 8) % 100 < loss_percent && pn < PKTS - 10)
			continue;
		seed = seed * 1664525 + 1013904223;
		arrivals[count].pn = pn;
		arrivals[count++].at_us =
			pn * 10 + 5000 + (jitter_us ? (seed >> 8) % jitter_us : 0);
	}
	qsort(arrivals, count, sizeof(*arrivals), compare_arrivals);
	return count;
}

static void pass_ack(struct bench *b, struct path *path, struct rmdt_acks *acks, uint64_t now_us)
{
	static const struct rmdt_loss_calls path_calls = { path_acked, path_lost };
	static struct rmdt_ack ack;
	uint8_t buf[1200];
	struct rmdt_wire_writer w;
	struct rmdt_wire_reader r;

	rmdt_wire_writer_init(&w, buf, sizeof(buf));
	assert_int_equal(rmdt_acks_write(acks, now_us, &w, sizeof(buf)), 0);
	rmdt_wire_reader_init(&r, buf, rmdt_wire_written(&w));
	assert_true(rmdt_ack_read(&r, &ack));
	now_us += 5000;
	assert_int_equal(
		rmdt_loss_on_ack(&b->loss, now_us, &ack, &path_calls, path, &b->acked), 0);
	if (b->acked.has_rtt)
		rmdt_rtt_sample(&b->rtt, now_us, b->acked.rtt_us, ack.delay_us);
	rmdt_loss_detect(&b->loss, now_us, &path_calls, path, &b->lost);
	assert_true(rmdt_loss_inflight_bytes(&b->loss) == path->standing_bytes);
	if (rmdt_loss_deadline_us(&b->loss) != UINT64_MAX)
		assert_true(rmdt_loss_deadline_us(&b->loss) > now_us);
	rmdt_acks_confirmed(acks, ack.largest);
	rmdt_acks_set_rtt(acks, b->rtt.srtt_us);
}

static void run_path(uint32_t seed, uint32_t jitter_us, uint32_t loss_percent)
{
	struct arrival *arrivals = calloc(PKTS, sizeof(*arrivals));
	struct path *path = calloc(1, sizeof(*path));
	size_t count, lost = 0;
	struct rmdt_acks acks;
	struct bench b;

	assert_non_null(arrivals);
	assert_non_null(path);
	count = make_arrivals(arrivals, seed, jitter_us, loss_percent);
	bench_init(&b, 10 * MS);
	rmdt_acks_init(&acks);
	for (size_t i = 0; i < count; i++) {
		struct rmdt_acks_packet pkt = { arrivals[i].pn, 1000, true, RMDT_ECN_NOT_ECT };
		uint64_t now_us = arrivals[i].at_us;

		/* Everything that is sent until an ack of now reaches the sender. */
		while (rmdt_loss_next_pn(&b.loss) < PKTS &&
		       rmdt_loss_next_pn(&b.loss) * 10 <= now_us + 5000) {
			send_kind(&b, rmdt_loss_next_pn(&b.loss) * 10, DATA_KIND);
			path->standing_bytes += 1000;
		}
		assert_int_equal(rmdt_acks_received(&acks, now_us, &pkt), 0);
		if (rmdt_acks_due_us(&acks) <= now_us || i + 1 == count)
			pass_ack(&b, path, &acks, now_us);
	}
	pass_ack(&b, path, &acks, 1000000);
	assert_int_equal(rmdt_loss_inflight_bytes(&b.loss), 0);
	assert_int_equal(b.loss.eliciting_pkts, 0);
	for (size_t i = 0; i < count; i++)
		assert_true(path->told[arrivals[i].pn] & HERE);
	for (size_t i = 0; i < PKTS; i++)
		lost += path->told[i] == LOST;
	assert_int_equal(lost, PKTS - count);
	assert_int_equal(b.loss.spurious_pkts, path->late);
	/* Without reordering no loss is spurious; with it the thresholds must learn soon. */
	if (jitter_us == 0)
		assert_int_equal(path->late, 0);
	assert_true(path->late < PKTS / 50);
	rmdt_acks_fini(&acks);
	bench_fini(&b);
	free(path);
	free(arrivals);
}

static void test_random_paths(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 3; seed++) {
		run_path(seed, 0, 0);
		run_path(seed, 0, 10);
		run_path(seed, 1000, 1);
		run_path(seed, 3000, 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ack_settles),
		cmocka_unit_test(test_lies_are_refused),
		cmocka_unit_test(test_skips_are_bounded),
		cmocka_unit_test(test_packet_threshold),
		cmocka_unit_test(test_time_threshold),
		cmocka_unit_test(test_window_on_a_short_path),
		cmocka_unit_test(test_spurious_loss_raises_packet_threshold),
		cmocka_unit_test(test_spurious_loss_widens_window),
		cmocka_unit_test(test_late_ack_after_entry_is_forgotten),
		cmocka_unit_test(test_thresholds_calm_down),
		cmocka_unit_test(test_one_recovery_per_flight),
		cmocka_unit_test(test_probe_loss_is_no_congestion),
		cmocka_unit_test(test_pto),
		cmocka_unit_test(test_persistent_after_an_outage),
		cmocka_unit_test(test_abandon_and_trim),
		cmocka_unit_test(test_acked_entries_go_at_once),
		cmocka_unit_test(test_ackonly_packets_are_settled),
		cmocka_unit_test(test_random_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

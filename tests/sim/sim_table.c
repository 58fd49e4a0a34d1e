/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named scenarios, each with bounds on virtual time and on what it may cost: a test of performance without a stopwatch.
 *
 *     sim_table                 all rows, with what they took
 *     sim_table NAME...         these
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_expect.h"
#include "sim/sim_plan.h"

#define MB	UINT64_C(1000000)
#define MBIT	1e6
#define MS	UINT64_C(1000)
#define S	UINT64_C(1000000)

struct row {
	const char *name;
	void (*plan)(struct sim_plan *p);
	double most_s;			/* virtual seconds until the last fate is known */
	/* More to check, after the usual expectations. NULL: nothing. Returns what is wrong, or NULL. */
	const char *(*check)(const struct sim_plan *p, const struct sim_result *r);
};

static void set_path(struct sim_receiver_plan *r, double bps, uint64_t rtt_us, uint64_t queue_us, double loss)
{
	struct emu_params e = { .shape = { .rate_bps = (uint64_t)bps, .queue_us = queue_us }, .delay_us = rtt_us / 2 };

	r->there = r->back = e;
	r->there.loss = loss;
}

/* ---- one receiver, bulk ---- */

static void clean(struct sim_plan *p)
{
	p->bytes = 50 * MB;
	set_path(&p->receiver[0], 200 * MBIT, 20 * MS, 30 * MS, 0);
}

static void lossy_1(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].there.loss = 0.01;
}

static void lossy_5(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].there.loss = 0.05;
}

static void lossy_10(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].there.loss = 0.10;
}

static void long_fat(struct sim_plan *p)
{
	p->bytes = 100 * MB;
	set_path(&p->receiver[0], 500 * MBIT, 300 * MS, 150 * MS, 0);
}

static void long_fat_lossy(struct sim_plan *p)
{
	p->bytes = 200 * MB;
	p->buffer_bytes = UINT64_C(500) << 20;
	set_path(&p->receiver[0], 500 * MBIT, 100 * MS, 50 * MS, 0.01);
}

static void shallow_queue(struct sim_plan *p)
{
	p->bytes = 50 * MB;
	set_path(&p->receiver[0], 100 * MBIT, 40 * MS, 4 * MS, 0);
}

static void bursts(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].there.ge_enter = 0.001;
	p->receiver[0].there.ge_leave = 0.1;
	p->receiver[0].there.ge_bad = 0.5;
}

static void rough(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].there.loss = 0.02;
	p->receiver[0].there.reorder = 0.02;
	p->receiver[0].there.reorder_us = 3 * MS;
	p->receiver[0].there.dup = 0.01;
	p->receiver[0].there.corrupt = 0.001;
	p->receiver[0].there.jitter_us = 3 * MS;
}

static void slow_lan(struct sim_plan *p)
{
	p->bytes = 20 * MB;
	set_path(&p->receiver[0], 20 * MBIT, 1 * MS, 20 * MS, 0);
}

/* Slow, short and lossy: acks have little to tell, and much to repeat. */
static void slow_lossy(struct sim_plan *p)
{
	p->bytes = 20 * MB;
	set_path(&p->receiver[0], 20 * MBIT, 10 * MS, 100 * MS, 0.05);
}

static const char *says_little_back(const struct sim_plan *p, const struct sim_result *r)
{
	/* Without the headers of IP and UDP, which are about a third of it. */
	return r->receiver[0].feedback_bytes * 256 > p->bytes ? "more than 0.39 % went back" : NULL;
}

static void back_path_lossy(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].back.loss = 0.2;
}

static void jumbo(struct sim_plan *p)
{
	p->bytes = 100 * MB;
	p->mtu = 65507;
	set_path(&p->receiver[0], 2000 * MBIT, 1 * MS, 5 * MS, 0);
}

static void fixed_rate(struct sim_plan *p)
{
	lossy_5(p);
	p->bytes = 20 * MB;
	p->cc = "fixed";
	p->fixed_rate = 12500000;
}

static void cubic(struct sim_plan *p)
{
	clean(p);
	p->bytes = 20 * MB;
	p->cc = "cubic";
}

static void chacha(struct sim_plan *p)
{
	clean(p);
	p->bytes = 10 * MB;
	p->suite = RMDT_CHACHA20_POLY1305;
}

static void in_clear(struct sim_plan *p)
{
	clean(p);
	p->bytes = 10 * MB;
	p->cipher_none = true;
}

/* A slow writer whose small packets fill a slow path: their repairs must not drown it. */
static void slow_writer(struct sim_plan *p)
{
	p->bytes = 2700000;
	p->write_rate = 130000;
	set_path(&p->receiver[0], 1.2 * MBIT, 3 * MS, 120 * MS, 0);
}

static const char *sends_little_twice(const struct sim_plan *p, const struct sim_result *r)
{
	return r->receiver[0].repaired_bytes * 10 > p->bytes ? "more than a tenth was sent again" : NULL;
}

static void rekeying(struct sim_plan *p)
{
	p->bytes = 20 * MB;
	set_path(&p->receiver[0], 8 * MBIT, 40 * MS, 50 * MS, 0.05);
	p->rekey_packets = 500;
}

static const char *rekeyed_often(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return r->receiver[0].rekeys < 4 ? "too few rekeys" : NULL;	/* old keys are kept for 5 s each */
}

/* ---- small things ---- */

static void empty(struct sim_plan *p)
{
	p->bytes = 0;
	set_path(&p->receiver[0], 100 * MBIT, 100 * MS, 50 * MS, 0);
}

static void one_byte(struct sim_plan *p)
{
	p->bytes = 1;
	p->write_us = 5 * S;
	set_path(&p->receiver[0], 100 * MBIT, 100 * MS, 50 * MS, 0);
}

/* A byte typed arrives within half a round trip and 5 ms. */
static const char *arrives_at_once(const struct sim_plan *p, const struct sim_result *r)
{
	uint64_t most = p->write_us + p->receiver[0].there.delay_us + 5 * MS;

	return r->receiver[0].first_byte_us > most ? "the byte came late" : NULL;
}

static void byte_after_an_hour(struct sim_plan *p)
{
	one_byte(p);
	p->write_us = 3600 * S;
	p->limit_us = 3700 * S;
}

static void idle_hour(struct sim_plan *p)
{
	p->bytes = 1 * MB;
	p->idle_us = 3600 * S;
}

static const char *few_packets_a_minute(const struct sim_plan *p, const struct sim_result *r)
{
	return r->idle_datagrams > 30 * p->idle_us / (60 * S) ? "not a few packets a minute" : NULL;
}

/* ---- marks of congestion ---- */

/* Deep buffers, which only the marks keep empty. */
static void ecn(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].there.shape.queue_us = 1 * S;
	p->receiver[0].there.ecn_us = 2 * MS;
	p->cc = "cubic";
}

static void ecn_bbr(struct sim_plan *p)
{
	ecn(p);
	p->cc = "bbr";
}

/* A path that marks from the first packet in its queue on. */
static void ecn_eager(struct sim_plan *p)
{
	ecn_bbr(p);
	p->receiver[0].there.ecn_us = 50;
}

static const char *heeds_marks(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	if (r->receiver[0].ecn_off)
		return "marking was given up";
	return r->receiver[0].marked_pkts == 0 ? "no mark was heeded" :
	       r->receiver[0].repaired_bytes > 0 ? "the queue ran over" : NULL;
}

static void ecn_bleached(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].there.ecn_us = 2 * MS;
	p->receiver[0].there.ect = EMU_ECT_BLEACH;
}

static void ecn_dropped(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].there.ect = EMU_ECT_DROP;
}

static void ecn_dropped_lossy(struct sim_plan *p)
{
	lossy_5(p);
	p->receiver[0].there.ect = EMU_ECT_DROP;
}

/* A few bytes, all of them in packets that vanish at first. */
static void ecn_dropped_short(struct sim_plan *p)
{
	p->bytes = 3000;
	set_path(&p->receiver[0], 100 * MBIT, 100 * MS, 50 * MS, 0);
	p->receiver[0].there.ect = EMU_ECT_DROP;
}

static const char *gives_up_marking(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return !r->receiver[0].ecn_off ? "marking goes on" : r->receiver[0].marked_pkts ? "marks were heeded" : NULL;
}

/* ---- traffic of others ---- */

static void cross(struct sim_plan *p)
{
	clean(p);
	p->bytes = 40 * MB;
	p->receiver[0].there.cross = (struct emu_cross){ .rate_bps = 80000000 };
}

static void cross_on_off(struct sim_plan *p)
{
	clean(p);
	p->bytes = 80 * MB;
	p->receiver[0].there.cross = (struct emu_cross){ .rate_bps = 100000000, .on_us = 700 * MS, .off_us = 700 * MS };
}

/* ---- what goes wrong ---- */

static void pause_5s(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].pause_us = 500 * MS;
	p->receiver[0].resume_us = 5500 * MS;
}

/* What arrives while the first flights wait there looks like a tenth of the rate: it must not be kept for long. */
static void asleep_at_start(struct sim_plan *p)
{
	p->seed = 9;
	p->bytes = 40 * MB;
	p->buffer_bytes = UINT64_C(500) << 20;
	set_path(&p->receiver[0], 500 * MBIT, 10 * MS, 100 * MS, 0);
	p->receiver[0].there.loss = 0.1;
	p->receiver[0].pause_us = 25 * MS;
	p->receiver[0].resume_us = 105 * MS;
}

static void sender_pause_20s(struct sim_plan *p)
{
	clean(p);
	p->timers_first = true;
	p->sender_pause_us = 500 * MS;
	p->sender_resume_us = 20500 * MS;
}

static void cut_5s(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].cut_us = 500 * MS;
	p->receiver[0].heal_us = 5500 * MS;
}

static void cut_for_good(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].cut_us = 500 * MS;
}

static void sender_dies(struct sim_plan *p)
{
	clean(p);
	p->sender_die_us = 500 * MS;
}

static const char *broke_by_timeout(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return !r->receiver[0].broke || r->receiver[0].broke_code != RMDT_CODE_TIMEOUT ?
		"not broken by a timeout" : NULL;
}

static void black_hole(struct sim_plan *p)
{
	clean(p);
	p->mtu = 8972;
	p->receiver[0].there.mtu = 1500;
}

static void path_narrows(struct sim_plan *p)
{
	clean(p);
	p->mtu = 8972;
	p->receiver[0].shrink_us = 800 * MS;
	p->receiver[0].shrink_mtu = 1500;
}

static void restarts(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].restart_us = 500 * MS;
}

static const char *lost_restarted(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return r->receiver[0].code != RMDT_CODE_RESTARTED ? "the restart was not noticed" : NULL;
}

static void moves(struct sim_plan *p)
{
	clean(p);
	p->keepalive_us = 2 * S;
	p->receiver[0].move_us = 500 * MS;
}

static const char *moved_once(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return r->receiver[0].moves != 1 ? "not moved once" : NULL;
}

static void wrong_psk(struct sim_plan *p)
{
	clean(p);
	p->psk = p->receiver[0].wrong_psk = true;
}

static const char *lost_psk(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return r->receiver[0].code != RMDT_CODE_PSK ? "the wrong psk has another name" : NULL;
}

static void absent(struct sim_plan *p)
{
	clean(p);
	p->receiver[0].die_us = 0;
}

/* ---- many receivers ---- */

/* Rates 20 to 300 Mbit/s, round trips 1 to 300 ms, losses to 5 %. */
static void unlike_8(struct sim_plan *p)
{
	static const double rate[8] = { 20, 40, 60, 80, 120, 160, 200, 300 };
	static const uint64_t rtt_ms[8] = { 300, 1, 80, 10, 200, 5, 40, 20 };
	static const double loss[8] = { 0.001, 0.05, 0, 0.01, 0.003, 0.02, 0.05, 0.01 };

	p->bytes = 20 * MB;
	p->receivers = 8;
	for (unsigned i = 0; i < 8; i++)
		set_path(&p->receiver[i], rate[i] * MBIT, rtt_ms[i] * MS, rtt_ms[i] * MS / 2 + 5 * MS, loss[i]);
	p->receiver[2].there.ge_enter = 0.0005;
	p->receiver[2].there.ge_leave = 0.1;
	p->receiver[2].there.ge_bad = 0.4;
	p->receiver[3].there.reorder = 0.01;
	p->receiver[3].there.reorder_us = 2 * MS;
	p->receiver[5].there.dup = 0.02;
	p->receiver[6].there.corrupt = 0.002;
}

static void unlike_8_quorum(struct sim_plan *p)
{
	unlike_8(p);
	p->policy = (struct rmdt_policy){ .kind = RMDT_POLICY_QUORUM, .quorum = 5 };
	p->buffer_bytes = 8 << 20;
	p->linger_us = 1 * S;
}

static const char *five_confirmed(const struct sim_plan *p, const struct sim_result *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->receivers; i++)
		n += r->receiver[i].fate == SIM_CONFIRMED;
	return n < 5 ? "fewer than five confirmed" : NULL;
}

static void unlike_8_drop(struct sim_plan *p)
{
	unlike_8(p);
	p->policy = (struct rmdt_policy){ .kind = RMDT_POLICY_DROP, .lag_bytes = 4 * MB };
}

static const char *fastest_confirmed(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return r->receiver[7].fate != SIM_CONFIRMED ? "the fastest is not confirmed" :
	       r->receiver[0].fate == SIM_CONFIRMED ? "the slowest was not dropped" : NULL;
}

static void one_of_8_dies(struct sim_plan *p)
{
	unlike_8(p);
	p->dead_after_us = 10 * S;
	p->receiver[4].die_us = 1 * S;
}

static void small_buffer(struct sim_plan *p)
{
	clean(p);
	p->bytes = 10 * MB;
	p->buffer_bytes = 1 << 20;
	p->receiver[0].there.loss = 0.02;
}

static void slow_consumer(struct sim_plan *p)
{
	clean(p);
	p->bytes = 10 * MB;
	p->buffer_bytes = 2 << 20;
	p->receiver[0].consume_rate = 2 * MB;
	p->receiver[0].there.loss = 0.02;
}

static void hundred(struct sim_plan *p)
{
	p->bytes = 200000;
	p->receivers = 100;
	for (unsigned i = 0; i < 100; i++)
		set_path(&p->receiver[i], 20 * MBIT, (1 + i) * MS, 50 * MS, i % 4 * 0.01);
	p->uplink = (struct emu_shape){ .rate_bps = 500 * 1000000, .queue_us = 50 * MS };
}

/* Bounds: what it takes now and about a tenth more; a gain should lower them. */
static const struct row rows[] = {
	{ "clean", clean, 2.4, NULL },
	{ "lossy-1", lossy_1, 2.5, NULL },
	{ "lossy-5", lossy_5, 2.7, NULL },
	{ "lossy-10", lossy_10, 3, NULL },
	{ "bursts", bursts, 2.5, NULL },
	{ "rough", rough, 2.6, NULL },
	{ "back-path-lossy", back_path_lossy, 2.4, NULL },
	{ "long-fat", long_fat, 3.4, NULL },
	{ "long-fat-lossy", long_fat_lossy, 4.6, NULL },
	{ "shallow-queue", shallow_queue, 5, NULL },
	{ "slow-lan", slow_lan, 9.2, NULL },
	{ "slow-lossy", slow_lossy, 9.6, says_little_back },
	{ "jumbo", jumbo, 0.5, NULL },
	{ "fixed-rate", fixed_rate, 2, NULL },
	{ "cubic", cubic, 1.2, NULL },
	{ "chacha", chacha, 0.6, NULL },
	{ "in-clear", in_clear, 0.6, NULL },
	{ "slow-writer", slow_writer, 22, sends_little_twice },
	{ "rekeying", rekeying, 26, rekeyed_often },
	{ "empty", empty, 0.25, NULL },
	{ "one-byte", one_byte, 5.15, arrives_at_once },
	{ "byte-after-an-hour", byte_after_an_hour, 3600.15, arrives_at_once },
	{ "idle-hour", idle_hour, 0.2, few_packets_a_minute },
	{ "ecn", ecn, 3.7, heeds_marks },
	{ "ecn-bbr", ecn_bbr, 2.6, NULL },
	{ "ecn-eager", ecn_eager, 3, heeds_marks },
	{ "ecn-bleached", ecn_bleached, 2.4, gives_up_marking },
	{ "ecn-dropped", ecn_dropped, 2.5, gives_up_marking },
	{ "ecn-dropped-lossy", ecn_dropped_lossy, 2.9, gives_up_marking },
	{ "ecn-dropped-short", ecn_dropped_short, 1, NULL },
	{ "cross", cross, 3.2, NULL },
	{ "cross-on-off", cross_on_off, 6.4, NULL },
	{ "pause-5s", pause_5s, 7.6, NULL },
	{ "asleep-at-start", asleep_at_start, 2, NULL },
	{ "sender-pause-20s", sender_pause_20s, 22.8, NULL },
	{ "cut-5s", cut_5s, 8.6, NULL },
	{ "cut-for-good", cut_for_good, 30.8, NULL },
	{ "sender-dies", sender_dies, 30.8, broke_by_timeout },
	{ "black-hole", black_hole, 2.4, NULL },
	{ "path-narrows", path_narrows, 3, NULL },
	{ "restarts", restarts, 0.6, lost_restarted },
	{ "moves", moves, 4.5, moved_once },
	{ "wrong-psk", wrong_psk, 0.32, lost_psk },
	{ "absent", absent, 10.05, NULL },
	{ "small-buffer", small_buffer, 0.9, NULL },
	{ "slow-consumer", slow_consumer, 5.4, NULL },
	{ "unlike-8-block", unlike_8, 10.8, NULL },
	{ "unlike-8-quorum", unlike_8_quorum, 3.9, five_confirmed },
	{ "unlike-8-drop", unlike_8_drop, 1, fastest_confirmed },
	{ "one-of-8-dies", one_of_8_dies, 12.8, NULL },
	{ "hundred", hundred, 1.6, NULL },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool fail(const struct row *row, const struct sim_plan *plan, const char *what)
{
	printf("FAILED %s: %s\n", row->name, what);
	sim_plan_print(plan, stdout);
	return false;
}

static bool run(const struct row *row)
{
	static struct sim_plan plan;
	static struct sim_result result;
	uint64_t chunk = 0, delivered = 0, feedback = 0;
	const char *what;

	sim_plan_init(&plan, 1);
	row->plan(&plan);
	sim_run(&plan, &result);
	if (result.ok)
		sim_expect(&plan, &result);
	for (unsigned i = 0; i < plan.receivers; i++) {
		chunk += result.receiver[i].chunk_bytes;
		delivered += result.receiver[i].delivered_bytes;
		feedback += result.receiver[i].feedback_bytes;
	}
	printf("%-20s %9.3f s of %7.3f, ideal %8.3f, sent/delivered %.3f, feedback %.2f %%, idle %" PRIu64 "\n",
	       row->name, (double)result.end_us / 1e6, row->most_s, (double)sim_ideal_us(&plan, 0) / 1e6,
	       delivered ? (double)chunk / (double)delivered : 0,
	       delivered ? 100.0 * (double)feedback / (double)delivered : 0, result.idle_datagrams);
	fflush(stdout);
	if (!result.ok)
		return fail(row, &plan, result.broken);
	what = row->check ? row->check(&plan, &result) : NULL;
	if (what)
		return fail(row, &plan, what);
	if ((double)result.end_us / 1e6 > row->most_s)
		return fail(row, &plan, "it took too long");
	return true;
}

static bool is_wanted(const struct row *row, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(row->name, argv[i]) == 0)
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	unsigned failed = 0, ran = 0;

	for (size_t i = 0; i < ROWS; i++) {
		if (!is_wanted(&rows[i], argc, argv))
			continue;
		failed += !run(&rows[i]);
		ran++;
	}
	printf("%u rows, %u failed\n", ran, failed);
	return failed > 0 || ran == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths faster than this machine: long and lossy ones whose windows are hundreds of thousands of
 * packets, and a hundred receivers at once. What is asked is the rate in the steady state, between
 * two offsets of the stream, and that every byte arrives; the start is told beside it.
 *
 *     sim_big                   the rows that take a few seconds
 *     sim_big NAME...           these, also the large ones
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_plan.h"

#define MB	UINT64_C(1000000)
#define MS	UINT64_C(1000)
#define MIB	(UINT64_C(1) << 20)

struct row {
	const char *name;
	bool large;			/* only when it is named */
	void (*plan)(struct sim_plan *p);
	/* of the paths' rates, in the steady state: the worst of them, and all */
	double least, mean;
};

static void set_path(struct sim_receiver_plan *r, double bps, uint64_t rtt_us, double loss)
{
	r->there = r->back = (struct emu_params){
		.shape = { .rate_bps = (uint64_t)bps, .queue_us = 100 * MS },
		.delay_us = rtt_us / 2 };
	r->there.loss = loss;
}

/* A 400 ms path with 2 % of loss, and a buffer of four bandwidth-delay products. */
static void long_path(struct sim_plan *p, double bps)
{
	p->buffer_bytes = (uint64_t)(bps / 8 * 0.4 * 4.3) / MIB * MIB;
	p->cipher_none = true;		/* changes no decision */
	p->idle_us = 0;
	set_path(&p->receiver[0], bps, 400 * MS, 0.02);
}

static void gigabit(struct sim_plan *p)
{
	long_path(p, 1e9);
	p->bytes = 1300 * MB;
	p->measure_from_off = 400 * MB;
	p->measure_until_off = 1200 * MB;
}

static void ten_gigabit(struct sim_plan *p)
{
	long_path(p, 10e9);
	p->buffer_bytes = 2048 * MIB;
	p->bytes = 13000 * MB;
	p->measure_from_off = 3000 * MB;
	p->measure_until_off = 12000 * MB;
}

/*
 * Round trips of 2 to 300 ms, losses to 3 %. The buffer holds the whole stream, so that nobody
 * waits for another.
 */
static void hundred(struct sim_plan *p, uint64_t bytes)
{
	p->receivers = 100;
	p->bytes = bytes;
	p->buffer_bytes = 2048 * MIB;
	p->policy.kind = RMDT_POLICY_DROP;
	p->policy.lag_bytes = p->buffer_bytes;
	p->cipher_none = true;
	p->idle_us = 0;
	p->measure_from_off = bytes / 10 * 4;
	p->measure_until_off = bytes / 10 * 9;
	for (unsigned i = 0; i < p->receivers; i++)
		set_path(&p->receiver[i], 100e6, (2 + i * 37 % 100 * 3) * MS, i % 4 * 0.01);
}

static void hundred_short(struct sim_plan *p)
{
	hundred(p, 25 * MB);
}

static void hundred_long(struct sim_plan *p)
{
	hundred(p, 100 * MB);
}

static const struct row rows[] = {
	{ "gigabit", false, gigabit, 0.85, 0.85 },
	{ "hundred", false, hundred_short, 0.65, 0.9 },	/* few round trips of the longest paths */
	{ "ten-gigabit", true, ten_gigabit, 0.85, 0.85 },
	{ "hundred-long", true, hundred_long, 0.85, 0.9 },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Payload of receiver i over the rate of its path. */
static double steady(const struct sim_plan *p, const struct sim_result *r, unsigned i)
{
	const struct sim_receiver_result *got = &r->receiver[i];
	double bits = 8 * (double)(p->measure_until_off - p->measure_from_off);
	double us = (double)(got->measure_until_us - got->measure_from_us);

	return us > 0 ? bits * 1e6 / us / (double)p->receiver[i].there.shape.rate_bps : 0;
}

static bool run(const struct row *row)
{
	static struct sim_plan plan;
	static struct sim_result result;
	double least = 1, mean = 0;
	unsigned worst = 0;
	bool good;

	sim_plan_init(&plan, 1);
	row->plan(&plan);
	sim_run(&plan, &result);
	for (unsigned i = 0; result.ok && i < plan.receivers; i++) {
		double part = steady(&plan, &result, i);

		mean += part / plan.receivers;
		if (part < least) {
			least = part;
			worst = i;
		}
		if (result.receiver[i].fate != SIM_CONFIRMED ||
		    result.receiver[i].delivered_bytes != plan.bytes)
			result.ok = false;
	}
	good = result.ok && least >= row->least && mean >= row->mean;
	printf("%s%-12s %s steady %.3f of the link (mean %.3f, worst receiver %u), least %.2f; %.0f MB read at %.2f s, all "
	       "at %.2f s; most packets in the books %zu, blocks sent %u received %u\n",
		       good ? "" : "FAILED ", row->name,
	       result.broken, least, mean, worst, row->least, (double)plan.measure_from_off / 1e6,
	       (double)result.receiver[worst].measure_from_us / 1e6, (double)result.end_us / 1e6,
	       result.receiver[worst].peak_books, result.peak_send_blocks, result.peak_recv_blocks);
	if (!good && plan.receivers < 5)
		sim_plan_print(&plan, stdout);
	fflush(stdout);
	return good;
}

int main(int argc, char **argv)
{
	unsigned failed = 0, ran = 0;

	for (size_t i = 0; i < ROWS; i++) {
		bool wanted = argc < 2 && !rows[i].large;

		for (int k = 1; k < argc; k++)
			wanted |= strcmp(argv[k], rows[i].name) == 0;
		if (!wanted)
			continue;
		failed += !run(&rows[i]);
		ran++;
	}
	return failed > 0 || ran == 0;
}

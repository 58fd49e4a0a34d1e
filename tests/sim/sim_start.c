/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start and the end of a transfer over a long path, by whole associations: how long it takes to the last byte, how long the
 * last byte takes, what a remembered path gains, and what a wrong memory costs.
 *
 *     sim_start                 all rows, with what they took
 *     sim_start NAME...         these
 */
#include <stdio.h>
#include <string.h>

#include "sim/sim.h"

#define MB	UINT64_C(1000000)
#define MBIT	1000000.0

struct row {
	const char *name;
	double rate, rtt_ms, loss;	/* Mbit/s; loss of data, in percent */
	double queue_ms;
	uint64_t bytes;
	double known_rate, known_rtt_ms; /* remembered; 0: nothing */
	/* Bounds. */
	double most_s;			/* to the last byte */
	double tail_rtts;		/* from the last new byte sent to the last one taken, at most */
	double sent_ratio;		/* chunk bytes over delivered, times the chance of arrival, at most */
};

static const struct row rows[] = {
	{ "100ms", 500, 100, 0, 100, 60 * MB, 0, 0, 1.45, 0.9, 1.03 },
	{ "100ms 5%", 500, 100, 5, 100, 60 * MB, 0, 0, 1.75, 2.9, 1.03 },
	{ "300ms", 500, 300, 0, 100, 60 * MB, 0, 0, 2.40, 0.9, 1.0001 },
	{ "300ms 1%", 500, 300, 1, 100, 60 * MB, 0, 0, 2.70, 2.6, 1.03 },
	{ "300ms 5%", 500, 300, 5, 100, 60 * MB, 0, 0, 2.90, 2.9, 1.03 },
	{ "300ms 10%", 500, 300, 10, 100, 60 * MB, 0, 0, 3.50, 4.2, 1.03 },
	{ "100ms known", 500, 100, 0, 100, 60 * MB, 500, 100, 1.35, 0.9, 1.03 },
	{ "100ms 5% known", 500, 100, 5, 100, 60 * MB, 480, 100, 1.60, 3.2, 1.03 },
	{ "300ms 5% known", 500, 300, 5, 100, 60 * MB, 480, 300, 2.65, 2.9, 1.03 },
	{ "100ms, known ten times as fast", 50, 100, 0, 100, 25 * MB, 500, 100, 4.90, 2.5, 1.20 },
	{ "100ms 1%, known ten times as fast", 50, 100, 1, 100, 25 * MB, 500, 100, 5.20, 3.0, 1.20 },
	{ "100ms, known a tenth as fast", 500, 100, 0, 100, 60 * MB, 50, 100, 1.45, 0.9, 1.03 },
	{ "100ms, known with 20ms", 500, 100, 0, 100, 60 * MB, 5000, 20, 1.45, 0.9, 1.03 },
	{ "20ms 10%, short", 100, 20, 10, 50, 2 * MB, 0, 0, 0.60, 6, 1.05 },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool above(const char *what, double value, double limit)
{
	if (value <= limit)
		return false;
	printf("    %s %.4f is above %.4f\n", what, value, limit);
	return true;
}

static bool run(const struct row *row)
{
	static struct sim_plan plan;
	static struct sim_result result;
	const struct sim_receiver_result *r = &result.receiver[0];
	double seconds, tail_rtts, ratio;
	bool bad;

	sim_plan_init(&plan, 1);
	plan.bytes = row->bytes;
	plan.buffer_bytes = UINT64_C(500) << 20;
	plan.idle_us = 0;
	plan.receiver[0].there = plan.receiver[0].back = (struct emu_params){
		.shape = { .rate_bps = (uint64_t)(row->rate * MBIT), .queue_us = (uint64_t)(row->queue_ms * 1000) },
		.delay_us = (uint64_t)(row->rtt_ms * 500),
	};
	plan.receiver[0].there.loss = row->loss / 100;
	plan.hint_rate = (uint64_t)(row->known_rate * MBIT / 8);
	plan.hint_rtt_us = (uint64_t)(row->known_rtt_ms * 1000);
	sim_run(&plan, &result);
	seconds = (double)r->last_byte_us / 1e6;
	tail_rtts = (double)(r->last_byte_us - r->last_sent_us) / 1e3 / row->rtt_ms;
	ratio = (double)r->chunk_bytes / (double)(r->delivered_bytes + 1) * (1 - row->loss / 100);
	printf("%-28s %6.1f Mbit/s, last byte at %.3f s, %.2f RTT after the last was sent, sent %.4f\n", row->name,
	       (double)row->bytes * 8e-6 / seconds, seconds, tail_rtts, ratio);
	bad = !result.ok || r->fate != SIM_CONFIRMED;
	if (bad)
		printf("    %s %s\n", result.broken, r->reason);
	bad |= above("seconds", seconds, row->most_s);
	bad |= above("round trips of the tail", tail_rtts, row->tail_rtts);
	bad |= above("sent times arrival", ratio, row->sent_ratio);
	return !bad;
}

static bool is_wanted(const struct row *row, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], row->name) == 0)
			return true;
	return argc == 1;
}

int main(int argc, char **argv)
{
	unsigned failed = 0;

	for (size_t i = 0; i < ROWS; i++)
		if (is_wanted(&rows[i], argc, argv))
			failed += !run(&rows[i]);
	printf("%u failed\n", failed);
	return failed > 0;
}

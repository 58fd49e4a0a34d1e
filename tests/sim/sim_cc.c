/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Congestion control over whole paths, as a table of rows with bounds. A sample of the rows runs by
 * default; with --all, or RMDT_TEST_ALL in the environment, every row does. --row NAME runs one and
 * traces it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/ccsim.h"

#define MBIT 125000
#define MS 1000
#define S 1000000

/* Bounds; 0: not checked. Goodput is of what the link can carry of payload, chance taken off. */
struct bounds {
	double goodput;			/* of the first flow, at least */
	double share[CCSIM_MAX_FLOWS];	/* of the link, at least */
	double queue_ms;		/* median, at most */
	double queue_loss;		/* at most */
	double mbit;			/* to the last byte, at least */
	double sent_ratio;		/* times the chance of arrival, at most */
};

struct row {
	const char *name;
	bool sample;			/* runs by default */
	struct ccsim_config config;
	struct bounds bounds;
};

#define ALONE { { .cc = "bbr", .config = { .seed = 1 } } }
#define BULK { { .cc = "bbr", .config = { .seed = 1 }, .bytes = 200000000 } }
#define KNOWN(r, t) { { .cc = "bbr", .bytes = 200000000, .config = { .seed = 1, \
	.hint_rate = (r), .hint_rtt_us = (t), .initial_rtt_us = (t) } } }
#define AGAINST(who) { { .cc = "bbr", .config = { .seed = 1 } }, \
		       { .cc = (who), .config = { .seed = 2 } } }

#define FOUR { { .cc = "bbr", .config = { .seed = 1 } }, { .cc = "bbr", .config = { .seed = 2 } }, \
	       { .cc = "bbr", .config = { .seed = 3 } }, { .cc = "bbr", .config = { .seed = 4 } } }

#define PATH(r, t, q, l) .rate = (r), .rtt_us = (t), .queue_us = (q), .loss_ppm = (l), .seed = 7
#define TIME(end, from) .duration_us = (end) * S, .measure_us = (from) * S
/* A flow alone, its last 30 of 40 seconds; two for a minute; one with an end. */
#define STEADY(r, t, q, l) PATH(r, t, q, l), TIME(40, 10), .flow = ALONE
#define SHARED(r, t, q, who) PATH(r, t, q, 0), TIME(60, 0), .flow = AGAINST(who)
#define TRANSFER(r, t, q, l) PATH(r, t, q, l), TIME(60, 60)

static const struct row rows[] = {
	{ "500M 100ms", true, { STEADY(500 * MBIT, 100 * MS, 100 * MS, 0) },
	  { .goodput = .996, .queue_ms = 5, .queue_loss = .001 } },
	{ "500M 100ms 0.1%", false, { STEADY(500 * MBIT, 100 * MS, 100 * MS, 1000) },
	  { .goodput = .996, .queue_ms = 5, .queue_loss = .001 } },
	{ "500M 100ms 1%", false, { STEADY(500 * MBIT, 100 * MS, 100 * MS, 10000) },
	  { .goodput = .97, .queue_ms = 10, .queue_loss = .001 } },
	{ "500M 100ms 5%", false, { STEADY(500 * MBIT, 100 * MS, 100 * MS, 50000) },
	  { .goodput = .96, .queue_ms = 15, .queue_loss = .002 } },
	{ "500M 100ms 10%", true, { STEADY(500 * MBIT, 100 * MS, 100 * MS, 100000) },
	  { .goodput = .95, .queue_ms = 20, .queue_loss = .005 } },
	{ "500M 10ms", false, { STEADY(500 * MBIT, 10 * MS, 100 * MS, 0) },
	  { .goodput = .996, .queue_ms = 5, .queue_loss = .001 } },
	{ "500M 10ms 1%", false, { STEADY(500 * MBIT, 10 * MS, 100 * MS, 10000) },
	  { .goodput = .97, .queue_ms = 10, .queue_loss = .001 } },
	{ "500M 10ms 10%", true, { STEADY(500 * MBIT, 10 * MS, 100 * MS, 100000) },
	  { .goodput = .95, .queue_ms = 25, .queue_loss = .001 } },
	{ "500M 300ms", false, { STEADY(500 * MBIT, 300 * MS, 100 * MS, 0) },
	  { .goodput = .995, .queue_ms = 20, .queue_loss = .005 } },
	{ "500M 300ms 1%", false, { STEADY(500 * MBIT, 300 * MS, 100 * MS, 10000) },
	  { .goodput = .995, .queue_ms = 20, .queue_loss = .005 } },
	{ "500M 300ms 10%", false, { STEADY(500 * MBIT, 300 * MS, 100 * MS, 100000) },
	  { .goodput = .94, .queue_ms = 25, .queue_loss = .01 } },
	{ "500M 1000ms 5%", false, { STEADY(500 * MBIT, 1000 * MS, 100 * MS, 50000) },
	  { .goodput = .90, .queue_loss = .03 } },
	{ "shallow 10ms, 100ms", false, { STEADY(500 * MBIT, 100 * MS, 10 * MS, 0) },
	  { .goodput = .97, .queue_loss = .003 } },
	{ "shallow 10ms, 100ms 1%", true, { STEADY(500 * MBIT, 100 * MS, 10 * MS, 10000) },
	  { .goodput = .97, .queue_loss = .004 } },
	{ "shallow 10ms, 300ms 5%", false, { STEADY(500 * MBIT, 300 * MS, 10 * MS, 50000) },
	  { .goodput = .96, .queue_loss = .01 } },
	{ "shallow 2ms, 100ms", false, { STEADY(500 * MBIT, 100 * MS, 2 * MS, 0) },
	  { .goodput = .95, .queue_loss = .006 } },
	{ "20M 1ms", true, { STEADY(20 * MBIT, 1 * MS, 100 * MS, 0) },
	  { .goodput = .95, .queue_ms = 25, .queue_loss = .001 } },
	{ "20M 1ms shallow 10ms", false, { STEADY(20 * MBIT, 1 * MS, 10 * MS, 0) },
	  { .goodput = .93, .queue_loss = .02 } },
	{ "20M 50ms 1%", false, { STEADY(20 * MBIT, 50 * MS, 50 * MS, 10000) },
	  { .goodput = .93, .queue_ms = 20, .queue_loss = .005 } },
	{ "1M 50ms 5%", false, { STEADY(1 * MBIT, 50 * MS, 100 * MS, 50000) },
	  { .goodput = .90, .queue_ms = 50, .queue_loss = .03 } },
	{ "jitter 5ms, 10ms", false, { .jitter_us = 5 * MS,
	  STEADY(500 * MBIT, 10 * MS, 100 * MS, 0) }, { .goodput = .94, .queue_ms = 25 } },
	{ "jitter 20ms, 100ms", true, { .jitter_us = 20 * MS,
	  STEADY(500 * MBIT, 100 * MS, 100 * MS, 0) }, { .goodput = .91, .queue_ms = 30 } },
	{ "jitter 10ms, 100ms 5%", false, { .jitter_us = 10 * MS,
	  STEADY(500 * MBIT, 100 * MS, 100 * MS, 50000) }, { .goodput = .92, .queue_ms = 25 } },
	{ "runs of 40 lost, 5%", false, { .burst_pkts = 40,
	  STEADY(500 * MBIT, 100 * MS, 100 * MS, 50000) }, { .goodput = .92, .queue_ms = 25,
	  .queue_loss = .01 } },
	{ "runs of 40 lost, 10%", true, { .burst_pkts = 40,
	  STEADY(500 * MBIT, 100 * MS, 100 * MS, 100000) }, { .goodput = .91, .queue_ms = 30,
	  .queue_loss = .01 } },
	{ "every fifth ack lost", false, { .ack_loss_ppm = 200000,
	  STEADY(500 * MBIT, 100 * MS, 100 * MS, 10000) }, { .goodput = .95, .queue_ms = 10 } },
	{ "acks held 20ms, 100ms", false, { .ack_hold_us = 20 * MS,
	  STEADY(500 * MBIT, 100 * MS, 100 * MS, 0) }, { .goodput = .95, .queue_ms = 10 } },
	{ "acks held 50ms, 50ms", true, { .ack_hold_us = 50 * MS,
	  STEADY(500 * MBIT, 50 * MS, 100 * MS, 0) }, { .goodput = .93, .queue_ms = 20 } },
	{ "acks held 25ms, 5ms", false, { .ack_hold_us = 25 * MS,
	  STEADY(100 * MBIT, 5 * MS, 100 * MS, 0) }, { .goodput = .93, .queue_ms = 25 } },
	{ "ecn at 20ms", false, { .ecn_us = 20 * MS,
	  STEADY(500 * MBIT, 100 * MS, 100 * MS, 0) }, { .goodput = .90, .queue_ms = 10 } },
	{ "10G 400ms 2%", false, { PATH(10000 * MBIT, 400 * MS, 50 * MS, 20000), TIME(40, 10),
	  .flow = { { .cc = "bbr", .config = { .mss_bytes = 8972 } } } },
	  { .goodput = .90, .queue_loss = .02 } },
	{ "10G 50us", false, { PATH(10000 * MBIT, 50, 5 * MS, 0), TIME(2, 1),
	  .flow = { { .cc = "bbr", .config = { .mss_bytes = 65000 } } } },
	  { .goodput = .97, .queue_loss = .001 } },
	{ "1G 200us", true, { PATH(1000 * MBIT, 200, 5 * MS, 0), TIME(3, 1),
	  .flow = ALONE }, { .goodput = .97, .queue_loss = .005 } },
	{ "cap of 100M on 500M", false, { PATH(500 * MBIT, 100 * MS, 100 * MS, 0), TIME(40, 10),
	  .flow = { { .cc = "bbr", .config = { .cap_rate = 100 * MBIT } } } },
	  { .goodput = .19, .queue_ms = 1 } },
	{ "500M falls to 100M", true, { PATH(500 * MBIT, 100 * MS, 100 * MS, 0), TIME(40, 13),
	  .flow = ALONE, .step = { { 10 * S, 100 * MBIT, -1, 0 } } },
	  { .goodput = .184, .queue_ms = 30, .queue_loss = .03 } },
	{ "100M rises to 500M", false, { PATH(100 * MBIT, 100 * MS, 100 * MS, 0), TIME(40, 15),
	  .flow = ALONE, .step = { { 10 * S, 500 * MBIT, -1, 0 } } },
	  { .goodput = 4.4, .queue_loss = .03 } },
	{ "loss rises to 10%", false, { PATH(500 * MBIT, 100 * MS, 100 * MS, 0), TIME(40, 14),
	  .flow = ALONE, .step = { { 10 * S, 0, 100000, 0 } } },
	  { .goodput = .82, .queue_ms = 25 } },
	{ "40ms become 120ms", true, { PATH(40 * MBIT, 40 * MS, 100 * MS, 0), TIME(40, 18),
	  .flow = ALONE, .step = { { 10 * S, 0, -1, 120 * MS } } },
	  { .goodput = .90, .queue_ms = 60, .queue_loss = .01 } },
	{ "20ms become 300ms", false, { PATH(200 * MBIT, 20 * MS, 100 * MS, 0), TIME(50, 25),
	  .flow = ALONE, .step = { { 10 * S, 0, -1, 300 * MS } } },
	  { .goodput = .85, .queue_ms = 60, .queue_loss = .01 } },
	{ "40ms become 120ms, a tenth", false, { PATH(100 * MBIT, 40 * MS, 100 * MS, 0), TIME(40, 18),
	  .flow = ALONE, .step = { { 10 * S, 10 * MBIT, -1, 120 * MS } } },
	  { .goodput = .090, .queue_ms = 60, .queue_loss = .03 } },
	{ "cut for 1.5s", true, { PATH(40 * MBIT, 50 * MS, 100 * MS, 0), TIME(8, 6),
	  .flow = ALONE, .step = { { 2 * S, 0, 1000000, 0 }, { 3500 * MS, 0, 0, 0 } } },
	  { .goodput = .90 } },
	{ "cut for 5s, acks lost", false, { .ack_loss_ppm = 300000,
	  PATH(100 * MBIT, 20 * MS, 100 * MS, 10000), TIME(12, 10),
	  .flow = ALONE, .step = { { 2 * S, 0, 1000000, 0 }, { 7 * S, 0, 10000, 0 } } },
	  { .goodput = .90 } },
	{ "pause of 15s", false, { PATH(500 * MBIT, 100 * MS, 100 * MS, 0), TIME(40, 21),
	  .flow = { { .cc = "bbr", .pause_us = 5 * S, .resume_us = 20 * S } } },
	  { .goodput = .95, .queue_ms = 10 } },

	{ "two bbr", true, { SHARED(500 * MBIT, 100 * MS, 100 * MS, "bbr") },
	  { .share = { .28, .28 } } },
	{ "two bbr, 10ms", false, { SHARED(500 * MBIT, 10 * MS, 100 * MS, "bbr") },
	  { .share = { .28, .28 } } },
	{ "two bbr, 300ms", false, { SHARED(500 * MBIT, 300 * MS, 100 * MS, "bbr") },
	  { .share = { .28, .28 } } },
	{ "two bbr, shallow 20ms", false, { SHARED(500 * MBIT, 100 * MS, 20 * MS, "bbr") },
	  { .share = { .28, .28 } } },
	{ "cubic", true, { SHARED(500 * MBIT, 100 * MS, 100 * MS, "cubic") },
	  { .share = { .27, .27 } } },
	{ "cubic, 100M 20ms", false, { SHARED(100 * MBIT, 20 * MS, 50 * MS, "cubic") },
	  { .share = { .25, .25 } } },
	{ "cubic, queue 400ms", false, { SHARED(500 * MBIT, 100 * MS, 400 * MS, "cubic") },
	  { .share = { .20, .25 } } },
	{ "first bbr", true, { SHARED(500 * MBIT, 100 * MS, 100 * MS, "bbr1") },
	  { .share = { .25, .25 } } },
	{ "cubic, shallow 20ms, 30ms", false, { SHARED(500 * MBIT, 30 * MS, 20 * MS, "cubic") },
	  { .share = { .30, .30 } } },
	{ "cubic, 300ms", false, { SHARED(500 * MBIT, 300 * MS, 200 * MS, "cubic") },
	  { .share = { .22, .22 } } },
	{ "first bbr, 10ms", false, { SHARED(500 * MBIT, 10 * MS, 100 * MS, "bbr1") },
	  { .share = { .32, .32 } } },
	{ "first bbr, 300ms", false, { SHARED(500 * MBIT, 300 * MS, 100 * MS, "bbr1") },
	  { .share = { .28, .28 } } },
	{ "first bbr, shallow 20ms", true, { SHARED(500 * MBIT, 100 * MS, 20 * MS, "bbr1") },
	  { .share = { .28, .28 } } },
	{ "first bbr, shallow 20ms, 30ms", false, { SHARED(500 * MBIT, 30 * MS, 20 * MS, "bbr1") },
	  { .share = { .26, .26 } } },
	{ "first bbr, 100M 20ms", false, { SHARED(100 * MBIT, 20 * MS, 50 * MS, "bbr1") },
	  { .share = { .25, .25 } } },
	{ "a late second bbr", false, { PATH(500 * MBIT, 100 * MS, 100 * MS, 0), TIME(60, 30),
	  .flow = { { .cc = "bbr", .config = { .seed = 1 } },
	  { .cc = "bbr", .config = { .seed = 2 }, .start_us = 10 * S } } },
	  { .share = { .40, .40 } } },
	{ "four bbr", false, { PATH(500 * MBIT, 100 * MS, 50 * MS, 0), TIME(60, 20), .flow = FOUR },
	  { .share = { .12, .12, .12, .12 }, .queue_ms = 35, .queue_loss = .02 } },
	{ "four bbr, shallow 10ms, 300ms", true, { PATH(500 * MBIT, 300 * MS, 10 * MS, 0), TIME(60, 20),
	  .flow = FOUR }, { .share = { .12, .12, .12, .12 }, .queue_loss = .06 } },

	{ "200MB 100ms", true, { TRANSFER(500 * MBIT, 100 * MS, 100 * MS, 0), .flow = BULK },
	  { .mbit = 425, .sent_ratio = 1.03 } },
	{ "200MB 100ms 0.1%", false, { TRANSFER(500 * MBIT, 100 * MS, 100 * MS, 1000),
	  .flow = BULK }, { .mbit = 415, .sent_ratio = 1.03 } },
	{ "200MB 100ms 1%", false, { TRANSFER(500 * MBIT, 100 * MS, 100 * MS, 10000),
	  .flow = BULK }, { .mbit = 402, .sent_ratio = 1.03 } },
	{ "200MB 100ms 5%", false, { TRANSFER(500 * MBIT, 100 * MS, 100 * MS, 50000),
	  .flow = BULK }, { .mbit = 360, .sent_ratio = 1.03 } },
	{ "200MB 100ms 10%", true, { TRANSFER(500 * MBIT, 100 * MS, 100 * MS, 100000),
	  .flow = BULK }, { .mbit = 320, .sent_ratio = 1.03 } },
	{ "200MB 10ms 1%", false, { TRANSFER(500 * MBIT, 10 * MS, 100 * MS, 10000),
	  .flow = BULK }, { .mbit = 445, .sent_ratio = 1.03 } },
	{ "200MB 300ms", false, { TRANSFER(500 * MBIT, 300 * MS, 100 * MS, 0),
	  .flow = BULK }, { .mbit = 360, .sent_ratio = 1.03 } },
	{ "200MB 300ms 10%", false, { TRANSFER(500 * MBIT, 300 * MS, 100 * MS, 100000),
	  .flow = BULK }, { .mbit = 220, .sent_ratio = 1.03 } },
	{ "200MB shallow 10ms, 100ms 1%", false, { TRANSFER(500 * MBIT, 100 * MS, 10 * MS, 10000),
	  .flow = BULK }, { .mbit = 380, .sent_ratio = 1.06 } },
	{ "200MB 100ms sparse acks", false, { TRANSFER(500 * MBIT, 100 * MS, 100 * MS, 10000),
	  .sparse_acks = true, .flow = BULK }, { .mbit = 340, .sent_ratio = 1.06 } },
	{ "200MB 300ms, train too fast", true, { TRANSFER(500 * MBIT, 300 * MS, 100 * MS, 0),
	  .late_us = 300, .flow = BULK }, { .mbit = 390, .sent_ratio = 1.001 } },
	{ "200MB 300ms, train twice too fast", false, { TRANSFER(500 * MBIT, 300 * MS, 100 * MS, 0),
	  .late_us = 400, .flow = BULK }, { .mbit = 390, .sent_ratio = 1.001 } },
	{ "200MB 100ms, train twice too fast", false, { TRANSFER(500 * MBIT, 100 * MS, 100 * MS, 0),
	  .late_us = 400, .flow = BULK }, { .mbit = 430, .sent_ratio = 1.001 } },
	{ "200MB known 300ms, train twice too fast", false, {
	  TRANSFER(500 * MBIT, 300 * MS, 100 * MS, 0), .late_us = 400,
	  .flow = KNOWN(500 * MBIT, 300 * MS) }, { .mbit = 405, .sent_ratio = 1.001 } },
	{ "200MB known 100ms", false, { TRANSFER(500 * MBIT, 100 * MS, 100 * MS, 0),
	  .flow = KNOWN(500 * MBIT, 100 * MS) }, { .mbit = 440, .sent_ratio = 1.03 } },
	{ "200MB known 100ms 1%", true, { TRANSFER(500 * MBIT, 100 * MS, 100 * MS, 10000),
	  .flow = KNOWN(500 * MBIT, 100 * MS) }, { .mbit = 415, .sent_ratio = 1.03 } },
	{ "200MB known 100ms 10%", false, { TRANSFER(500 * MBIT, 100 * MS, 100 * MS, 100000),
	  .flow = KNOWN(500 * MBIT, 100 * MS) }, { .mbit = 330, .sent_ratio = 1.03 } },
	{ "200MB wrongly known 100ms", false, { TRANSFER(100 * MBIT, 100 * MS, 100 * MS, 0),
	  .flow = KNOWN(500 * MBIT, 100 * MS) }, { .mbit = 85, .sent_ratio = 1.05 } },

	{ "cubic alone", false, { PATH(500 * MBIT, 100 * MS, 100 * MS, 0), TIME(40, 10),
	  .flow = { { .cc = "cubic" } } }, { .goodput = .95 } },
	{ "cubic 20M 50ms", true, { PATH(20 * MBIT, 50 * MS, 50 * MS, 0), TIME(40, 10),
	  .flow = { { .cc = "cubic" } } }, { .goodput = .95 } },
	{ "fixed 400M on 500M 5%", false, { PATH(500 * MBIT, 100 * MS, 100 * MS, 50000), TIME(40, 10),
	  .flow = { { .cc = "fixed", .config = { .fixed_rate = 390 * MBIT } } } },
	  { .goodput = .78, .queue_ms = 1 } },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool above(const char *what, double value, double limit)
{
	if (limit == 0 || value <= limit)
		return false;
	printf("\n    %s %.4f is above %.4f", what, value, limit);
	return true;
}

static bool below(const char *what, double value, double limit)
{
	if (limit == 0 || value >= limit)
		return false;
	printf("\n    %s %.4f is below %.4f", what, value, limit);
	return true;
}

/* Prints a line; true if it holds its bounds. */
static bool run(const struct row *row, bool traced)
{
	struct ccsim_config config = row->config;
	const struct ccsim_flow *first = &config.flow[0];
	const struct bounds *bounds = &row->bounds;
	double mss_bytes = first->config.mss_bytes != 0 ? first->config.mss_bytes : 1472;
	double arrival = 1.0 - config.loss_ppm / 1e6, goodput, mbit = 0;
	struct ccsim_result result;
	bool bad = false;

	config.trace = traced ? stdout : NULL;
	ccsim_run(&config, &result);
	goodput = result.flow[0].goodput / (double)config.rate / arrival *
		  (mss_bytes + CCSIM_WIRE_OVERHEAD_BYTES) / (mss_bytes -
							     CCSIM_CHUNK_OVERHEAD_BYTES);
	if (result.flow[0].complete_s > 0)
		mbit = (double)first->bytes * 8e-6 / result.flow[0].complete_s;
	printf("%-30s", row->name);
	if (first->bytes != 0)
		printf(" %6.1f Mbit/s in %6.3f s, sent %.3f", mbit, result.flow[0].complete_s,
		       result.flow[0].sent_ratio);
	else
		printf(" goodput %.3f loss %.4f queue %5.1f ms (p95 %5.1f) dropped %.4f", goodput,
		       result.flow[0].loss, result.queue_median_ms, result.queue_p95_ms,
		       result.queue_loss);
	for (int i = 1; i < CCSIM_MAX_FLOWS && config.flow[i].cc != NULL; i++)
		printf(" share %.2f : %s %.2f", result.flow[0].wire_share, config.flow[i].cc,
		       result.flow[i].wire_share);
	bad |= below("goodput", goodput, bounds->goodput);
	bad |= above("queue (ms)", result.queue_median_ms, bounds->queue_ms);
	bad |= above("dropped", result.queue_loss, bounds->queue_loss);
	bad |= below("Mbit/s", mbit, bounds->mbit);
	bad |= above("sent times arrival", result.flow[0].sent_ratio * arrival, bounds->sent_ratio);
	for (int i = 0; i < CCSIM_MAX_FLOWS; i++)
		bad |= below("share", result.flow[i].wire_share, bounds->share[i]);
	printf("\n");
	fflush(stdout);
	return !bad;
}

int main(int argc, char **argv)
{
	bool all = getenv("RMDT_TEST_ALL") != NULL || (argc > 1 && strcmp(argv[1], "--all") == 0);
	const char *one = argc > 2 && strcmp(argv[1], "--row") == 0 ? argv[2] : NULL;
	int failed = 0;

	for (size_t i = 0; i < ROWS; i++) {
		if (one != NULL ? strcmp(rows[i].name, one) != 0 : !all && !rows[i].sample)
			continue;
		failed += !run(&rows[i], one != NULL);
	}
	if (failed != 0)
		printf("%d rows out of bounds\n", failed);
	return failed == 0 ? 0 : 1;
}

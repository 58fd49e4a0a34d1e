/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many flows on one association, in both directions: priorities, shares, rates, resets, stops,
 * refusals, half close, marks and messages, over a bad path in virtual time. When all is over
 * nothing may be left on either side, and the credit of both peers must be whole again.
 *
 *     sim_flows                           the rows and a sample of seeds
 *     sim_flows --seed N                  one
 *     sim_flows --from A --count N
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/flows.h"

#define MESSAGES	(RMDT_CONN_MESSAGE_QUEUE + 200)	/* more than wait at once */
#define NEVER		UINT64_MAX
#define SAMPLE		150

/* ---- random plans ---- */

static double unit(uint64_t *dice)
{
	return (double)(emu_random(dice) >> 11) * 0x1.0p-53;
}

static bool one_in(uint64_t *dice, unsigned n)
{
	return emu_random(dice) % n == 0;
}

static void random_flow(uint64_t *dice, struct flow_plan *f)
{
	f->from = one_in(dice, 2);
	f->priority = (uint8_t)(emu_random(dice) % 3);
	f->start_us = one_in(dice, 2) ? 0 : emu_random(dice) % 3000000;
	f->bytes = one_in(dice, 6) ? 0 : one_in(dice, 3) ? emu_random(dice) % 2000 : emu_random(dice) % 400000;
	f->rate = one_in(dice, 6) ? 50000 + emu_random(dice) % 1000000 : 0;
	f->ending = one_in(dice, 2) ? COMPLETE : (enum flow_ending)(emu_random(dice) % 4);
	f->at_off = f->bytes ? emu_random(dice) % f->bytes : 0;
	f->free_early = one_in(dice, 2);
	f->marks = one_in(dice, 3);
}

static void random_plan(struct flows_plan *p, uint64_t seed)
{
	uint64_t dice = seed * 7919 + 1;
	double rate = 2e6 + 98e6 * unit(&dice) * unit(&dice);

	memset(p, 0, sizeof(*p));
	p->seed = seed;
	p->there.shape.rate_bps = p->back.shape.rate_bps = (uint64_t)rate;
	p->there.shape.queue_us = p->back.shape.queue_us = 20000 + emu_random(&dice) % 200000;
	p->there.delay_us = p->back.delay_us = 200 + emu_random(&dice) % 80000;
	if (!one_in(&dice, 3)) {
		p->there.loss = 0.1 * unit(&dice) * unit(&dice);
		p->back.loss = 0.1 * unit(&dice) * unit(&dice);
		p->there.reorder = p->back.reorder = 0.03 * unit(&dice);
		p->there.reorder_us = p->back.reorder_us = 100 + emu_random(&dice) % 20000;
		p->there.dup = p->back.dup = 0.03 * unit(&dice);
		p->there.corrupt = p->back.corrupt = 0.003 * unit(&dice);
	}
	p->n_flows = 1 + (unsigned)(emu_random(&dice) % FLOWS_MAX);
	p->max_flows = one_in(&dice, 5) ? 1 + (uint32_t)(emu_random(&dice) % 8) : FLOWS_MAX;
	p->messages = one_in(&dice, 2) ? 0 : (unsigned)(emu_random(&dice) % MESSAGES);
	for (unsigned i = 0; i < p->n_flows; i++)
		random_flow(&dice, &p->flow[i]);
	p->limit_us = 90000000;
}

static bool run_seed(uint64_t seed, const char *program, bool verbose)
{
	static struct flows_plan plan;
	static struct flows_run w;
	bool ok;

	random_plan(&plan, seed);
	ok = flows_run(&plan, &w);
	if (!ok || verbose)
		printf("seed %" PRIu64 ": %u flows, %u at once, %.1f Mbit/s, delay %.1f ms, loss %.3f/%.3f: over at "
		       "%.3f s\n", seed, plan.n_flows, plan.max_flows,
			       (double)plan.there.shape.rate_bps / 1e6,
		       (double)plan.there.delay_us / 1e3, plan.there.loss, plan.back.loss,
		       (double)(w.now_us - FLOWS_START_US) / 1e6);
	if (!ok)
		printf("FAILED seed %" PRIu64 ": %s\n    again: %s --seed %" PRIu64 "\n", seed,
		       w.broken, program,
		       seed);
	fflush(stdout);
	return ok;
}

/* ---- rows ---- */

static void plain_path(struct flows_plan *p, double bps, uint64_t rtt_us)
{
	memset(p, 0, sizeof(*p));
	p->seed = 1;
	p->there.shape.rate_bps = p->back.shape.rate_bps = (uint64_t)bps;
	p->there.shape.queue_us = p->back.shape.queue_us = 50000;
	p->there.delay_us = p->back.delay_us = rtt_us / 2;
	p->max_flows = FLOWS_MAX;
	p->limit_us = 90000000;
}

static bool said(bool good, const char *row, const char *what, double got, double most)
{
	printf("%s%-24s %s %.3f, at most %.3f\n", good ? "" : "FAILED ", row, what, got, most);
	return good;
}

/* Four equal flows of one priority share the path: they end together. */
static bool equal_shares(struct flows_run *w)
{
	static struct flows_plan p;
	uint64_t first = NEVER, last = 0;

	plain_path(&p, 20e6, 20000);
	p.n_flows = 4;
	for (unsigned i = 0; i < 4; i++)
		p.flow[i] = (struct flow_plan){ .bytes = 2000000, .priority = 1 };
	if (!flows_run(&p, w)) {
		printf("FAILED equal-shares: %s\n", w->broken);
		return false;
	}
	for (unsigned i = 0; i < 4; i++) {
		first = w->flow[i].end_us < first ? w->flow[i].end_us : first;
		last = w->flow[i].end_us > last ? w->flow[i].end_us : last;
	}
	return said((double)last <= 1.05 * (double)first, "equal-shares", "last/first",
		    (double)last / (double)first, 1.05);
}

/* A flow of a higher class passes those of a lower one that came before it. */
static bool strict_priority(struct flows_run *w)
{
	static struct flows_plan p;
	double alone_s = 2000000 * 8 / 20e6, took_s;

	plain_path(&p, 20e6, 20000);
	p.n_flows = 4;
	for (unsigned i = 0; i < 4; i++)
		p.flow[i] = (struct flow_plan){ .bytes = 3000000, .priority = 2 };
	p.flow[3] = (struct flow_plan){ .bytes = 2000000, .priority = 0, .start_us = 1000000 };
	if (!flows_run(&p, w)) {
		printf("FAILED strict-priority: %s\n", w->broken);
		return false;
	}
	took_s = (double)(w->flow[3].end_us - p.flow[3].start_us) / 1e6;
	return said(took_s <= 1.2 * alone_s, "strict-priority", "seconds", took_s, 1.2 * alone_s);
}

/* A flow keeps to its own rate beside others that take what is left. */
static bool rate_of_a_flow(struct flows_run *w)
{
	static struct flows_plan p;
	double took_s;

	plain_path(&p, 20e6, 20000);
	p.n_flows = 3;
	p.flow[0] = (struct flow_plan){ .bytes = 1000000, .priority = 0, .rate = 250000 };
	p.flow[1] = p.flow[2] = (struct flow_plan){ .bytes = 6000000, .priority = 1 };
	if (!flows_run(&p, w)) {
		printf("FAILED rate: %s\n", w->broken);
		return false;
	}
	took_s = (double)w->flow[0].end_us / 1e6;
	return said(took_s >= 3.6 && took_s <= 4.6, "rate", "seconds", took_s, 4.6);
}

/*
 * Many opened at once beyond what the far end takes: the rest is refused, and what was taken
 * completes.
 */
static bool too_many(struct flows_run *w)
{
	static struct flows_plan p;
	unsigned done = 0;

	plain_path(&p, 20e6, 100000);
	p.n_flows = FLOWS_MAX;
	p.max_flows = 5;
	for (unsigned i = 0; i < FLOWS_MAX; i++)
		p.flow[i] = (struct flow_plan){ .bytes = 100000, .priority = 1 };
	if (!flows_run(&p, w)) {
		printf("FAILED too-many: %s\n", w->broken);
		return false;
	}
	for (unsigned i = 0; i < FLOWS_MAX; i++)
		done += w->flow[i].done;
	return said(done == 5, "too-many", "completed", done, 5);
}

static bool messages_all_arrive(struct flows_run *w)
{
	static struct flows_plan p;
	unsigned heard;

	plain_path(&p, 20e6, 20000);
	p.messages = MESSAGES;
	p.n_flows = 1;
	p.flow[0] = (struct flow_plan){ .bytes = 1000000, .priority = 1 };
	if (!flows_run(&p, w)) {
		printf("FAILED messages: %s\n", w->broken);
		return false;
	}
	heard = w->end[0].messages_heard + w->end[1].messages_heard;
	return said(heard == 2 * MESSAGES && w->end[0].messages_refused > 0, "messages", "heard",
		    heard, 2 * MESSAGES);
}

int main(int argc, char **argv)
{
	static struct flows_run w;
	uint64_t from = 1, count = SAMPLE;
	unsigned failed = 0;

	if (argc == 3 && strcmp(argv[1], "--seed") == 0)
		return !run_seed(strtoull(argv[2], NULL, 10), argv[0], true);
	if (argc == 5 && strcmp(argv[1], "--from") == 0 && strcmp(argv[3], "--count") == 0) {
		from = strtoull(argv[2], NULL, 10);
		count = strtoull(argv[4], NULL, 10);
	} else if (argc > 1) {
		fprintf(stderr, "usage: sim_flows [--seed N | --from A --count N]\n");
		return 2;
	} else {
		failed += !equal_shares(&w);
		failed += !strict_priority(&w);
		failed += !rate_of_a_flow(&w);
		failed += !too_many(&w);
		failed += !messages_all_arrive(&w);
	}
	for (uint64_t i = 0; i < count; i++)
		failed += !run_seed(from + i, argv[0], false);
	printf("%" PRIu64 " seeds from %" PRIu64 ", %u failed in all\n", count, from, failed);
	return failed > 0;
}

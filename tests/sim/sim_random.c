/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random plans, each from its seed, in virtual time.
 *
 *     sim_random                          a sample, about 20 seconds
 *     sim_random --seed N                 one, with plan and result in words
 *     sim_random --from A --count N [--jobs J]
 *     sim_random --seconds S --from A     as many as fit
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/sim_expect.h"
#include "sim/sim_plan.h"

#define SAMPLE_SECONDS	20
#define SAMPLE_FROM	1
#define PROGRESS_EVERY	1000
#define MOST_JOBS	64
#define MOST_FAILURES	20	/* of one process: more say nothing new */

struct options {
	uint64_t from, count;
	unsigned seconds, jobs;
	bool one, verbose;
};

static void print_result(const struct sim_plan *plan, const struct sim_result *r)
{
	static const char *const fate[] = { "running", "confirmed", "lost" };

	printf("  over after %.3fs of %.3fs, %" PRIu64 " steps, %" PRIu64 " datagrams, idle %" PRIu64
	       ", blocks %u/%u\n", (double)r->end_us / 1e6, (double)plan->limit_us / 1e6, r->steps,
		       r->datagrams,
	       r->idle_datagrams, r->peak_send_blocks, r->peak_recv_blocks);
	for (unsigned i = 0; i < plan->receivers; i++) {
		const struct sim_receiver_result *g = &r->receiver[i];

		printf("  receiver %u: %s %u \"%s\" at %.3fs (ideal %.3fs), read %" PRIu64 "%s%s, sent %" PRIu64
		       " repaired %" PRIu64 " feedback %" PRIu64 ", mtu %u, rekeys %" PRIu64 " moves %" PRIu64
		       " black holes %" PRIu64 ", books %zu\n", i, fate[g->fate], g->code,
			       g->reason,
		       (double)g->end_us / 1e6, (double)sim_ideal_us(plan, i) / 1e6,
			       g->delivered_bytes,
		       g->saw_end ? " end" : "", g->broke ? " broke" : "", g->chunk_bytes, g->repaired_bytes,
		       g->feedback_bytes, g->mtu_bytes, g->rekeys, g->moves, g->black_holes,
			       g->peak_books);
	}
}

static bool run_seed(uint64_t seed, bool verbose, const char *program)
{
	static struct sim_plan plan;
	static struct sim_result result;

	sim_plan_random(&plan, seed);
	if (verbose)
		sim_plan_print(&plan, stdout);
	sim_run(&plan, &result);
	if (result.ok)
		sim_expect(&plan, &result);
	if (verbose)
		print_result(&plan, &result);
	if (!result.ok)
		printf("FAILED seed %" PRIu64 ": %s\n    again: %s --seed %" PRIu64 "\n", seed,
		       result.broken, program,
		       seed);
	fflush(stdout);
	return result.ok;
}

/* One process takes every jobs-th seed. Returns its failures. */
static unsigned run_share(const struct options *o, unsigned share, const char *program)
{
	time_t end = time(NULL) + (time_t)o->seconds;
	unsigned failures = 0;
	uint64_t runs = 0;

	for (uint64_t i = share; i < o->count && failures < MOST_FAILURES; i += o->jobs) {
		if (o->seconds && time(NULL) >= end)
			break;
		failures += !run_seed(o->from + i, o->verbose, program);
		runs++;
		if (i / PROGRESS_EVERY != (i + o->jobs) / PROGRESS_EVERY && share == 0) {
			printf("%" PRIu64 " of %" PRIu64 "\n", i + o->jobs, o->count);
			fflush(stdout);
		}
	}
	printf("%" PRIu64 " runs from seed %" PRIu64 ", %u failed\n", runs, o->from + share,
	       failures);
	return failures;
}

static unsigned run_jobs(const struct options *o, const char *program)
{
	unsigned failed = 0;
	int status;

	if (o->jobs == 1)
		return run_share(o, 0, program);
	fflush(stdout);
	for (unsigned i = 0; i < o->jobs; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			failed = run_share(o, i, program);
			fflush(stdout);
			_exit(failed > 0);
		}
		failed += pid < 0;
	}
	while (wait(&status) > 0)
		failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	return failed;
}

static bool parse(struct options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *end = NULL;
		uint64_t n = i + 1 < argc ? strtoull(argv[i + 1], &end, 10) : 0;

		if (strcmp(argv[i], "--verbose") == 0) {
			o->verbose = true;
			continue;
		}
		if (!end || *end || end == argv[i + 1])
			return false;
		if (strcmp(argv[i], "--seed") == 0)
			*o = (struct options){ .from = n, .count = 1, .jobs = 1, .one = true, .verbose = true };
		else if (strcmp(argv[i], "--from") == 0)
			o->from = n;
		else if (strcmp(argv[i], "--count") == 0)
			o->count = n, o->seconds = 0;
		else if (strcmp(argv[i], "--seconds") == 0)
			o->seconds = (unsigned)n;
		else if (strcmp(argv[i], "--jobs") == 0)
			o->jobs = n > 0 && n <= MOST_JOBS ? (unsigned)n : 1;
		else
			return false;
		i++;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options o = { .from = SAMPLE_FROM, .count = UINT64_MAX / 2, .seconds = SAMPLE_SECONDS, .jobs = 1 };

	if (!parse(&o, argc, argv)) {
		fprintf(stderr, "usage: sim_random [--seed N | --from A --count N] [--seconds S] [--jobs J] "
			"[--verbose]\n");
		return 2;
	}
	return run_jobs(&o, argv[0]) > 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the named scenes and judges them by their bounds: a test of performance without a stopwatch.
 *
 *     sim_table                 all of them, with what they took
 *     sim_table NAME...         these
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/scene.h"
#include "sim/sim_expect.h"

static bool fail(const struct scene *scene, const struct sim_plan *plan, const char *what)
{
	printf("FAILED %s: %s\n", scene->name, what);
	sim_plan_print(plan, stdout);
	return false;
}

static bool run(const struct scene *scene)
{
	static struct sim_plan plan;
	static struct sim_result result;
	uint64_t chunk = 0, delivered = 0, feedback = 0;
	const char *what;

	sim_plan_init(&plan, 1);
	scene->plan(&plan);
	sim_run(&plan, &result);
	if (result.ok)
		sim_expect(&plan, &result);
	for (unsigned i = 0; i < plan.receivers; i++) {
		chunk += result.receiver[i].chunk_bytes;
		delivered += result.receiver[i].delivered_bytes;
		feedback += result.receiver[i].feedback_bytes;
	}
	printf("%-20s %9.3f s of %7.3f, ideal %8.3f, sent/delivered %.3f, feedback %.2f %%, idle %" PRIu64 "\n",
	       scene->name, (double)result.end_us / 1e6, scene->most_s,
		       (double)sim_ideal_us(&plan, 0) / 1e6,
	       delivered ? (double)chunk / (double)delivered : 0,
	       delivered ? 100.0 * (double)feedback / (double)delivered : 0, result.idle_datagrams);
	fflush(stdout);
	if (!result.ok)
		return fail(scene, &plan, result.broken);
	what = scene->check ? scene->check(&plan, &result) : NULL;
	if (what)
		return fail(scene, &plan, what);
	if ((double)result.end_us / 1e6 > scene->most_s)
		return fail(scene, &plan, "it took too long");
	return true;
}

static bool is_wanted(const struct scene *scene, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(scene->name, argv[i]) == 0)
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	const struct scene *lists[] = { scenes_bulk, scenes_trouble, scenes_many };
	unsigned failed = 0, ran = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (const struct scene *scene = lists[i]; scene->name; scene++) {
			if (!is_wanted(scene, argc, argv))
				continue;
			failed += !run(scene);
			ran++;
		}
	}
	printf("%u rows, %u failed\n", ran, failed);
	return failed > 0 || ran == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Named scenarios of the simulator, each with bounds on virtual time and on what it may cost. */
#ifndef RMDT_TESTS_SIM_SCENE_H
#define RMDT_TESTS_SIM_SCENE_H

#include <stdint.h>

#include "sim/sim_plan.h"

#define MB	UINT64_C(1000000)
#define MBIT	1e6
#define MS	UINT64_C(1000)
#define S	UINT64_C(1000000)

struct scene {
	const char *name;
	void (*plan)(struct sim_plan *p);
	double most_s;			/* virtual seconds until the last fate is known */
	/*
	 * More to check, after the usual expectations. NULL: nothing. Returns what is wrong, or
	 * NULL.
	 */
	const char *(*check)(const struct sim_plan *p, const struct sim_result *r);
};

/*
 * Each list ends with a scene without a name. Bounds: what it takes now and about a tenth more; a
 * gain should lower them.
 */
extern const struct scene scenes_bulk[], scenes_trouble[], scenes_many[];

/* The same both ways, but for the loss, which is of the way there. */
void scene_set_path(struct sim_receiver_plan *r, double bps, uint64_t rtt_us, uint64_t queue_us,
		    double loss);
/* 50 MB over 200 Mbit/s and 20 ms without fault: what most others begin with. */
void scene_clean(struct sim_plan *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Random plans: the whole parameter space from one number. */
#ifndef TESTS_SIM_SIM_PLAN_H
#define TESTS_SIM_SIM_PLAN_H

#include <stdio.h>

#include "sim/sim.h"

/* The plan of a seed; always the same. limit_us is set by what must come of it. */
void sim_plan_random(struct sim_plan *plan, uint64_t seed);
/* In words, for whoever looks into a failure. */
void sim_plan_print(const struct sim_plan *plan, FILE *out);

#endif

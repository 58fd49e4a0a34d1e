/* SPDX-License-Identifier: Apache-2.0 */
/* What must come of a plan: the fate of each receiver, and bounds of time, repairs and feedback. */
#ifndef TESTS_SIM_SIM_EXPECT_H
#define TESTS_SIM_SIM_EXPECT_H

#include "sim/sim.h"

/*
 * How long the transfer to receiver i takes at least, by rates, windows and losses: no outage,
 * nobody else counted.
 */
uint64_t sim_ideal_us(const struct sim_plan *plan, unsigned i);

/* By when everything must be over, generously: what sim_run is told as limit_us. */
uint64_t sim_limit_us(const struct sim_plan *plan);

/*
 * Judges a result that sim_run found ok. false: *result says in `broken` what was expected.
 */
bool sim_expect(const struct sim_plan *plan, struct sim_result *result);

#endif

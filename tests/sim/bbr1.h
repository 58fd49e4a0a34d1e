/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_TESTS_SIM_BBR1_H
#define RMDT_TESTS_SIM_BBR1_H

#include "core/cc.h"

/*
 * A rival: BBR as it first was and as most TCP stacks have it. It does not care for loss, probes
 * every eight round trips and keeps up to two BDP in flight.
 */
extern const struct rmdt_cc_ops bbr1_ops;

#endif

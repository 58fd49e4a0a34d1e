/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cap of the engine's uplink (rate = in the configuration), shared over its peers: who wants
 * little gets what he wants, the others share the rest evenly. Redistributed every 20 ms, on the
 * engine's first thread.
 */
#ifndef RMDT_IO_UPLINK_H
#define RMDT_IO_UPLINK_H

#include <stdint.h>

#include "io/alarms.h"

struct rmdt_engine;

#define RMDT_UPLINK_EVERY_US 20000

struct rmdt_uplink {
	struct rmdt_engine *engine;
	struct rmdt_alarm alarm;	/* of the first thread */
	uint64_t last_us;
};

/* Before the first thread runs. Does nothing when there is no cap. */
void rmdt_uplink_start(struct rmdt_uplink *uplink, struct rmdt_engine *engine);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is to be called when, earliest first: a pairing heap through the alarms themselves, so that
 * setting cannot fail.
 */
#ifndef RMDT_IO_ALARMS_H
#define RMDT_IO_ALARMS_H

#include <stdbool.h>
#include <stdint.h>

#define RMDT_ALARM_NEVER UINT64_MAX

struct rmdt_alarm {
	uint64_t at_us;
	bool is_set;
	/* May set and clear any alarm, this one too. */
	void (*ring)(struct rmdt_alarm *alarm, uint64_t now_us);
	struct rmdt_alarm *child, *next;	/* first child; next of the same parent */
	struct rmdt_alarm *prev;		/* previous of the same parent, or the parent */
};

struct rmdt_alarms {
	struct rmdt_alarm *root;
};

/* Sets it, or moves it; RMDT_ALARM_NEVER clears it. */
void rmdt_alarms_set(struct rmdt_alarms *alarms, struct rmdt_alarm *alarm, uint64_t at_us);
void rmdt_alarms_clear(struct rmdt_alarms *alarms, struct rmdt_alarm *alarm);
uint64_t rmdt_alarms_next_us(const struct rmdt_alarms *alarms);	/* RMDT_ALARM_NEVER: none is set */
/* Clears and rings all that were due when it was called. */
void rmdt_alarms_ring(struct rmdt_alarms *alarms, uint64_t now_us);

#endif

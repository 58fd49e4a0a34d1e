/* SPDX-License-Identifier: Apache-2.0 */
#include "core/strain.h"

static bool is_due(const struct rmdt_strain *s, uint64_t now_us)
{
	return now_us >= s->looked_us + RMDT_STRAIN_LOOK_US;
}

void rmdt_strain_looked(struct rmdt_strain *s, uint64_t now_us)
{
	s->looked_us = now_us;
	s->rested = false;
}

/* With a look at once nothing is left to look at later. */
bool rmdt_strain_rested(struct rmdt_strain *s, uint64_t now_us)
{
	s->rested = !is_due(s, now_us);
	return !s->rested;
}

bool rmdt_strain_pressed(const struct rmdt_strain *s, uint64_t now_us)
{
	return !s->rested && is_due(s, now_us);
}

uint64_t rmdt_strain_next_us(const struct rmdt_strain *s)
{
	return s->rested ? s->looked_us + RMDT_STRAIN_LOOK_US : UINT64_MAX;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bbr_filter.h"

#include <string.h>

void rmdt_bbr_max_add(struct rmdt_bbr_max *max, uint64_t value)
{
	if (value > max->slot[0])
		max->slot[0] = value;
}

void rmdt_bbr_max_advance(struct rmdt_bbr_max *max)
{
	/* A slot in which nothing was measured says nothing: the older ones stay. */
	if (max->slot[0] == 0)
		return;
	memmove(&max->slot[1], &max->slot[0], sizeof(max->slot) - sizeof(max->slot[0]));
	max->slot[0] = 0;
}

void rmdt_bbr_max_reset(struct rmdt_bbr_max *max, uint64_t value)
{
	memset(max, 0, sizeof(*max));
	max->slot[0] = value;
}

uint64_t rmdt_bbr_max_get(const struct rmdt_bbr_max *max)
{
	uint64_t value = 0;

	for (int i = 0; i < RMDT_BBR_SLOTS; i++)
		if (max->slot[i] > value)
			value = max->slot[i];
	return value;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/alarms.h"

#include <stddef.h>

/* Both are roots without siblings, or NULL. */
static struct rmdt_alarm *meld(struct rmdt_alarm *a, struct rmdt_alarm *b)
{
	struct rmdt_alarm *late;

	if (!a)
		return b;
	if (!b)
		return a;
	late = b;
	if (b->at_us < a->at_us) {
		late = a;
		a = b;
	}
	late->next = a->child;
	if (a->child)
		a->child->prev = late;
	late->prev = a;
	a->child = late;
	return a;
}

static struct rmdt_alarm *cut_first(struct rmdt_alarm **list)
{
	struct rmdt_alarm *first = *list;

	if (first) {
		*list = first->next;
		first->next = first->prev = NULL;
	}
	return first;
}

/*
 * Two passes: pairs from the left, then the pairs from the right. This is what keeps removal
 * logarithmic.
 */
static struct rmdt_alarm *meld_children(struct rmdt_alarm *list)
{
	struct rmdt_alarm *pairs = NULL, *root = NULL;

	while (list) {
		struct rmdt_alarm *a = cut_first(&list);
		struct rmdt_alarm *pair = meld(a, cut_first(&list));

		pair->next = pairs;
		pairs = pair;
	}
	while (pairs)
		root = meld(root, cut_first(&pairs));
	return root;
}

void rmdt_alarms_clear(struct rmdt_alarms *alarms, struct rmdt_alarm *alarm)
{
	struct rmdt_alarm *rest;

	if (!alarm->is_set)
		return;
	rest = meld_children(alarm->child);
	if (alarms->root == alarm) {
		alarms->root = rest;
	} else {
		if (alarm->prev->child == alarm)
			alarm->prev->child = alarm->next;
		else
			alarm->prev->next = alarm->next;
		if (alarm->next)
			alarm->next->prev = alarm->prev;
		alarms->root = meld(alarms->root, rest);
	}
	alarm->child = alarm->next = alarm->prev = NULL;
	alarm->is_set = false;
}

void rmdt_alarms_set(struct rmdt_alarms *alarms, struct rmdt_alarm *alarm, uint64_t at_us)
{
	if (alarm->is_set && alarm->at_us == at_us)
		return;
	rmdt_alarms_clear(alarms, alarm);
	if (at_us == RMDT_ALARM_NEVER)
		return;
	alarm->at_us = at_us;
	alarm->is_set = true;
	alarm->child = alarm->next = alarm->prev = NULL;
	alarms->root = meld(alarms->root, alarm);
}

uint64_t rmdt_alarms_next_us(const struct rmdt_alarms *alarms)
{
	return alarms->root ? alarms->root->at_us : RMDT_ALARM_NEVER;
}

void rmdt_alarms_ring(struct rmdt_alarms *alarms, uint64_t now_us)
{
	/*
	 * A bound, lest an alarm that is set for now from inside its own ring keeps us here for
	 * ever.
	 */
	for (unsigned n = 0; n < 4096 && rmdt_alarms_next_us(alarms) <= now_us; n++) {
		struct rmdt_alarm *due = alarms->root;

		rmdt_alarms_clear(alarms, due);
		due->ring(due, now_us);
	}
}

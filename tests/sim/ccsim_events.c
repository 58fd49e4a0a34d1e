/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/ccsim_impl.h"

#include <assert.h>

static bool before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void ccsim_push(struct sim *sim, struct event event)
{
	size_t i = sim->events++;

	assert(i < HEAP_MAX);
	event.order = sim->order++;
	while (i > 0 && before(&event, &sim->heap[(i - 1) / 2])) {
		sim->heap[i] = sim->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	sim->heap[i] = event;
}

struct event ccsim_pop(struct sim *sim)
{
	struct event top = sim->heap[0], last = sim->heap[--sim->events];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < sim->events) {
		if (child + 1 < sim->events && before(&sim->heap[child + 1], &sim->heap[child]))
			child++;
		if (!before(&sim->heap[child], &last))
			break;
		sim->heap[i] = sim->heap[child];
		i = child;
	}
	sim->heap[i] = last;
	return top;
}

void ccsim_push_at(struct sim *sim, uint64_t at_us, enum event_kind kind, int flow)
{
	ccsim_push(sim, (struct event){ .at_us = at_us, .kind = kind, .flow = flow });
}

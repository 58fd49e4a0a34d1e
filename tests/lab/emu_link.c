/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/emu_link.h"

#include <string.h>

/* Delay on real paths wanders over milliseconds; a fresh draw per packet would, with the order
 * kept, only look like a constant delay of the maximum at high rates. */
#define JITTER_STEP_NS (10 * UINT64_C(1000000))

#define CROSS_PKT_BYTES 1500
/* Of a time without packets only the end matters: what fits in a queue of this length. */
#define CROSS_MEMORY_NS (2 * EMU_NS_PER_S)

uint64_t emu_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Always draws, so that switching one impairment on leaves the sequence of the others unchanged. */
static bool chance(struct emu_link *link, double probability)
{
	double x = (double)(emu_random(&link->rng) >> 11) * 0x1.0p-53;

	return x < probability;
}

void emu_link_init(struct emu_link *link, const struct emu_params *params, uint64_t seed)
{
	static const struct emu_params perfect;

	memset(link, 0, sizeof(*link));
	link->rng = seed;
	link->cross_rng = ~seed;
	emu_link_set(link, params ? params : &perfect);
}

void emu_link_set(struct emu_link *link, const struct emu_params *params)
{
	if (memcmp(&link->params.cross, &params->cross, sizeof(params->cross)) != 0)
		link->cross_ns = 0;
	link->params = *params;
	link->queue.shape = params->shape;
}

uint64_t emu_queue_wait_ns(const struct emu_queue *queue, uint64_t now_ns)
{
	return queue->free_ns > now_ns ? queue->free_ns - now_ns : 0;
}

/* Passes a packet through; *when_ns is its arrival before and its departure after. False: no room,
 * nothing changed. */
static bool queue_pass(struct emu_queue *queue, uint32_t bytes, uint64_t *when_ns)
{
	const struct emu_shape *shape = &queue->shape;
	uint64_t wait_ns = emu_queue_wait_ns(queue, *when_ns);
	uint64_t start_ns = *when_ns + wait_ns;

	if (shape->rate_bps == 0) { /* still behind what a former rate has let pile up */
		*when_ns = start_ns;
		return true;
	}
	if (shape->queue_us && wait_ns > shape->queue_us * EMU_NS_PER_US)
		return false;
	if (shape->queue_bytes && wait_ns &&
	    (double)wait_ns * (double)shape->rate_bps / 8e9 + bytes > (double)shape->queue_bytes)
		return false;
	queue->free_ns = start_ns + (uint64_t)bytes * 8 * EMU_NS_PER_S / shape->rate_bps;
	*when_ns = queue->free_ns;
	return true;
}

/* What the others have sent up to now. */
static void pass_cross(struct emu_link *link, uint64_t now_ns)
{
	const struct emu_cross *c = &link->params.cross;
	uint64_t on_ns = c->on_us * EMU_NS_PER_US, period_ns = on_ns + c->off_us * EMU_NS_PER_US;

	if (c->rate_bps == 0)
		return;
	if (link->cross_ns == 0)
		link->cross_ns = link->cross_start_ns = now_ns;
	if (link->cross_ns + CROSS_MEMORY_NS < now_ns)
		link->cross_ns = now_ns - CROSS_MEMORY_NS;
	while (link->cross_ns <= now_ns) {
		uint64_t when_ns = link->cross_ns,
			gap_ns = CROSS_PKT_BYTES * 8 * EMU_NS_PER_S / c->rate_bps;

		if (c->off_us && (when_ns - link->cross_start_ns) % period_ns >= on_ns) {
			link->cross_ns += period_ns - (when_ns - link->cross_start_ns) % period_ns;
			continue;
		}
		if (queue_pass(&link->queue, CROSS_PKT_BYTES, &when_ns))
			link->count.cross_pkts++;
		else
			link->count.cross_drops++;
		/*
		 * Half to one and a half times the mean: even packets would fall into step with
		 * ours.
		 */
		link->cross_ns += gap_ns / 2 + emu_random(&link->cross_rng) % (gap_ns + 1);
	}
}

static bool is_lost(struct emu_link *link)
{
	const struct emu_params *p = &link->params;
	bool lost = chance(link, p->loss);

	if (chance(link, link->ge_is_bad ? p->ge_leave : p->ge_enter))
		link->ge_is_bad = !link->ge_is_bad;
	if (p->ge_leave <= 0)
		link->ge_is_bad = false;
	bool burst = chance(link, link->ge_is_bad ? p->ge_bad : p->ge_good);

	return lost || burst;
}

/* Jitter runs in straight lines between random points. */
static uint64_t jitter_ns(struct emu_link *link, uint64_t now_ns)
{
	uint64_t most_ns = link->params.jitter_us * EMU_NS_PER_US;

	if (most_ns == 0)
		return 0;
	if (now_ns >= link->jitter_at_ns + JITTER_STEP_NS) {
		link->jitter_from_ns = link->jitter_to_ns;
		link->jitter_to_ns = emu_random(&link->rng) % (most_ns + 1);
		link->jitter_at_ns = now_ns;
	}
	double part = (double)(now_ns - link->jitter_at_ns) / (double)JITTER_STEP_NS;
	double from = (double)link->jitter_from_ns, to = (double)link->jitter_to_ns;

	return (uint64_t)(from + (to - from) * part);
}

static enum emu_fate pass_queues(struct emu_link *link, struct emu_queue *uplink, uint32_t bytes,
                                 uint64_t *when_ns, bool *mark)
{
	const struct emu_params *p = &link->params;

	if (uplink && !queue_pass(uplink, bytes, when_ns))
		return EMU_DROP_UPLINK;
	if (p->cut)
		return EMU_DROP_CUT;
	if (p->mtu && bytes > p->mtu)
		return EMU_DROP_MTU;
	pass_cross(link, *when_ns);
	*mark = p->ecn_us && emu_queue_wait_ns(&link->queue, *when_ns) > p->ecn_us * EMU_NS_PER_US;
	if (!queue_pass(&link->queue, bytes, when_ns))
		return EMU_DROP_QUEUE;
	return is_lost(link) ? EMU_LOST : EMU_PASS;
}

void emu_link_offer(struct emu_link *link, struct emu_queue *uplink, uint64_t now_ns,
                    uint32_t bytes, struct emu_verdict *out)
{
	const struct emu_params *p = &link->params;
	uint64_t when_ns = now_ns;

	memset(out, 0, sizeof(*out));
	link->count.in_pkts++;
	link->count.in_bytes += bytes;
	out->fate = pass_queues(link, uplink, bytes, &when_ns, &out->mark);
	link->count.fate[out->fate]++;
	if (out->fate != EMU_PASS)
		return;

	out->twice = chance(link, p->dup);
	out->corrupt = chance(link, p->corrupt);
	out->corrupt_seed = emu_random(&link->rng);
	bool late = chance(link, p->reorder);

	link->count.duplicated += out->twice;
	out->due_ns = when_ns + p->delay_us * EMU_NS_PER_US + jitter_ns(link, when_ns);
	if (late) {
		link->count.reordered++;
		out->due_ns += p->reorder_us * EMU_NS_PER_US;
		return;
	}
	/* A delay that was just made shorter does reorder on real paths, but here only `reorder`
	 * may. */
	if (out->due_ns < link->last_due_ns)
		out->due_ns = link->last_due_ns;
	link->last_due_ns = out->due_ns;
}

bool emu_link_ecn(struct emu_link *link, const struct emu_verdict *verdict, unsigned *ecn)
{
	if (*ecn == 0)
		return true;
	if (link->params.ect == EMU_ECT_DROP) {
		link->count.fate[EMU_PASS]--;
		link->count.fate[EMU_DROP_ECT]++;
		return false;
	}
	if (verdict->mark) {
		link->count.marked += *ecn != 3;
		*ecn = 3;
	}
	if (link->params.ect == EMU_ECT_BLEACH)
		*ecn = 0;
	return true;
}

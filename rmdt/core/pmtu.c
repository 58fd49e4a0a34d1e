/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pmtu.h"

#include <stddef.h>

/*
 * Payloads that paths are likely to end at, tried before halving: 9000, 4470 and 1500 byte links
 * under IPv4 (28 bytes of headers) and IPv6 (48), then common tunnels, then IPv6's 1280.
 */
static const uint16_t likely[] = { 8972, 8952, 4442, 1472, 1452, 1432, 1412, 1392, 1372, 1252 };

static void reset_search(struct rmdt_pmtu *p, uint32_t bound, bool bound_tried)
{
	p->state = RMDT_PMTU_SEARCHING;
	p->bound = bound;
	p->bound_tried = bound_tried;
	p->probe = 0;
	p->tries = 0;
	p->probe_in_flight = false;
	p->raise_us = UINT64_MAX;
}

void rmdt_pmtu_init(struct rmdt_pmtu *p, uint32_t base, uint32_t max)
{
	*p = (struct rmdt_pmtu){
		.base = base ? base : RMDT_PMTU_BASE,
		.max = max && max < RMDT_PMTU_MAX ? max : RMDT_PMTU_MAX,
	};
	if (p->base > p->max)
		p->base = p->max;
	p->current = p->base;
	reset_search(p, p->max, p->max == p->base);
}

void rmdt_pmtu_init_fixed(struct rmdt_pmtu *p, uint32_t size)
{
	*p = (struct rmdt_pmtu){
		.state = RMDT_PMTU_FIXED,
		.base = size,
		.max = size,
		.current = size,
		.bound = size,
		.bound_tried = true,
		.raise_us = UINT64_MAX,
	};
}

/* Next size to try, or 0 when the answer is known closely enough. */
static uint32_t pick(const struct rmdt_pmtu *p)
{
	if (!p->bound_tried && p->bound > p->current)
		return p->bound;
	if (p->bound <= p->current + RMDT_PMTU_STEP)
		return 0;
	for (size_t i = 0; p->current == p->base && i < sizeof(likely) / sizeof(likely[0]); i++) {
		if (p->current < likely[i] && likely[i] < p->bound)
			return likely[i];
	}
	return p->current + (p->bound - p->current) / 2;
}

static void finish(struct rmdt_pmtu *p, uint64_t now_us)
{
	p->state = RMDT_PMTU_DONE;
	p->raise_us = p->current < p->max ? now_us + RMDT_PMTU_RAISE_US : UINT64_MAX;
}

/* Prepares what comes next, so that deadline tells the truth at once. */
static void advance(struct rmdt_pmtu *p, uint64_t now_us)
{
	p->probe_in_flight = false;
	p->tries = 0;
	p->probe = pick(p);
	if (p->probe == 0 && p->state == RMDT_PMTU_SEARCHING)
		finish(p, now_us);
}

uint32_t rmdt_pmtu_next_probe(struct rmdt_pmtu *p, uint64_t now_us)
{
	if (p->state == RMDT_PMTU_FIXED)
		return 0;
	if (p->probe_in_flight && now_us >= p->probe_until_us)
		rmdt_pmtu_on_probe_lost(p, now_us, p->probe);
	if (p->probe_in_flight)
		return 0;
	if (p->state == RMDT_PMTU_DONE) {
		if (now_us < p->raise_us)
			return 0;
		reset_search(p, p->max, false);
	}
	if (p->probe == 0)
		advance(p, now_us);
	return p->probe;
}

void rmdt_pmtu_probe_sent(struct rmdt_pmtu *p, uint64_t now_us, uint64_t timeout_us)
{
	if (p->probe == 0)
		return;
	p->probe_in_flight = true;
	p->probe_until_us = now_us + timeout_us;
}

uint64_t rmdt_pmtu_deadline_us(const struct rmdt_pmtu *p)
{
	if (p->probe_in_flight)
		return p->probe_until_us;
	return p->state == RMDT_PMTU_SEARCHING ? 0 : p->raise_us;
}

void rmdt_pmtu_on_probe_acked(struct rmdt_pmtu *p, uint64_t now_us, uint32_t size)
{
	if (p->state == RMDT_PMTU_FIXED || size > p->max)
		return;
	rmdt_pmtu_on_packet_acked(p, size);
	if (size > p->current) {
		p->current = size;
		/* It had been given up, so the loss was not one of size: look further up again. */
		if (p->bound_tried && size >= p->bound)
			reset_search(p, p->max, size == p->max);
		else if (size == p->bound)
			p->bound_tried = true;
	} else if (size != p->probe) {
		return;
	}
	advance(p, now_us);
}

void rmdt_pmtu_on_probe_lost(struct rmdt_pmtu *p, uint64_t now_us, uint32_t size)
{
	if (!p->probe_in_flight || size != p->probe)
		return;
	p->probe_in_flight = false;
	if (++p->tries < RMDT_PMTU_TRIES)
		return;
	p->bound = size;
	p->bound_tried = true;
	advance(p, now_us);
}

void rmdt_pmtu_on_packet_acked(struct rmdt_pmtu *p, uint32_t size)
{
	if (p->lost_run && size >= p->lost_size)
		p->lost_run = 0;
}

/* Back to what always works; no size above `bound` is tried until the raise timer. */
static void fall_back(struct rmdt_pmtu *p, uint32_t bound, bool bound_tried)
{
	p->current = p->base;
	p->lost_run = 0;
	p->black_holes++;
	reset_search(p, bound, bound_tried);
}

bool rmdt_pmtu_on_packet_lost(struct rmdt_pmtu *p, uint64_t now_us, uint32_t size, uint64_t pto_us)
{
	/* What was sent before an earlier fall says nothing about the size used now. */
	if (p->state == RMDT_PMTU_FIXED || size <= p->base || size > p->current)
		return false;
	if (p->lost_run++ == 0) {
		p->lost_since_us = now_us;
		p->lost_size = size;
	}
	if (size < p->lost_size)
		p->lost_size = size;
	if (p->lost_run < RMDT_PMTU_BLACK_HOLE_PKTS ||
	    now_us - p->lost_since_us < RMDT_PMTU_BLACK_HOLE_PTOS * pto_us)
		return false;
	/* Perhaps the path was only down: the size that failed is tried once more, first. */
	fall_back(p, p->lost_size, false);
	return true;
}

void rmdt_pmtu_on_emsgsize(struct rmdt_pmtu *p, uint64_t now_us, uint32_t size)
{
	if (p->state == RMDT_PMTU_FIXED || size <= p->base)
		return;
	if (size <= p->current) {
		fall_back(p, size, true);
	} else if (size <= p->bound) {
		p->bound = size;
		p->bound_tried = true;
		if (p->probe == 0 || p->probe < size)
			return;
	} else {
		return;
	}
	advance(p, now_us);
}

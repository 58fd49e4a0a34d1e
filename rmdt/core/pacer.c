/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pacer.h"

#include <stdbool.h>

/* Millionths of a byte in a byte: with microseconds, credit += rate * elapsed is exact. */
#define UNIT INT64_C(1000000)
/* Most that one spend charges, so that sums of credit never overflow: 1 TiB. */
#define MAX_SPEND (UINT64_C(1) << 40)

static bool is_unlimited(const struct rmdt_pacer *p)
{
	return p->rate >= RMDT_PACER_MAX_RATE;
}

static int64_t full_credit(const struct rmdt_pacer *p)
{
	return (int64_t)p->burst_bytes * UNIT;
}

static void size_burst(struct rmdt_pacer *p)
{
	uint64_t rate = is_unlimited(p) ? RMDT_PACER_MAX_RATE : p->rate;
	uint64_t slice_bytes = rate / (1000000 / RMDT_PACER_SLICE_US);

	p->train_bytes = slice_bytes;
	if (p->train_bytes < 2 * p->mtu_bytes)
		p->train_bytes = 2 * p->mtu_bytes;
	if (p->train_bytes > RMDT_PACER_TRAIN_BYTES)
		p->train_bytes = RMDT_PACER_TRAIN_BYTES;
	p->burst_bytes = 2 * p->train_bytes;
	if (p->burst_bytes < slice_bytes)
		p->burst_bytes = slice_bytes;
}

static void clamp_credit(struct rmdt_pacer *p)
{
	if (p->credit > full_credit(p))
		p->credit = full_credit(p);
}

/* Earns what the time since last_us brings. Time that goes back earns nothing. */
static void earn(struct rmdt_pacer *p, uint64_t now_us)
{
	uint64_t elapsed_us, missing;

	if (now_us <= p->last_us)
		return;
	elapsed_us = now_us - p->last_us;
	p->last_us = now_us;
	if (p->rate == 0 || p->credit >= full_credit(p))
		return;
	/* The product is formed only when it is no more than what is missing. */
	missing = (uint64_t)(full_credit(p) - p->credit);
	if (elapsed_us > missing / p->rate)
		p->credit = full_credit(p);
	else
		p->credit += (int64_t)(elapsed_us * p->rate);
}

void rmdt_pacer_init(struct rmdt_pacer *p, uint64_t now_us, uint64_t rate, uint64_t mtu_bytes)
{
	*p = (struct rmdt_pacer){ .rate = rate, .mtu_bytes = mtu_bytes, .last_us = now_us };
	if (p->mtu_bytes > RMDT_PACER_TRAIN_BYTES)
		p->mtu_bytes = RMDT_PACER_TRAIN_BYTES;
	size_burst(p);
	p->credit = full_credit(p);
}

void rmdt_pacer_set_rate(struct rmdt_pacer *p, uint64_t now_us, uint64_t rate)
{
	if (rate == p->rate)
		return;
	earn(p, now_us);
	p->rate = rate;
	size_burst(p);
	clamp_credit(p);
	if (p->credit < -full_credit(p))
		p->credit = -full_credit(p);
}

void rmdt_pacer_set_mtu(struct rmdt_pacer *p, uint64_t now_us, uint64_t mtu_bytes)
{
	if (mtu_bytes > RMDT_PACER_TRAIN_BYTES)
		mtu_bytes = RMDT_PACER_TRAIN_BYTES;
	if (mtu_bytes == p->mtu_bytes)
		return;
	earn(p, now_us);
	p->mtu_bytes = mtu_bytes;
	size_burst(p);
	clamp_credit(p);
}

uint64_t rmdt_pacer_budget(struct rmdt_pacer *p, uint64_t now_us)
{
	if (is_unlimited(p))
		return UINT64_MAX;
	earn(p, now_us);
	return p->credit > 0 ? (uint64_t)(p->credit / UNIT) : 0;
}

void rmdt_pacer_spend(struct rmdt_pacer *p, uint64_t now_us, uint64_t bytes)
{
	if (is_unlimited(p)) {
		p->last_us = now_us > p->last_us ? now_us : p->last_us;
		return;
	}
	earn(p, now_us);
	if (bytes > MAX_SPEND)
		bytes = MAX_SPEND;
	p->credit -= (int64_t)bytes * UNIT;
	/* Debts that pile up in spite of the rule (forced probes) stop at what can be held. */
	if (p->credit < -(int64_t)MAX_SPEND * UNIT)
		p->credit = -(int64_t)MAX_SPEND * UNIT;
}

uint64_t rmdt_pacer_next_us(struct rmdt_pacer *p, uint64_t now_us, uint64_t want_bytes)
{
	uint64_t missing, wait_us;
	int64_t want;

	if (is_unlimited(p))
		return now_us;
	earn(p, now_us);
	want = (int64_t)(want_bytes < p->burst_bytes ? want_bytes : p->burst_bytes) * UNIT;
	if (p->credit >= want)
		return now_us;
	if (p->rate == 0)
		return UINT64_MAX;
	missing = (uint64_t)(want - p->credit);
	wait_us = missing / p->rate + (missing % p->rate != 0);
	return p->last_us + wait_us;
}

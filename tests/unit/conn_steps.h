/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of a conn begin and end with, and their networks. One program includes it once: it
 * holds the pair.
 */
#ifndef TESTS_UNIT_CONN_STEPS_H
#define TESTS_UNIT_CONN_STEPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn_impl.h"
#include "core/frame.h"
#include "unit/conn_pair.h"

#define ms PAIR_MS
#define s PAIR_S

static struct pair p;

static inline void begin(const struct pair_options *o)
{
	pair_init(&p, o);
	pair_up(&p);
}

static inline void end(void)
{
	assert_false(p.livelock);
	assert_false(p.late_timer);
	assert_false(p.i.wrong || p.r.wrong);
	pair_fini(&p);
}

/* Up, and a flow open from the initiator. */
static inline void begin_flow(const struct pair_options *o)
{
	begin(o);
	assert_int_equal(pair_open(&p, &p.i, "flow"), 0);
	pair_run(&p, 100 * ms);
	assert_non_null(p.r.in);
}

static inline void write_all(uint64_t bytes)
{
	assert_int_equal(pair_write(&p, &p.i, bytes), bytes);
}

static inline int in_state(void)
{
	return (int)p.r.in->state;
}

static inline int out_state(void)
{
	return (int)p.i.out->state;
}

/* ---- networks, for struct pair: filter ---- */

static inline bool nothing(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	(void)ctx, (void)to_responder, (void)data, (void)len;
	return false;
}

struct lose {
	/* packets of that direction that are lost: from <= number < to */
	unsigned from, to, seen;
	bool to_responder;
};

static inline bool lose(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	struct lose *l = ctx;
	unsigned k;

	(void)data, (void)len;
	if (to_responder != l->to_responder)
		return true;
	k = l->seen++;
	return k < l->from || k >= l->to;
}

/* ctx: a seed. */
static inline bool lose_a_third(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	uint32_t *x = ctx;

	(void)to_responder, (void)data, (void)len;
	*x = *x * 1664525 + 1013904223;
	return *x >> 16 > 65536 / 3;
}

#endif

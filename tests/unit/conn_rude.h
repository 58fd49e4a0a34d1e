/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that has the right keys and bad manners: what is put is said as the initiator, without its conn knowing of it. One
 * program includes it once: it holds the pair.
 */
#ifndef TESTS_UNIT_CONN_RUDE_H
#define TESTS_UNIT_CONN_RUDE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn_impl.h"
#include "core/frame.h"
#include "core/wire.h"
#include "unit/conn_pair.h"

#define ms PAIR_MS
#define s PAIR_S

static struct pair p;
static uint8_t text[4096];
static struct rmdt_wire_writer w;

/* Up, a flow open each way; the initiator has the bad manners. */
static inline void begin(const struct pair_options *o)
{
	pair_init(&p, o);
	pair_up(&p);
	assert_int_equal(pair_open(&p, &p.i, "there"), 0);
	assert_int_equal(pair_open(&p, &p.r, "back"), 0);
	pair_run(&p, 100 * ms);
	assert_non_null(p.r.in);
	rmdt_wire_writer_init(&w, text, sizeof(text));
}

static inline void end(void)
{
	pair_serve(&p, &p.r);
	assert_false(p.livelock);
	pair_fini(&p);
}

static inline void put(unsigned type, const uint64_t *numbers, unsigned n)
{
	rmdt_wire_put_u8(&w, (uint8_t)type);
	for (unsigned k = 0; k < n; k++)
		rmdt_wire_put_varint(&w, numbers[k]);
}
#define PUT(type, ...) put(type, (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)

static inline void put_open(uint64_t id, uint64_t start_off)
{
	PUT(RMDT_FRAME_OPEN, id, start_off);
	rmdt_wire_put_u8(&w, 1);
	rmdt_wire_put_u8(&w, RMDT_PIPE);
	for (int k = 0; k < 3; k++)	/* reply_to, name, meta */
		rmdt_wire_put_varint(&w, 0);
}

/* The initiator says what has been put. */
static inline void say(void)
{
	assert_false(w.bad);
	pair_say(&p, &p.i, text, rmdt_wire_written(&w));
	rmdt_wire_writer_init(&w, text, sizeof(text));
}

static inline void say_data(uint32_t flow, uint64_t off, size_t len, bool fin)
{
	pair_say_data(&p, &p.i, &(struct pair_chunk){ .flow = flow, .off = off, .len = len, .fin = fin });
}

static inline const struct rmdt_conn_counters *counters(void)
{
	return rmdt_conn_counters(p.r.conn);
}

static inline void expect_closed(unsigned code)
{
	assert_int_equal(p.r.conn->state, CONN_CLOSING);
	assert_int_equal(p.r.conn->down_code, code);
	end();
}

static inline void expect_up(void)
{
	assert_true(rmdt_conn_is_up(p.r.conn));
	end();
}

#endif

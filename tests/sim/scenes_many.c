/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers that are small, and many receivers. */
#include "sim/scene.h"

/* ---- many receivers ---- */

/* Rates 20 to 300 Mbit/s, round trips 1 to 300 ms, losses to 5 %. */
static void unlike_8(struct sim_plan *p)
{
	static const double rate[8] = { 20, 40, 60, 80, 120, 160, 200, 300 };
	static const uint64_t rtt_ms[8] = { 300, 1, 80, 10, 200, 5, 40, 20 };
	static const double loss[8] = { 0.001, 0.05, 0, 0.01, 0.003, 0.02, 0.05, 0.01 };

	p->bytes = 20 * MB;
	p->receivers = 8;
	for (unsigned i = 0; i < 8; i++)
		scene_set_path(&p->receiver[i], rate[i] * MBIT, rtt_ms[i] * MS,
			       rtt_ms[i] * MS / 2 + 5 * MS, loss[i]);
	p->receiver[2].there.ge_enter = 0.0005;
	p->receiver[2].there.ge_leave = 0.1;
	p->receiver[2].there.ge_bad = 0.4;
	p->receiver[3].there.reorder = 0.01;
	p->receiver[3].there.reorder_us = 2 * MS;
	p->receiver[5].there.dup = 0.02;
	p->receiver[6].there.corrupt = 0.002;
}

static void unlike_8_quorum(struct sim_plan *p)
{
	unlike_8(p);
	p->policy = (struct rmdt_policy){ .kind = RMDT_POLICY_QUORUM, .quorum = 5 };
	p->buffer_bytes = 8 << 20;
	p->linger_us = 1 * S;
}

static const char *five_confirmed(const struct sim_plan *p, const struct sim_result *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->receivers; i++)
		n += r->receiver[i].fate == SIM_CONFIRMED;
	return n < 5 ? "fewer than five confirmed" : NULL;
}

static void unlike_8_drop(struct sim_plan *p)
{
	unlike_8(p);
	p->policy = (struct rmdt_policy){ .kind = RMDT_POLICY_DROP, .lag_bytes = 4 * MB };
}

static const char *fastest_confirmed(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return r->receiver[7].fate != SIM_CONFIRMED ? "the fastest is not confirmed" :
	       r->receiver[0].fate == SIM_CONFIRMED ? "the slowest was not dropped" : NULL;
}

static void one_of_8_dies(struct sim_plan *p)
{
	unlike_8(p);
	p->dead_after_us = 10 * S;
	p->receiver[4].die_us = 1 * S;
}

static void small_buffer(struct sim_plan *p)
{
	scene_clean(p);
	p->bytes = 10 * MB;
	p->buffer_bytes = 1 << 20;
	p->receiver[0].there.loss = 0.02;
}

static void slow_consumer(struct sim_plan *p)
{
	scene_clean(p);
	p->bytes = 10 * MB;
	p->buffer_bytes = 2 << 20;
	p->receiver[0].consume_rate = 2 * MB;
	p->receiver[0].there.loss = 0.02;
}

static void hundred(struct sim_plan *p)
{
	p->bytes = 200000;
	p->receivers = 100;
	for (unsigned i = 0; i < 100; i++)
		scene_set_path(&p->receiver[i], 20 * MBIT, (1 + i) * MS, 50 * MS, i % 4 * 0.01);
	p->uplink = (struct emu_shape){ .rate_bps = 500 * 1000000, .queue_us = 50 * MS };
}

const struct scene scenes_many[] = {
	{ "small-buffer", small_buffer, 0.9, NULL },
	{ "slow-consumer", slow_consumer, 5.4, NULL },
	{ "unlike-8-block", unlike_8, 10.8, NULL },
	{ "unlike-8-quorum", unlike_8_quorum, 3.9, five_confirmed },
	{ "unlike-8-drop", unlike_8_drop, 1, fastest_confirmed },
	{ "one-of-8-dies", one_of_8_dies, 12.8, NULL },
	{ "hundred", hundred, 1.6, NULL },
	{ 0 },
};

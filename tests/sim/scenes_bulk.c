/* SPDX-License-Identifier: Apache-2.0 */
/* One receiver: streams, and small things. */
#include "sim/scene.h"

void scene_set_path(struct sim_receiver_plan *r, double bps, uint64_t rtt_us, uint64_t queue_us,
		    double loss)
{
	struct emu_params e = { .shape = { .rate_bps = (uint64_t)bps, .queue_us = queue_us }, .delay_us = rtt_us / 2 };

	r->there = r->back = e;
	r->there.loss = loss;
}

void scene_clean(struct sim_plan *p)
{
	p->bytes = 50 * MB;
	scene_set_path(&p->receiver[0], 200 * MBIT, 20 * MS, 30 * MS, 0);
}

/* ---- one receiver, bulk ---- */

static void lossy_1(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].there.loss = 0.01;
}

static void lossy_5(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].there.loss = 0.05;
}

static void lossy_10(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].there.loss = 0.10;
}

static void long_fat(struct sim_plan *p)
{
	p->bytes = 100 * MB;
	scene_set_path(&p->receiver[0], 500 * MBIT, 300 * MS, 150 * MS, 0);
}

static void long_fat_lossy(struct sim_plan *p)
{
	p->bytes = 200 * MB;
	p->buffer_bytes = UINT64_C(500) << 20;
	scene_set_path(&p->receiver[0], 500 * MBIT, 100 * MS, 50 * MS, 0.01);
}

static void shallow_queue(struct sim_plan *p)
{
	p->bytes = 50 * MB;
	scene_set_path(&p->receiver[0], 100 * MBIT, 40 * MS, 4 * MS, 0);
}

static void bursts(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].there.ge_enter = 0.001;
	p->receiver[0].there.ge_leave = 0.1;
	p->receiver[0].there.ge_bad = 0.5;
}

static void rough(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].there.loss = 0.02;
	p->receiver[0].there.reorder = 0.02;
	p->receiver[0].there.reorder_us = 3 * MS;
	p->receiver[0].there.dup = 0.01;
	p->receiver[0].there.corrupt = 0.001;
	p->receiver[0].there.jitter_us = 3 * MS;
}

static void slow_lan(struct sim_plan *p)
{
	p->bytes = 20 * MB;
	scene_set_path(&p->receiver[0], 20 * MBIT, 1 * MS, 20 * MS, 0);
}

/* Slow, short and lossy: acks have little to tell, and much to repeat. */
static void slow_lossy(struct sim_plan *p)
{
	p->bytes = 20 * MB;
	scene_set_path(&p->receiver[0], 20 * MBIT, 10 * MS, 100 * MS, 0.05);
}

static const char *says_little_back(const struct sim_plan *p, const struct sim_result *r)
{
	/* Without the headers of IP and UDP, which are about a third of it. */
	return r->receiver[0].feedback_bytes * 256 > p->bytes ? "more than 0.39 % went back" : NULL;
}

static void back_path_lossy(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].back.loss = 0.2;
}

static void jumbo(struct sim_plan *p)
{
	p->bytes = 100 * MB;
	p->mtu = 65507;
	scene_set_path(&p->receiver[0], 2000 * MBIT, 1 * MS, 5 * MS, 0);
}

static void fixed_rate(struct sim_plan *p)
{
	lossy_5(p);
	p->bytes = 20 * MB;
	p->cc = "fixed";
	p->fixed_rate = 12500000;
}

static void cubic(struct sim_plan *p)
{
	scene_clean(p);
	p->bytes = 20 * MB;
	p->cc = "cubic";
}

static void chacha(struct sim_plan *p)
{
	scene_clean(p);
	p->bytes = 10 * MB;
	p->suite = RMDT_CHACHA20_POLY1305;
}

static void in_clear(struct sim_plan *p)
{
	scene_clean(p);
	p->bytes = 10 * MB;
	p->cipher_none = true;
}

/* A slow writer whose small packets fill a slow path: their repairs must not drown it. */
static void slow_writer(struct sim_plan *p)
{
	p->bytes = 2700000;
	p->write_rate = 130000;
	scene_set_path(&p->receiver[0], 1.2 * MBIT, 3 * MS, 120 * MS, 0);
}

static const char *sends_little_twice(const struct sim_plan *p, const struct sim_result *r)
{
	return r->receiver[0].repaired_bytes * 10 > p->bytes ? "more than a tenth was sent again" :
	       NULL;
}

static void rekeying(struct sim_plan *p)
{
	p->bytes = 20 * MB;
	scene_set_path(&p->receiver[0], 8 * MBIT, 40 * MS, 50 * MS, 0.05);
	p->rekey_packets = 500;
}

static const char *rekeyed_often(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	/* old keys are kept for 5 s each */
	return r->receiver[0].rekeys < 4 ? "too few rekeys" : NULL;
}

/* ---- small things ---- */

static void empty(struct sim_plan *p)
{
	p->bytes = 0;
	scene_set_path(&p->receiver[0], 100 * MBIT, 100 * MS, 50 * MS, 0);
}

static void one_byte(struct sim_plan *p)
{
	p->bytes = 1;
	p->write_us = 5 * S;
	scene_set_path(&p->receiver[0], 100 * MBIT, 100 * MS, 50 * MS, 0);
}

/* A byte typed arrives within half a round trip and 5 ms. */
static const char *arrives_at_once(const struct sim_plan *p, const struct sim_result *r)
{
	uint64_t most = p->write_us + p->receiver[0].there.delay_us + 5 * MS;

	return r->receiver[0].first_byte_us > most ? "the byte came late" : NULL;
}

static void byte_after_an_hour(struct sim_plan *p)
{
	one_byte(p);
	p->write_us = 3600 * S;
	p->limit_us = 3700 * S;
}

static void idle_hour(struct sim_plan *p)
{
	p->bytes = 1 * MB;
	p->idle_us = 3600 * S;
}

static const char *few_packets_a_minute(const struct sim_plan *p, const struct sim_result *r)
{
	return r->idle_datagrams > 30 * p->idle_us / (60 * S) ? "not a few packets a minute" : NULL;
}

const struct scene scenes_bulk[] = {
	{ "clean", scene_clean, 2.4, NULL },
	{ "lossy-1", lossy_1, 2.5, NULL },
	{ "lossy-5", lossy_5, 2.7, NULL },
	{ "lossy-10", lossy_10, 3, NULL },
	{ "bursts", bursts, 2.5, NULL },
	{ "rough", rough, 2.6, NULL },
	{ "back-path-lossy", back_path_lossy, 2.4, NULL },
	{ "long-fat", long_fat, 3.4, NULL },
	{ "long-fat-lossy", long_fat_lossy, 4.6, NULL },
	{ "shallow-queue", shallow_queue, 5, NULL },
	{ "slow-lan", slow_lan, 9.2, NULL },
	{ "slow-lossy", slow_lossy, 9.6, says_little_back },
	{ "jumbo", jumbo, 0.5, NULL },
	{ "fixed-rate", fixed_rate, 2, NULL },
	{ "cubic", cubic, 1.2, NULL },
	{ "chacha", chacha, 0.6, NULL },
	{ "in-clear", in_clear, 0.6, NULL },
	{ "slow-writer", slow_writer, 22, sends_little_twice },
	{ "rekeying", rekeying, 26, rekeyed_often },
	{ "empty", empty, 0.25, NULL },
	{ "one-byte", one_byte, 5.15, arrives_at_once },
	{ "byte-after-an-hour", byte_after_an_hour, 3600.15, arrives_at_once },
	{ "idle-hour", idle_hour, 0.2, few_packets_a_minute },
	{ 0 },
};

/* SPDX-License-Identifier: Apache-2.0 */
/* One receiver: marks of congestion, traffic of others, and what goes wrong. */
#include "sim/scene.h"

/* ---- marks of congestion ---- */

/* Deep buffers, which only the marks keep empty. */
static void ecn(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].there.shape.queue_us = 1 * S;
	p->receiver[0].there.ecn_us = 2 * MS;
	p->cc = "cubic";
}

static void ecn_bbr(struct sim_plan *p)
{
	ecn(p);
	p->cc = "bbr";
}

/* A path that marks from the first packet in its queue on. */
static void ecn_eager(struct sim_plan *p)
{
	ecn_bbr(p);
	p->receiver[0].there.ecn_us = 50;
}

static const char *heeds_marks(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	if (r->receiver[0].ecn_off)
		return "marking was given up";
	return r->receiver[0].marked_pkts == 0 ? "no mark was heeded" :
	       r->receiver[0].repaired_bytes > 0 ? "the queue ran over" : NULL;
}

static void ecn_bleached(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].there.ecn_us = 2 * MS;
	p->receiver[0].there.ect = EMU_ECT_BLEACH;
}

static void ecn_dropped(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].there.ect = EMU_ECT_DROP;
}

static void ecn_dropped_lossy(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].there.loss = 0.05;
	p->receiver[0].there.ect = EMU_ECT_DROP;
}

/* A few bytes, all of them in packets that vanish at first. */
static void ecn_dropped_short(struct sim_plan *p)
{
	p->bytes = 3000;
	scene_set_path(&p->receiver[0], 100 * MBIT, 100 * MS, 50 * MS, 0);
	p->receiver[0].there.ect = EMU_ECT_DROP;
}

static const char *gives_up_marking(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return !r->receiver[0].ecn_off ? "marking goes on" : r->receiver[0].marked_pkts ? "marks were heeded" : NULL;
}

/* ---- traffic of others ---- */

static void cross(struct sim_plan *p)
{
	scene_clean(p);
	p->bytes = 40 * MB;
	p->receiver[0].there.cross = (struct emu_cross){ .rate_bps = 80000000 };
}

static void cross_on_off(struct sim_plan *p)
{
	scene_clean(p);
	p->bytes = 80 * MB;
	p->receiver[0].there.cross = (struct emu_cross){ .rate_bps = 100000000, .on_us = 700 * MS, .off_us = 700 * MS };
}

/* ---- what goes wrong ---- */

static void pause_5s(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].pause_us = 500 * MS;
	p->receiver[0].resume_us = 5500 * MS;
}

/*
 * What arrives while the first flights wait there looks like a tenth of the rate: it must not be
 * kept for long.
 */
static void asleep_at_start(struct sim_plan *p)
{
	p->seed = 9;
	p->bytes = 40 * MB;
	p->buffer_bytes = UINT64_C(500) << 20;
	scene_set_path(&p->receiver[0], 500 * MBIT, 10 * MS, 100 * MS, 0);
	p->receiver[0].there.loss = 0.1;
	p->receiver[0].pause_us = 25 * MS;
	p->receiver[0].resume_us = 105 * MS;
}

/* Both FINISH are lost, and with them the first flight: that says nothing of the rate. */
static void finish_lost_far(struct sim_plan *p)
{
	p->seed = 39;
	p->bytes = 60 * MB;
	p->buffer_bytes = UINT64_C(500) << 20;
	scene_set_path(&p->receiver[0], 500 * MBIT, 300 * MS, 100 * MS, 0);
	p->receiver[0].there.loss = 0.05;
}

/* Beyond 250 ms the handshake sees no round trip by itself: the remembered one tells. */
static void known_far(struct sim_plan *p)
{
	finish_lost_far(p);
	p->seed = 1;
	p->receiver[0].there.loss = 0;
	p->hint_rate = 60 * MB;
	p->hint_rtt_us = 300 * MS;
}

static void sender_pause_20s(struct sim_plan *p)
{
	scene_clean(p);
	p->timers_first = true;
	p->sender_pause_us = 500 * MS;
	p->sender_resume_us = 20500 * MS;
}

static void cut_5s(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].cut_us = 500 * MS;
	p->receiver[0].heal_us = 5500 * MS;
}

static void cut_for_good(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].cut_us = 500 * MS;
}

static void sender_dies(struct sim_plan *p)
{
	scene_clean(p);
	p->sender_die_us = 500 * MS;
}

static const char *broke_by_timeout(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return !r->receiver[0].broke || r->receiver[0].broke_code != RMDT_CODE_TIMEOUT ?
		"not broken by a timeout" : NULL;
}

static void black_hole(struct sim_plan *p)
{
	scene_clean(p);
	p->mtu = 8972;
	p->receiver[0].there.mtu = 1500;
}

static void path_narrows(struct sim_plan *p)
{
	scene_clean(p);
	p->mtu = 8972;
	p->receiver[0].shrink_us = 800 * MS;
	p->receiver[0].shrink_mtu = 1500;
}

static void restarts(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].restart_us = 500 * MS;
}

static const char *lost_restarted(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return r->receiver[0].code != RMDT_CODE_RESTARTED ? "the restart was not noticed" : NULL;
}

static void moves(struct sim_plan *p)
{
	scene_clean(p);
	p->keepalive_us = 2 * S;
	p->receiver[0].move_us = 500 * MS;
}

static const char *moved_once(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return r->receiver[0].moves != 1 ? "not moved once" : NULL;
}

static void wrong_psk(struct sim_plan *p)
{
	scene_clean(p);
	p->psk = p->receiver[0].wrong_psk = true;
}

static const char *lost_psk(const struct sim_plan *p, const struct sim_result *r)
{
	(void)p;
	return r->receiver[0].code != RMDT_CODE_PSK ? "the wrong psk has another name" : NULL;
}

static void absent(struct sim_plan *p)
{
	scene_clean(p);
	p->receiver[0].die_us = 0;
}

const struct scene scenes_trouble[] = {
	{ "ecn", ecn, 3.7, heeds_marks },
	{ "ecn-bbr", ecn_bbr, 2.6, NULL },
	{ "ecn-eager", ecn_eager, 3, heeds_marks },
	{ "ecn-bleached", ecn_bleached, 2.4, gives_up_marking },
	{ "ecn-dropped", ecn_dropped, 2.5, gives_up_marking },
	{ "ecn-dropped-lossy", ecn_dropped_lossy, 2.9, gives_up_marking },
	{ "ecn-dropped-short", ecn_dropped_short, 1, NULL },
	{ "cross", cross, 3.2, NULL },
	{ "cross-on-off", cross_on_off, 6.4, NULL },
	{ "pause-5s", pause_5s, 7.6, NULL },
	{ "asleep-at-start", asleep_at_start, 2, NULL },
	{ "finish-lost-far", finish_lost_far, 3.6, NULL },
	{ "known-far", known_far, 1.95, NULL },
	{ "sender-pause-20s", sender_pause_20s, 22.8, NULL },
	{ "cut-5s", cut_5s, 8.6, NULL },
	{ "cut-for-good", cut_for_good, 30.8, NULL },
	{ "sender-dies", sender_dies, 30.8, broke_by_timeout },
	{ "black-hole", black_hole, 2.4, NULL },
	{ "path-narrows", path_narrows, 3, NULL },
	{ "restarts", restarts, 0.6, lost_restarted },
	{ "moves", moves, 4.5, moved_once },
	{ "wrong-psk", wrong_psk, 0.32, lost_psk },
	{ "absent", absent, 10.05, NULL },
	{ 0 },
};

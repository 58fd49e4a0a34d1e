/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves virtual time on: script, arrivals, ends that have something to do, policy; until all is
 * over and quiet.
 */
#include "sim/sim.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"
#include "sim/sim_impl.h"

#define STEPS_WITHOUT_TIME	10000	/* so many steps at one instant are a livelock */
#define TRAINS_WITHOUT_TIME	100000	/* and so many trains of one end */
/* after the last fate is known: RESETs, last acks, path MTU */
#define SETTLE_US		30000000
/* The far end has heard CLOSE, or its dead-after time runs out. */
#define CLOSE_SLACK_US		3000000

void sim_broken(struct sim_world *w, const char *format, ...)
{
	va_list ap;

	if (w->result->broken[0])
		return;
	va_start(ap, format);
	vsnprintf(w->result->broken, sizeof(w->result->broken), format, ap);
	va_end(ap);
}

/* ---- one step ---- */

static void note_sent(const struct sim_world *w, struct sim_pair *p)
{
	uint64_t off = p->out ? atomic_load(&p->out->sent_off) : 0;

	if (off > p->sent_off) {
		p->sent_off = off;
		p->result->last_sent_us = w->now_us - SIM_START_US;
	}
}

/* Ticks, pulls and drains one end until it has nothing more to say now. */
static void run_side(struct sim_world *w, struct sim_pair *p, bool is_sender)
{
	struct sim_side *self = is_sender ? &p->sender : &p->receiver;
	struct rmdt_train train = { .buf = w->train, .cap = RMDT_CONN_TRAIN_BYTES };
	struct rmdt_conn_event e;
	unsigned trains = 0;

	if (!self->conn || self->dead || w->now_us < self->awake_us ||
	    (!self->touched && self->deadline_us > w->now_us &&
	     (is_sender || sim_next_read_us(w, p) == SIM_NEVER)))
		return;
	self->touched = false;
	rmdt_conn_tick(self->conn, w->now_us);
	for (;;) {
		while (rmdt_conn_event(self->conn, &e))
			(is_sender ? sim_sender_event : sim_receiver_event)(w, p, &e);
		if (!is_sender)
			sim_read(w, p);
		if (!rmdt_conn_send(self->conn, w->now_us, &train))
			break;
		for (size_t at = 0; at < train.len; at += train.segment)
			sim_fly(w, p, is_sender, &train.to, train.buf + at,
				train.len - at < train.segment ? train.len - at : train.segment,
				train.ect ? RMDT_ECN_ECT0 : RMDT_ECN_NOT_ECT);
		if (++trains > TRAINS_WITHOUT_TIME) {
			sim_broken(w, "%s %u talks without end",
				   is_sender ? "the sender to" : "receiver", p->index);
			break;
		}
	}
	while (rmdt_conn_event(self->conn, &e))
		(is_sender ? sim_sender_event : sim_receiver_event)(w, p, &e);
	note_sent(w, p);
	self->deadline_us = rmdt_conn_deadline_us(self->conn);
	if (!self->touched)	/* not when an event just changed something */
		sim_check_side(w, p, is_sender);
}

static bool passed(const struct sim_world *w, uint64_t at_us)
{
	return at_us != SIM_NEVER && w->now_us >= at_us + SIM_START_US;
}

/* A process that stood still goes on: its loop may see its timers before its socket. */
static void stand_still(struct sim_world *w, struct sim_side *side, uint64_t pause_us,
			uint64_t resume_us)
{
	if (!passed(w, pause_us) || side->dead)
		return;
	if (!passed(w, resume_us)) {
		side->awake_us = resume_us == SIM_NEVER ? SIM_NEVER : resume_us + SIM_START_US;
	} else if (w->now_us == side->awake_us) {
		if (w->plan->timers_first && side->conn)
			rmdt_conn_tick(side->conn, w->now_us);
		side->touched = true;
	}
}

static void change_path(struct sim_world *w, struct sim_pair *p)
{
	const struct sim_receiver_plan *r = p->plan;
	bool cut = passed(w, r->cut_us) && !passed(w, r->heal_us);

	if (cut != p->there.params.cut) {
		struct emu_params there = p->there.params, back = p->back.params;

		there.cut = back.cut = cut;
		emu_link_set(&p->there, &there);
		emu_link_set(&p->back, &back);
	}
	if (passed(w, r->shrink_us) && !p->shrunk) {
		struct emu_params there = p->there.params;

		p->shrunk = true;
		there.mtu = r->shrink_mtu;
		emu_link_set(&p->there, &there);
	}
}

static void run_script(struct sim_world *w, struct sim_pair *p)
{
	const struct sim_receiver_plan *r = p->plan;

	stand_still(w, &p->receiver, r->pause_us, r->resume_us);
	stand_still(w, &p->sender, w->plan->sender_pause_us, w->plan->sender_resume_us);
	p->receiver.dead |= passed(w, r->die_us);
	p->sender.dead |= passed(w, w->plan->sender_die_us);
	change_path(w, p);
	if (passed(w, r->move_us) && !p->moved) {
		p->moved = true;
		p->receiver.addr = sim_address(p->index + 2, 7777);
	}
	if (passed(w, r->restart_us) && !p->restarted) {
		p->restarted = true;
		p->ended = p->in != NULL;	/* the sender does not begin again */
		rmdt_conn_free(p->receiver.conn);
		p->receiver.conn = NULL;
		p->in = NULL;
		p->generation++;
	}
}

static bool sender_runs(const struct sim_world *w)
{
	return !w->pair[0].sender.dead && w->now_us >= w->pair[0].sender.awake_us;
}

static void step(struct sim_world *w)
{
	for (unsigned i = 0; i < w->plan->receivers; i++)
		run_script(w, &w->pair[i]);
	sim_deliver_due(w);
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		run_side(w, &w->pair[i], true);
		run_side(w, &w->pair[i], false);
	}
	if (!sender_runs(w))
		return;
	if (w->judge_us <= w->now_us)
		sim_judge(w);
	if (w->write_us <= w->now_us)
		sim_write(w);
}

/* ---- time ---- */

static void at_least(uint64_t *t, uint64_t now_us, uint64_t at_us)
{
	if (at_us < now_us)
		at_us = now_us;
	if (at_us < *t)
		*t = at_us;
}

static void script_time(uint64_t *t, uint64_t now_us, uint64_t at_us)
{
	if (at_us != SIM_NEVER && at_us + SIM_START_US > now_us && at_us + SIM_START_US < *t)
		*t = at_us + SIM_START_US;
}

static void side_time(uint64_t *t, const struct sim_world *w, const struct sim_side *side,
		      uint64_t read_us)
{
	uint64_t at_us = side->touched ? w->now_us : side->deadline_us;

	if (!side->conn || side->dead)
		return;
	if (read_us < at_us)
		at_us = read_us;
	at_least(t, w->now_us, at_us > side->awake_us ? at_us : side->awake_us);
}

static uint64_t next_time(const struct sim_world *w)
{
	const struct sim_plan *plan = w->plan;
	uint64_t t = sim_next_arrival_us(w);

	if (t < w->now_us)
		t = w->now_us;
	for (unsigned i = 0; i < plan->receivers; i++) {
		const struct sim_pair *p = &w->pair[i];
		const struct sim_receiver_plan *r = p->plan;
		const uint64_t script[] = { r->pause_us, r->resume_us, r->die_us, r->restart_us, r->cut_us, r->heal_us,
					    r->shrink_us, r->move_us };

		for (size_t k = 0; k < sizeof(script) / sizeof(script[0]); k++)
			script_time(&t, w->now_us, script[k]);
		side_time(&t, w, &p->sender, SIM_NEVER);
		side_time(&t, w, &p->receiver, sim_next_read_us(w, p));
	}
	script_time(&t, w->now_us, plan->sender_pause_us);
	script_time(&t, w->now_us, plan->sender_resume_us);
	script_time(&t, w->now_us, plan->sender_die_us);
	if (sender_runs(w)) {
		at_least(&t, w->now_us, w->write_us);
		at_least(&t, w->now_us, w->judge_us);
	}
	return t;
}

/* Runs until done says so or until_us. false: an invariant broke, or it is until_us. */
static bool run_until(struct sim_world *w, bool (*done)(const struct sim_world *w),
		      uint64_t until_us)
{
	uint64_t same = 0;

	for (;;) {
		uint64_t t;

		step(w);
		w->result->steps++;
		if (w->result->broken[0])
			return false;
		if (done && done(w))
			return true;
		t = next_time(w);
		same = t == w->now_us ? same + 1 : 0;
		if (same > STEPS_WITHOUT_TIME)
			sim_broken(w, "no progress of time");
		if (t > until_us)
			break;
		w->now_us = t;
	}
	w->now_us = until_us;
	return false;
}

/* ---- phases ---- */

/* Nothing will come of this end any more. */
static bool is_gone(const struct sim_side *side)
{
	return !side->conn || side->dead || side->down || side->awake_us == SIM_NEVER;
}

static bool fates_known(const struct sim_world *w)
{
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		const struct sim_pair *p = &w->pair[i];

		if (p->sender.dead ? !is_gone(&p->receiver) : p->result->fate == SIM_RUNNING)
			return false;
	}
	return !sender_runs(w) || w->judge_us > w->now_us;
}

static bool pair_is_down(const struct sim_pair *p)
{
	if (p->sender.conn && !p->sender.dead && !rmdt_conn_is_drained(p->sender.conn))
		return false;
	return is_gone(&p->receiver);
}

static bool all_down(const struct sim_world *w)
{
	for (unsigned i = 0; i < w->plan->receivers; i++)
		if (!pair_is_down(&w->pair[i]))
			return false;
	return true;
}

static bool is_over_by(uint64_t at_us, uint64_t now_us)
{
	return at_us == SIM_NEVER || at_us + SIM_START_US + SETTLE_US < now_us;
}

/* Whether nothing happens to it any more, and what happened is long past. */
static bool is_steady(const struct sim_world *w, const struct sim_pair *p, uint64_t from_us,
		      uint64_t until_us)
{
	const struct sim_receiver_plan *r = p->plan;
	const uint64_t begins[] = { r->pause_us, r->cut_us, r->die_us, r->restart_us, r->move_us, r->shrink_us,
				    w->plan->sender_pause_us, w->plan->sender_die_us };

	for (size_t k = 0; k < sizeof(begins) / sizeof(begins[0]); k++)
		if (begins[k] != SIM_NEVER && begins[k] + SIM_START_US < until_us &&
		    !is_over_by(begins[k], from_us))
			return false;
	if (p->sender.down != p->receiver.down && p->receiver.conn)
		return false;
	return (r->pause_us == SIM_NEVER || is_over_by(r->resume_us, from_us)) &&
	       (r->cut_us == SIM_NEVER || is_over_by(r->heal_us, from_us)) &&
	       (w->plan->sender_pause_us == SIM_NEVER ||
		is_over_by(w->plan->sender_resume_us, from_us));
}

/*
 * After the last fate: a few packets a minute for each association that is up, a few a second for
 * one that probes.
 */
static void watch_idle(struct sim_world *w)
{
	uint64_t before[SIM_MAX], from_us, keepalive_us = w->plan->keepalive_us;

	if (w->plan->idle_us == 0 || w->result->broken[0])
		return;
	run_until(w, NULL, w->now_us + SETTLE_US);
	from_us = w->now_us;
	for (unsigned i = 0; i < w->plan->receivers; i++)
		before[i] = w->pair[i].datagrams;
	run_until(w, NULL, w->now_us + w->plan->idle_us);
	if (keepalive_us > w->plan->dead_after_us / 3)
		keepalive_us = w->plan->dead_after_us / 3;
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		uint64_t n = w->pair[i].datagrams - before[i];
		bool steady = is_steady(w, &w->pair[i], from_us, w->now_us);
		/* PING and ack, a repair of one of them now and then; both ends may ask at once. */
		uint64_t most = steady ? 6 * (w->plan->idle_us / keepalive_us + 1) + 10 :
				6 * w->plan->idle_us / 1000000 + 60;

		if (w->pair[i].plan->there.ge_enter > 0 || w->pair[i].plan->back.ge_enter > 0)
			/* a burst of losses lasts some packets, however far apart */
			most = 3 * most + 60;
		w->result->idle_datagrams += steady ? n : 0;
		if (n > most)
			sim_broken(w, "pair %u is not quiet: %llu datagrams in %llu idle seconds",
				   i,
				   (unsigned long long)n, (unsigned long long)(w->plan->idle_us / 1000000));
	}
}

static void close_all(struct sim_world *w)
{
	if (w->result->broken[0])
		return;
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		if (w->pair[i].sender.dead)
			continue;
		rmdt_conn_close(w->pair[i].sender.conn, w->now_us, RMDT_CODE_NONE, NULL);
		w->pair[i].sender.touched = true;
	}
	if (run_until(w, all_down, w->now_us + w->plan->dead_after_us + w->plan->connect_timeout_us + CLOSE_SLACK_US))
		return;
	for (unsigned i = 0; i < w->plan->receivers; i++)
		if (!pair_is_down(&w->pair[i]))
			sim_broken(w, "pair %u does not end: sender %s, receiver %s", i,
				   w->pair[i].sender.down ? "down" : "up", w->pair[i].receiver.down ? "down" : "up");
}

static void note_conn(struct sim_pair *p)
{
	const struct rmdt_conn_counters *c = rmdt_conn_counters(p->sender.conn);
	struct rmdt_peer_info info = { 0 };

	rmdt_conn_info(p->sender.conn, 0, &info);
	p->result->rekeys = c->rekeys;
	p->result->moves = c->moves;
	p->result->black_holes = c->mtu_black_holes;
	p->result->marked_pkts = c->packets_marked;
	p->result->ecn_off = p->sender.conn->ecn.state == RMDT_ECN_FAILED;
	p->result->mtu_bytes = info.mtu_bytes;
	if (p->out) {
		p->result->chunk_bytes = p->out->chunk_bytes;
		p->result->repaired_bytes = p->out->repaired_bytes;
	}
}

/* ---- the whole ---- */

void sim_plan_init(struct sim_plan *plan, uint64_t seed)
{
	*plan = (struct sim_plan){
		.seed = seed, .bytes = 1000000, .receivers = 1, .linger_us = 10000000,
		.dead_after_us = 30000000,
		.keepalive_us = 15000000, .connect_timeout_us = 10000000, .buffer_bytes = 64u << 20,
		.cc = "bbr", .suite = RMDT_AES_256_GCM, .mtu = 1472, .limit_us = 600000000,
		.idle_us = 60000000,
		.sender_pause_us = SIM_NEVER, .sender_resume_us = SIM_NEVER,
		.sender_die_us = SIM_NEVER,
	};
	for (unsigned i = 0; i < SIM_MAX; i++) {
		struct sim_receiver_plan *r = &plan->receiver[i];

		r->there = r->back = (struct emu_params){
			.shape = { .rate_bps = 100000000, .queue_us = 100000 }, .delay_us = 10000 };
		r->pause_us = r->resume_us = r->die_us = r->restart_us = r->cut_us = r->heal_us = r->shrink_us =
			r->move_us = SIM_NEVER;
	}
}

static void start(struct sim_world *w)
{
	rmdt_blocks_init(&w->send_pool, w->plan->buffer_bytes, NULL);
	w->sendbuf = rmdt_sendbuf_new(&w->send_pool, 0, w->plan->buffer_bytes);
	rmdt_fanout_init(&w->fanout, &w->plan->policy, w->plan->linger_us);
	w->uplink.shape = w->plan->uplink;
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		struct sim_pair *p = &w->pair[i];

		p->plan = &w->plan->receiver[i];
		p->result = &w->result->receiver[i];
		p->index = i;
		p->sender.addr = sim_address(1, 1000 + i);
		p->receiver.addr = sim_address(i + 2, 2312);
		p->member = (struct rmdt_fanout_member){ .required = true };
		emu_link_init(&p->there, &p->plan->there, w->plan->seed * 1000003 + 2 * i);
		emu_link_init(&p->back, &p->plan->back, w->plan->seed * 1000003 + 2 * i + 1);
		rmdt_blocks_init(&w->recv_pool[i], w->plan->buffer_bytes, NULL);
		sim_make_conn(w, p, true);
	}
}

static void check_pools(struct sim_world *w)
{
	if (rmdt_blocks_used(&w->send_pool) > 0)
		sim_broken(w, "the sender lost %u blocks", rmdt_blocks_used(&w->send_pool));
	for (unsigned i = 0; i < w->plan->receivers; i++)
		if (rmdt_blocks_used(&w->recv_pool[i]) > 0)
			sim_broken(w, "receiver %u lost %u blocks", i,
				   rmdt_blocks_used(&w->recv_pool[i]));
}

static void stop(struct sim_world *w)
{
	for (unsigned i = 0; i < w->plan->receivers; i++) {
		rmdt_conn_free(w->pair[i].sender.conn);
		rmdt_conn_free(w->pair[i].receiver.conn);
	}
	rmdt_sendbuf_free(w->sendbuf);
	check_pools(w);
	for (unsigned i = 0; i < w->plan->receivers; i++)
		rmdt_blocks_fini(&w->recv_pool[i]);
	rmdt_blocks_fini(&w->send_pool);
	sim_drop_all(w);
}

void sim_run(const struct sim_plan *plan, struct sim_result *result)
{
	struct sim_world *w = calloc(1, sizeof(*w));

	assert(w && plan->receivers <= SIM_MAX);
	memset(result, 0, sizeof(*result));
	w->plan = plan;
	w->result = result;
	w->now_us = SIM_START_US;
	start(w);
	if (!run_until(w, fates_known, SIM_START_US + plan->limit_us))
		sim_broken(w, "not over after %llu us", (unsigned long long)plan->limit_us);
	result->end_us = w->now_us - SIM_START_US;
	for (unsigned i = 0; i < plan->receivers; i++) {
		note_conn(&w->pair[i]);
		if (result->receiver[i].fate == SIM_CONFIRMED && !result->receiver[i].saw_end)
			sim_broken(w, "receiver %u is confirmed without having seen the end", i);
	}
	watch_idle(w);
	close_all(w);
	stop(w);
	result->ok = !result->broken[0];
	free(w);
}

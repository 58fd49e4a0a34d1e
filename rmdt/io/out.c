/* SPDX-License-Identifier: Apache-2.0 */
#include "io/out.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credit.h"
#include "io/clock.h"
#include "io/in.h"
#include "io/peer.h"
#include "io/thread.h"

/* ---- life ---- */

static void run(struct rmdt_task *task, unsigned bits);
static void ring(struct rmdt_alarm *alarm, uint64_t now_us);

static void drop_notice(struct rmdt_notice *notice)
{
	rmdt_out_drop(notice->out);
}

void rmdt_out_hold(struct rmdt_out *out)
{
	atomic_fetch_add(&out->refs, 1);
}

void rmdt_out_drop(struct rmdt_out *out)
{
	if (atomic_fetch_sub(&out->refs, 1) != 1)
		return;
	for (size_t i = 0; i < out->n_slots; i++)
		rmdt_branch_drop(out->branches[i]);
	rmdt_engine_unlist(out->engine, &out->listed);
	atomic_fetch_sub(&out->engine->n_out_flows, 1);
	rmdt_sendbuf_free(out->buf);
	if (out->reply_peer)
		rmdt_peer_drop(out->reply_peer);
	pthread_mutex_destroy(&out->lock);
	pthread_mutex_destroy(&out->filling);
	free(out->members);
	free(out->branches);
	free(out);
}

static int fill_open(const struct rmdt_out_options *opt, struct rmdt_open *open, char *err)
{
	if (opt->name && strlen(opt->name) > RMDT_NAME_BYTES) {
		snprintf(err, RMDT_ERROR_BYTES, "flow name \"%.64s...\": more than %d bytes", opt->name, RMDT_NAME_BYTES);
		return -EINVAL;
	}
	if (opt->meta_len > RMDT_META_BYTES || opt->priority > 2) {
		snprintf(err, RMDT_ERROR_BYTES, "metadata of %zu bytes (at most %d), priority %u (at most 2)",
			 opt->meta_len, RMDT_META_BYTES, opt->priority);
		return -EINVAL;
	}
	memset(open, 0, sizeof(*open));
	open->purpose = (uint8_t)(opt->purpose ? opt->purpose : RMDT_OTHER);
	open->priority = (uint8_t)opt->priority;
	snprintf(open->name, sizeof(open->name), "%s", opt->name ? opt->name : "");
	open->meta_len = (uint16_t)opt->meta_len;
	if (opt->meta_len)
		memcpy(open->meta, opt->meta, opt->meta_len);
	return 0;
}

/* A quarter of the engine's memory stays for what it receives and for other flows. */
static uint64_t choose_cap(const struct rmdt_engine *engine, uint64_t wanted)
{
	uint64_t most = engine->values.buffer_bytes / 4 * 3;

	return wanted && wanted < most ? wanted : most;
}

void rmdt_out_share(struct rmdt_out *out)
{
	uint64_t share;

	if (!out->shares || !out->tuned)
		return;
	/* One block at least, which set_limit sees to. */
	share = rmdt_credit_share(rmdt_blocks_free_bytes(&out->engine->blocks, true));
	rmdt_sendbuf_set_limit(out->buf, share < out->tuned_bytes ? share : out->tuned_bytes);
}

/* How much the writer may put in now. A buffer whose size the application named is the application's to fill. */
static void tune(struct rmdt_out *out, uint64_t cwnd)
{
	uint64_t base = rmdt_sendbuf_base(out->buf), sent = base;

	if (!out->tuned)
		return;
	for (size_t i = 0; i < out->n_slots; i++)
		if (out->members[i].state == RMDT_FANOUT_LIVE && out->members[i].sent_off > sent)
			sent = out->members[i].sent_off;
	out->tuned_bytes = rmdt_credit_send_limit(&(struct rmdt_credit_send){
		.kind = out->fanout.policy.kind, .cap_bytes = out->cap_bytes, .max_cwnd_bytes = cwnd,
		.sent_bytes = sent - base });
	rmdt_sendbuf_set_limit(out->buf, out->tuned_bytes);
	rmdt_out_share(out);
}

static int no_memory(char *err)
{
	snprintf(err, RMDT_ERROR_BYTES, "out of memory");
	return -ENOMEM;
}

int rmdt_out_new(struct rmdt_engine *engine, const struct rmdt_out_options *opt, struct rmdt_out **result, char *err)
{
	char unused[RMDT_ERROR_BYTES];
	struct rmdt_policy policy;
	struct rmdt_open open;
	struct rmdt_out *out;
	int rc;

	err = err ? err : unused;
	rc = rmdt_policy_parse(opt->slow ? opt->slow : engine->values.slow, &policy, err, RMDT_ERROR_BYTES);
	if (!rc)
		rc = fill_open(opt, &open, err);
	if (rc)
		return rc;
	out = calloc(1, sizeof(*out));
	if (!out)
		return no_memory(err);
	out->engine = engine;
	out->home = &engine->threads[0];
	out->user = opt->user;
	out->open = open;
	out->rate = opt->rate_bytes_per_s;
	out->hold = opt->hold;
	out->no_progress = opt->no_progress;
	out->fill = opt->fill;
	atomic_init(&out->fill_rests, true);
	out->cap_bytes = choose_cap(engine, opt->buffer_bytes);
	out->buf = rmdt_sendbuf_new(&engine->blocks, opt->start_off, out->cap_bytes);
	if (!out->buf) {
		free(out);
		return no_memory(err);
	}
	if (opt->reply_to) {
		out->reply_peer = opt->reply_to->peer;
		out->reply_to = opt->reply_to->id + 1;
		rmdt_peer_hold(out->reply_peer);
	}
	rmdt_fanout_init(&out->fanout, &policy, engine->values.linger_us);
	out->tuned = opt->buffer_bytes == 0;
	out->shares = open.purpose == RMDT_TUNNEL;
	tune(out, 0);
	out->task.run = run;
	out->alarm.ring = ring;
	out->alarm_us = RMDT_ALARM_NEVER;
	out->notice.home = rmdt_engine_events(engine, out->home);
	out->notice.out = out;
	out->notice.drop = drop_notice;
	pthread_mutex_init(&out->lock, NULL);
	pthread_mutex_init(&out->filling, NULL);
	atomic_init(&out->refs, 1);
	atomic_fetch_add(&engine->n_out_flows, 1);
	rmdt_engine_list(engine, &engine->outs, &out->listed);
	*result = out;
	return 0;
}

void rmdt_out_free(struct rmdt_out *out)
{
	if (!out)
		return;
	atomic_store(&out->given_back, true);
	if (rmdt_events_close(&out->notice))
		rmdt_out_drop(out);
	pthread_mutex_lock(&out->filling);
	pthread_mutex_lock(&out->lock);
	out->reset = true;
	for (size_t i = 0; i < out->n_slots; i++) {
		if (rmdt_events_close(&out->branches[i]->notice))
			rmdt_branch_drop(out->branches[i]);
		rmdt_out_send_away(out, i, RMDT_CODE_CLOSED, NULL);
	}
	pthread_mutex_unlock(&out->lock);
	pthread_mutex_unlock(&out->filling);
	rmdt_out_drop(out);
}

void *rmdt_out_user(const struct rmdt_out *out)
{
	return out->user;
}

/* ---- policy ---- */

static void post(struct rmdt_out *out, unsigned bits)
{
	rmdt_out_hold(out);
	if (!rmdt_mailbox_post(&out->home->mailbox, &out->task, bits))
		rmdt_out_drop(out);
}

void rmdt_out_send_away(struct rmdt_out *out, size_t slot, unsigned code, const char *reason)
{
	struct rmdt_branch *b = out->branches[slot];

	if (out->members[slot].state != RMDT_FANOUT_LIVE)
		return;
	out->members[slot].state = RMDT_FANOUT_DETACHING;
	b->info.code = code;
	snprintf(b->info.reason, sizeof(b->info.reason), "%s", reason ? reason : "");
	rmdt_branch_post(b, RMDT_BRANCH_DETACH);
}

/* Copies positions; the largest congestion window of all, for the size of the buffer. */
static uint64_t survey(struct rmdt_out *out)
{
	uint64_t cwnd = 0;

	for (size_t i = 0; i < out->n_slots; i++) {
		struct rmdt_branch *b = out->branches[i];
		struct rmdt_fanout_member *m = &out->members[i];
		uint64_t c;

		if (m->state != RMDT_FANOUT_LIVE || !b->flow) {
			if (out->hold)
				m->held_off = b->info.released_off;
			continue;
		}
		/* Read before sent, which it must never pass. */
		m->position_off = atomic_load(&b->flow->consumed_off);
		m->sent_off = atomic_load(&b->flow->sent_off);
		/* What the far application has not taken stays, so that the peer can be joined again. */
		m->held_off = out->hold ? b->info.released_off : m->position_off;
		c = atomic_load_explicit(&b->peer->cwnd_bytes, memory_order_relaxed);
		if (c > cwnd)
			cwnd = c;
	}
	return cwnd;
}

/* Half of what the policy allows is worth a warning; it is given again after the member had caught up. */
static void warn_behind(struct rmdt_out *out, size_t slot)
{
	const struct rmdt_policy *p = &out->fanout.policy;
	const struct rmdt_fanout_member *m = &out->members[slot];
	struct rmdt_branch *b = out->branches[slot];
	bool behind;

	if (p->kind != RMDT_POLICY_DROP || m->state != RMDT_FANOUT_LIVE)
		return;
	behind = (p->lag_bytes && m->lag_bytes > p->lag_bytes / 2) || (p->lag_us && m->lag_us > p->lag_us / 2);
	if (behind && !b->told_behind)
		rmdt_branch_notify(b, RMDT_EVENT_OUT_BEHIND, 0, NULL);
	b->told_behind = behind;
}

static void act_on_verdicts(struct rmdt_out *out)
{
	for (size_t i = 0; i < out->n_slots; i++) {
		enum rmdt_detach_reason verdict = out->members[i].verdict;

		warn_behind(out, i);
		if (out->members[i].state == RMDT_FANOUT_LIVE && verdict != RMDT_DETACH_NONE)
			rmdt_out_send_away(out, i, rmdt_detach_reason_code(verdict),
					   rmdt_detach_reason_text(verdict));
	}
}

static void set_timer(struct rmdt_out *out, uint64_t next_us)
{
	if (next_us >= out->alarm_us)
		return;
	out->alarm_us = next_us;
	post(out, RMDT_OUT_TIMER);
}

void rmdt_out_look_again(struct rmdt_out *out)
{
	set_timer(out, rmdt_clock_us() + RMDT_OUT_POOL_RETRY_US);
}

void rmdt_out_offer_room(struct rmdt_out *out)
{
	struct rmdt_span span;
	int rc;

	rmdt_waiters_wake_first(&out->room);
	if ((!out->wanted_bytes && !out->fill_bytes) || out->room.first)
		return;
	/* Only a try shows whether limit, pool and open spans all allow it. */
	rc = rmdt_sendbuf_reserve(out->buf, 1, &span);
	out->crowded = rc == -EBUSY;
	if (rc == -ENOBUFS)
		rmdt_out_look_again(out);
	if (rc)
		return;
	(void)rmdt_sendbuf_commit(out->buf, span.off, 0);
	if (out->fill_bytes)
		rmdt_out_kick(out);
	out->fill_bytes = 0;
	if (!out->wanted_bytes)
		return;
	out->wanted_bytes = 0;
	rmdt_out_hold(out);
	if (!rmdt_events_post(&out->notice, RMDT_EVENT_OUT_ROOM, 0, NULL))
		rmdt_out_drop(out);
}

static bool is_waited_for(const struct rmdt_out *out)
{
	return (out->room.first || out->wanted_bytes || out->fill_bytes) && rmdt_sendbuf_room(out->buf) > 0;
}

/* Waking a writer costs as much as sending a train, so it is done for much room, or when little stays all there is. */
static void offer_much_room(struct rmdt_out *out)
{
	uint64_t much = rmdt_sendbuf_limit(out->buf) / RMDT_OUT_ROOM_PARTS;

	/* However much is kept for the slow, the limit leaves only a few MiB ahead of the fast. */
	if (much > RMDT_OUT_ROOM_BYTES)
		much = RMDT_OUT_ROOM_BYTES;
	if (rmdt_sendbuf_room(out->buf) < much)
		rmdt_out_look_again(out);
	else
		rmdt_out_offer_room(out);
}

void rmdt_out_judge(struct rmdt_out *out)
{
	struct rmdt_fanout_input in = { .base_off = rmdt_sendbuf_base(out->buf),
					.head_off = rmdt_sendbuf_head(out->buf), .final_off = RMDT_OFF_NONE };
	struct rmdt_fanout_output result;
	uint64_t cwnd = survey(out);

	(void)rmdt_sendbuf_final(out->buf, &in.final_off);
	/* A writer that is only far ahead of the network is no reason to send slow members away. */
	if (rmdt_sendbuf_limit(out->buf) >= out->cap_bytes)
		in.need_bytes = out->need_bytes	  ? out->need_bytes :
				out->wanted_bytes ? out->wanted_bytes :
						    out->fill_bytes;
	rmdt_fanout_judge(&out->fanout, &in, out->members, out->n_slots, rmdt_clock_us(), &result);
	act_on_verdicts(out);
	tune(out, cwnd);
	if (result.release_off > in.base_off)
		(void)rmdt_sendbuf_release(out->buf, result.release_off);
	if (is_waited_for(out))
		offer_much_room(out);
	set_timer(out, result.next_us);
}

void rmdt_out_on_end(struct rmdt_out *out, struct rmdt_branch *b)
{
	bool confirmed = b->info.state == RMDT_MEMBER_CONFIRMED;

	out->members[b->slot].state = confirmed ? RMDT_FANOUT_FINISHED : RMDT_FANOUT_DETACHED;
	if (confirmed)
		out->n_confirmed++;
	else
		out->n_lost++;
	rmdt_out_judge(out);
	rmdt_waiters_wake_all(&out->settled);
}

static void ring(struct rmdt_alarm *alarm, uint64_t now_us)
{
	struct rmdt_out *out = (struct rmdt_out *)((char *)alarm - offsetof(struct rmdt_out, alarm));

	(void)now_us;
	pthread_mutex_lock(&out->lock);
	out->alarm_us = RMDT_ALARM_NEVER;
	if (!out->reset) {
		rmdt_out_judge(out);
		if (is_waited_for(out))
			rmdt_out_offer_room(out);
	}
	pthread_mutex_unlock(&out->lock);
	rmdt_out_drop(out);
}

/* A set alarm holds a reference. */
static void run(struct rmdt_task *task, unsigned bits)
{
	struct rmdt_out *out = (struct rmdt_out *)((char *)task - offsetof(struct rmdt_out, task));
	uint64_t at_us;

	(void)bits;
	pthread_mutex_lock(&out->lock);
	at_us = out->alarm_us;
	pthread_mutex_unlock(&out->lock);
	if (at_us != RMDT_ALARM_NEVER) {
		if (!out->alarm.is_set)
			rmdt_out_hold(out);
		rmdt_alarms_set(&out->home->alarms, &out->alarm, at_us);
	}
	rmdt_out_drop(out);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout.h"

#include <string.h>

/* Samples per allowed lag; the history so reaches back over two of them. */
#define STEPS_PER_LAG 32u
/* Between samples that are only for reports. */
#define REPORT_STEP_US 250000u
/* A buffer of which less than this part is ahead of the furthest receiver is about to starve it. */
#define STARVED_PART 8u

void rmdt_fanout_init(struct rmdt_fanout *fo, const struct rmdt_policy *policy,
		      uint64_t linger_us)
{
	memset(fo, 0, sizeof(*fo));
	fo->policy = *policy;
	fo->linger_us = linger_us;
	fo->enough_us = RMDT_OFF_NONE;
	fo->step_us = policy->lag_us ? policy->lag_us / STEPS_PER_LAG + 1 : REPORT_STEP_US;
}

static uint64_t min_off(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* a + b, where RMDT_OFF_NONE (never) is also the largest sum. */
static uint64_t add_us(uint64_t a, uint64_t b)
{
	return b < RMDT_OFF_NONE - a ? a + b : RMDT_OFF_NONE;
}

/* LIVE and not to be detached. */
static bool is_staying(const struct rmdt_fanout_member *m)
{
	return m->state == RMDT_FANOUT_LIVE && m->verdict == RMDT_DETACH_NONE;
}

/* Below here a member needs nothing any more; RMDT_OFF_NONE: it needs nothing at all. */
static uint64_t position(const struct rmdt_fanout_member *m)
{
	switch (m->state) {
	case RMDT_FANOUT_LIVE:
		return min_off(m->position_off, m->held_off);
	case RMDT_FANOUT_DETACHING:
		return m->position_off;
	case RMDT_FANOUT_FINISHED:
	case RMDT_FANOUT_DETACHED:
		break;
	}
	return RMDT_OFF_NONE;
}

/* The furthest that any receiver has got. */
static uint64_t find_lead(const struct rmdt_fanout_input *in,
			  const struct rmdt_fanout_member *members, size_t n)
{
	uint64_t lead = in->base_off;

	for (size_t i = 0; i < n; i++) {
		const struct rmdt_fanout_member *m = &members[i];

		if (m->state == RMDT_FANOUT_FINISHED)
			lead = in->head_off;
		else if (m->state == RMDT_FANOUT_LIVE && m->position_off > lead)
			lead = m->position_off;
	}
	return min_off(lead, in->head_off);
}

static uint32_t history_at(const struct rmdt_fanout *fo, uint32_t i)
{
	return (fo->first + i) % RMDT_FANOUT_HISTORY;
}

/* Notes that the furthest is at lead now. false: too soon after the last note; ask again. */
static bool note_lead(struct rmdt_fanout *fo, uint64_t lead, uint64_t now_us)
{
	uint32_t last = history_at(fo, fo->count + RMDT_FANOUT_HISTORY - 1);

	if (fo->count > 0) {
		if (lead <= fo->history[last].off)
			return true;
		if (now_us - fo->history[last].at_us < fo->step_us)
			return false;
	}
	if (fo->count == RMDT_FANOUT_HISTORY)
		fo->first = history_at(fo, 1);
	else
		fo->count++;
	last = history_at(fo, fo->count - 1);
	fo->history[last].at_us = now_us;
	fo->history[last].off = lead;
	return true;
}

/* Since when the furthest is beyond off, as far as the history knows; now_us if it does not. */
static uint64_t beyond_since(const struct rmdt_fanout *fo, uint64_t off, uint64_t now_us)
{
	for (uint32_t i = 0; i < fo->count; i++)
		if (fo->history[history_at(fo, i)].off > off)
			return fo->history[history_at(fo, i)].at_us;
	return now_us;
}

static void measure_lag(const struct rmdt_fanout *fo, struct rmdt_fanout_member *m, uint64_t lead,
			uint64_t now_us)
{
	uint64_t since_us = beyond_since(fo, m->position_off, now_us);

	m->verdict = RMDT_DETACH_NONE;
	m->lag_bytes = lead > m->position_off ? lead - m->position_off : 0;
	if (since_us < m->joined_us)
		since_us = m->joined_us;
	m->lag_us = m->lag_bytes > 0 && since_us < now_us ? now_us - since_us : 0;
}

/*
 * The lag in bytes that detaches. It is lag_bytes, or less when the buffer cannot hold that: the
 * writer lacks room and the furthest has nearly run out of bytes because all is kept for others.
 */
static uint64_t lag_allowed(const struct rmdt_fanout *fo, const struct rmdt_fanout_input *in,
			    uint64_t lead)
{
	uint64_t kept = in->head_off - in->base_off;
	uint64_t ahead = in->head_off - lead;

	if (in->need_bytes > 0 && ahead < kept / STARVED_PART)
		return min_off(fo->policy.lag_bytes, kept - kept / STARVED_PART);
	return fo->policy.lag_bytes;
}

static void drop_late(const struct rmdt_fanout *fo, const struct rmdt_fanout_input *in,
		      struct rmdt_fanout_member *members, size_t n, uint64_t lead)
{
	uint64_t allowed = lag_allowed(fo, in, lead);

	for (size_t i = 0; i < n; i++) {
		struct rmdt_fanout_member *m = &members[i];

		if (!is_staying(m))
			continue;
		if (fo->policy.lag_bytes && m->lag_bytes > allowed)
			m->verdict = RMDT_DETACH_LAG_BYTES;
		else if (fo->policy.lag_us && m->lag_us > fo->policy.lag_us)
			m->verdict = RMDT_DETACH_LAG_TIME;
	}
}

/* Members that have got to off or further, finished ones included. */
static uint32_t count_beyond(const struct rmdt_fanout_member *members, size_t n, uint64_t off)
{
	uint32_t count = 0;

	for (size_t i = 0; i < n; i++)
		if ((members[i].state == RMDT_FANOUT_FINISHED || is_staying(&members[i])) &&
		    position(&members[i]) >= off)
			count++;
	return count;
}

/* The largest offset that k members have got to; base when there are not as many. */
static uint64_t kth_furthest(const struct rmdt_fanout_input *in,
			     const struct rmdt_fanout_member *members, size_t n, uint32_t k)
{
	uint64_t low = in->base_off, high = in->head_off;

	if (count_beyond(members, n, low) < k)
		return low;
	while (low < high) {
		uint64_t mid = low + (high - low + 1) / 2;

		if (count_beyond(members, n, mid) >= k)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

/* Where the slowest of the required members is; the furthest at all when none is required. */
static uint64_t slowest_required(const struct rmdt_fanout_input *in,
				 const struct rmdt_fanout_member *members, size_t n)
{
	uint64_t slowest = in->head_off;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (members[i].required && is_staying(&members[i]))
			slowest = min_off(slowest, position(&members[i]));
		any = any || (members[i].required && members[i].state != RMDT_FANOUT_DETACHED);
	}
	return any ? slowest : kth_furthest(in, members, n, 1);
}

/* The writer lacks room: those go that hold back what the policy says is enough to wait for. */
static void make_room(const struct rmdt_fanout *fo, const struct rmdt_fanout_input *in,
		      struct rmdt_fanout_member *members, size_t n)
{
	uint64_t pace = fo->policy.kind == RMDT_POLICY_QUORUM
				? kth_furthest(in, members, n, fo->policy.quorum)
				: slowest_required(in, members, n);
	uint64_t target = min_off(pace, add_us(in->base_off, in->need_bytes));

	if (in->head_off - pace >= pace - in->base_off)
		return;		/* enough lies ahead of those that set the pace */
	for (size_t i = 0; i < n; i++)
		if (is_staying(&members[i]) && position(&members[i]) < target)
			members[i].verdict = RMDT_DETACH_QUORUM;
}

/* Whether those that had to finish have finished. */
static bool have_enough(const struct rmdt_fanout *fo, const struct rmdt_fanout_member *members,
			size_t n)
{
	uint32_t finished = 0, waited_for = 0;

	for (size_t i = 0; i < n; i++) {
		finished += members[i].state == RMDT_FANOUT_FINISHED;
		waited_for += members[i].required && is_staying(&members[i]);
	}
	if (fo->policy.kind == RMDT_POLICY_QUORUM)
		return finished >= fo->policy.quorum;
	return finished > 0 && waited_for == 0;
}

static void end_linger(struct rmdt_fanout *fo, struct rmdt_fanout_member *members, size_t n,
		       uint64_t now_us)
{
	if (!have_enough(fo, members, n)) {
		fo->enough_us = RMDT_OFF_NONE;
		return;
	}
	if (fo->enough_us == RMDT_OFF_NONE)
		fo->enough_us = now_us;
	if (now_us - fo->enough_us < fo->linger_us)
		return;
	for (size_t i = 0; i < n; i++)
		if (is_staying(&members[i]))
			members[i].verdict = RMDT_DETACH_LINGER;
}

/* When time alone will change the judgement. */
static uint64_t next_judgement(const struct rmdt_fanout *fo,
			       const struct rmdt_fanout_member *members, size_t n, uint64_t now_us)
{
	uint64_t next_us = RMDT_OFF_NONE;

	for (size_t i = 0; i < n; i++) {
		const struct rmdt_fanout_member *m = &members[i];

		if (!is_staying(m))
			continue;
		if (fo->enough_us != RMDT_OFF_NONE)
			next_us = min_off(next_us, add_us(fo->enough_us, fo->linger_us));
		if (fo->policy.lag_us && m->lag_bytes > 0)
			next_us = min_off(next_us,
					  add_us(now_us, fo->policy.lag_us - m->lag_us + 1));
	}
	return next_us;
}

static bool is_satisfied(const struct rmdt_fanout *fo, const struct rmdt_fanout_output *out,
			 const struct rmdt_fanout_member *members, size_t n)
{
	if (fo->policy.kind == RMDT_POLICY_QUORUM)
		return out->live + out->finished >= fo->policy.quorum;
	if (fo->policy.kind == RMDT_POLICY_DROP)
		return out->live + out->finished > 0;
	for (size_t i = 0; i < n; i++)
		if (members[i].required && members[i].state != RMDT_FANOUT_FINISHED &&
		    !is_staying(&members[i]))
			return false;
	return true;
}

/* Counts, and what may be released: nothing that anybody not yet DETACHED still needs. */
static void sum_up(const struct rmdt_fanout *fo, const struct rmdt_fanout_input *in,
		   const struct rmdt_fanout_member *members, size_t n,
		   struct rmdt_fanout_output *out)
{
	uint64_t release = in->head_off;
	uint32_t pinning = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < n; i++) {
		const struct rmdt_fanout_member *m = &members[i];

		release = min_off(release, position(m));
		pinning += m->state == RMDT_FANOUT_LIVE || m->state == RMDT_FANOUT_DETACHING;
		if (is_staying(m))
			out->live++;
		else if (m->state == RMDT_FANOUT_FINISHED)
			out->finished++;
		else
			out->detached++;
	}
	if (pinning + out->finished == 0 || release < in->base_off)
		release = in->base_off;
	out->release_off = release;
	out->complete = in->final_off != RMDT_OFF_NONE && pinning == 0;
	out->satisfied = is_satisfied(fo, out, members, n);
}

void rmdt_fanout_judge(struct rmdt_fanout *fo, const struct rmdt_fanout_input *in,
		       struct rmdt_fanout_member *members, size_t n, uint64_t now_us,
		       struct rmdt_fanout_output *out)
{
	uint64_t lead = find_lead(in, members, n);
	bool noted = note_lead(fo, lead, now_us);
	uint32_t last = history_at(fo, fo->count - 1);

	for (size_t i = 0; i < n; i++)
		if (members[i].state == RMDT_FANOUT_LIVE)
			measure_lag(fo, &members[i], lead, now_us);
	if (fo->policy.kind == RMDT_POLICY_DROP)
		drop_late(fo, in, members, n, lead);
	if (in->need_bytes > 0)
		make_room(fo, in, members, n);
	end_linger(fo, members, n, now_us);
	sum_up(fo, in, members, n, out);
	out->next_us = next_judgement(fo, members, n, now_us);
	if (!noted && fo->policy.lag_us && out->live > 0)
		out->next_us = min_off(out->next_us, fo->history[last].at_us + fo->step_us);
}

const char *rmdt_detach_reason_text(enum rmdt_detach_reason reason)
{
	switch (reason) {
	case RMDT_DETACH_NONE:
		return "not detached";
	case RMDT_DETACH_LAG_BYTES:
		return "too many bytes behind the others";
	case RMDT_DETACH_LAG_TIME:
		return "too long behind the others";
	case RMDT_DETACH_QUORUM:
		return "needs bytes that were released for the others";
	case RMDT_DETACH_LINGER:
		return "not done when the others were and the linger time was over";
	}
	return "unknown";
}

unsigned rmdt_detach_reason_code(enum rmdt_detach_reason reason)
{
	switch (reason) {
	case RMDT_DETACH_NONE:
		return RMDT_CODE_NONE;
	case RMDT_DETACH_LAG_BYTES:
	case RMDT_DETACH_LAG_TIME:
	case RMDT_DETACH_QUORUM:
		return RMDT_CODE_BEHIND;
	case RMDT_DETACH_LINGER:
		return RMDT_CODE_LINGER;
	}
	return RMDT_CODE_INTERNAL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loss.h"

#include <assert.h>
#include <errno.h>

/* Keeps every shift of a timeout in 64 bits: no timeout is longer than 12 days before backoff. */
#define MAX_PTO_US (UINT64_C(1) << 40)
/* Everything lost over so many probe timeouts is persistent congestion (RFC 9002, 7.6). */
#define PERSISTENT_PTOS 3

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void rmdt_loss_init(struct rmdt_loss *l, const struct rmdt_rtt *rtt, size_t max_pkts,
		    uint64_t max_ack_delay_us)
{
	*l = (struct rmdt_loss){
		.rtt = rtt,
		.max_ack_delay_us = max_ack_delay_us,
		.pto_cap_us = RMDT_LOSS_PTO_CAP_US,
		.pkt_threshold = RMDT_LOSS_PKT_THRESHOLD,
		.reorder_steps = 1,
	};
	rmdt_sentmap_init(&l->map, max_pkts);
	rmdt_ranges_init(&l->acked, l->map.max_pkts);
	rmdt_ranges_init(&l->skipped, RMDT_LOSS_MAX_SKIPPED);
}

void rmdt_loss_fini(struct rmdt_loss *l)
{
	rmdt_sentmap_fini(&l->map);
	rmdt_ranges_fini(&l->acked);
	rmdt_ranges_fini(&l->skipped);
}

void rmdt_loss_set_pto_cap(struct rmdt_loss *l, uint64_t cap_us)
{
	l->pto_cap_us = cap_us;
}

static void release(struct rmdt_loss *l, uint64_t until_us)
{
	rmdt_sentmap_release(&l->map, until_us);
	rmdt_ranges_clip(&l->acked, l->map.base);
	rmdt_ranges_clip(&l->skipped, l->map.base);
	l->scan = max_u64(l->scan, l->map.base);
}

static void release_old(struct rmdt_loss *l, uint64_t now_us)
{
	uint64_t keep_us = max_u64(RMDT_LOSS_KEEP_RTTS * l->rtt->srtt_us, RMDT_LOSS_KEEP_US);

	release(l, now_us > keep_us ? now_us - keep_us : 0);
}

int rmdt_loss_on_sent(struct rmdt_loss *l, const struct rmdt_sent *s)
{
	int err;

	/* Acks may be long in coming: before growing see what time has settled. */
	if (rmdt_sentmap_count(&l->map) == l->map.cap)
		release_old(l, s->sent_us);
	err = rmdt_sentmap_add(&l->map, s);
	if (err)
		return err;
	if (s->kind & RMDT_SENT_INFLIGHT) {
		l->inflight_bytes += s->bytes;
		l->inflight_pkts++;
	}
	if (s->kind & RMDT_SENT_ELICITING) {
		l->eliciting_pkts++;
		l->last_eliciting_us = s->sent_us;
	}
	return 0;
}

int rmdt_loss_on_skip(struct rmdt_loss *l)
{
	uint64_t pn = rmdt_loss_next_pn(l);
	int err = rmdt_ranges_add(&l->skipped, pn, pn + 1);

	if (err)
		return err;
	err = rmdt_sentmap_skip(&l->map);
	if (err)
		(void)rmdt_ranges_remove(&l->skipped, pn, pn + 1);
	return err;
}

/* A standing entry stops standing. */
static void take_down(struct rmdt_loss *l, const struct rmdt_sent *s)
{
	if (s->kind & RMDT_SENT_INFLIGHT) {
		assert(l->inflight_bytes >= s->bytes && l->inflight_pkts > 0);
		l->inflight_bytes -= s->bytes;
		l->inflight_pkts--;
	}
	if (s->kind & RMDT_SENT_ELICITING) {
		assert(l->eliciting_pkts > 0);
		l->eliciting_pkts--;
	}
}

/* Moves `scan` over what is settled; each entry is passed once. */
static void advance_scan(struct rmdt_loss *l)
{
	l->scan = max_u64(l->scan, l->map.base);
	while (l->scan < l->map.next) {
		l->scan = rmdt_ranges_first_gap(&l->acked, l->scan);
		if (l->scan >= l->map.next ||
		    rmdt_sentmap_get(&l->map, l->scan)->state == RMDT_SENT_STANDING)
			return;
		l->scan++;
	}
}

static uint32_t congestion_bytes(const struct rmdt_sent *s)
{
	return (s->kind & RMDT_SENT_INFLIGHT) && !(s->kind & RMDT_SENT_PROBE) ? s->bytes : 0;
}

/* A long path is given a quarter of its least RTT a step, a short one what a wake-up may take. */
static uint64_t reorder_step_us(const struct rmdt_loss *l)
{
	return max_u64(rmdt_rtt_floor_us(l->rtt) / 4, RMDT_LOSS_MIN_REORDER_US);
}

static uint64_t reorder_cap_us(const struct rmdt_loss *l)
{
	return max_u64(l->rtt->srtt_us, RMDT_LOSS_REORDER_CAP_US);
}

/* `pn` was acked behind a later one by `distance`: reordering, of which we tolerate that much. */
static void learn_spurious(struct rmdt_loss *l, uint64_t now_us, uint64_t pn, uint64_t distance)
{
	const struct rmdt_sent *s = rmdt_sentmap_get(&l->map, pn);

	l->spurious_pkts++;
	l->calm_recoveries = 0;
	l->pkt_threshold = min_u64(max_u64(l->pkt_threshold, distance + 1),
				   RMDT_LOSS_MAX_PKT_THRESHOLD);
	/* The window in time grows when it was too short too, once in a round trip. */
	if (now_us >= s->sent_us + rmdt_loss_delay_us(l) && pn >= l->step_end &&
	    rmdt_loss_reorder_us(l) < reorder_cap_us(l)) {
		l->reorder_steps++;
		l->step_end = l->map.next;
	}
}

/* What on_ack passes around. */
struct ack_work {
	uint64_t now_us;
	const struct rmdt_loss_calls *calls;
	void *arg;
	bool had_largest;       /* largest acked before this ack is valid */
	uint64_t prior_largest;
	bool any_eliciting;
	struct rmdt_loss_acked out;
};

static void settle(struct rmdt_loss *l, uint64_t pn, struct ack_work *work)
{
	struct rmdt_sent *s = rmdt_sentmap_get(&l->map, pn);
	struct rmdt_loss_acked *out = &work->out;
	bool late = s->state == RMDT_SENT_LOST;

	if (s->state == RMDT_SENT_ACKED)
		return;
	if (work->had_largest && pn < work->prior_largest) {
		uint64_t distance = work->prior_largest - pn;

		l->calm_reorder_pkts = max_u64(l->calm_reorder_pkts, distance);
		if (late)
			learn_spurious(l, work->now_us, pn, distance);
	}
	if (late) {
		out->late_pkts++;
		out->late_bytes += congestion_bytes(s);
	} else {
		take_down(l, s);
		if (s->kind & RMDT_SENT_INFLIGHT)
			out->bytes += s->bytes;
	}
	s->state = RMDT_SENT_ACKED;
	out->pkts++;
	out->largest = pn;
	out->largest_sent_us = s->sent_us;
	work->any_eliciting = work->any_eliciting || (s->kind & RMDT_SENT_ELICITING);
	if (work->calls->acked)
		work->calls->acked(work->arg, pn, s, late);
}

/* Settles what one range names; runs that are known to be acked are jumped over. */
static void settle_range(struct rmdt_loss *l, const struct rmdt_range *range, struct ack_work *work)
{
	uint64_t pn = max_u64(range->start, l->map.base);

	while (pn < range->end) {
		struct rmdt_range known;
		uint64_t stop = range->end;

		pn = rmdt_ranges_first_gap(&l->acked, pn);
		if (rmdt_ranges_next(&l->acked, pn, &known))
			stop = min_u64(stop, known.start);
		for (; pn < stop; pn++)
			settle(l, pn, work);
	}
	/* Only an index: without memory for it the entries are looked at once more next time. */
	if (range->end > l->map.base)
		(void)rmdt_ranges_add(&l->acked, max_u64(range->start, l->map.base), range->end);
}

static bool is_truthful(const struct rmdt_loss *l, const struct rmdt_ack *ack)
{
	if (ack->largest >= l->map.next)
		return false;
	for (size_t i = 0; i < ack->count && !rmdt_ranges_is_empty(&l->skipped); i++) {
		if (rmdt_ranges_intersects(&l->skipped, ack->range[i].start, ack->range[i].end))
			return false;
	}
	return true;
}

int rmdt_loss_on_ack(struct rmdt_loss *l, uint64_t now_us, const struct rmdt_ack *ack,
		     const struct rmdt_loss_calls *calls, void *arg, struct rmdt_loss_acked *out)
{
	struct ack_work work = {
		.now_us = now_us,
		.calls = calls,
		.arg = arg,
		.had_largest = l->any_acked,
		.prior_largest = l->largest_acked,
		.out = { .inflight_before = l->inflight_bytes },
	};

	if (!is_truthful(l, ack))
		return -EPROTO;
	for (size_t i = ack->count; i-- > 0;)
		settle_range(l, &ack->range[i], &work);
	if (work.out.pkts > 0) {
		if (!l->any_acked || work.out.largest > l->largest_acked) {
			l->any_acked = true;
			l->largest_acked = work.out.largest;
		}
		work.out.has_rtt = work.any_eliciting && work.out.largest == ack->largest &&
				   now_us >= work.out.largest_sent_us;
		if (work.out.has_rtt)
			work.out.rtt_us = now_us - work.out.largest_sent_us;
	}
	advance_scan(l);
	release_old(l, now_us);
	*out = work.out;
	return 0;
}

/* Sixteen recoveries went well: perhaps the path reorders no more, so tolerate less of it. */
static void calm_down(struct rmdt_loss *l)
{
	uint64_t seen = max_u64(l->calm_reorder_pkts + 1, RMDT_LOSS_PKT_THRESHOLD);
	uint64_t less = l->pkt_threshold - (l->pkt_threshold + 3) / 4;

	l->pkt_threshold = min_u64(l->pkt_threshold, max_u64(seen, less));
	l->reorder_steps = (l->reorder_steps + 1) / 2;
	l->calm_reorder_pkts = 0;
	l->calm_recoveries = 0;
}

/* What declare passes on. */
struct loss_work {
	uint64_t now_us;
	const struct rmdt_loss_calls *calls;
	void *arg;
	bool in_run;           /* eliciting losses with nothing acked in between */
	uint64_t run_start_us;
	struct rmdt_loss_lost out;
};

static void note_congestion(struct rmdt_loss *l, uint64_t pn, uint32_t bytes,
			    struct loss_work *work)
{
	l->lost_pkts++;
	l->lost_bytes += bytes;
	work->out.bytes += bytes;
	work->out.largest = pn;
	if (pn < l->recovery_end)
		return;
	l->recovery_end = l->map.next;
	work->out.recovery_started = true;
	if (++l->calm_recoveries >= RMDT_LOSS_CALM_RECOVERIES)
		calm_down(l);
}

static void note_run(const struct rmdt_loss *l, const struct rmdt_sent *s, struct loss_work *work)
{
	if (!(s->kind & RMDT_SENT_ELICITING) || !rmdt_rtt_is_known(l->rtt))
		return;
	if (!work->in_run) {
		work->in_run = true;
		work->run_start_us = s->sent_us;
	}
	if (s->sent_us - work->run_start_us >
	    PERSISTENT_PTOS * rmdt_rtt_pto_us(l->rtt, l->max_ack_delay_us))
		work->out.persistent = true;
}

static void declare(struct rmdt_loss *l, uint64_t pn, struct rmdt_sent *s, struct loss_work *work)
{
	uint32_t bytes = congestion_bytes(s);

	take_down(l, s);
	s->state = RMDT_SENT_LOST;
	s->lost_us = work->now_us;
	work->out.pkts++;
	if (bytes)
		note_congestion(l, pn, bytes, work);
	note_run(l, s, work);
	if (work->calls->lost)
		work->calls->lost(work->arg, pn, s);
}

void rmdt_loss_detect(struct rmdt_loss *l, uint64_t now_us, const struct rmdt_loss_calls *calls,
		      void *arg, struct rmdt_loss_lost *out)
{
	struct loss_work work = { .now_us = now_us, .calls = calls, .arg = arg };
	uint64_t from = l->scan;

	/*
	 * Entries are in order of sending, so the first that is not lost ends the search. The delay is asked for each time:
	 * a loss that is declared may shorten it, and what is left must not be overdue.
	 */
	for (advance_scan(l); l->any_acked && l->scan < l->largest_acked; advance_scan(l)) {
		struct rmdt_sent *s = rmdt_sentmap_get(&l->map, l->scan);

		if (l->largest_acked - l->scan < l->pkt_threshold &&
		    s->sent_us + rmdt_loss_delay_us(l) > now_us)
			break;
		if (rmdt_ranges_intersects(&l->acked, from, l->scan))
			work.in_run = false;
		declare(l, l->scan, s, &work);
		from = ++l->scan;
	}
	release_old(l, now_us);
	*out = work.out;
}

void rmdt_loss_abandon(struct rmdt_loss *l, uint64_t now_us, const struct rmdt_loss_calls *calls,
		       void *arg)
{
	struct loss_work work = { .now_us = now_us, .calls = calls, .arg = arg };

	for (advance_scan(l); l->scan < l->map.next; advance_scan(l)) {
		declare(l, l->scan, rmdt_sentmap_get(&l->map, l->scan), &work);
		l->scan++;
	}
}

uint64_t rmdt_loss_reorder_us(const struct rmdt_loss *l)
{
	return min_u64(l->reorder_steps * reorder_step_us(l), reorder_cap_us(l));
}

uint64_t rmdt_loss_delay_us(const struct rmdt_loss *l)
{
	return max_u64(l->rtt->srtt_us, l->rtt->latest_us) + rmdt_loss_reorder_us(l);
}

uint64_t rmdt_loss_deadline_us(const struct rmdt_loss *l)
{
	const struct rmdt_sent *s;

	if (!l->any_acked || l->scan >= l->largest_acked)
		return UINT64_MAX;
	s = rmdt_sentmap_get(&l->map, l->scan);
	return s && s->state == RMDT_SENT_STANDING ? s->sent_us + rmdt_loss_delay_us(l)
						   : UINT64_MAX;
}

uint64_t rmdt_loss_pto_deadline_us(const struct rmdt_loss *l, uint32_t pto_count)
{
	uint64_t pto_us = min_u64(rmdt_rtt_pto_us(l->rtt, l->max_ack_delay_us), MAX_PTO_US);
	uint64_t longest_us = max_u64(3 * l->rtt->srtt_us + l->pto_cap_us, pto_us);

	if (l->eliciting_pkts == 0 || rmdt_loss_deadline_us(l) != UINT64_MAX)
		return UINT64_MAX;
	if (pto_count > RMDT_LOSS_MAX_BACKOFF)
		pto_count = RMDT_LOSS_MAX_BACKOFF;
	return l->last_eliciting_us + min_u64(pto_us << pto_count, longest_us);
}

void rmdt_loss_trim(struct rmdt_loss *l)
{
	release(l, UINT64_MAX);
	rmdt_sentmap_trim(&l->map);
	if (rmdt_ranges_is_empty(&l->acked))
		rmdt_ranges_fini(&l->acked);
}

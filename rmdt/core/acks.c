/* SPDX-License-Identifier: Apache-2.0 */
#include "core/acks.h"

#include <errno.h>

/* Without an RTT nothing is known about the path; a millisecond suits a LAN and hurts no WAN. */
#define UNKNOWN_RTT_DELAY_US UINT64_C(1000)
/* The repeated part shrinks by 1/16 with every confirmed ack, when reordering is over. */
#define REORDER_DECAY 16

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void rmdt_acks_init(struct rmdt_acks *a)
{
	*a = (struct rmdt_acks){ .due_us = UINT64_MAX, .urgent_us = UINT64_MAX };
	rmdt_ranges_init(&a->seen, RMDT_ACKS_MAX_RANGES);
}

void rmdt_acks_fini(struct rmdt_acks *a)
{
	rmdt_ranges_fini(&a->seen);
}

void rmdt_acks_set_rtt(struct rmdt_acks *a, uint64_t srtt_us)
{
	a->srtt_us = srtt_us;
}

enum rmdt_acks_verdict rmdt_acks_check(const struct rmdt_acks *a, uint64_t pn)
{
	uint64_t end = rmdt_ranges_end(&a->seen);

	if (pn < a->floor || pn > RMDT_ACKS_MAX_PN || (pn < end && end - pn > RMDT_ACKS_REACH_PKTS))
		return RMDT_ACKS_TOO_OLD;
	if (pn >= end)
		return RMDT_ACKS_NEW;
	return rmdt_ranges_contains(&a->seen, pn) ? RMDT_ACKS_DUPLICATE : RMDT_ACKS_NEW;
}

/* Forgets everything below `floor`; what was missing there will never be taken any more. */
static void raise_floor(struct rmdt_acks *a, uint64_t floor)
{
	uint64_t before = rmdt_ranges_total(&a->seen);

	if (floor <= a->floor)
		return;
	rmdt_ranges_clip(&a->seen, floor);
	a->forgotten_pkts += floor - a->floor - (before - rmdt_ranges_total(&a->seen));
	a->floor = floor;
	a->report_floor = max_u64(a->report_floor, floor);
}

/* Enters `pn`. When the memory is full the lowest range goes, and with it what lies below. */
static int record(struct rmdt_acks *a, uint64_t pn)
{
	int err = rmdt_ranges_add(&a->seen, pn, pn + 1);

	if (err != -ENOBUFS)
		return err;
	raise_floor(a, rmdt_ranges_get(&a->seen, 0)->end);
	/* A straggler below the lowest range now counts as seen, though no ack will name it. */
	return pn < a->floor ? 0 : rmdt_ranges_add(&a->seen, pn, pn + 1);
}

static uint64_t ack_interval_us(const struct rmdt_acks *a)
{
	uint64_t interval_us = a->srtt_us / RMDT_ACKS_PER_RTT;

	if (a->srtt_us == 0)
		return UNKNOWN_RTT_DELAY_US;
	if (interval_us > RMDT_ACKS_MAX_DELAY_US)
		return RMDT_ACKS_MAX_DELAY_US;
	return max_u64(interval_us, RMDT_ACKS_MIN_INTERVAL_US);
}

static uint64_t clamp_u64(uint64_t v, uint64_t low, uint64_t high)
{
	return v < low ? low : v > high ? high : v;
}

/* When what is pending is told, if nothing makes it urgent. */
static uint64_t patient_us(const struct rmdt_acks *a, uint64_t now_us)
{
	uint64_t lazy_us = clamp_u64(a->srtt_us, RMDT_ACKS_LAZY_US, RMDT_ACKS_MAX_DELAY_US);
	uint64_t quiet_us = clamp_u64(a->srtt_us / 2, RMDT_ACKS_QUIET_US, lazy_us);
	uint64_t at_us;

	if (a->srtt_us == 0)
		return a->pending_us + UNKNOWN_RTT_DELAY_US;
	at_us = min_u64(a->pending_us + lazy_us, now_us + quiet_us);
	if (a->pending_bytes < RMDT_ACKS_WORTH_BYTES)
		return at_us;
	return min_u64(at_us, max_u64(a->last_ack_us + ack_interval_us(a), now_us));
}

static void make_urgent(struct rmdt_acks *a, uint64_t at_us)
{
	if (at_us < a->urgent_us)
		a->urgent_us = at_us;
	if (at_us < a->due_us)
		a->due_us = at_us;
}

/* Something the sender wants to know soon, but not more often than the limit allows. */
static void hurry(struct rmdt_acks *a, uint64_t now_us)
{
	uint64_t spacing_us = max_u64(a->srtt_us / RMDT_ACKS_PER_RTT, RMDT_ACKS_MIN_DELAY_US);
	uint64_t at_us = now_us;

	if (a->last_hurried_us && a->last_hurried_us + spacing_us > now_us)
		at_us = a->last_hurried_us + spacing_us;
	if (at_us < a->due_us) {
		make_urgent(a, at_us);
		a->last_hurried_us = at_us;
	}
}

static void schedule(struct rmdt_acks *a, uint64_t now_us, uint32_t bytes)
{
	bool idle = a->eliciting_pkts == 0 ||
		    now_us - a->last_rx_us >= max_u64(a->srtt_us, RMDT_ACKS_MAX_DELAY_US);
	bool dense = a->eliciting_pkts < RMDT_ACKS_DENSE_PKTS;
	bool is_short = a->srtt_us && a->srtt_us <= RMDT_ACKS_SHORT_RTT_US;

	a->last_rx_us = now_us;
	a->eliciting_pkts++;
	if (a->pending_pkts++ == 0)
		a->pending_us = now_us;
	a->pending_bytes += bytes;
	if (idle || (dense && a->pending_pkts >= 2) ||
	    a->pending_ranges >= RMDT_ACKS_EVERY_RANGES ||
	    (is_short && a->pending_bytes >= RMDT_ACKS_EVERY_BYTES))
		make_urgent(a, now_us);
	a->due_us = min_u64(a->urgent_us, patient_us(a, now_us));
}

int rmdt_acks_received(struct rmdt_acks *a, uint64_t now_us, const struct rmdt_acks_packet *pkt)
{
	bool any = rmdt_acks_has_any(a);
	uint64_t end = rmdt_ranges_end(&a->seen);
	int err;

	if (rmdt_acks_check(a, pkt->pn) != RMDT_ACKS_NEW)
		return -EALREADY;
	err = record(a, pkt->pn);
	if (err)
		return err;
	if (pkt->pn > end)
		a->pending_ranges++;
	if (pkt->pn >= end) {
		a->largest_us = now_us;
	} else {
		a->reorder_pkts = max_u64(a->reorder_pkts, end - 1 - pkt->pn);
		if (pkt->pn < a->report_floor)
			a->report_floor = max_u64(pkt->pn, a->floor);
	}
	if (pkt->ecn == RMDT_ECN_CE)
		a->ce_pkts++;
	else if (pkt->ecn == RMDT_ECN_ECT0)
		a->ect0_pkts++;
	if (!pkt->ack_eliciting)
		return 0;
	schedule(a, now_us, pkt->bytes);
	if ((any && pkt->pn != end) || pkt->ecn == RMDT_ECN_CE)
		hurry(a, now_us);
	return 0;
}

/* Bytes of the i-th further range (i >= 1 from the highest), as its pair of varints. */
static size_t pair_bytes(const struct rmdt_ranges *seen, size_t i)
{
	const struct rmdt_range *above = rmdt_ranges_get_high(seen, i - 1);
	const struct rmdt_range *range = rmdt_ranges_get_high(seen, i);

	return rmdt_wire_varint_len(above->start - range->end - 1) +
	       rmdt_wire_varint_len(range->end - range->start - 1);
}

/* How many further ranges are worth telling and fit into `space` bytes. */
static size_t count_further(const struct rmdt_acks *a, size_t space)
{
	size_t count = rmdt_ranges_count(&a->seen);
	size_t n = 0;

	while (n + 1 < count && n + 1 < RMDT_ACK_MAX_RANGES &&
	       rmdt_ranges_get_high(&a->seen, n + 1)->end > a->report_floor) {
		size_t bytes = pair_bytes(&a->seen, n + 1);

		if (bytes > space)
			break;
		space -= bytes;
		n++;
	}
	return n;
}

int rmdt_acks_write(struct rmdt_acks *a, uint64_t now_us, struct rmdt_wire_writer *w,
		    size_t max_bytes)
{
	const struct rmdt_ranges *seen = &a->seen;
	uint64_t largest, delay_us, below;
	size_t space, head_bytes, further;

	if (!rmdt_acks_has_any(a))
		return -ENODATA;
	largest = rmdt_acks_largest(a);
	delay_us = now_us > a->largest_us ? now_us - a->largest_us : 0;
	if (delay_us > RMDT_WIRE_VARINT_MAX)
		delay_us = RMDT_WIRE_VARINT_MAX;
	below = largest - rmdt_ranges_get_high(seen, 0)->start;
	space = rmdt_wire_space(w) < max_bytes ? rmdt_wire_space(w) : max_bytes;
	/* The count of ranges is taken at its longest, 2 bytes; a byte may be left over. */
	head_bytes = rmdt_wire_varint_len(largest) + rmdt_wire_varint_len(delay_us) + 4 +
		     rmdt_wire_varint_len(a->ce_pkts) + rmdt_wire_varint_len(a->ect0_pkts) + 2 +
		     rmdt_wire_varint_len(below);
	if (space < head_bytes)
		return -ENOBUFS;

	further = count_further(a, space - head_bytes);
	rmdt_wire_put_varint(w, largest);
	rmdt_wire_put_varint(w, delay_us);
	rmdt_wire_put_u32(w, (uint32_t)a->largest_us);
	rmdt_wire_put_varint(w, a->ce_pkts);
	rmdt_wire_put_varint(w, a->ect0_pkts);
	rmdt_wire_put_varint(w, further);
	rmdt_wire_put_varint(w, below);
	for (size_t i = 1; i <= further; i++) {
		const struct rmdt_range *above = rmdt_ranges_get_high(seen, i - 1);
		const struct rmdt_range *range = rmdt_ranges_get_high(seen, i);

		rmdt_wire_put_varint(w, above->start - range->end - 1);
		rmdt_wire_put_varint(w, range->end - range->start - 1);
	}
	assert(!w->bad);
	a->due_us = a->urgent_us = UINT64_MAX;
	a->last_ack_us = now_us;
	a->pending_pkts = 0;
	a->pending_bytes = 0;
	a->pending_ranges = 0;
	return 0;
}

void rmdt_acks_confirmed(struct rmdt_acks *a, uint64_t largest)
{
	uint64_t repeat = max_u64(2 * a->reorder_pkts, RMDT_ACKS_REPEAT_PKTS);

	if (!rmdt_acks_has_any(a) || largest > rmdt_acks_largest(a))
		return;
	/*
	 * A packet that came late, after that ack was written, is not further below `largest` than
	 * the reordering seen: it stays in the acks.
	 */
	if (repeat > RMDT_ACKS_REPLAY_PKTS)
		repeat = RMDT_ACKS_REPLAY_PKTS;
	if (largest > repeat)
		a->report_floor = max_u64(a->report_floor, largest - repeat);
	if (largest > RMDT_ACKS_REPLAY_PKTS)
		raise_floor(a, largest - RMDT_ACKS_REPLAY_PKTS);
	a->reorder_pkts -= a->reorder_pkts / REORDER_DECAY;
}

/* Reads the further ranges below out->range[0], which is set. */
static bool read_further(struct rmdt_wire_reader *r, struct rmdt_ack *out)
{
	for (size_t i = 1; i < out->count; i++) {
		uint64_t above = out->range[i - 1].start;
		uint64_t missing = rmdt_wire_get_varint(r) + 1;
		uint64_t pkts = rmdt_wire_get_varint(r) + 1;

		if (r->bad || missing > above || pkts > above - missing)
			return false;
		out->range[i].end = above - missing;
		out->range[i].start = above - missing - pkts;
	}
	return true;
}

bool rmdt_ack_read(struct rmdt_wire_reader *r, struct rmdt_ack *out)
{
	uint64_t further, below;

	out->largest = rmdt_wire_get_varint(r);
	out->delay_us = rmdt_wire_get_varint(r);
	out->arrival_us = rmdt_wire_get_u32(r);
	out->ce_pkts = rmdt_wire_get_varint(r);
	out->ect0_pkts = rmdt_wire_get_varint(r);
	further = rmdt_wire_get_varint(r);
	below = rmdt_wire_get_varint(r);
	if (!r->bad && further < RMDT_ACK_MAX_RANGES && below <= out->largest) {
		out->count = (size_t)further + 1;
		out->range[0].start = out->largest - below;
		out->range[0].end = out->largest + 1;
		if (read_further(r, out))
			return true;
	}
	rmdt_wire_reader_fail(r);
	return false;
}

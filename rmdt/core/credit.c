/* SPDX-License-Identifier: Apache-2.0 */
#include "core/credit.h"

#include <string.h>

#define EPOCH_RTTS 2u		/* a window that half turns over in this time is short */
#define SLOW_BYTES 65536u
#define SEND_CWNDS 4u		/* in flight, in repair, next to be sent, and one to spare */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t rmdt_credit_first_flow(uint64_t max_bytes)
{
	uint64_t first = least(most(max_bytes / 4, RMDT_CREDIT_FLOW_BYTES), RMDT_CREDIT_FLOW_MAX_BYTES);

	return least(first, max_bytes);
}

uint64_t rmdt_credit_first_peer(uint64_t max_bytes)
{
	return least(2 * rmdt_credit_first_flow(max_bytes), max_bytes);
}

uint64_t rmdt_credit_first_shared(uint64_t max_bytes, uint32_t n)
{
	uint64_t first = max_bytes / RMDT_CREDIT_SHARE_PART / RMDT_CREDIT_SHARE_PART / (n ? n : 1);

	return least(most(first, RMDT_CREDIT_SHARED_BYTES), rmdt_credit_first_flow(max_bytes));
}

uint64_t rmdt_credit_share(uint64_t free_bytes)
{
	return free_bytes / RMDT_CREDIT_SHARE_PART;
}

void rmdt_credit_init(struct rmdt_credit *credit, uint64_t start_off, uint64_t first_bytes,
		      uint64_t max_bytes)
{
	memset(credit, 0, sizeof(*credit));
	credit->max_bytes = credit->share_bytes = max_bytes;
	credit->window_bytes = first_bytes < max_bytes ? first_bytes : max_bytes;
	credit->consumed_off = credit->epoch_off = start_off;
	credit->highest_off = credit->epoch_highest_off = credit->grown_off = start_off;
	credit->grown_off = start_off;
	credit->limit_off = start_off + credit->window_bytes;
}

void rmdt_credit_on_data(struct rmdt_credit *credit, uint64_t highest_off)
{
	if (highest_off > credit->highest_off)
		credit->highest_off = highest_off;
}

static void begin_epoch(struct rmdt_credit *credit, uint64_t now_us)
{
	credit->epoch_off = credit->consumed_off;
	credit->epoch_highest_off = credit->highest_off;
	credit->epoch_us = now_us;
}

static void grow(struct rmdt_credit *credit, uint64_t now_us)
{
	credit->window_bytes = credit->window_bytes > credit->max_bytes / 2 ? credit->max_bytes
									   : credit->window_bytes * 2;
	credit->grown_off = credit->consumed_off;
	credit->grown_us = now_us;
	begin_epoch(credit, now_us);
}

void rmdt_credit_on_starved(struct rmdt_credit *credit, uint64_t rtt_us, uint64_t now_us)
{
	if (credit->highest_off + credit->window_bytes / 4 < credit->limit_off ||
	    credit->consumed_off - credit->grown_off < credit->window_bytes / 4 ||
	    now_us - credit->grown_us < rtt_us)
		return;
	grow(credit, now_us);
}

void rmdt_credit_on_consumed(struct rmdt_credit *credit, uint64_t consumed_off, uint64_t rtt_us,
			     uint64_t now_us)
{
	uint64_t span_us = EPOCH_RTTS * (rtt_us > RMDT_CREDIT_RTT_MIN_US ? rtt_us
								      : RMDT_CREDIT_RTT_MIN_US);

	if (consumed_off <= credit->consumed_off)
		return;
	credit->consumed_off = consumed_off;
	if (now_us - credit->epoch_us > span_us) {
		begin_epoch(credit, now_us);
	} else if (consumed_off - credit->epoch_off >= credit->window_bytes / 2 &&
		   credit->highest_off - credit->epoch_highest_off >= credit->window_bytes / 2) {
		grow(credit, now_us);
	}
}

void rmdt_credit_set_share(struct rmdt_credit *credit, uint64_t share_bytes)
{
	credit->share_bytes = most(share_bytes, RMDT_CREDIT_SHARED_BYTES);
}

void rmdt_credit_open(struct rmdt_credit *credit)
{
	credit->window_bytes = credit->max_bytes;
}

bool rmdt_credit_is_slow(const struct rmdt_credit *credit)
{
	return credit->consumed_off - credit->epoch_off < SLOW_BYTES;
}

static uint64_t window(const struct rmdt_credit *credit)
{
	return least(credit->window_bytes, credit->share_bytes);
}

uint64_t rmdt_credit_limit(const struct rmdt_credit *credit)
{
	uint64_t limit = credit->consumed_off + window(credit);

	return limit > credit->limit_off ? limit : credit->limit_off;
}

bool rmdt_credit_due(const struct rmdt_credit *credit, uint64_t highest_off)
{
	uint64_t gain = rmdt_credit_limit(credit) - credit->limit_off;
	uint64_t left = highest_off < credit->limit_off ? credit->limit_off - highest_off : 0;

	if (gain == 0)
		return false;
	return gain >= window(credit) / 8 || (left < window(credit) / 8 && gain >= window(credit) / 32);
}

void rmdt_credit_announced(struct rmdt_credit *credit, uint64_t limit_off)
{
	if (limit_off > credit->limit_off)
		credit->limit_off = limit_off;
}

uint64_t rmdt_credit_send_limit(const struct rmdt_credit_send *in)
{
	uint64_t cwnd = least(in->max_cwnd_bytes, in->cap_bytes);
	uint64_t limit = in->sent_bytes + most(cwnd / 2, RMDT_CREDIT_AHEAD_BYTES);

	if (in->kind == RMDT_POLICY_BLOCK)
		limit = least(limit, most(cwnd * SEND_CWNDS, RMDT_CREDIT_SEND_MIN_BYTES));
	return least(limit, in->cap_bytes);
}

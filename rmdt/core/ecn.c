/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ecn.h"

static void begin_test(struct rmdt_ecn_path *e, uint64_t next_pn)
{
	e->state = RMDT_ECN_TESTING;
	e->test_left = RMDT_ECN_TEST_PKTS;
	e->test_lost = e->lost_run = 0;
	e->test_pn = next_pn;
	e->test_seen = e->seen_pkts;
	e->base_ce_pkts = e->seen_ce_pkts;
	e->acked_pkts = 0;
}

void rmdt_ecn_init(struct rmdt_ecn_path *e)
{
	*e = (struct rmdt_ecn_path){ 0 };
	begin_test(e, 0);
}

void rmdt_ecn_new_path(struct rmdt_ecn_path *e, uint64_t next_pn)
{
	e->tests = 0;
	e->path_pn = next_pn;
	e->heeded_ce_pkts = e->seen_ce_pkts;
	begin_test(e, next_pn);
}

uint32_t rmdt_ecn_wants(const struct rmdt_ecn_path *e)
{
	switch (e->state) {
	case RMDT_ECN_TESTING:
		return e->test_left;
	case RMDT_ECN_CAPABLE:
		return UINT32_MAX;
	default:
		return 0;
	}
}

void rmdt_ecn_on_sent(struct rmdt_ecn_path *e)
{
	e->marked_pkts++;
	if (e->state == RMDT_ECN_TESTING && e->test_left > 0)
		e->test_left--;
}

void rmdt_ecn_on_acked(struct rmdt_ecn_path *e, uint64_t pn)
{
	if (pn < e->path_pn)
		e->strange_pkts++;
	if (pn < e->test_pn)
		return;
	e->acked_pkts++;
	e->lost_run = 0;
}

void rmdt_ecn_on_lost(struct rmdt_ecn_path *e, uint64_t pn, uint64_t next_pn)
{
	if (pn < e->test_pn || e->state == RMDT_ECN_FAILED)
		return;
	if (e->state == RMDT_ECN_CAPABLE) {
		if (++e->lost_run >= RMDT_ECN_LOST_PKTS)
			begin_test(e, next_pn);
		return;
	}
	if (++e->test_lost < RMDT_ECN_TEST_PKTS)
		return;
	if (++e->tests < RMDT_ECN_TESTS)
		begin_test(e, next_pn);
	else
		e->state = RMDT_ECN_FAILED;
}

/*
 * Each packet that an ack names was counted before the ack was written, so counts that never go
 * back are at least what is known to have arrived marked, however acks are lost or overtake each
 * other. They are more only where packets arrived that we believe lost; never more than were sent.
 */
static bool is_believable(const struct rmdt_ecn_path *e)
{
	return e->seen_pkts - e->test_seen >= e->acked_pkts && e->seen_pkts <= e->marked_pkts;
}

static bool is_all_ce(const struct rmdt_ecn_path *e)
{
	return e->acked_pkts >= RMDT_ECN_ALL_CE_PKTS &&
	       e->seen_ce_pkts - e->base_ce_pkts == e->seen_pkts - e->test_seen;
}

/*
 * Each packet of an older path may have been one with CE: so many of the marks that come with it
 * say nothing of this path.
 */
static void pass_over_strange(struct rmdt_ecn_path *e)
{
	uint64_t news = e->seen_ce_pkts - e->heeded_ce_pkts;

	e->heeded_ce_pkts += news < e->strange_pkts ? news : e->strange_pkts;
	e->strange_pkts = 0;
}

uint32_t rmdt_ecn_on_ack(struct rmdt_ecn_path *e, uint64_t ect0_pkts, uint64_t ce_pkts)
{
	uint64_t news;

	/* A count of 2^62 is no count; an older ack tells nothing. */
	if (ect0_pkts + ce_pkts > e->seen_pkts && ce_pkts >= e->seen_ce_pkts) {
		e->seen_pkts = ect0_pkts + ce_pkts;
		e->seen_ce_pkts = ce_pkts;
	}
	pass_over_strange(e);
	if (e->state == RMDT_ECN_FAILED || e->acked_pkts == 0)
		return 0;
	if (!is_believable(e) || is_all_ce(e)) {
		e->state = RMDT_ECN_FAILED;
		return 0;
	}
	e->state = RMDT_ECN_CAPABLE;
	e->tests = 0;
	news = e->seen_ce_pkts - e->heeded_ce_pkts;
	e->heeded_ce_pkts = e->seen_ce_pkts;
	return news < UINT32_MAX ? (uint32_t)news : UINT32_MAX;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Where the far end is: a new address must answer a challenge before bulk data goes there (L3). */
#include <string.h>

#include "core/conn_impl.h"

/* After so many unanswered challenges they become rare; each is still drawn by a packet from there. */
#define CANDIDATE_TRIES 6
#define CANDIDATE_RARE_US UINT64_C(1000000)

void rmdt_conn_on_other_address(struct rmdt_conn *c, uint64_t now_us, const struct rmdt_addr *from, bool newest)
{
	uint64_t wait_us;

	if (!rmdt_addr_equal(from, &c->candidate.addr)) {
		/* Only the newest packet moves a path: a late or replayed one came by the old way. */
		if (!newest)
			return;
		memset(&c->candidate, 0, sizeof(c->candidate));
		c->candidate.addr = *from;
		if (c->cfg.initiator)	/* L6 */
			memset(c->candidate.addr.local, 0, sizeof(c->candidate.addr.local));
		c->candidate.nonce = rmdt_rng_u64(&c->rng);
	}
	if (now_us < c->candidate.next_us)
		return;
	wait_us = rmdt_conn_pto_us(c);
	if (++c->candidate.tries > CANDIDATE_TRIES && wait_us < CANDIDATE_RARE_US)
		wait_us = CANDIDATE_RARE_US;
	c->candidate.next_us = now_us + wait_us;
	c->candidate.due = true;
	c->pending = true;
}

static bool same_host(const struct rmdt_addr *a, const struct rmdt_addr *b)
{
	/* A sockaddr begins with family and port in its first four bytes on every system that we run on. */
	return a->len == b->len && a->len > 4 && memcmp(a->bytes, b->bytes, 2) == 0 &&
	       memcmp(a->bytes + 4, b->bytes + 4, a->len - 4) == 0;
}

void rmdt_conn_move(struct rmdt_conn *c, uint64_t now_us)
{
	bool new_path = !same_host(&c->candidate.addr, &c->remote);

	c->remote = c->candidate.addr;
	memset(&c->candidate, 0, sizeof(c->candidate));
	c->counters.moves++;
	c->ev_moved = true;
	if (!new_path)
		return;
	rmdt_rtt_init(&c->rtt, c->rtt.srtt_us);
	rmdt_cc_on_silence(c->cc, now_us);
	rmdt_ecn_new_path(&c->ecn, rmdt_loss_next_pn(&c->loss));
	if (!c->cfg.mtu_fixed)
		rmdt_pmtu_init(&c->pmtu, RMDT_PMTU_BASE, c->pmtu.max);
	rmdt_conn_update_mtu(c, now_us);
}

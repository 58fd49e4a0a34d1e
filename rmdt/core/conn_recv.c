/* SPDX-License-Identifier: Apache-2.0 */
/* Opens sealed packets: DATA straight into its place, CTRL where it lies. */
#include <errno.h>
#include <string.h>

#include "core/conn_impl.h"
#include "core/frame.h"

#define MAX_PAYLOAD 65535

/* What is the same for DATA and CTRL once the tag has verified. */
static void packet_is_good(struct rmdt_conn *c, uint64_t now_us, const struct rmdt_acks_packet *pkt,
			   const struct rmdt_addr *from)
{
	bool newest = !rmdt_acks_has_any(&c->acks) || pkt->pn > rmdt_acks_largest(&c->acks);

	rmdt_acks_received(&c->acks, now_us, pkt);
	c->counters.packets_received++;
	c->last_heard_us = now_us;
	if (c->hs && c->cfg.initiator) {	/* H6 */
		/*
		 * What went out before the FINISH that arrived was dropped (H7). Where the handshake saw no round trip, FINISH may have
		 * been repeated before its answer could be here, and then only the ack of a PING can tell.
		 */
		if (rmdt_handshake_was_repeated(c->hs)) {
			if (rmdt_handshake_finish_was_lost(c->hs, now_us))
				rmdt_conn_start_over(c, now_us);
			else
				c->probes = 1;
			c->pending = true;
		}
		rmdt_handshake_free(c->hs);
		c->hs = NULL;
	}
	if (!rmdt_addr_equal(from, &c->remote))
		rmdt_conn_on_other_address(c, now_us, from, newest);
	else if (newest && !c->cfg.initiator)
		memcpy(c->remote.local, from->local, sizeof(from->local));	/* L6 */
	c->pending |= pkt->ack_eliciting;
}

static bool is_fresh(struct rmdt_conn *c, uint64_t pn)
{
	if (rmdt_acks_check(&c->acks, pn) == RMDT_ACKS_NEW)
		return true;
	c->counters.dropped_replayed++;
	return false;
}

/* P8: the packet number in full. */
static uint64_t expand_pn(const struct rmdt_conn *c, uint64_t low)
{
	uint64_t next = rmdt_acks_has_any(&c->acks) ? rmdt_acks_largest(&c->acks) + 1 : 0;

	return rmdt_packet_expand(low, RMDT_PN_BITS, next);
}

static int open_packet(struct rmdt_conn *c, uint64_t now_us, const struct rmdt_keys_packet *p, bool phase)
{
	int n = rmdt_keys_open(c->keys, p, phase, now_us);

	if (n >= 0)
		return n;
	c->counters.dropped_forged++;
	if (n == -EKEYEXPIRED)
		rmdt_conn_break(c, now_us, RMDT_CODE_LIMIT, "too many forged packets", false);
	return n;
}

/* ---- DATA ---- */

struct arrival {
	struct rmdt_conn *c;
	uint64_t now_us;
	struct rmdt_data_header h;
	const uint8_t *buf;
	size_t header, len;	/* len: of the chunk, without header and tag */
};

/* The chunk in clear to out. False: not authentic. */
static bool unseal(struct arrival *a, uint8_t *out)
{
	struct rmdt_keys_packet p = {
		.pn = a->h.pn, .ad = a->buf, .ad_len = a->header,
		.in = a->buf + a->header, .in_len = a->len + RMDT_TAG_BYTES, .out = out,
	};

	if (a->c->cipher_none) {
		memcpy(out, p.in, a->len);
		return true;
	}
	return open_packet(a->c, a->now_us, &p, a->h.phase) >= 0;
}

/* S11. True when the packet is authentic and its bytes are kept, or are not wanted any more: it may be acked. */
static bool store(struct arrival *a, struct rmdt_inflow *in)
{
	uint8_t scratch[MAX_PAYLOAD], *dst;
	enum rmdt_recvbuf_result result;

	if (in->state != RMDT_INFLOW_LIVE)
		return unseal(a, scratch);
	result = rmdt_recvbuf_claim(in->recvbuf, a->h.off, a->len, &dst);
	switch (result) {
	case RMDT_RECVBUF_PLACE:
		if (!unseal(a, dst)) {
			rmdt_recvbuf_unclaim(in->recvbuf, a->h.off, a->len);
			return false;
		}
		result = rmdt_recvbuf_commit(in->recvbuf, a->h.off, a->len);
		break;
	case RMDT_RECVBUF_SCRATCH:
		if (!unseal(a, scratch))
			return false;
		result = rmdt_recvbuf_write(in->recvbuf, a->h.off, scratch, a->len);
		break;
	case RMDT_RECVBUF_DUPLICATE:
		return unseal(a, scratch);
	default:
		a->c->counters.dropped_credit++;
		return false;
	}
	if (result == RMDT_RECVBUF_STORED || result == RMDT_RECVBUF_DUPLICATE)
		return true;
	a->c->counters.dropped_credit++;
	return false;
}

/* S4: would the chunk go beyond what the peer may have outstanding in all? */
static bool within_credit(const struct rmdt_conn *c, const struct rmdt_inflow *in, uint64_t end)
{
	return end <= in->high_off || end - in->high_off <= rmdt_credit_limit(&c->rx_credit) - c->rx_high;
}

/* The reader waits for a repair: perhaps the window is what holds the sender up. */
static void grow_windows(struct rmdt_conn *c, uint64_t now_us, struct rmdt_inflow *in)
{
	uint64_t rtt_us = rmdt_rtt_floor_us(&c->rtt);

	rmdt_credit_on_starved(&in->credit, rtt_us, now_us);
	rmdt_credit_on_starved(&c->rx_credit, rtt_us, now_us);
	if (rmdt_credit_due(&in->credit, in->high_off))
		rmdt_conn_due_in(c, in, DUE_STATE);
	if (rmdt_credit_due(&c->rx_credit, c->rx_high))
		rmdt_conn_due(c, CDUE_CREDIT);
}

static bool count_bytes(struct arrival *a, struct rmdt_inflow *in, uint64_t ready_before)
{
	struct rmdt_conn *c = a->c;
	uint64_t end = a->h.off + a->len;

	if (end > in->high_off) {
		c->rx_high += end - in->high_off;
		in->high_off = end;
		rmdt_credit_on_data(&in->credit, end);
		rmdt_credit_on_data(&c->rx_credit, c->rx_high);
		if (rmdt_recvbuf_ready(in->recvbuf) == rmdt_recvbuf_consumed(in->recvbuf))
			grow_windows(c, a->now_us, in);
	}
	if (a->h.fin && !rmdt_conn_in_final(c, in, end))
		return false;
	if (rmdt_recvbuf_ready(in->recvbuf) != ready_before) {
		rmdt_conn_event_in(c, in, RMDT_IN_READY);
		rmdt_conn_due_in(c, in, rmdt_recvbuf_complete(in->recvbuf) ? DUE_STATE : DUE_SOFT_STATE);
	}
	return true;
}

/* All but the offset is as its sender meant it then; that takes the flow. False: malformed. */
static bool read_header(struct arrival *a, size_t len)
{
	size_t tag = a->c->cipher_none ? 0 : RMDT_TAG_BYTES;

	a->header = rmdt_data_header_read(a->buf, len, &a->h);
	if (a->header == 0 || len < a->header + tag)
		return false;
	a->len = len - a->header - tag;
	a->h.pn = expand_pn(a->c, a->h.pn);
	return true;
}

void rmdt_conn_receive_data(struct rmdt_conn *c, uint64_t now_us, uint8_t *buf, size_t len, unsigned ecn,
			    const struct rmdt_addr *from)
{
	struct arrival a = { .c = c, .now_us = now_us, .buf = buf };
	struct rmdt_inflow *in;
	uint64_t ready = 0;
	bool live;

	if (!read_header(&a, len)) {
		c->counters.dropped_malformed++;
		return;
	}
	if (!is_fresh(c, a.h.pn))
		return;
	in = rmdt_idmap_get(&c->ins, a.h.flow);
	if (!in ? !rmdt_ranges_contains(&c->opened, a.h.flow) : in->state == RMDT_INFLOW_OFFERED) {
		c->counters.dropped_unknown_flow++;	/* S2 */
		return;
	}
	live = in && in->state == RMDT_INFLOW_LIVE;
	if (live) {
		a.h.off = rmdt_packet_expand(a.h.off, RMDT_OFF_BITS, in->high_off);	/* P9 */
		if (!within_credit(c, in, a.h.off + a.len)) {
			c->counters.dropped_credit++;
			return;
		}
		ready = rmdt_recvbuf_ready(in->recvbuf);
	}
	if (!store(&a, live ? in : &(struct rmdt_inflow){ .state = RMDT_INFLOW_STOPPED }))
		return;
	packet_is_good(c, now_us, &(struct rmdt_acks_packet){
		.pn = a.h.pn, .bytes = (uint32_t)len, .ack_eliciting = true, .ecn = ecn }, from);
	if (live && !count_bytes(&a, in, ready))
		rmdt_conn_break(c, now_us, RMDT_CODE_PROTOCOL, "a flow ended twice", true);
}

/* ---- CTRL ---- */

void rmdt_conn_receive_ctrl(struct rmdt_conn *c, uint64_t now_us, uint8_t *buf, size_t len, unsigned ecn,
			    const struct rmdt_addr *from)
{
	struct rmdt_ctrl_header h;
	struct rmdt_keys_packet p = {
		.ad = buf, .ad_len = RMDT_CTRL_HEADER_BYTES, .in = buf + RMDT_CTRL_HEADER_BYTES,
		.in_len = len - RMDT_CTRL_HEADER_BYTES, .out = buf + RMDT_CTRL_HEADER_BYTES,
	};
	bool eliciting;
	int n, err;

	if (!rmdt_ctrl_header_read(buf, &h)) {
		c->counters.dropped_malformed++;
		return;
	}
	p.pn = h.pn = expand_pn(c, h.pn);
	if (!is_fresh(c, p.pn))
		return;
	n = open_packet(c, now_us, &p, h.phase);
	if (n < 0)
		return;
	err = rmdt_conn_frames(c, now_us, p.out, (size_t)n, from, &eliciting);
	if (c->state != CONN_UP || err == -EAGAIN)
		return;
	if (err) {
		rmdt_conn_break(c, now_us, RMDT_CODE_PROTOCOL, "a malformed frame", true);
		return;
	}
	packet_is_good(c, now_us, &(struct rmdt_acks_packet){
		.pn = h.pn, .bytes = (uint32_t)len, .ack_eliciting = eliciting, .ecn = ecn }, from);
}

bool rmdt_conn_hears_close(struct rmdt_conn *c, uint64_t now_us, uint8_t *buf, size_t len)
{
	struct rmdt_ctrl_header h;
	struct rmdt_keys_packet p = {
		.ad = buf, .ad_len = RMDT_CTRL_HEADER_BYTES, .in = buf + RMDT_CTRL_HEADER_BYTES,
		.in_len = len - RMDT_CTRL_HEADER_BYTES, .out = buf + RMDT_CTRL_HEADER_BYTES,
	};

	if (!c->keys || !rmdt_ctrl_header_read(buf, &h) || h.cid != c->cfg.local_cid)
		return false;
	p.pn = expand_pn(c, h.pn);
	return rmdt_keys_open(c->keys, &p, h.phase, now_us) > 0 && buf[RMDT_CTRL_HEADER_BYTES] == RMDT_FRAME_CLOSE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* DATA: which flow's turn it is, how much may go now, and trains of sealed chunks. */
#include <errno.h>
#include <string.h>

#include "core/conn_impl.h"

/* Bytes of a packet around its chunk. */
static size_t overhead(const struct rmdt_conn *c, const struct rmdt_outflow *of)
{
	return rmdt_data_header_bytes(of->id) + (c->cipher_none ? 0 : RMDT_TAG_BYTES);
}

static bool seal_chunk(struct rmdt_conn *c, const struct rmdt_outflow *of, const struct rmdt_chunk *chunk,
		       uint64_t pn, uint8_t *buf)
{
	struct rmdt_data_header h = {
		.phase = rmdt_keys_tx_phase(c->keys), .open = !of->open_known, .fin = chunk->fin,
		.pn = pn, .cid = c->remote_cid, .flow = of->id, .off = chunk->off,
	};
	size_t header = rmdt_data_header_write(buf, &h);
	struct rmdt_keys_packet p = {
		.pn = pn, .ad = buf, .ad_len = header,
		.in = chunk->ptr, .in_len = chunk->len, .out = buf + header,
	};

	if (!c->cipher_none)
		return rmdt_keys_seal(c->keys, &p) >= 0;
	memcpy(p.out, p.in, p.in_len);
	return true;
}

/* A small piece may have nothing behind it for long. */
static void watch_tail(struct rmdt_conn *c, uint64_t now_us, struct rmdt_outflow *of, const struct rmdt_chunk *chunk)
{
	if (now_us >= c->lossy_until_us || chunk->len > RMDT_TAIL_BYTES || c->rtt.srtt_us < CONN_LONG_RTT_US ||
	    rmdt_loss_inflight_bytes(&c->loss) > CONN_THIN_BYTES)
		return;
	rmdt_pacer_set_rate(&c->tail_pacer, now_us,
			    rmdt_conn_least(rmdt_cc_pacing_rate(c->cc) / CONN_TAIL_PART, CONN_TAIL_RATE));
	if (rmdt_pacer_budget(&c->tail_pacer, now_us) < chunk->len)
		return;
	rmdt_pacer_spend(&c->tail_pacer, now_us, chunk->len);
	rmdt_outflow_watch_tail(of, chunk, now_us + c->rtt.srtt_us / CONN_TAIL_RTT_DIVISOR);
}

/* A writer whose bytes are sent has room, however long a loss holds up what is acknowledged. */
static void note_new(struct rmdt_conn *c, uint64_t now_us, struct rmdt_outflow *of, const struct rmdt_chunk *chunk)
{
	if (of->next_off >= of->room_off) {
		of->room_off = of->next_off + CONN_ROOM_BYTES;
		rmdt_conn_event_out(c, of, RMDT_OUT_ROOM);
	}
	if (chunk->fin && c->counters.packets_lost > 0)
		rmdt_outflow_doubt_end(of, (uint64_t)CONN_DOUBTED_CHUNKS * chunk->len);
	watch_tail(c, now_us, of, chunk);
}

static bool send_chunk(struct rmdt_conn *c, uint64_t now_us, struct rmdt_outflow *of, const struct rmdt_chunk *chunk,
		       struct rmdt_train *train)
{
	struct rmdt_sent sent = {
		.kind = RMDT_SENT_DATA | RMDT_SENT_ELICITING | RMDT_SENT_INFLIGHT | (chunk->fin ? RMDT_SENT_FIN : 0) |
			(train->ect ? RMDT_SENT_ECT : 0) | (chunk->repair ? RMDT_SENT_REPAIR : 0),
		.off = chunk->off, .flow = of->id, .len = chunk->len,
	};
	uint64_t pn = rmdt_loss_next_pn(&c->loss);
	size_t len = overhead(c, of) + chunk->len;

	sent.bytes = (uint32_t)len;
	if (rmdt_conn_enter(c, now_us, &sent) < 0)
		return false;	/* too many packets in flight, or no memory: acks will make room */
	if (!seal_chunk(c, of, chunk, pn, train->buf + train->len)) {
		rmdt_conn_break(c, now_us, RMDT_CODE_LIMIT, "no more packets can be sealed", false);
		return false;
	}
	if (!chunk->repair)
		c->tx_used += chunk->off + chunk->len - of->next_off;
	else
		c->counters.chunk_bytes_repaired += chunk->len;
	if (train->ect)
		rmdt_ecn_on_sent(&c->ecn);
	rmdt_outflow_on_sent(of, chunk);
	if (!chunk->repair)
		note_new(c, now_us, of, chunk);
	c->counters.chunk_bytes_sent += chunk->len;
	of->deficit_bytes -= (int64_t)len;
	if (of->has_rate)
		rmdt_pacer_spend(&of->pacer, now_us, len);
	if (train->len == 0)
		train->segment = len;
	train->len += len;
	return true;
}

/* S6: all bytes are out and the end is known, but no chunk has carried it. */
static void check_end(struct rmdt_conn *c, struct rmdt_outflow *of)
{
	uint64_t end;

	if (of->final_off == UINT64_MAX && rmdt_sendbuf_final(of->sendbuf, &end) && of->next_off == end) {
		of->final_off = end;
		rmdt_conn_due_out(c, of, DUE_FIN);
	}
}

struct pick {
	struct rmdt_outflow *of;
	struct rmdt_chunk chunk;
	bool blocked;			/* credit was missing somewhere */
	uint64_t wait_us;		/* a flow's own rate says: not before */
};

/* Is it this flow's turn, and what does it send? Otherwise it leaves the ring or lets the next one go first. */
static bool try_flow(struct rmdt_conn *c, uint64_t now_us, struct rmdt_outflow *of, size_t mtu, struct pick *pick)
{
	size_t max = mtu - overhead(c, of);
	uint64_t wait_us;
	bool blocked;

	if (of->has_rate) {
		uint64_t next = rmdt_pacer_next_us(&of->pacer, now_us, max);

		if (next > now_us) {
			pick->wait_us = next < pick->wait_us ? next : pick->wait_us;
			return false;
		}
	}
	if (rmdt_outflow_next(of, max, c->tx_limit - c->tx_used, &pick->chunk, &blocked)) {
		pick->of = of;
		return true;
	}
	pick->blocked |= blocked;
	check_end(c, of);
	if (rmdt_outflow_repeat(of, max, c->rtt.srtt_us, now_us, &pick->chunk, &wait_us)) {
		pick->of = of;
		return true;
	}
	pick->wait_us = rmdt_conn_least(pick->wait_us, wait_us);
	if (!blocked && wait_us == UINT64_MAX)
		rmdt_conn_deactivate(c, of);
	return false;
}

static bool pick_chunk(struct rmdt_conn *c, uint64_t now_us, size_t mtu, struct pick *pick)
{
	for (unsigned i = 0; i < CONN_PRIORITIES; i++) {
		struct rmdt_outflow *of = c->active[i], *last = of ? of->prev_active : NULL;

		while (of) {
			struct rmdt_outflow *next = of->next_active;
			bool is_last = of == last;

			if (of->deficit_bytes <= 0)
				of->deficit_bytes += CONN_QUANTUM_BYTES;
			if (try_flow(c, now_us, of, mtu, pick)) {
				c->active[i] = of;
				return true;
			}
			if (is_last)
				break;
			of = next;
		}
	}
	return false;
}

/* The turn is over: the next flow of its priority comes first. */
static void end_turn(struct rmdt_conn *c, struct rmdt_outflow *of)
{
	if (of->active && of->deficit_bytes <= 0 && c->active[of->priority] == of)
		c->active[of->priority] = of->next_active;
}

bool rmdt_conn_is_paced(struct rmdt_conn *c, uint64_t now_us)
{
	uint64_t want = rmdt_pacer_train_bytes(&c->pacer);

	if (want > c->pacer.burst_bytes)
		want = c->pacer.burst_bytes;
	if (rmdt_pacer_budget(&c->pacer, now_us) >= want)
		return false;
	c->send_wait_us = rmdt_pacer_next_us(&c->pacer, now_us, want);
	c->limited_by = RMDT_BY_PACING;
	return c->send_wait_us > now_us;
}

/* Why no (more) chunk can go now. */
static void note_limit(struct rmdt_conn *c, const struct pick *pick)
{
	if (pick->wait_us != UINT64_MAX) {
		c->send_wait_us = pick->wait_us;
		c->limited_by = RMDT_BY_APPLICATION;
	} else {
		c->limited_by = pick->blocked ? RMDT_BY_CREDIT : RMDT_BY_APPLICATION;
	}
	rmdt_rate_set_app_limited(&c->rate, rmdt_loss_inflight_bytes(&c->loss));
}

bool rmdt_conn_send_data(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	size_t mtu = rmdt_pmtu_current(&c->pmtu), most = rmdt_pacer_train_bytes(&c->pacer);
	unsigned segments = CONN_GSO_SEGMENTS;

	/* E1: datagrams of one train are marked alike, so a test ends a train. */
	train->ect = rmdt_ecn_wants(&c->ecn) > 0;
	if (train->ect)
		segments = (unsigned)rmdt_conn_least(segments, rmdt_ecn_wants(&c->ecn));
	rmdt_conn_skip_some(c);
	for (unsigned n = 0; n < segments && train->len + mtu <= train->cap; n++) {
		struct pick pick = { .wait_us = UINT64_MAX };

		if (n > 0 && train->len + mtu > most)
			break;
		if (!pick_chunk(c, now_us, mtu, &pick)) {
			note_limit(c, &pick);
			break;
		}
		if (!rmdt_conn_may_fly(c)) {
			c->cwnd_limited = true;
			c->limited_by = RMDT_BY_CWND;
			break;
		}
		if (n == 0 && rmdt_conn_is_paced(c, now_us))
			break;
		/* A datagram larger than the first would break the train; it begins the next. */
		if (n > 0 && overhead(c, pick.of) + pick.chunk.len > train->segment)
			break;
		if (!send_chunk(c, now_us, pick.of, &pick.chunk, train))
			break;
		end_turn(c, pick.of);
		if (train->len % train->segment != 0)
			break;
	}
	train->to = c->remote;
	/* The first train may be followed by a slower flight. */
	rmdt_pacer_set_rate(&c->pacer, now_us, rmdt_cc_pacing_rate(c->cc));
	return train->len > 0;
}

bool rmdt_conn_send_oldest(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train)
{
	size_t mtu = rmdt_pmtu_current(&c->pmtu);
	struct rmdt_chunk chunk;

	for (struct rmdt_outflow *of = c->all_outs; of; of = of->next_all)
		if (rmdt_outflow_probe(of, mtu - overhead(c, of), &chunk))
			return send_chunk(c, now_us, of, &chunk, train);
	return false;
}

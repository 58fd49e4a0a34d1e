/* SPDX-License-Identifier: Apache-2.0 */
/* What acks and silence mean: each sent packet is settled here, and congestion control is told. */
#include <stdlib.h>

#include "core/conn_impl.h"

struct settle {
	struct rmdt_conn *c;
	uint64_t now_us;
	bool in_ack;			/* losses belong to the sample of an ACK */
	uint64_t lost_bytes;
	uint32_t lost_pkts;
	struct rmdt_rate_stamp newest;	/* of the lost packet sent last */
};

static struct token *token_of(const struct rmdt_sent *s)
{
	return (s->kind & RMDT_SENT_CTRL) ? (struct token *)(uintptr_t)s->token : NULL;
}

static void token_acked(struct rmdt_conn *c, struct token *t)
{
	if (t->ack_largest != UINT64_MAX)
		rmdt_acks_confirmed(&c->acks, t->ack_largest);
	if (t->count > 0)
		c->reliable_out--;
	for (uint32_t i = 0; i < t->count; i++)
		rmdt_conn_item_heard(c, &t->item[i]);
	free(t);
}

static void token_lost(struct rmdt_conn *c, struct token *t)
{
	if (t->count > 0)
		c->reliable_out--;
	for (uint32_t i = 0; i < t->count; i++)
		rmdt_conn_item_lost(c, &t->item[i]);
	free(t);
}

static void on_data_acked(struct rmdt_conn *c, const struct rmdt_sent *s)
{
	struct rmdt_outflow *of = rmdt_idmap_get(&c->outs, s->flow);
	uint64_t before;

	if (!of || !of->sendbuf)
		return;
	if (s->kind & RMDT_SENT_FIN)
		of->fin_known = true;
	before = atomic_load_explicit(&of->received_off, memory_order_relaxed);
	rmdt_outflow_on_acked(of, s->off, s->len);
	if (atomic_load_explicit(&of->received_off, memory_order_relaxed) != before)
		rmdt_conn_event_out(c, of, RMDT_OUT_POSITION);
}

/* Packets whose loss says something of congestion. */
static bool was_counted_lost(const struct rmdt_sent *s)
{
	return (s->kind & RMDT_SENT_INFLIGHT) && !(s->kind & RMDT_SENT_PROBE);
}

static void on_acked(void *arg, uint64_t pn, const struct rmdt_sent *s, bool late)
{
	struct settle *st = arg;
	struct rmdt_conn *c = st->c;

	if (s->kind & RMDT_SENT_ECT)
		rmdt_ecn_on_acked(&c->ecn, pn);
	if (late && was_counted_lost(s)) {
		c->counters.packets_spurious++;
		rmdt_rate_on_spurious(&c->rate, s->bytes);
		rmdt_cc_on_spurious(c->cc, s->bytes, s->sent_us, st->now_us);
	}
	if (s->kind & RMDT_SENT_INFLIGHT)
		rmdt_rate_on_acked(&c->rate, &c->sample, &s->stamp, s->bytes, st->now_us);
	if (s->kind & RMDT_SENT_PROBE)
		rmdt_pmtu_on_probe_acked(&c->pmtu, st->now_us, s->bytes);
	else
		rmdt_pmtu_on_packet_acked(&c->pmtu, s->bytes);
	if (s->kind & RMDT_SENT_DATA)
		on_data_acked(c, s);
	else if (!late && token_of(s))	/* of a late one the token went when it was declared lost */
		token_acked(c, token_of(s));
}

static void on_data_lost(struct rmdt_conn *c, const struct rmdt_sent *s)
{
	struct rmdt_outflow *of = rmdt_idmap_get(&c->outs, s->flow);

	if (!of || !of->sendbuf)
		return;
	rmdt_outflow_on_lost(of, s->off, s->len);
	if (s->kind & RMDT_SENT_REPAIR)
		rmdt_outflow_insist(of, s->off, s->len);
	if ((s->kind & RMDT_SENT_FIN) && !of->fin_known)
		rmdt_conn_due_out(c, of, DUE_FIN);
	rmdt_conn_activate(c, of);
}

static void on_lost(void *arg, uint64_t pn, const struct rmdt_sent *s)
{
	struct settle *st = arg;
	struct rmdt_conn *c = st->c;

	c->pending = true;
	if (s->kind & RMDT_SENT_ECT)
		rmdt_ecn_on_lost(&c->ecn, pn, rmdt_loss_next_pn(&c->loss));
	if (token_of(s))
		token_lost(c, token_of(s));
	if (s->kind & RMDT_SENT_PROBE)
		rmdt_pmtu_on_probe_lost(&c->pmtu, st->now_us, s->bytes);
	if (!was_counted_lost(s))
		return;
	c->counters.packets_lost++;
	c->lossy_until_us = st->now_us + CONN_LOSSY_US;
	st->lost_bytes += s->bytes;
	st->lost_pkts++;
	st->newest = s->stamp;
	rmdt_rate_on_lost(&c->rate, st->in_ack ? &c->sample : NULL, s->bytes);
	if (s->kind & RMDT_SENT_DATA)
		on_data_lost(c, s);
	if (rmdt_pmtu_on_packet_lost(&c->pmtu, st->now_us, s->bytes,
				     rmdt_conn_pto_us(c)))
		c->counters.mtu_black_holes++;
}

static const struct rmdt_loss_calls calls = { .acked = on_acked, .lost = on_lost };

static void tell_loss(struct settle *st)
{
	struct rmdt_conn *c = st->c;

	if (st->lost_pkts == 0)
		return;
	rmdt_cc_on_loss(c->cc, &(struct rmdt_cc_loss){
		.now_us = st->now_us, .lost_bytes = st->lost_bytes, .lost_pkts = st->lost_pkts,
		.in_flight_bytes = rmdt_loss_inflight_bytes(&c->loss), .newest = &st->newest });
}

static void tell_ack(struct rmdt_conn *c, uint64_t now_us, const struct rmdt_ack *ack,
		     const struct rmdt_loss_acked *acked)
{
	uint64_t delay = ack->delay_us < RMDT_ACKS_MAX_DELAY_US ? ack->delay_us : RMDT_ACKS_MAX_DELAY_US;
	uint32_t ce = rmdt_ecn_on_ack(&c->ecn, ack->ect0_pkts, ack->ce_pkts);

	c->counters.packets_marked += ce;
	rmdt_cc_on_ack(c->cc, &(struct rmdt_cc_ack){
		.sample = &c->sample, .now_us = now_us,
		.in_flight_bytes = rmdt_loss_inflight_bytes(&c->loss),
		.delivered_bytes = c->rate.delivered_bytes,
		.rtt_us = !acked->has_rtt ? 0 : acked->rtt_us > delay ? acked->rtt_us - delay : acked->rtt_us,
		.srtt_us = rmdt_rtt_is_known(&c->rtt) ? c->rtt.srtt_us : 0,
		.min_rtt_us = rmdt_rtt_is_known(&c->rtt) ? c->rtt.min_us : 0,
		.ce_pkts = ce, .acked_pkts = (uint32_t)acked->pkts, .cwnd_limited = c->cwnd_limited });
	c->cwnd_limited = false;
	rmdt_pacer_set_rate(&c->pacer, now_us, rmdt_cc_pacing_rate(c->cc));
}

int rmdt_conn_on_ack(struct rmdt_conn *c, uint64_t now_us, const struct rmdt_ack *ack)
{
	struct settle st = { .c = c, .now_us = now_us, .in_ack = true };
	struct rmdt_loss_acked acked = { 0 };
	struct rmdt_loss_lost lost;
	bool largest_is_new;
	int err;

	rmdt_rate_ack_start(&c->rate, &c->sample, rmdt_loss_inflight_bytes(&c->loss));
	err = rmdt_loss_on_ack(&c->loss, now_us, ack, &calls, &st, &acked);
	if (err)
		return err;
	if (acked.pkts > 0)
		c->pto_count = 0;
	if (acked.largest_sent_us < c->resumed_us)
		acked.has_rtt = false;
	if (acked.has_rtt) {
		uint64_t delay = ack->delay_us < RMDT_ACKS_MAX_DELAY_US ? ack->delay_us : RMDT_ACKS_MAX_DELAY_US;

		rmdt_rtt_sample(&c->rtt, now_us, acked.rtt_us, delay);
		rmdt_acks_set_rtt(&c->acks, c->rtt.srtt_us);
	}
	rmdt_loss_detect(&c->loss, now_us, &calls, &st, &lost);
	largest_is_new = acked.pkts > 0 && acked.largest == ack->largest;
	rmdt_rate_ack_finish(&c->rate, &c->sample, largest_is_new ? &ack->arrival_us : NULL,
			     rmdt_rtt_is_known(&c->rtt) ? c->rtt.min_us : 0, now_us);
	tell_loss(&st);
	tell_ack(c, now_us, ack, &acked);
	rmdt_conn_update_mtu(c, now_us);
	c->pending = true;
	return 0;
}

void rmdt_conn_detect(struct rmdt_conn *c, uint64_t now_us)
{
	struct settle st = { .c = c, .now_us = now_us };
	struct rmdt_loss_lost lost;

	rmdt_loss_detect(&c->loss, now_us, &calls, &st, &lost);
	tell_loss(&st);
	rmdt_pacer_set_rate(&c->pacer, now_us, rmdt_cc_pacing_rate(c->cc));
	rmdt_conn_update_mtu(c, now_us);
}

/*
 * The oldest control frames without an answer are said again at once. A bare PING would only lead, one round trip later, to
 * their being declared lost; and what a receiver says last (DONE, STOP) has nothing behind it that would tell.
 */
static void repeat_oldest(struct rmdt_conn *c)
{
	uint64_t pn = c->loss.map.base, end = rmdt_loss_next_pn(&c->loss);

	for (unsigned n = 0; n < CONN_PTO_LOOK && pn < end; n++, pn++) {
		const struct rmdt_sent *s = rmdt_sentmap_get(&c->loss.map, pn);
		const struct token *t = s && s->state == RMDT_SENT_STANDING ? token_of(s) : NULL;

		if (!t || t->count == 0)
			continue;
		for (uint32_t i = 0; i < t->count; i++)
			rmdt_conn_item_lost(c, &t->item[i]);
		return;
	}
}

/* Two packets, so that one more loss does not cost another timeout. */
void rmdt_conn_on_pto(struct rmdt_conn *c, uint64_t now_us)
{
	if (c->pto_count++ == 0)
		c->pto_since_us = now_us;
	c->probes = 2;
	c->pending = true;
	repeat_oldest(c);
	if (c->pto_count == CONN_SILENT_PTOS)
		rmdt_cc_on_silence(c->cc, now_us);
}

static void on_dropped(void *arg, uint64_t pn, const struct rmdt_sent *s)
{
	struct settle *st = arg;

	(void)pn;
	if (token_of(s))
		token_lost(st->c, token_of(s));
	if (s->kind & RMDT_SENT_PROBE)
		rmdt_pmtu_on_probe_lost(&st->c->pmtu, st->now_us, s->bytes);
	if (s->kind & RMDT_SENT_DATA)
		on_data_lost(st->c, s);
}

/* It says nothing of the path: taken for loss, or the few answers to it for a rate, it would spoil the start. */
void rmdt_conn_start_over(struct rmdt_conn *c, uint64_t now_us)
{
	static const struct rmdt_loss_calls dropping = { .lost = on_dropped };
	struct settle st = { .c = c, .now_us = now_us };

	rmdt_loss_abandon(&c->loss, now_us, &dropping, &st);
	rmdt_rate_init(&c->rate);
	rmdt_cc_set_initial_rtt(c->cc, rmdt_rtt_is_known(&c->rtt) ? c->rtt.srtt_us : 0, now_us);
	rmdt_pacer_init(&c->pacer, now_us, rmdt_cc_pacing_rate(c->cc), c->mtu);
	c->pto_count = 0;
	c->probes = 0;
	c->pending = true;
}

static void forget(void *arg, uint64_t pn, const struct rmdt_sent *s)
{
	(void)arg;
	(void)pn;
	free(token_of(s));
}

void rmdt_conn_forget_tokens(struct rmdt_conn *c, uint64_t now_us)
{
	static const struct rmdt_loss_calls forgetting = { .lost = forget };

	rmdt_loss_abandon(&c->loss, now_us, &forgetting, NULL);
	c->reliable_out = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences the leaves: life of a conn, what comes in, events and decisions. */
#include "core/conn.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"

/* A remembered round trip is told again by one that differs by such a part of it. */
#define KNOWN_RTT_DIVISOR 8

/* ---- birth and death ---- */

static int start_handshake(struct rmdt_conn *c, uint64_t now_us)
{
	struct rmdt_handshake_config h = {
		.initiator = c->cfg.initiator, .suite = c->cfg.suite, .static_private = c->cfg.static_private,
		.psk = c->cfg.psk, .timeout_us = c->cfg.connect_timeout_us,
		.params = {
			.cid = c->cfg.local_cid, .max_payload_bytes = c->cfg.mtu_max_bytes,
			.cipher_none = c->cfg.cipher_none,
			.peer_credit_bytes = rmdt_credit_first_peer(c->cfg.window_cap_bytes),
			.flow_credit_bytes = rmdt_credit_first_flow(c->cfg.window_cap_bytes),
			.max_flows = c->cfg.max_flows, .keepalive_us = c->cfg.keepalive_us,
			.role = c->cfg.role, .software = "rmdt",
		},
	};
	uint8_t ephemeral[32];
	int err;

	if (h.params.max_payload_bytes < RMDT_BASE_BYTES)
		h.params.max_payload_bytes = RMDT_BASE_BYTES;
	memcpy(h.params.instance, c->cfg.instance, sizeof(h.params.instance));
	memcpy(h.params.name, c->cfg.name, sizeof(h.params.name));
	rmdt_rng_bytes(&c->rng, ephemeral, sizeof(ephemeral));
	h.ephemeral_private = ephemeral;
	err = rmdt_handshake_new(&h, now_us, &c->hs);
	OPENSSL_cleanse(ephemeral, sizeof(ephemeral));
	/* From here on the handshake holds what it needs. */
	OPENSSL_cleanse(c->cfg.static_private, sizeof(c->cfg.static_private));
	c->cfg.psk = c->cfg.psk ? (const uint8_t *)"" : NULL;
	return err;
}

static int start_congestion_control(struct rmdt_conn *c, uint64_t now_us)
{
	struct rmdt_cc_config cc = {
		.mss_bytes = RMDT_BASE_BYTES, .fixed_rate = c->cfg.fixed_rate, .cap_rate = c->cfg.cap_rate,
		.seed = rmdt_rng_u64(&c->rng),
	};

	return rmdt_cc_new(&c->cc, c->cfg.cc ? c->cfg.cc : RMDT_CC_DEFAULT, &cc, now_us);
}

int rmdt_conn_new(const struct rmdt_conn_config *cfg, uint64_t now_us, struct rmdt_conn **out)
{
	struct rmdt_conn *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->cfg = *cfg;
	if (c->cfg.keepalive_us > c->cfg.dead_after_us / 3)
		c->cfg.keepalive_us = c->cfg.dead_after_us / 3;
	c->cfg.window_cap_bytes = rmdt_conn_least(c->cfg.window_cap_bytes, RMDT_FLOW_REACH_BYTES);	/* P9 */
	c->remote = cfg->remote;
	rmdt_rng_init(&c->rng, cfg->seed);
	OPENSSL_cleanse(c->cfg.seed, sizeof(c->cfg.seed));
	rmdt_acks_init(&c->acks);
	rmdt_rtt_init(&c->rtt, 0);
	rmdt_loss_init(&c->loss, &c->rtt, CONN_MAX_SENT, RMDT_ACKS_MAX_DELAY_US);
	rmdt_rate_init(&c->rate);
	rmdt_ecn_init(&c->ecn);
	rmdt_idmap_init(&c->outs);
	rmdt_idmap_init(&c->ins);
	rmdt_ranges_init(&c->opened, CONN_MAX_OPENED_RANGES);
	c->events_out_tail = &c->events_out;
	c->events_in_tail = &c->events_in;
	c->send_wait_us = c->state_due_us = UINT64_MAX;
	c->last_heard_us = c->last_ping_us = c->last_sent_us = now_us;
	c->skip_at = CONN_SKIP_EVERY / 2 + rmdt_rng_u64(&c->rng) % CONN_SKIP_EVERY;
	c->pending = true;
	rmdt_pmtu_init(&c->pmtu, RMDT_PMTU_BASE, RMDT_PMTU_BASE);
	err = start_congestion_control(c, now_us);
	if (!err)
		err = start_handshake(c, now_us);
	if (err) {
		rmdt_conn_free(c);
		return err;
	}
	*out = c;
	return 0;
}

void rmdt_conn_free(struct rmdt_conn *c)
{
	if (!c)
		return;
	rmdt_conn_forget_tokens(c, c->last_heard_us);
	rmdt_conn_free_outs(c);
	rmdt_conn_free_ins(c);
	rmdt_handshake_free(c->hs);
	rmdt_keys_free(c->keys);
	rmdt_cc_free(c->cc);
	rmdt_loss_fini(&c->loss);
	rmdt_acks_fini(&c->acks);
	rmdt_idmap_fini(&c->outs);
	rmdt_idmap_fini(&c->ins);
	rmdt_ranges_fini(&c->opened);
	rmdt_messages_free(c->tx_messages);
	rmdt_messages_free(c->rx_messages);
	rmdt_rng_fini(&c->rng);
	free(c->ack);
	OPENSSL_cleanse(c, sizeof(*c));
	free(c);
}

/*
 * The round trip that the handshake saw. Beyond 250 ms INIT was repeated and it cannot be told; but when the first INIT and the
 * answer are as far apart as the remembered path is long, they belong together.
 */
static uint64_t seen_rtt_us(const struct rmdt_conn *c)
{
	uint64_t rtt_us = rmdt_handshake_rtt_us(c->hs), most_us = rmdt_handshake_most_rtt_us(c->hs);
	uint64_t known_us = c->cc->config.hint_rtt_us, near_us = known_us / KNOWN_RTT_DIVISOR;

	if (rtt_us > 0 || known_us == 0 || most_us + near_us < known_us || most_us > known_us + near_us)
		return rtt_us;
	return most_us;
}

/* The handshake is done: keys, credit, path MTU; from here on packets are sealed. */
static int go_up(struct rmdt_conn *c, uint64_t now_us)
{
	struct rmdt_noise_split split;
	uint64_t max;
	int err;

	c->remote_params = *rmdt_handshake_remote(c->hs);
	c->remote_cid = c->remote_params.cid;
	c->cipher_none = c->cfg.cipher_none && c->remote_params.cipher_none;
	c->ack = malloc(sizeof(*c->ack));
	err = c->ack ? rmdt_handshake_split(c->hs, &split) : -ENOMEM;
	if (err)
		return err;
	c->keys = rmdt_keys_new(c->cfg.suite, c->cfg.initiator, &split, now_us);
	OPENSSL_cleanse(&split, sizeof(split));
	if (!c->keys)
		return -ENOMEM;
	if (c->cfg.rekey_packets || c->cfg.rekey_bytes || c->cfg.rekey_us) {
		struct rmdt_keys_limits limits = rmdt_keys_default_limits(c->cfg.suite);

		if (c->cfg.rekey_packets)
			limits.rekey_pkts = rmdt_conn_least(limits.rekey_pkts, c->cfg.rekey_packets);
		if (c->cfg.rekey_bytes)
			limits.rekey_blocks = rmdt_conn_least(limits.rekey_blocks, c->cfg.rekey_bytes / 16);
		if (c->cfg.rekey_us)
			limits.rekey_age_us = rmdt_conn_least(limits.rekey_age_us, c->cfg.rekey_us);
		rmdt_keys_set_limits(c->keys, &limits);
	}
	c->tx_limit = c->remote_params.peer_credit_bytes;
	rmdt_credit_init(&c->rx_credit, 0, rmdt_credit_first_peer(c->cfg.window_cap_bytes),
			 c->cfg.window_cap_bytes);
	c->shares = rmdt_conn_role(c) == RMDT_TUNNEL;
	if (c->shares)
		rmdt_credit_open(&c->rx_credit);
	max = rmdt_conn_least(c->cfg.mtu_max_bytes, c->remote_params.max_payload_bytes);
	if (c->cfg.mtu_fixed || max <= RMDT_BASE_BYTES)
		rmdt_pmtu_init_fixed(&c->pmtu, (uint32_t)max);
	else
		rmdt_pmtu_init(&c->pmtu, RMDT_PMTU_BASE, (uint32_t)max);
	rmdt_pacer_init(&c->pacer, now_us, rmdt_cc_pacing_rate(c->cc), RMDT_BASE_BYTES);
	rmdt_pacer_init(&c->tail_pacer, now_us, 0, RMDT_TAIL_BYTES);
	c->lossy_until_us = now_us + CONN_LOSSY_US;
	rmdt_conn_update_mtu(c, now_us);
	if (seen_rtt_us(c) > 0 && c->resumed_us == 0) {	/* not if this process stood still in it */
		rmdt_rtt_sample(&c->rtt, now_us, seen_rtt_us(c), 0);
		rmdt_acks_set_rtt(&c->acks, c->rtt.srtt_us);
		rmdt_cc_set_initial_rtt(c->cc, c->rtt.srtt_us, now_us);
		rmdt_pacer_set_rate(&c->pacer, now_us, rmdt_cc_pacing_rate(c->cc));
	}
	c->state = CONN_UP;
	c->up_us = c->last_heard_us = now_us;
	c->ev_up = true;
	if (c->shares)
		rmdt_conn_due(c, CDUE_CREDIT);
	if (!c->cfg.initiator) {	/* H6: tell the initiator that its FINISH is here */
		rmdt_handshake_free(c->hs);
		c->hs = NULL;
		rmdt_conn_due(c, CDUE_PING);
	}
	return 0;
}

void rmdt_conn_due(struct rmdt_conn *c, uint32_t due)
{
	c->due |= due;
	c->pending = true;
}

uint64_t rmdt_conn_pto_us(const struct rmdt_conn *c)
{
	return rmdt_rtt_pto_us(&c->rtt, RMDT_ACKS_MAX_DELAY_US);
}

void rmdt_conn_say_close(struct rmdt_conn *c)
{
	if (c->close_said >= CONN_CLOSE_TIMES)
		return;
	c->close_said++;
	rmdt_conn_due(c, CDUE_CLOSE);
}

/* How long stragglers are answered: with CLOSE, or with a reject. A handshake that only took too long has nothing to say. */
static uint64_t drain_time_us(const struct rmdt_conn *c, unsigned code)
{
	if (c->state == CONN_UP)
		return rmdt_conn_least(CONN_CLOSE_TIMES * rmdt_conn_pto_us(c), CONN_DRAIN_US);
	return code == RMDT_CODE_TIMEOUT ? 0 : CONN_DRAIN_US;
}

/* Ends the association here; say: the far end is told. */
void rmdt_conn_break(struct rmdt_conn *c, uint64_t now_us, unsigned code, const char *reason, bool say)
{
	if (c->state == CONN_CLOSING || c->state == CONN_DRAINED)
		return;
	rmdt_conn_forget_tokens(c, now_us);
	c->drain_us = now_us + drain_time_us(c, code);
	if (c->state == CONN_HANDSHAKE && rmdt_handshake_state(c->hs) != RMDT_HANDSHAKE_FAILED) {
		rmdt_handshake_free(c->hs);	/* nobody wants an answer any more */
		c->hs = NULL;
	}
	c->state = CONN_CLOSING;
	c->down_code = code;
	memset(c->down_reason, 0, sizeof(c->down_reason));
	strncpy(c->down_reason, reason, RMDT_REASON_BYTES);
	c->ev_up = false;
	c->ev_down = true;
	rmdt_conn_break_outs(c, code, c->down_reason);
	rmdt_conn_break_ins(c, code, c->down_reason);
	c->unheard = 0;
	c->due = 0;
	c->close_said = say && c->keys ? 0 : CONN_CLOSE_TIMES;
	c->close_us = now_us + rmdt_conn_pto_us(c);
	rmdt_conn_say_close(c);
	c->pending = true;
	if (c->drain_us == now_us)
		c->state = CONN_DRAINED;
}

void rmdt_conn_update_mtu(struct rmdt_conn *c, uint64_t now_us)
{
	uint32_t mtu = rmdt_pmtu_current(&c->pmtu);

	if (mtu == c->mtu)
		return;
	c->mtu = mtu;
	rmdt_cc_set_mss(c->cc, mtu);
	rmdt_pacer_set_mtu(&c->pacer, now_us, mtu);
	rmdt_pacer_set_rate(&c->pacer, now_us, rmdt_cc_pacing_rate(c->cc));
	c->pending = true;
}

void rmdt_conn_too_big(struct rmdt_conn *c, uint64_t now_us, size_t bytes)
{
	rmdt_pmtu_on_emsgsize(&c->pmtu, now_us, (uint32_t)bytes);
	if (c->state == CONN_UP)
		rmdt_conn_update_mtu(c, now_us);
}

/* ---- hearing ---- */

static void receive_handshake(struct rmdt_conn *c, uint64_t now_us, const uint8_t *buf, size_t len,
			      const struct rmdt_addr *from)
{
	struct rmdt_handshake_packet p;

	if (rmdt_handshake_read(buf, len, &p) < 0) {
		c->counters.dropped_malformed++;
		return;
	}
	if (c->hs) {
		if (!rmdt_handshake_receive(c->hs, now_us, &p, buf))
			c->counters.dropped_malformed++;
		c->pending = true;
		rmdt_conn_tick_handshake(c, now_us);
		return;
	}
	if (c->state != CONN_UP)
		return;
	if (p.type == RMDT_HS_FINISH) {	/* H6: ours was lost */
		rmdt_conn_due(c, CDUE_PING);
	} else if (p.type == RMDT_HS_UNKNOWN && p.scid == c->remote_cid && rmdt_addr_equal(from, &c->remote) &&
		   now_us >= c->hint_us) {
		c->hint_us = now_us + CONN_HINT_EVERY_US;
		c->ev_hint = true;
	}
}

/* L5: whoever still talks to a closed association is told again. */
static void receive_closing(struct rmdt_conn *c, uint64_t now_us, uint8_t *buf, size_t len,
			    const struct rmdt_addr *from, enum rmdt_form form)
{
	if (form == RMDT_FORM_HANDSHAKE) {
		receive_handshake(c, now_us, buf, len, from);
		return;
	}
	if (form == RMDT_FORM_CTRL && rmdt_conn_hears_close(c, now_us, buf, len)) {
		c->drain_us = now_us;	/* both know: nothing more will come */
		c->pending = true;
	} else {
		rmdt_conn_say_close(c);
	}
}

void rmdt_conn_receive(struct rmdt_conn *c, uint64_t now_us, uint8_t *buf, size_t len, unsigned ecn,
		       const struct rmdt_addr *from)
{
	uint32_t cid;
	enum rmdt_form form = rmdt_packet_form(buf, len, &cid);

	rmdt_conn_forgive_pause(c, now_us);
	if (form == RMDT_FORM_BAD) {
		c->counters.dropped_malformed++;
	} else if (c->state == CONN_CLOSING) {
		receive_closing(c, now_us, buf, len, from, form);
	} else if (form == RMDT_FORM_HANDSHAKE) {
		receive_handshake(c, now_us, buf, len, from);
	} else if (c->state == CONN_UP && cid == c->cfg.local_cid) {
		if (form == RMDT_FORM_DATA)
			rmdt_conn_receive_data(c, now_us, buf, len, ecn, from);
		else
			rmdt_conn_receive_ctrl(c, now_us, buf, len, ecn, from);
	}
}

/* ---- events and decisions ---- */

static bool flow_event(struct rmdt_conn *c, struct rmdt_conn_event *e)
{
	struct rmdt_inflow *in = c->events_in;
	struct rmdt_outflow *of = c->events_out;

	if (in) {
		c->events_in = in->next_event;
		if (!c->events_in)
			c->events_in_tail = &c->events_in;
		in->in_events = false;
		e->kind = in->state == RMDT_INFLOW_OFFERED ? RMDT_CONN_OFFER : RMDT_CONN_IN;
		e->in = in;
		e->flags = in->event_flags;
		in->event_flags = 0;
		return true;
	}
	if (of) {
		c->events_out = of->next_event;
		if (!c->events_out)
			c->events_out_tail = &c->events_out;
		of->in_events = false;
		e->kind = RMDT_CONN_OUT;
		e->out = of;
		e->flags = of->event_flags;
		of->event_flags = 0;
		return true;
	}
	return false;
}

bool rmdt_conn_event(struct rmdt_conn *c, struct rmdt_conn_event *e)
{
	*e = (struct rmdt_conn_event){ .kind = RMDT_CONN_NONE };
	if (c->hs && rmdt_handshake_state(c->hs) == RMDT_HANDSHAKE_ADMIT && !c->admit_asked) {
		c->admit_asked = true;
		e->kind = RMDT_CONN_ADMIT;
	} else if (c->ev_up) {
		c->ev_up = false;
		e->kind = RMDT_CONN_UP;
	} else if (c->ev_moved) {
		c->ev_moved = false;
		e->kind = RMDT_CONN_MOVED;
	} else if (c->ev_hint) {
		c->ev_hint = false;
		e->kind = RMDT_CONN_RESTART_HINT;
	} else if (flow_event(c, e)) {
		return true;
	} else if (c->rx_messages_news && rmdt_messages_front(c->rx_messages)) {
		c->rx_messages_news = false;
		e->kind = RMDT_CONN_MESSAGE;
	} else if (c->ev_down) {
		c->ev_down = false;
		e->kind = RMDT_CONN_DOWN;
		e->code = c->down_code;
		memcpy(e->reason, c->down_reason, sizeof(e->reason));
	}
	c->asks = c->asks && e->kind != RMDT_CONN_NONE;
	return e->kind != RMDT_CONN_NONE;
}

bool rmdt_conn_asks(const struct rmdt_conn *c)
{
	return c->asks;
}

void rmdt_conn_admit(struct rmdt_conn *c, uint64_t now_us, unsigned code, const char *reason)
{
	if (c->state != CONN_HANDSHAKE || rmdt_handshake_state(c->hs) != RMDT_HANDSHAKE_ADMIT)
		return;
	c->pending = true;
	rmdt_handshake_admit(c->hs, now_us, code, reason);
	if (rmdt_handshake_state(c->hs) == RMDT_HANDSHAKE_FAILED) {
		rmdt_conn_tick_handshake(c, now_us);
		return;
	}
	if (go_up(c, now_us) < 0)
		rmdt_conn_break(c, now_us, RMDT_CODE_INTERNAL, "out of memory", false);
}

void rmdt_conn_close(struct rmdt_conn *c, uint64_t now_us, unsigned code, const char *reason)
{
	if (!reason || !reason[0])
		reason = rmdt_code_text(code);
	rmdt_conn_break(c, now_us, code, reason, c->state == CONN_UP);
}

bool rmdt_conn_is_up(const struct rmdt_conn *c)
{
	return c->state == CONN_UP;
}

bool rmdt_conn_is_drained(const struct rmdt_conn *c)
{
	return c->state == CONN_DRAINED;
}

bool rmdt_conn_is_settled(const struct rmdt_conn *c)
{
	return c->state != CONN_UP || (c->unheard == 0 && c->hard_due == 0 && c->reliable_out == 0);
}

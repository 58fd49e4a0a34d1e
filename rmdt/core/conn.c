/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences the leaves: life of a conn, time, events, what it knows. */
#include "core/conn.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- birth and death ---- */

static int start_handshake(struct rmdt_conn *c, uint64_t now_us)
{
	struct rmdt_handshake_config h = {
		.initiator = c->cfg.initiator, .suite = c->cfg.suite, .static_private = c->cfg.static_private,
		.psk = c->cfg.psk, .timeout_us = c->cfg.connect_timeout_us,
		.params = {
			.cid = c->cfg.local_cid, .max_payload_bytes = c->cfg.mtu_max_bytes,
			.cipher_none = c->cfg.cipher_none,
			.peer_credit_bytes = least(RMDT_CREDIT_PEER_BYTES, c->cfg.window_cap_bytes),
			.flow_credit_bytes = least(RMDT_CREDIT_FLOW_BYTES, c->cfg.window_cap_bytes),
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
		.hint_rate = c->cfg.hint_rate, .hint_rtt_us = c->cfg.hint_rtt_us,
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
	c->remote = cfg->remote;
	rmdt_rng_init(&c->rng, cfg->seed);
	OPENSSL_cleanse(c->cfg.seed, sizeof(c->cfg.seed));
	rmdt_acks_init(&c->acks);
	rmdt_rtt_init(&c->rtt, 0);
	rmdt_loss_init(&c->loss, &c->rtt, CONN_MAX_SENT, RMDT_ACKS_MAX_DELAY_US);
	rmdt_rate_init(&c->rate);
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
	rmdt_conn_free_flows(c);
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
			limits.rekey_pkts = least(limits.rekey_pkts, c->cfg.rekey_packets);
		if (c->cfg.rekey_bytes)
			limits.rekey_blocks = least(limits.rekey_blocks, c->cfg.rekey_bytes / 16);
		if (c->cfg.rekey_us)
			limits.rekey_age_us = least(limits.rekey_age_us, c->cfg.rekey_us);
		rmdt_keys_set_limits(c->keys, &limits);
	}
	c->tx_limit = c->remote_params.peer_credit_bytes;
	rmdt_credit_init(&c->rx_credit, 0, least(RMDT_CREDIT_PEER_BYTES, c->cfg.window_cap_bytes),
			 c->cfg.window_cap_bytes);
	max = least(c->cfg.mtu_max_bytes, c->remote_params.max_payload_bytes);
	if (c->cfg.mtu_fixed || max <= RMDT_BASE_BYTES)
		rmdt_pmtu_init_fixed(&c->pmtu, (uint32_t)max);
	else
		rmdt_pmtu_init(&c->pmtu, RMDT_PMTU_BASE, (uint32_t)max);
	rmdt_pacer_init(&c->pacer, now_us, rmdt_cc_pacing_rate(c->cc), RMDT_BASE_BYTES);
	rmdt_conn_update_mtu(c, now_us);
	if (rmdt_handshake_rtt_us(c->hs) > 0 && c->resumed_us == 0) {	/* not if this process stood still in it */
		rmdt_rtt_sample(&c->rtt, now_us, rmdt_handshake_rtt_us(c->hs), 0);
		rmdt_acks_set_rtt(&c->acks, c->rtt.srtt_us);
		rmdt_cc_set_initial_rtt(c->cc, c->rtt.srtt_us, now_us);
		rmdt_pacer_set_rate(&c->pacer, now_us, rmdt_cc_pacing_rate(c->cc));
	}
	c->state = CONN_UP;
	c->up_us = c->last_heard_us = now_us;
	c->ev_up = true;
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

static uint64_t pto_us(const struct rmdt_conn *c)
{
	return rmdt_rtt_pto_us(&c->rtt, RMDT_ACKS_MAX_DELAY_US);
}

static void say_close(struct rmdt_conn *c)
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
		return least(CONN_CLOSE_TIMES * pto_us(c), CONN_DRAIN_US);
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
	rmdt_conn_break_flows(c, code, c->down_reason);
	c->due = 0;
	c->close_said = say && c->keys ? 0 : CONN_CLOSE_TIMES;
	c->close_us = now_us + pto_us(c);
	say_close(c);
	c->pending = true;
	if (c->drain_us == now_us)
		c->state = CONN_DRAINED;
}

/* ---- time ---- */

/*
 * A timer that comes much too late tells that this process was stopped (or the machine slept). Silence in that time is no
 * evidence about the far end (L1).
 */
static void forgive_pause(struct rmdt_conn *c, uint64_t now_us)
{
	uint64_t due = rmdt_conn_deadline_us(c), late;

	if (due == 0 || due > now_us)
		return;
	/* The deadline stays in the past until the next tick; a pause is forgiven once. */
	late = now_us - (due > c->resumed_us ? due : c->resumed_us);
	if (late < CONN_STOPPED_US)
		return;
	c->last_heard_us = least(c->last_heard_us + late, now_us);
	c->pto_since_us = least(c->pto_since_us + late, now_us);
	c->resumed_us = now_us;
	if (c->hs)
		rmdt_handshake_shift(c->hs, late);
}

static void tick_handshake(struct rmdt_conn *c, uint64_t now_us)
{
	const char *reason;
	unsigned code;

	if (!c->hs)
		return;
	rmdt_handshake_tick(c->hs, now_us);
	if (rmdt_handshake_state(c->hs) == RMDT_HANDSHAKE_ADMIT && !c->admit_asked) {
		memcpy(c->remote_key, rmdt_handshake_remote_key(c->hs), sizeof(c->remote_key));
		c->asks = true;
	}
	if (rmdt_handshake_state(c->hs) == RMDT_HANDSHAKE_FAILED) {
		code = rmdt_handshake_code(c->hs, &reason);
		rmdt_conn_break(c, now_us, code, reason, false);
	}
}

static void tick_keys(struct rmdt_conn *c, uint64_t now_us)
{
	uint8_t priv[32];

	rmdt_keys_expire(c->keys, now_us);
	if (!rmdt_keys_wants_rekey(c->keys, now_us))
		return;
	rmdt_rng_bytes(&c->rng, priv, sizeof(priv));
	if (rmdt_keys_rekey_start(c->keys, priv, now_us, c->rekey_pub, &c->rekey_generation) == 0)
		rmdt_conn_due(c, CDUE_REKEY);
	OPENSSL_cleanse(priv, sizeof(priv));
}

static uint64_t keepalive_at(const struct rmdt_conn *c)
{
	uint64_t from = c->last_heard_us > c->last_ping_us ? c->last_heard_us : c->last_ping_us;

	/* The side that was asked waits longer: after a silence one PING is enough for both. */
	return from + c->cfg.keepalive_us + (c->cfg.initiator ? 0 : c->cfg.keepalive_us / 4);
}

/* A quiet association holds no blocks and no large books. */
static void save_memory(struct rmdt_conn *c, uint64_t now_us)
{
	if (now_us >= c->last_sent_us + CONN_IDLE_US)
		rmdt_loss_trim(&c->loss);
	for (struct rmdt_inflow *in = c->all_ins; in; in = in->next_all)
		if (in->state == RMDT_INFLOW_LIVE)
			rmdt_recvbuf_idle(in->recvbuf);
}

static void tick_liveness(struct rmdt_conn *c, uint64_t now_us)
{
	/* Who talks but acks nothing for so long does not hear us, and would have us remember all that we say. */
	if (now_us >= c->last_heard_us + c->cfg.dead_after_us ||
	    (c->pto_count > 0 && now_us >= c->pto_since_us + c->cfg.dead_after_us)) {
		rmdt_conn_break(c, now_us, RMDT_CODE_TIMEOUT, "no word for the dead-after time", true);
		return;
	}
	if (now_us >= keepalive_at(c)) {
		c->last_ping_us = now_us;
		rmdt_conn_due(c, CDUE_PING);
		save_memory(c, now_us);
	}
}

/* L5: the far end may sit still, so CLOSE is repeated without being asked for. */
static void tick_closing(struct rmdt_conn *c, uint64_t now_us)
{
	if (c->state != CONN_CLOSING)
		return;
	if (now_us >= c->drain_us) {
		c->state = CONN_DRAINED;
	} else if (now_us >= c->close_us) {
		say_close(c);
		c->close_us = now_us + pto_us(c);
	}
}

void rmdt_conn_tick(struct rmdt_conn *c, uint64_t now_us)
{
	forgive_pause(c, now_us);
	tick_closing(c, now_us);
	tick_handshake(c, now_us);
	if (c->state != CONN_UP)
		return;
	if (rmdt_loss_deadline_us(&c->loss) <= now_us)
		rmdt_conn_detect(c, now_us);
	if (rmdt_loss_pto_deadline_us(&c->loss, c->pto_count) <= now_us)
		rmdt_conn_on_pto(c, now_us);
	tick_keys(c, now_us);
	tick_liveness(c, now_us);
}

static uint64_t up_deadline(const struct rmdt_conn *c)
{
	uint64_t t = rmdt_acks_due_us(&c->acks);

	t = least(t, rmdt_loss_deadline_us(&c->loss));
	t = least(t, rmdt_loss_pto_deadline_us(&c->loss, c->pto_count));
	t = least(t, c->send_wait_us);
	t = least(t, c->state_due_us);
	t = least(t, keepalive_at(c));
	t = least(t, c->last_heard_us + c->cfg.dead_after_us);
	t = least(t, rmdt_keys_next_us(c->keys));
	/* A probe that could not go waits for whatever held it back, not for the clock. */
	if (c->wants_mtu && (!c->probe_wait || rmdt_pmtu_deadline_us(&c->pmtu) > 0))
		t = least(t, rmdt_pmtu_deadline_us(&c->pmtu));
	return t;
}

uint64_t rmdt_conn_deadline_us(const struct rmdt_conn *c)
{
	uint64_t t = c->hs ? rmdt_handshake_deadline_us(c->hs) : UINT64_MAX;

	if (c->state == CONN_DRAINED)
		return RMDT_CONN_NEVER;
	if (c->pending)
		return 0;
	if (c->state == CONN_CLOSING)
		return least(t, c->close_said < CONN_CLOSE_TIMES ? least(c->close_us, c->drain_us) : c->drain_us);
	return c->state == CONN_UP ? least(t, up_deadline(c)) : t;
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
		tick_handshake(c, now_us);
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
		say_close(c);
	}
}

void rmdt_conn_receive(struct rmdt_conn *c, uint64_t now_us, uint8_t *buf, size_t len, unsigned ecn,
		       const struct rmdt_addr *from)
{
	uint64_t cid;
	enum rmdt_form form = rmdt_packet_form(buf, len, &cid);

	forgive_pause(c, now_us);
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
		tick_handshake(c, now_us);
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

/* ---- what it knows ---- */

const struct rmdt_conn_counters *rmdt_conn_counters(const struct rmdt_conn *c)
{
	return &c->counters;
}

const struct rmdt_addr *rmdt_conn_remote(const struct rmdt_conn *c)
{
	return &c->remote;
}

const uint8_t *rmdt_conn_remote_key(const struct rmdt_conn *c)
{
	return c->remote_key;
}

static const struct rmdt_params *params(const struct rmdt_conn *c)
{
	return c->hs && c->state == CONN_HANDSHAKE ? rmdt_handshake_remote(c->hs) : &c->remote_params;
}

const uint8_t *rmdt_conn_remote_instance(const struct rmdt_conn *c)
{
	return params(c)->instance;
}

const char *rmdt_conn_remote_name(const struct rmdt_conn *c)
{
	return params(c)->name;
}

uint8_t rmdt_conn_role(const struct rmdt_conn *c)
{
	return c->cfg.initiator ? c->cfg.role : params(c)->role;
}

uint64_t rmdt_conn_local_cid(const struct rmdt_conn *c)
{
	return c->cfg.local_cid;
}

bool rmdt_conn_used_psk(const struct rmdt_conn *c)
{
	return c->cfg.psk != NULL;
}

void rmdt_conn_set_cap_rate(struct rmdt_conn *c, uint64_t bytes_per_s)
{
	rmdt_cc_set_cap_rate(c->cc, bytes_per_s);
	if (c->state == CONN_UP)
		rmdt_pacer_set_rate(&c->pacer, c->last_sent_us, rmdt_cc_pacing_rate(c->cc));
	c->pending = true;
}

void rmdt_conn_info(const struct rmdt_conn *c, uint64_t now_us, struct rmdt_peer_info *info)
{
	struct rmdt_cc_info cc;

	rmdt_cc_info_get(c->cc, &cc);
	info->up = c->state == CONN_UP;
	info->inbound = !c->cfg.initiator;
	memcpy(info->key, c->remote_key, sizeof(info->key));
	memcpy(info->instance, params(c)->instance, sizeof(info->instance));
	memcpy(info->name, params(c)->name, sizeof(info->name));
	info->rtt_us = rmdt_rtt_is_known(&c->rtt) ? c->rtt.srtt_us : 0;
	info->min_rtt_us = rmdt_rtt_is_known(&c->rtt) ? c->rtt.min_us : 0;
	info->rate_bytes_per_s = cc.bandwidth;
	info->pacing_bytes_per_s = cc.pacing_rate;
	info->cwnd_bytes = cc.cwnd_bytes;
	info->in_flight_bytes = rmdt_loss_inflight_bytes(&c->loss);
	info->mtu_bytes = rmdt_pmtu_current(&c->pmtu);
	info->packets_sent = c->counters.packets_sent;
	info->packets_lost = c->counters.packets_lost - least(c->counters.packets_lost, c->counters.packets_spurious);
	info->packets_received = c->counters.packets_received;
	info->chunk_bytes_sent = c->counters.chunk_bytes_sent;
	info->chunk_bytes_repaired = c->counters.chunk_bytes_repaired;
	info->feedback_bytes_sent = c->counters.feedback_bytes_sent;
	info->age_us = c->up_us ? now_us - c->up_us : 0;
	info->silent_us = now_us > c->last_heard_us ? now_us - c->last_heard_us : 0;
	info->cc = cc.name;
	info->cc_state = cc.state;
	info->limited_by = c->limited_by;
	info->rekeys = c->counters.rekeys;
	info->moves = c->counters.moves;
}

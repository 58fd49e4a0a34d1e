/* SPDX-License-Identifier: Apache-2.0 */
/* Time: what is due, when next, and what silence means. */
#include <openssl/crypto.h>
#include <string.h>

#include "core/conn_impl.h"

/*
 * A timer that comes much too late tells that this process was stopped (or the machine slept). Silence in that time is no
 * evidence about the far end (L1).
 */
void rmdt_conn_forgive_pause(struct rmdt_conn *c, uint64_t now_us)
{
	uint64_t due = rmdt_conn_deadline_us(c), late;

	if (due == 0 || due > now_us)
		return;
	/* The deadline stays in the past until the next tick; a pause is forgiven once. */
	late = now_us - (due > c->resumed_us ? due : c->resumed_us);
	if (late < CONN_STOPPED_US)
		return;
	c->last_heard_us = rmdt_conn_least(c->last_heard_us + late, now_us);
	c->pto_since_us = rmdt_conn_least(c->pto_since_us + late, now_us);
	c->resumed_us = now_us;
	if (c->hs)
		rmdt_handshake_shift(c->hs, late);
}

void rmdt_conn_tick_handshake(struct rmdt_conn *c, uint64_t now_us)
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
		rmdt_conn_say_close(c);
		c->close_us = now_us + rmdt_conn_pto_us(c);
	}
}

void rmdt_conn_tick(struct rmdt_conn *c, uint64_t now_us)
{
	rmdt_conn_forgive_pause(c, now_us);
	tick_closing(c, now_us);
	rmdt_conn_tick_handshake(c, now_us);
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

	t = rmdt_conn_least(t, rmdt_loss_deadline_us(&c->loss));
	t = rmdt_conn_least(t, rmdt_loss_pto_deadline_us(&c->loss, c->pto_count));
	t = rmdt_conn_least(t, c->send_wait_us);
	t = rmdt_conn_least(t, c->state_due_us);
	t = rmdt_conn_least(t, keepalive_at(c));
	t = rmdt_conn_least(t, c->last_heard_us + c->cfg.dead_after_us);
	t = rmdt_conn_least(t, rmdt_keys_next_us(c->keys));
	/* A probe that could not go waits for whatever held it back, not for the clock. */
	if (c->wants_mtu && (!c->probe_wait || rmdt_pmtu_deadline_us(&c->pmtu) > 0))
		t = rmdt_conn_least(t, rmdt_pmtu_deadline_us(&c->pmtu));
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
		return rmdt_conn_least(t, c->close_said < CONN_CLOSE_TIMES ? rmdt_conn_least(c->close_us, c->drain_us) : c->drain_us);
	return c->state == CONN_UP ? rmdt_conn_least(t, up_deadline(c)) : t;
}

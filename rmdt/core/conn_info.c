/* SPDX-License-Identifier: Apache-2.0 */
/* What a conn knows of itself and the far end, for the owner. */
#include <string.h>

#include "core/conn_impl.h"

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

uint32_t rmdt_conn_local_cid(const struct rmdt_conn *c)
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

void rmdt_conn_set_hint(struct rmdt_conn *c, uint64_t rate, uint64_t rtt_us)
{
	rmdt_cc_set_hint(c->cc, rate, rtt_us);
}

bool rmdt_conn_path(const struct rmdt_conn *c, uint64_t *rate, uint64_t *rtt_us)
{
	struct rmdt_cc_info cc;

	rmdt_cc_info_get(c->cc, &cc);
	if (cc.path_rate == 0 || cc.min_rtt_us == 0)
		return false;
	*rate = cc.path_rate;
	*rtt_us = cc.min_rtt_us;
	return true;
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
	info->packets_lost = c->counters.packets_lost - rmdt_conn_least(c->counters.packets_lost, c->counters.packets_spurious);
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

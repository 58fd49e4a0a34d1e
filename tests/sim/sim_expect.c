/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_expect.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/blocks.h"

/* A death is noticed this long after dead_after at the latest: what was under way, and a timer's turn. */
#define NOTICE_US	UINT64_C(3000000)
/* Outages that come this close to dead_after may end either way. */
#define MARGIN_US	UINT64_C(3000000)

/* ---- the path ---- */

static double path_loss(const struct emu_params *p)
{
	double bad = p->ge_leave > 0 ? p->ge_enter / (p->ge_enter + p->ge_leave) : 0;
	double burst = bad * p->ge_bad + (1 - bad) * p->ge_good;

	return 1 - (1 - p->loss) * (1 - burst) * (1 - p->corrupt);
}

static double min_rate(double a, double b)
{
	return a < b ? a : b;
}

static double rtt_us(const struct sim_receiver_plan *r)
{
	return (double)(r->there.delay_us + r->back.delay_us + r->there.jitter_us + r->back.jitter_us);
}

static double datagram_bytes(const struct sim_plan *plan, const struct sim_receiver_plan *r)
{
	double size = plan->mtu < 1200 ? 1200 : plan->mtu;

	if (r->there.mtu && r->there.mtu - 28 < size)
		size = r->there.mtu - 28;
	if (r->shrink_us != SIM_NEVER && r->shrink_mtu - 28 < size)
		size = r->shrink_mtu - 28;
	return size;
}

/* Payload bytes/s that the path to receiver i carries at best with the congestion control of the plan. */
static double path_rate(const struct sim_plan *plan, unsigned i)
{
	const struct sim_receiver_plan *r = &plan->receiver[i];
	double p = path_loss(&r->there), size = datagram_bytes(plan, r), share = (size - 31) / (size + 28);
	double rate = r->there.shape.rate_bps ? (double)r->there.shape.rate_bps / 8 : 1e12;
	double rtt_s = rtt_us(r) / 1e6, hold_s = 0;

	if (plan->uplink.rate_bps)
		rate = min_rate(rate, (double)plan->uplink.rate_bps / 8 / plan->receivers);
	if (plan->fixed_rate && strcmp(plan->cc, "fixed") == 0)
		rate = min_rate(rate, (double)plan->fixed_rate);
	rate *= (1 - p) * share;
	if (strcmp(plan->cc, "cubic") == 0 && p > 0)	/* Mathis */
		rate = min_rate(rate, size / (rtt_s + 0.001) * 1.0 / sqrt(p));
	/* Of a small buffer one block lies half used at either end; what waits for a repair is held for a while. */
	if (r->there.shape.queue_us)
		hold_s = (double)r->there.shape.queue_us / 1e6;
	rate = min_rate(rate, ((double)plan->buffer_bytes * 0.5) / (rtt_s * (1 + 8 * p) + hold_s + 0.03));
	return rate;
}

uint64_t sim_ideal_us(const struct sim_plan *plan, unsigned i)
{
	const struct sim_receiver_plan *r = &plan->receiver[i];
	double rate = path_rate(plan, i), s;

	if (r->consume_rate)
		rate = min_rate(rate, (double)r->consume_rate);
	if (plan->write_rate)
		rate = min_rate(rate, (double)plan->write_rate);
	s = (double)plan->bytes / rate;
	return plan->write_us + (uint64_t)(s * 1e6 + 2.5 * rtt_us(r));
}

/* ---- outages ---- */

static uint64_t longest_outage(const struct sim_plan *plan, const struct sim_receiver_plan *r)
{
	uint64_t most = 0;

	if (r->pause_us != SIM_NEVER)
		most = r->resume_us == SIM_NEVER ? SIM_NEVER : r->resume_us - r->pause_us;
	if (r->cut_us != SIM_NEVER && most != SIM_NEVER) {
		uint64_t cut = r->heal_us == SIM_NEVER ? SIM_NEVER : r->heal_us - r->cut_us;

		most = cut > most ? cut : most;
	}
	if (r->die_us != SIM_NEVER)
		most = SIM_NEVER;
	(void)plan;
	return most;
}

static uint64_t outage_begins(const struct sim_receiver_plan *r)
{
	uint64_t t = r->pause_us < r->cut_us ? r->pause_us : r->cut_us;

	return r->die_us < t ? r->die_us : t;
}

/* The association is certainly up by then, if the path is. */
static uint64_t up_by_us(const struct sim_plan *plan, const struct sim_receiver_plan *r)
{
	uint64_t up_us = 2000000 + 4 * (uint64_t)rtt_us(r);

	return plan->sender_pause_us < up_us ? plan->sender_resume_us + up_us : up_us;
}

/*
 * A handshake may fail for good when a side moves in the middle of it, or stands still so long that the other gives up:
 * the initiator finds out only by silence.
 */
static bool is_unsure(const struct sim_plan *plan, const struct sim_receiver_plan *r)
{
	if (r->move_us != SIM_NEVER && r->move_us < up_by_us(plan, r))
		return true;
	return plan->sender_pause_us < up_by_us(plan, r) &&
	       plan->sender_resume_us - plan->sender_pause_us + MARGIN_US > plan->connect_timeout_us;
}

/* Time that outages may add to the transfer of receiver i, or that its death holds up the others. */
static uint64_t outage_cost_us(const struct sim_plan *plan, const struct sim_receiver_plan *r)
{
	uint64_t cost = 0, outage = longest_outage(plan, r), dead = plan->dead_after_us + NOTICE_US;

	if (outage != 0)
		cost += (outage < dead ? outage : dead) + (outage_begins(r) < SIM_NEVER ? outage_begins(r) : 0) +
			NOTICE_US;
	if (r->restart_us != SIM_NEVER)
		cost += r->restart_us + dead;
	if (r->move_us != SIM_NEVER)	/* only what the mover says by itself shows where it is now */
		cost += r->move_us + plan->dead_after_us / 2 + NOTICE_US;
	if (r->shrink_us != SIM_NEVER || r->there.mtu)
		cost += 2 * NOTICE_US;
	if (plan->sender_pause_us != SIM_NEVER)
		cost += plan->sender_resume_us - plan->sender_pause_us + NOTICE_US;
	if (is_unsure(plan, r))
		cost += dead;
	return cost;
}

uint64_t sim_limit_us(const struct sim_plan *plan)
{
	uint64_t slowest = 0, outages = 0;

	for (unsigned i = 0; i < plan->receivers; i++) {
		const struct sim_receiver_plan *r = &plan->receiver[i];
		double queue_us = (double)r->there.shape.queue_us;
		uint64_t t = 3 * sim_ideal_us(plan, i) + (uint64_t)(40 * rtt_us(r) + 10 * queue_us);

		slowest = t > slowest ? t : slowest;
		outages += outage_cost_us(plan, r);
		if (plan->sender_die_us != SIM_NEVER && r->resume_us != SIM_NEVER)
			outages += r->resume_us;
		if (r->wrong_psk)
			outages += plan->connect_timeout_us;
	}
	if (plan->sender_die_us != SIM_NEVER)
		return plan->sender_die_us + plan->dead_after_us + plan->connect_timeout_us + slowest + outages +
		       NOTICE_US;
	return slowest + outages + 6000000;
}

/* ---- fates ---- */

static bool complain(struct sim_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool complain(struct sim_result *result, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(result->broken, sizeof(result->broken), format, ap);
	va_end(ap);
	result->ok = false;
	return false;
}

enum verdict { MUST_BE_CONFIRMED, MUST_BE_LOST, MAY_BE_EITHER };

static enum verdict expected(const struct sim_plan *plan, const struct sim_receiver_plan *r)
{
	uint64_t outage = longest_outage(plan, r);
	bool early;

	if (r->wrong_psk)
		return MUST_BE_LOST;
	/* An outage before the association is up meets the connect timeout instead. */
	early = outage > 0 && outage_begins(r) < up_by_us(plan, r);
	if (is_unsure(plan, r))
		return MAY_BE_EITHER;
	if (early && outage + MARGIN_US > plan->connect_timeout_us)
		return outage == SIM_NEVER && outage_begins(r) == 0 ? MUST_BE_LOST : MAY_BE_EITHER;
	if (r->restart_us != SIM_NEVER || outage + MARGIN_US > plan->dead_after_us || outage == SIM_NEVER)
		return MAY_BE_EITHER;	/* perhaps it was done before: expect_lost looks closer */
	return MUST_BE_CONFIRMED;
}

/* Codes that a receiver may be lost with for its own reasons. */
static bool is_own_reason(const struct sim_plan *plan, const struct sim_receiver_plan *r, unsigned code)
{
	if (code == RMDT_CODE_TIMEOUT)
		return longest_outage(plan, r) > 0 || r->restart_us != SIM_NEVER || r->wrong_psk || is_unsure(plan, r);
	if (code == RMDT_CODE_PSK)
		return r->wrong_psk;
	if (code == RMDT_CODE_RESTARTED)
		return r->restart_us != SIM_NEVER;
	return false;
}

static bool is_policy(const struct sim_plan *plan, unsigned code)
{
	return plan->policy.kind != RMDT_POLICY_BLOCK && (code == RMDT_CODE_BEHIND || code == RMDT_CODE_LINGER);
}

/* A death must be noticed in time. */
static bool noticed_in_time(const struct sim_plan *plan, const struct sim_receiver_plan *r, uint64_t end_us)
{
	uint64_t begin = outage_begins(r), most = plan->dead_after_us > plan->connect_timeout_us ?
		plan->dead_after_us : plan->connect_timeout_us;

	if (r->restart_us < begin)
		begin = r->restart_us;
	if (plan->sender_pause_us != SIM_NEVER)
		most += plan->sender_resume_us - plan->sender_pause_us;
	return begin == SIM_NEVER || end_us <= begin + most + NOTICE_US;
}

static bool expect_fate(const struct sim_plan *plan, struct sim_result *result, unsigned i)
{
	const struct sim_receiver_plan *r = &plan->receiver[i];
	const struct sim_receiver_result *got = &result->receiver[i];
	enum verdict want = expected(plan, r);

	if (got->fate == SIM_LOST && is_policy(plan, got->code))
		return true;
	if (got->fate == SIM_CONFIRMED && want == MUST_BE_LOST)
		return complain(result, "receiver %u is confirmed, but should be lost", i);
	if (got->fate == SIM_CONFIRMED)
		return got->delivered_bytes == plan->bytes ||
		       complain(result, "receiver %u is confirmed with %llu bytes", i,
				(unsigned long long)got->delivered_bytes);
	if (want == MUST_BE_CONFIRMED)
		return complain(result, "receiver %u is lost: %s (%u) at %llu us", i, got->reason, got->code,
				(unsigned long long)got->end_us);
	if (!is_own_reason(plan, r, got->code))
		return complain(result, "receiver %u is lost for a strange reason: %s (%u)", i, got->reason, got->code);
	if (got->code == RMDT_CODE_TIMEOUT && !r->wrong_psk && !noticed_in_time(plan, r, got->end_us))
		return complain(result, "receiver %u was missed only at %llu us", i, (unsigned long long)got->end_us);
	return true;
}

/* The policies keep their promise: with all paths alive, a quorum of K is confirmed, and of `drop` somebody is. */
static bool expect_policy(const struct sim_plan *plan, struct sim_result *result)
{
	unsigned confirmed = 0, sure = 0, want;

	for (unsigned i = 0; i < plan->receivers; i++) {
		confirmed += result->receiver[i].fate == SIM_CONFIRMED;
		sure += expected(plan, &plan->receiver[i]) == MUST_BE_CONFIRMED;
	}
	want = plan->policy.kind == RMDT_POLICY_QUORUM ? plan->policy.quorum : 1;
	if (plan->policy.kind == RMDT_POLICY_BLOCK || sure < plan->receivers || confirmed >= want)
		return true;
	return complain(result, "only %u receivers are confirmed, the policy promises %u", confirmed, want);
}

/* ---- the sender died: nobody may take a part for the whole, and all hear of it in time ---- */

static bool expect_orphan(const struct sim_plan *plan, struct sim_result *result, unsigned i)
{
	const struct sim_receiver_result *got = &result->receiver[i];

	if (got->saw_end && got->delivered_bytes != plan->bytes)
		return complain(result, "receiver %u saw the end after %llu bytes", i,
				(unsigned long long)got->delivered_bytes);
	if (got->broke && plan->policy.kind == RMDT_POLICY_BLOCK && got->broke_us < plan->sender_die_us &&
	    expected(plan, &plan->receiver[i]) == MUST_BE_CONFIRMED)
		return complain(result, "receiver %u broke before its sender died", i);
	if (got->broke && got->broke_code != RMDT_CODE_TIMEOUT && plan->policy.kind == RMDT_POLICY_BLOCK)
		return complain(result, "receiver %u of a dead sender says code %u", i, got->broke_code);
	return true;
}

/* ---- economy ---- */

static bool expect_repairs(const struct sim_plan *plan, struct sim_result *result, unsigned i)
{
	const struct sim_receiver_plan *r = &plan->receiver[i];
	const struct sim_receiver_result *got = &result->receiver[i];
	double p = path_loss(&r->there), rate = (double)r->there.shape.rate_bps / 8, most, queue_us;

	/* Where the path itself is worse than p says, or changes, p is not what the sender sees. */
	if (got->fate != SIM_CONFIRMED || r->there.mtu || longest_outage(plan, r) || r->shrink_us != SIM_NEVER ||
	    r->move_us != SIM_NEVER || plan->sender_pause_us != SIM_NEVER || plan->uplink.rate_bps ||
	    r->there.ge_enter > 0 || r->back.ge_enter > 0 || r->there.reorder > 0 || r->back.reorder > 0)
		return true;
	queue_us = (double)r->there.shape.queue_us;
	most = (double)got->delivered_bytes * 1.05 / (1 - p);
	/* The start overshoots once by what path and queue hold, or by some first flights; luck at small numbers. */
	most += 2 * rate * (rtt_us(r) + queue_us) / 1e6 + 4 * sqrt(p * (double)plan->bytes * plan->mtu) +
		250.0 * plan->mtu;
	/* Small pieces go twice where something was lost. */
	if (rtt_us(r) >= 5000)
		most += fmin(rate / 8, 32768) * (double)got->end_us / 1e6;
	if ((double)got->chunk_bytes <= most)
		return true;
	return complain(result, "receiver %u was sent %llu bytes for %llu at a loss of %.3f", i,
			(unsigned long long)got->chunk_bytes, (unsigned long long)got->delivered_bytes, p);
}

/* The rule of 0.5 % is for bulk: a fast path, kept busy. */
static bool expect_feedback(const struct sim_plan *plan, struct sim_result *result, unsigned i)
{
	const struct sim_receiver_plan *r = &plan->receiver[i];
	const struct sim_receiver_result *got = &result->receiver[i];
	double most = 0.005 * (double)got->delivered_bytes + 12000;

	if (got->fate != SIM_CONFIRMED || plan->bytes < 2000000 || r->there.shape.rate_bps < 20000000 ||
	    plan->receivers > 1 || plan->write_rate || r->consume_rate || plan->fixed_rate ||
	    plan->buffer_bytes < 8u << 20 || longest_outage(plan, r) || r->move_us != SIM_NEVER ||
	    strcmp(plan->cc, "bbr") != 0 || plan->uplink.rate_bps)
		return true;
	/* What is lost is reported, and repeated until that is heard. */
	most *= 1 + 40 * path_loss(&r->there) + 20 * r->there.reorder + 20 * r->there.corrupt;
	if ((double)got->feedback_bytes <= most)
		return true;
	return complain(result, "receiver %u sent %llu bytes of feedback for %llu", i,
			(unsigned long long)got->feedback_bytes, (unsigned long long)got->delivered_bytes);
}

bool sim_expect(const struct sim_plan *plan, struct sim_result *result)
{
	if (result->peak_send_blocks > plan->buffer_bytes / RMDT_BLOCK_BYTES + 1 ||
	    result->peak_recv_blocks > plan->buffer_bytes / RMDT_BLOCK_BYTES + 1)
		return complain(result, "more blocks than the buffer has");
	for (unsigned i = 0; i < plan->receivers; i++) {
		if (plan->sender_die_us != SIM_NEVER) {
			if (!expect_orphan(plan, result, i))
				return false;
			continue;
		}
		if (!expect_fate(plan, result, i) || !expect_repairs(plan, result, i) ||
		    !expect_feedback(plan, result, i))
			return false;
	}
	return plan->sender_die_us != SIM_NEVER || expect_policy(plan, result);
}

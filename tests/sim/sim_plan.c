/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_plan.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "sim/sim_expect.h"

/*
 * Enough for start-up, loss, credit and rekeying, and little enough that ten thousand runs take
 * minutes.
 */
#define MOST_BYTES 4000000

struct dice {
	uint64_t state;
};

static double unit(struct dice *d)
{
	return (double)(emu_random(&d->state) >> 11) * 0x1.0p-53;
}

static bool one_in(struct dice *d, unsigned n)
{
	return emu_random(&d->state) % n == 0;
}

static uint64_t between(struct dice *d, uint64_t low, uint64_t high)
{
	return low + emu_random(&d->state) % (high - low + 1);
}

/* Each power of ten as likely as another. */
static double spread(struct dice *d, double low, double high)
{
	return low * pow(high / low, unit(d));
}

/* ---- paths ---- */

static void random_impairments(struct dice *d, struct emu_params *p)
{
	if (one_in(d, 2))
		p->loss = spread(d, 0.0005, 0.1);
	if (one_in(d, 8)) {
		p->ge_enter = spread(d, 0.0001, 0.005);
		p->ge_leave = spread(d, 0.05, 0.5);
		p->ge_bad = 0.2 + 0.6 * unit(d);
	}
	if (one_in(d, 6)) {
		p->reorder = spread(d, 0.0005, 0.05);
		p->reorder_us = (uint64_t)spread(d, 50, 20000);
	}
	if (one_in(d, 8))
		p->dup = spread(d, 0.001, 0.1);
	if (one_in(d, 8))
		p->corrupt = spread(d, 0.0001, 0.01);
	if (one_in(d, 6))
		p->jitter_us = (uint64_t)spread(d, 100, 20000);
}

static void random_path(struct dice *d, const struct sim_plan *plan, struct sim_receiver_plan *r)
{
	double rate = spread(d, plan->mtu > 9000 ? 100e6 : 1e6, 500e6),
		rtt = spread(d, 1000, 300000);
	double packet_us = plan->mtu * 8e6 / rate;

	r->there = r->back = (struct emu_params){ .delay_us = (uint64_t)(rtt / 2) };
	r->there.shape.rate_bps = (uint64_t)rate;
	r->back.shape.rate_bps = (uint64_t)(one_in(d, 4) ? rate / spread(d, 1, 20) : rate);
	/* At least a few packets; from a tenth of a round trip to bufferbloat. */
	r->there.shape.queue_us = (uint64_t)(spread(d, 0.1, 2) * rtt + 12 * packet_us + 500);
	r->back.shape.queue_us = 200000;
	if (!one_in(d, 3)) {
		random_impairments(d, &r->there);
		random_impairments(d, &r->back);
		r->back.loss /= 2;
	}
	if (plan->ecn)
		r->there.ecn_us = r->there.shape.queue_us / 3 + 100;
	if (one_in(d, 12) && plan->mtu > 1300)
		r->there.mtu = (uint32_t)between(d, 1228, plan->mtu);
}

/* ---- what happens ---- */

static void random_event(struct dice *d, const struct sim_plan *plan, struct sim_receiver_plan *r)
{
	uint64_t at_us = (uint64_t)spread(d, 20000, 5000000);
	uint64_t dead = plan->dead_after_us;

	switch (between(d, 0, 7)) {
	case 0:
		r->pause_us = at_us;
		r->resume_us = at_us + between(d, 1000, dead - 3500000);
		break;
	case 1:
		r->pause_us = at_us;
		r->resume_us = one_in(d, 2) ? SIM_NEVER : at_us + between(d, dead + 4000000, 2 * dead + 4000000);
		break;
	case 2:
		r->cut_us = at_us;
		r->heal_us = at_us + between(d, 1000, dead - 3500000);
		break;
	case 3:
		r->cut_us = at_us;
		r->heal_us = SIM_NEVER;
		break;
	case 4:
		r->die_us = one_in(d, 4) ? 0 : at_us;
		break;
	case 5:
		r->restart_us = at_us;
		break;
	case 6:
		r->move_us = at_us;
		break;
	case 7:
		if (plan->mtu > 1300) {
			r->shrink_us = at_us;
			r->shrink_mtu = (uint32_t)between(d, 1228, plan->mtu);
		}
		break;
	}
}

static void random_receiver(struct dice *d, const struct sim_plan *plan,
			    struct sim_receiver_plan *r)
{
	random_path(d, plan, r);
	if (one_in(d, 8))
		r->consume_rate = (uint64_t)spread(d, 100e3, 20e6);
	if (one_in(d, 6))
		random_event(d, plan, r);
	r->wrong_psk = plan->psk && one_in(d, 12);
}

/* ---- the sender ---- */

static void random_policy(struct dice *d, struct sim_plan *plan)
{
	plan->policy.kind = RMDT_POLICY_BLOCK;
	if (plan->receivers < 2 || !one_in(d, 3))
		return;
	if (one_in(d, 2)) {
		plan->policy.kind = RMDT_POLICY_DROP;
		if (one_in(d, 2))
			plan->policy.lag_bytes = (uint64_t)spread(d, RMDT_POLICY_LAG_MIN_BYTES, 4e6);
		else
			plan->policy.lag_us = (uint64_t)spread(d, 10000, 5e6);
	} else {
		plan->policy.kind = RMDT_POLICY_QUORUM;
		plan->policy.quorum = (uint32_t)between(d, 1, plan->receivers);
	}
}

static void random_sender(struct dice *d, struct sim_plan *plan)
{
	static const char *const cc[] = { "bbr", "bbr", "bbr", "cubic", "fixed" };
	static const uint32_t mtu[] = { 1200, 1252, 1372, 1452, 1472, 1472, 4000, 8972, 8972, 16000, 65507 };

	plan->cc = cc[between(d, 0, 4)];
	plan->mtu = mtu[between(d, 0, 10)];
	plan->suite = one_in(d, 2) ? RMDT_AES_256_GCM : RMDT_CHACHA20_POLY1305;
	plan->cipher_none = one_in(d, 10);
	plan->psk = one_in(d, 4);
	plan->ecn = one_in(d, 5);
	plan->rekey_packets = one_in(d, 4) ? between(d, 150, 1000) : 0;
	plan->buffer_bytes = one_in(d, 3) ? (uint64_t)spread(d, 512 << 10, 8 << 20) : 64u << 20;
	plan->dead_after_us = between(d, 8, 30) * 1000000;
	plan->keepalive_us = between(d, 2, 15) * 1000000;
	plan->connect_timeout_us = 10000000;
	plan->linger_us = between(d, 1, 10) * 1000000;
	plan->timers_first = one_in(d, 2);
	plan->bytes = one_in(d, 12) ? 0 : one_in(d, 12) ? between(d, 1, 3000) :
		(uint64_t)spread(d, 10000, MOST_BYTES);
	if (one_in(d, 8))
		plan->write_rate = (uint64_t)spread(d, 50e3, 20e6);
	if (one_in(d, 8))
		plan->write_us = between(d, 1, 2 * plan->dead_after_us);
}

static void random_sender_event(struct dice *d, struct sim_plan *plan)
{
	uint64_t at_us = (uint64_t)spread(d, 20000, 5000000);

	if (one_in(d, 20)) {
		plan->sender_pause_us = at_us;
		plan->sender_resume_us = at_us + between(d, 1000, plan->dead_after_us - 3500000);
	} else if (one_in(d, 20)) {
		plan->sender_die_us = at_us;
	}
}

void sim_plan_random(struct sim_plan *plan, uint64_t seed)
{
	struct dice d = { .state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1 };
	uint64_t slowest_bps = UINT64_MAX;

	sim_plan_init(plan, seed);
	plan->receivers = one_in(&d, 2) ? 1 : (unsigned)between(&d, 2, 8);
	random_sender(&d, plan);
	random_policy(&d, plan);
	random_sender_event(&d, plan);
	if (one_in(&d, 6)) {
		plan->uplink.rate_bps = (uint64_t)spread(&d, plan->mtu > 9000 ? 200e6 : 5e6, 500e6);
		/* Room for a few packets to each, or a newcomer never gets a word in. */
		plan->uplink.queue_us = (uint64_t)spread(&d, 5000, 200000) +
			(uint64_t)(6.0 * plan->receivers * plan->mtu * 8e6 / (double)plan->uplink.rate_bps);
	}
	for (unsigned i = 0; i < plan->receivers; i++) {
		random_receiver(&d, plan, &plan->receiver[i]);
		/* Without the dice, so that older seeds stay what they were but for this. */
		plan->receiver[i].there.ect = (seed + i) % 12 == 3 ? EMU_ECT_BLEACH :
					      (seed + i) % 12 == 7 ? EMU_ECT_DROP : EMU_ECT_KEEP;
		if (plan->receiver[i].there.shape.rate_bps < slowest_bps)
			slowest_bps = plan->receiver[i].there.shape.rate_bps;
	}
	if (plan->uplink.rate_bps && plan->uplink.rate_bps / plan->receivers < slowest_bps)
		slowest_bps = plan->uplink.rate_bps / plan->receivers;
	/* A fixed rate is the user's word that the path carries it. */
	if (strcmp(plan->cc, "fixed") == 0)
		plan->fixed_rate = (uint64_t)((double)slowest_bps / 8 * (0.3 + 0.5 * unit(&d)));
	plan->limit_us = sim_limit_us(plan);
}

/* ---- in words ---- */

static void print_time(FILE *out, const char *what, uint64_t at_us)
{
	if (at_us != SIM_NEVER)
		fprintf(out, " %s=%.3fs", what, (double)at_us / 1e6);
}

static void print_path(FILE *out, const char *what, const struct emu_params *p)
{
	fprintf(out, "\n    %s %.1fMbit/s delay=%.1fms queue=%.1fms", what,
		(double)p->shape.rate_bps / 1e6,
		(double)p->delay_us / 1e3, (double)p->shape.queue_us / 1e3);
	if (p->loss > 0)
		fprintf(out, " loss=%.4f", p->loss);
	if (p->ge_enter > 0)
		fprintf(out, " bursts=%.4f/%.3f/%.2f", p->ge_enter, p->ge_leave, p->ge_bad);
	if (p->reorder > 0)
		fprintf(out, " reorder=%.4f/%.1fms", p->reorder, (double)p->reorder_us / 1e3);
	if (p->dup > 0)
		fprintf(out, " dup=%.4f", p->dup);
	if (p->corrupt > 0)
		fprintf(out, " corrupt=%.4f", p->corrupt);
	if (p->jitter_us)
		fprintf(out, " jitter=%.1fms", (double)p->jitter_us / 1e3);
	if (p->ecn_us)
		fprintf(out, " ecn=%.1fms", (double)p->ecn_us / 1e3);
	if (p->ect != EMU_ECT_KEEP)
		fprintf(out, " ect=%s", p->ect == EMU_ECT_DROP ? "drop" : "bleach");
	if (p->mtu)
		fprintf(out, " mtu=%u", p->mtu);
}

static void print_receiver(FILE *out, unsigned i, const struct sim_receiver_plan *r)
{
	fprintf(out, "  receiver %u", i);
	if (r->consume_rate)
		fprintf(out, " consumes=%.2fMB/s", (double)r->consume_rate / 1e6);
	print_time(out, "pause", r->pause_us);
	print_time(out, "resume", r->resume_us);
	print_time(out, "die", r->die_us);
	print_time(out, "restart", r->restart_us);
	print_time(out, "cut", r->cut_us);
	print_time(out, "heal", r->heal_us);
	print_time(out, "move", r->move_us);
	print_time(out, "shrink", r->shrink_us);
	if (r->shrink_us != SIM_NEVER)
		fprintf(out, " to=%u", r->shrink_mtu);
	if (r->wrong_psk)
		fprintf(out, " wrong-psk");
	print_path(out, "there", &r->there);
	print_path(out, "back ", &r->back);
	fprintf(out, "\n");
}

void sim_plan_print(const struct sim_plan *plan, FILE *out)
{
	static const char *const policy[] = { "block", "drop", "quorum" };

	fprintf(out, "  seed %" PRIu64 ": %" PRIu64 " bytes to %u, %s lag=%" PRIu64 "B/%" PRIu64 "us k=%u, cc=%s",
		plan->seed, plan->bytes, plan->receivers, policy[plan->policy.kind],
			plan->policy.lag_bytes,
		plan->policy.lag_us, plan->policy.quorum, plan->cc);
	if (plan->fixed_rate)
		fprintf(out, "@%.2fMbit/s", (double)plan->fixed_rate * 8 / 1e6);
	fprintf(out, "\n  mtu=%u suite=%d%s%s%s rekey=%" PRIu64 " buffer=%" PRIu64 "k", plan->mtu,
		(int)plan->suite,
		plan->cipher_none ? " none" : "", plan->psk ? " psk" : "", plan->ecn ? " ecn" : "",
		plan->rekey_packets, plan->buffer_bytes >> 10);
	fprintf(out, " dead=%.0fs keepalive=%.0fs linger=%.0fs%s",
		(double)plan->dead_after_us / 1e6,
		(double)plan->keepalive_us / 1e6, (double)plan->linger_us / 1e6,
		plan->timers_first ? " timers-first" : "");
	if (plan->write_rate)
		fprintf(out, " writes=%.2fMB/s", (double)plan->write_rate / 1e6);
	if (plan->write_us)
		print_time(out, "from", plan->write_us);
	if (plan->uplink.rate_bps)
		fprintf(out, " uplink=%.1fMbit/s/%.1fms", (double)plan->uplink.rate_bps / 1e6,
			(double)plan->uplink.queue_us / 1e3);
	print_time(out, "sender-pause", plan->sender_pause_us);
	print_time(out, "sender-resume", plan->sender_resume_us);
	print_time(out, "sender-die", plan->sender_die_us);
	print_time(out, "limit", plan->limit_us);
	fprintf(out, "\n");
	for (unsigned i = 0; i < plan->receivers; i++)
		print_receiver(out, i, &plan->receiver[i]);
}

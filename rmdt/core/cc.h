/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_CC_H
#define RMDT_CORE_CC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rate.h"

/*
 * Congestion control of one peer behind one table. A controller says two things: how many bytes
 * may be in flight and at which rate they may leave. It never sends and has no timer of its own:
 * time passes with the calls. Bytes are whole datagrams, as in core/rate.h.
 *
 * For one ACK frame: rmdt_rate_* builds the sample; then, if packets are newly lost,
 * rmdt_cc_on_loss; then rmdt_cc_on_ack, always, also when the ACK acks nothing new but carries CE.
 */

struct rmdt_cc;

/* What the caller wants. All 0 is valid: the defaults stand beside each field. */
struct rmdt_cc_config {
	uint32_t mss_bytes;		/* datagram size; 0: 1200 */
	uint32_t initial_cwnd_pkts;	/* 0: 32; see rmdt_cc_initial_cwnd_bytes */
	uint32_t min_cwnd_pkts;		/* 0: 4 */
	uint64_t fixed_rate;		/* bytes/s, for "fixed"; 0: 12,500,000 (100 Mbit/s) */
	uint64_t cap_rate;		/* bytes/s that no algorithm may pass; 0: none */
	uint64_t hint_rate;		/* bytes/s that this path once carried; 0: never seen */
	uint64_t hint_rtt_us;		/* its min RTT then; the hint holds only if it is alike */
	uint64_t initial_rtt_us;	/* RTT that the handshake saw; 0: none */
	uint64_t seed;			/* spreads the times of probes; any value */
};

/* One ACK frame. Pointers borrowed for the call. */
struct rmdt_cc_ack {
	const struct rmdt_rate_sample *sample;
	uint64_t now_us;
	uint64_t in_flight_bytes;	/* after acked and lost packets were taken out */
	uint64_t delivered_bytes;	/* of struct rmdt_rate, after this ACK */
	uint64_t rtt_us;		/* of this ACK, less the peer's ack delay; 0: none */
	uint64_t srtt_us;		/* 0: none yet */
	uint64_t min_rtt_us;		/* least ever seen on this path; 0: none yet */
	uint32_t ce_pkts;		/* newly reported CE marks */
	uint32_t acked_pkts;		/* newly acked */
	bool cwnd_limited;		/* cwnd, not the application, held back sending lately */
};

/* Packets declared lost, by an ACK or by a timer. */
struct rmdt_cc_loss {
	uint64_t now_us;
	uint64_t lost_bytes;
	uint32_t lost_pkts;
	uint64_t in_flight_bytes;	/* after the lost packets were taken out */
	const struct rmdt_rate_stamp *newest; /* stamp of the lost packet sent last */
};

/* For reports. */
struct rmdt_cc_info {
	const char *name;		/* "bbr" */
	const char *state;		/* "startup", ...; static storage */
	uint64_t cwnd_bytes;
	uint64_t pacing_rate;		/* bytes/s */
	uint64_t bandwidth;		/* bytes/s as estimated; 0: unknown */
	/*
	 * Bytes/s that the path was seen to carry, by rounds in which neither the application nor a cap
	 * held back, after the start had found the rate: the next start's hint. 0: not seen.
	 */
	uint64_t path_rate;
	uint64_t min_rtt_us;		/* as used by the controller; 0: unknown */
	uint32_t random_loss_ppm;	/* share of loss taken for random; 0 where not estimated */
	bool capped;			/* pacing_rate is held down by cap_rate */
};

/* One algorithm. Every member is set. */
struct rmdt_cc_ops {
	const char *name;
	size_t size_bytes;		/* of its state, which begins with struct rmdt_cc */
	void (*init)(struct rmdt_cc *cc, uint64_t now_us);
	void (*on_sent)(struct rmdt_cc *cc, uint32_t bytes, uint64_t in_flight_bytes,
			uint64_t now_us);
	void (*on_ack)(struct rmdt_cc *cc, const struct rmdt_cc_ack *ack);
	void (*on_loss)(struct rmdt_cc *cc, const struct rmdt_cc_loss *loss);
	void (*on_spurious)(struct rmdt_cc *cc, uint64_t bytes, uint64_t sent_us, uint64_t now_us);
	void (*on_silence)(struct rmdt_cc *cc, uint64_t now_us);
	void (*on_idle_restart)(struct rmdt_cc *cc, uint64_t now_us);
	void (*set_mss)(struct rmdt_cc *cc, uint32_t old_mss_bytes);
	const char *(*state)(const struct rmdt_cc *cc);
	void (*info)(const struct rmdt_cc *cc, struct rmdt_cc_info *info);
};

/* Head of every controller's state. The algorithm writes cwnd_bytes and pacing_rate. */
struct rmdt_cc {
	const struct rmdt_cc_ops *ops;
	struct rmdt_cc_config config;	/* defaults filled in */
	uint64_t cwnd_bytes;
	uint64_t pacing_rate;		/* bytes/s before cap_rate; never 0 */
};

#define RMDT_CC_DEFAULT "bbr"

extern const struct rmdt_cc_ops rmdt_cc_bbr_ops;
extern const struct rmdt_cc_ops rmdt_cc_cubic_ops;
extern const struct rmdt_cc_ops rmdt_cc_fixed_ops;

/* "bbr", "cubic", "fixed"; NULL if there is none of that name. */
const struct rmdt_cc_ops *rmdt_cc_find(const char *name);

/* The names known, for usage texts: index 0, 1, ...; NULL past the last. */
const char *rmdt_cc_name_at(size_t index);

/*
 * A new controller in *out, freed with rmdt_cc_free. config may be NULL.
 * -EINVAL: no such name. -ENOMEM.
 */
int rmdt_cc_new(struct rmdt_cc **out, const char *name, const struct rmdt_cc_config *config,
		uint64_t now_us);

/* The same with an algorithm of the caller's own (a model of a rival, in tests). -ENOMEM. */
int rmdt_cc_new_from_ops(struct rmdt_cc **out, const struct rmdt_cc_ops *ops,
			 const struct rmdt_cc_config *config, uint64_t now_us);
void rmdt_cc_free(struct rmdt_cc *cc);

/* A packet goes out; in_flight_bytes are in flight without it. */
void rmdt_cc_on_sent(struct rmdt_cc *cc, uint32_t bytes, uint64_t in_flight_bytes,
		     uint64_t now_us);

void rmdt_cc_on_ack(struct rmdt_cc *cc, const struct rmdt_cc_ack *ack);
void rmdt_cc_on_loss(struct rmdt_cc *cc, const struct rmdt_cc_loss *loss);

/* A packet of bytes, sent at sent_us and declared lost, was acked after all. */
void rmdt_cc_on_spurious(struct rmdt_cc *cc, uint64_t bytes, uint64_t sent_us, uint64_t now_us);

/* Nothing at all was heard for several probe timeouts: the path may have changed or died. */
void rmdt_cc_on_silence(struct rmdt_cc *cc, uint64_t now_us);

/* Sending begins again with nothing in flight after a pause. Call before the first on_sent. */
void rmdt_cc_on_idle_restart(struct rmdt_cc *cc, uint64_t now_us);

/* The datagram size became mss_bytes (path MTU found, or black hole). */
void rmdt_cc_set_mss(struct rmdt_cc *cc, uint32_t mss_bytes);

/*
 * An RTT is known before anything was sent (the handshake's): start over with it. Call it before the
 * first rmdt_cc_on_sent, or when nothing that was sent says anything of the path and nothing is in
 * flight. 0: not known.
 */
void rmdt_cc_set_initial_rtt(struct rmdt_cc *cc, uint64_t rtt_us, uint64_t now_us);

/* What is remembered of the path, as in the config. Before the first rmdt_cc_on_sent. */
void rmdt_cc_set_hint(struct rmdt_cc *cc, uint64_t rate, uint64_t rtt_us);

/* Change the cap (an uplink shared anew over its peers) or, for "fixed", the rate. */
void rmdt_cc_set_cap_rate(struct rmdt_cc *cc, uint64_t rate);
void rmdt_cc_set_fixed_rate(struct rmdt_cc *cc, uint64_t rate);

/* Bytes that may be in flight. A packet may go while in_flight < cwnd. */
uint64_t rmdt_cc_cwnd_bytes(const struct rmdt_cc *cc);

/* Bytes per second for the pacer, cap applied. Never 0. */
uint64_t rmdt_cc_pacing_rate(const struct rmdt_cc *cc);

void rmdt_cc_info_get(const struct rmdt_cc *cc, struct rmdt_cc_info *info);

/* For the algorithms: the window to start with and the least window, in bytes. */
uint64_t rmdt_cc_initial_cwnd_bytes(const struct rmdt_cc *cc);
uint64_t rmdt_cc_min_cwnd_bytes(const struct rmdt_cc *cc);

#endif

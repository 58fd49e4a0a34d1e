/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emu_link: what one direction of a wide-area path does to packets, as a pure model.
 *
 * The model holds no packets. It is told the size of a packet and the time at which it arrives, and
 * answers what becomes of it: dropped, or due at a time, perhaps twice, perhaps damaged. The caller
 * keeps the packet until then. Time is an argument in nanoseconds of any clock that never goes
 * back; randomness comes from the seed, so a run repeats exactly.
 *
 *     sender -> uplink queue (shared by all links of a host) -> cut? -> mtu? -> queue and rate,
 *     shared with the traffic
 *            of others -> loss -> delay -> receiver
 */
#ifndef LAB_EMU_LINK_H
#define LAB_EMU_LINK_H

#include <stdbool.h>
#include <stdint.h>

#define EMU_NS_PER_US UINT64_C(1000)
#define EMU_NS_PER_S UINT64_C(1000000000)

/* A rate and the queue before it. queue_bytes and queue_us may both stand; 0 means no limit of that
 * kind. */
struct emu_shape {
	uint64_t rate_bps;    /* bit/s of IP packets, without link headers; 0 = unlimited */
	uint64_t queue_bytes; /* longest backlog */
	uint64_t queue_us;    /* longest wait */
};

/* A tail-drop queue in virtual time: its whole state is the moment at which the wire is free. */
struct emu_queue {
	struct emu_shape shape;
	uint64_t free_ns;
};

/*
 * Traffic of others: packets of 1500 bytes that nobody sees, but that take their share of rate and
 * queue. It does not slow down when its packets are dropped.
 */
struct emu_cross {
	uint64_t rate_bps;      /* 0 = none */
	uint64_t on_us, off_us; /* comes and goes; off_us 0 = always there */
};

/* What happens to packets that say they are ECN-capable, CE included. */
enum emu_ect {
	EMU_ECT_KEEP,
	EMU_ECT_BLEACH, /* they no longer say so */
	EMU_ECT_DROP,
};

/* The impairments of one direction. All zero = a perfect wire. Probabilities are 0.0 to 1.0, per
 * packet. */
struct emu_params {
	struct emu_shape shape;
	uint64_t delay_us;  /* one way, after the queue */
	uint64_t jitter_us; /* 0..jitter_us more, wandering; keeps the order */
	double loss;        /* independent loss */
	double ge_enter;    /* Gilbert-Elliott: good -> bad */
	double ge_leave;    /* bad -> good; 0 = no burst model */
	double ge_bad;      /* loss while bad */
	double ge_good;     /* loss while good */
	double reorder; /* chance to be held back by reorder_us, so that later packets overtake */
	uint64_t reorder_us;
	double dup;       /* chance to arrive twice */
	double corrupt;   /* chance of flipped payload bits */
	bool corrupt_fix; /* mend the UDP checksum afterwards: the damage reaches the application */
	uint64_t ecn_us;  /* mark when the wait is longer; 0 = never */
	enum emu_ect ect;
	struct emu_cross cross;
	uint32_t mtu;     /* silently drop longer packets; 0 = no black hole */
	bool cut;         /* drop everything, also what is under way */
};

enum emu_fate {
	EMU_PASS,
	EMU_LOST,        /* independent or burst loss */
	EMU_DROP_UPLINK, /* the host's shared uplink queue was full */
	EMU_DROP_QUEUE,  /* this link's queue was full */
	EMU_DROP_MTU,
	EMU_DROP_CUT,
	EMU_DROP_ECT, /* counted by emu_link_ecn() */
	EMU_FATES /* number of fates */
};

/* Counted by emu_link_offer(), except what is marked: those the caller counts when it happens. */
struct emu_counters {
	uint64_t in_pkts, in_bytes;
	uint64_t fate[EMU_FATES]; /* [EMU_PASS] counts first copies; the caller adds a packet cut
	                             while under way */
	uint64_t reordered, duplicated;
	uint64_t cross_pkts, cross_drops; /* of the others: passed, and refused by the queue */
	uint64_t out_pkts, out_bytes; /* caller: delivered */
	uint64_t marked;              /* by emu_link_ecn() */
	uint64_t corrupted;           /* caller: done, not only asked for */
};

struct emu_link {
	struct emu_params params;
	struct emu_queue queue; /* its shape is a copy of params.shape */
	struct emu_counters count;
	uint64_t rng;
	uint64_t last_due_ns; /* of packets in order: jitter never overtakes */
	bool ge_is_bad;
	uint64_t jitter_at_ns; /* start of the present jitter step */
	uint64_t jitter_from_ns, jitter_to_ns;
	uint64_t cross_rng, cross_start_ns;
	uint64_t cross_ns; /* when the next packet of the others comes */
};

/* What becomes of one packet. All but fate are valid for EMU_PASS only. */
struct emu_verdict {
	enum emu_fate fate;
	uint64_t due_ns;
	bool twice;   /* deliver a second copy, also at due_ns */
	bool mark;    /* set CE if the packet is ECN-capable */
	bool corrupt; /* flip bits chosen by corrupt_seed */
	uint64_t corrupt_seed;
};

/* params NULL = a perfect wire. Every link needs its own seed, so that traffic elsewhere does not
 * change its luck. */
void emu_link_init(struct emu_link *link, const struct emu_params *params, uint64_t seed);

/* Change the impairments from now on. Packets under way keep their due times; the queue keeps its
 * backlog in time. */
void emu_link_set(struct emu_link *link, const struct emu_params *params);

/* Offer a packet of `bytes` at now_ns. uplink may be NULL. now_ns must not go back between calls
 * for a link. */
void emu_link_offer(struct emu_link *link, struct emu_queue *uplink, uint64_t now_ns,
                    uint32_t bytes, struct emu_verdict *out);

/*
 * For a packet that passes: *ecn, its two bits, become what they are behind the link. False: it
 * vanishes after all, because of them.
 */
bool emu_link_ecn(struct emu_link *link, const struct emu_verdict *verdict, unsigned *ecn);

/* Wait of a packet that would arrive now. */
uint64_t emu_queue_wait_ns(const struct emu_queue *queue, uint64_t now_ns);

/* Next of a splitmix64 sequence; *state may start anywhere. */
uint64_t emu_random(uint64_t *state);

#endif

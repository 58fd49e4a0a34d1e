/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_ACKS_H
#define RMDT_CORE_ACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ranges.h"
#include "core/wire.h"

/*
 * The receiver's view of the peer's packet numbers: which have been seen (replay window), and when
 * and how to acknowledge them.
 */

/* Packet numbers stay encodable as a varint. */
#define RMDT_ACKS_MAX_PN RMDT_WIRE_VARINT_MAX
/* Ranges remembered; beyond it the lowest is forgotten and the floor rises over it. 64 KiB. */
#define RMDT_ACKS_MAX_RANGES 4096
/* Packets below a confirmed ack that may still come late: 16 ms of a million packets a second. */
#define RMDT_ACKS_REPLAY_PKTS UINT64_C(16384)
/* Nor do packets so far below the largest, whatever was confirmed: what protocol.md, P9 builds on. */
#define RMDT_ACKS_REACH_PKTS (UINT64_C(1) << 22)
/* Acks repeat what lies this far below a confirmed one; grows with the reordering seen. */
#define RMDT_ACKS_REPEAT_PKTS UINT64_C(64)
/* Ranges in one ACK frame, first one included: bounds the frame and the work it makes. */
#define RMDT_ACK_MAX_RANGES 500
/* An ack is never held back longer than this; the sender's probe timeout counts on it. */
#define RMDT_ACKS_MAX_DELAY_US UINT64_C(25000)
/* Nor is one hurried more often than this, on paths shorter than timers can follow, */
#define RMDT_ACKS_MIN_DELAY_US UINT64_C(100)
/* nor one in the ordinary course sent more often than this: on a fast short path each costs as much as a train. */
#define RMDT_ACKS_MIN_INTERVAL_US UINT64_C(1000)
/* The most acks per round trip. */
#define RMDT_ACKS_PER_RTT 8
/*
 * An ack of 100 bytes with its IP header for so much data is 0.3 % of it, which leaves room for the ranges and the gaps of
 * a lossy path below 0.5 %. Less data waits for more: for a round trip (at least LAZY), or until nothing came for half of
 * one (at least QUIET): then the sender may be waiting for us.
 */
#define RMDT_ACKS_WORTH_BYTES UINT64_C(32768)
#define RMDT_ACKS_LAZY_US UINT64_C(16000)
#define RMDT_ACKS_QUIET_US UINT64_C(1500)
/* Start-up: every 2nd of the first so many packets, for an early RTT and a growing window. */
#define RMDT_ACKS_DENSE_PKTS 100
/* On paths shorter than SHORT_RTT also after this many bytes: 16 trains. A smaller window waits for MIN_INTERVAL. */
#define RMDT_ACKS_EVERY_BYTES UINT64_C(1048576)
#define RMDT_ACKS_SHORT_RTT_US UINT64_C(5000)
/*
 * After so many new gaps as well: an ack of 600 bytes holds about 270 ranges, so that on a lossy
 * path each is told in four acks before it falls out, and one lost ack loses nothing.
 */
#define RMDT_ACKS_EVERY_RANGES 64

/* The two ECN bits of the IP header. */
enum rmdt_ecn {
	RMDT_ECN_NOT_ECT = 0,
	RMDT_ECN_ECT1 = 1,
	RMDT_ECN_ECT0 = 2,
	RMDT_ECN_CE = 3,
};

enum rmdt_acks_verdict {
	RMDT_ACKS_NEW,
	RMDT_ACKS_DUPLICATE,
	RMDT_ACKS_TOO_OLD, /* below the floor, or not a packet number at all: drop */
};

struct rmdt_acks {
	struct rmdt_ranges seen;  /* packet numbers received, all at or above floor */
	uint64_t floor;           /* everything below counts as seen */
	uint64_t report_floor;    /* acks do not go below: the peer knows those already */
	uint64_t reorder_pkts;    /* greatest distance by which a packet came late, of late */
	uint64_t largest_us;      /* arrival of the largest */
	uint64_t ect0_pkts;        /* packets that came marked ECT(0); ECT(1), which nobody sends, does not count */
	uint64_t ce_pkts;         /* packets that came marked CE */
	uint64_t srtt_us;         /* as the owner last said; 0 unknown */
	uint64_t due_us;          /* when an ack must go out; UINT64_MAX none */
	uint64_t urgent_us;       /* the same for what cannot wait for more to tell */
	uint64_t last_hurried_us; /* last time an ack was made due at once by a gap */
	uint64_t last_rx_us;      /* last ack-eliciting packet */
	uint64_t last_ack_us;     /* last ack written */
	uint64_t pending_us;      /* arrival of the first ack-eliciting packet since then */
	uint64_t pending_bytes;   /* ack-eliciting bytes since then */
	uint64_t pending_pkts;
	uint64_t pending_ranges;  /* gaps seen since the last ack written */
	uint64_t eliciting_pkts;  /* ack-eliciting packets ever */
	uint64_t forgotten_pkts;  /* missing packets given up because of the bounds above */
};

/* Starts empty, expecting packet number 0. */
void rmdt_acks_init(struct rmdt_acks *a);
void rmdt_acks_fini(struct rmdt_acks *a);
/* Tells the smoothed RTT of the path, which spaces the acks. */
void rmdt_acks_set_rtt(struct rmdt_acks *a, uint64_t srtt_us);

/* Is `pn` worth decrypting? Changes nothing: an unverified packet leaves no trace. */
enum rmdt_acks_verdict rmdt_acks_check(const struct rmdt_acks *a, uint64_t pn);

/* A packet whose tag has been verified. */
struct rmdt_acks_packet {
	uint64_t pn;
	uint32_t bytes;     /* size on the wire */
	bool ack_eliciting; /* false for packets that hold nothing but acks: they make none due */
	enum rmdt_ecn ecn;
};

/*
 * Records it and decides when the next ack is due. 0; -EALREADY when the packet is not new (then
 * nothing changed); -ENOMEM.
 */
int rmdt_acks_received(struct rmdt_acks *a, uint64_t now_us, const struct rmdt_acks_packet *pkt);

/* When an ack must go out; UINT64_MAX when none is owed. May be in the past: then at once. */
static inline uint64_t rmdt_acks_due_us(const struct rmdt_acks *a)
{
	return a->due_us;
}

/* Has anything been received that an ack could tell about? */
static inline bool rmdt_acks_has_any(const struct rmdt_acks *a)
{
	return !rmdt_ranges_is_empty(&a->seen);
}

/* Largest packet number received; has_any must be true. */
static inline uint64_t rmdt_acks_largest(const struct rmdt_acks *a)
{
	return rmdt_ranges_end(&a->seen) - 1;
}

/*
 * Writes the body of an ACK frame (without a frame type) of at most `max_bytes`, as many ranges
 * from the highest down as fit, and takes the ack as sent: nothing is due any more. Give it 600
 * bytes: what never fits is never told, and the peer repairs it in vain.
 * 0; -ENODATA (nothing received yet); -ENOBUFS (not even one range fits; writer as before).
 * The caller remembers rmdt_acks_largest() with the packet, for rmdt_acks_confirmed().
 *
 *	varint largest packet number
 *	varint delay since it arrived, us
 *	u32    its arrival, receiver's clock in us, low 32 bits
 *	varint packets marked CE so far
 *	varint packets marked ECT(0) so far
 *	varint number of further ranges
 *	varint first range: packets below the largest that are received without a gap
 *	then for each further range, from high to low:
 *	varint missing packets above it, less 1
 *	varint packets in it, less 1
 */
int rmdt_acks_write(struct rmdt_acks *a, uint64_t now_us, struct rmdt_wire_writer *w,
		    size_t max_bytes);

/* The peer has got an ack whose largest was `largest`: later ones need not repeat old ranges. */
void rmdt_acks_confirmed(struct rmdt_acks *a, uint64_t largest);

/* A parsed ACK frame. About 8 KiB: keep one, do not pass it by value. */
struct rmdt_ack {
	uint64_t largest;
	uint64_t delay_us;   /* as the peer says: cap it before use */
	uint32_t arrival_us; /* low 32 bits of the peer's clock */
	uint64_t ce_pkts;
	uint64_t ect0_pkts;
	size_t count;                                 /* at least 1 */
	struct rmdt_range range[RMDT_ACK_MAX_RANGES]; /* from high to low, disjoint, not touching */
};

/*
 * Parses what rmdt_acks_write writes. False when malformed (ranges below 0, too many, cut short):
 * then the reader is bad and *out undefined.
 */
bool rmdt_ack_read(struct rmdt_wire_reader *r, struct rmdt_ack *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_LOSS_H
#define RMDT_CORE_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/acks.h"
#include "core/ranges.h"
#include "core/rtt.h"
#include "core/sentmap.h"

/*
 * Loss recovery of one direction: what is in flight, what an ack settles, what is lost. It declares
 * and times; repairing, congestion control and probing are the owner's.
 *
 * An ack:	rmdt_loss_on_ack();  if (acked.has_rtt) rmdt_rtt_sample();  rmdt_loss_detect();
 * A timer at rmdt_loss_deadline_us():	rmdt_loss_detect();
 * A timer at rmdt_loss_pto_deadline_us():	send a probe with the next packet number(s).
 */

/* Packets sent later and acked that make a packet lost, at first. */
#define RMDT_LOSS_PKT_THRESHOLD 3
/* The threshold grows no further: beyond it the time threshold decides, and soon enough. */
#define RMDT_LOSS_MAX_PKT_THRESHOLD UINT64_C(65536)
/* Least reordering window: below it one late wake-up of a receiver would look like a loss. */
#define RMDT_LOSS_MIN_REORDER_US UINT64_C(200)
/* The window grows to one srtt, or to this on short paths, where wake-ups take longer than that. */
#define RMDT_LOSS_REORDER_CAP_US UINT64_C(2000)
/* Recoveries without a spurious loss after which the thresholds shrink. */
#define RMDT_LOSS_CALM_RECOVERIES 16
/* Lost entries are kept so many srtt (and at least KEEP_US) to notice late acks. */
#define RMDT_LOSS_KEEP_RTTS 2
#define RMDT_LOSS_KEEP_US UINT64_C(10000)
/* Skipped numbers remembered at a time. */
#define RMDT_LOSS_MAX_SKIPPED 64
/* Default of what a backed-off probe timeout may add to 3 srtt, so that a mended path is found. */
#define RMDT_LOSS_PTO_CAP_US UINT64_C(1000000)
/* Doublings beyond this change nothing. */
#define RMDT_LOSS_MAX_BACKOFF 20

struct rmdt_loss {
	struct rmdt_sentmap map;
	const struct rmdt_rtt *rtt;    /* borrowed for life, the owner feeds it */
	struct rmdt_ranges acked;      /* numbers known acked: an index, map has the truth */
	struct rmdt_ranges skipped;    /* numbers never sent, at or above map.base */
	uint64_t max_ack_delay_us;     /* what the peer may hold an ack back */
	uint64_t pto_cap_us;           /* see rmdt_loss_set_pto_cap */
	uint64_t inflight_bytes;       /* standing entries of kind INFLIGHT */
	uint64_t inflight_pkts;
	uint64_t eliciting_pkts;       /* standing entries of kind ELICITING */
	uint64_t last_eliciting_us;    /* when the last such packet was sent */
	uint64_t scan;                 /* every entry below it is settled */
	uint64_t largest_acked;        /* valid when any_acked */
	uint64_t largest_acked_sent_us;
	bool any_acked;

	uint64_t pkt_threshold;        /* current packet threshold */
	uint32_t reorder_steps;        /* reordering window in steps of a quarter of min RTT */
	uint32_t calm_recoveries;      /* since the last spurious loss or shrinking */
	uint64_t calm_reorder_pkts;    /* reordering seen during that time, in packets */
	uint64_t recovery_end;         /* a loss at or above it begins a new recovery */
	uint64_t step_end;             /* reorder_steps grows again for losses at or above it */

	uint64_t lost_pkts;            /* totals ever, without MTU probes */
	uint64_t lost_bytes;
	uint64_t spurious_pkts;        /* declared lost, then acked */
};

/*
 * Told from inside on_ack, detect and abandon, in rising order of packet numbers. *s is valid
 * during the call only. No function of this header that changes `struct rmdt_loss` may be called
 * from inside. Members may be NULL. Every packet is told once as acked or lost, also those that are
 * not eliciting: one that only sends acks needs an eliciting packet now and then, so that its own
 * get settled and do not fill the map.
 */
struct rmdt_loss_calls {
	/* An ack names it for the first time; `late`: it had been declared lost before. */
	void (*acked)(void *arg, uint64_t pn, const struct rmdt_sent *s, bool late);
	void (*lost)(void *arg, uint64_t pn, const struct rmdt_sent *s);
};

/* What one ack brought. */
struct rmdt_loss_acked {
	uint64_t pkts;            /* newly acked, late ones included */
	uint64_t bytes;           /* in flight bytes of those that were not late */
	uint64_t late_pkts;       /* of them declared lost before: those losses were spurious */
	uint64_t late_bytes;      /* their in-flight bytes, without MTU probes */
	bool has_rtt;             /* the largest is newly acked, and something eliciting is: */
	uint64_t rtt_us;          /* ... now_us less its sent_us */
	uint64_t inflight_before; /* inflight_bytes before this ack */
	uint64_t largest;         /* largest newly acked number; valid when pkts > 0 */
	uint64_t largest_sent_us; /* when that was sent */
};

/* What one detection found. */
struct rmdt_loss_lost {
	uint64_t pkts;          /* declared lost now */
	uint64_t bytes;         /* in-flight bytes of those that were no MTU probes */
	uint64_t largest;       /* largest of them that is no MTU probe; valid when bytes > 0 */
	bool recovery_started;  /* one of them was sent after the last recovery began */
	bool persistent;        /* everything eliciting was lost for more than 3 probe timeouts */
};

/* `rtt` stays borrowed until fini. `max_pkts` bounds the packets held. */
void rmdt_loss_init(struct rmdt_loss *l, const struct rmdt_rtt *rtt, size_t max_pkts,
		    uint64_t max_ack_delay_us);
void rmdt_loss_fini(struct rmdt_loss *l);
/* A backed-off probe timeout is at most 3 srtt + cap_us (never less than without backoff). */
void rmdt_loss_set_pto_cap(struct rmdt_loss *l, uint64_t cap_us);

static inline uint64_t rmdt_loss_next_pn(const struct rmdt_loss *l)
{
	return rmdt_sentmap_next(&l->map);
}

/* Enters a packet under rmdt_loss_next_pn(). 0, -ENOBUFS (too many unsettled), -ENOMEM. */
int rmdt_loss_on_sent(struct rmdt_loss *l, const struct rmdt_sent *s);
/*
 * Leaves rmdt_loss_next_pn() out, so that a peer that acks what it never got is caught.
 * -ENOBUFS also when RMDT_LOSS_MAX_SKIPPED are outstanding.
 */
int rmdt_loss_on_skip(struct rmdt_loss *l);

/*
 * Settles what the ack names. 0; -EPROTO when it names a number that was never sent: the peer
 * lies, and nothing has changed. *out is written on success.
 */
int rmdt_loss_on_ack(struct rmdt_loss *l, uint64_t now_us, const struct rmdt_ack *ack,
		     const struct rmdt_loss_calls *calls, void *arg, struct rmdt_loss_acked *out);
/* Declares losses that are plain at `now_us`. */
void rmdt_loss_detect(struct rmdt_loss *l, uint64_t now_us, const struct rmdt_loss_calls *calls,
		      void *arg, struct rmdt_loss_lost *out);
/* Declares everything standing lost: the path or the peer is gone. */
void rmdt_loss_abandon(struct rmdt_loss *l, uint64_t now_us, const struct rmdt_loss_calls *calls,
		       void *arg);

/* When detect will find something if no ack comes before; UINT64_MAX never. */
uint64_t rmdt_loss_deadline_us(const struct rmdt_loss *l);
/*
 * When to send a probe because no ack comes: the probe timeout after the last ack-eliciting
 * packet, doubled `pto_count` times within the cap; UINT64_MAX when nothing eliciting is in
 * flight or a loss deadline is pending, which comes first.
 */
uint64_t rmdt_loss_pto_deadline_us(const struct rmdt_loss *l, uint32_t pto_count);
/* The current reordering window, us, and how long after sending a packet is lost by time. */
uint64_t rmdt_loss_reorder_us(const struct rmdt_loss *l);
uint64_t rmdt_loss_delay_us(const struct rmdt_loss *l);

static inline uint64_t rmdt_loss_inflight_bytes(const struct rmdt_loss *l)
{
	return l->inflight_bytes;
}

/* For idle times: forgets settled entries at the front, lost ones included, and shrinks. */
void rmdt_loss_trim(struct rmdt_loss *l);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_ECN_H
#define RMDT_CORE_ECN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether a path carries ECN: which datagrams are sent as ECN-capable, and whether what the peer
 * counts can be believed. The rules are E1 to E6 of doc/protocol.md.
 */

/* Packets of a test: as in RFC 9000, A.4. */
#define RMDT_ECN_TEST_PKTS 10u
/*
 * Tests that may vanish whole before the path is taken to drop what is ECN-capable: an outage
 * swallows one.
 */
#define RMDT_ECN_TESTS 3u
/*
 * A path that was good is tested again when so many marked packets were lost without one that
 * arrived.
 */
#define RMDT_ECN_LOST_PKTS 32u
/* A path on which so many packets all come with CE marks them whatever we do. */
#define RMDT_ECN_ALL_CE_PKTS 500u

enum rmdt_ecn_state {
	/* a few packets are marked, until one of them is known to have come through */
	RMDT_ECN_TESTING,
	RMDT_ECN_CAPABLE,
	RMDT_ECN_FAILED,  /* not on this path */
};

struct rmdt_ecn_path {
	enum rmdt_ecn_state state;
	uint32_t test_left;	/* packets of this test still to be marked */
	uint32_t test_lost;	/* of this test */
	uint32_t tests;		/* that vanished */
	uint32_t lost_run;	/* marked packets lost since one arrived */
	uint64_t path_pn;	/* first packet number of this path */
	uint64_t test_pn;	/* what is judged was sent from here on */
	uint64_t test_seen;	/* counted by the peer before that */
	uint64_t acked_pkts;	/* marked since test_pn, and known to have arrived */
	uint64_t marked_pkts;	/* ever sent marked */
	uint64_t seen_pkts;	/* the peer's count, CE included; never goes back */
	uint64_t seen_ce_pkts;
	uint64_t heeded_ce_pkts;
	uint64_t strange_pkts;	/* marked packets of older paths that the ack at hand names */
	uint64_t base_ce_pkts;	/* counted before test_pn */
};

/* A new path. next_pn: the packet number that is sent next; what was counted before stays known. */
void rmdt_ecn_init(struct rmdt_ecn_path *e);
void rmdt_ecn_new_path(struct rmdt_ecn_path *e, uint64_t next_pn);

/* How many of the packets that are sent next are to be marked; UINT32_MAX: all. */
uint32_t rmdt_ecn_wants(const struct rmdt_ecn_path *e);
/* One went out marked. */
void rmdt_ecn_on_sent(struct rmdt_ecn_path *e);
/* A marked packet arrived (perhaps after it was declared lost), or is lost. next_pn as above. */
void rmdt_ecn_on_acked(struct rmdt_ecn_path *e, uint64_t pn);
void rmdt_ecn_on_lost(struct rmdt_ecn_path *e, uint64_t pn, uint64_t next_pn);
/*
 * After all that an ack names has been told: the counts in it. Returns the CE marks to be heeded
 * now.
 */
uint32_t rmdt_ecn_on_ack(struct rmdt_ecn_path *e, uint64_t ect0_pkts, uint64_t ce_pkts);

#endif

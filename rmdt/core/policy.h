/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_POLICY_H
#define RMDT_CORE_POLICY_H

#include <stddef.h>
#include <stdint.h>

/* What a flow does about slow and dead receivers. */

enum rmdt_policy_kind {
	RMDT_POLICY_BLOCK = 0,		/* the slowest sets the pace */
	RMDT_POLICY_DROP,		/* whoever is too far behind the furthest is detached */
	RMDT_POLICY_QUORUM,		/* the K-th furthest releases the buffer */
};

/* Receivers that a quorum may name at most: as many as one flow can have. */
#define RMDT_POLICY_QUORUM_MAX 1024u

/* The least lag that may be asked for: less is jitter, not a slow receiver. */
#define RMDT_POLICY_LAG_MIN_BYTES 65536u
#define RMDT_POLICY_LAG_MIN_US 1000u

struct rmdt_policy {
	enum rmdt_policy_kind kind;
	uint64_t lag_bytes;		/* drop: bytes allowed behind, 0 = not by bytes */
	uint64_t lag_us;		/* drop: time allowed behind, 0 = not by time */
	uint32_t quorum;		/* quorum: K, 1 to RMDT_POLICY_QUORUM_MAX */
};

/* Longest text of rmdt_policy_format with its terminator. */
#define RMDT_POLICY_TEXT_BYTES 40u

/*
 * Reads `block`, `drop:64M`, `drop:5s` or `quorum:2`. 0, or -EINVAL with a sentence naming the text
 * at fault in why (why_bytes long, always terminated; RMDT_ERROR_BYTES of rmdt.h suits).
 */
int rmdt_policy_parse(const char *text, struct rmdt_policy *out, char *why, size_t why_bytes);

/* Writes what parse reads. */
void rmdt_policy_format(const struct rmdt_policy *policy, char *buf, size_t buf_bytes);

#endif

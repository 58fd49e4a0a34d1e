/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake of one association as packets: protocol.md H1 to H9. Feed handshake packets, drain handshake packets,
 * ask when next. It decides nothing about trust: it stops at ADMIT until the owner has answered.
 */
#ifndef RMDT_CORE_HANDSHAKE_H
#define RMDT_CORE_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/noise.h"
#include "core/packet.h"
#include "rmdt.h"

#define RMDT_HANDSHAKE_FIRST_RESEND_US	UINT64_C(250000)
#define RMDT_HANDSHAKE_LEAST_RESEND_US	UINT64_C(50000)		/* of FINISH, where the round trip is known */
#define RMDT_HANDSHAKE_LAST_RESEND_US	UINT64_C(2000000)
#define RMDT_HANDSHAKE_DOUBT_US		UINT64_C(1000000)	/* H1: how long an unproven refusal is doubted */
#define RMDT_HANDSHAKE_RETRIES		3			/* RETRY packets that are obeyed */
#define RMDT_HANDSHAKE_PACKET_BYTES	1400			/* none is larger */

struct rmdt_handshake_config {
	bool initiator;
	enum rmdt_suite suite;
	const uint8_t *static_private, *ephemeral_private;	/* 32 bytes each; borrowed during new */
	const uint8_t *psk;		/* 32 bytes or NULL; borrowed during new */
	struct rmdt_params params;	/* ours; its cid is our connection id */
	uint64_t timeout_us;		/* from new to done */
};

enum rmdt_handshake_state {
	RMDT_HANDSHAKE_RUNNING,
	RMDT_HANDSHAKE_ADMIT,		/* remote key is proven; waits for rmdt_handshake_admit */
	RMDT_HANDSHAKE_DONE,		/* keys can be taken; FINISH may still be said again */
	RMDT_HANDSHAKE_FAILED,		/* code and reason are set; a REJECT may still be said */
};

struct rmdt_handshake;

int rmdt_handshake_new(const struct rmdt_handshake_config *cfg, uint64_t now_us, struct rmdt_handshake **hs);
void rmdt_handshake_free(struct rmdt_handshake *hs);	/* wipes; NULL ok */

/* A handshake packet as read from buf (whole datagram). Returns false when it was of no use (count it). */
bool rmdt_handshake_receive(struct rmdt_handshake *hs, uint64_t now_us, const struct rmdt_handshake_packet *p,
			    const uint8_t *buf);
/* Writes the packet that is due into buf; 0: none. size is at least RMDT_HANDSHAKE_PACKET_BYTES. */
size_t rmdt_handshake_send(struct rmdt_handshake *hs, uint64_t now_us, uint8_t *buf, size_t size);
void rmdt_handshake_tick(struct rmdt_handshake *hs, uint64_t now_us);
uint64_t rmdt_handshake_deadline_us(const struct rmdt_handshake *hs);	/* UINT64_MAX never */
/* Time in which this process did not run: every deadline moves by it. */
void rmdt_handshake_shift(struct rmdt_handshake *hs, uint64_t by_us);

/* Answer to ADMIT: 0 goes on, another code refuses. */
void rmdt_handshake_admit(struct rmdt_handshake *hs, uint64_t now_us, unsigned code, const char *reason);
/* Initiator: a sealed packet of the responder has opened; FINISH need not be said again. */
void rmdt_handshake_confirmed(struct rmdt_handshake *hs);

enum rmdt_handshake_state rmdt_handshake_state(const struct rmdt_handshake *hs);
unsigned rmdt_handshake_code(const struct rmdt_handshake *hs, const char **reason);	/* when FAILED */
const uint8_t *rmdt_handshake_remote_key(const struct rmdt_handshake *hs);	/* from ADMIT on */
const struct rmdt_params *rmdt_handshake_remote(const struct rmdt_handshake *hs);	/* from ADMIT on */
/* Initiator: FINISH had to be said more than once. */
bool rmdt_handshake_was_repeated(const struct rmdt_handshake *hs);
/* The same, and with the sealed packet that is here now: none of those said at first can have arrived. */
bool rmdt_handshake_finish_was_lost(const struct rmdt_handshake *hs, uint64_t now_us);
/* Round trip time that the handshake saw, 0 when packets were repeated and it cannot be told. */
uint64_t rmdt_handshake_rtt_us(const struct rmdt_handshake *hs);
/* Initiator: the most that it can have been, from the first INIT to the answer. */
uint64_t rmdt_handshake_most_rtt_us(const struct rmdt_handshake *hs);
int rmdt_handshake_split(const struct rmdt_handshake *hs, struct rmdt_noise_split *split);	/* when DONE */

#endif

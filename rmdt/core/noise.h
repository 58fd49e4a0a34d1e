/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One handshake Noise_XX_25519_{AESGCM,ChaChaPoly}_SHA256, or XXpsk3 when there is a psk.
 * Pure state: the ephemeral private key is an argument, messages are bytes in the caller's buffers,
 * and resending is the caller's affair (it keeps the bytes of its last message).
 *
 *   -> e, payload 1          clear text without psk; with a psk encrypted, but only by a public key
 *   <- e, ee, s, es, pay 2   encrypted; the initiator now knows the responder's proven static key
 *   -> s, se, [psk], pay 3   encrypted; the responder now knows the initiator's proven static key
 *
 * A message that cannot be read leaves the state as it was: a forged packet does not end a
 * handshake, the true one may still come.
 */
#ifndef RMDT_CORE_NOISE_H
#define RMDT_CORE_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/aead.h"

#define RMDT_NOISE_KEY_BYTES 32		/* private, public, pre-shared and split keys alike */
#define RMDT_NOISE_HASH_BYTES 32
#define RMDT_NOISE_MESSAGE_MAX_BYTES 65535	/* by the Noise specification */

/* Bytes that the messages add to their payloads. */
#define RMDT_NOISE_OVERHEAD_1 32	/* e; 48 with a psk */
#define RMDT_NOISE_OVERHEAD_1_PSK 48
#define RMDT_NOISE_OVERHEAD_2 96	/* e, encrypted s, tag */
#define RMDT_NOISE_OVERHEAD_3 64	/* encrypted s, tag */

struct rmdt_noise;

/* Everything is borrowed during rmdt_noise_new only. */
struct rmdt_noise_config {
	enum rmdt_suite suite;
	bool initiator;
	const uint8_t *static_priv;	/* 32 bytes */
	const uint8_t *ephemeral_priv;	/* 32 fresh random bytes; never used for two handshakes */
	const uint8_t *psk;		/* 32 bytes, or NULL: plain XX */
	const void *prologue;		/* both sides must have the same */
	size_t prologue_len;
};

/* The result of a handshake. The caller wipes it. */
struct rmdt_noise_split {
	uint8_t i2r[RMDT_NOISE_KEY_BYTES];	/* initiator seals, responder opens */
	uint8_t r2i[RMDT_NOISE_KEY_BYTES];
	uint8_t hash[RMDT_NOISE_HASH_BYTES];	/* handshake hash: same on both sides */
};

/* NULL when out of memory or when `suite` is unknown. */
struct rmdt_noise *rmdt_noise_new(const struct rmdt_noise_config *config);

/* Wipes. NULL is allowed. */
void rmdt_noise_free(struct rmdt_noise *n);

/*
 * Writes the next message; returns its length. -EPROTO: it is not our turn, or the handshake is
 * done; -ENOBUFS: out_cap (or RMDT_NOISE_MESSAGE_MAX_BYTES) is too small; -EBADMSG: the peer's key
 * that came with the last message has small order, give the handshake up; -ENOMEM. The state
 * advances only on success. `payload` and `out` do not overlap.
 */
int rmdt_noise_write_message(struct rmdt_noise *n, const void *payload, size_t payload_len,
			     void *out, size_t out_cap);

/*
 * Reads the next message, writes its payload to `out` and returns the payload's length.
 * -EBADMSG: malformed, not authentic, or a point of small order.
 * -EKEYREJECTED: only message 3 of a handshake with psk, when its static key could be opened and
 *     its payload could not. The sender took part in messages 1 and 2; most likely its psk is
 *     another. Or it does not own that static key, or somebody has altered the payload on its way.
 * -EPROTO: it is not the peer's turn; -ENOBUFS: the payload may not fit out_cap; -ENOMEM.
 * The state advances only on success; on failure `out` may hold rubbish. `msg` and `out` do not
 * overlap.
 */
int rmdt_noise_read_message(struct rmdt_noise *n, const void *msg, size_t msg_len,
			    void *out, size_t out_cap);

/* True when all three messages have passed. */
bool rmdt_noise_is_done(const struct rmdt_noise *n);

/*
 * The peer's static public key, 32 bytes, borrowed until rmdt_noise_free; NULL while it is not yet
 * proven (initiator: before message 2 is read; responder: before message 3 is read).
 */
const uint8_t *rmdt_noise_remote_static(const struct rmdt_noise *n);

/* The handshake hash so far, 32 bytes, borrowed until the next call. */
const uint8_t *rmdt_noise_hash(const struct rmdt_noise *n);

/* 0; -EPROTO before the handshake is done; -ENOMEM. */
int rmdt_noise_split(struct rmdt_noise *n, struct rmdt_noise_split *out);

/*
 * A key that both sides share as soon as message 2 has passed, and that does not change after:
 * derived from the chaining key and hash of that moment, `label` sets its purpose (K3 in
 * doc/keys.md). The psk and the initiator's static key are not in it, so that a responder can
 * sign a reject of message 3; the initiator then knows that the owner of the responder's static
 * key said so. 0, -EPROTO before message 2, or -ENOMEM.
 */
int rmdt_noise_export(const struct rmdt_noise *n, const char *label,
		      uint8_t out[RMDT_NOISE_KEY_BYTES]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The traffic keys of one association, and how they are replaced while packets fly (doc/keys.md
 * has the rules K1.. that are cited here). A generation of keys has one key and iv per direction.
 * The phase bit of a packet is its generation & 1; it stands in the authenticated header.
 *
 * A rekey, side R asking and side A answering, all inside sealed frames that are resent when lost:
 *
 *   R: rekey_start  -> REKEY(generation, pub)         R still seals with the old keys
 *   A: rekey_answer -> REKEY_ANSWER(generation, pub)  A opens both phases, still seals with the old
 *   R: rekey_finish    R seals with the new keys at once (send something that draws an ack),
 *                      opens both phases
 *   A: first packet of the new phase opens: A seals with the new keys
 *   each side: once a packet of the new phase has opened, the old phase opens for
 *                      RMDT_KEYS_GRACE_US more and is then wiped
 *
 * Either side may start. When both start at once, the initiator of the association wins: it drops
 * the other's REKEY (-EALREADY), the responder answers and forgets its own.
 */
#ifndef RMDT_CORE_KEYS_H
#define RMDT_CORE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/aead.h"
#include "core/noise.h"

/*
 * How long packets of the old phase are still opened after the new one was seen: more than three
 * probe timeouts of a path of one second; what comes later has long been sent again.
 */
#define RMDT_KEYS_GRACE_US UINT64_C(5000000)
#define RMDT_KEYS_NEVER_US UINT64_MAX

struct rmdt_keys;

/* Limits of one generation, but failed_max, which counts over all of them. See K9 to K11. */
struct rmdt_keys_limits {
	uint64_t rekey_pkts;	/* sealed by us: time for new keys */
	uint64_t rekey_blocks;	/* 16-byte blocks of text and ad sealed by us: the same */
	uint64_t rekey_age_us;	/* since this generation was made: the same */
	uint64_t seal_max_pkts;	/* sealing is refused from here on */
	uint64_t seal_max_blocks;
	uint64_t failed_max;	/* packets that did not open: the association must end */
};

/* A packet to be sealed or opened. All borrowed for the call; overlap rules as in core/aead.h. */
struct rmdt_keys_packet {
	uint64_t pn;
	const void *ad;		/* the clear header, phase bit included */
	size_t ad_len;
	const void *in;
	size_t in_len;
	void *out;		/* seal writes in_len + 16 bytes, open in_len - 16 */
};

/* Generation 0 from a finished handshake. NULL when out of memory. `split` may be wiped after. */
struct rmdt_keys *rmdt_keys_new(enum rmdt_suite suite, bool initiator,
				const struct rmdt_noise_split *split, uint64_t now_us);

/* Wipes. NULL is allowed. */
void rmdt_keys_free(struct rmdt_keys *k);

/* The phase bit (0 or 1) that the next sealed packet must carry in its header. */
unsigned rmdt_keys_tx_phase(const struct rmdt_keys *k);

/*
 * Seals with the current sending key. Returns in_len + 16; -EKEYEXPIRED when a hard limit is
 * reached: the association must end, a new handshake helps. Else as rmdt_aead_seal.
 */
int rmdt_keys_seal(struct rmdt_keys *k, const struct rmdt_keys_packet *p);

/*
 * Opens a packet of the phase that its header shows (0 or 1; other bits are ignored). Returns the
 * length of the plaintext. -EBADMSG: not authentic, counted. -ENOKEY: there is no key of that
 * phase (late, or forged), not counted. -EKEYEXPIRED: too many forgeries, the association must
 * end. May switch the sending phase: ask rmdt_keys_tx_phase again before sealing.
 */
int rmdt_keys_open(struct rmdt_keys *k, const struct rmdt_keys_packet *p, unsigned phase,
		   uint64_t now_us);

/* True when a limit says that we should start a rekey and one may start now. */
bool rmdt_keys_wants_rekey(struct rmdt_keys *k, uint64_t now_us);

/*
 * Begins a rekey with a fresh random private key. Fills the two fields of a REKEY frame, which is
 * resent until rmdt_keys_rekey_pending turns false. -EAGAIN while the last rekey is not settled
 * (K7): one under way, the peer not yet seen in the present phase, or the old phase still open.
 * -ENOMEM.
 */
int rmdt_keys_rekey_start(struct rmdt_keys *k, const uint8_t priv[RMDT_NOISE_KEY_BYTES],
			  uint64_t now_us, uint8_t pub[RMDT_NOISE_KEY_BYTES], uint32_t *generation);

/* True from start until the answer has come or the start has been given up for the peer's. */
bool rmdt_keys_rekey_pending(const struct rmdt_keys *k);

/* The fields of a REKEY or REKEY_ANSWER frame as they arrived. */
struct rmdt_keys_offer {
	uint32_t generation;
	const uint8_t *pub;	/* 32 bytes */
};

/*
 * Handles a REKEY frame: fills the public key of the REKEY_ANSWER (generation is the same). A
 * repeated REKEY gets the same answer and `priv` is not used. -EALREADY: drop the frame silently,
 * it is stale, or ours wins. -EPROTO or -EBADMSG: the peer broke the protocol (a generation out of
 * turn, a point of small order). -ENOMEM. On any failure keys stay as they were.
 */
int rmdt_keys_rekey_answer(struct rmdt_keys *k, const struct rmdt_keys_offer *offer,
			   const uint8_t priv[RMDT_NOISE_KEY_BYTES], uint64_t now_us,
			   uint8_t pub[RMDT_NOISE_KEY_BYTES]);

/*
 * Handles a REKEY_ANSWER frame: switches the sending phase. -EALREADY: no rekey of that generation
 * is pending, drop the frame silently. -EBADMSG, -ENOMEM: keys stay as they were.
 */
int rmdt_keys_rekey_finish(struct rmdt_keys *k, const struct rmdt_keys_offer *offer,
			   uint64_t now_us);

/*
 * When time alone next changes what rmdt_keys_expire or rmdt_keys_wants_rekey do, or
 * RMDT_KEYS_NEVER_US. Limits in packets and blocks are seen by asking wants_rekey after sealing.
 */
uint64_t rmdt_keys_next_us(const struct rmdt_keys *k);

/* Wipes the old receiving key when its time has passed. */
void rmdt_keys_expire(struct rmdt_keys *k, uint64_t now_us);

/* For status: newest generation derived, packets sealed with the present key, failed opens. */
uint32_t rmdt_keys_generation(const struct rmdt_keys *k);
uint64_t rmdt_keys_sealed_pkts(const struct rmdt_keys *k);
uint64_t rmdt_keys_failed_pkts(const struct rmdt_keys *k);

/* What rmdt_keys_new sets for the suite; a caller may only lower them. */
struct rmdt_keys_limits rmdt_keys_default_limits(enum rmdt_suite suite);
void rmdt_keys_set_limits(struct rmdt_keys *k, const struct rmdt_keys_limits *limits);

#endif

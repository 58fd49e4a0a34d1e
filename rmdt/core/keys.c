/* SPDX-License-Identifier: Apache-2.0 */
/* The rules K1.. stand in doc/keys.md. */
#include "core/keys.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "core/kdf.h"
#include "core/x25519.h"

#define KEY RMDT_NOISE_KEY_BYTES
/* Blocks of a packet beside text and ad: the mask of the tag and the block of lengths. */
#define PACKET_BLOCKS 2
#define MAX_AGE_US (UINT64_C(60) * 60 * 1000000)

struct rmdt_keys {
	enum rmdt_suite suite;
	bool initiator;
	uint32_t generation;		/* the newest derived; `chain` is its secret */
	uint32_t tx_generation;		/* that or the one before: what we seal with */
	uint8_t chain[KEY];
	struct rmdt_aead *tx[2];	/* by phase; NULL: none */
	struct rmdt_aead *rx[2];
	bool peer_seen;			/* a packet of the newest generation has opened */
	uint64_t old_until_us;		/* when the old rx goes; NEVER until peer_seen */
	uint64_t made_us;		/* when the newest generation was derived */
	uint64_t sealed_pkts;		/* with the present tx key */
	uint64_t sealed_blocks;
	uint64_t failed_pkts;		/* over all generations */
	struct rmdt_keys_limits limits;

	bool pending;			/* our own start waits for its answer */
	uint8_t pending_priv[KEY];
	uint8_t pending_pub[KEY];

	bool answered;			/* the newest generation came from an answer of ours: */
	uint8_t asker_pub[KEY];		/* to this REKEY ... */
	uint8_t answer_pub[KEY];	/* ... which was this, sent again when it is repeated */
};

/* All that one derivation makes, put in place only when it is complete. */
struct fresh {
	uint8_t chain[KEY];
	struct rmdt_aead *tx, *rx;
};

/* ---- derivation */

static struct rmdt_aead *direction_new(enum rmdt_suite suite, const uint8_t chain[KEY], bool i2r)
{
	const struct rmdt_piece none = { NULL, 0 };
	uint8_t key[RMDT_AEAD_KEY_BYTES], iv[RMDT_AEAD_IV_BYTES];
	struct rmdt_aead *a = NULL;

	if (rmdt_kdf_expand(chain, i2r ? "rmdt i2r key" : "rmdt r2i key", none, key,
			    sizeof key) == 0 &&
	    rmdt_kdf_expand(chain, i2r ? "rmdt i2r iv" : "rmdt r2i iv", none, iv, sizeof iv) == 0)
		a = rmdt_aead_new(suite, key, iv);
	OPENSSL_cleanse(key, sizeof key);
	OPENSSL_cleanse(iv, sizeof iv);
	return a;
}

/* K5: the four traffic values of fresh->chain. */
static int fresh_fill(const struct rmdt_keys *k, struct fresh *fresh)
{
	fresh->tx = direction_new(k->suite, fresh->chain, k->initiator);
	fresh->rx = direction_new(k->suite, fresh->chain, !k->initiator);
	if (fresh->tx && fresh->rx)
		return 0;
	rmdt_aead_free(fresh->tx);
	rmdt_aead_free(fresh->rx);
	return -ENOMEM;
}

/* K4. */
static int first_chain(const struct rmdt_noise_split *split, uint8_t chain[KEY])
{
	const struct rmdt_piece keys[] = {
		{ split->i2r, sizeof split->i2r }, { split->r2i, sizeof split->r2i },
	};

	return rmdt_kdf_hmac(split->hash, keys, 2, chain);
}

/* The two public keys of a rekey, and our private one. */
struct exchange {
	const uint8_t *priv;
	const uint8_t *peer_pub;
	const uint8_t *asker_pub;
	const uint8_t *answer_pub;
};

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* K6. */
static int next_chain(const struct rmdt_keys *k, const struct exchange *x, uint8_t chain[KEY])
{
	const struct rmdt_piece none = { NULL, 0 };
	uint8_t shared[KEY], salt[KEY], prk[KEY], context[4 + 2 * KEY];
	int r = rmdt_x25519_shared(x->priv, x->peer_pub, shared);

	put_u32(context, k->generation + 1);
	memcpy(context + 4, x->asker_pub, KEY);
	memcpy(context + 4 + KEY, x->answer_pub, KEY);
	if (r == 0)
		r = rmdt_kdf_expand(k->chain, "rmdt rekey", none, salt, sizeof salt);
	if (r == 0)
		r = rmdt_kdf_hmac(salt, &(struct rmdt_piece){ shared, sizeof shared }, 1, prk);
	if (r == 0)
		r = rmdt_kdf_expand(prk, "rmdt chain",
				    (struct rmdt_piece){ context, sizeof context }, chain, KEY);
	OPENSSL_cleanse(shared, sizeof shared);
	OPENSSL_cleanse(salt, sizeof salt);
	OPENSSL_cleanse(prk, sizeof prk);
	return r;
}

/* ---- generations */

static void slot_set(struct rmdt_aead **slot, struct rmdt_aead *a)
{
	rmdt_aead_free(*slot);
	*slot = a;
}

static unsigned phase_of(uint32_t generation)
{
	return generation & 1;
}

static void pending_forget(struct rmdt_keys *k)
{
	k->pending = false;
	OPENSSL_cleanse(k->pending_priv, sizeof k->pending_priv);
}

/* Both directions can be opened in both phases afterwards; what we seal with stays. */
static void generation_install(struct rmdt_keys *k, struct fresh *fresh, uint64_t now_us)
{
	k->generation++;
	slot_set(&k->tx[phase_of(k->generation)], fresh->tx);
	/* What still sits in this slot is two generations old, see K7. */
	slot_set(&k->rx[phase_of(k->generation)], fresh->rx);
	memcpy(k->chain, fresh->chain, KEY);
	k->peer_seen = false;
	k->old_until_us = RMDT_KEYS_NEVER_US;
	k->made_us = now_us;
	k->answered = false;
	pending_forget(k);
}

static int generation_next(struct rmdt_keys *k, const struct exchange *x, uint64_t now_us)
{
	struct fresh fresh;
	int r = next_chain(k, x, fresh.chain);

	if (r == 0)
		r = fresh_fill(k, &fresh);
	if (r == 0)
		generation_install(k, &fresh, now_us);
	OPENSSL_cleanse(&fresh, sizeof fresh);
	return r;
}

static void tx_switch(struct rmdt_keys *k)
{
	assert(k->tx_generation + 1 == k->generation);
	slot_set(&k->tx[phase_of(k->tx_generation)], NULL);
	k->tx_generation = k->generation;
	k->sealed_pkts = 0;
	k->sealed_blocks = 0;
}

/* K7: nothing of the last rekey is open any more. */
static bool is_settled(const struct rmdt_keys *k)
{
	return !k->pending && k->peer_seen && !k->rx[phase_of(k->generation + 1)] &&
	       k->generation < UINT32_MAX;
}

/* ---- life */

struct rmdt_keys_limits rmdt_keys_default_limits(enum rmdt_suite suite)
{
	/* K9, K11: 2^35 blocks keep an attacker's advantage under 2^-57; half of it to act in. */
	const struct rmdt_keys_limits gcm = {
		.rekey_pkts = UINT64_C(1) << 31,
		.rekey_blocks = UINT64_C(1) << 34,
		.rekey_age_us = MAX_AGE_US,
		.seal_max_pkts = UINT64_C(1) << 32,
		.seal_max_blocks = UINT64_C(1) << 35,
		.failed_max = UINT64_C(1) << 52,
	};
	/* No limit that matters for secrecy; forgeries are the weaker side of Poly1305. */
	const struct rmdt_keys_limits chacha = {
		.rekey_pkts = UINT64_C(1) << 40,
		.rekey_blocks = UINT64_C(1) << 46,
		.rekey_age_us = MAX_AGE_US,
		.seal_max_pkts = UINT64_C(1) << 41,
		.seal_max_blocks = UINT64_C(1) << 47,
		.failed_max = UINT64_C(1) << 36,
	};

	return suite == RMDT_AES_256_GCM ? gcm : chacha;
}

void rmdt_keys_set_limits(struct rmdt_keys *k, const struct rmdt_keys_limits *limits)
{
	k->limits = *limits;
}

struct rmdt_keys *rmdt_keys_new(enum rmdt_suite suite, bool initiator,
				const struct rmdt_noise_split *split, uint64_t now_us)
{
	struct rmdt_keys *k = calloc(1, sizeof *k);
	struct fresh fresh;
	int r;

	if (!k)
		return NULL;
	k->suite = suite;
	k->initiator = initiator;
	k->limits = rmdt_keys_default_limits(suite);
	r = first_chain(split, fresh.chain);
	if (r == 0)
		r = fresh_fill(k, &fresh);
	if (r == 0) {
		memcpy(k->chain, fresh.chain, KEY);
		k->tx[0] = fresh.tx;
		k->rx[0] = fresh.rx;
		k->made_us = now_us;
		k->old_until_us = RMDT_KEYS_NEVER_US;
		k->peer_seen = true;	/* the handshake has proven that it has these keys */
	}
	OPENSSL_cleanse(&fresh, sizeof fresh);
	if (r < 0) {
		rmdt_keys_free(k);
		return NULL;
	}
	return k;
}

void rmdt_keys_free(struct rmdt_keys *k)
{
	if (!k)
		return;
	for (int i = 0; i < 2; i++) {
		rmdt_aead_free(k->tx[i]);
		rmdt_aead_free(k->rx[i]);
	}
	OPENSSL_cleanse(k, sizeof *k);
	free(k);
}

/* ---- packets */

unsigned rmdt_keys_tx_phase(const struct rmdt_keys *k)
{
	return phase_of(k->tx_generation);
}

static uint64_t blocks_of(const struct rmdt_keys_packet *p)
{
	return (p->ad_len + 15) / 16 + (p->in_len + 15) / 16 + PACKET_BLOCKS;
}

int rmdt_keys_seal(struct rmdt_keys *k, const struct rmdt_keys_packet *p)
{
	uint64_t blocks = blocks_of(p);
	int r;

	if (k->sealed_pkts >= k->limits.seal_max_pkts ||
	    k->sealed_blocks + blocks > k->limits.seal_max_blocks)
		return -EKEYEXPIRED;
	r = rmdt_aead_seal(k->tx[phase_of(k->tx_generation)], p->pn, p->ad, p->ad_len,
			   p->in, p->in_len, p->out);
	if (r >= 0) {
		k->sealed_pkts++;
		k->sealed_blocks += blocks;
	}
	return r;
}

/* The first packet of the newest generation: the peer seals with it, so may we (K8). */
static void peer_was_seen(struct rmdt_keys *k, uint64_t now_us)
{
	k->peer_seen = true;
	k->old_until_us = now_us + RMDT_KEYS_GRACE_US;
	if (k->tx_generation != k->generation)
		tx_switch(k);
}

int rmdt_keys_open(struct rmdt_keys *k, const struct rmdt_keys_packet *p, unsigned phase,
		   uint64_t now_us)
{
	struct rmdt_aead *a;
	int r;

	rmdt_keys_expire(k, now_us);
	phase &= 1;
	a = k->rx[phase];
	if (k->failed_pkts >= k->limits.failed_max)
		return -EKEYEXPIRED;
	if (!a)
		return -ENOKEY;
	r = rmdt_aead_open(a, p->pn, p->ad, p->ad_len, p->in, p->in_len, p->out);
	if (r < 0) {
		k->failed_pkts++;
		return k->failed_pkts >= k->limits.failed_max ? -EKEYEXPIRED : r;
	}
	if (!k->peer_seen && phase == phase_of(k->generation))
		peer_was_seen(k, now_us);
	return r;
}

void rmdt_keys_expire(struct rmdt_keys *k, uint64_t now_us)
{
	if (now_us < k->old_until_us)
		return;
	slot_set(&k->rx[phase_of(k->generation + 1)], NULL);
	k->old_until_us = RMDT_KEYS_NEVER_US;
}

/* ---- rekey */

bool rmdt_keys_wants_rekey(struct rmdt_keys *k, uint64_t now_us)
{
	rmdt_keys_expire(k, now_us);
	return is_settled(k) && (k->sealed_pkts >= k->limits.rekey_pkts ||
				 k->sealed_blocks >= k->limits.rekey_blocks ||
				 now_us >= k->made_us + k->limits.rekey_age_us);
}

uint64_t rmdt_keys_next_us(const struct rmdt_keys *k)
{
	if (is_settled(k))
		return k->made_us + k->limits.rekey_age_us;
	return k->old_until_us;
}

int rmdt_keys_rekey_start(struct rmdt_keys *k, const uint8_t priv[RMDT_NOISE_KEY_BYTES],
			  uint64_t now_us, uint8_t pub[RMDT_NOISE_KEY_BYTES], uint32_t *generation)
{
	int r;

	rmdt_keys_expire(k, now_us);
	if (!is_settled(k))
		return -EAGAIN;
	r = rmdt_x25519_public(priv, k->pending_pub);
	if (r < 0)
		return r;
	memcpy(k->pending_priv, priv, KEY);
	k->pending = true;
	memcpy(pub, k->pending_pub, KEY);
	*generation = k->generation + 1;
	return 0;
}

bool rmdt_keys_rekey_pending(const struct rmdt_keys *k)
{
	return k->pending;
}

static bool is_repeated(const struct rmdt_keys *k, const struct rmdt_keys_offer *offer)
{
	return k->answered && offer->generation == k->generation &&
	       memcmp(offer->pub, k->asker_pub, KEY) == 0;
}

/* 0 when the REKEY is to be answered with a new generation. */
static int offer_judge(const struct rmdt_keys *k, const struct rmdt_keys_offer *offer)
{
	if (offer->generation <= k->generation)
		return -EALREADY;
	if (offer->generation - k->generation != 1 || !k->peer_seen)
		return -EPROTO;	/* it skips one, or has never used the present one */
	if (k->pending && k->initiator)
		return -EALREADY;	/* K8: ours wins */
	return 0;
}

int rmdt_keys_rekey_answer(struct rmdt_keys *k, const struct rmdt_keys_offer *offer,
			   const uint8_t priv[RMDT_NOISE_KEY_BYTES], uint64_t now_us,
			   uint8_t pub[RMDT_NOISE_KEY_BYTES])
{
	uint8_t own_pub[KEY];
	const struct exchange x = {
		.priv = priv, .peer_pub = offer->pub,
		.asker_pub = offer->pub, .answer_pub = own_pub,
	};
	int r;

	if (is_repeated(k, offer)) {
		memcpy(pub, k->answer_pub, KEY);
		return 0;
	}
	r = offer_judge(k, offer);
	if (r == 0)
		r = rmdt_x25519_public(priv, own_pub);
	if (r == 0)
		r = generation_next(k, &x, now_us);
	if (r < 0)
		return r;
	k->answered = true;
	memcpy(k->asker_pub, offer->pub, KEY);
	memcpy(k->answer_pub, own_pub, KEY);
	memcpy(pub, own_pub, KEY);
	return 0;
}

int rmdt_keys_rekey_finish(struct rmdt_keys *k, const struct rmdt_keys_offer *offer,
			   uint64_t now_us)
{
	const struct exchange x = {
		.priv = k->pending_priv, .peer_pub = offer->pub,
		.asker_pub = k->pending_pub, .answer_pub = offer->pub,
	};
	int r;

	if (!k->pending || offer->generation != k->generation + 1)
		return -EALREADY;
	r = generation_next(k, &x, now_us);
	if (r == 0)
		tx_switch(k);
	return r;
}

/* ---- status */

uint32_t rmdt_keys_generation(const struct rmdt_keys *k)
{
	return k->generation;
}

uint64_t rmdt_keys_sealed_pkts(const struct rmdt_keys *k)
{
	return k->sealed_pkts;
}

uint64_t rmdt_keys_failed_pkts(const struct rmdt_keys *k)
{
	return k->failed_pkts;
}

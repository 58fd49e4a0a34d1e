/* SPDX-License-Identifier: Apache-2.0 */
/* Names (ck, h, k, e, s, re, rs, ee, es, se) are those of the Noise specification, revision 34. */
#include "core/noise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "core/kdf.h"
#include "core/x25519.h"

#define KEY RMDT_NOISE_KEY_BYTES
#define TAG RMDT_AEAD_TAG_BYTES
#define MESSAGES 3

enum token { END, E, S, EE, ES, SE, PSK };

static const enum token pattern[MESSAGES][5] = {
	{ E, END },
	{ E, EE, S, ES, END },
	{ S, SE, PSK, END },	/* PSK counts only when there is one */
};

/* All that a message changes, so that a bad one can be undone by not keeping the copy. */
struct state {
	uint8_t ck[KEY];
	uint8_t h[RMDT_HASH_BYTES];
	uint8_t k[KEY];
	bool has_k;
	uint64_t nonce;
	uint8_t re[KEY];
	uint8_t rs[KEY];
	unsigned messages;	/* passed so far; even: the initiator's turn */
};

struct rmdt_noise {
	struct state st;
	enum rmdt_suite suite;
	bool initiator;
	bool has_psk;
	uint8_t psk[KEY];
	uint8_t s[KEY], s_pub[KEY];
	uint8_t e[KEY], e_pub[KEY];
	uint8_t export_secret[KEY];	/* from message 2 on */
};

/* A place in a message, either way. */
struct cursor {
	uint8_t *p;
	size_t left;
};

/* ---- symmetric state */

static int mix_hash(struct state *st, const void *data, size_t len)
{
	const struct rmdt_piece pieces[] = { { st->h, sizeof st->h }, { data, len } };

	return rmdt_kdf_sha256(pieces, 2, st->h);
}

/* HKDF of the specification, 4.3: n <= 3 outputs of 32 bytes. */
static int hkdf(const uint8_t ck[KEY], const void *ikm, size_t ikm_len, uint8_t out[][KEY],
		unsigned n)
{
	uint8_t prk[KEY];
	int r = rmdt_kdf_hmac(ck, &(struct rmdt_piece){ ikm, ikm_len }, 1, prk);

	for (uint8_t i = 1; r == 0 && i <= n; i++) {
		const struct rmdt_piece pieces[] = {
			{ i > 1 ? out[i - 2] : NULL, i > 1 ? KEY : 0 }, { &i, 1 },
		};

		r = rmdt_kdf_hmac(prk, pieces, 2, out[i - 1]);
	}
	OPENSSL_cleanse(prk, sizeof prk);
	return r;
}

static void set_key(struct state *st, const uint8_t k[KEY])
{
	memcpy(st->k, k, KEY);
	st->has_k = true;
	st->nonce = 0;
}

static int mix_key(struct state *st, const uint8_t ikm[KEY])
{
	uint8_t out[2][KEY];
	int r = hkdf(st->ck, ikm, KEY, out, 2);

	if (r == 0) {
		memcpy(st->ck, out[0], KEY);
		set_key(st, out[1]);
	}
	OPENSSL_cleanse(out, sizeof out);
	return r;
}

static int mix_key_and_hash(struct state *st, const uint8_t ikm[KEY])
{
	uint8_t out[3][KEY];
	int r = hkdf(st->ck, ikm, KEY, out, 3);

	if (r == 0)
		r = mix_hash(st, out[1], KEY);
	if (r == 0) {
		memcpy(st->ck, out[0], KEY);
		set_key(st, out[2]);
	}
	OPENSSL_cleanse(out, sizeof out);
	return r;
}

/* Noise puts the counter big-endian into AESGCM's nonce and little-endian into ChaChaPoly's. */
static uint64_t nonce_pn(enum rmdt_suite suite, uint64_t nonce)
{
	return suite == RMDT_CHACHA20_POLY1305 ? __builtin_bswap64(nonce) : nonce;
}

static struct rmdt_aead *aead_new(const struct rmdt_noise *n, const struct state *st)
{
	static const uint8_t iv[RMDT_AEAD_IV_BYTES];

	return rmdt_aead_new(n->suite, st->k, iv);
}

static size_t tag_len(const struct state *st)
{
	return st->has_k ? TAG : 0;
}

static int encrypt_and_hash(const struct rmdt_noise *n, struct state *st, const void *in,
			    size_t len, struct cursor *c)
{
	size_t out_len = len + tag_len(st);
	int r = (int)len;

	if (out_len > c->left)
		return -ENOBUFS;
	if (st->has_k) {
		struct rmdt_aead *a = aead_new(n, st);

		r = a ? rmdt_aead_seal(a, nonce_pn(n->suite, st->nonce++), st->h, sizeof st->h,
				       in, len, c->p) : -ENOMEM;
		rmdt_aead_free(a);
	} else if (len > 0) {
		memcpy(c->p, in, len);
	}
	if (r >= 0)
		r = mix_hash(st, c->p, out_len);
	c->p += out_len;
	c->left -= out_len;
	return r;
}

/* Takes in_len bytes from the cursor; `out` has room for them less the tag. */
static int decrypt_and_hash(const struct rmdt_noise *n, struct state *st, struct cursor *c,
			    size_t in_len, uint8_t *out)
{
	int r = 0;

	if (in_len > c->left || in_len < tag_len(st))
		return -EBADMSG;
	if (st->has_k) {
		struct rmdt_aead *a = aead_new(n, st);

		r = a ? rmdt_aead_open(a, nonce_pn(n->suite, st->nonce++), st->h, sizeof st->h,
				       c->p, in_len, out) : -ENOMEM;
		rmdt_aead_free(a);
	} else if (in_len > 0) {
		memcpy(out, c->p, in_len);
	}
	if (r >= 0)
		r = mix_hash(st, c->p, in_len);
	c->p += in_len;
	c->left -= in_len;
	return r;
}

/* ---- tokens */

static int mix_dh(struct state *st, const uint8_t priv[KEY], const uint8_t pub[KEY])
{
	uint8_t shared[KEY];
	int r = rmdt_x25519_shared(priv, pub, shared);

	if (r == 0)
		r = mix_key(st, shared);
	OPENSSL_cleanse(shared, sizeof shared);
	return r;
}

/* The tokens that are the same for writer and reader. */
static int mix_token(const struct rmdt_noise *n, struct state *st, enum token token)
{
	switch (token) {
	case EE:
		return mix_dh(st, n->e, st->re);
	case ES:
		return n->initiator ? mix_dh(st, n->e, st->rs) : mix_dh(st, n->s, st->re);
	case SE:
		return n->initiator ? mix_dh(st, n->s, st->re) : mix_dh(st, n->e, st->rs);
	case PSK:
		return n->has_psk ? mix_key_and_hash(st, n->psk) : 0;
	case END:
	case E:
	case S:
		break;
	}
	return -EINVAL;
}

/* An e is hashed; in a handshake with psk it also goes into the key (specification, 9.2). */
static int mix_e(const struct rmdt_noise *n, struct state *st, const uint8_t pub[KEY])
{
	int r = mix_hash(st, pub, KEY);

	return r == 0 && n->has_psk ? mix_key(st, pub) : r;
}

static int write_token(const struct rmdt_noise *n, struct state *st, enum token token,
		       struct cursor *c)
{
	if (token == S)
		return encrypt_and_hash(n, st, n->s_pub, KEY, c);
	if (token != E)
		return mix_token(n, st, token);
	if (c->left < KEY)
		return -ENOBUFS;
	memcpy(c->p, n->e_pub, KEY);
	c->p += KEY;
	c->left -= KEY;
	return mix_e(n, st, n->e_pub);
}

static int read_token(const struct rmdt_noise *n, struct state *st, enum token token,
		      struct cursor *c)
{
	if (token == S)
		return decrypt_and_hash(n, st, c, KEY + tag_len(st), st->rs);
	if (token != E)
		return mix_token(n, st, token);
	if (c->left < KEY)
		return -EBADMSG;
	memcpy(st->re, c->p, KEY);
	c->p += KEY;
	c->left -= KEY;
	return mix_e(n, st, st->re);
}

/* ---- messages */

static bool is_our_turn(const struct rmdt_noise *n)
{
	return n->st.messages < MESSAGES && (n->st.messages % 2 == 0) == n->initiator;
}

static int export_secret_make(const struct state *st, uint8_t out[KEY])
{
	static const char label[] = "rmdt noise export";
	const struct rmdt_piece pieces[] = {
		{ label, sizeof label - 1 }, { st->h, sizeof st->h },
	};

	/* Apart from Noise's own uses of ck by length: those hash 32 bytes or none. K3. */
	return rmdt_kdf_hmac(st->ck, pieces, 2, out);
}

/* Makes the changed copy the state. */
static int commit(struct rmdt_noise *n, struct state *st)
{
	st->messages++;
	if (st->messages == 2) {
		int r = export_secret_make(st, n->export_secret);

		if (r < 0)
			return r;
	}
	n->st = *st;
	if (st->messages == MESSAGES) {
		OPENSSL_cleanse(n->e, sizeof n->e);
		OPENSSL_cleanse(n->s, sizeof n->s);
		OPENSSL_cleanse(n->psk, sizeof n->psk);
	}
	return 0;
}

int rmdt_noise_write_message(struct rmdt_noise *n, const void *payload, size_t payload_len,
			     void *out, size_t out_cap)
{
	struct cursor c = { out, out_cap };
	const enum token *token = pattern[n->st.messages % MESSAGES];
	struct state st;
	int r = 0;

	if (!is_our_turn(n))
		return -EPROTO;
	if (c.left > RMDT_NOISE_MESSAGE_MAX_BYTES)
		c.left = RMDT_NOISE_MESSAGE_MAX_BYTES;
	if (payload_len > c.left)
		return -ENOBUFS;
	st = n->st;
	for (; r >= 0 && *token != END; token++)
		r = write_token(n, &st, *token, &c);
	if (r >= 0)
		r = encrypt_and_hash(n, &st, payload, payload_len, &c);
	if (r >= 0)
		r = commit(n, &st);
	OPENSSL_cleanse(&st, sizeof st);
	return r < 0 ? r : (int)(c.p - (uint8_t *)out);
}

static int read_payload(const struct rmdt_noise *n, struct state *st, struct cursor *c,
			struct cursor out)
{
	size_t len = c->left;
	int r;

	if (len < tag_len(st))
		return -EBADMSG;
	if (len - tag_len(st) > out.left)
		return -ENOBUFS;
	r = decrypt_and_hash(n, st, c, len, out.p);
	if (r == -EBADMSG && st->messages == 2 && n->has_psk)
		return -EKEYREJECTED;
	return r < 0 ? r : (int)(len - tag_len(st));
}

int rmdt_noise_read_message(struct rmdt_noise *n, const void *msg, size_t msg_len,
			    void *out, size_t out_cap)
{
	struct cursor c = { (uint8_t *)msg, msg_len };	/* only read from */
	const enum token *token = pattern[n->st.messages % MESSAGES];
	struct state st;
	int len, r = 0;

	if (is_our_turn(n) || rmdt_noise_is_done(n))
		return -EPROTO;
	if (msg_len > RMDT_NOISE_MESSAGE_MAX_BYTES)
		return -EBADMSG;
	st = n->st;
	for (; r >= 0 && *token != END; token++)
		r = read_token(n, &st, *token, &c);
	len = r < 0 ? r : read_payload(n, &st, &c, (struct cursor){ out, out_cap });
	r = len < 0 ? len : commit(n, &st);
	OPENSSL_cleanse(&st, sizeof st);
	return r < 0 ? r : len;
}

/* ---- life and results */

static const char *protocol_name(const struct rmdt_noise *n)
{
	if (n->suite == RMDT_AES_256_GCM)
		return n->has_psk ? "Noise_XXpsk3_25519_AESGCM_SHA256" :
				    "Noise_XX_25519_AESGCM_SHA256";
	return n->has_psk ? "Noise_XXpsk3_25519_ChaChaPoly_SHA256" :
			    "Noise_XX_25519_ChaChaPoly_SHA256";
}

/* h is the name padded with zeros, or its hash when it is longer than that. */
static int symmetric_init(struct rmdt_noise *n, const void *prologue, size_t prologue_len)
{
	const char *name = protocol_name(n);
	size_t len = strlen(name);
	int r = 0;

	if (len <= sizeof n->st.h)
		memcpy(n->st.h, name, len);
	else
		r = rmdt_kdf_sha256(&(struct rmdt_piece){ name, len }, 1, n->st.h);
	memcpy(n->st.ck, n->st.h, KEY);
	return r < 0 ? r : mix_hash(&n->st, prologue, prologue_len);
}

struct rmdt_noise *rmdt_noise_new(const struct rmdt_noise_config *config)
{
	struct rmdt_noise *n;

	if (config->suite != RMDT_AES_256_GCM && config->suite != RMDT_CHACHA20_POLY1305)
		return NULL;
	n = calloc(1, sizeof *n);
	if (!n)
		return NULL;
	n->suite = config->suite;
	n->initiator = config->initiator;
	memcpy(n->s, config->static_priv, KEY);
	memcpy(n->e, config->ephemeral_priv, KEY);
	if (config->psk) {
		memcpy(n->psk, config->psk, KEY);
		n->has_psk = true;
	}
	if (rmdt_x25519_public(n->s, n->s_pub) < 0 || rmdt_x25519_public(n->e, n->e_pub) < 0 ||
	    symmetric_init(n, config->prologue, config->prologue_len) < 0) {
		rmdt_noise_free(n);
		return NULL;
	}
	return n;
}

void rmdt_noise_free(struct rmdt_noise *n)
{
	if (!n)
		return;
	OPENSSL_cleanse(n, sizeof *n);
	free(n);
}

bool rmdt_noise_is_done(const struct rmdt_noise *n)
{
	return n->st.messages == MESSAGES;
}

const uint8_t *rmdt_noise_remote_static(const struct rmdt_noise *n)
{
	return n->st.messages >= (n->initiator ? 2u : 3u) ? n->st.rs : NULL;
}

const uint8_t *rmdt_noise_hash(const struct rmdt_noise *n)
{
	return n->st.h;
}

int rmdt_noise_split(struct rmdt_noise *n, struct rmdt_noise_split *out)
{
	uint8_t keys[2][KEY];
	int r;

	if (!rmdt_noise_is_done(n))
		return -EPROTO;
	r = hkdf(n->st.ck, NULL, 0, keys, 2);
	if (r == 0) {
		memcpy(out->i2r, keys[0], KEY);
		memcpy(out->r2i, keys[1], KEY);
		memcpy(out->hash, n->st.h, sizeof out->hash);
	}
	OPENSSL_cleanse(keys, sizeof keys);
	return r;
}

int rmdt_noise_export(const struct rmdt_noise *n, const char *label,
		      uint8_t out[RMDT_NOISE_KEY_BYTES])
{
	const struct rmdt_piece none = { NULL, 0 };

	if (n->st.messages < 2)
		return -EPROTO;
	return rmdt_kdf_expand(n->export_secret, label, none, out, KEY);
}

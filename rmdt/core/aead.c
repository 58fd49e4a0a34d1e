/* SPDX-License-Identifier: Apache-2.0 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "core/aead.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "core/aead_ipsecmb.h"

struct rmdt_aead {
	uint8_t iv[RMDT_AEAD_IV_BYTES];
	struct rmdt_ipsecmb *mb;	/* when not NULL the two below are */
	EVP_CIPHER_CTX *sealer;		/* keyed once; only the nonce changes per packet */
	EVP_CIPHER_CTX *opener;
};

/* The arguments of a call together, so that they need not be passed one by one. */
struct job {
	uint8_t nonce[RMDT_AEAD_IV_BYTES];
	const void *ad;
	size_t ad_len;
	const void *in;
	size_t len;		/* without tag */
	uint8_t *out;
};

static EVP_CIPHER_CTX *evp_new(enum rmdt_suite suite, const uint8_t *key, bool seal)
{
	const EVP_CIPHER *cipher = suite == RMDT_AES_256_GCM ? EVP_aes_256_gcm() :
							       EVP_chacha20_poly1305();
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx && EVP_CipherInit_ex(ctx, cipher, NULL, key, NULL, seal) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
	return NULL;
}

static struct rmdt_ipsecmb *mb_new(enum rmdt_suite suite, const uint8_t *key)
{
#ifdef HAVE_IPSEC_MB
	if (suite == RMDT_AES_256_GCM)
		return rmdt_ipsecmb_new(key);
#else
	(void)suite;
	(void)key;
#endif
	return NULL;
}

struct rmdt_aead *rmdt_aead_new(enum rmdt_suite suite, const uint8_t key[RMDT_AEAD_KEY_BYTES],
				const uint8_t iv[RMDT_AEAD_IV_BYTES])
{
	struct rmdt_aead *a;

	if (suite != RMDT_AES_256_GCM && suite != RMDT_CHACHA20_POLY1305)
		return NULL;
	a = calloc(1, sizeof *a);
	if (!a)
		return NULL;
	memcpy(a->iv, iv, sizeof a->iv);
	a->mb = mb_new(suite, key);
	if (a->mb)
		return a;
	a->sealer = evp_new(suite, key, true);
	a->opener = evp_new(suite, key, false);
	if (!a->sealer || !a->opener) {
		rmdt_aead_free(a);
		return NULL;
	}
	return a;
}

void rmdt_aead_free(struct rmdt_aead *a)
{
	if (!a)
		return;
#ifdef HAVE_IPSEC_MB
	rmdt_ipsecmb_free(a->mb);
#endif
	EVP_CIPHER_CTX_free(a->sealer);	/* wipes its key */
	EVP_CIPHER_CTX_free(a->opener);
	OPENSSL_cleanse(a, sizeof *a);
	free(a);
}

static void nonce_make(const struct rmdt_aead *a, uint64_t pn, uint8_t nonce[RMDT_AEAD_IV_BYTES])
{
	memcpy(nonce, a->iv, RMDT_AEAD_IV_BYTES);
	for (unsigned i = 0; i < 8; i++)
		nonce[RMDT_AEAD_IV_BYTES - 1 - i] ^= (uint8_t)(pn >> (8 * i));
}

/* Everything but the tag. Updates of no bytes are left out: EVP takes them for something else. */
static bool evp_run(EVP_CIPHER_CTX *ctx, const struct job *j)
{
	int n;

	if (EVP_CipherInit_ex(ctx, NULL, NULL, NULL, j->nonce, -1) != 1)
		return false;
	if (j->ad_len > 0 && EVP_CipherUpdate(ctx, NULL, &n, j->ad, (int)j->ad_len) != 1)
		return false;
	return j->len == 0 || EVP_CipherUpdate(ctx, j->out, &n, j->in, (int)j->len) == 1;
}

static bool evp_seal(struct rmdt_aead *a, const struct job *j)
{
	uint8_t *tag = j->out + j->len;
	uint8_t none[16];
	int n;

	return evp_run(a->sealer, j) && EVP_CipherFinal_ex(a->sealer, none, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(a->sealer, EVP_CTRL_AEAD_GET_TAG, RMDT_AEAD_TAG_BYTES, tag) == 1;
}

/* The library compares the tag in constant time. */
static bool evp_open(struct rmdt_aead *a, const struct job *j)
{
	uint8_t tag[RMDT_AEAD_TAG_BYTES];
	uint8_t none[16];
	int n;

	/* Taken before decryption, which may go over it when out is in. */
	memcpy(tag, (const uint8_t *)j->in + j->len, sizeof tag);
	return evp_run(a->opener, j) &&
	       EVP_CIPHER_CTX_ctrl(a->opener, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) == 1 &&
	       EVP_CipherFinal_ex(a->opener, none, &n) == 1;
}

#ifdef HAVE_IPSEC_MB
/* The library does nothing at all when a pointer is NULL, even with no bytes behind it. */
static struct rmdt_ipsecmb_packet mb_packet(const struct job *j)
{
	return (struct rmdt_ipsecmb_packet){
		.nonce = j->nonce,
		.ad = j->ad_len > 0 ? j->ad : j->nonce, .ad_len = j->ad_len,
		.in = j->len > 0 ? j->in : j->nonce, .len = j->len,
		.out = j->len > 0 ? (void *)j->out : (void *)j->nonce,
	};
}
#endif

static bool job_seal(struct rmdt_aead *a, const struct job *j)
{
#ifdef HAVE_IPSEC_MB
	if (a->mb) {
		const struct rmdt_ipsecmb_packet p = mb_packet(j);

		rmdt_ipsecmb_seal(a->mb, &p, j->out + j->len);
		return true;
	}
#endif
	return evp_seal(a, j);
}

static bool job_open(struct rmdt_aead *a, const struct job *j)
{
#ifdef HAVE_IPSEC_MB
	if (a->mb) {
		const struct rmdt_ipsecmb_packet p = mb_packet(j);
		uint8_t tag[RMDT_AEAD_TAG_BYTES];

		rmdt_ipsecmb_open(a->mb, &p, tag);
		return CRYPTO_memcmp(tag, (const uint8_t *)j->in + j->len, sizeof tag) == 0;
	}
#endif
	return evp_open(a, j);
}

int rmdt_aead_seal(struct rmdt_aead *a, uint64_t pn, const void *ad, size_t ad_len,
		   const void *in, size_t in_len, void *out)
{
	struct job j = { .ad = ad, .ad_len = ad_len, .in = in, .len = in_len, .out = out };

	if (in_len > RMDT_AEAD_IN_MAX_BYTES || ad_len > RMDT_AEAD_IN_MAX_BYTES)
		return -EINVAL;
	nonce_make(a, pn, j.nonce);
	if (!job_seal(a, &j)) {
		ERR_clear_error();
		return -ENOMEM;
	}
	return (int)in_len + RMDT_AEAD_TAG_BYTES;
}

int rmdt_aead_open(struct rmdt_aead *a, uint64_t pn, const void *ad, size_t ad_len,
		   const void *in, size_t in_len, void *out)
{
	struct job j = { .ad = ad, .ad_len = ad_len, .in = in, .out = out };

	if (in_len < RMDT_AEAD_TAG_BYTES || in_len > RMDT_AEAD_IN_MAX_BYTES ||
	    ad_len > RMDT_AEAD_IN_MAX_BYTES)
		return -EBADMSG;
	j.len = in_len - RMDT_AEAD_TAG_BYTES;
	nonce_make(a, pn, j.nonce);
	if (!job_open(a, &j)) {
		ERR_clear_error();
		return -EBADMSG;
	}
	return (int)j.len;
}

const char *rmdt_aead_engine(const struct rmdt_aead *a)
{
	return a->mb ? "ipsec-mb" : "openssl";
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "core/aead_ipsecmb.h"

#ifdef HAVE_IPSEC_MB

#include <stdatomic.h>
#include <stdlib.h>

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#define TAG_BYTES 16

struct rmdt_ipsecmb {
	struct gcm_key_data key;	/* wants alignment to 64, see rmdt_ipsecmb_new */
	struct gcm_context_data ctx;	/* holds key stream, so it is wiped with the key */
	const IMB_MGR *mgr;
};

/*
 * One manager for the process: the direct calls below only read the function pointers in it, all
 * state of a packet is in key and ctx, and a manager of its own would cost every key some 100 KiB
 * and a self-test. Never freed.
 */
static IMB_MGR *_Atomic shared_mgr;

static IMB_MGR *mgr_make(void)
{
	const uint64_t needed = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_AVX;
	IMB_MGR *mgr = alloc_mb_mgr(0);

	if (!mgr)
		return NULL;
	if ((mgr->features & needed) != needed) {
		free_mb_mgr(mgr);
		return NULL;
	}
	init_mb_mgr_auto(mgr, NULL);
	if (imb_get_errno(mgr) != 0) {
		free_mb_mgr(mgr);
		return NULL;
	}
	return mgr;
}

static const IMB_MGR *mgr_get(void)
{
	IMB_MGR *mgr = atomic_load(&shared_mgr);
	IMB_MGR *none = NULL;

	if (mgr)
		return mgr;
	mgr = mgr_make();
	if (mgr && !atomic_compare_exchange_strong(&shared_mgr, &none, mgr)) {
		free_mb_mgr(mgr);
		mgr = none;	/* another thread was first */
	}
	return mgr;
}

struct rmdt_ipsecmb *rmdt_ipsecmb_new(const uint8_t key[32])
{
	const size_t align = 64;
	const IMB_MGR *mgr = mgr_get();
	struct rmdt_ipsecmb *m;

	if (!mgr)
		return NULL;
	m = aligned_alloc(align, (sizeof *m + align - 1) / align * align);
	if (!m)
		return NULL;
	m->mgr = mgr;
	IMB_AES256_GCM_PRE(mgr, key, &m->key);
	return m;
}

void rmdt_ipsecmb_free(struct rmdt_ipsecmb *m)
{
	if (!m)
		return;
	OPENSSL_cleanse(m, sizeof *m);
	free(m);
}

void rmdt_ipsecmb_seal(struct rmdt_ipsecmb *m, const struct rmdt_ipsecmb_packet *p, uint8_t *tag)
{
	IMB_AES256_GCM_ENC(m->mgr, &m->key, &m->ctx, p->out, p->in, p->len, p->nonce,
			   p->ad, p->ad_len, tag, TAG_BYTES);
}

void rmdt_ipsecmb_open(struct rmdt_ipsecmb *m, const struct rmdt_ipsecmb_packet *p, uint8_t *tag)
{
	IMB_AES256_GCM_DEC(m->mgr, &m->key, &m->ctx, p->out, p->in, p->len, p->nonce,
			   p->ad, p->ad_len, tag, TAG_BYTES);
}

#else

/* ISO C wants a declaration in every file. */
extern int rmdt_ipsecmb_is_not_compiled;

#endif

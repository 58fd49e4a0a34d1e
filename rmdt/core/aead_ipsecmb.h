/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM by Intel's multi-buffer library, for core/aead.c only; compiled where HAVE_IPSEC_MB
 * is set. Lengths have been checked by the caller.
 */
#ifndef RMDT_CORE_AEAD_IPSECMB_H
#define RMDT_CORE_AEAD_IPSECMB_H

#include <stddef.h>
#include <stdint.h>

struct rmdt_ipsecmb;

/* NULL when out of memory or when this CPU lacks what makes it fast: then use OpenSSL. */
struct rmdt_ipsecmb *rmdt_ipsecmb_new(const uint8_t key[32]);

/* Wipes. NULL is allowed. */
void rmdt_ipsecmb_free(struct rmdt_ipsecmb *m);

struct rmdt_ipsecmb_packet {
	const uint8_t *nonce;	/* 12 bytes */
	const void *ad;
	size_t ad_len;
	const void *in;
	size_t len;		/* of in and of out, without tag */
	void *out;
};

/* Computes the tag to compare with or to send; 16 bytes. */
void rmdt_ipsecmb_seal(struct rmdt_ipsecmb *m, const struct rmdt_ipsecmb_packet *p, uint8_t *tag);
void rmdt_ipsecmb_open(struct rmdt_ipsecmb *m, const struct rmdt_ipsecmb_packet *p, uint8_t *tag);

#endif

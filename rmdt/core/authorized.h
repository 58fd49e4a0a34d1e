/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authorized_keys: who may do what with us. Lines "[OPTIONS] rmdt-x25519 BASE64 [COMMENT]", blank
 * lines and # lines; OPTIONS are separated by commas and have no white space outside quotes:
 *     dir="/absolute/path"     for receivers that write files; \" and \\ inside
 *     only=pipe|tunnel|fs      purposes, may be repeated; none given: all
 *     from=CIDR[,CIDR]         or from="CIDR,CIDR"; may be repeated; none given: anywhere
 * In a list after only= or from= a word without '=' continues the list.
 */
#ifndef RMDT_CORE_AUTHORIZED_H
#define RMDT_CORE_AUTHORIZED_H

#include <stddef.h>
#include <stdint.h>

#include "core/cidr.h"
#include "core/trust.h"

#define RMDT_AUTHORIZED_MAX_KEYS 65536	/* lines; a lookup is linear and done once per handshake */
#define RMDT_AUTHORIZED_MAX_CIDRS 64	/* per line */

/* Purposes; a set is their sum. */
enum rmdt_purpose_bit {
	RMDT_MAY_PIPE = 1,
	RMDT_MAY_TUNNEL = 2,
	RMDT_MAY_FS = 4,
	RMDT_MAY_ALL = 7,
};

/* One line, borrowed from the list. */
struct rmdt_authorized_key {
	uint8_t pub[RMDT_TRUST_KEY_BYTES];
	unsigned may;			/* set of enum rmdt_purpose_bit */
	unsigned line;			/* from 1 */
	char *dir;			/* NULL: not given */
	char *comment;			/* NULL: none */
	struct rmdt_trust_cidr *from;	/* from_n of them; none: anywhere */
	size_t from_n;
};

enum rmdt_authorized_verdict {		/* refusals in order of nearness */
	RMDT_AUTHORIZED_YES,
	RMDT_AUTHORIZED_UNKNOWN_KEY,
	RMDT_AUTHORIZED_WRONG_ADDRESS,	/* the key is listed, but not from there */
	RMDT_AUTHORIZED_WRONG_PURPOSE,	/* the key is listed, but not for that */
};

struct rmdt_authorized;

/*
 * Parses a whole file; `name` is the file's name for messages ("NAME:LINE: ..."). One bad line
 * refuses the file: half a list is not what its author meant. -EINVAL with `err`, or -ENOMEM.
 */
int rmdt_authorized_parse(const char *name, const char *text, size_t len,
			  struct rmdt_authorized **out, char err[RMDT_TRUST_ERR_BYTES]);
void rmdt_authorized_free(struct rmdt_authorized *list);

/* The question that is put to the list. */
struct rmdt_authorized_query {
	const uint8_t *pub;			/* 32 bytes, proven by the handshake */
	unsigned purpose;			/* one purpose, or 0: not known yet, not judged */
	const struct rmdt_trust_addr *from;	/* NULL: not known; from= then refuses */
};

/*
 * The first line that allows it gives YES and, when key is not NULL, *key is that line, borrowed
 * until the list is freed. When no line allows it: the reason of the line that came nearest.
 */
enum rmdt_authorized_verdict rmdt_authorized_check(const struct rmdt_authorized *list,
						   const struct rmdt_authorized_query *query,
						   const struct rmdt_authorized_key **key);

/* Number of keys listed. */
size_t rmdt_authorized_count(const struct rmdt_authorized *list);

#endif

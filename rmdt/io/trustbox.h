/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is let in and whom we believe: identity, authorized_keys, known_hosts and the pre-shared key
 * of an engine, and the rules over them.
 */
#ifndef RMDT_IO_TRUSTBOX_H
#define RMDT_IO_TRUSTBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/authorized.h"
#include "core/hosts.h"
#include "io/config.h"
#include "io/identity.h"
#include "io/log.h"
#include "rmdt.h"

/* options of an authorized_keys line as text; longer ones are cut */
#define RMDT_ALLOWED_BYTES 1024

struct rmdt_trustbox {
	struct rmdt_identity id;		/* constant */
	bool has_psk;				/* constant */
	uint8_t psk[RMDT_TRUST_KEY_BYTES];	/* constant */
	bool strict;				/* constant */
	char dir[RMDT_IDENTITY_PATH_BYTES];	/* constant: the folder of all files */
	const struct rmdt_log *log;

	pthread_mutex_t lock;			/* leaf; of the lists */
	struct rmdt_authorized *authorized;	/* NULL: there is no such file */
	struct rmdt_hosts *hosts;
	struct rmdt_log_limit refusals;
};

/* Negative errno with err. */
int rmdt_trustbox_init(struct rmdt_trustbox *box, const struct rmdt_config_values *v,
		       const struct rmdt_log *log,
		       char err[RMDT_ERROR_BYTES]);
void rmdt_trustbox_fini(struct rmdt_trustbox *box);
/* Reads the lists again. On failure the old ones stay. */
int rmdt_trustbox_reload(struct rmdt_trustbox *box, char err[RMDT_ERROR_BYTES]);

/* What is asked, and what comes out. */
struct rmdt_admission {
	const uint8_t *key;			/* proven */
	const struct rmdt_addr *from;
	unsigned purpose;			/* enum rmdt_purpose */
	bool psk;				/* a pre-shared key matched */
	bool accept_unlisted;			/* inbound */
	bool ask_unlisted;			/* inbound */
	const char *host;			/* outbound: as asked for */
	uint16_t port;				/* outbound */

	bool listed;
	bool is_unknown;			/* outbound: first use, to be pinned if all agree */
	/* set of enum rmdt_purpose_bit that its flows may have */
	unsigned may;
	char allowed[RMDT_ALLOWED_BYTES];
	char reason[RMDT_REASON_BYTES + 1];	/* of a refusal */
};
/* 0, or the code to refuse with. May log. */
unsigned rmdt_trustbox_inbound(struct rmdt_trustbox *box, struct rmdt_admission *a);
unsigned rmdt_trustbox_outbound(struct rmdt_trustbox *box, struct rmdt_admission *a);
/*
 * Of an inbound one that came in by its line and has moved: 0, or what to close with, if no line of
 * its key lets it be where it is now. In `may`, what it might so far; what the line for the new
 * address allows comes out.
 */
unsigned rmdt_trustbox_moved(struct rmdt_trustbox *box, struct rmdt_admission *a);
/*
 * The same, for a key that is_unknown: writes it to known_hosts. Refused when another process has
 * pinned another meanwhile.
 */
unsigned rmdt_trustbox_pin(struct rmdt_trustbox *box, struct rmdt_admission *a);
/*
 * The rule of first use for a host that dialled us; of `a` only key, host and port count. 0:
 * known_hosts holds this key for it, or none, and then it is pinned. -EKEYREJECTED with err: it
 * holds another, or none and `strict` is set.
 */
int rmdt_trustbox_believe(struct rmdt_trustbox *box, const struct rmdt_admission *a,
			  char err[RMDT_ERROR_BYTES]);
/* A purpose as the bit of authorized_keys; RMDT_OTHER has none: 0. */
unsigned rmdt_trustbox_bit(unsigned purpose);

#endif

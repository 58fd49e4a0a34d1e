/* SPDX-License-Identifier: Apache-2.0 */
#include "io/trustbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "io/address.h"
#include "io/clock.h"

unsigned rmdt_trustbox_bit(unsigned purpose)
{
	switch (purpose) {
	case RMDT_PIPE:
		return RMDT_MAY_PIPE;
	case RMDT_TUNNEL:
		return RMDT_MAY_TUNNEL;
	case RMDT_FS:
		return RMDT_MAY_FS;
	default:
		return 0;
	}
}

/* ---- files ---- */

int rmdt_trustbox_reload(struct rmdt_trustbox *box, char err[RMDT_ERROR_BYTES])
{
	struct rmdt_authorized *authorized = NULL, *old_authorized;
	struct rmdt_hosts *hosts, *old_hosts;
	int rc;

	rc = rmdt_identity_authorized(box->dir, &authorized, err);
	if (rc)
		return rc;
	rc = rmdt_identity_hosts(box->dir, &hosts, err);
	if (rc) {
		rmdt_authorized_free(authorized);
		return rc;
	}
	pthread_mutex_lock(&box->lock);
	old_authorized = box->authorized;
	old_hosts = box->hosts;
	box->authorized = authorized;
	box->hosts = hosts;
	pthread_mutex_unlock(&box->lock);
	rmdt_authorized_free(old_authorized);
	rmdt_hosts_free(old_hosts);
	return 0;
}

static int find_dir(struct rmdt_trustbox *box, const char *identity, char *err)
{
	if (!identity || !*identity)
		return rmdt_identity_dir(false, box->dir, sizeof(box->dir), err);
	if (snprintf(box->dir, sizeof(box->dir), "%s", identity) < (int)sizeof(box->dir))
		return 0;
	snprintf(err, RMDT_ERROR_BYTES, "identity = \"%.60s...\": the path is too long", identity);
	return -ENAMETOOLONG;
}

int rmdt_trustbox_init(struct rmdt_trustbox *box, const struct rmdt_config_values *v,
		       const struct rmdt_log *log,
		       char err[RMDT_ERROR_BYTES])
{
	int rc;

	memset(box, 0, sizeof(*box));
	box->log = log;
	box->strict = v->strict;
	pthread_mutex_init(&box->lock, NULL);
	rc = find_dir(box, v->identity, err);
	if (!rc)
		rc = rmdt_identity_load(box->dir, &box->id, err);
	if (!rc && v->psk && *v->psk) {
		rc = rmdt_identity_psk(v->psk, box->psk, err);
		box->has_psk = rc == 0;
	}
	if (!rc)
		rc = rmdt_trustbox_reload(box, err);
	if (rc)
		rmdt_trustbox_fini(box);
	return rc;
}

void rmdt_trustbox_fini(struct rmdt_trustbox *box)
{
	rmdt_authorized_free(box->authorized);
	rmdt_hosts_free(box->hosts);
	rmdt_identity_wipe(&box->id);
	OPENSSL_cleanse(box->psk, sizeof(box->psk));
	pthread_mutex_destroy(&box->lock);
}

/* ---- who may come in ---- */

/*
 * The options of a line as the application sees them: only=pipe,fs dir=/srv. What restricts by
 * address is settled here.
 */
static void describe(const struct rmdt_authorized_key *key, char *out, size_t size)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = { { RMDT_MAY_PIPE, "pipe" }, { RMDT_MAY_TUNNEL, "tunnel" }, { RMDT_MAY_FS, "fs" } };
	size_t n = 0;
	const char *lead = "only=";

	out[0] = '\0';
	for (size_t i = 0; key->may != RMDT_MAY_ALL && i < 3; i++) {
		if (!(key->may & words[i].bit))
			continue;
		n += (size_t)snprintf(out + n, size - n, "%s%s", lead, words[i].word);
		lead = ",";
	}
	if (key->dir)
		(void)snprintf(out + n, size - n, "%sdir=%s", n ? " " : "", key->dir);
}

static const char *refusal(enum rmdt_authorized_verdict verdict)
{
	switch (verdict) {
	case RMDT_AUTHORIZED_WRONG_ADDRESS:
		return "is authorised, but not from this address";
	case RMDT_AUTHORIZED_WRONG_PURPOSE:
		return "is authorised, but not for this purpose";
	default:
		return "is not authorised";
	}
}

static unsigned refuse(struct rmdt_trustbox *box, struct rmdt_admission *a, const char *why)
{
	char print[RMDT_FINGERPRINT_BYTES], text[RMDT_ADDRESS_TEXT_BYTES];

	unsigned untold = 0;
	bool told;

	rmdt_fingerprint(a->key, print);
	snprintf(a->reason, sizeof(a->reason), "key %s %s", print, why);
	pthread_mutex_lock(&box->lock);
	told = rmdt_log_may(&box->refusals, rmdt_clock_us(), &untold);
	pthread_mutex_unlock(&box->lock);
	if (told && untold)
		rmdt_log(box->log, RMDT_LOG_WARNING, "refused %s: %s; and %u more before it",
			 rmdt_address_format(a->from, text), a->reason, untold);
	else if (told)
		rmdt_log(box->log, RMDT_LOG_WARNING, "refused %s: %s",
			 rmdt_address_format(a->from, text),
			 a->reason);
	return RMDT_CODE_UNAUTHORISED;
}

static enum rmdt_authorized_verdict look_up(struct rmdt_trustbox *box, struct rmdt_admission *a,
					    bool *exists)
{
	enum rmdt_authorized_verdict verdict = RMDT_AUTHORIZED_UNKNOWN_KEY;
	const struct rmdt_authorized_key *key;
	struct rmdt_trust_addr from;
	struct rmdt_authorized_query query = { .pub = a->key, .purpose = rmdt_trustbox_bit(a->purpose),
					       .from = &from };

	rmdt_address_trust(a->from, &from);
	pthread_mutex_lock(&box->lock);
	*exists = box->authorized != NULL;
	if (*exists)
		verdict = rmdt_authorized_check(box->authorized, &query, &key);
	if (verdict == RMDT_AUTHORIZED_YES) {
		a->may = key->may;
		describe(key, a->allowed, sizeof(a->allowed));
	}
	pthread_mutex_unlock(&box->lock);
	return verdict;
}

unsigned rmdt_trustbox_inbound(struct rmdt_trustbox *box, struct rmdt_admission *a)
{
	enum rmdt_authorized_verdict verdict;
	char print[RMDT_FINGERPRINT_BYTES], text[RMDT_ADDRESS_TEXT_BYTES];
	bool exists;

	a->may = RMDT_MAY_ALL;
	a->allowed[0] = '\0';
	verdict = look_up(box, a, &exists);
	a->listed = verdict == RMDT_AUTHORIZED_YES;
	if (a->listed)
		return 0;
	/* What a line says about a known key stands, also for one that shares the secret. */
	if (a->psk && verdict == RMDT_AUTHORIZED_UNKNOWN_KEY)
		return 0;
	if (a->ask_unlisted && !box->strict && verdict == RMDT_AUTHORIZED_UNKNOWN_KEY)
		return 0;
	if (exists || box->strict || !a->accept_unlisted)
		return refuse(box, a, refusal(verdict));
	rmdt_fingerprint(a->key, print);
	rmdt_log(box->log, RMDT_LOG_WARNING, "accepting %s with the unlisted key %s",
		 rmdt_address_format(a->from, text), print);
	return 0;
}

unsigned rmdt_trustbox_moved(struct rmdt_trustbox *box, struct rmdt_admission *a)
{
	bool exists;
	enum rmdt_authorized_verdict verdict = look_up(box, a, &exists);

	/* Who came in without a line has none to keep to. */
	if (verdict == RMDT_AUTHORIZED_YES || verdict == RMDT_AUTHORIZED_UNKNOWN_KEY)
		return 0;
	return refuse(box, a, refusal(verdict));
}

/* ---- whom we believe ---- */

/*
 * What is wrong and where to look. line 0: another process has pinned it this moment, and our list
 * does not have it.
 */
static void describe_changed(struct rmdt_trustbox *box, const struct rmdt_admission *a,
			     unsigned line, char *out, size_t size)
{
	char shown[RMDT_FINGERPRINT_BYTES], pinned[RMDT_FINGERPRINT_BYTES] = "another key";
	uint8_t key[RMDT_TRUST_KEY_BYTES];

	rmdt_fingerprint(a->key, shown);
	pthread_mutex_lock(&box->lock);
	if (line && rmdt_hosts_key(box->hosts, line, key))
		rmdt_fingerprint(key, pinned);
	pthread_mutex_unlock(&box->lock);
	(void)snprintf(out, size,
		       "the key of \"%.200s\" has changed: it shows %s, but %s/known_hosts:%u has %s; if that is right, remove that line",
		       a->host, shown, box->dir, line, pinned);
}

static unsigned refuse_changed(struct rmdt_trustbox *box, struct rmdt_admission *a, unsigned line)
{
	char text[RMDT_IDENTITY_PATH_BYTES + 512];

	describe_changed(box, a, line, text, sizeof(text));
	rmdt_log(box->log, RMDT_LOG_ERROR, "%s", text);
	snprintf(a->reason, sizeof(a->reason), "known_hosts:%u has another key for \"%.60s\"", line,
		 a->host);
	return RMDT_CODE_KEY_CHANGED;
}

/*
 * -EKEYREJECTED: another process has pinned another key. What cannot be written is a warning, and
 * believed for now.
 */
static int pin(struct rmdt_trustbox *box, const struct rmdt_admission *a)
{
	char print[RMDT_FINGERPRINT_BYTES], err[RMDT_ERROR_BYTES];
	bool added = false;
	int rc = rmdt_identity_pin(box->dir, a->host, a->port, a->key, &added, err);

	if (rc == -EKEYREJECTED)
		return rc;
	rmdt_fingerprint(a->key, print);
	if (rc)
		rmdt_log(box->log, RMDT_LOG_WARNING, "cannot pin the key %s of \"%s\": %s", print,
			 a->host, err);
	else if (added)
		rmdt_log(box->log, RMDT_LOG_WARNING, "pinned the key %s of \"%s\" at first use",
			 print, a->host);
	if (!rc && rmdt_trustbox_reload(box, err))
		rmdt_log(box->log, RMDT_LOG_WARNING, "%s", err);
	return 0;
}

unsigned rmdt_trustbox_pin(struct rmdt_trustbox *box, struct rmdt_admission *a)
{
	return pin(box, a) ? refuse_changed(box, a, 0) : 0;
}

static enum rmdt_hosts_verdict look_up_host(struct rmdt_trustbox *box,
					    const struct rmdt_admission *a, unsigned *line)
{
	enum rmdt_hosts_verdict verdict;

	pthread_mutex_lock(&box->lock);
	verdict = rmdt_hosts_check(box->hosts, a->host, a->port, a->key, line);
	pthread_mutex_unlock(&box->lock);
	return verdict;
}

/* Shorter than what goes to the log: the caller knows the key. */
static int disbelieve(const struct rmdt_trustbox *box, const struct rmdt_admission *a,
		      unsigned line, char err[RMDT_ERROR_BYTES])
{
	(void)snprintf(err, RMDT_ERROR_BYTES,
		       "the key of \"%.64s\" has changed: %.96s/known_hosts:%u has another key; if that is right, remove that line",
		       a->host, box->dir, line);
	return -EKEYREJECTED;
}

int rmdt_trustbox_believe(struct rmdt_trustbox *box, const struct rmdt_admission *a,
			  char err[RMDT_ERROR_BYTES])
{
	char print[RMDT_FINGERPRINT_BYTES];
	unsigned line = 0;

	switch (look_up_host(box, a, &line)) {
	case RMDT_HOSTS_MATCH:
		return 0;
	case RMDT_HOSTS_CHANGED:
		return disbelieve(box, a, line, err);
	case RMDT_HOSTS_UNKNOWN:
		break;
	}
	if (box->strict) {
		rmdt_fingerprint(a->key, print);
		(void)snprintf(err, RMDT_ERROR_BYTES,
			       "key %s of \"%.100s\" is not in known_hosts, and strict is set",
				       print, a->host);
		return -EKEYREJECTED;
	}
	return pin(box, a) ? disbelieve(box, a, 0, err) : 0;
}

unsigned rmdt_trustbox_outbound(struct rmdt_trustbox *box, struct rmdt_admission *a)
{
	enum rmdt_hosts_verdict verdict;
	unsigned line = 0;

	a->may = RMDT_MAY_ALL;
	a->allowed[0] = '\0';
	verdict = look_up_host(box, a, &line);
	a->listed = verdict == RMDT_HOSTS_MATCH;
	if (verdict == RMDT_HOSTS_MATCH)
		return 0;
	if (verdict == RMDT_HOSTS_CHANGED)
		return refuse_changed(box, a, line);
	if (box->strict && !a->psk)
		return refuse(box, a, "is not in known_hosts");
	a->is_unknown = true;
	return 0;
}

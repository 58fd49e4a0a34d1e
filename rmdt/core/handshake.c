/* SPDX-License-Identifier: Apache-2.0 */
#include "core/handshake.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "core/kdf.h"
#include "core/wire.h"

#define PROLOGUE_BYTES	10
#define PARAMS_MAX	512

/* H6: with a lost FINISH the whole first flight behind it is lost (H7), so it goes twice. */
#define FINISH_COPIES 1

struct rmdt_handshake {
	struct rmdt_noise *noise;
	enum rmdt_handshake_state state;
	bool initiator, confirmed;
	uint8_t suite, flags;
	struct rmdt_params local, remote;
	uint32_t dcid;				/* as the far end states it in the clear, or proven in its parameters */
	uint8_t message[RMDT_NOISE_MESSAGE_MAX];	/* our last Noise message; responder: also what INIT was */
	size_t message_len;
	uint8_t first_hash[RMDT_HASH_BYTES];	/* responder: of INIT's Noise message */
	uint8_t suspect_hash[RMDT_HASH_BYTES];	/* responder: of a FINISH that did not open */
	uint64_t suspect_us;			/* when it was first seen */
	uint8_t packet[RMDT_HANDSHAKE_PACKET_BYTES];	/* what is said (again) */
	size_t packet_len;
	bool due;				/* say it now */
	unsigned retries, said;			/* said: times the present packet was sent */
	unsigned copies;			/* of it that go behind it at once */
	uint64_t said_us, rtt_us;
	uint64_t first_said_us, most_rtt_us;
	uint64_t resend_us, interval_us;	/* initiator's timer; resend_us UINT64_MAX: none */
	uint64_t end_us;			/* timeout */
	uint64_t doubt_us;			/* when an unproven refusal is believed; UINT64_MAX */
	unsigned code;
	char reason[RMDT_REASON_BYTES + 1];
};

static void set_reason(struct rmdt_handshake *hs, unsigned code, const char *text, size_t len)
{
	if (len > RMDT_REASON_BYTES)
		len = RMDT_REASON_BYTES;
	hs->code = code;
	memcpy(hs->reason, text, len);
	hs->reason[len] = '\0';
}

/* What was said so far is not said again; a REJECT may be built in its place. */
static void give_up(struct rmdt_handshake *hs)
{
	hs->state = RMDT_HANDSHAKE_FAILED;
	hs->resend_us = UINT64_MAX;
	hs->due = false;
	hs->packet_len = 0;
}

static void fail(struct rmdt_handshake *hs, unsigned code, const char *text)
{
	set_reason(hs, code, text, strlen(text));
	give_up(hs);
}

static void build(struct rmdt_handshake *hs, enum rmdt_handshake_type type, const uint8_t *cookie, size_t cookie_len)
{
	struct rmdt_handshake_packet p = {
		.type = type, .suite = hs->suite, .flags = hs->flags, .version = RMDT_VERSION_1,
		.dcid = hs->dcid, .scid = hs->local.cid,
		.cookie = cookie, .cookie_len = cookie_len,
		.noise = hs->message, .noise_len = hs->message_len,
	};

	hs->packet_len = rmdt_handshake_write(hs->packet, sizeof(hs->packet), &p);
	assert(hs->packet_len > 0);
	hs->due = true;
	hs->said = 0;
	hs->copies = type == RMDT_HS_FINISH ? FINISH_COPIES : 0;
}

/* H5: a refusal, proven when there is a key for that. */
static void build_reject(struct rmdt_handshake *hs)
{
	struct rmdt_handshake_packet p = {
		.type = RMDT_HS_REJECT, .suite = hs->suite, .flags = hs->flags, .version = RMDT_VERSION_1,
		.dcid = hs->dcid, .scid = hs->local.cid,
		.code = hs->code, .reason = hs->reason, .reason_len = strlen(hs->reason),
	};
	uint8_t key[RMDT_HASH_BYTES], proof[RMDT_HASH_BYTES];
	struct rmdt_piece piece;

	hs->packet_len = rmdt_handshake_write(hs->packet, sizeof(hs->packet), &p);
	hs->due = hs->packet_len > 0;
	if (!hs->due || rmdt_noise_export(hs->noise, "rmdt reject", key) < 0)
		return;
	piece = (struct rmdt_piece){ hs->packet, hs->packet_len - RMDT_TAG_BYTES };
	if (rmdt_kdf_hmac(key, &piece, 1, proof) == 0)
		memcpy(hs->packet + piece.len, proof, RMDT_TAG_BYTES);
	OPENSSL_cleanse(key, sizeof(key));
}

static bool reject_is_proven(struct rmdt_handshake *hs, const struct rmdt_handshake_packet *p, const uint8_t *buf)
{
	uint8_t key[RMDT_HASH_BYTES], proof[RMDT_HASH_BYTES];
	struct rmdt_piece piece = { buf, p->proven_len };
	bool proven;

	if (rmdt_noise_export(hs->noise, "rmdt reject", key) < 0)
		return false;
	proven = rmdt_kdf_hmac(key, &piece, 1, proof) == 0 &&
		 CRYPTO_memcmp(proof, p->proof, RMDT_TAG_BYTES) == 0;
	OPENSSL_cleanse(key, sizeof(key));
	return proven;
}

/* Our next Noise message into hs->message. */
static int speak(struct rmdt_handshake *hs, bool with_params)
{
	uint8_t payload[PARAMS_MAX];
	size_t len = 0;
	int n;

	if (with_params) {
		len = rmdt_params_write(payload, sizeof(payload), &hs->local);
		assert(len > 0);
	}
	n = rmdt_noise_write_message(hs->noise, payload, len, hs->message, sizeof(hs->message));
	if (n < 0)
		return n;
	hs->message_len = (size_t)n;
	return 0;
}

int rmdt_handshake_new(const struct rmdt_handshake_config *cfg, uint64_t now_us, struct rmdt_handshake **out)
{
	uint8_t prologue[PROLOGUE_BYTES] = "RMDT";
	struct rmdt_handshake *hs = calloc(1, sizeof(*hs));
	int err = -ENOMEM;

	if (!hs)
		return -ENOMEM;
	hs->initiator = cfg->initiator;
	hs->suite = (uint8_t)cfg->suite;
	hs->flags = cfg->psk ? RMDT_HS_FLAG_PSK : 0;
	hs->local = cfg->params;
	hs->end_us = now_us + cfg->timeout_us;
	hs->doubt_us = hs->resend_us = UINT64_MAX;
	hs->interval_us = RMDT_HANDSHAKE_FIRST_RESEND_US;
	rmdt_wire_store_u32(prologue + 4, RMDT_VERSION_1);
	prologue[8] = hs->suite;
	prologue[9] = hs->flags;
	hs->noise = rmdt_noise_new(&(struct rmdt_noise_config){
		.suite = cfg->suite, .initiator = cfg->initiator, .static_priv = cfg->static_private,
		.ephemeral_priv = cfg->ephemeral_private, .psk = cfg->psk,
		.prologue = prologue, .prologue_len = sizeof(prologue) });
	if (hs->noise)
		err = 0;
	if (!err && hs->initiator) {
		err = speak(hs, false);
		if (!err) {
			build(hs, RMDT_HS_INIT, NULL, 0);
			hs->resend_us = now_us + hs->interval_us;
		}
	}
	if (err) {
		rmdt_handshake_free(hs);
		return err;
	}
	*out = hs;
	return 0;
}

void rmdt_handshake_free(struct rmdt_handshake *hs)
{
	if (!hs)
		return;
	rmdt_noise_free(hs->noise);
	OPENSSL_cleanse(hs, sizeof(*hs));
	free(hs);
}

/* Reads a Noise message with parameters; 0 good, else as rmdt_noise_read_message or rmdt_params_read. */
static int listen_params(struct rmdt_handshake *hs, const struct rmdt_handshake_packet *p)
{
	uint8_t payload[RMDT_NOISE_MESSAGE_MAX];
	int n = rmdt_noise_read_message(hs->noise, p->noise, p->noise_len, payload, sizeof(payload));

	return n < 0 ? n : rmdt_params_read(payload, (size_t)n, &hs->remote);
}

/* The answer to our packet is here: if it was said once, we know how long that took. */
static void measure(struct rmdt_handshake *hs, uint64_t now_us)
{
	hs->rtt_us = hs->said == 1 ? now_us - hs->said_us : 0;
	hs->most_rtt_us = now_us - hs->first_said_us;
}

static bool on_init(struct rmdt_handshake *hs, const struct rmdt_handshake_packet *p)
{
	struct rmdt_piece piece = { p->noise, p->noise_len };
	uint8_t hash[RMDT_HASH_BYTES], none[1];

	if (hs->initiator || rmdt_kdf_sha256(&piece, 1, hash) < 0)
		return false;
	if (hs->packet_len > 0) {	/* H2: the same INIT draws the same REPLY */
		bool same = memcmp(hash, hs->first_hash, sizeof(hash)) == 0;

		hs->due |= same && hs->state == RMDT_HANDSHAKE_RUNNING;
		return same;
	}
	if (rmdt_noise_read_message(hs->noise, p->noise, p->noise_len, none, sizeof(none)) != 0)
		return false;
	memcpy(hs->first_hash, hash, sizeof(hash));
	hs->dcid = p->scid;
	if (speak(hs, true) < 0)
		return false;
	build(hs, RMDT_HS_REPLY, NULL, 0);
	return true;
}

/*
 * The far end's parameters were heard, with that result: it is to be admitted, or is refused. false: what came was not
 * for us.
 */
static bool on_params(struct rmdt_handshake *hs, uint64_t now_us, int err)
{
	if (err == -ENOTSUP || err == -EPROTO) {
		fail(hs, err == -ENOTSUP ? RMDT_CODE_VERSION : RMDT_CODE_PROTOCOL, "bad transport parameters");
		build_reject(hs);
		return true;
	}
	if (err)
		return false;
	measure(hs, now_us);
	hs->dcid = hs->remote.cid;
	hs->state = RMDT_HANDSHAKE_ADMIT;
	return true;
}

static bool on_reply(struct rmdt_handshake *hs, uint64_t now_us, const struct rmdt_handshake_packet *p)
{
	if (!hs->initiator || hs->state != RMDT_HANDSHAKE_RUNNING)
		return hs->initiator;
	if (!on_params(hs, now_us, listen_params(hs, p)))
		return false;
	if (hs->state != RMDT_HANDSHAKE_ADMIT)
		return true;
	hs->due = false;
	hs->doubt_us = UINT64_MAX;
	hs->resend_us = now_us + RMDT_HANDSHAKE_FIRST_RESEND_US;
	return true;
}

/*
 * A FINISH whose payload does not open: the psk is another one, or it was damaged on the way, or a stranger made it up. But
 * the initiator says it again, byte for byte, and damage does not repeat itself.
 */
static bool is_repeated(struct rmdt_handshake *hs, uint64_t now_us, const struct rmdt_handshake_packet *p)
{
	struct rmdt_piece piece = { p->noise, p->noise_len };
	uint8_t hash[RMDT_HASH_BYTES];

	if (rmdt_kdf_sha256(&piece, 1, hash) < 0)
		return false;
	if (memcmp(hash, hs->suspect_hash, sizeof(hash)) == 0)
		return now_us >= hs->suspect_us + RMDT_HANDSHAKE_FIRST_RESEND_US / 2;
	memcpy(hs->suspect_hash, hash, sizeof(hash));
	hs->suspect_us = now_us;
	return false;
}

static bool on_finish(struct rmdt_handshake *hs, uint64_t now_us, const struct rmdt_handshake_packet *p)
{
	int err;

	if (hs->initiator)
		return false;
	if (hs->state == RMDT_HANDSHAKE_FAILED)	/* say the refusal again */
		return hs->due = hs->packet_len > 0;
	if (hs->state != RMDT_HANDSHAKE_RUNNING)
		return true;
	err = listen_params(hs, p);
	if (err == -EKEYREJECTED) {
		if (!is_repeated(hs, now_us, p))
			return true;
		fail(hs, RMDT_CODE_PSK, "the pre-shared keys differ");
		build_reject(hs);
		return true;
	}
	return on_params(hs, now_us, err);
}

static bool on_retry(struct rmdt_handshake *hs, uint64_t now_us, const struct rmdt_handshake_packet *p)
{
	if (!hs->initiator || hs->state != RMDT_HANDSHAKE_RUNNING || hs->retries >= RMDT_HANDSHAKE_RETRIES)
		return false;
	hs->retries++;
	build(hs, RMDT_HS_INIT, p->cookie, p->cookie_len);
	hs->resend_us = now_us + hs->interval_us;
	return true;
}

static bool on_refusal(struct rmdt_handshake *hs, uint64_t now_us, const struct rmdt_handshake_packet *p,
		       const uint8_t *buf)
{
	if (hs->state == RMDT_HANDSHAKE_FAILED || (hs->state == RMDT_HANDSHAKE_DONE && hs->confirmed))
		return false;
	if (p->type == RMDT_HS_VERSIONS) {
		static const char text[] = "the far end speaks other versions of the protocol";

		set_reason(hs, RMDT_CODE_VERSION, text, sizeof(text) - 1);
	} else {
		set_reason(hs, p->code ? p->code : RMDT_CODE_REFUSED, p->reason, p->reason_len);
		if (reject_is_proven(hs, p, buf)) {
			give_up(hs);
			return true;
		}
	}
	if (hs->doubt_us == UINT64_MAX && hs->state == RMDT_HANDSHAKE_RUNNING && hs->initiator)
		hs->doubt_us = now_us + RMDT_HANDSHAKE_DOUBT_US;
	return true;
}

bool rmdt_handshake_receive(struct rmdt_handshake *hs, uint64_t now_us, const struct rmdt_handshake_packet *p,
			    const uint8_t *buf)
{
	if (p->type != RMDT_HS_VERSIONS && (p->version != RMDT_VERSION_1 || p->suite != hs->suite))
		return false;
	switch (p->type) {
	case RMDT_HS_INIT:
		return on_init(hs, p);
	case RMDT_HS_REPLY:
		return on_reply(hs, now_us, p);
	case RMDT_HS_FINISH:
		return on_finish(hs, now_us, p);
	case RMDT_HS_RETRY:
		return on_retry(hs, now_us, p);
	case RMDT_HS_REJECT:
	case RMDT_HS_VERSIONS:
		return on_refusal(hs, now_us, p, buf);
	case RMDT_HS_UNKNOWN:
		return false;
	}
	return false;
}

size_t rmdt_handshake_send(struct rmdt_handshake *hs, uint64_t now_us, uint8_t *buf, size_t size)
{
	if (!hs->due && now_us >= hs->resend_us) {
		hs->due = hs->packet_len > 0;
		hs->interval_us *= 2;
		if (hs->interval_us > RMDT_HANDSHAKE_LAST_RESEND_US)
			hs->interval_us = RMDT_HANDSHAKE_LAST_RESEND_US;
		hs->resend_us = now_us + hs->interval_us;
	}
	if (!hs->due || hs->packet_len > size)
		return 0;
	hs->due = hs->copies > 0;
	hs->copies -= hs->due;
	if (hs->said++ == 0)
		hs->first_said_us = now_us;
	hs->said_us = now_us;
	memcpy(buf, hs->packet, hs->packet_len);
	return hs->packet_len;
}

void rmdt_handshake_tick(struct rmdt_handshake *hs, uint64_t now_us)
{
	if (hs->state == RMDT_HANDSHAKE_FAILED || hs->confirmed)
		return;
	if (now_us >= hs->doubt_us) {
		give_up(hs);
	} else if (now_us >= hs->end_us && hs->state != RMDT_HANDSHAKE_DONE) {
		fail(hs, RMDT_CODE_TIMEOUT, hs->state == RMDT_HANDSHAKE_RUNNING && hs->initiator ?
		     "no answer within the connect timeout" : "the handshake was not finished in time");
	}
}

uint64_t rmdt_handshake_deadline_us(const struct rmdt_handshake *hs)
{
	uint64_t t = hs->resend_us;

	if (hs->due)
		return 0;
	if (hs->state == RMDT_HANDSHAKE_FAILED || hs->confirmed)
		return UINT64_MAX;
	if (hs->doubt_us < t)
		t = hs->doubt_us;
	if (hs->state != RMDT_HANDSHAKE_DONE && hs->end_us < t)
		t = hs->end_us;
	return t;
}

void rmdt_handshake_shift(struct rmdt_handshake *hs, uint64_t by_us)
{
	hs->end_us += by_us;
	if (hs->doubt_us != UINT64_MAX)
		hs->doubt_us += by_us;
}

/* H6: three round trips, where one was seen. */
static uint64_t finish_interval_us(const struct rmdt_handshake *hs)
{
	uint64_t us = 3 * hs->rtt_us;

	if (us == 0)
		return RMDT_HANDSHAKE_FIRST_RESEND_US;
	if (us < RMDT_HANDSHAKE_LEAST_RESEND_US)
		return RMDT_HANDSHAKE_LEAST_RESEND_US;
	return us < RMDT_HANDSHAKE_LAST_RESEND_US ? us : RMDT_HANDSHAKE_LAST_RESEND_US;
}

void rmdt_handshake_admit(struct rmdt_handshake *hs, uint64_t now_us, unsigned code, const char *reason)
{
	assert(hs->state == RMDT_HANDSHAKE_ADMIT);
	if (code) {
		fail(hs, code, reason ? reason : rmdt_code_text(code));
		build_reject(hs);
		return;
	}
	if (hs->initiator) {
		if (speak(hs, true) < 0) {
			fail(hs, RMDT_CODE_INTERNAL, "out of memory");
			return;
		}
		build(hs, RMDT_HS_FINISH, NULL, 0);
		hs->interval_us = finish_interval_us(hs);
		hs->resend_us = now_us + hs->interval_us;
	} else {
		hs->confirmed = true;
		hs->packet_len = 0;
		hs->due = false;
	}
	hs->state = RMDT_HANDSHAKE_DONE;
}

void rmdt_handshake_confirmed(struct rmdt_handshake *hs)
{
	hs->confirmed = true;
	hs->due = false;
	hs->resend_us = UINT64_MAX;
}

bool rmdt_handshake_was_repeated(const struct rmdt_handshake *hs)
{
	return hs->state == RMDT_HANDSHAKE_DONE && hs->said > 1 + FINISH_COPIES;
}

/* The answer to a FINISH that was there the first time takes no longer than that to INIT did, but for some jitter. */
bool rmdt_handshake_finish_was_lost(const struct rmdt_handshake *hs, uint64_t now_us)
{
	return rmdt_handshake_was_repeated(hs) &&
	       (hs->rtt_us > 0 || now_us - hs->first_said_us > hs->most_rtt_us + hs->most_rtt_us / 2);
}

enum rmdt_handshake_state rmdt_handshake_state(const struct rmdt_handshake *hs)
{
	return hs->state;
}

unsigned rmdt_handshake_code(const struct rmdt_handshake *hs, const char **reason)
{
	*reason = hs->reason;
	return hs->code;
}

const uint8_t *rmdt_handshake_remote_key(const struct rmdt_handshake *hs)
{
	return rmdt_noise_remote_static(hs->noise);
}

const struct rmdt_params *rmdt_handshake_remote(const struct rmdt_handshake *hs)
{
	return &hs->remote;
}

uint64_t rmdt_handshake_rtt_us(const struct rmdt_handshake *hs)
{
	return hs->rtt_us;
}

uint64_t rmdt_handshake_most_rtt_us(const struct rmdt_handshake *hs)
{
	return hs->most_rtt_us;
}

int rmdt_handshake_split(const struct rmdt_handshake *hs, struct rmdt_noise_split *split)
{
	return rmdt_noise_split(hs->noise, split);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "core/base64.h"
#include "core/kdf.h"
#include "core/key_line.h"
#include "core/text.h"

#define KEY RMDT_TRUST_KEY_BYTES
#define BASE64_CHARS RMDT_BASE64_CHARS(KEY)

_Static_assert(RMDT_TRUST_BASE64_BYTES == BASE64_CHARS + 1, "text of a key and NUL");

/* ---- forms of a key */

int rmdt_trust_fingerprint(const uint8_t pub[KEY], char out[RMDT_TRUST_FINGERPRINT_BYTES])
{
	static const char prefix[] = "SHA256:";
	uint8_t hash[RMDT_HASH_BYTES];
	int r = rmdt_kdf_sha256(&(struct rmdt_piece){ pub, KEY }, 1, hash);

	if (r < 0)
		return r;
	memcpy(out, prefix, sizeof prefix - 1);
	rmdt_base64_encode(hash, sizeof hash, false, out + sizeof prefix - 1);
	return 0;
}

void rmdt_trust_base64(const uint8_t key[KEY], char out[RMDT_TRUST_BASE64_BYTES])
{
	rmdt_base64_encode(key, KEY, true, out);
}

int rmdt_trust_unbase64(const char *text, size_t len, uint8_t key[KEY])
{
	uint8_t bytes[KEY + 1];	/* 44 characters without padding are 33 bytes */
	int r = -EINVAL;

	if (len == BASE64_CHARS && rmdt_base64_decode(text, len, bytes) == KEY) {
		memcpy(key, bytes, KEY);
		r = 0;
	}
	OPENSSL_cleanse(bytes, sizeof bytes);
	return r;
}

/* ---- lines with a key */

int rmdt_key_line_parse(struct rmdt_span *rest, const char *word, uint8_t key[KEY],
			struct rmdt_fault *fault)
{
	struct rmdt_span text = rmdt_span_word(rest);

	if (!rmdt_span_is(text, word))
		return rmdt_fault_set(fault, text, strcmp(word, RMDT_TRUST_PUBLIC_WORD) == 0 ?
				      "expected the word " RMDT_TRUST_PUBLIC_WORD :
				      "expected the word " RMDT_TRUST_PRIVATE_WORD);
	text = rmdt_span_word(rest);
	if (rmdt_trust_unbase64(text.p, text.len, key) < 0) {
		/* A private key that is only mistyped must not get into a log. */
		if (strcmp(word, RMDT_TRUST_PRIVATE_WORD) == 0)
			text.len = 0;
		return rmdt_fault_set(fault, text, "not a key: expected 44 characters of base64");
	}
	return 0;
}

static int key_line_format(const char *word, const uint8_t key[KEY], const char *comment,
			   char *out, size_t out_cap)
{
	char base64[RMDT_TRUST_BASE64_BYTES];
	size_t comment_len = comment ? strlen(comment) : 0;
	size_t len = strlen(word) + 1 + BASE64_CHARS + (comment_len > 0 ? 1 + comment_len : 0) + 1;
	struct rmdt_text t;

	if (len > RMDT_TRUST_LINE_MAX_BYTES || len >= out_cap)
		return -ENOBUFS;
	rmdt_text_init(&t, out, out_cap);
	rmdt_text_add(&t, word);
	rmdt_text_add_char(&t, ' ');
	rmdt_trust_base64(key, base64);
	rmdt_text_add(&t, base64);
	OPENSSL_cleanse(base64, sizeof base64);
	if (comment_len > 0)
		rmdt_text_add_char(&t, ' ');
	for (size_t i = 0; i < comment_len; i++) {
		unsigned char c = (unsigned char)comment[i];

		rmdt_text_add_char(&t, c < ' ' || c == 0x7f ? '?' : comment[i]);
	}
	rmdt_text_add_char(&t, '\n');
	return (int)len;
}

/* A text with one key line in it. */
static int key_text_parse(const char *text, size_t len, const char *word, uint8_t key[KEY],
			  char err[RMDT_TRUST_ERR_BYTES])
{
	struct rmdt_lines lines;
	struct rmdt_span line, more, none = { NULL, 0 };
	struct rmdt_fault fault;
	uint8_t found[KEY];
	int r;

	rmdt_lines_init(&lines, text, len);
	if (!rmdt_lines_next(&lines, &line)) {
		lines.number = 0;
		r = rmdt_fault_set(&fault, none, "there is no key in it");
	} else {
		r = rmdt_lines_judge(line, &fault);
		if (r == 0)
			r = rmdt_key_line_parse(&line, word, found, &fault);
		if (r == 0 && rmdt_lines_next(&lines, &more))
			r = rmdt_fault_set(&fault, none, "a second line after the key");
	}
	if (r == 0)
		memcpy(key, found, KEY);
	else if (strcmp(word, RMDT_TRUST_PRIVATE_WORD) == 0)
		fault.text.len = 0;	/* whatever it is, it may be the secret */
	if (r < 0)
		rmdt_fault_write(&fault, NULL, lines.number, err, RMDT_TRUST_ERR_BYTES);
	OPENSSL_cleanse(found, sizeof found);
	return r;
}

int rmdt_trust_public_format(const uint8_t pub[KEY], const char *comment, char *out,
			     size_t out_cap)
{
	return key_line_format(RMDT_TRUST_PUBLIC_WORD, pub, comment, out, out_cap);
}

int rmdt_trust_public_parse(const char *text, size_t len, uint8_t pub[KEY],
			    char err[RMDT_TRUST_ERR_BYTES])
{
	return key_text_parse(text, len, RMDT_TRUST_PUBLIC_WORD, pub, err);
}

int rmdt_trust_id_format(const uint8_t priv[KEY], const char *comment, char *out, size_t out_cap)
{
	return key_line_format(RMDT_TRUST_PRIVATE_WORD, priv, comment, out, out_cap);
}

int rmdt_trust_id_parse(const char *text, size_t len, uint8_t priv[KEY],
			char err[RMDT_TRUST_ERR_BYTES])
{
	return key_text_parse(text, len, RMDT_TRUST_PRIVATE_WORD, priv, err);
}

/* ---- psk */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_base64(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '+' || c == '/' || c == '=';
}

/* What the content seems to be, judged by its characters; white space already taken out. */
enum psk_form { PSK_RAW, PSK_HEX, PSK_BASE64 };

static enum psk_form psk_form_of(const char *text, size_t len)
{
	bool hex = len > 0, base64 = len > 0;

	for (size_t i = 0; i < len; i++) {
		hex = hex && hex_value(text[i]) >= 0;
		base64 = base64 && is_base64(text[i]);
	}
	if (hex)
		return PSK_HEX;
	return base64 ? PSK_BASE64 : PSK_RAW;
}

static size_t without_space(const char *in, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (!is_space(in[i]))
			out[n++] = in[i];
	return n;
}

static int unhex(const char *text, size_t len, uint8_t *out)
{
	if (len % 2 != 0)
		return -EINVAL;
	for (size_t i = 0; i < len / 2; i++)
		out[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
	return (int)(len / 2);
}

/* The secret bytes of the content into `out` (len bytes long); their number or -EINVAL. */
static int psk_bytes(const char *content, size_t len, uint8_t *out, const char **reason)
{
	char *text = malloc(len + 1);
	size_t n;
	int r;

	if (!text)
		return -ENOMEM;
	n = without_space(content, len, text);
	switch (psk_form_of(text, n)) {
	case PSK_HEX:
		*reason = "an odd number of hex digits";
		r = unhex(text, n, out);
		break;
	case PSK_BASE64:
		*reason = "this looks like base64, but it is cut off or has a wrong end";
		r = rmdt_base64_decode(text, n, out);
		break;
	default:
		memcpy(out, content, len);
		r = (int)len;
	}
	OPENSSL_cleanse(text, len);
	free(text);
	return r;
}

static bool is_all_same(const uint8_t *bytes, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (bytes[i] != bytes[0])
			return false;
	return true;
}

static int psk_judge(const uint8_t *bytes, int len, const char **reason)
{
	if (len < 0)
		return len;
	if (len < RMDT_TRUST_PSK_MIN_BYTES) {
		*reason = "too short: a pre-shared key is at least 32 random bytes "
			  "(64 hex digits, or 44 characters of base64)";
		return -EINVAL;
	}
	if (is_all_same(bytes, (size_t)len)) {
		*reason = "not random: all its bytes are the same";
		return -EINVAL;
	}
	return 0;
}

/* K12: HKDF with no salt, so that every form of the same bytes is the same psk. */
static int psk_hash(const uint8_t *bytes, size_t len, uint8_t psk[KEY])
{
	static const uint8_t no_salt[RMDT_HASH_BYTES];
	const struct rmdt_piece none = { NULL, 0 };
	uint8_t prk[RMDT_HASH_BYTES];
	int r = rmdt_kdf_hmac(no_salt, &(struct rmdt_piece){ bytes, len }, 1, prk);

	if (r == 0)
		r = rmdt_kdf_expand(prk, "rmdt psk", none, psk, KEY);
	OPENSSL_cleanse(prk, sizeof prk);
	return r;
}

int rmdt_trust_psk_parse(const void *content, size_t len, uint8_t psk[KEY],
			 char err[RMDT_TRUST_ERR_BYTES])
{
	const char *reason = "longer than 65536 bytes: not a pre-shared key";
	uint8_t *bytes;
	struct rmdt_text t;
	int n, r = -EINVAL;

	if (len <= RMDT_TRUST_PSK_MAX_BYTES) {
		bytes = malloc(len + 1);
		if (!bytes)
			return -ENOMEM;
		n = psk_bytes(content, len, bytes, &reason);
		r = psk_judge(bytes, n, &reason);
		if (r == 0)
			r = psk_hash(bytes, (size_t)n, psk);
		OPENSSL_cleanse(bytes, len + 1);
		free(bytes);
	}
	if (r == -EINVAL) {
		rmdt_text_init(&t, err, RMDT_TRUST_ERR_BYTES);
		rmdt_text_add(&t, reason);
	}
	return r;
}

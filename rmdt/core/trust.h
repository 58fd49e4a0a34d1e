/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text forms of keys: the identity file, the public key line, the fingerprint, the psk file.
 * Text in, bytes out; files are read by io/identity.h. Who may do what is in core/authorized.h,
 * whom we know in core/hosts.h.
 *
 * Errors: -EINVAL with a message in `err` (what is wrong, with the text at fault in quotes, control
 * characters shown as '?'); -ENOMEM. `err` is written on failure only and never NULL.
 */
#ifndef RMDT_CORE_TRUST_H
#define RMDT_CORE_TRUST_H

#include <stddef.h>
#include <stdint.h>

#define RMDT_TRUST_ERR_BYTES 256
#define RMDT_TRUST_KEY_BYTES 32
#define RMDT_TRUST_PUBLIC_WORD "rmdt-x25519"
#define RMDT_TRUST_PRIVATE_WORD "rmdt-x25519-private"
#define RMDT_TRUST_BASE64_BYTES 45	/* 32 bytes in base64 with padding, and NUL */
#define RMDT_TRUST_FINGERPRINT_BYTES 51	/* "SHA256:", 43 characters, NUL */
#define RMDT_TRUST_LINE_MAX_BYTES 4096	/* a longer line of any of our files is an error */
#define RMDT_TRUST_PSK_MIN_BYTES 32	/* random bytes in a psk file: the strength of the keys */
#define RMDT_TRUST_PSK_MAX_BYTES 65536	/* bytes of a psk file; more is surely the wrong file */

/* "SHA256:..." of a public key: SHA-256 of its 32 bytes, base64 without padding. 0, or -ENOMEM. */
int rmdt_trust_fingerprint(const uint8_t pub[RMDT_TRUST_KEY_BYTES],
			   char out[RMDT_TRUST_FINGERPRINT_BYTES]);

/* Padded base64 of a key, both ways. decode: 0, or -EINVAL unless text is exactly one key. */
void rmdt_trust_base64(const uint8_t key[RMDT_TRUST_KEY_BYTES], char out[RMDT_TRUST_BASE64_BYTES]);
int rmdt_trust_unbase64(const char *text, size_t len, uint8_t key[RMDT_TRUST_KEY_BYTES]);

/*
 * "rmdt-x25519 BASE64[ COMMENT]\n". The length without NUL, or -ENOBUFS; comment may be NULL, and
 * its control characters become '?'.
 */
int rmdt_trust_public_format(const uint8_t pub[RMDT_TRUST_KEY_BYTES], const char *comment,
			     char *out, size_t out_cap);

/* The same line (only one; blank lines and # lines around it are skipped). */
int rmdt_trust_public_parse(const char *text, size_t len, uint8_t pub[RMDT_TRUST_KEY_BYTES],
			    char err[RMDT_TRUST_ERR_BYTES]);

/* The identity file: a line "rmdt-x25519-private BASE64[ COMMENT]", # lines allowed around it. */
int rmdt_trust_id_format(const uint8_t priv[RMDT_TRUST_KEY_BYTES], const char *comment,
			 char *out, size_t out_cap);
int rmdt_trust_id_parse(const char *text, size_t len, uint8_t priv[RMDT_TRUST_KEY_BYTES],
			char err[RMDT_TRUST_ERR_BYTES]);

/*
 * Content of a psk file to the psk: 64 or more hex digits, or base64 of 32 or more bytes (white
 * space ignored in both), or else the raw bytes, 32 or more. Text that is hex or base64 is taken as
 * such, also when it is then too short (an error).
 */
int rmdt_trust_psk_parse(const void *content, size_t len, uint8_t psk[RMDT_TRUST_KEY_BYTES],
			 char err[RMDT_TRUST_ERR_BYTES]);

#endif

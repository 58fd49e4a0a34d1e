/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4), strict: no white space, unused bits zero. */
#ifndef RMDT_CORE_BASE64_H
#define RMDT_CORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of len bytes with padding, without NUL. */
#define RMDT_BASE64_CHARS(len) (((len) + 2) / 3 * 4)

/* Writes the text and a NUL; `out` has room for RMDT_BASE64_CHARS(len) + 1. */
void rmdt_base64_encode(const uint8_t *in, size_t len, bool pad, char *out);

/*
 * Decodes text with or without padding; `out` has room for len * 3 / 4 bytes. The number of bytes,
 * or -EINVAL.
 */
int rmdt_base64_decode(const char *text, size_t len, uint8_t *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_TEXT_H
#define RMDT_CORE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Building short texts in the caller's buffer: cut off when full, always terminated. */

struct rmdt_text {
	char *buf;			/* borrowed */
	size_t cap;			/* of buf, with the terminator; 0: nothing is written */
	size_t len;
};

void rmdt_text_init(struct rmdt_text *text, char *buf, size_t cap);
void rmdt_text_add(struct rmdt_text *text, const char *str);
void rmdt_text_add_char(struct rmdt_text *text, char c);
void rmdt_text_add_u64(struct rmdt_text *text, uint64_t value);

/* In double quotes, at most 64 bytes of it and then "...", unprintable bytes as '?'. */
void rmdt_text_add_quoted(struct rmdt_text *text, const char *str, size_t len);

/* Writes "STR" REASON into why, a sentence. For parsers. */
void rmdt_text_fault(char *why, size_t why_bytes, const char *str, const char *reason);

#endif

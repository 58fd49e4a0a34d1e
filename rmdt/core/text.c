/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text.h"

#include <string.h>

#define QUOTED_MAX 64u		/* bytes of a text at fault that are shown */

void rmdt_text_init(struct rmdt_text *text, char *buf, size_t cap)
{
	*text = (struct rmdt_text){ .buf = buf, .cap = cap };
	if (cap > 0)
		buf[0] = '\0';
}

void rmdt_text_add_char(struct rmdt_text *text, char c)
{
	if (text->cap == 0 || text->len >= text->cap - 1)
		return;
	text->buf[text->len++] = c;
	text->buf[text->len] = '\0';
}

void rmdt_text_add(struct rmdt_text *text, const char *str)
{
	while (*str)
		rmdt_text_add_char(text, *str++);
}

void rmdt_text_add_u64(struct rmdt_text *text, uint64_t value)
{
	char digits[21];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	rmdt_text_add(text, digits + at);
}

void rmdt_text_add_quoted(struct rmdt_text *text, const char *str, size_t len)
{
	size_t shown = len < QUOTED_MAX ? len : QUOTED_MAX;

	rmdt_text_add_char(text, '"');
	for (size_t i = 0; i < shown; i++)
		rmdt_text_add_char(text, str[i] >= ' ' && str[i] <= '~' ? str[i] : '?');
	rmdt_text_add(text, shown < len ? "...\"" : "\"");
}

void rmdt_text_fault(char *why, size_t why_bytes, const char *str, const char *reason)
{
	struct rmdt_text text;

	rmdt_text_init(&text, why, why_bytes);
	rmdt_text_add_quoted(&text, str, strlen(str));
	rmdt_text_add_char(&text, ' ');
	rmdt_text_add(&text, reason);
}

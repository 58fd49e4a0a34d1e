/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lines.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "core/trust.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct rmdt_span trim(struct rmdt_span s)
{
	while (s.len > 0 && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

static void skip(struct rmdt_span *s, size_t n)
{
	s->p += n;
	s->len -= n;
}

void rmdt_lines_init(struct rmdt_lines *lines, const char *text, size_t len)
{
	*lines = (struct rmdt_lines){ .left = { text, len } };
}

bool rmdt_lines_next(struct rmdt_lines *lines, struct rmdt_span *line)
{
	while (lines->left.len > 0) {
		const char *end = memchr(lines->left.p, '\n', lines->left.len);
		size_t len = end ? (size_t)(end - lines->left.p) : lines->left.len;
		struct rmdt_span s = trim((struct rmdt_span){ lines->left.p, len });

		skip(&lines->left, end ? len + 1 : len);
		lines->number++;
		if (s.len > 0 && s.p[0] != '#') {
			*line = s;
			return true;
		}
	}
	return false;
}

int rmdt_lines_judge(struct rmdt_span line, struct rmdt_fault *fault)
{
	if (line.len > RMDT_TRUST_LINE_MAX_BYTES)
		return rmdt_fault_set(fault, line, "the line is longer than 4096 bytes");
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return rmdt_fault_set(fault, line, "the line has a control character");
	}
	return 0;
}

struct rmdt_span rmdt_span_word(struct rmdt_span *rest)
{
	struct rmdt_span word = { rest->p, 0 };

	while (word.len < rest->len && !is_blank(rest->p[word.len]))
		word.len++;
	skip(rest, word.len);
	*rest = trim(*rest);
	return word;
}

bool rmdt_span_is(struct rmdt_span span, const char *str)
{
	return span.len == strlen(str) && memcmp(span.p, str, span.len) == 0;
}

int rmdt_fault_set(struct rmdt_fault *fault, struct rmdt_span text, const char *reason)
{
	fault->text = text;
	fault->reason = reason;
	return -EINVAL;
}

void rmdt_fault_write(const struct rmdt_fault *fault, const char *name, unsigned line,
		      char *err, size_t err_bytes)
{
	struct rmdt_text t;

	rmdt_text_init(&t, err, err_bytes);
	if (name) {
		rmdt_text_add(&t, name);
		rmdt_text_add(&t, line > 0 ? ":" : ": ");
	} else if (line > 0) {
		rmdt_text_add(&t, "line ");
	}
	if (line > 0) {
		rmdt_text_add_u64(&t, line);
		rmdt_text_add(&t, ": ");
	}
	if (fault->text.len > 0) {
		rmdt_text_add_quoted(&t, fault->text.p, fault->text.len);
		rmdt_text_add(&t, ": ");
	}
	rmdt_text_add(&t, fault->reason);
}

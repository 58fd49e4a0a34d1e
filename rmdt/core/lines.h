/* SPDX-License-Identifier: Apache-2.0 */
/* Walking through the lines and words of our small text files, and saying where one is wrong. */
#ifndef RMDT_CORE_LINES_H
#define RMDT_CORE_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of the text, borrowed. */
struct rmdt_span {
	const char *p;
	size_t len;
};

/* What is wrong: the text at fault (borrowed) and a constant sentence. */
struct rmdt_fault {
	struct rmdt_span text;
	const char *reason;
};

struct rmdt_lines {
	struct rmdt_span left;
	unsigned number;	/* of the line returned last, from 1 */
};

void rmdt_lines_init(struct rmdt_lines *lines, const char *text, size_t len);

/* The next line that is neither blank nor begins with '#', without white space at its ends. */
bool rmdt_lines_next(struct rmdt_lines *lines, struct rmdt_span *line);

/* 0, or -EINVAL: longer than RMDT_TRUST_LINE_MAX_BYTES or with control characters but tab. */
int rmdt_lines_judge(struct rmdt_span line, struct rmdt_fault *fault);

/* Cuts the first word and the white space behind it off *rest; an empty word when none is left. */
struct rmdt_span rmdt_span_word(struct rmdt_span *rest);

bool rmdt_span_is(struct rmdt_span span, const char *str);

/* Sets the fault and returns -EINVAL. */
int rmdt_fault_set(struct rmdt_fault *fault, struct rmdt_span text, const char *reason);

/*
 * Writes `NAME:LINE: "TEXT": REASON` into err (err_bytes long); `line LINE: ...` without a name,
 * and no line when it is 0. An empty text is left out.
 */
void rmdt_fault_write(const struct rmdt_fault *fault, const char *name, unsigned line,
		      char *err, size_t err_bytes);

#endif

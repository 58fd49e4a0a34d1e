/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of messages. Its owner's lock protects it. */
#ifndef RMDT_IO_LETTERS_H
#define RMDT_IO_LETTERS_H

#include <stddef.h>
#include <stdint.h>

/* As many as a conn keeps. */
#define RMDT_LETTERS_MAX 256

struct rmdt_letter {
	struct rmdt_letter *next;
	size_t len;
	uint8_t data[];
};

struct rmdt_letters {
	struct rmdt_letter *first, *last;
	unsigned n;
};

/* Copies. -EAGAIN: full; -ENOMEM. */
int rmdt_letters_add(struct rmdt_letters *q, const void *data, size_t len);
const struct rmdt_letter *rmdt_letters_first(const struct rmdt_letters *q);	/* NULL: none */
/* frees the first */
void rmdt_letters_pop(struct rmdt_letters *q);
void rmdt_letters_clear(struct rmdt_letters *q);

#endif

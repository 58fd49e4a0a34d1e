/* SPDX-License-Identifier: Apache-2.0 */
#include "io/letters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int rmdt_letters_add(struct rmdt_letters *q, const void *data, size_t len)
{
	struct rmdt_letter *letter;

	if (q->n >= RMDT_LETTERS_MAX)
		return -EAGAIN;
	letter = malloc(sizeof(*letter) + len);
	if (!letter)
		return -ENOMEM;
	letter->next = NULL;
	letter->len = len;
	if (len)
		memcpy(letter->data, data, len);
	if (q->last)
		q->last->next = letter;
	else
		q->first = letter;
	q->last = letter;
	q->n++;
	return 0;
}

const struct rmdt_letter *rmdt_letters_first(const struct rmdt_letters *q)
{
	return q->first;
}

void rmdt_letters_pop(struct rmdt_letters *q)
{
	struct rmdt_letter *letter = q->first;

	if (!letter)
		return;
	q->first = letter->next;
	if (!q->first)
		q->last = NULL;
	q->n--;
	free(letter);
}

void rmdt_letters_clear(struct rmdt_letters *q)
{
	while (q->first)
		rmdt_letters_pop(q);
}

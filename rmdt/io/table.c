/* SPDX-License-Identifier: Apache-2.0 */
#include "io/table.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_SIZE 64u

void rmdt_table_init(struct rmdt_table *t)
{
	*t = (struct rmdt_table){ 0 };
}

void rmdt_table_fini(struct rmdt_table *t)
{
	free(t->slots);
	rmdt_table_init(t);
}

/*
 * The slot of key, or the free one where it would go. There is always a free one: at most half are
 * used.
 */
static size_t probe(const struct rmdt_table *t, uint64_t key)
{
	size_t i = (size_t)key & (t->size - 1);

	while (t->slots[i].value && t->slots[i].key != key)
		i = (i + 1) & (t->size - 1);
	return i;
}

static int grow(struct rmdt_table *t)
{
	struct rmdt_table big = { .size = t->size ? 2 * t->size : FIRST_SIZE, .used = t->used };

	big.slots = calloc(big.size, sizeof(*big.slots));
	if (!big.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->size; i++) {
		if (t->slots[i].value)
			big.slots[probe(&big, t->slots[i].key)] = t->slots[i];
	}
	free(t->slots);
	*t = big;
	return 0;
}

int rmdt_table_add(struct rmdt_table *t, uint64_t key, void *value)
{
	size_t i;

	if (2 * (t->used + 1) > t->size) {
		int rc = grow(t);

		if (rc)
			return rc;
	}
	i = probe(t, key);
	if (t->slots[i].value)
		return -EEXIST;
	t->slots[i] = (struct rmdt_table_slot){ key, value };
	t->used++;
	return 0;
}

void *rmdt_table_find(const struct rmdt_table *t, uint64_t key)
{
	return t->size ? t->slots[probe(t, key)].value : NULL;
}

void *rmdt_table_remove(struct rmdt_table *t, uint64_t key)
{
	size_t hole, i;
	void *value;

	if (!t->size)
		return NULL;
	hole = probe(t, key);
	value = t->slots[hole].value;
	if (!value)
		return NULL;
	t->used--;
	/*
	 * Move later ones of the run back into the hole, unless that would put them before their
	 * own place.
	 */
	for (i = (hole + 1) & (t->size - 1); t->slots[i].value; i = (i + 1) & (t->size - 1)) {
		size_t home = (size_t)t->slots[i].key & (t->size - 1);

		if (((i - home) & (t->size - 1)) >= ((i - hole) & (t->size - 1))) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole].value = NULL;
	return value;
}

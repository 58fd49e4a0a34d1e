/* SPDX-License-Identifier: Apache-2.0 */
#include "core/idmap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define FIRST_CAP 8

void rmdt_idmap_init(struct rmdt_idmap *m)
{
	*m = (struct rmdt_idmap){ 0 };
}

void rmdt_idmap_fini(struct rmdt_idmap *m)
{
	free(m->slot);
	rmdt_idmap_init(m);
}

/* Ids are small consecutive numbers: a multiplicative hash spreads them well enough. */
static size_t home(const struct rmdt_idmap *m, uint32_t id)
{
	return (id * UINT32_C(2654435769)) & (m->cap - 1);
}

static struct rmdt_idmap_slot *find(const struct rmdt_idmap *m, uint32_t id)
{
	size_t i;

	if (!m->cap)
		return NULL;
	for (i = home(m, id); m->slot[i].value; i = (i + 1) & (m->cap - 1))
		if (m->slot[i].id == id)
			return &m->slot[i];
	return NULL;
}

void *rmdt_idmap_get(struct rmdt_idmap *m, uint32_t id)
{
	struct rmdt_idmap_slot *s;

	if (m->last && m->last_id == id)
		return m->last;
	s = find(m, id);
	if (!s)
		return NULL;
	m->last_id = id;
	m->last = s->value;
	return s->value;
}

static void place(struct rmdt_idmap *m, uint32_t id, void *value)
{
	size_t i = home(m, id);

	while (m->slot[i].value)
		i = (i + 1) & (m->cap - 1);
	m->slot[i].id = id;
	m->slot[i].value = value;
}

static int grow(struct rmdt_idmap *m)
{
	struct rmdt_idmap old = *m;

	m->cap = old.cap ? old.cap * 2 : FIRST_CAP;
	m->slot = calloc(m->cap, sizeof(*m->slot));
	if (!m->slot) {
		*m = old;
		return -ENOMEM;
	}
	for (size_t i = 0; i < old.cap; i++)
		if (old.slot[i].value)
			place(m, old.slot[i].id, old.slot[i].value);
	free(old.slot);
	return 0;
}

int rmdt_idmap_add(struct rmdt_idmap *m, uint32_t id, void *value)
{
	assert(value && !find(m, id));
	if (2 * (m->count + 1) > m->cap) {
		int err = grow(m);

		if (err)
			return err;
	}
	place(m, id, value);
	m->count++;
	return 0;
}

void rmdt_idmap_remove(struct rmdt_idmap *m, uint32_t id)
{
	struct rmdt_idmap_slot *s = find(m, id);
	size_t i;

	if (!s)
		return;
	m->last = NULL;
	m->count--;
	s->value = NULL;
	/*
	 * What stands behind it may have been pushed there by it: place the rest of the run anew.
	 */
	for (i = (size_t)(s - m->slot + 1) & (m->cap - 1); m->slot[i].value; i = (i + 1) & (m->cap - 1)) {
		void *value = m->slot[i].value;

		m->slot[i].value = NULL;
		place(m, m->slot[i].id, value);
	}
}

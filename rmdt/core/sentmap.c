/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sentmap.h"

#include <errno.h>
#include <stdlib.h>

/* First allocation: 64 entries, 5.5 KiB. */
#define MIN_CAP 64
/* No ring is larger, whatever the owner asks for: 2^26 entries are 5.5 GiB. */
#define MAX_CAP ((size_t)1 << 26)

void rmdt_sentmap_init(struct rmdt_sentmap *m, size_t max_pkts)
{
	size_t max = MIN_CAP;

	while (max < max_pkts && max < MAX_CAP)
		max *= 2;
	*m = (struct rmdt_sentmap){ .max_pkts = max };
}

void rmdt_sentmap_fini(struct rmdt_sentmap *m)
{
	free(m->ring);
	*m = (struct rmdt_sentmap){ .max_pkts = m->max_pkts };
}

/* Moves the entries to a ring of `cap`, a power of two that holds them. */
static int resize(struct rmdt_sentmap *m, size_t cap)
{
	struct rmdt_sent *ring = malloc(cap * sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	for (uint64_t pn = m->base; pn < m->next; pn++)
		ring[pn & (cap - 1)] = m->ring[pn & (m->cap - 1)];
	free(m->ring);
	m->ring = ring;
	m->cap = cap;
	return 0;
}

/* Enters an entry under the next number, in any state. */
static int enter(struct rmdt_sentmap *m, const struct rmdt_sent *s, enum rmdt_sent_state state)
{
	struct rmdt_sent *slot;

	if (rmdt_sentmap_count(m) == m->max_pkts)
		rmdt_sentmap_release(m, UINT64_MAX);
	if (rmdt_sentmap_count(m) == m->max_pkts)
		return -ENOBUFS;
	if (rmdt_sentmap_count(m) == m->cap) {
		int err = resize(m, m->cap ? m->cap * 2 : MIN_CAP);

		if (err)
			return err;
	}
	slot = &m->ring[m->next & (m->cap - 1)];
	*slot = *s;
	slot->state = (uint8_t)state;
	slot->lost_us = 0;
	m->next++;
	return 0;
}

int rmdt_sentmap_add(struct rmdt_sentmap *m, const struct rmdt_sent *s)
{
	return enter(m, s, RMDT_SENT_STANDING);
}

int rmdt_sentmap_skip(struct rmdt_sentmap *m)
{
	static const struct rmdt_sent nothing;

	return enter(m, &nothing, RMDT_SENT_SKIPPED);
}

static bool is_settled(const struct rmdt_sent *s, uint64_t until_us)
{
	switch (s->state) {
	case RMDT_SENT_STANDING:
		return false;
	case RMDT_SENT_LOST:
		return s->lost_us <= until_us;
	default:
		return true;
	}
}

void rmdt_sentmap_release(struct rmdt_sentmap *m, uint64_t until_us)
{
	while (m->base < m->next && is_settled(&m->ring[m->base & (m->cap - 1)], until_us))
		m->base++;
}

void rmdt_sentmap_trim(struct rmdt_sentmap *m)
{
	size_t cap = MIN_CAP;

	if (m->base == m->next) {
		free(m->ring);
		m->ring = NULL;
		m->cap = 0;
		return;
	}
	while (cap < rmdt_sentmap_count(m))
		cap *= 2;
	/* Without memory for the smaller ring the larger one does as well. */
	if (cap < m->cap)
		(void)resize(m, cap);
}

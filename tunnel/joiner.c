/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/joiner.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct piece {
	uint8_t *data;			/* NULL: missing */
	size_t len;
};

/* One incomplete datagram; in order of the arrival of their first pieces. */
struct joining {
	struct joining *older, *newer;
	const void *owner;
	uint64_t session, number;
	uint64_t since_us;
	size_t charged_bytes;		/* of the joiner's budget */
	size_t data_bytes;
	unsigned count, there;
	struct piece piece[];
};

static void drop(struct joiner *j, struct joining *g)
{
	*(g->older ? &g->older->newer : &j->oldest) = g->newer;
	*(g->newer ? &g->newer->older : &j->newest) = g->older;
	j->n--;
	j->bytes -= g->charged_bytes;
	for (unsigned i = 0; i < g->count; i++)
		free(g->piece[i].data);
	free(g);
}

static void give_up(struct joiner *j, struct joining *g)
{
	j->dropped++;
	drop(j, g);
}

void joiner_fini(struct joiner *j)
{
	while (j->oldest)
		drop(j, j->oldest);
	free(j->whole);
	j->whole = NULL;
}

void joiner_expire(struct joiner *j, uint64_t now_us)
{
	while (j->oldest && now_us - j->oldest->since_us > JOINER_PATIENCE_US)
		give_up(j, j->oldest);
}

void joiner_forget(struct joiner *j, const void *owner)
{
	struct joining *newer;

	for (struct joining *g = j->oldest; g; g = newer) {
		newer = g->newer;
		if (g->owner == owner)
			drop(j, g);
	}
}

/* The datagram of a piece; NULL: not known. How many others its session has, and the oldest of these. */
static struct joining *find(struct joiner *j, const void *owner, const struct datagram *p, unsigned *others,
			    struct joining **oldest)
{
	*others = 0;
	*oldest = NULL;
	for (struct joining *g = j->newest; g; g = g->older) {
		if (g->owner != owner || g->session != p->session)
			continue;
		if (g->number == p->number)
			return g;
		++*others;
		*oldest = g;
	}
	return NULL;
}

static struct joining *begin(struct joiner *j, const void *owner, const struct datagram *p, uint64_t now_us)
{
	size_t bytes = sizeof(struct joining) + p->count * sizeof(struct piece);
	struct joining *g = calloc(1, bytes);

	if (!g)
		return NULL;
	g->owner = owner;
	g->session = p->session;
	g->number = p->number;
	g->count = p->count;
	g->since_us = now_us;
	g->charged_bytes = bytes;
	g->older = j->newest;
	*(j->newest ? &j->newest->newer : &j->oldest) = g;
	j->newest = g;
	j->n++;
	j->bytes += bytes;
	return g;
}

static bool take(struct joiner *j, struct joining *g, const struct datagram *p)
{
	struct piece *at = &g->piece[p->index];

	at->data = malloc(p->len);
	if (!at->data)
		return false;
	memcpy(at->data, p->data, p->len);
	at->len = p->len;
	g->there++;
	g->data_bytes += p->len;
	g->charged_bytes += p->len;
	j->bytes += p->len;
	return true;
}

static const uint8_t *join(struct joiner *j, struct joining *g, size_t *len)
{
	uint8_t *whole = malloc(g->data_bytes), *p = whole;

	if (!whole) {
		give_up(j, g);
		return NULL;
	}
	for (unsigned i = 0; i < g->count; i++) {
		memcpy(p, g->piece[i].data, g->piece[i].len);
		p += g->piece[i].len;
	}
	*len = g->data_bytes;
	drop(j, g);
	free(j->whole);
	j->whole = whole;
	return whole;
}

/* Makes room for so many bytes more without giving up `keep`. */
static void make_room(struct joiner *j, size_t bytes, const struct joining *keep)
{
	struct joining *newer;

	for (struct joining *g = j->oldest; g && j->bytes + bytes > JOINER_BYTES_MAX; g = newer) {
		newer = g->newer;
		if (g != keep)
			give_up(j, g);
	}
}

const uint8_t *joiner_add(struct joiner *j, const void *owner, const struct datagram *p, uint64_t now_us, size_t *len)
{
	struct joining *g, *oldest;
	unsigned others;

	joiner_expire(j, now_us);
	g = find(j, owner, p, &others, &oldest);
	if (!g) {
		if (others == JOINER_SESSION_MAX)
			give_up(j, oldest);
		if (j->n == JOINER_MAX)
			give_up(j, j->oldest);
		g = begin(j, owner, p, now_us);
	}
	if (!g)
		return NULL;
	/* Pieces that contradict each other make no datagram; one that is there already says nothing. */
	if (g->count != p->count || g->data_bytes + p->len > DATAGRAM_BYTES) {
		give_up(j, g);
		return NULL;
	}
	if (g->piece[p->index].data)
		return NULL;
	make_room(j, p->len, g);
	if (!take(j, g, p)) {
		give_up(j, g);
		return NULL;
	}
	return g->there == g->count ? join(j, g, len) : NULL;
}

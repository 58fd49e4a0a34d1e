/* SPDX-License-Identifier: Apache-2.0 */
#include "io/parcels.h"

#include <stdlib.h>
#include <string.h>

void rmdt_parcels_init(struct rmdt_parcels *p)
{
	p->first = p->last = NULL;
	p->n = 0;
	pthread_mutex_init(&p->lock, NULL);
}

void rmdt_parcels_fini(struct rmdt_parcels *p)
{
	struct rmdt_parcel *parcel = rmdt_parcels_take(p);

	while (parcel) {
		struct rmdt_parcel *next = parcel->next;

		free(parcel);
		parcel = next;
	}
	pthread_mutex_destroy(&p->lock);
}

bool rmdt_parcels_add(struct rmdt_parcels *p, const uint8_t *buf, size_t len, unsigned ecn,
		      const struct rmdt_addr *from)
{
	struct rmdt_parcel *parcel = malloc(sizeof(*parcel) + len);
	bool full;

	if (!parcel)
		return false;
	parcel->next = NULL;
	parcel->from = *from;
	parcel->ecn = ecn;
	parcel->len = len;
	memcpy(parcel->buf, buf, len);
	pthread_mutex_lock(&p->lock);
	full = p->n >= RMDT_PARCELS_MAX;
	if (!full) {
		if (p->last)
			p->last->next = parcel;
		else
			p->first = parcel;
		p->last = parcel;
		p->n++;
	}
	pthread_mutex_unlock(&p->lock);
	if (full)
		free(parcel);
	return !full;
}

struct rmdt_parcel *rmdt_parcels_take(struct rmdt_parcels *p)
{
	struct rmdt_parcel *first;

	pthread_mutex_lock(&p->lock);
	first = p->first;
	p->first = p->last = NULL;
	p->n = 0;
	pthread_mutex_unlock(&p->lock);
	return first;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets on their way from the thread whose socket got them to the thread that has their
 * association. Needed only where the kernel does not steer by connection id, and for the few
 * packets that carry none.
 */
#ifndef RMDT_IO_PARCELS_H
#define RMDT_IO_PARCELS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"

/*
 * Packets that may wait in one queue; what comes beyond is dropped, as in a full socket. 1024 of
 * 1400 bytes are 1 ms at 10 Gbit/s.
 */
#define RMDT_PARCELS_MAX 1024

struct rmdt_parcel {
	struct rmdt_parcel *next;
	struct rmdt_addr from;
	unsigned ecn;
	size_t len;
	uint8_t buf[];
};

struct rmdt_parcels {
	pthread_mutex_t lock;		/* leaf */
	struct rmdt_parcel *first, *last;
	size_t n;
};

void rmdt_parcels_init(struct rmdt_parcels *p);
void rmdt_parcels_fini(struct rmdt_parcels *p);
/* Copies the packet. false: full or no memory. The caller wakes the thread. */
bool rmdt_parcels_add(struct rmdt_parcels *p, const uint8_t *buf, size_t len, unsigned ecn,
		      const struct rmdt_addr *from);
/* All that wait, oldest first; the caller frees each with free(). */
struct rmdt_parcel *rmdt_parcels_take(struct rmdt_parcels *p);

#endif

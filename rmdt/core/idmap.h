/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_IDMAP_H
#define RMDT_CORE_IDMAP_H

#include <stddef.h>
#include <stdint.h>

/*
 * Flow id to flow: an open-addressing hash that remembers the last hit, since packets of one flow
 * come in runs.
 */
struct rmdt_idmap {
	struct rmdt_idmap_slot {
		uint32_t id;
		void *value;		/* NULL: free */
	} *slot;			/* NULL until the first add */
	size_t cap;			/* power of two, or 0 */
	size_t count;
	uint32_t last_id;
	void *last;			/* NULL: none */
};

void rmdt_idmap_init(struct rmdt_idmap *m);
void rmdt_idmap_fini(struct rmdt_idmap *m);
void *rmdt_idmap_get(struct rmdt_idmap *m, uint32_t id);	/* NULL: not there */
/* value is not NULL; id is not there yet. -ENOMEM. */
int rmdt_idmap_add(struct rmdt_idmap *m, uint32_t id, void *value);
void rmdt_idmap_remove(struct rmdt_idmap *m, uint32_t id);

#endif

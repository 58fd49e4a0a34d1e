/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table from 64-bit keys, which must be random or hashed already, to pointers. One thread at
 * a time.
 */
#ifndef RMDT_IO_TABLE_H
#define RMDT_IO_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct rmdt_table_slot {
	uint64_t key;
	void *value;			/* NULL: free */
};

struct rmdt_table {
	struct rmdt_table_slot *slots;	/* size of them, a power of two; NULL while size is 0 */
	size_t size, used;
};

void rmdt_table_init(struct rmdt_table *t);
void rmdt_table_fini(struct rmdt_table *t);
/* 0, -EEXIST, -ENOMEM. value is not NULL. */
int rmdt_table_add(struct rmdt_table *t, uint64_t key, void *value);
void *rmdt_table_find(const struct rmdt_table *t, uint64_t key);	/* NULL: none */
/* what it held; NULL: none */
void *rmdt_table_remove(struct rmdt_table *t, uint64_t key);

#endif

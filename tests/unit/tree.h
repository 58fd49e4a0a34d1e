/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a folder of a test. Wants _GNU_SOURCE. */
#ifndef RMDT_TESTS_UNIT_TREE_H
#define RMDT_TESTS_UNIT_TREE_H

#include <ftw.h>
#include <stdio.h>

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Removes it with all that is in it; 0 or -1. */
static inline int tree_remove(const char *path)
{
	return nftw(path, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif

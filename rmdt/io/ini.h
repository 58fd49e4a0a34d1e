/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_IO_INI_H
#define RMDT_IO_INI_H

#include <rmdt/rmdt.h>

/*
 * Reading ini files through iniparser, made strict: a key that stands twice in a section is an
 * error too.
 */

/*
 * One entry. section is "" for keys above the first section; section and key are in lower case.
 * Borrowed during the call. Returns 0 to go on, or a negative errno, with err filled, that ends the
 * reading.
 */
typedef int rmdt_ini_entry_fn(void *ctx, const char *section, const char *key, const char *value,
			      char *err);

/* A section header; also called for a section without keys. As above. */
typedef int rmdt_ini_section_fn(void *ctx, const char *section, char *err);

struct rmdt_ini_reader {
	rmdt_ini_section_fn *section;
	rmdt_ini_entry_fn *entry;
	void *ctx;
};

/*
 * Reads the file at path. -ENOENT: absent; -EACCES ...: not readable; -EINVAL: not a regular file,
 * not ini syntax, or what the reader returned. err (RMDT_ERROR_BYTES) names the file in each case
 * of its own.
 */
int rmdt_ini_read(const char *path, const struct rmdt_ini_reader *reader, char *err);

#endif

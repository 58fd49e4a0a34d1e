/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include <stddef.h>

#include "cli/options.h"

/* Settings of a command line: they wait until the files have been read, which they override. */

struct settings_given;

struct settings {
	struct settings_given *given;
	size_t n;
	const char *path;		/* of a further file; NULL: none */
};

/* match->setting with its value, both borrowed. -ENOMEM. */
int settings_add(struct settings *settings, const struct options_match *match);
/* Defaults, files, environment, command line, in this order. Negative errno with err (RMDT_ERROR_BYTES). */
int settings_load(const struct settings *settings, struct rmdt_config **config, char *err);
/* Another default for this kind of program: taken where nobody has set the key. */
int settings_default(struct rmdt_config *config, const char *key, const char *value, char *err);
void settings_fini(struct settings *settings);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct settings_given {
	const char *key, *value;
	char origin[OPTIONS_SHOWN_BYTES];
};

int settings_add(struct settings *settings, const struct options_match *match)
{
	struct settings_given *grown = realloc(settings->given, (settings->n + 1) * sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	settings->given = grown;
	grown[settings->n] = (struct settings_given){ .key = match->setting->key, .value = match->value };
	memcpy(grown[settings->n].origin, match->shown, sizeof(match->shown));
	settings->n++;
	return 0;
}

int settings_load(const struct settings *settings, struct rmdt_config **out, char *err)
{
	struct rmdt_config *config;
	int ret = rmdt_config_new(&config);

	if (ret < 0)
		return ret;
	ret = rmdt_config_load_defaults(config, err);
	if (ret == 0 && settings->path != NULL)
		ret = rmdt_config_load_file(config, settings->path, err);
	for (size_t i = 0; ret == 0 && i < settings->n; i++)
		ret = rmdt_config_set(config, settings->given[i].key, settings->given[i].value,
				      settings->given[i].origin, err);
	if (ret < 0)
		rmdt_config_free(config);
	else
		*out = config;
	return ret;
}

int settings_default(struct rmdt_config *config, const char *key, const char *value, char *err)
{
	const char *origin = NULL;

	if (rmdt_config_get(config, key, &origin) == NULL)
		return -ENOENT;
	if (strcmp(origin, "built-in") != 0)
		return 0;
	return rmdt_config_set(config, key, value, "built-in", err);
}

void settings_fini(struct settings *settings)
{
	free(settings->given);
	*settings = (struct settings){ 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "io/ini.h"
#include "io/setting.h"

#define SYSTEM_FILE "/etc/dexor/pipeclone.ini"
#define USER_FILE ".dexor/pipeclone.ini"	/* below $HOME */
#define PATH_BYTES 4096

/* Sections of an ini file that are ours; "" are keys above the first section. */
static const char *const sections[] = { "", "general", "pipeclone" };

struct value {
	char *text;			/* NULL: the default */
	char *origin;			/* NULL with text NULL */
	uint64_t number;		/* index of a choice; 0 for a text */
};

struct rmdt_config {
	struct value at[RMDT_SETTING_COUNT];
};

/* ---- the object ------------------------------------------------------------------------------ */

static void value_clear(struct value *value)
{
	free(value->text);
	free(value->origin);
	*value = (struct value){ 0 };
}

static uint64_t default_number(enum rmdt_setting_id id)
{
	char err[RMDT_ERROR_BYTES];
	uint64_t number = 0;
	int ret = rmdt_setting_parse(id, rmdt_setting_default(id), &number, err);

	assert(ret == 0);
	return number;
}

int rmdt_config_new(struct rmdt_config **cfg)
{
	struct rmdt_config *new = calloc(1, sizeof(*new));

	if (new == NULL)
		return -ENOMEM;
	for (enum rmdt_setting_id id = 0; id < RMDT_SETTING_COUNT; id++)
		new->at[id].number = default_number(id);
	*cfg = new;
	return 0;
}

void rmdt_config_free(struct rmdt_config *cfg)
{
	if (cfg == NULL)
		return;
	for (enum rmdt_setting_id id = 0; id < RMDT_SETTING_COUNT; id++)
		value_clear(&cfg->at[id]);
	free(cfg);
}

static int put(struct rmdt_config *cfg, enum rmdt_setting_id id, const struct value *from)
{
	struct value copy = { .number = from->number };

	copy.text = strdup(from->text);
	copy.origin = strdup(from->origin);
	if (copy.text == NULL || copy.origin == NULL) {
		value_clear(&copy);
		return -ENOMEM;
	}
	value_clear(&cfg->at[id]);
	cfg->at[id] = copy;
	return 0;
}

int rmdt_config_copy(struct rmdt_config **copy, const struct rmdt_config *cfg)
{
	struct rmdt_config *new;
	int ret = rmdt_config_new(&new);

	for (enum rmdt_setting_id id = 0; ret == 0 && cfg != NULL && id < RMDT_SETTING_COUNT;
	     id++) {
		if (cfg->at[id].text != NULL)
			ret = put(new, id, &cfg->at[id]);
		if (ret < 0)
			rmdt_config_free(new);
	}
	if (ret == 0)
		*copy = new;
	return ret;
}

/* err tells text and reason only. */
static int set(struct rmdt_config *cfg, enum rmdt_setting_id id, const char *text,
	       const char *origin, char *err)
{
	struct value value = { .text = (char *)text, .origin = (char *)origin };
	int ret = rmdt_setting_parse(id, text, &value.number, err);

	if (ret == 0) {
		ret = put(cfg, id, &value);
		if (ret < 0)
			snprintf(err, RMDT_ERROR_BYTES, "out of memory");
	}
	return ret;
}

int rmdt_config_set(struct rmdt_config *cfg, const char *key, const char *value, const char *origin,
		    char *err)
{
	char why[RMDT_ERROR_BYTES];
	enum rmdt_setting_id id;
	int ret;

	if (origin == NULL)
		origin = key;
	if (!rmdt_setting_find(key, &id)) {
		rmdt_text_fault(err, RMDT_ERROR_BYTES, key, "no such setting");
		return -ENOENT;
	}
	ret = set(cfg, id, value, origin, why);
	if (ret < 0)
		snprintf(err, RMDT_ERROR_BYTES, "%.60s %.190s", origin, why);
	return ret;
}

const char *rmdt_config_get(const struct rmdt_config *cfg, const char *key, const char **origin)
{
	const struct value *value;
	enum rmdt_setting_id id;

	if (!rmdt_setting_find(key, &id))
		return NULL;
	value = &cfg->at[id];
	if (origin != NULL)
		*origin = value->origin != NULL ? value->origin : "built-in";
	return value->text != NULL ? value->text : rmdt_setting_default(id);
}

int rmdt_config_number(const struct rmdt_config *cfg, const char *key, uint64_t *value)
{
	enum rmdt_setting_id id;

	if (!rmdt_setting_find(key, &id))
		return -ENOENT;
	if (!rmdt_setting_is_number(id))
		return -EINVAL;
	*value = cfg->at[id].number;
	return 0;
}

/* ---- sources --------------------------------------------------------------------------------- */

/* One file being read. */
struct file {
	struct rmdt_config *cfg;
	const char *path;
	bool seen[RMDT_SETTING_COUNT];	/* by this file, under any section and spelling */
};

/* The end of a long path says more than its beginning. */
static const char *path_tail(const char *path)
{
	size_t n = strlen(path);

	return n > 100 ? path + n - 100 : path;
}

static int file_section(void *ctx, const char *section, char *err)
{
	const struct file *file = ctx;

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		if (strcmp(section, sections[i]) == 0)
			return 0;
	}
	snprintf(err, RMDT_ERROR_BYTES, "%s: [%.60s]: no such section; [pipeclone] is the one",
		 path_tail(file->path), section);
	return -EINVAL;
}

static int file_entry(void *ctx, const char *section, const char *key, const char *value, char *err)
{
	struct file *file = ctx;
	char place[PATH_BYTES + 128], why[RMDT_ERROR_BYTES];
	enum rmdt_setting_id id;
	int ret;

	snprintf(place, sizeof(place), section[0] != '\0' ? "%s: [%s]" : "%s:", file->path,
		 section);
	if (!rmdt_setting_find(key, &id)) {
		snprintf(err, RMDT_ERROR_BYTES, "%.120s %.40s = \"%.60s\": no such key",
			 path_tail(place), key, value);
		return -EINVAL;
	}
	if (file->seen[id]) {
		snprintf(err, RMDT_ERROR_BYTES, "%.120s %.40s = \"%.60s\": the key stands twice",
			 path_tail(place), key, value);
		return -EINVAL;
	}
	file->seen[id] = true;
	ret = set(file->cfg, id, value, place, why);
	if (ret < 0)
		snprintf(err, RMDT_ERROR_BYTES, "%.120s %.20s = %.110s", path_tail(place),
			 rmdt_setting_key(id), why);
	return ret;
}

int rmdt_config_load_file(struct rmdt_config *cfg, const char *path, char *err)
{
	struct file file = { .cfg = cfg, .path = path };
	struct rmdt_ini_reader reader = { .section = file_section,
					  .entry = file_entry,
					  .ctx = &file };

	return rmdt_ini_read(path, &reader, err);
}

static int load_optional(struct rmdt_config *cfg, const char *path, char *err)
{
	int ret = rmdt_config_load_file(cfg, path, err);

	return ret == -ENOENT || ret == -ENOTDIR ? 0 : ret;
}

static int load_environment(struct rmdt_config *cfg, char *err)
{
	for (enum rmdt_setting_id id = 0; id < RMDT_SETTING_COUNT; id++) {
		char name[64] = "RMDT_", why[RMDT_ERROR_BYTES];
		size_t n = strlen(name);
		const char *value;
		int ret;

		for (const char *p = rmdt_setting_key(id); *p != '\0' && n + 1 < sizeof(name); p++)
			name[n++] = *p == '-' ? '_' : (char)(*p - 'a' + 'A');
		value = getenv(name);
		if (value == NULL)
			continue;
		ret = set(cfg, id, value, name, why);
		if (ret < 0) {
			snprintf(err, RMDT_ERROR_BYTES, "environment %.40s=%.180s", name, why);
			return ret;
		}
	}
	return 0;
}

int rmdt_config_load_defaults(struct rmdt_config *cfg, char *err)
{
	const char *home = getenv("HOME");
	char path[PATH_BYTES];
	int ret = load_optional(cfg, SYSTEM_FILE, err);

	if (ret == 0 && home != NULL && home[0] != '\0' &&
	    snprintf(path, sizeof(path), "%s/%s", home, USER_FILE) < (int)sizeof(path))
		ret = load_optional(cfg, path, err);
	return ret == 0 ? load_environment(cfg, err) : ret;
}

/* ---- typed ----------------------------------------------------------------------------------- */

static uint64_t number_of(const struct rmdt_config *cfg, enum rmdt_setting_id id)
{
	return cfg != NULL ? cfg->at[id].number : default_number(id);
}

static const char *text_of(const struct rmdt_config *cfg, enum rmdt_setting_id id)
{
	return cfg != NULL && cfg->at[id].text != NULL ? cfg->at[id].text :
	       rmdt_setting_default(id);
}

static void limits(const struct rmdt_config *cfg, struct rmdt_config_values *v)
{
	v->max_peers = (unsigned)number_of(cfg, RMDT_SETTING_MAX_PEERS);
	v->max_flows = (unsigned)number_of(cfg, RMDT_SETTING_MAX_FLOWS);
	v->max_half_open = (unsigned)number_of(cfg, RMDT_SETTING_MAX_HALF_OPEN);
	v->rekey_packets = number_of(cfg, RMDT_SETTING_REKEY_PACKETS);
	v->rekey_after_us = number_of(cfg, RMDT_SETTING_REKEY_AFTER);
	v->socket_buffer_bytes = (uint32_t)number_of(cfg, RMDT_SETTING_SOCKET_BUFFER);
	v->gso = number_of(cfg, RMDT_SETTING_GSO) != 0;
	v->gro = number_of(cfg, RMDT_SETTING_GRO) != 0;
	v->log_level = (enum rmdt_log_level)number_of(cfg, RMDT_SETTING_LOG_LEVEL);
}

void rmdt_config_values(const struct rmdt_config *cfg, struct rmdt_config_values *v)
{
	*v = (struct rmdt_config_values){
		.buffer_bytes = number_of(cfg, RMDT_SETTING_BUFFER),
		.mtu_bytes = (uint32_t)number_of(cfg, RMDT_SETTING_MTU),
		.mtu_probe = number_of(cfg, RMDT_SETTING_MTU_PROBE) != 0,
		.rate_bytes_per_s = number_of(cfg, RMDT_SETTING_RATE),
		.cc = text_of(cfg, RMDT_SETTING_CC),
		.remember = number_of(cfg, RMDT_SETTING_REMEMBER) != 0,
		.cipher = text_of(cfg, RMDT_SETTING_CIPHER),
		.threads = (unsigned)number_of(cfg, RMDT_SETTING_THREADS),
		.slow = text_of(cfg, RMDT_SETTING_SLOW),
		.connect_timeout_us = number_of(cfg, RMDT_SETTING_CONNECT_TIMEOUT),
		.dead_after_us = number_of(cfg, RMDT_SETTING_DEAD_AFTER),
		.keepalive_us = number_of(cfg, RMDT_SETTING_KEEPALIVE),
		.linger_us = number_of(cfg, RMDT_SETTING_LINGER),
		.identity = text_of(cfg, RMDT_SETTING_IDENTITY),
		.psk = text_of(cfg, RMDT_SETTING_PSK),
		.strict = number_of(cfg, RMDT_SETTING_STRICT) != 0,
	};
	/* A shorter dead-after must not find a healthy peer dead between two signs of life. */
	if (v->keepalive_us > v->dead_after_us / 2)
		v->keepalive_us = v->dead_after_us / 2;
	limits(cfg, v);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/policy.h"
#include "core/text.h"
#include "core/units.h"
#include "io/ini.h"

#define SYSTEM_FILE "/etc/dexor/pipeclone.ini"
#define USER_FILE ".dexor/pipeclone.ini"	/* below $HOME */
#define PATH_BYTES 4096
#define TEXT_MAX_BYTES PATH_BYTES	/* the longest value is a path */

#define SECOND UINT64_C(1000000)
#define DAY (86400 * SECOND)

enum kind { SIZE, RATE, DURATION, NUMBER, FLAG, TEXT, CHOICE, MTU, POLICY };

/*
 * The table of all settings: S(id, key, default, kind, kind in words, least, most, help). Least and
 * most are in bytes, bytes per second, microseconds or a count. A choice lists its words after "one
 * of ".
 */
#define SETTINGS(S) \
	S(BUFFER, "buffer", "500M", SIZE, "size", 1 << 20, UINT64_C(1) << 42, \
	  "most memory for data on its way") \
	S(MTU_, "mtu", "auto", MTU, "one of auto|BYTES", 1280, 65535, \
	  "largest IP packet; auto finds it") \
	S(MTU_PROBE, "mtu-probe", "yes", FLAG, "flag", 0, 1, \
	  "find the path MTU; no: take mtu as it is") \
	S(RATE_, "rate", "0", RATE, "rate", 1000, UINT64_C(1) << 50, \
	  "most bits per second in all; 0 is no limit") \
	S(CC, "cc", "bbr", CHOICE, "one of bbr|cubic|fixed", 0, 0, \
	  "congestion control") \
	S(REMEMBER, "remember", "yes", FLAG, "flag", 0, 1, \
	  "remember what a path carries") \
	S(CIPHER, "cipher", "aes-256-gcm", CHOICE, \
	  "one of aes-256-gcm|chacha20-poly1305|none", 0, 0, \
	  "encryption") \
	S(THREADS, "threads", "1", NUMBER, "number", 1, 16, \
	  "network threads") \
	S(SLOW, "slow", "block", POLICY, "one of block|drop:LAG|quorum:K", 0, 0, \
	  "for slow receivers") \
	S(CONNECT_TIMEOUT, "connect-timeout", "10s", DURATION, "duration", SECOND / 10, DAY, \
	  "how long a receiver may take to answer") \
	S(DEAD_AFTER, "dead-after", "30s", DURATION, "duration", SECOND / 2, DAY, \
	  "silence after which the far end is dead") \
	S(KEEPALIVE, "keepalive", "15s", DURATION, "duration", SECOND / 10, DAY, \
	  "silence after which a sign of life is sent") \
	S(LINGER, "linger", "10s", DURATION, "duration", 0, DAY, \
	  "time for the rest once a quorum is done") \
	S(IDENTITY, "identity", "", TEXT, "text", 0, 0, \
	  "folder of id, authorized_keys, known_hosts") \
	S(PSK, "psk", "", TEXT, "text", 0, 0, \
	  "file with a secret that both ends share") \
	S(STRICT, "strict", "no", FLAG, "flag", 0, 1, \
	  "refuse keys that are not listed or known") \
	S(MAX_PEERS, "max-peers", "1024", NUMBER, "number", 1, 65536, \
	  "most peers at a time") \
	S(MAX_FLOWS, "max-flows", "4096", NUMBER, "number", 1, 1 << 20, \
	  "most open flows at a time") \
	S(MAX_HALF_OPEN, "max-half-open", "256", NUMBER, "number", 1, 65536, \
	  "most unfinished handshakes at a time") \
	S(REKEY_PACKETS, "rekey-packets", "0", NUMBER, "number", 0, UINT64_C(1) << 36, \
	  "renew keys after so many; 0: as is needed") \
	S(REKEY_AFTER, "rekey-after", "2m", DURATION, "duration", SECOND, DAY, \
	  "age at which keys are renewed") \
	S(SOCKET_BUFFER, "socket-buffer", "8M", SIZE, "size", 65536, 1 << 30, \
	  "socket buffer asked of the kernel") \
	S(GSO, "gso", "yes", FLAG, "flag", 0, 1, \
	  "send in batches where the kernel can") \
	S(GRO, "gro", "yes", FLAG, "flag", 0, 1, \
	  "receive in batches where the kernel can") \
	S(LOG_LEVEL, "log-level", "warning", CHOICE, "one of error|warning|info|debug", 0, 0, \
	  "messages")

#define AS_ID(id, key, def, kind, words, least, most, help) id,
enum id { SETTINGS(AS_ID) SETTING_COUNT };

#define AS_SETTING(id, key, def, kind, words, least, most, help) { key, def, words, help },
static const struct rmdt_setting settings[] = { SETTINGS(AS_SETTING) };

struct rule {
	enum kind kind;
	uint64_t least, most;
};
#define AS_RULE(id, key, def, kind, words, least, most, help) { kind, least, most },
static const struct rule rules[] = { SETTINGS(AS_RULE) };

/* Sections of an ini file that are ours; "" are keys above the first section. */
static const char *const sections[] = { "", "general", "pipeclone" };

struct value {
	char *text;			/* NULL: the default */
	char *origin;			/* NULL with text NULL */
	uint64_t number;		/* index of a choice; 0 for a text */
};

struct rmdt_config {
	struct value at[SETTING_COUNT];
};

const struct rmdt_setting *rmdt_settings(size_t *n)
{
	*n = SETTING_COUNT;
	return settings;
}

/* ---- one value ------------------------------------------------------------------------------- */

static int fault(char *err, const char *text, const char *reason)
{
	rmdt_text_fault(err, RMDT_ERROR_BYTES, text, reason);
	return -EINVAL;
}

static const char *bound_text(enum kind kind, uint64_t bound, char *buf, size_t size)
{
	if (kind == SIZE)
		return rmdt_units_exact_size(bound, buf, size);
	if (kind == DURATION)
		return rmdt_units_exact_duration(bound, buf, size);
	if (kind == RATE)
		return rmdt_units_format_rate(bound * 8, buf, size);
	snprintf(buf, size, "%llu", (unsigned long long)bound);
	return buf;
}

static int check_range(enum id id, const char *text, uint64_t number, char *err)
{
	const struct rule *rule = &rules[id];
	char least[RMDT_UNITS_TEXT_BYTES], most[RMDT_UNITS_TEXT_BYTES], reason[128];

	if (number >= rule->least && number <= rule->most)
		return 0;
	snprintf(reason, sizeof(reason), "must be from %s to %s%s",
		 bound_text(rule->kind, rule->least, least, sizeof(least)),
		 bound_text(rule->kind, rule->most, most, sizeof(most)),
		 rule->kind == MTU ? ", or auto" : rule->kind == RATE ? ", or 0" : "");
	return fault(err, text, reason);
}

static int parse_number(const char *text, uint64_t *number, char *err)
{
	uint64_t sum = 0;

	if (*text == '\0')
		return fault(err, text, "a number is wanted");
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return fault(err, text, "a number is wanted");
		if (sum > (UINT64_MAX - 9) / 10)
			return fault(err, text, "too large");
		sum = sum * 10 + (uint64_t)(*p - '0');
	}
	*number = sum;
	return 0;
}

static int parse_flag(const char *text, uint64_t *number, char *err)
{
	static const char *const words[][2] = {
		{ "no", "yes" }, { "false", "true" }, { "off", "on" }, { "0", "1" }
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (unsigned j = 0; j < 2; j++) {
			if (strcasecmp(text, words[i][j]) == 0) {
				*number = j;
				return 0;
			}
		}
	}
	return fault(err, text, "must be yes or no");
}

/* The words of a choice, one after another: false after the last. */
static bool next_word(const char **at, size_t *len)
{
	if (**at == '\0')
		return false;
	*len = strcspn(*at, "|");
	return *len > 0;
}

static const char *choice_words(enum id id)
{
	return settings[id].kind + strlen("one of ");
}

static int parse_choice(enum id id, const char *text, uint64_t *number, char *err)
{
	const char *word = choice_words(id);
	char reason[128];
	uint64_t index = 0;
	size_t len;

	while (next_word(&word, &len)) {
		if (strlen(text) == len && strncasecmp(text, word, len) == 0) {
			*number = index;
			return 0;
		}
		index++;
		word += len + (word[len] == '|');
	}
	snprintf(reason, sizeof(reason), "must be %s", settings[id].kind);
	return fault(err, text, reason);
}

static int parse_policy(const char *text, uint64_t *number, char *err)
{
	struct rmdt_policy policy;
	int ret = rmdt_policy_parse(text, &policy, err, RMDT_ERROR_BYTES);

	if (ret == 0)
		*number = 0;
	return ret;
}

static int parse_rate(const char *text, uint64_t *number, char *err)
{
	if (strcasecmp(text, "none") == 0) {
		*number = 0;
		return 0;
	}
	return rmdt_parse_rate(text, number, err);
}

static int parse_mtu(const char *text, uint64_t *number, char *err)
{
	int ret;

	if (strcasecmp(text, "auto") == 0) {
		*number = 0;
		return 0;
	}
	ret = parse_number(text, number, err);
	/* 0 stands for auto from here on, so it is judged as a text. */
	return ret == 0 && *number == 0 ? check_range(MTU_, text, 0, err) : ret;
}

/* Checks text as a value of this setting; err tells text and reason. */
static int parse(enum id id, const char *text, uint64_t *number, char *err)
{
	uint64_t found = 0;
	int ret = 0;

	if (strlen(text) >= TEXT_MAX_BYTES)
		return fault(err, text, "too long");
	switch (rules[id].kind) {
	case SIZE: ret = rmdt_parse_size(text, &found, err); break;
	case RATE: ret = parse_rate(text, &found, err); break;
	case DURATION: ret = rmdt_parse_duration(text, &found, err); break;
	case NUMBER: ret = parse_number(text, &found, err); break;
	case FLAG: ret = parse_flag(text, &found, err); break;
	case CHOICE: ret = parse_choice(id, text, &found, err); break;
	case MTU: ret = parse_mtu(text, &found, err); break;
	case POLICY: ret = parse_policy(text, &found, err); break;
	case TEXT: break;
	}
	if (ret < 0)
		return -EINVAL;
	if (rules[id].most > 0 &&
	    !(found == 0 && (rules[id].kind == MTU || rules[id].kind == RATE)))
		ret = check_range(id, text, found, err);
	if (ret == 0)
		*number = found;
	return ret;
}

/* ---- the object ------------------------------------------------------------------------------ */

static void value_clear(struct value *value)
{
	free(value->text);
	free(value->origin);
	*value = (struct value){ 0 };
}

static uint64_t default_number(enum id id)
{
	char err[RMDT_ERROR_BYTES];
	uint64_t number = 0;
	int ret = parse(id, settings[id].value, &number, err);

	assert(ret == 0);
	return number;
}

int rmdt_config_new(struct rmdt_config **cfg)
{
	struct rmdt_config *new = calloc(1, sizeof(*new));

	if (new == NULL)
		return -ENOMEM;
	for (enum id id = 0; id < SETTING_COUNT; id++)
		new->at[id].number = default_number(id);
	*cfg = new;
	return 0;
}

void rmdt_config_free(struct rmdt_config *cfg)
{
	if (cfg == NULL)
		return;
	for (enum id id = 0; id < SETTING_COUNT; id++)
		value_clear(&cfg->at[id]);
	free(cfg);
}

static int put(struct rmdt_config *cfg, enum id id, const struct value *from)
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

	for (enum id id = 0; ret == 0 && cfg != NULL && id < SETTING_COUNT; id++) {
		if (cfg->at[id].text != NULL)
			ret = put(new, id, &cfg->at[id]);
		if (ret < 0)
			rmdt_config_free(new);
	}
	if (ret == 0)
		*copy = new;
	return ret;
}

/* '_' is as good as '-', and case does not matter. */
static bool same_key(const char *a, const char *b)
{
	for (; *a != '\0' && *b != '\0'; a++, b++) {
		char x[2] = { *a == '_' ? '-' : *a }, y[2] = { *b == '_' ? '-' : *b };

		if (strcasecmp(x, y) != 0)
			return false;
	}
	return *a == *b;
}

static bool find(const char *key, enum id *found)
{
	for (enum id id = 0; id < SETTING_COUNT; id++) {
		if (same_key(settings[id].key, key)) {
			*found = id;
			return true;
		}
	}
	return false;
}

/* err tells text and reason only. */
static int set(struct rmdt_config *cfg, enum id id, const char *text, const char *origin, char *err)
{
	struct value value = { .text = (char *)text, .origin = (char *)origin };
	int ret = parse(id, text, &value.number, err);

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
	enum id id;
	int ret;

	if (origin == NULL)
		origin = key;
	if (!find(key, &id)) {
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
	enum id id;

	if (!find(key, &id))
		return NULL;
	value = &cfg->at[id];
	if (origin != NULL)
		*origin = value->origin != NULL ? value->origin : "built-in";
	return value->text != NULL ? value->text : settings[id].value;
}

int rmdt_config_number(const struct rmdt_config *cfg, const char *key, uint64_t *value)
{
	enum id id;

	if (!find(key, &id))
		return -ENOENT;
	if (rules[id].kind == TEXT || rules[id].kind == CHOICE || rules[id].kind == POLICY)
		return -EINVAL;
	*value = cfg->at[id].number;
	return 0;
}

/* ---- sources --------------------------------------------------------------------------------- */

/* One file being read. */
struct file {
	struct rmdt_config *cfg;
	const char *path;
	bool seen[SETTING_COUNT];	/* by this file, under any section and spelling */
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
	enum id id;
	int ret;

	snprintf(place, sizeof(place), section[0] != '\0' ? "%s: [%s]" : "%s:", file->path,
		 section);
	if (!find(key, &id)) {
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
			 settings[id].key, why);
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
	for (enum id id = 0; id < SETTING_COUNT; id++) {
		char name[64] = "RMDT_", why[RMDT_ERROR_BYTES];
		size_t n = strlen(name);
		const char *value;
		int ret;

		for (const char *p = settings[id].key; *p != '\0' && n + 1 < sizeof(name); p++)
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

static uint64_t number_of(const struct rmdt_config *cfg, enum id id)
{
	return cfg != NULL ? cfg->at[id].number : default_number(id);
}

static const char *text_of(const struct rmdt_config *cfg, enum id id)
{
	return cfg != NULL && cfg->at[id].text != NULL ? cfg->at[id].text : settings[id].value;
}

static void limits(const struct rmdt_config *cfg, struct rmdt_config_values *v)
{
	v->max_peers = (unsigned)number_of(cfg, MAX_PEERS);
	v->max_flows = (unsigned)number_of(cfg, MAX_FLOWS);
	v->max_half_open = (unsigned)number_of(cfg, MAX_HALF_OPEN);
	v->rekey_packets = number_of(cfg, REKEY_PACKETS);
	v->rekey_after_us = number_of(cfg, REKEY_AFTER);
	v->socket_buffer_bytes = (uint32_t)number_of(cfg, SOCKET_BUFFER);
	v->gso = number_of(cfg, GSO) != 0;
	v->gro = number_of(cfg, GRO) != 0;
	v->log_level = (enum rmdt_log_level)number_of(cfg, LOG_LEVEL);
}

void rmdt_config_values(const struct rmdt_config *cfg, struct rmdt_config_values *v)
{
	*v = (struct rmdt_config_values){
		.buffer_bytes = number_of(cfg, BUFFER),
		.mtu_bytes = (uint32_t)number_of(cfg, MTU_),
		.mtu_probe = number_of(cfg, MTU_PROBE) != 0,
		.rate_bytes_per_s = number_of(cfg, RATE_),
		.cc = text_of(cfg, CC),
		.remember = number_of(cfg, REMEMBER) != 0,
		.cipher = text_of(cfg, CIPHER),
		.threads = (unsigned)number_of(cfg, THREADS),
		.slow = text_of(cfg, SLOW),
		.connect_timeout_us = number_of(cfg, CONNECT_TIMEOUT),
		.dead_after_us = number_of(cfg, DEAD_AFTER),
		.keepalive_us = number_of(cfg, KEEPALIVE),
		.linger_us = number_of(cfg, LINGER),
		.identity = text_of(cfg, IDENTITY),
		.psk = text_of(cfg, PSK),
		.strict = number_of(cfg, STRICT) != 0,
	};
	/* A shorter dead-after must not find a healthy peer dead between two signs of life. */
	if (v->keepalive_us > v->dead_after_us / 2)
		v->keepalive_us = v->dead_after_us / 2;
	limits(cfg, v);
}

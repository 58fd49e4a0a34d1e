/* SPDX-License-Identifier: Apache-2.0 */
#include "io/setting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <rmdt/rmdt.h>

#include "core/policy.h"
#include "core/text.h"
#include "core/units.h"

#define TEXT_MAX_BYTES 4096	/* the longest value is a path */
#define SECOND UINT64_C(1000000)
#define DAY (86400 * SECOND)

enum kind { SIZE, RATE, DURATION, NUMBER, FLAG, TEXT, CHOICE, MTU, POLICY };

#define AS_SETTING(id, key, def, kind, words, least, most, help) { key, def, words, help },
static const struct rmdt_setting settings[] = { RMDT_SETTINGS(AS_SETTING) };

struct rule {
	enum kind kind;
	uint64_t least, most;
};
#define AS_RULE(id, key, def, kind, words, least, most, help) { kind, least, most },
static const struct rule rules[] = { RMDT_SETTINGS(AS_RULE) };

const struct rmdt_setting *rmdt_settings(size_t *n)
{
	*n = RMDT_SETTING_COUNT;
	return settings;
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

bool rmdt_setting_find(const char *key, enum rmdt_setting_id *found)
{
	for (enum rmdt_setting_id id = 0; id < RMDT_SETTING_COUNT; id++) {
		if (same_key(settings[id].key, key)) {
			*found = id;
			return true;
		}
	}
	return false;
}

const char *rmdt_setting_key(enum rmdt_setting_id id)
{
	return settings[id].key;
}

const char *rmdt_setting_default(enum rmdt_setting_id id)
{
	return settings[id].value;
}

bool rmdt_setting_is_number(enum rmdt_setting_id id)
{
	return rules[id].kind != TEXT && rules[id].kind != CHOICE && rules[id].kind != POLICY;
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

static int check_range(enum rmdt_setting_id id, const char *text, uint64_t number, char *err)
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

static const char *choice_words(enum rmdt_setting_id id)
{
	return settings[id].kind + strlen("one of ");
}

static int parse_choice(enum rmdt_setting_id id, const char *text, uint64_t *number, char *err)
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
	return ret == 0 && *number == 0 ? check_range(RMDT_SETTING_MTU, text, 0, err) : ret;
}

int rmdt_setting_parse(enum rmdt_setting_id id, const char *text, uint64_t *number, char *err)
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES 40
#define READ_DEPTH 32

/* ---- writing --------------------------------------------------------------------------------- */

void json_init(struct json *json, char *buf, size_t size)
{
	assert(size > 0);
	memset(json, 0, sizeof(*json));
	json->buf = buf;
	json->size = size;
	buf[0] = '\0';
}

size_t json_room(const struct json *json)
{
	size_t used = json->len + json->depth + 1;

	return used < json->size ? json->size - used : 0;
}

static void put_char(struct json *json, char c)
{
	json->buf[json->len++] = c;
	json->buf[json->len] = '\0';
}

static size_t quoted_bytes(const char *text)
{
	size_t n = 2;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		n += c < 0x20 ? 6 : c == '"' || c == '\\' ? 2 : 1;
	}
	return n;
}

static void put_quoted(struct json *json, const char *text)
{
	put_char(json, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20) {
			json->len += (size_t)sprintf(json->buf + json->len, "\\u%04x", c);
			continue;
		}
		if (c == '"' || c == '\\')
			put_char(json, '\\');
		put_char(json, (char)c);
	}
	put_char(json, '"');
}

/* Comma and key in front of a value of `bytes`; false: it does not fit. */
static bool begin(struct json *json, const char *key, size_t bytes)
{
	if (json->cut || json_room(json) < bytes + 2 + (key ? quoted_bytes(key) : 0)) {
		json->cut = true;
		return false;
	}
	if (json->has_items[json->depth])
		put_char(json, ',');
	json->has_items[json->depth] = true;
	if (key) {
		put_quoted(json, key);
		put_char(json, ':');
	}
	return true;
}

static void put_raw(struct json *json, const char *key, const char *value)
{
	if (!begin(json, key, strlen(value)))
		return;
	while (*value)
		put_char(json, *value++);
}

static void open_level(struct json *json, const char *key, char open, char close)
{
	assert(json->depth < JSON_DEPTH);
	/* What was left out is still ended by its writer: then with nothing. */
	json->close[json->depth] = '\0';
	if (begin(json, key, 2)) {
		put_char(json, open);
		json->close[json->depth] = close;
	}
	json->depth++;
	json->has_items[json->depth] = false;
}

void json_object(struct json *json, const char *key)
{
	open_level(json, key, '{', '}');
}

void json_array(struct json *json, const char *key)
{
	open_level(json, key, '[', ']');
}

void json_end(struct json *json)
{
	assert(json->depth > 0);
	json->depth--;
	if (json->close[json->depth])
		put_char(json, json->close[json->depth]);
}

void json_text(struct json *json, const char *key, const char *value)
{
	if (begin(json, key, quoted_bytes(value)))
		put_quoted(json, value);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
	char text[NUMBER_BYTES];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put_raw(json, key, text);
}

void json_seconds(struct json *json, const char *key, uint64_t us)
{
	char text[NUMBER_BYTES];

	snprintf(text, sizeof(text), "%llu.%06llu", (unsigned long long)(us / 1000000),
		 (unsigned long long)(us % 1000000));
	put_raw(json, key, text);
}

void json_flag(struct json *json, const char *key, bool value)
{
	put_raw(json, key, value ? "true" : "false");
}

/* ---- reading --------------------------------------------------------------------------------- */

static const struct json_value none;

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* The end of the text that begins with the quote at p; NULL: it has none. */
static const char *skip_text(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '"')
			return p + 1;
		if (*p == '\\')
			p++;
	}
	return NULL;
}

static const char *skip_word(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *p) && *p)
		p++;
	return p > from ? p : NULL;
}

static const char *skip_value(const char *p, const char *end, unsigned depth);

/* An object or array; p is at its bracket. */
static const char *skip_list(const char *p, const char *end, unsigned depth)
{
	char close = *p == '{' ? '}' : ']';

	p = skip_space(p + 1, end);
	if (p < end && *p == close)
		return p + 1;
	while (p && p < end) {
		if (close == '}') {
			p = *p == '"' ? skip_text(p, end) : NULL;
			p = p ? skip_space(p, end) : NULL;
			if (!p || p == end || *p != ':')
				return NULL;
			p = skip_space(p + 1, end);
		}
		p = skip_value(p, end, depth + 1);
		p = p ? skip_space(p, end) : NULL;
		if (!p || p == end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p != ',')
			return NULL;
		p = skip_space(p + 1, end);
	}
	return NULL;
}

static const char *skip_value(const char *p, const char *end, unsigned depth)
{
	if (p >= end || depth > READ_DEPTH)
		return NULL;
	if (*p == '{' || *p == '[')
		return skip_list(p, end, depth);
	return *p == '"' ? skip_text(p, end) : skip_word(p, end);
}

/* Everything after json_read walks over what has been found to be whole. */
struct json_value json_read(const char *text, size_t len)
{
	const char *end = text + len, *from = skip_space(text, end);
	const char *to = skip_value(from, end, 0);

	return to ? (struct json_value){ from, (size_t)(to - from) } : none;
}

static struct json_value value_at(const char *p, const char *end)
{
	const char *to = skip_value(p, end, 0);

	return to ? (struct json_value){ p, (size_t)(to - p) } : none;
}

struct json_value json_member(struct json_value object, const char *key)
{
	size_t len = strlen(key);
	const char *end, *p;

	if (object.len == 0 || *object.at != '{')
		return none;
	end = object.at + object.len;
	for (p = skip_space(object.at + 1, end); p < end && *p == '"'; p = skip_space(p + 1, end)) {
		const char *name = p + 1, *name_end = skip_text(p, end) - 1;
		struct json_value value;

		p = skip_space(skip_space(name_end + 1, end) + 1, end);
		value = value_at(p, end);
		if ((size_t)(name_end - name) == len && memcmp(name, key, len) == 0)
			return value;
		p = skip_space(value.at + value.len, end);	/* at the comma or the end */
	}
	return none;
}

struct json_value json_next(struct json_value array, struct json_value prev)
{
	const char *end, *p;

	if (array.len == 0 || *array.at != '[')
		return none;
	end = array.at + array.len;
	p = skip_space(prev.len ? prev.at + prev.len : array.at, end);
	if (*p == ']')
		return none;
	p = skip_space(p + 1, end);	/* over the bracket or the comma */
	return *p == ']' ? none : value_at(p, end);
}

static char escaped(const char **p, const char *end)
{
	char hex[5] = "";
	unsigned long c;

	switch (**p) {
	case 'n': case 't': case 'r': case 'b': case 'f':
		return '?';
	case 'u':
		if (end - *p < 5)
			return '?';
		memcpy(hex, *p + 1, 4);
		*p += 4;
		c = strtoul(hex, NULL, 16);
		return c >= 0x20 && c < 0x7f ? (char)c : '?';
	default:
		return **p;
	}
}

char *json_get_text(struct json_value value, char *buf, size_t size)
{
	size_t n = 0;

	if (value.len >= 2 && *value.at == '"') {
		const char *end = value.at + value.len - 1;

		for (const char *p = value.at + 1; p < end && n + 1 < size; p++) {
			char c = *p;

			if (c == '\\' && p + 1 < end) {
				p++;
				c = escaped(&p, end);
			}
			buf[n++] = (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
		}
	}
	buf[n] = '\0';
	return buf;
}

uint64_t json_get_number(struct json_value value)
{
	uint64_t n = 0;

	for (size_t i = 0; i < value.len && value.at[i] >= '0' && value.at[i] <= '9'; i++)
		n = n * 10 + (uint64_t)(value.at[i] - '0');
	return n;
}

bool json_get_flag(struct json_value value)
{
	return value.len == 4 && memcmp(value.at, "true", 4) == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* JSON text: writing it into a buffer, and finding values in one. Bytes above 0x7f are taken to be UTF-8. */

/* ---- writing ---- */

#define JSON_DEPTH 8			/* objects and arrays inside each other; more is a programming error */

/* What does not fit is left out whole, and `cut` is set: the text is not complete then. */
struct json {
	char *buf;
	size_t size, len;		/* always terminated; size at least 1 */
	bool cut;
	unsigned depth;
	bool has_items[JSON_DEPTH + 1];
	char close[JSON_DEPTH + 1];
};

void json_init(struct json *json, char *buf, size_t size);	/* buf is borrowed */
/* key NULL: an element of an array, or the outermost value. */
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
void json_end(struct json *json);				/* of the innermost */
void json_text(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);
void json_flag(struct json *json, const char *key, bool value);
void json_seconds(struct json *json, const char *key, uint64_t us);	/* with six digits after the point */
/* Bytes that can still be written, with enough kept back to end everything. */
size_t json_room(const struct json *json);

/* ---- reading ---- */

/* A value inside a text that stays the caller's. len 0: there is none. */
struct json_value {
	const char *at;
	size_t len;
};

/* The value that a text is; what follows it is ignored. None when it is not JSON, or deeper than 32. */
struct json_value json_read(const char *text, size_t len);
struct json_value json_member(struct json_value object, const char *key);
/* The next element of an array: *prev is len 0 at first and then the element before. None at the end. */
struct json_value json_next(struct json_value array, struct json_value prev);
/* "" when it is not a text; cut to size; \u escapes above 0x7f come as '?', control characters too. Returns buf. */
char *json_get_text(struct json_value value, char *buf, size_t size);
uint64_t json_get_number(struct json_value value);		/* without what is behind the point; 0 when it is none */
bool json_get_flag(struct json_value value);

#endif

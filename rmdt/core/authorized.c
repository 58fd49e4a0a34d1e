/* SPDX-License-Identifier: Apache-2.0 */
#include "core/authorized.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/key_line.h"
#include "core/lines.h"

struct rmdt_authorized {
	struct rmdt_authorized_key *keys;
	size_t n, cap;
};

/* ---- options */

/* The list option that a word without '=' continues. */
enum list { LIST_NONE, LIST_ONLY, LIST_FROM };

/* The place in the options of one line. */
struct options {
	struct rmdt_authorized_key *key;
	enum list list;
	bool has_only;
	struct rmdt_fault *fault;	/* may point into unquoted */
	char unquoted[RMDT_TRUST_LINE_MAX_BYTES];
};

static int add_purpose(struct options *o, struct rmdt_span word)
{
	unsigned bit = 0;

	if (rmdt_span_is(word, "pipe"))
		bit = RMDT_MAY_PIPE;
	else if (rmdt_span_is(word, "tunnel"))
		bit = RMDT_MAY_TUNNEL;
	else if (rmdt_span_is(word, "fs"))
		bit = RMDT_MAY_FS;
	else
		return rmdt_fault_set(o->fault, word,
				      "only= takes pipe, tunnel or fs, separated by commas");
	o->key->may = (o->has_only ? o->key->may : 0) | bit;
	o->has_only = true;
	return 0;
}

static int add_from(struct options *o, struct rmdt_span word)
{
	struct rmdt_authorized_key *key = o->key;
	struct rmdt_trust_cidr *grown;

	if (key->from_n == RMDT_AUTHORIZED_MAX_CIDRS)
		return rmdt_fault_set(o->fault, word, "more than 64 addresses in from=");
	grown = realloc(key->from, (key->from_n + 1) * sizeof *grown);
	if (!grown)
		return -ENOMEM;
	key->from = grown;
	if (rmdt_trust_cidr_parse(word.p, word.len, &grown[key->from_n]) < 0)
		return rmdt_fault_set(o->fault, word, "from= takes ADDRESS or ADDRESS/BITS, with "
				      "no bits set behind the first BITS");
	key->from_n++;
	return 0;
}

static int set_dir(struct options *o, struct rmdt_span path)
{
	if (o->key->dir)
		return rmdt_fault_set(o->fault, path, "dir= is given twice");
	if (path.len == 0 || path.p[0] != '/')
		return rmdt_fault_set(o->fault, path, "dir= takes an absolute path");
	o->key->dir = strndup(path.p, path.len);
	return o->key->dir ? 0 : -ENOMEM;
}

static int add_list(struct options *o, struct rmdt_span value)
{
	int r = 0;

	while (r == 0) {
		const char *comma = value.len > 0 ? memchr(value.p, ',', value.len) : NULL;
		size_t len = comma ? (size_t)(comma - value.p) : value.len;
		struct rmdt_span word = { value.p, len };

		r = o->list == LIST_ONLY ? add_purpose(o, word) : add_from(o, word);
		if (!comma)
			break;
		value.p += len + 1;
		value.len -= len + 1;
	}
	return r;
}

static int option_apply(struct options *o, struct rmdt_span name, struct rmdt_span value)
{
	o->list = LIST_NONE;
	if (rmdt_span_is(name, "dir"))
		return set_dir(o, value);
	if (rmdt_span_is(name, "only"))
		o->list = LIST_ONLY;
	else if (rmdt_span_is(name, "from"))
		o->list = LIST_FROM;
	else
		return rmdt_fault_set(o->fault, name,
				      "unknown option; there are dir=, only= and from=");
	return add_list(o, value);
}

/* Takes the quotes off a value. */
static int unquote(struct options *o, struct rmdt_span raw, struct rmdt_span *value)
{
	char *buf = o->unquoted;
	size_t n = 0, i = 1;

	if (raw.len == 0 || raw.p[0] != '"') {
		*value = raw;
		return raw.len > 0 && memchr(raw.p, '"', raw.len) ?
		       rmdt_fault_set(o->fault, raw, "a quote inside an unquoted value") : 0;
	}
	for (; i < raw.len && raw.p[i] != '"'; i++) {
		if (raw.p[i] == '\\' && i + 1 < raw.len &&
		    (raw.p[i + 1] == '"' || raw.p[i + 1] == '\\'))
			i++;
		buf[n++] = raw.p[i];
	}
	if (i + 1 != raw.len)
		return rmdt_fault_set(o->fault, raw, i >= raw.len ? "the quote is not closed" :
				      "text behind the closing quote");
	*value = (struct rmdt_span){ buf, n };
	return 0;
}

static int option_parse(struct options *o, struct rmdt_span item)
{
	const char *equals = item.len > 0 ? memchr(item.p, '=', item.len) : NULL;
	struct rmdt_span name = { item.p, equals ? (size_t)(equals - item.p) : 0 };
	struct rmdt_span value = { NULL, 0 };
	int r;

	if (!equals && o->list != LIST_NONE)
		return add_list(o, item);
	if (!equals)
		return rmdt_fault_set(o->fault, item,
				      "expected an option (dir=, only=, from=) or rmdt-x25519");
	r = unquote(o, (struct rmdt_span){ equals + 1, item.len - name.len - 1 }, &value);
	return r < 0 ? r : option_apply(o, name, value);
}

/* Bytes up to the first comma or white space outside of quotes. */
static size_t item_len(struct rmdt_span s)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '"')
			quoted = !quoted;
		else if (quoted && c == '\\' && i + 1 < s.len)
			i++;
		else if (!quoted && (c == ',' || c == ' ' || c == '\t'))
			break;
	}
	return i;
}

/* Takes the options and the white space behind them off *rest. */
static int options_parse(struct options *o, struct rmdt_span *rest)
{
	bool more = true;
	int r = 0;

	while (r == 0 && more) {
		size_t len = item_len(*rest);

		r = option_parse(o, (struct rmdt_span){ rest->p, len });
		more = len < rest->len && rest->p[len] == ',';
		len += more;
		rest->p += len;
		rest->len -= len;
	}
	while (rest->len > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t')) {
		rest->p++;
		rest->len--;
	}
	return r;
}

/* ---- lines */

static void key_fini(struct rmdt_authorized_key *key)
{
	free(key->dir);
	free(key->comment);
	free(key->from);
}

static int line_parse(struct rmdt_span line, struct options *o)
{
	struct rmdt_authorized_key *key = o->key;
	struct rmdt_span rest = line;
	int r = rmdt_lines_judge(line, o->fault);

	if (r == 0 && !rmdt_span_is(rmdt_span_word(&rest), RMDT_TRUST_PUBLIC_WORD))
		r = options_parse(o, &line);
	if (r == 0)
		r = rmdt_key_line_parse(&line, RMDT_TRUST_PUBLIC_WORD, key->pub, o->fault);
	if (r == 0 && line.len > 0) {
		key->comment = strndup(line.p, line.len);
		if (!key->comment)
			r = -ENOMEM;
	}
	return r;
}

/* The list takes ownership of what is in key. */
static int list_add(struct rmdt_authorized *list, const struct rmdt_authorized_key *key,
		    struct rmdt_fault *fault)
{
	if (list->n == RMDT_AUTHORIZED_MAX_KEYS)
		return rmdt_fault_set(fault, (struct rmdt_span){ NULL, 0 },
				      "more than 65536 keys in the file");
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 8;
		struct rmdt_authorized_key *keys = realloc(list->keys, cap * sizeof *keys);

		if (!keys)
			return -ENOMEM;
		list->keys = keys;
		list->cap = cap;
	}
	list->keys[list->n++] = *key;
	return 0;
}

int rmdt_authorized_parse(const char *name, const char *text, size_t len,
			  struct rmdt_authorized **out, char err[RMDT_TRUST_ERR_BYTES])
{
	struct rmdt_authorized *list = calloc(1, sizeof *list);
	struct rmdt_lines lines;
	struct rmdt_span line;
	struct rmdt_fault fault;
	struct options o = { .fault = &fault };	/* out here: the fault may point into it */
	int r = list ? 0 : -ENOMEM;

	rmdt_lines_init(&lines, text, len);
	while (r == 0 && rmdt_lines_next(&lines, &line)) {
		struct rmdt_authorized_key key = { .may = RMDT_MAY_ALL, .line = lines.number };

		o.key = &key;
		o.list = LIST_NONE;
		o.has_only = false;
		r = line_parse(line, &o);
		if (r == 0)
			r = list_add(list, &key, &fault);
		if (r < 0)
			key_fini(&key);
	}
	if (r == 0) {
		*out = list;
		return 0;
	}
	if (r == -EINVAL)
		rmdt_fault_write(&fault, name, lines.number, err, RMDT_TRUST_ERR_BYTES);
	rmdt_authorized_free(list);
	return r;
}

void rmdt_authorized_free(struct rmdt_authorized *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->n; i++)
		key_fini(&list->keys[i]);
	free(list->keys);
	free(list);
}

/* ---- rules */

static bool allows_from(const struct rmdt_authorized_key *key, const struct rmdt_trust_addr *from)
{
	if (key->from_n == 0)
		return true;
	for (size_t i = 0; from && i < key->from_n; i++)
		if (rmdt_trust_cidr_has(&key->from[i], from))
			return true;
	return false;
}

static enum rmdt_authorized_verdict key_judge(const struct rmdt_authorized_key *key,
					      const struct rmdt_authorized_query *query)
{
	if (memcmp(key->pub, query->pub, sizeof key->pub) != 0)
		return RMDT_AUTHORIZED_UNKNOWN_KEY;
	if (!allows_from(key, query->from))
		return RMDT_AUTHORIZED_WRONG_ADDRESS;
	if ((query->purpose & key->may) != query->purpose)
		return RMDT_AUTHORIZED_WRONG_PURPOSE;
	return RMDT_AUTHORIZED_YES;
}

enum rmdt_authorized_verdict rmdt_authorized_check(const struct rmdt_authorized *list,
						   const struct rmdt_authorized_query *query,
						   const struct rmdt_authorized_key **key)
{
	enum rmdt_authorized_verdict nearest = RMDT_AUTHORIZED_UNKNOWN_KEY;

	for (size_t i = 0; i < list->n; i++) {
		enum rmdt_authorized_verdict v = key_judge(&list->keys[i], query);

		if (v == RMDT_AUTHORIZED_YES) {
			if (key)
				*key = &list->keys[i];
			return v;
		}
		if (v > nearest)	/* the reasons stand in order of nearness */
			nearest = v;
	}
	return nearest;
}

size_t rmdt_authorized_count(const struct rmdt_authorized *list)
{
	return list->n;
}

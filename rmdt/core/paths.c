/* SPDX-License-Identifier: Apache-2.0 */
#include "core/paths.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/key_line.h"
#include "core/lines.h"
#include "core/text.h"

/* A clock that was set back a little does not make memories worthless. */
#define FUTURE_S UINT64_C(86400)

static const char headline[] = "# Paths as they were seen last: rate in bytes/s, rtt in us. May be deleted at any time.\n";

static bool is_same(const struct rmdt_path *path, const uint8_t *key,
		    const struct rmdt_trust_addr *addr)
{
	return memcmp(path->key, key, sizeof(path->key)) == 0 &&
	       path->addr.version == addr->version &&
	       memcmp(path->addr.bytes, addr->bytes, addr->version == 4 ? 4 : 16) == 0;
}

static bool is_fresh(const struct rmdt_path *path, uint64_t now_s)
{
	return path->seen_s <= now_s + FUTURE_S && path->seen_s + RMDT_PATHS_AGE_S >= now_s;
}

const struct rmdt_path *rmdt_paths_find(const struct rmdt_paths *paths,
					const uint8_t key[RMDT_TRUST_KEY_BYTES],
					const struct rmdt_trust_addr *addr, uint64_t now_s)
{
	for (size_t i = 0; i < paths->n; i++)
		if (is_same(&paths->at[i], key, addr))
			return is_fresh(&paths->at[i], now_s) ? &paths->at[i] : NULL;
	return NULL;
}

static bool is_possible(const struct rmdt_path *path)
{
	return path->rate > 0 && path->rate <= RMDT_PATHS_MOST_RATE &&
	       path->rtt_us >= RMDT_PATHS_LEAST_RTT_US &&
	       path->rtt_us <= RMDT_PATHS_MOST_RTT_US;
}

/* They stand in order of age, so that the first is the one to go. */
void rmdt_paths_put(struct rmdt_paths *paths, const struct rmdt_path *path)
{
	size_t i = 0, place;

	if (!is_possible(path))
		return;
	while (i < paths->n && !is_same(&paths->at[i], path->key, &path->addr))
		i++;
	if (i < paths->n && paths->at[i].seen_s > path->seen_s)
		return;
	if (i == paths->n && paths->n == RMDT_PATHS_MAX) {
		if (paths->at[0].seen_s > path->seen_s)
			return;
		i = 0;
	}
	if (i < paths->n) {
		paths->n--;
		memmove(&paths->at[i], &paths->at[i + 1], (paths->n - i) * sizeof(paths->at[0]));
	}
	for (place = paths->n; place > 0 && paths->at[place - 1].seen_s > path->seen_s; place--)
		paths->at[place] = paths->at[place - 1];
	paths->at[place] = *path;
	paths->n++;
}

/* ---- text ---- */

static int parse_address(struct rmdt_span word, struct rmdt_trust_addr *addr,
			 struct rmdt_fault *fault)
{
	char text[64];

	if (word.len >= sizeof(text))
		return rmdt_fault_set(fault, word, "not an address");
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	if (rmdt_trust_addr_parse(text, addr) < 0)
		return rmdt_fault_set(fault, word, "not an address");
	*addr = rmdt_trust_addr_plain(addr);
	return 0;
}

/* The number behind "NAME=". */
static int parse_number(struct rmdt_span word, const char *name, uint64_t *number,
			struct rmdt_fault *fault)
{
	size_t at = strlen(name);
	uint64_t sum = 0;

	if (word.len <= at || memcmp(word.p, name, at) != 0)
		return rmdt_fault_set(fault, word,
				      "expected rate=, rtt= and seen=, each with a number");
	for (; at < word.len; at++) {
		if (word.p[at] < '0' || word.p[at] > '9' || sum > UINT64_MAX / 20)
			return rmdt_fault_set(fault, word, "not a number, or too large");
		sum = sum * 10 + (uint64_t)(word.p[at] - '0');
	}
	*number = sum;
	return 0;
}

static int parse_line(struct rmdt_span line, struct rmdt_path *path, struct rmdt_fault *fault)
{
	int r = rmdt_lines_judge(line, fault);

	if (r == 0)
		r = parse_address(rmdt_span_word(&line), &path->addr, fault);
	if (r == 0)
		r = rmdt_key_line_parse(&line, RMDT_TRUST_PUBLIC_WORD, path->key, fault);
	if (r == 0)
		r = parse_number(rmdt_span_word(&line), "rate=", &path->rate, fault);
	if (r == 0)
		r = parse_number(rmdt_span_word(&line), "rtt=", &path->rtt_us, fault);
	if (r == 0)
		r = parse_number(rmdt_span_word(&line), "seen=", &path->seen_s, fault);
	if (r == 0 && line.len > 0)
		r = rmdt_fault_set(fault, line, "more than a path in the line");
	if (r == 0 && !is_possible(path))
		r = rmdt_fault_set(fault, (struct rmdt_span){ NULL, 0 }, "impossible rate or rtt");
	return r;
}

unsigned rmdt_paths_parse(struct rmdt_paths *paths, const char *name, const char *text, size_t len,
			  uint64_t now_s,
			  char err[RMDT_TRUST_ERR_BYTES])
{
	struct rmdt_lines lines;
	struct rmdt_span line;
	unsigned bad = 0;

	rmdt_lines_init(&lines, text, len);
	while (rmdt_lines_next(&lines, &line)) {
		struct rmdt_path path = { .rate = 0 };
		struct rmdt_fault fault;

		if (parse_line(line, &path, &fault) == 0) {
			if (is_fresh(&path, now_s))
				rmdt_paths_put(paths, &path);
		} else if (bad++ == 0) {
			rmdt_fault_write(&fault, name, lines.number, err, RMDT_TRUST_ERR_BYTES);
		}
	}
	return bad;
}

static void format_line(const struct rmdt_path *path, struct rmdt_text *t)
{
	char addr[INET6_ADDRSTRLEN], base64[RMDT_TRUST_BASE64_BYTES];

	inet_ntop(path->addr.version == 4 ? AF_INET : AF_INET6, path->addr.bytes, addr,
		  sizeof(addr));
	rmdt_trust_base64(path->key, base64);
	rmdt_text_add(t, addr);
	rmdt_text_add(t, " " RMDT_TRUST_PUBLIC_WORD " ");
	rmdt_text_add(t, base64);
	rmdt_text_add(t, " rate=");
	rmdt_text_add_u64(t, path->rate);
	rmdt_text_add(t, " rtt=");
	rmdt_text_add_u64(t, path->rtt_us);
	rmdt_text_add(t, " seen=");
	rmdt_text_add_u64(t, path->seen_s);
	rmdt_text_add(t, "\n");
}

size_t rmdt_paths_format(const struct rmdt_paths *paths, char *out)
{
	struct rmdt_text t;

	rmdt_text_init(&t, out, RMDT_PATHS_TEXT_BYTES);
	rmdt_text_add(&t, headline);
	for (size_t i = 0; i < paths->n; i++)
		format_line(&paths->at[i], &t);
	assert(t.len + 1 < RMDT_PATHS_TEXT_BYTES);
	return t.len;
}

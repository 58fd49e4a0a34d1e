/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses a parser of a file of trust, the rest is the file. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/authorized.h"
#include "core/hosts.h"
#include "core/paths.h"
#include "core/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A refusal has a message, whole and printable but for the bytes above ASCII. */
static void check_refusal(int r, const char err[RMDT_TRUST_ERR_BYTES])
{
	assert(r == -EINVAL);
	assert(err[0] != '\0' && memchr(err, '\0', RMDT_TRUST_ERR_BYTES));
	for (const char *c = err; *c; c++)
		assert((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void try_authorized(const char *text, size_t len)
{
	static const struct rmdt_trust_addr from = { 4, { 10, 0, 0, 1 } };
	struct rmdt_authorized *list;
	const struct rmdt_authorized_key *key = NULL;
	char err[RMDT_TRUST_ERR_BYTES] = "";
	uint8_t pub[RMDT_TRUST_KEY_BYTES] = { 0 };
	const struct rmdt_authorized_query query = { pub, RMDT_MAY_FS, &from };
	int r = rmdt_authorized_parse("file", text, len, &list, err);

	if (r < 0) {
		check_refusal(r, err);
		return;
	}
	if (rmdt_authorized_check(list, &query, &key) == RMDT_AUTHORIZED_YES) {
		assert(key && (key->may & RMDT_MAY_FS));
		assert(!key->dir || key->dir[0] == '/');
	}
	rmdt_authorized_free(list);
}

static void try_hosts(const char *text, size_t len)
{
	struct rmdt_hosts *hosts;
	char err[RMDT_TRUST_ERR_BYTES] = "";
	uint8_t pub[RMDT_TRUST_KEY_BYTES] = { 0 };
	unsigned line;
	int r = rmdt_hosts_parse("file", text, len, &hosts, err);

	if (r < 0) {
		check_refusal(r, err);
		return;
	}
	if (rmdt_hosts_check(hosts, "host", RMDT_HOSTS_PORT, pub, &line) == RMDT_HOSTS_UNKNOWN)
		assert(line == 0);
	else
		assert(line > 0);
	rmdt_hosts_free(hosts);
}

/* What can be read can be written and read again. */
static void try_id(const char *text, size_t len)
{
	uint8_t priv[RMDT_TRUST_KEY_BYTES], again[RMDT_TRUST_KEY_BYTES];
	char err[RMDT_TRUST_ERR_BYTES] = "", line[128];
	int r = rmdt_trust_id_parse(text, len, priv, err);

	if (r < 0) {
		check_refusal(r, err);
		return;
	}
	r = rmdt_trust_id_format(priv, "again", line, sizeof line);
	assert(r > 0 && rmdt_trust_id_parse(line, (size_t)r, again, err) == 0);
	assert(memcmp(priv, again, sizeof priv) == 0);
}

static void try_public(const char *text, size_t len)
{
	uint8_t pub[RMDT_TRUST_KEY_BYTES];
	char err[RMDT_TRUST_ERR_BYTES] = "";
	int r = rmdt_trust_public_parse(text, len, pub, err);

	if (r < 0)
		check_refusal(r, err);
}

static void try_psk(const char *text, size_t len)
{
	uint8_t psk[RMDT_TRUST_KEY_BYTES];
	char err[RMDT_TRUST_ERR_BYTES] = "";
	int r = rmdt_trust_psk_parse(text, len, psk, err);

	if (r < 0)
		check_refusal(r, err);
	else
		assert(len >= RMDT_TRUST_PSK_MIN_BYTES);
}

/* A host name as a user may type it: what is written for it is what finds it. */
static void try_host_name(const char *text, size_t len)
{
	static const uint8_t pub[RMDT_TRUST_KEY_BYTES] = { 1 };
	char host[2 * RMDT_HOSTS_NAME_BYTES], line[RMDT_HOSTS_LINE_BYTES];
	char err[RMDT_TRUST_ERR_BYTES];
	struct rmdt_hosts *hosts;
	int r;

	if (len >= sizeof host)
		len = sizeof host - 1;
	memcpy(host, text, len);
	host[len] = '\0';
	r = rmdt_hosts_format(host, 99, pub, line, sizeof line);
	if (r < 0)
		return;
	assert(rmdt_hosts_parse("file", line, (size_t)r, &hosts, err) == 0);
	assert(rmdt_hosts_check(hosts, host, 99, pub, NULL) == RMDT_HOSTS_MATCH);
	rmdt_hosts_free(hosts);
}

/* Whatever the lines are, what is kept can be written and read again, and says the same. */
static void try_paths(const char *text, size_t len)
{
	static struct rmdt_paths paths, again;
	static char first[RMDT_PATHS_TEXT_BYTES], second[RMDT_PATHS_TEXT_BYTES];
	char err[RMDT_TRUST_ERR_BYTES] = "";
	const uint64_t now_s = 1800000000;
	size_t n;

	memset(&paths, 0, sizeof paths);
	memset(&again, 0, sizeof again);
	if (rmdt_paths_parse(&paths, "file", text, len, now_s, err) > 0)
		check_refusal(-EINVAL, err);
	assert(paths.n <= RMDT_PATHS_MAX);
	n = rmdt_paths_format(&paths, first);
	assert(rmdt_paths_parse(&again, "file", first, n, now_s, err) == 0);
	assert(rmdt_paths_format(&again, second) == n && memcmp(first, second, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(const char *, size_t) = {
		try_authorized, try_hosts, try_id, try_public, try_psk, try_host_name,
		try_paths,
	};
	const size_t n = sizeof parsers / sizeof *parsers;

	if (size > 0)
		parsers[data[0] % n]((const char *)data + 1, size - 1);
	return 0;
}

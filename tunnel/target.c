/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const schemes[] = { "rmdt", "tcp", "udp" };

const char *target_scheme_text(enum target_scheme scheme)
{
	return schemes[scheme];
}

static int fault(const char *text, const char *why, char *err)
{
	snprintf(err, RMDT_ERROR_BYTES, "\"%.100s\": %s", text, why);
	return -EINVAL;
}

static bool has_scheme(const char *text, enum target_scheme scheme, const char **rest)
{
	size_t len = strlen(schemes[scheme]);

	if (strncasecmp(text, schemes[scheme], len) != 0 || strncmp(text + len, "://", 3) != 0)
		return false;
	*rest = text + len + 3;
	return true;
}

static int find_scheme(const char *text, struct target *target, const char **rest, char *err)
{
	for (target->scheme = TARGET_RMDT; target->scheme <= TARGET_UDP; target->scheme++) {
		if (has_scheme(text, target->scheme, rest))
			return 0;
	}
	return fault(text, "must begin with rmdt://, tcp:// or udp://", err);
}

/* A bare number is a port, as with other programs that listen: tcp://2202. */
static int parse_place(const struct target *target, const char *text, struct rmdt_endpoint *at, char *err)
{
	char port[16], why[RMDT_ERROR_BYTES];
	bool is_number = text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
	size_t len = strlen(text);

	*at = (struct rmdt_endpoint){ .port = RMDT_DEFAULT_PORT };
	if (len == 0)
		return 0;
	if (target->scheme != TARGET_RMDT && is_number && len < sizeof(port) - 1) {
		snprintf(port, sizeof(port), ":%s", text);
		text = port;
	}
	if (strchr(text, '/') != NULL)
		return fault(target->text, "no path can follow the address", err);
	if (rmdt_parse_endpoint(text, RMDT_DEFAULT_PORT, at, why) == 0)
		return 0;
	snprintf(err, RMDT_ERROR_BYTES, "\"%.80s\": %.160s", target->text, why);
	return -EINVAL;
}

static int check_place(const struct target *target, const struct rmdt_endpoint *at, char *err)
{
	if (target->scheme == TARGET_TCP && !at->has_port)
		return fault(target->text, "a port is wanted, as in tcp://HOST:22", err);
	if (target->scheme == TARGET_RMDT && at->host[0] == '\0' && at->has_port)
		return fault(target->text, "a host is wanted before the port (the own port is --port)", err);
	for (size_t i = 0; i < target->n; i++) {
		if (strcasecmp(target->at[i].host, at->host) == 0 && target->at[i].port == at->port)
			return fault(target->text, "a relay is named twice", err);
	}
	return 0;
}

static int add_place(struct target *target, const char *text, char *err)
{
	struct rmdt_endpoint at;
	const char *rest = text;
	int ret;

	/* rmdt://a,rmdt://b is as good as rmdt://a,b. */
	(void)has_scheme(text, target->scheme, &rest);
	if (target->n >= TARGET_PLACES_MAX)
		return fault(target->text, "more than 16 relays", err);
	ret = parse_place(target, rest, &at, err);
	if (ret == 0)
		ret = check_place(target, &at, err);
	if (ret == 0)
		target->at[target->n++] = at;
	return ret;
}

static int add_places(struct target *target, const char *list, char *err)
{
	char *copy = strdup(list), *rest = copy, *item;
	int ret = copy == NULL ? -ENOMEM : 0;

	while (ret == 0 && (item = strsep(&rest, ",")) != NULL) {
		if (item[0] == '\0')
			ret = fault(target->text, "a relay of the list has no name", err);
		else
			ret = add_place(target, item, err);
	}
	free(copy);
	return ret;
}

int target_parse(const char *text, bool is_local, struct target *target, char *err)
{
	struct target parsed = { .text = text };
	const char *rest;
	int ret = find_scheme(text, &parsed, &rest, err);

	if (ret < 0)
		return ret;
	if (strchr(rest, ',') == NULL)
		ret = add_place(&parsed, rest, err);
	else if (parsed.scheme == TARGET_RMDT)
		ret = add_places(&parsed, rest, err);
	else
		ret = fault(text, "only rmdt:// can name several", err);
	if (ret < 0)
		return ret;
	if (!is_local && parsed.scheme != TARGET_RMDT && parsed.at[0].host[0] == '\0')
		snprintf(parsed.at[0].host, sizeof(parsed.at[0].host), "localhost");
	*target = parsed;
	return 0;
}

int target_check_pair(const struct target *local, const struct target *remote, char *err)
{
	bool local_is_relay = local->scheme == TARGET_RMDT, remote_is_relay = remote->scheme == TARGET_RMDT;

	if (local_is_relay != remote_is_relay)
		return 0;
	snprintf(err, RMDT_ERROR_BYTES, "\"%.64s\" and \"%.64s\": one of the two must be rmdt://, the other tcp:// or udp://",
		 local->text, remote->text);
	return -EINVAL;
}

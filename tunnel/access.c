/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rmdt/rmdt.h>

#define V4_BITS 96			/* length of ::ffff:0:0/96 */

static void map_v4(const void *v4, uint8_t out[16])
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, v4, 4);
}

static bool get_host(const struct sockaddr *addr, uint8_t out[16])
{
	if (addr->sa_family == AF_INET) {
		map_v4(&((const struct sockaddr_in *)addr)->sin_addr, out);
		return true;
	}
	if (addr->sa_family != AF_INET6)
		return false;
	memcpy(out, &((const struct sockaddr_in6 *)addr)->sin6_addr, 16);
	return true;
}

static bool same_bits(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool parse_bits(const char *text, unsigned most, unsigned *bits)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || n > most)
		return false;
	*bits = (unsigned)n;
	return true;
}

/* text is changed. */
static bool parse_network(char *text, struct access_network *network)
{
	char *slash = strchr(text, '/');
	struct in_addr v4;

	if (slash != NULL)
		*slash++ = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1) {
		map_v4(&v4, network->base);
		network->bits = 32;
		if (slash != NULL && !parse_bits(slash, 32, &network->bits))
			return false;
		network->bits += V4_BITS;
		return true;
	}
	network->bits = 128;
	return inet_pton(AF_INET6, text, network->base) == 1 &&
	       (slash == NULL || parse_bits(slash, 128, &network->bits));
}

static int add_one(struct access *access, const char *item, char *err)
{
	char copy[64];

	if (access->n >= ACCESS_NETWORKS_MAX) {
		snprintf(err, RMDT_ERROR_BYTES, "\"%.64s\": more than %d networks", item, ACCESS_NETWORKS_MAX);
		return -EINVAL;
	}
	if (snprintf(copy, sizeof(copy), "%s", item) >= (int)sizeof(copy) ||
	    !parse_network(copy, &access->network[access->n])) {
		snprintf(err, RMDT_ERROR_BYTES, "\"%.64s\": a network is wanted, as 192.0.2.0/24 or 2001:db8::/32", item);
		return -EINVAL;
	}
	access->n++;
	return 0;
}

int access_add(struct access *access, const char *list, char *err)
{
	char *copy = strdup(list), *rest = copy, *item;
	int ret = copy == NULL ? -ENOMEM : 0;

	while (ret == 0 && (item = strsep(&rest, ",")) != NULL)
		ret = add_one(access, item, err);
	free(copy);
	return ret;
}

bool access_allows(const struct access *access, const struct sockaddr *addr)
{
	uint8_t host[16];

	if (access->n == 0)
		return true;
	if (!get_host(addr, host))
		return false;
	for (size_t i = 0; i < access->n; i++) {
		if (same_bits(access->network[i].base, host, access->network[i].bits))
			return true;
	}
	return false;
}

bool access_same_host(const struct sockaddr *a, const struct sockaddr *b)
{
	uint8_t x[16], y[16];

	return get_host(a, x) && get_host(b, y) && memcmp(x, y, sizeof(x)) == 0;
}

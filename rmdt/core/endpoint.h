/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_ENDPOINT_H
#define RMDT_CORE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rmdt.h"

/*
 * HOST, HOST:PORT, :PORT, [v6]:PORT, [v6], bare v6, into struct rmdt_endpoint of rmdt.h (host
 * without brackets, "" for any). Nothing is resolved. Host names are letters, digits, '-', '_' and
 * dots, labels to 63 and names to 253 characters; a v6 address may have a %zone.
 */

/* Longest formatted endpoint, "[host]:65535", with its terminator. */
#define RMDT_ENDPOINT_TEXT_BYTES (sizeof(((struct rmdt_endpoint *)0)->host) + 8u)

enum rmdt_endpoint_flag {
	RMDT_ENDPOINT_BARE_PORT = 1,	/* digits alone are a port */
	RMDT_ENDPOINT_NEED_HOST = 2,	/* an empty host is an error */
	RMDT_ENDPOINT_EMPTY_OK = 4,	/* "" is any host at the default port */
};

/*
 * flags: any of rmdt_endpoint_flag. A written port is 1 to 65535; default_port may be 0. 0, or
 * -EINVAL with a sentence naming the text at fault in why (why_bytes long, always terminated;
 * RMDT_ERROR_BYTES of rmdt.h suits).
 */
int rmdt_endpoint_parse(const char *text, unsigned flags, uint16_t default_port,
			struct rmdt_endpoint *out, char *why, size_t why_bytes);

/* Where a list is read to. */
struct rmdt_endpoint_list {
	struct rmdt_endpoint *at;	/* room for max; caller's; clobbered on failure */
	size_t max;
	size_t n;			/* set on success */
	unsigned flags;			/* as for parse */
	uint16_t default_port;
};

/* As parse, for one or more separated by commas (no spaces); none may be empty, none twice. */
int rmdt_endpoint_parse_list(const char *text, struct rmdt_endpoint_list *list, char *why,
			     size_t why_bytes);

/* "host:port", "[v6]:port" or ":port"; without a port when it is 0. Returns buf. */
char *rmdt_endpoint_format(const struct rmdt_endpoint *ep, char *buf, size_t buf_bytes);

#endif

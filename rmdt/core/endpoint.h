/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_ENDPOINT_H
#define RMDT_CORE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * HOST, HOST:PORT, :PORT, [v6]:PORT, [v6], bare v6. Nothing is resolved. Host names are letters,
 * digits, '-', '_' and dots, labels to 63 and names to 253 characters; a v6 address may have a %zone.
 */

/* Longest host with its terminator. */
#define RMDT_ENDPOINT_HOST_BYTES 256u
/* Longest formatted endpoint, "[host]:65535", with its terminator. */
#define RMDT_ENDPOINT_TEXT_BYTES (RMDT_ENDPOINT_HOST_BYTES + 8u)

enum rmdt_endpoint_flag {
	RMDT_ENDPOINT_BARE_PORT = 1,	/* digits alone are a port */
	RMDT_ENDPOINT_NEED_HOST = 2,	/* an empty host is an error */
	RMDT_ENDPOINT_EMPTY_OK = 4,	/* "" is any host at the default port */
};

struct rmdt_endpoint {
	char host[RMDT_ENDPOINT_HOST_BYTES];	/* without brackets; "" is any */
	uint16_t port;			/* host byte order; the default when none was written */
	bool port_given;		/* whether it was written */
};

/*
 * flags: any of rmdt_endpoint_flag. Port 0 is refused, except that default_port may be 0 for "none". 0, or -EINVAL with a sentence naming the text at fault in
 * why (why_bytes long, always terminated; RMDT_WHY_BYTES of core/text.h suits).
 */
int rmdt_endpoint_parse(const char *text, unsigned flags, uint16_t default_port,
			struct rmdt_endpoint *out, char *why, size_t why_bytes);

/* What a list is read with, and where to. */
struct rmdt_endpoint_list {
	struct rmdt_endpoint *at;	/* room for max; caller's */
	size_t max;
	size_t n;			/* set on success */
};

/* As parse, for one or more separated by commas (no spaces); none may be empty, none twice. */
int rmdt_endpoint_parse_list(const char *text, unsigned flags, uint16_t default_port,
			     struct rmdt_endpoint_list *list, char *why, size_t why_bytes);

/* "host:port", "[v6]:port" or ":port"; without a port when it is 0. Returns buf. */
char *rmdt_endpoint_format(const struct rmdt_endpoint *ep, char *buf, size_t buf_bytes);

#endif

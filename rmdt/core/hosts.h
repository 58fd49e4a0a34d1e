/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known_hosts: the key that a host has shown. Lines "HOST[:PORT] rmdt-x25519 BASE64 [COMMENT]",
 * blank lines and # lines. An IPv6 address stands in brackets. No port means RMDT_HOSTS_PORT.
 * Names are compared without case and without a final dot, addresses by value.
 */
#ifndef RMDT_CORE_HOSTS_H
#define RMDT_CORE_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/trust.h"

#define RMDT_HOSTS_PORT 2312		/* the default port of the product */
#define RMDT_HOSTS_MAX_LINES 65536	/* a lookup is linear and done once per handshake */
#define RMDT_HOSTS_NAME_BYTES 256	/* a DNS name and NUL */
#define RMDT_HOSTS_LINE_BYTES 384	/* enough for rmdt_hosts_format */

enum rmdt_hosts_verdict {
	RMDT_HOSTS_MATCH,
	RMDT_HOSTS_UNKNOWN,	/* no line for this host and port */
	RMDT_HOSTS_CHANGED,	/* lines for it, none with this key */
};

struct rmdt_hosts;

/* As rmdt_authorized_parse. */
int rmdt_hosts_parse(const char *name, const char *text, size_t len, struct rmdt_hosts **out,
		     char err[RMDT_TRUST_ERR_BYTES]);
void rmdt_hosts_free(struct rmdt_hosts *hosts);

/*
 * `host` as the user typed it, without port; an IPv6 address with or without brackets. When `line`
 * is not NULL it is set to the line that decided (0 for UNKNOWN).
 */
enum rmdt_hosts_verdict rmdt_hosts_check(const struct rmdt_hosts *hosts, const char *host,
					 uint16_t port, const uint8_t pub[RMDT_TRUST_KEY_BYTES],
					 unsigned *line);

/* The key pinned at a line. False: no pin stands there. */
bool rmdt_hosts_key(const struct rmdt_hosts *hosts, unsigned line,
		    uint8_t pub[RMDT_TRUST_KEY_BYTES]);

/*
 * The line to append, with its newline. Its length; -EINVAL when `host` cannot be written (empty,
 * too long, or with white space or control characters); -ENOBUFS.
 */
int rmdt_hosts_format(const char *host, uint16_t port, const uint8_t pub[RMDT_TRUST_KEY_BYTES],
		      char *out, size_t out_cap);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to addresses, in a thread of its own per question, since the system's resolver may take its
 * time. A numeric address is answered at once.
 */
#ifndef RMDT_IO_RESOLVE_H
#define RMDT_IO_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "rmdt.h"

/* Addresses of one name that are tried. */
#define RMDT_RESOLVE_MAX 16

struct rmdt_resolve_result {
	size_t n;			/* 0: failed, error tells why */
	/* IPv6 and IPv4 by turns, the system's first choice first */
	struct rmdt_addr addr[RMDT_RESOLVE_MAX];
	char error[RMDT_REASON_BYTES + 1];
};

struct rmdt_resolve;

/*
 * done(ctx) is called once, on any thread (also before start returns), unless it was canceled
 * before; it may only post. Negative errno.
 */
int rmdt_resolve_start(const char *host, uint16_t port, void (*done)(void *ctx), void *ctx,
		       struct rmdt_resolve **r);
/* After done was called; may be called once. */
void rmdt_resolve_result(struct rmdt_resolve *r, struct rmdt_resolve_result *result);
/*
 * done is not running and will not be called after this. Ends the question in any state; NULL ok.
 */
void rmdt_resolve_cancel(struct rmdt_resolve *r);

#endif

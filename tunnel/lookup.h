/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_LOOKUP_H
#define TUNNEL_LOOKUP_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Names to addresses without holding up the loop: getaddrinfo(3) on a thread of its own. */

#define LOOKUP_ADDRESSES_MAX 16

struct lookup_result {
	size_t n;			/* 0: failed, and `error` says how */
	struct sockaddr_storage addr[LOOKUP_ADDRESSES_MAX];
	socklen_t len[LOOKUP_ADDRESSES_MAX];
	int fault;			/* EAI_*; 0 */
	char error[128];		/* "name \"x\": Name or service not known" */
};

struct lookup;

/* On the loop's thread, once, unless cancelled before. `result` is borrowed during the call; the lookup is gone after it. */
typedef void lookup_done(void *ctx, const struct lookup_result *result);

/* host "": this machine. 0 or a negative errno. done may not run before this returns. */
int lookup_start(struct ev_loop *loop, const char *host, uint16_t port, lookup_done *done, void *ctx,
		 struct lookup **lookup);
void lookup_cancel(struct lookup *lookup);	/* NULL is fine */
/* At once and on this thread, for use before the loop runs. passive: host "" means any address. */
void lookup_now(const char *host, uint16_t port, bool passive, struct lookup_result *result);

#endif

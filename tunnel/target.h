/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_TARGET_H
#define TUNNEL_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include <rmdt/rmdt.h>

/*
 * LOCAL and REMOTE as the user typed them: rmdt://HOST[:PORT][,HOST[:PORT]...], tcp://[HOST]:PORT or udp://[HOST][:PORT].
 */

#define TARGET_PLACES_MAX 16		/* remote relays of one tunnel; a person typed them */

enum target_scheme { TARGET_RMDT, TARGET_TCP, TARGET_UDP };

struct target {
	enum target_scheme scheme;
	const char *text;		/* as typed; borrowed from argv */
	struct rmdt_endpoint at[TARGET_PLACES_MAX];	/* more than one only for rmdt:// */
	size_t n;			/* at least 1 */
};

/*
 * An empty host means any address for a LOCAL, this machine ("localhost") for a REMOTE, and with rmdt:// a relay that
 * comes to us. 0, or -EINVAL with err (RMDT_ERROR_BYTES) naming the text at fault.
 */
int target_parse(const char *text, bool is_local, struct target *target, char *err);
/* One of the two must be rmdt://, the other not. -EINVAL with err. */
int target_check_pair(const struct target *local, const struct target *remote, char *err);
const char *target_scheme_text(enum target_scheme scheme);	/* "tcp" ... */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_ENTRY_H
#define TUNNEL_ENTRY_H

#include "tunnel/target.h"

/* TCP listeners: a stream for each client that may come. */

struct relay;
struct entry;

/* Listens at every address of the target. Negative errno with err (RMDT_ERROR_BYTES) naming it. */
int entry_new(struct relay *relay, const struct target *target, struct entry **entry, char *err);
void entry_free(struct entry *entry);	/* ends listening; NULL is fine */

#endif

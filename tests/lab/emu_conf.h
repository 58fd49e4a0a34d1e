/* SPDX-License-Identifier: Apache-2.0 */
/* emu_conf: impairments as text. "rate=500M delay=50ms loss=1% queue=100ms"; the keys stand in
 * doc/lab.md. Pure. */
#ifndef LAB_EMU_CONF_H
#define LAB_EMU_CONF_H

#include "tests/lab/emu_link.h"

#include <stddef.h>

/* A queue this long stands before a rate for which no queue was given: about what a home router
 * has. */
#define EMU_DEFAULT_QUEUE_US 100000

/*
 * Apply one "key=value" to *params. Returns 0, or -EINVAL with *params unchanged: an unknown key, a
 * value that is no number of the right unit or out of range.
 *
 *     rate=500M            k M G, bit/s; 0 = unlimited
 *     queue=100ms          longest wait; or bytes: queue=256k; 0 = no limit
 *     delay=50ms           s ms us
 *     jitter=5ms
 *     loss=1%              or 0.01
 *     burst=1%:8           mean loss and mean length in packets
 *     ge=P:R[:BAD[:GOOD]]  Gilbert-Elliott, BAD is 1 unless given
 *     reorder=1%:5ms       chance and extra delay
 *     dup=1%
 *     corrupt=1%
 *     fix=0|1              mend the UDP checksum of what was corrupted (1)
 *     ecn=5ms              mark when the wait is longer
 *     ect=keep|bleach|drop what happens to ECN-capable packets
 *     cross=100M[:ON:OFF]  traffic of others, always there or so long on and off; 0 = none
 *     mtu=1400             black hole; 0 = none
 *     cut=0|1
 *     perfect              no value: everything back to a perfect wire
 */
int emu_conf_apply(struct emu_params *params, const char *word);

/* A perfect wire, with corrupt_fix on. */
void emu_conf_defaults(struct emu_params *params);

#endif

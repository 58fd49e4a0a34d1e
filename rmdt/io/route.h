/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says about the way to an address, found with a scratch socket; nothing is sent.
 */
#ifndef RMDT_IO_ROUTE_H
#define RMDT_IO_ROUTE_H

#include <stdint.h>

#include "core/addr.h"

/*
 * The largest IP packet of the first hop. Negative errno when there is no route (-ENETUNREACH ...).
 */
int rmdt_route_mtu(const struct rmdt_addr *to, uint32_t *mtu_bytes);

#endif

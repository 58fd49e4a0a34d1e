/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes beside a datagram between kernel and socket: its marks, its local address, the size of
 * its segments.
 */
#ifndef RMDT_IO_CONTROL_H
#define RMDT_IO_CONTROL_H

#include <netinet/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/addr.h"

/* The netinet headers of some systems lack these. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Room for all that one message may have, either way. */
union rmdt_control {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(sizeof(int)) * 4 + CMSG_SPACE(RMDT_ADDR_LOCAL_BYTES)];
};

/* Of a message that came. What it does not tell stays as it was. */
void rmdt_control_read(struct msghdr *msg, size_t *segment, unsigned *ecn, struct rmdt_addr *from);

/*
 * To a message that goes, whose control is *control (borrowed until it is sent) or still none.
 * `family` is that of the socket. An address without a local one adds nothing.
 */
void rmdt_control_add_segment(struct msghdr *msg, union rmdt_control *control, uint16_t segment);
void rmdt_control_add_ect(struct msghdr *msg, union rmdt_control *control,
			  const struct rmdt_addr *to);
void rmdt_control_add_local(struct msghdr *msg, union rmdt_control *control,
			    const struct rmdt_addr *to,
			    int family);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_STALL_H
#define TUNNEL_STALL_H

#include <ev.h>
#include <stdint.h>

/*
 * Streams whose bytes nobody takes hold memory, 256 KiB at each end. Some thousands of them hold all there is, and then those
 * that have stood still longest give way, so that new ones are never shut out (doc/tunnel.md, T9).
 */

struct stream;
struct streams;

struct stall {
	struct streams *streams;
	struct ev_timer tick;		/* while any stands still */
	uint64_t starved_us;		/* when a stream that holds nothing got no memory, last; 0: never */
};

void stall_init(struct stall *stall, struct streams *streams);
void stall_fini(struct stall *stall);

/* One way of a stream cannot go on; *since_us (0: it could until now) is the stream's up_stuck_us or down_stuck_us. */
void stall_on_stuck(struct stall *stall, uint64_t *since_us);
/* There is no room for this stream's bytes from its socket: because it has too many on their way, or because others have. */
void stall_on_no_room(struct stall *stall, struct stream *stream);

#endif

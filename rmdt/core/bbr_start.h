/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_BBR_START_H
#define RMDT_CORE_BBR_START_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rate.h"

/*
 * What a start can learn faster than by doubling:
 *
 * The first flight leaves as one burst, so its packets arrive as far apart as the bottleneck
 * sends them: bytes over arrival time is the capacity, one RTT after the first byte.
 *
 * Later, when more is sent than the path carries, packets arrive slower than they left, within a
 * fraction of an RTT: that ends the start before the queue is full.
 */
struct rmdt_bbr_start {
	/* The first flight, by arrival; of a longer one its first burst_bytes, which leave at once. 0: all. */
	uint64_t burst_bytes;
	uint64_t train_bytes;
	uint64_t train_rx_us;
	uint64_t train_send_us;

	/* The window in which sending and arrival are compared. */
	uint64_t window_acked_bytes;
	uint64_t window_lost_bytes;
	uint64_t window_rx_us;
	uint64_t window_send_us;
	uint64_t arrival_rate;		/* bytes/s in the last whole window */
	uint64_t sending_rate;		/* bytes/s at which that window's packets had left */
};

void rmdt_bbr_start_init(struct rmdt_bbr_start *start);

/* Forget the window, not the train: what was sent before is no longer comparable. */
void rmdt_bbr_start_restart_window(struct rmdt_bbr_start *start);

/*
 * An ACK. True when it completes a window of at least window_us and enough packets: arrival_rate
 * and sending_rate are new.
 */
bool rmdt_bbr_start_on_ack(struct rmdt_bbr_start *start, const struct rmdt_rate_sample *sample,
			   uint64_t window_us, uint32_t mss_bytes);

/* Bytes per second by the first flight; 0 while too little is known. */
uint64_t rmdt_bbr_start_train_rate(const struct rmdt_bbr_start *start, uint32_t mss_bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bbr_start.h"

#include <string.h>

/* Fewer packets say more about the receiver's wake-ups than about the path. */
#define TRAIN_LEAST_PKTS 12

/* With fewer, a share of them would be a matter of luck. */
#define WINDOW_LEAST_PKTS 64

#define US_PER_S UINT64_C(1000000)

void rmdt_bbr_start_init(struct rmdt_bbr_start *start)
{
	memset(start, 0, sizeof(*start));
}

void rmdt_bbr_start_restart_window(struct rmdt_bbr_start *start)
{
	start->window_acked_bytes = 0;
	start->window_lost_bytes = 0;
	start->window_rx_us = 0;
	start->window_send_us = 0;
}

bool rmdt_bbr_start_on_ack(struct rmdt_bbr_start *start, const struct rmdt_rate_sample *sample,
			   uint64_t window_us, uint32_t mss_bytes)
{
	bool complete = false;

	/* Two ACKs of one batch of arrivals bear the same time: their bytes join the next gap. */
	if (sample->first_flight && sample->train_bytes != 0 &&
	    (start->burst_bytes == 0 || sample->in_flight_at_send_bytes <= start->burst_bytes + mss_bytes)) {
		start->train_bytes += sample->train_bytes;
		start->train_rx_us += sample->train_rx_us;
		start->train_send_us += sample->train_send_us;
	}
	if (sample->train_bytes == 0)
		return false;
	start->window_acked_bytes += sample->train_bytes;
	start->window_lost_bytes += sample->newly_lost_bytes;
	start->window_rx_us += sample->train_rx_us;
	start->window_send_us += sample->train_send_us;
	if (start->window_rx_us >= window_us && start->window_send_us != 0 &&
	    start->window_acked_bytes >= (uint64_t)WINDOW_LEAST_PKTS * mss_bytes) {
		start->arrival_rate = start->window_acked_bytes * US_PER_S / start->window_rx_us;
		start->sending_rate = (start->window_acked_bytes + start->window_lost_bytes) *
				      US_PER_S / start->window_send_us;
		rmdt_bbr_start_restart_window(start);
		complete = true;
	}
	return complete;
}

uint64_t rmdt_bbr_start_train_rate(const struct rmdt_bbr_start *start, uint32_t mss_bytes)
{
	/* Sent as slowly as it arrived: that was the sender's distance, not the bottleneck's. */
	if (start->train_rx_us == 0 || start->train_send_us * 2 > start->train_rx_us)
		return 0;
	if (start->train_bytes < (uint64_t)TRAIN_LEAST_PKTS * mss_bytes)
		return 0;
	return start->train_bytes * US_PER_S / start->train_rx_us;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rate.h"

#include <assert.h>
#include <string.h>

static uint32_t clamp_u32(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static uint64_t since_us(uint64_t now_us, uint64_t then_us)
{
	return now_us > then_us ? now_us - then_us : 0;
}

void rmdt_rate_init(struct rmdt_rate *rate)
{
	memset(rate, 0, sizeof(*rate));
}

void rmdt_rate_on_sent(struct rmdt_rate *rate, struct rmdt_rate_stamp *stamp, uint32_t bytes,
		       uint64_t in_flight_bytes, uint64_t now_us)
{
	if (in_flight_bytes == 0) {
		/* What came before is idle time; it must not dilute the next sample. */
		rate->first_sent_us = now_us;
		rate->delivered_us = now_us;
		rate->rx_valid = false;
		rate->sampled = false;
	}
	memset(stamp, 0, sizeof(*stamp));
	stamp->sent_us = now_us;
	stamp->delivered_bytes = rate->delivered_bytes;
	stamp->lost_bytes = rate->lost_bytes;
	stamp->delivered_age_us = clamp_u32(since_us(now_us, rate->delivered_us));
	stamp->send_elapsed_us = clamp_u32(since_us(now_us, rate->first_sent_us));
	stamp->in_flight_bytes = clamp_u32(in_flight_bytes + bytes);
	stamp->rx_us = rate->rx_us;
	stamp->rx_valid = rate->rx_valid;
	stamp->app_limited = rate->app_limited_until != 0;
	stamp->first_flight = !rate->sampled;
}

void rmdt_rate_ack_start(const struct rmdt_rate *rate, struct rmdt_rate_sample *sample,
			 uint64_t prior_in_flight_bytes)
{
	(void)rate;
	memset(sample, 0, sizeof(*sample));
	sample->prior_in_flight_bytes = prior_in_flight_bytes;
}

/* Was a sent after b? Packets of one train share a time; more in flight tells them apart. */
static bool is_newer(const struct rmdt_rate_stamp *a, const struct rmdt_rate_stamp *b)
{
	if (a->sent_us != b->sent_us)
		return a->sent_us > b->sent_us;
	return a->in_flight_bytes > b->in_flight_bytes;
}

void rmdt_rate_on_acked(struct rmdt_rate *rate, struct rmdt_rate_sample *sample,
			const struct rmdt_rate_stamp *stamp, uint32_t bytes, uint64_t now_us)
{
	if (sample->newly_acked_bytes == 0 || is_newer(stamp, &sample->newest))
		sample->newest = *stamp;
	sample->newly_acked_bytes += bytes;
	rate->delivered_bytes += bytes;
	rate->delivered_us = now_us;
}

void rmdt_rate_on_lost(struct rmdt_rate *rate, struct rmdt_rate_sample *sample, uint64_t bytes)
{
	rate->lost_bytes += bytes;
	if (sample != NULL)
		sample->newly_lost_bytes += bytes;
}

void rmdt_rate_on_spurious(struct rmdt_rate *rate, uint64_t bytes)
{
	rate->lost_bytes -= bytes < rate->lost_bytes ? bytes : rate->lost_bytes;
}

/* Time between two arrivals by the receiver's wrapping clock; 0 if it did not go forward. */
static uint64_t arrival_gap_us(uint32_t from_us, uint32_t to_us)
{
	uint32_t gap_us = to_us - from_us;

	return gap_us < UINT32_C(0x80000000) ? gap_us : 0;
}

static void fill_train(struct rmdt_rate *rate, struct rmdt_rate_sample *sample,
		       const uint32_t *rx_us)
{
	bool forward = sample->sent_us >= rate->last_sent_us;

	if (rx_us != NULL && rate->rx_valid && forward) {
		sample->train_rx_us = arrival_gap_us(rate->rx_us, *rx_us);
		sample->train_send_us = sample->sent_us - rate->last_sent_us;
		sample->train_bytes = sample->newly_acked_bytes;
	}
	if (forward)
		rate->last_sent_us = sample->sent_us;
	if (rx_us != NULL) {
		rate->rx_us = *rx_us;
		rate->rx_valid = true;
	}
}

/*
 * The interval over which sample->delivered_bytes arrived. The receiver's clock is preferred: the
 * time of an ACK also holds the queue of the way back and the grouping of ACKs. Nothing arrives
 * faster than it was sent, which bounds any compression.
 */
static uint64_t interval_us(struct rmdt_rate_sample *sample, const uint32_t *rx_us,
			    uint64_t now_us)
{
	const struct rmdt_rate_stamp *stamp = &sample->newest;
	uint64_t ack_us = since_us(now_us, stamp->sent_us) + stamp->delivered_age_us;
	uint64_t gap_us = 0;

	if (rx_us != NULL && stamp->rx_valid)
		gap_us = arrival_gap_us(stamp->rx_us, *rx_us);
	if (gap_us != 0) {
		ack_us = gap_us;
		sample->by_arrival = true;
	}
	return stamp->send_elapsed_us > ack_us ? stamp->send_elapsed_us : ack_us;
}

void rmdt_rate_ack_finish(struct rmdt_rate *rate, struct rmdt_rate_sample *sample,
			  const uint32_t *rx_us, uint64_t min_rtt_us, uint64_t now_us)
{
	const struct rmdt_rate_stamp *stamp = &sample->newest;

	if (rate->app_limited_until != 0 && rate->delivered_bytes > rate->app_limited_until)
		rate->app_limited_until = 0;
	if (sample->newly_acked_bytes == 0)
		return;
	sample->sent_us = stamp->sent_us;
	sample->rtt_us = since_us(now_us, stamp->sent_us);
	sample->prior_delivered_bytes = stamp->delivered_bytes;
	sample->delivered_bytes = rate->delivered_bytes - stamp->delivered_bytes;
	sample->in_flight_at_send_bytes = stamp->in_flight_bytes;
	/* A spurious loss taken back since may leave less than at the time of sending. */
	sample->lost_bytes = since_us(rate->lost_bytes, stamp->lost_bytes);
	sample->app_limited = stamp->app_limited;
	sample->first_flight = stamp->first_flight;
	sample->interval_us = interval_us(sample, rx_us, now_us);
	fill_train(rate, sample, rx_us);
	if (stamp->sent_us >= rate->first_sent_us)
		rate->first_sent_us = stamp->sent_us;
	rate->sampled = true;
	/* Clocks differ a little, hence the sixteenth. */
	if (sample->interval_us == 0 || sample->interval_us < min_rtt_us - min_rtt_us / 16)
		return;
	sample->rate = sample->delivered_bytes * UINT64_C(1000000) / sample->interval_us;
}

void rmdt_rate_set_app_limited(struct rmdt_rate *rate, uint64_t in_flight_bytes)
{
	rate->app_limited_until = rate->delivered_bytes + in_flight_bytes;
	if (rate->app_limited_until == 0)
		rate->app_limited_until = 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/rate.h"

#define BYTES 1000u

/* Sends count packets of BYTES, gap_us apart, from start_us on; returns what is in flight then. */
static uint64_t send_some(struct rmdt_rate *rate, struct rmdt_rate_stamp *stamps, int count,
			  uint64_t start_us, uint64_t gap_us, uint64_t in_flight_bytes)
{
	for (int i = 0; i < count; i++) {
		rmdt_rate_on_sent(rate, &stamps[i], BYTES, in_flight_bytes,
				  start_us + (uint64_t)i * gap_us);
		in_flight_bytes += BYTES;
	}
	return in_flight_bytes;
}

static void ack_some(struct rmdt_rate *rate, struct rmdt_rate_sample *sample,
		     const struct rmdt_rate_stamp *stamps, int count, const uint32_t *rx_us,
		     uint64_t now_us)
{
	rmdt_rate_ack_start(rate, sample, (uint64_t)count * BYTES);
	for (int i = 0; i < count; i++)
		rmdt_rate_on_acked(rate, sample, &stamps[i], BYTES, now_us);
	rmdt_rate_ack_finish(rate, sample, rx_us, 0, now_us);
}

static void test_first_flight(void **state)
{
	struct rmdt_rate rate;
	struct rmdt_rate_stamp stamps[10];
	struct rmdt_rate_sample sample;

	(void)state;
	rmdt_rate_init(&rate);
	send_some(&rate, stamps, 10, 1000000, 0, 0);
	assert_true(stamps[9].first_flight);
	assert_int_equal(stamps[9].in_flight_bytes, 10 * BYTES);
	ack_some(&rate, &sample, stamps, 10, NULL, 1100000);
	assert_int_equal(sample.newly_acked_bytes, 10 * BYTES);
	assert_int_equal(sample.interval_us, 100000);
	assert_int_equal(sample.rate, 100000);
	assert_int_equal(sample.rtt_us, 100000);
	assert_true(sample.first_flight);
	assert_false(sample.by_arrival);
	assert_int_equal(rate.delivered_bytes, 10 * BYTES);
}

/* ACKs squeezed together on the way back do not make the path faster than the sender was. */
static void test_ack_compression(void **state)
{
	struct rmdt_rate rate;
	struct rmdt_rate_stamp stamps[20];
	struct rmdt_rate_sample sample;

	(void)state;
	rmdt_rate_init(&rate);
	send_some(&rate, stamps, 20, 0, 1000, 0);
	ack_some(&rate, &sample, stamps, 1, NULL, 100000);
	ack_some(&rate, &sample, stamps + 1, 19, NULL, 100001);
	/* 20 packets in the 100 ms from the start to the ACK; never 19 in a microsecond. */
	assert_in_range(sample.rate, 199000, 200000);
}

/* With the receiver's clock the delay of the ACK does not count, also across its wrap. */
static void test_arrival_clock(void **state)
{
	struct rmdt_rate rate;
	struct rmdt_rate_stamp first, second[10];
	struct rmdt_rate_sample sample;
	uint32_t rx_us = UINT32_MAX - 4999;

	(void)state;
	rmdt_rate_init(&rate);
	rmdt_rate_on_sent(&rate, &first, BYTES, 0, 0);
	rmdt_rate_on_sent(&rate, &second[0], BYTES, BYTES, 10);
	ack_some(&rate, &sample, &first, 1, &rx_us, 100000);
	send_some(&rate, second, 10, 100000, 100, BYTES);
	rx_us += 10000;		/* beyond the wrap */
	ack_some(&rate, &sample, second, 10, &rx_us, 250000);
	assert_true(sample.by_arrival);
	assert_int_equal(sample.interval_us, 100900);	/* what sending took is longer */
	send_some(&rate, second, 10, 250000, 100, BYTES);
	rx_us += 200000;
	ack_some(&rate, &sample, second, 10, &rx_us, 900000);
	assert_int_equal(sample.interval_us, 200000);
	assert_int_equal(sample.rate, 50000);
	assert_int_equal(sample.train_rx_us, 200000);
	assert_int_equal(sample.train_bytes, 10 * BYTES);
}

/* A clock that stands still or goes back is not believed. */
static void test_bad_arrival_clock(void **state)
{
	struct rmdt_rate rate;
	struct rmdt_rate_stamp stamps[4];
	struct rmdt_rate_sample sample;
	uint32_t rx_us = 5000;

	(void)state;
	rmdt_rate_init(&rate);
	send_some(&rate, stamps, 2, 0, 10, 0);
	ack_some(&rate, &sample, stamps, 1, &rx_us, 1000);
	rmdt_rate_on_sent(&rate, &stamps[2], BYTES, BYTES, 1000);
	rx_us = 4000;
	ack_some(&rate, &sample, &stamps[2], 1, &rx_us, 2000);
	assert_false(sample.by_arrival);
	assert_int_equal(sample.interval_us, 1000);
	assert_int_equal(sample.train_rx_us, 0);
}

static void test_idle_is_no_interval(void **state)
{
	struct rmdt_rate rate;
	struct rmdt_rate_stamp stamps[2];
	struct rmdt_rate_sample sample;
	uint32_t rx_us = 0;

	(void)state;
	rmdt_rate_init(&rate);
	rmdt_rate_on_sent(&rate, &stamps[0], BYTES, 0, 0);
	ack_some(&rate, &sample, stamps, 1, &rx_us, 10000);
	rmdt_rate_on_sent(&rate, &stamps[1], BYTES, 0, 60000000);
	assert_true(stamps[1].first_flight);
	rx_us = 60000000;
	ack_some(&rate, &sample, &stamps[1], 1, &rx_us, 60010000);
	assert_int_equal(sample.interval_us, 10000);
	assert_int_equal(sample.train_bytes, 0);
}

static void test_shorter_than_path(void **state)
{
	struct rmdt_rate rate;
	struct rmdt_rate_stamp stamp;
	struct rmdt_rate_sample sample;

	(void)state;
	rmdt_rate_init(&rate);
	rmdt_rate_on_sent(&rate, &stamp, BYTES, 0, 0);
	rmdt_rate_ack_start(&rate, &sample, BYTES);
	rmdt_rate_on_acked(&rate, &sample, &stamp, BYTES, 1000);
	rmdt_rate_ack_finish(&rate, &sample, NULL, 100000, 1000);
	assert_int_equal(sample.rate, 0);
	assert_int_equal(sample.newly_acked_bytes, BYTES);
}

static void test_app_limited(void **state)
{
	struct rmdt_rate rate;
	struct rmdt_rate_stamp stamps[3];
	struct rmdt_rate_sample sample;

	(void)state;
	rmdt_rate_init(&rate);
	rmdt_rate_on_sent(&rate, &stamps[0], BYTES, 0, 0);
	assert_false(stamps[0].app_limited);
	rmdt_rate_set_app_limited(&rate, BYTES);
	rmdt_rate_on_sent(&rate, &stamps[1], BYTES, BYTES, 10);
	assert_true(stamps[1].app_limited);
	ack_some(&rate, &sample, stamps, 2, NULL, 1000);
	assert_true(sample.app_limited);
	rmdt_rate_on_sent(&rate, &stamps[2], BYTES, 0, 2000);
	assert_false(stamps[2].app_limited);
}

static void test_losses(void **state)
{
	struct rmdt_rate rate;
	struct rmdt_rate_stamp stamps[3];
	struct rmdt_rate_sample sample;

	(void)state;
	rmdt_rate_init(&rate);
	send_some(&rate, stamps, 3, 0, 1, 0);
	rmdt_rate_ack_start(&rate, &sample, 3 * BYTES);
	rmdt_rate_on_acked(&rate, &sample, &stamps[2], BYTES, 1000);
	rmdt_rate_on_lost(&rate, &sample, 2 * BYTES);
	rmdt_rate_ack_finish(&rate, &sample, NULL, 0, 1000);
	assert_int_equal(sample.newly_lost_bytes, 2 * BYTES);
	assert_int_equal(sample.lost_bytes, 2 * BYTES);
	rmdt_rate_on_spurious(&rate, BYTES);
	assert_int_equal(rate.lost_bytes, BYTES);
	rmdt_rate_on_spurious(&rate, 9 * BYTES);
	assert_int_equal(rate.lost_bytes, 0);
	rmdt_rate_on_lost(&rate, NULL, BYTES);
	assert_int_equal(rate.lost_bytes, BYTES);
}

/* The newest packet makes the sample, in whatever order they are told. */
static void test_any_order(void **state)
{
	struct rmdt_rate rate;
	struct rmdt_rate_stamp stamps[3];
	struct rmdt_rate_sample sample;

	(void)state;
	rmdt_rate_init(&rate);
	send_some(&rate, stamps, 3, 100, 50, 0);
	rmdt_rate_ack_start(&rate, &sample, 3 * BYTES);
	rmdt_rate_on_acked(&rate, &sample, &stamps[1], BYTES, 1000);
	rmdt_rate_on_acked(&rate, &sample, &stamps[2], BYTES, 1000);
	rmdt_rate_on_acked(&rate, &sample, &stamps[0], BYTES, 1000);
	rmdt_rate_ack_finish(&rate, &sample, NULL, 0, 1000);
	assert_int_equal(sample.sent_us, 200);
	assert_int_equal(sample.in_flight_at_send_bytes, 3 * BYTES);
}

static void test_nothing_acked(void **state)
{
	struct rmdt_rate rate;
	struct rmdt_rate_sample sample;
	uint32_t rx_us = 1;

	(void)state;
	rmdt_rate_init(&rate);
	rmdt_rate_ack_start(&rate, &sample, 0);
	rmdt_rate_ack_finish(&rate, &sample, &rx_us, 0, 1000);
	assert_int_equal(sample.rate, 0);
	assert_int_equal(sample.rtt_us, 0);
	assert_false(rate.rx_valid);
}

static void test_stamp_size(void **state)
{
	(void)state;
	/* One is kept for every packet in flight, and the header says so. */
	assert_int_equal(sizeof(struct rmdt_rate_stamp), 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_flight),
		cmocka_unit_test(test_ack_compression),
		cmocka_unit_test(test_arrival_clock),
		cmocka_unit_test(test_bad_arrival_clock),
		cmocka_unit_test(test_idle_is_no_interval),
		cmocka_unit_test(test_shorter_than_path),
		cmocka_unit_test(test_app_limited),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_nothing_acked),
		cmocka_unit_test(test_stamp_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

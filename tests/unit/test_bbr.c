/* SPDX-License-Identifier: Apache-2.0 */
/* The leaves of bbr: its filters, its notion of chance, and what it reads off a start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/bbr_filter.h"
#include "core/bbr_loss.h"
#include "core/bbr_start.h"

#define MSS 1000u

static void test_max_forgets(void **state)
{
	struct rmdt_bbr_max max = { 0 };

	(void)state;
	assert_int_equal(rmdt_bbr_max_get(&max), 0);
	rmdt_bbr_max_add(&max, 10);
	rmdt_bbr_max_add(&max, 7);
	assert_int_equal(rmdt_bbr_max_get(&max), 10);
	rmdt_bbr_max_advance(&max);
	rmdt_bbr_max_add(&max, 3);
	assert_int_equal(rmdt_bbr_max_get(&max), 10);
	rmdt_bbr_max_advance(&max);
	assert_int_equal(rmdt_bbr_max_get(&max), 3);
}

/* Cycles in which nothing was measured forget nothing. */
static void test_max_keeps_over_silence(void **state)
{
	struct rmdt_bbr_max max = { 0 };

	(void)state;
	rmdt_bbr_max_add(&max, 10);
	for (int i = 0; i < 10; i++)
		rmdt_bbr_max_advance(&max);
	assert_int_equal(rmdt_bbr_max_get(&max), 10);
	rmdt_bbr_max_reset(&max, 2);
	assert_int_equal(rmdt_bbr_max_get(&max), 2);
}

/* Tells of a round of pkts packets sent at sent_us, of which every nth was lost (0: none). */
static void round_of(struct rmdt_bbr_loss *loss, unsigned pkts, unsigned nth, uint64_t sent_us)
{
	for (unsigned i = 1; i <= pkts; i++) {
		if (nth != 0 && i % nth == 0)
			rmdt_bbr_loss_on_lost(loss, MSS, sent_us + i);
		else
			rmdt_bbr_loss_on_acked(loss, MSS, sent_us + i, MSS);
	}
}

static void test_loss_learned_when_calm(void **state)
{
	struct rmdt_bbr_loss loss;

	(void)state;
	rmdt_bbr_loss_init(&loss);
	round_of(&loss, 1000, 10, 1000);
	assert_int_equal(rmdt_bbr_loss_baseline_ppm(&loss), 0);
	assert_false(rmdt_bbr_loss_is_known(&loss, MSS));
	assert_in_range(rmdt_bbr_loss_excess_ppm(&loss, MSS), 90000, 100000);
	rmdt_bbr_loss_end_round(&loss, MSS);
	assert_int_equal(rmdt_bbr_loss_round_ppm(&loss), 0);

	rmdt_bbr_loss_set_calm(&loss, RMDT_BBR_CALM, 10000);
	round_of(&loss, 1000, 10, 11000);
	assert_true(rmdt_bbr_loss_is_known(&loss, MSS));
	assert_in_range(rmdt_bbr_loss_baseline_ppm(&loss), 98000, 102000);
	assert_int_equal(rmdt_bbr_loss_excess_ppm(&loss, MSS), 0);
	rmdt_bbr_loss_set_calm(&loss, RMDT_BBR_BUSY, 20000);
	rmdt_bbr_loss_end_round(&loss, MSS);

	/* Twice as much is more than chance, and teaches nothing. */
	round_of(&loss, 1000, 5, 30000);
	assert_in_range(rmdt_bbr_loss_excess_ppm(&loss, MSS), 50000, 100000);
	assert_in_range(rmdt_bbr_loss_baseline_ppm(&loss), 98000, 102000);
}

/* An ACK whose losses began before the calm says nothing about it. */
static void test_loss_straddling(void **state)
{
	struct rmdt_bbr_loss loss;

	(void)state;
	rmdt_bbr_loss_init(&loss);
	rmdt_bbr_loss_on_acked(&loss, MSS, 900, MSS);
	rmdt_bbr_loss_set_calm(&loss, RMDT_BBR_CALM, 1000);
	rmdt_bbr_loss_on_lost(&loss, 500 * MSS, 1100);
	rmdt_bbr_loss_on_acked(&loss, 500 * MSS, 1100, MSS);
	assert_int_equal(rmdt_bbr_loss_baseline_ppm(&loss), 0);
	rmdt_bbr_loss_on_lost(&loss, 10 * MSS, 1200);
	rmdt_bbr_loss_on_acked(&loss, 990 * MSS, 1200, MSS);
	assert_in_range(rmdt_bbr_loss_baseline_ppm(&loss), 9900, 10100);
}

/* A queue while less is sent can prove the baseline too high, never too low. */
static void test_loss_queued(void **state)
{
	struct rmdt_bbr_loss loss;

	(void)state;
	rmdt_bbr_loss_init(&loss);
	rmdt_bbr_loss_set_calm(&loss, RMDT_BBR_CALM, 1000);
	round_of(&loss, 1000, 10, 1000);
	rmdt_bbr_loss_set_calm(&loss, RMDT_BBR_CALM_QUEUED, 10000);
	round_of(&loss, 1000, 2, 11000);
	rmdt_bbr_loss_end_round(&loss, MSS);
	assert_in_range(rmdt_bbr_loss_baseline_ppm(&loss), 98000, 102000);
	/* What was sent in the calm is told of after it. */
	round_of(&loss, 1000, 50, 13000);
	rmdt_bbr_loss_set_calm(&loss, RMDT_BBR_BUSY, 20000);
	round_of(&loss, 100, 1, 21000);
	round_of(&loss, 1000, 50, 15000);
	rmdt_bbr_loss_end_round(&loss, MSS);
	/* 2 % of 250 runs of eight, and three deviations. */
	assert_in_range(rmdt_bbr_loss_baseline_ppm(&loss), 42000, 52000);
}

/* Small rounds have big luck: one packet of twenty is no congestion. */
static void test_loss_small_round(void **state)
{
	struct rmdt_bbr_loss loss;

	(void)state;
	rmdt_bbr_loss_init(&loss);
	round_of(&loss, 20, 20, 0);
	assert_in_range(rmdt_bbr_loss_excess_ppm(&loss, MSS), 0, 30000);
	rmdt_bbr_loss_on_spurious(&loss, MSS);
	assert_int_equal(rmdt_bbr_loss_round_ppm(&loss), 0);
	rmdt_bbr_loss_on_spurious(&loss, MSS);
	assert_int_equal(rmdt_bbr_loss_round_ppm(&loss), 0);
}

static void test_loss_bounded(void **state)
{
	struct rmdt_bbr_loss loss;

	(void)state;
	rmdt_bbr_loss_init(&loss);
	rmdt_bbr_loss_set_calm(&loss, RMDT_BBR_CALM, 0);
	round_of(&loss, 10000, 2, 10);
	assert_int_equal(rmdt_bbr_loss_baseline_ppm(&loss), 300000);
	rmdt_bbr_loss_on_ce(&loss, UINT64_C(1) << 40);
	assert_int_equal(rmdt_bbr_loss_round_ce_ppm(&loss), RMDT_BBR_PPM);
}

/* One ACK of a first flight: bytes that left at once and arrived in rx_us. */
static struct rmdt_rate_sample train(uint64_t bytes, uint64_t rx_us, uint64_t send_us)
{
	struct rmdt_rate_sample sample;

	memset(&sample, 0, sizeof(sample));
	sample.first_flight = true;
	sample.train_bytes = bytes;
	sample.train_rx_us = rx_us;
	sample.train_send_us = send_us;
	return sample;
}

static void test_train(void **state)
{
	struct rmdt_bbr_start start;
	struct rmdt_rate_sample sample = train(8 * MSS, 0, 0);

	(void)state;
	rmdt_bbr_start_init(&start);
	rmdt_bbr_start_on_ack(&start, &sample, 1000, MSS);
	assert_int_equal(rmdt_bbr_start_train_rate(&start, MSS), 0);
	sample = train(8 * MSS, 1600, 0);
	rmdt_bbr_start_on_ack(&start, &sample, 1000, MSS);
	assert_int_equal(rmdt_bbr_start_train_rate(&start, MSS), 10000000);
	/* Sent as slowly as it arrived: no measure of the path. */
	sample = train(8 * MSS, 1600, 3200);
	rmdt_bbr_start_on_ack(&start, &sample, 1000, MSS);
	assert_int_equal(rmdt_bbr_start_train_rate(&start, MSS), 0);
}

static void test_window(void **state)
{
	struct rmdt_bbr_start start;
	struct rmdt_rate_sample sample = train(40 * MSS, 2000, 1000);

	(void)state;
	rmdt_bbr_start_init(&start);
	sample.newly_lost_bytes = 10 * MSS;
	assert_false(rmdt_bbr_start_on_ack(&start, &sample, 4000, MSS));
	assert_true(rmdt_bbr_start_on_ack(&start, &sample, 4000, MSS));
	assert_int_equal(start.arrival_rate, 20000000);
	assert_int_equal(start.sending_rate, 50000000);
	/* It begins anew, and too few packets are no window however long it takes. */
	sample = train(2 * MSS, 50000, 1000);
	assert_false(rmdt_bbr_start_on_ack(&start, &sample, 4000, MSS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_max_forgets),
		cmocka_unit_test(test_max_keeps_over_silence),
		cmocka_unit_test(test_loss_learned_when_calm),
		cmocka_unit_test(test_loss_straddling),
		cmocka_unit_test(test_loss_queued),
		cmocka_unit_test(test_loss_small_round),
		cmocka_unit_test(test_loss_bounded),
		cmocka_unit_test(test_train),
		cmocka_unit_test(test_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

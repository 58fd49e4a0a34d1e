/* SPDX-License-Identifier: Apache-2.0 */
/* What every controller promises, and what each does by itself. Whole paths: tests/sim/sim_cc. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/cc.h"

#define MSS 1000u
#define RTT_US 100000u

/* A controller fed by hand: every step one RTT passes. */
struct path {
	struct rmdt_cc *cc;
	struct rmdt_rate rate;
	uint64_t now_us;
};

static void path_init(struct path *path, const char *name, const struct rmdt_cc_config *config)
{
	memset(path, 0, sizeof(*path));
	path->now_us = 1000000;
	rmdt_rate_init(&path->rate);
	assert_int_equal(rmdt_cc_new(&path->cc, name, config, path->now_us), 0);
}

static void path_fini(struct path *path)
{
	rmdt_cc_free(path->cc);
}

/* pkts leave at once; an RTT later all but the first lost_pkts of them are acked. */
static void step(struct path *path, unsigned pkts, unsigned lost_pkts, uint64_t rtt_us)
{
	uint32_t mss_bytes = path->cc->config.mss_bytes;
	struct rmdt_rate_stamp stamp, lost_stamp;
	struct rmdt_rate_sample sample;
	struct rmdt_cc_loss loss = { .newest = &lost_stamp };
	struct rmdt_cc_ack ack = { .sample = &sample, .cwnd_limited = true };

	path->now_us++;
	for (unsigned i = 0; i < pkts; i++) {
		rmdt_cc_on_sent(path->cc, mss_bytes, (uint64_t)i * mss_bytes, path->now_us);
		rmdt_rate_on_sent(&path->rate, &stamp, mss_bytes, (uint64_t)i * mss_bytes,
				  path->now_us);
		if (i < lost_pkts)
			lost_stamp = stamp;
	}
	path->now_us += rtt_us;
	rmdt_rate_ack_start(&path->rate, &sample, (uint64_t)pkts * mss_bytes);
	for (unsigned i = lost_pkts; i < pkts; i++)
		rmdt_rate_on_acked(&path->rate, &sample, &stamp, mss_bytes, path->now_us);
	if (lost_pkts != 0) {
		loss.now_us = path->now_us;
		loss.lost_pkts = lost_pkts;
		loss.lost_bytes = (uint64_t)lost_pkts * mss_bytes;
		rmdt_rate_on_lost(&path->rate, &sample, loss.lost_bytes);
	}
	rmdt_rate_ack_finish(&path->rate, &sample, NULL, 0, path->now_us);
	if (lost_pkts != 0)
		rmdt_cc_on_loss(path->cc, &loss);
	ack.now_us = path->now_us;
	ack.delivered_bytes = path->rate.delivered_bytes;
	ack.rtt_us = ack.srtt_us = rtt_us;
	ack.min_rtt_us = RTT_US;
	ack.acked_pkts = pkts - lost_pkts;
	rmdt_cc_on_ack(path->cc, &ack);
}

static unsigned window_pkts(const struct path *path)
{
	return (unsigned)(rmdt_cc_cwnd_bytes(path->cc) / path->cc->config.mss_bytes);
}

static void test_names(void **state)
{
	struct rmdt_cc *cc = NULL;

	(void)state;
	assert_ptr_equal(rmdt_cc_find("bbr"), &rmdt_cc_bbr_ops);
	assert_ptr_equal(rmdt_cc_find("cubic"), &rmdt_cc_cubic_ops);
	assert_ptr_equal(rmdt_cc_find("fixed"), &rmdt_cc_fixed_ops);
	assert_null(rmdt_cc_find("vegas"));
	assert_null(rmdt_cc_find(""));
	for (size_t i = 0; rmdt_cc_name_at(i) != NULL; i++)
		assert_non_null(rmdt_cc_find(rmdt_cc_name_at(i)));
	assert_non_null(rmdt_cc_find(RMDT_CC_DEFAULT));
	assert_int_equal(rmdt_cc_new(&cc, "vegas", NULL, 0), -EINVAL);
	assert_null(cc);
	rmdt_cc_free(NULL);
}

static void test_initial_window(void **state)
{
	static const struct {
		uint32_t mss_bytes, pkts;
		uint64_t bytes;
	} rows[] = {
		{ 0, 0, 32 * 1200 },
		{ 1472, 0, 32 * 1472 },
		{ 1472, 10, 14720 },
		{ 8972, 0, 65536 },
		{ 65000, 0, 4 * 65000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; rmdt_cc_name_at(k) != NULL; k++) {
			struct rmdt_cc_config config = {
				.mss_bytes = rows[i].mss_bytes,
				.initial_cwnd_pkts = rows[i].pkts,
			};
			struct rmdt_cc *cc;

			assert_int_equal(rmdt_cc_new(&cc, rmdt_cc_name_at(k), &config, 0), 0);
			assert_int_equal(rmdt_cc_initial_cwnd_bytes(cc), rows[i].bytes);
			assert_true(rmdt_cc_cwnd_bytes(cc) >= rows[i].bytes);
			assert_true(rmdt_cc_pacing_rate(cc) > 0);
			rmdt_cc_free(cc);
		}
}

/* Whatever happens, there is a rate and a window of at least four packets, and a cap holds. */
static void test_promises(void **state)
{
	static const struct rmdt_cc_config config = { .mss_bytes = MSS, .cap_rate = 3000000 };

	(void)state;
	for (size_t k = 0; rmdt_cc_name_at(k) != NULL; k++) {
		struct path path;
		uint64_t random = 88172645463325252;

		path_init(&path, rmdt_cc_name_at(k), &config);
		for (int i = 0; i < 3000; i++) {
			unsigned pkts;

			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			pkts = 1 + random % 200;
			step(&path, pkts, (random >> 20) % 4 ? 0 : (random >> 32) % (pkts + 1),
			     1 + random % 300000);
			if (random % 50 == 0)
				rmdt_cc_on_silence(path.cc, path.now_us);
			if (random % 51 == 0)
				rmdt_cc_set_mss(path.cc, 500 + (random >> 40) % 64000);
			if (random % 52 == 0)
				rmdt_cc_on_spurious(path.cc, MSS, path.now_us - 1, path.now_us);
			if (random % 53 == 0) {
				path.now_us += 20000000;
				rmdt_cc_on_idle_restart(path.cc, path.now_us);
			}
			assert_true(rmdt_cc_cwnd_bytes(path.cc) >=
				    UINT64_C(4) * path.cc->config.mss_bytes);
			assert_in_range(rmdt_cc_pacing_rate(path.cc), 1, 3000000);
		}
		path_fini(&path);
	}
}

static void test_info(void **state)
{
	static const struct rmdt_cc_config config = { .mss_bytes = MSS, .cap_rate = 1000 };

	(void)state;
	for (size_t k = 0; rmdt_cc_name_at(k) != NULL; k++) {
		struct rmdt_cc_info info;
		struct path path;

		path_init(&path, rmdt_cc_name_at(k), &config);
		step(&path, 10, 0, RTT_US);
		rmdt_cc_info_get(path.cc, &info);
		assert_string_equal(info.name, rmdt_cc_name_at(k));
		assert_non_null(info.state);
		assert_true(info.capped);
		assert_int_equal(info.pacing_rate, 1000);
		assert_int_equal(info.min_rtt_us, RTT_US);
		path_fini(&path);
	}
}

static void test_fixed(void **state)
{
	static const struct rmdt_cc_config config = { .mss_bytes = MSS, .fixed_rate = 10000000 };
	struct path path;

	(void)state;
	path_init(&path, "fixed", &config);
	for (int i = 0; i < 10; i++)
		step(&path, 100, 90, RTT_US);
	assert_int_equal(rmdt_cc_pacing_rate(path.cc), 10000000);
	assert_int_equal(rmdt_cc_cwnd_bytes(path.cc), 2500000);	/* 250 ms of it */
	rmdt_cc_set_fixed_rate(path.cc, 20000000);
	step(&path, 100, 0, RTT_US);
	assert_int_equal(rmdt_cc_pacing_rate(path.cc), 20000000);
	rmdt_cc_set_cap_rate(path.cc, 5000000);
	assert_int_equal(rmdt_cc_pacing_rate(path.cc), 5000000);
	path_fini(&path);
}

static void test_cubic_start_and_loss(void **state)
{
	static const struct rmdt_cc_config config = { .mss_bytes = MSS };
	struct path path;
	unsigned before;

	(void)state;
	path_init(&path, "cubic", &config);
	for (int i = 0; i < 4; i++)
		step(&path, window_pkts(&path), 0, RTT_US);
	assert_int_equal(window_pkts(&path), 32 << 4);
	before = window_pkts(&path);
	step(&path, before, 1, RTT_US);
	assert_in_range(window_pkts(&path), before * 7 / 10 - 1, before * 7 / 10 + 1);
	/* The losses of the same flight do not count again; those of the next do. */
	before = window_pkts(&path);
	rmdt_cc_on_loss(path.cc, &(struct rmdt_cc_loss){
		.now_us = path.now_us, .lost_bytes = MSS, .lost_pkts = 1,
		.newest = &(struct rmdt_rate_stamp){ .sent_us = path.now_us - RTT_US } });
	assert_int_equal(window_pkts(&path), before);
	step(&path, before, 1, RTT_US);
	assert_true(window_pkts(&path) < before);
	path_fini(&path);
}

/* After a cut the window is back at its old size in K seconds, flat there, and then beyond. */
static void test_cubic_curve(void **state)
{
	static const struct rmdt_cc_config config = { .mss_bytes = MSS };
	struct path path;
	unsigned peak, rounds = 0, flat = 0;

	(void)state;
	path_init(&path, "cubic", &config);
	while (window_pkts(&path) < 2000)
		step(&path, window_pkts(&path), 0, RTT_US);
	peak = window_pkts(&path);
	step(&path, peak, 1, RTT_US);
	while (window_pkts(&path) < peak && rounds < 1000) {
		step(&path, window_pkts(&path), 0, RTT_US);
		flat += window_pkts(&path) > peak * 97 / 100;
		rounds++;
	}
	/* K = cbrt(peak * 0.3 / 0.4): 11.5 s for 2048 packets. */
	assert_in_range(rounds, 90, 130);
	assert_true(flat > rounds / 4);
	for (int i = 0; i < 150; i++)
		step(&path, window_pkts(&path), 0, RTT_US);
	assert_true(window_pkts(&path) > peak * 5 / 4);
	path_fini(&path);
}

static void test_cubic_undo(void **state)
{
	static const struct rmdt_cc_config config = { .mss_bytes = MSS };
	struct path path;
	unsigned before;

	(void)state;
	path_init(&path, "cubic", &config);
	step(&path, 32, 0, RTT_US);
	before = window_pkts(&path);
	step(&path, before, 2, RTT_US);
	assert_true(window_pkts(&path) < before);
	rmdt_cc_on_spurious(path.cc, MSS, path.now_us - RTT_US, path.now_us);
	assert_true(window_pkts(&path) < before);
	rmdt_cc_on_spurious(path.cc, MSS, path.now_us - RTT_US, path.now_us);
	assert_int_equal(window_pkts(&path), before);
	path_fini(&path);
}

/* Slow start ends when the RTT grows, before anything is lost. */
static void test_cubic_hystart(void **state)
{
	static const struct rmdt_cc_config config = { .mss_bytes = MSS };
	struct rmdt_cc_info info;
	struct path path;
	uint64_t rtt_us = RTT_US;
	unsigned peak;

	(void)state;
	path_init(&path, "cubic", &config);
	for (int i = 0; i < 3; i++)
		step(&path, window_pkts(&path), 0, RTT_US);
	/* One sample a step, three steps a round at least: the RTT grows by a third each. */
	for (int i = 0; i < 40; i++) {
		rtt_us += 20000;
		step(&path, 8, 0, rtt_us);
	}
	rmdt_cc_info_get(path.cc, &info);
	assert_string_not_equal(info.state, "slow start");
	peak = window_pkts(&path);
	step(&path, 8, 0, rtt_us);
	assert_in_range(window_pkts(&path), peak, peak + 3);
	path_fini(&path);
}

/* A large window is not believed after a silence, nor grown when nothing filled it. */
static void test_cubic_silence(void **state)
{
	static const struct rmdt_cc_config config = { .mss_bytes = MSS };
	struct path path;

	(void)state;
	path_init(&path, "cubic", &config);
	for (int i = 0; i < 5; i++)
		step(&path, window_pkts(&path), 0, RTT_US);
	rmdt_cc_on_silence(path.cc, path.now_us);
	assert_int_equal(window_pkts(&path), 4);
	path_fini(&path);
}

/* Silence shuts the window at once, however often it is told; the first ACK opens it again. */
static void test_bbr_silence(void **state)
{
	static const struct rmdt_cc_config config = { .mss_bytes = MSS };
	struct path path;
	unsigned before;

	(void)state;
	path_init(&path, "bbr", &config);
	for (int i = 0; i < 12; i++)
		step(&path, 400, 0, RTT_US);
	before = window_pkts(&path);
	assert_true(before > 400);
	for (int i = 0; i < 5; i++)
		rmdt_cc_on_silence(path.cc, path.now_us);
	assert_int_equal(window_pkts(&path), 4);
	step(&path, 4, 0, RTT_US);
	assert_true(window_pkts(&path) > 100);
	path_fini(&path);
}

/* A few packets of a shy application are no measure of the path. */
static void test_bbr_shy_application(void **state)
{
	static const struct rmdt_cc_config config = { .mss_bytes = MSS };
	struct path path;

	(void)state;
	path_init(&path, "bbr", &config);
	for (int i = 0; i < 30; i++) {
		rmdt_rate_set_app_limited(&path.rate, 0);
		step(&path, 1, 0, RTT_US);
	}
	assert_true(rmdt_cc_pacing_rate(path.cc) >= 32 * MSS * 1000);
	assert_true(window_pkts(&path) >= 32);
	assert_string_equal(path.cc->ops->state(path.cc), "startup");
	path_fini(&path);
}

/* What is remembered of a path alike is used at once, half of it; of another path it is not. */
static void test_bbr_hint(void **state)
{
	static const struct {
		uint64_t hint_rtt_us;
		bool used;
	} rows[] = { { RTT_US, true }, { RTT_US * 3 / 2, true }, { RTT_US * 5, false },
		     { RTT_US / 5, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rmdt_cc_config config = {
			.mss_bytes = MSS, .hint_rate = 60000000,
			.hint_rtt_us = rows[i].hint_rtt_us,
		};
		struct path path;

		path_init(&path, "bbr", &config);
		assert_int_equal(window_pkts(&path), 32);
		rmdt_cc_set_initial_rtt(path.cc, RTT_US, path.now_us);
		if (rows[i].used) {
			/* The first train measures the path, whatever is remembered of it. */
			assert_int_equal(rmdt_cc_pacing_rate(path.cc), 32 * MSS * 1000);
			for (unsigned n = 0; n < 32; n++) {
				assert_int_equal(rmdt_cc_pacing_rate(path.cc), 32 * MSS * 1000);
				rmdt_cc_on_sent(path.cc, MSS, (uint64_t)n * MSS, path.now_us);
			}
			assert_int_equal(rmdt_cc_pacing_rate(path.cc), 30000000);
			assert_in_range(window_pkts(&path), 3000, 6000);
		} else {
			assert_int_equal(window_pkts(&path), 32);
		}
		path_fini(&path);
	}
}

/* A first flight that was lost as a whole, and the answer to a probe behind it: that is no rate of the path. */
static void test_bbr_lost_flight(void **state)
{
	struct rmdt_rate_sample sample = {
		.rate = 333, .delivered_bytes = 100, .interval_us = 3 * RTT_US, .newly_acked_bytes = 100,
		.in_flight_at_send_bytes = 32 * MSS + 100, .sent_us = 1,
	};
	struct path path;

	(void)state;
	path_init(&path, "bbr", NULL);
	rmdt_cc_set_initial_rtt(path.cc, RTT_US, path.now_us);
	for (unsigned n = 0; n < 32; n++)
		rmdt_cc_on_sent(path.cc, MSS, (uint64_t)n * MSS, path.now_us);
	rmdt_cc_on_ack(path.cc, &(struct rmdt_cc_ack){
		.sample = &sample, .now_us = path.now_us + 3 * RTT_US, .delivered_bytes = 100, .rtt_us = RTT_US,
		.srtt_us = RTT_US, .min_rtt_us = RTT_US, .acked_pkts = 1 });
	assert_true(rmdt_cc_pacing_rate(path.cc) >= 32 * MSS * 1000);
	assert_true(window_pkts(&path) >= 32);
	path_fini(&path);
}

/* Between threads of one machine several trains may be in flight however short the path. */
static void test_bbr_short_path(void **state)
{
	static const struct rmdt_cc_config config = { .mss_bytes = 65000 };
	struct path path;

	(void)state;
	path_init(&path, "bbr", &config);
	for (int i = 0; i < 1000; i++)
		step(&path, 8, 0, 50);
	assert_true(window_pkts(&path) >= 16);
	path_fini(&path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_initial_window),
		cmocka_unit_test(test_promises),
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_cubic_start_and_loss),
		cmocka_unit_test(test_cubic_curve),
		cmocka_unit_test(test_cubic_undo),
		cmocka_unit_test(test_cubic_hystart),
		cmocka_unit_test(test_cubic_silence),
		cmocka_unit_test(test_bbr_silence),
		cmocka_unit_test(test_bbr_shy_application),
		cmocka_unit_test(test_bbr_hint),
		cmocka_unit_test(test_bbr_lost_flight),
		cmocka_unit_test(test_bbr_short_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

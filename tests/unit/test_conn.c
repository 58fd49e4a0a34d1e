/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a conn does with a peer of good manners: life, keys, messages, liveness. Flows:
 * test_conn_flow; ways: test_conn_path; bad manners: test_conn_rules.
 */
#include <errno.h>

#include "unit/conn_steps.h"

/* ---- up and down ---- */

static void test_up_and_down(void **state)
{
	(void)state;
	begin(NULL);
	assert_int_equal(p.i.ups, 1);
	assert_int_equal(p.r.ups, 1);
	assert_string_equal(rmdt_conn_remote_name(p.i.conn), "there");
	assert_string_equal(rmdt_conn_remote_name(p.r.conn), "here");
	assert_int_equal(rmdt_conn_role(p.r.conn), RMDT_PIPE);
	rmdt_conn_close(p.i.conn, p.now_us, 1234, "enough");
	assert_int_equal(pair_open(&p, &p.i, "late"), -ENOTCONN);
	pair_run(&p, 100 * ms);
	assert_int_equal(p.i.downs, 1);
	assert_int_equal(p.r.downs, 1);
	assert_int_equal(p.r.down_code, 1234);
	assert_string_equal(p.r.down_reason, "enough");
	pair_run(&p, 5 * s);
	assert_true(rmdt_conn_is_drained(p.i.conn) && rmdt_conn_is_drained(p.r.conn));
	assert_true(rmdt_conn_deadline_us(p.i.conn) == RMDT_CONN_NEVER);
	end();
}

static void test_each_side_may_refuse(void **state)	/* H4 */
{
	(void)state;
	for (int who = 0; who < 2; who++) {
		pair_init(&p, NULL);
		(who ? &p.r : &p.i)->admit_code = RMDT_CODE_UNAUTHORISED;
		pair_run(&p, 2 * s);
		assert_int_equal(p.i.downs, 1);
		assert_int_equal(p.r.downs, 1);
		assert_int_equal(p.i.down_code, RMDT_CODE_UNAUTHORISED);
		assert_int_equal(p.r.down_code, RMDT_CODE_UNAUTHORISED);
		assert_string_equal(who ? p.i.down_reason : p.r.down_reason, "because");
		assert_int_equal(p.r.ups, 0);
		end();
	}
}

static void test_wrong_psk(void **state)	/* H5 */
{
	static const uint8_t one[32] = { 1 }, two[32] = { 2 };

	(void)state;
	pair_init(&p, &(struct pair_options){ .psk_i = one, .psk_r = two });
	pair_run(&p, 2 * s);
	assert_int_equal(p.i.down_code, RMDT_CODE_PSK);
	assert_int_equal(p.r.down_code, RMDT_CODE_PSK);
	assert_int_equal(p.r.ups, 0);
	end();
	begin(&(struct pair_options){ .psk_i = one, .psk_r = one });
	assert_true(rmdt_conn_used_psk(p.r.conn));
	end();
}

static void test_no_answer(void **state)
{
	(void)state;
	pair_init(&p, NULL);
	p.filter = nothing;
	pair_run(&p, 10 * s - 1);
	assert_int_equal(p.i.downs, 0);
	pair_run(&p, 2);
	assert_int_equal(p.i.downs, 1);
	assert_int_equal(p.i.down_code, RMDT_CODE_TIMEOUT);
	end();
}

/* Packets to the responder that are lost, by their numbers. */
static bool lose_these(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	unsigned *lost = ctx;

	(void)data, (void)len;
	if (!to_responder)
		return true;
	*lost >>= 1;
	return (*lost & 1) == 0;
}

/*
 * FINISH is lost, and all that was sent behind it is dropped: the time it costs is bounded by round
 * trips.
 */
static void finish_is_lost(unsigned lost, uint64_t limit_us)
{
	uint64_t from_us;

	lost <<= 1;
	pair_init(&p, NULL);
	p.filter = lose_these;
	p.ctx = &lost;
	from_us = p.now_us;
	while (p.i.ups == 0)
		pair_run(&p, ms);
	assert_int_equal(pair_open(&p, &p.i, "flow"), 0);
	write_all(20000);
	while (p.r.read_off < 20000 && p.now_us < from_us + 10 * s)
		pair_run(&p, ms);
	assert_in_range(p.now_us - from_us, 1, limit_us);
	end();
}

static void test_finish_is_lost(void **state)	/* H6 */
{
	(void)state;
	finish_is_lost(1 << 3, 24 * ms);		/* S2: OPEN goes twice, too */
	/* its copy goes right behind it, before anything that needs it */
	finish_is_lost(1 << 1, 40 * ms);
	/* round trip of 10 ms known: repeated after 50 ms */
	finish_is_lost(1 << 1 | 1 << 2, 120 * ms);
	/* INIT too: not known, 250 ms for each */
	finish_is_lost(1 << 0 | 1 << 2 | 1 << 3, 600 * ms);
}

/* A conn that was closed in its handshake says nothing more and asks nothing more. */
static void test_closed_in_the_handshake(void **state)
{
	uint64_t packets;

	(void)state;
	pair_init(&p, NULL);
	pair_serve(&p, &p.i);
	rmdt_conn_close(p.i.conn, p.now_us, RMDT_CODE_LEFT, NULL);
	packets = p.i.packets;
	pair_run(&p, 5 * s);
	assert_int_equal(p.i.downs, 1);
	assert_int_equal(p.i.admits, 0);
	assert_int_equal(p.i.packets, packets);
	assert_true(rmdt_conn_is_drained(p.i.conn));
	end();
}

/* ---- rekeying ---- */

static void test_rekey_under_load(void **state)
{
	struct pair_options o = { .common = { .rekey_packets = 50, .suite = RMDT_CHACHA20_POLY1305 } };
	uint32_t n = 1;

	(void)state;
	begin_flow(&o);
	p.filter = lose_a_third;
	p.ctx = &n;
	for (int k = 0; k < 20; k++) {
		write_all(200000);
		pair_run(&p, 6 * s);	/* K7: a generation lives five seconds at least */
	}
	assert_int_equal(p.r.read_off, 4000000);
	assert_true(rmdt_conn_counters(p.i.conn)->rekeys >= 3);
	assert_int_equal(rmdt_conn_counters(p.i.conn)->dropped_forged, 0);
	assert_int_equal(rmdt_conn_counters(p.r.conn)->dropped_forged, 0);
	end();
}

static void test_cipher_none(void **state)	/* P6 */
{
	struct pair_options o = { .common = { .cipher_none = true } };

	(void)state;
	begin_flow(&o);
	write_all(100000);
	pair_run(&p, s);
	assert_int_equal(p.r.read_off, 100000);
	assert_true(p.i.conn->cipher_none && p.r.conn->cipher_none);
	end();
}

/* ---- messages ---- */

static void test_messages(void **state)
{
	uint8_t data[2000] = { 0 }, got[2000];
	size_t max;

	(void)state;
	begin(NULL);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, sizeof(data)), -EMSGSIZE);
	pair_run(&p, 5 * s);		/* so the path MTU is looked for */
	max = rmdt_conn_message_max(p.i.conn);
	assert_in_range(max, 1400, 1472);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, max + 1), -EMSGSIZE);
	for (size_t k = 0; k < max; k++)
		data[k] = (uint8_t)k;
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, max), 0);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, 0), 0);
	pair_run(&p, s);
	assert_true(p.r.messages > 0);
	assert_int_equal(rmdt_conn_message_take(p.r.conn, got, max - 1), -EMSGSIZE);
	assert_int_equal(rmdt_conn_message_take(p.r.conn, got, sizeof(got)), max);
	assert_memory_equal(got, data, max);
	assert_int_equal(rmdt_conn_message_take(p.r.conn, got, sizeof(got)), 0);
	assert_int_equal(rmdt_conn_message_take(p.r.conn, got, sizeof(got)), -EAGAIN);
	end();
}

/* 100 kB at 100 kB/s: a burst at once, then the rate. */
static void test_messages_are_paced(void **state)
{
	struct pair_options o = { .common = { .cc = "fixed", .fixed_rate = 100000 } };
	uint8_t data[1000] = { 0 };
	unsigned early = 0, late = 0;

	(void)state;
	begin(&o);
	for (int k = 0; k < 100; k++)
		assert_int_equal(rmdt_conn_message_send(p.i.conn, data, sizeof(data)), 0);
	pair_run(&p, s / 2);
	while (rmdt_conn_message_take(p.r.conn, data, sizeof(data)) >= 0)
		early++;
	pair_run(&p, s);
	while (rmdt_conn_message_take(p.r.conn, data, sizeof(data)) >= 0)
		late++;
	assert_in_range(early, 30, 60);
	assert_int_equal(early + late, 100);
	end();
}

static void test_messages_are_bounded(void **state)
{
	unsigned sent = 0, taken = 0;
	uint8_t data[100] = { 0 };

	(void)state;
	begin(NULL);
	while (rmdt_conn_message_send(p.i.conn, data, sizeof(data)) == 0)
		sent++;
	assert_int_equal(sent, RMDT_CONN_MESSAGE_QUEUE);
	pair_run(&p, 10 * s);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, sizeof(data)), 0);
	pair_run(&p, s);
	assert_int_equal(rmdt_conn_counters(p.r.conn)->messages_dropped, 1);
	while (rmdt_conn_message_take(p.r.conn, data, sizeof(data)) >= 0)
		taken++;
	assert_int_equal(taken, RMDT_CONN_MESSAGE_QUEUE);
	end();
}

/* The path shrank while a large message waited: it goes nowhere any more, and holds nobody up. */
static void test_a_message_that_does_not_fit_any_more(void **state)
{
	uint8_t data[1472] = { 0 };

	(void)state;
	begin_flow(NULL);
	pair_run(&p, 5 * s);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, rmdt_conn_message_max(p.i.conn)),
			 0);
	assert_int_equal(rmdt_conn_message_send(p.i.conn, data, 10), 0);
	rmdt_conn_too_big(p.i.conn, p.now_us, 1300);
	pair_run(&p, s);
	assert_int_equal(rmdt_conn_counters(p.i.conn)->messages_dropped, 1);
	assert_int_equal(rmdt_conn_message_take(p.r.conn, data, sizeof(data)), 10);
	end();
}

/* ---- liveness ---- */

static void test_keepalive_and_death(void **state)	/* L1 */
{
	uint64_t packets;

	(void)state;
	begin(NULL);
	pair_run(&p, 5 * s);
	packets = p.i.packets;
	pair_run(&p, 60 * s);
	assert_in_range(p.i.packets - packets, 5, 100);
	assert_int_equal(p.i.downs, 0);
	p.filter = nothing;
	packets = p.now_us - p.i.conn->last_heard_us;
	pair_run(&p, 30 * s - packets - 1);
	assert_int_equal(p.i.downs, 0);
	pair_run(&p, 2);
	assert_int_equal(p.i.downs, 1);
	assert_int_equal(p.i.down_code, RMDT_CODE_TIMEOUT);
	end();
}

/*
 * Both processes stood still for long. Whatever wakes first, timer or datagram, nobody is dead, nor
 * immortal.
 */
static void test_a_pause_is_forgiven(void **state)	/* L1 */
{
	(void)state;
	for (int datagram_first = 0; datagram_first < 2; datagram_first++) {
		begin(NULL);
		pair_run(&p, s);
		if (datagram_first)
			rmdt_conn_message_send(p.r.conn, "hello", 5);
		pair_serve(&p, &p.r);
		p.now_us += 3600 * s;
		if (datagram_first)
			pair_deliver(&p);
		rmdt_conn_tick(p.i.conn, p.now_us);
		rmdt_conn_tick(p.r.conn, p.now_us);
		assert_true(p.i.conn->last_heard_us <= p.now_us);
		pair_run(&p, s);
		assert_int_equal(p.i.downs + p.r.downs, 0);
		p.filter = nothing;
		pair_run(&p, 31 * s);
		assert_int_equal(p.i.downs, 1);
		end();
	}
}

/*
 * Datagrams that waited are heard one by one before the timers are looked at: the pause is forgiven
 * once.
 */
static void test_a_pause_is_forgiven_once(void **state)
{
	static const uint8_t junk[40] = { 0x80 };

	(void)state;
	pair_init(&p, NULL);
	p.filter = nothing;
	pair_run(&p, s);
	p.now_us += 100 * s;
	for (int k = 0; k < 10; k++)
		pair_inject(&p, false, junk, sizeof(junk), &p.r.addr);
	pair_run(&p, 8 * s);
	assert_int_equal(p.i.downs, 0);
	pair_run(&p, 2 * s);
	assert_int_equal(p.i.downs, 1);
	end();
}

/* We hear the far end, but it does not hear us: then it is no use either. */
static bool only_back(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	(void)ctx, (void)data, (void)len;
	return !to_responder;
}

static void test_a_path_of_one_way(void **state)
{
	(void)state;
	begin_flow(NULL);
	p.filter = only_back;
	write_all(100000);
	pair_run(&p, 61 * s);
	assert_int_equal(p.i.downs, 1);
	assert_int_equal(p.r.downs, 1);
	end();
}

static void test_close_is_answered(void **state)	/* L5 */
{
	uint8_t straggler[2048];
	struct lose l = { .from = 0, .to = 1 };
	uint64_t packets;
	size_t len;

	(void)state;
	begin_flow(NULL);
	write_all(5000);
	pair_serve(&p, &p.i);
	len = p.packet[0].len;
	memcpy(straggler, p.packet[0].data, len);
	p.filter = lose;
	p.ctx = &l;
	rmdt_conn_close(p.r.conn, p.now_us, 1002, "bye");
	pair_serve(&p, &p.r);		/* this CLOSE is lost */
	pair_run(&p, 20 * ms);		/* but what is under way draws another */
	assert_int_equal(p.i.down_code, 1002);
	packets = p.r.packets;
	for (int k = 0; k < 10; k++) {
		pair_inject(&p, true, straggler, len, &p.i.addr);
		pair_serve(&p, &p.r);
	}
	assert_true(p.r.packets - packets < CONN_CLOSE_TIMES);
	end();
}

/* ---- the rest ---- */

static void test_restart_hint(void **state)	/* H10 */
{
	struct rmdt_handshake_packet h = { .type = RMDT_HS_UNKNOWN, .version = RMDT_VERSION_1, .dcid = 0x0101, .scid = 0x0202 };
	struct rmdt_addr other = pair_address(66, 6666);
	uint8_t buf[64];
	size_t len;

	(void)state;
	begin(NULL);
	len = rmdt_handshake_write(buf, sizeof(buf), &h);
	pair_inject(&p, false, buf, len, &other);
	pair_serve(&p, &p.i);
	assert_int_equal(p.i.hints, 0);
	for (int k = 0; k < 100; k++) {
		pair_inject(&p, false, buf, len, &p.r.addr);
		pair_serve(&p, &p.i);
	}
	assert_int_equal(p.i.hints, 1);
	pair_run(&p, s);
	pair_inject(&p, false, buf, len, &p.r.addr);
	pair_serve(&p, &p.i);
	assert_int_equal(p.i.hints, 2);
	h.scid = 0x0203;
	pair_run(&p, s);
	len = rmdt_handshake_write(buf, sizeof(buf), &h);
	pair_inject(&p, false, buf, len, &p.r.addr);
	pair_serve(&p, &p.i);
	assert_int_equal(p.i.hints, 2);
	assert_true(rmdt_conn_is_up(p.i.conn));
	end();
}

static void test_settled(void **state)
{
	(void)state;
	begin_flow(NULL);
	assert_true(rmdt_conn_is_settled(p.i.conn) && rmdt_conn_is_settled(p.r.conn));
	write_all(1000);
	pair_finish(&p, &p.i);
	p.r.hold_done = true;
	pair_run(&p, s);
	assert_true(rmdt_conn_is_settled(p.r.conn));
	assert_int_equal(rmdt_conn_in_done(p.r.conn, p.r.in), 0);
	assert_false(rmdt_conn_is_settled(p.r.conn));	/* DONE must be heard */
	pair_serve(&p, &p.r);
	assert_false(rmdt_conn_is_settled(p.r.conn));
	pair_run(&p, 100 * ms);
	assert_true(rmdt_conn_is_settled(p.r.conn));
	assert_true(p.r.in_flags & RMDT_IN_GONE);
	end();
}

static void test_done_only_when_all_is_read(void **state)
{
	(void)state;
	begin_flow(NULL);
	p.r.hold_reading = p.r.hold_done = true;
	write_all(1000);
	pair_run(&p, s);
	assert_int_equal(rmdt_conn_in_done(p.r.conn, p.r.in), -EAGAIN);
	pair_finish(&p, &p.i);
	pair_run(&p, s);
	assert_int_equal(rmdt_conn_in_done(p.r.conn, p.r.in), -EAGAIN);
	p.r.hold_reading = false;
	pair_run(&p, s);
	pair_serve(&p, &p.r);
	assert_int_equal(rmdt_conn_in_done(p.r.conn, p.r.in), 0);
	assert_true(p.r.conn->rx_consumed == p.r.conn->rx_high);
	end();
}

/* Everything is freed in the middle of everything; the sanitizers look for what is left. */
static void test_free_at_any_time(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 60; k++) {
		pair_init(&p, NULL);
		pair_run(&p, k * 2 * ms);
		if (rmdt_conn_is_up(p.i.conn) && pair_open(&p, &p.i, "flow") == 0)
			pair_write(&p, &p.i, 300000);
		pair_run(&p, k % 7 * 3 * ms);
		if (k % 3 == 0 && p.r.in)
			rmdt_conn_in_free(p.r.conn, p.r.in), p.r.in = NULL;
		pair_run(&p, k % 5 * 3 * ms);
		if (k % 4 == 0 && p.i.out)
			rmdt_conn_out_free(p.i.conn, p.i.out, 1, NULL), p.i.out = NULL;
		if (k % 5 == 0)
			rmdt_conn_close(p.i.conn, p.now_us, 1, NULL);
		pair_serve(&p, &p.i);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up_and_down), cmocka_unit_test(test_each_side_may_refuse),
		cmocka_unit_test(test_wrong_psk), cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_finish_is_lost),
		cmocka_unit_test(test_closed_in_the_handshake),
		cmocka_unit_test(test_rekey_under_load), cmocka_unit_test(test_cipher_none),
		cmocka_unit_test(test_messages), cmocka_unit_test(test_messages_are_paced),
		cmocka_unit_test(test_messages_are_bounded),
		cmocka_unit_test(test_a_message_that_does_not_fit_any_more),
		cmocka_unit_test(test_keepalive_and_death),
		cmocka_unit_test(test_a_pause_is_forgiven),
		cmocka_unit_test(test_a_pause_is_forgiven_once),
		cmocka_unit_test(test_a_path_of_one_way), cmocka_unit_test(test_close_is_answered),
		cmocka_unit_test(test_restart_hint), cmocka_unit_test(test_settled),
		cmocka_unit_test(test_done_only_when_all_is_read),
		cmocka_unit_test(test_free_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of packets and frames before a peer with bad manners: each rule broken, each bound
 * reached. Those of flows: test_conn_flow_rules.c.
 */
#include "unit/conn_rude.h"

/* ---- acks ---- */

static void put_ack(uint64_t largest, uint64_t below)
{
	PUT(RMDT_FRAME_ACK, largest, 0);
	rmdt_wire_put_u32(&w, 0);
	for (int k = 0; k < 3; k++)
		rmdt_wire_put_varint(&w, 0);
	rmdt_wire_put_varint(&w, below);
}

static void test_ack_of_what_was_never_sent(void **state)	/* P7 */
{
	(void)state;
	begin(NULL);
	put_ack(rmdt_loss_next_pn(&p.r.conn->loss), 0);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);
}

static void test_ack_of_what_was_left_out(void **state)	/* P7 */
{
	uint64_t skipped;

	(void)state;
	begin(NULL);
	skipped = p.r.conn->skip_at = rmdt_loss_next_pn(&p.r.conn->loss);
	rmdt_conn_message_send(p.r.conn, "x", 1);
	pair_serve(&p, &p.r);
	assert_true(rmdt_loss_next_pn(&p.r.conn->loss) > skipped + 1);
	put_ack(skipped, 0);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);
}

static void test_ack_with_ranges_below_zero(void **state)
{
	(void)state;
	begin(NULL);
	put_ack(2, 3);
	say();
	expect_closed(RMDT_CODE_PROTOCOL);
}

/* ---- frames ---- */

static void test_lengths_beyond_their_bounds(void **state)	/* F1 */
{
	static const uint8_t zeros[RMDT_META_BYTES + 1];

	(void)state;
	for (int what = 0; what < 4; what++) {
		begin(NULL);
		switch (what) {
		case 0:
			PUT(RMDT_FRAME_STOP, 0, 1, RMDT_REASON_BYTES + 1);
			break;
		case 1:
			PUT(RMDT_FRAME_CLOSE, UINT64_C(1) << 32, 0);
			break;
		case 2:
			PUT(RMDT_FRAME_OPEN, 1, 0, 1, 1, 0, RMDT_NAME_BYTES + 1);
			break;
		default:
			PUT(RMDT_FRAME_OPEN, 1, 0, 1, 1, 0, 0, RMDT_META_BYTES + 1);
		}
		rmdt_wire_put_bytes(&w, zeros, sizeof(zeros));
		say();
		expect_closed(RMDT_CODE_PROTOCOL);
	}
}

static void test_frames_cut_short(void **state)	/* F1 */
{
	(void)state;
	for (unsigned type = RMDT_FRAME_ACK; type < RMDT_FRAME_COUNT; type++) {
		begin(NULL);
		PUT(type);
		say();
		expect_closed(RMDT_CODE_PROTOCOL);
	}
}

static void test_unknown_frames(void **state)	/* F1 */
{
	(void)state;
	for (unsigned type = RMDT_FRAME_COUNT; type < 256; type += 7) {
		begin(NULL);
		rmdt_wire_put_u8(&w, (uint8_t)type);
		rmdt_wire_put_varint(&w, 5);
		rmdt_wire_put_zeros(&w, 5);
		PUT(RMDT_FRAME_MARK, 0);
		rmdt_wire_put_u8(&w, 1);
		rmdt_wire_put_varint(&w, 77);
		say();
		if (type < RMDT_FRAME_SKIPPABLE) {
			expect_closed(RMDT_CODE_PROTOCOL);
			continue;
		}
		assert_int_equal(p.r.out->mark_off[1], 77);	/* what stands behind it is heard */
		rmdt_wire_put_u8(&w, (uint8_t)type);
		rmdt_wire_put_varint(&w, 5);
		rmdt_wire_put_zeros(&w, 4);
		say();
		expect_closed(RMDT_CODE_PROTOCOL);
	}
}

static void test_messages_pile_up(void **state)
{
	(void)state;
	begin(NULL);
	for (unsigned k = 0; k < 2 * RMDT_CONN_MESSAGE_QUEUE; k++) {
		PUT(RMDT_FRAME_MESSAGE, 3, 1, 2, 3);
		say();
	}
	assert_int_equal(counters()->messages_dropped, RMDT_CONN_MESSAGE_QUEUE);
	expect_up();
}

static void test_large_messages_pile_up(void **state)
{
	static uint8_t large[65000];

	(void)state;
	begin(NULL);
	rmdt_wire_writer_init(&w, large, sizeof(large));
	PUT(RMDT_FRAME_MESSAGE, 60000);
	rmdt_wire_put_zeros(&w, 60000);
	for (unsigned k = 0; k < 100; k++)
		pair_say(&p, &p.i, large, rmdt_wire_written(&w));
	assert_int_equal(counters()->messages_dropped, 100 - RMDT_CONN_MESSAGE_BYTES / 60000);
	while (rmdt_conn_message_take(p.r.conn, large, sizeof(large)) == 60000)
		;
	assert_int_equal(p.r.conn->rx_messages->bytes, 0);
	expect_up();
}

/* A peer that talks, but never acks: what is remembered for it has an end. */
static bool only_data(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	(void)ctx, (void)len;
	return !to_responder || (data[0] & 0xc0) == 0x40;
}

static void test_a_peer_that_never_acks(void **state)
{
	struct pair_options o = { .common = { .dead_after_us = 5 * s } };

	(void)state;
	begin(&o);
	p.filter = only_data;
	for (uint64_t k = 0; k < 80 && rmdt_conn_is_up(p.r.conn); k++) {
		say_data(0, k * 100, 100, false);
		pair_serve(&p, &p.r);
		p.now_us += 100 * ms;
	}
	assert_int_equal(p.r.down_code, RMDT_CODE_TIMEOUT);
	end();
}

/* ---- packets that are not ours ---- */

static void test_reflected_and_strange_packets(void **state)
{
	uint8_t buf[2048];
	size_t len;
	uint64_t forged, received;

	(void)state;
	begin(NULL);
	pair_write(&p, &p.i, 1000);
	pair_serve(&p, &p.i);
	len = p.packet[0].len;
	memcpy(buf, p.packet[0].data, len);
	received = rmdt_conn_counters(p.i.conn)->packets_received;
	forged = rmdt_conn_counters(p.i.conn)->dropped_forged;
	pair_inject(&p, false, buf, len, &p.r.addr);	/* back to its sender: another's id */
	assert_int_equal(rmdt_conn_counters(p.i.conn)->dropped_forged, forged);
	rmdt_wire_store_u32(buf + 1, p.i.cid);
	buf[6] = 1;		/* not seen before */
	pair_inject(&p, false, buf, len, &p.r.addr);	/* with his own */
	assert_int_equal(rmdt_conn_counters(p.i.conn)->dropped_forged, forged + 1);
	assert_int_equal(rmdt_conn_counters(p.i.conn)->packets_received, received);
	for (unsigned bit = 0; bit < 8; bit++) {	/* P4, and forms */
		uint64_t before = counters()->packets_received;

		memcpy(buf, p.packet[0].data, len);
		buf[0] ^= (uint8_t)(1u << bit);
		pair_inject(&p, true, buf, len, &p.i.addr);
		assert_int_equal(counters()->packets_received, before);
	}
	for (size_t cut = 0; cut < len; cut++)	/* P1 */
		pair_inject(&p, true, p.packet[0].data, cut, &p.i.addr);
	pair_run(&p, s);
	assert_int_equal(p.r.read_off, 1000);
	expect_up();
}

/* ---- numbers of packets ---- */

struct numbers {
	uint64_t last[2];
	bool any[2], wrong;
};

static bool watch(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	struct numbers *n = ctx;
	uint64_t pn = rmdt_wire_load_u32(data + 5);

	(void)len;
	if ((data[0] & 0xc0) == 0xc0)
		return true;
	n->wrong |= n->any[to_responder] && pn <= n->last[to_responder];
	n->any[to_responder] = true;
	n->last[to_responder] = pn;
	return pn % 7 != 3;
}

/* P2: under one key no number twice, or the key is lost. */
static void test_no_number_is_used_twice(void **state)
{
	struct numbers n = { 0 };

	(void)state;
	pair_init(&p, NULL);
	p.filter = watch;
	p.ctx = &n;
	pair_up(&p);
	assert_int_equal(pair_open(&p, &p.i, "flow"), 0);
	pair_write(&p, &p.i, 300000);
	pair_run(&p, 5 * s);
	pair_write(&p, &p.i, 300000);
	pair_serve(&p, &p.i);
	rmdt_conn_close(p.i.conn, p.now_us, 1, NULL);
	pair_run(&p, 10 * s);
	assert_false(n.wrong);
	assert_true(n.any[0] && n.any[1]);
	end();
}

/* The same when the books are full and nothing can be entered any more. */
static void test_full_books(void **state)
{
	struct numbers n = { 0 };

	(void)state;
	for (int what = 0; what < 3; what++) {
		begin(NULL);
		memset(&n, 0, sizeof(n));
		p.filter = watch;
		p.ctx = &n;
		rmdt_conn_message_send(p.i.conn, "x", 1);
		pair_serve(&p, &p.i);
		p.i.conn->loss.map.max_pkts = (size_t)rmdt_sentmap_count(&p.i.conn->loss.map);
		if (what == 0)
			pair_write(&p, &p.i, 10000);
		else if (what == 1)
			rmdt_conn_message_send(p.i.conn, "y", 1);
		else
			rmdt_conn_due(p.i.conn, CDUE_PING);
		pair_serve(&p, &p.i);
		p.i.conn->loss.map.max_pkts = 4096;
		rmdt_conn_due(p.i.conn, CDUE_CLOSE);
		if (p.i.conn->state == CONN_UP)
			rmdt_conn_close(p.i.conn, p.now_us, 1, NULL);
		pair_serve(&p, &p.i);
		assert_false(n.wrong);
		end();
	}
}

/* ---- the handshake's packets at a conn ---- */

static void test_handshake_packets_when_up(void **state)
{
	static const uint8_t noise[64];
	uint8_t buf[2048];

	(void)state;
	begin(NULL);
	for (unsigned type = RMDT_HS_INIT; type <= RMDT_HS_UNKNOWN; type++) {
		struct rmdt_handshake_packet h = { .type = type, .suite = 1, .version = 1, .dcid = p.r.cid, .scid = 1,
			.noise = noise, .noise_len = sizeof(noise), .cookie = noise, .cookie_len = 8,
			.code = 5, .reason = "go", .reason_len = 2 };
		size_t len = rmdt_handshake_write(buf, sizeof(buf), &h);
		uint64_t bytes = p.r.bytes;

		pair_inject(&p, true, buf, len, &p.i.addr);
		pair_serve(&p, &p.r);
		assert_true(p.r.bytes - bytes <= 3 * len);
		assert_true(rmdt_conn_is_up(p.r.conn));
	}
	pair_write(&p, &p.i, 1000);
	pair_run(&p, s);
	assert_int_equal(p.r.read_off, 1000);
	expect_up();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ack_of_what_was_never_sent),
		cmocka_unit_test(test_ack_of_what_was_left_out),
		cmocka_unit_test(test_ack_with_ranges_below_zero),
		cmocka_unit_test(test_lengths_beyond_their_bounds),
		cmocka_unit_test(test_frames_cut_short),
		cmocka_unit_test(test_unknown_frames),
		cmocka_unit_test(test_messages_pile_up),
		cmocka_unit_test(test_large_messages_pile_up),
		cmocka_unit_test(test_a_peer_that_never_acks),
		cmocka_unit_test(test_reflected_and_strange_packets),
		cmocka_unit_test(test_no_number_is_used_twice),
		cmocka_unit_test(test_full_books),
		cmocka_unit_test(test_handshake_packets_when_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

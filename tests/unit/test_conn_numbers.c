/* SPDX-License-Identifier: Apache-2.0 */
/* Packets carry the low bits of numbers and offsets (P8, P9): associations and flows that are longer than those. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn_impl.h"
#include "core/wire.h"
#include "unit/conn_pair.h"

#define PN_TURN		(UINT64_C(1) << RMDT_PN_BITS)
#define OFF_TURN	(UINT64_C(1) << RMDT_OFF_BITS)
#define KIB		1024u

static struct pair p;
static struct rmdt_rng rng;
static struct pair_packet held;		/* the first DATA, taken away */
static bool hold;

/* A tenth is lost, and the rest comes in disorder. */
static bool rough(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	struct pair_packet *packet = &p.packet[p.n_packets];

	(void)ctx;
	(void)to_responder;
	(void)len;
	if ((data[0] & 0xc0) == 0xc0)
		return true;
	packet->due_us += rmdt_rng_u64(&rng) % 2000;
	return rmdt_rng_u64(&rng) % 10 != 0;
}

static bool take_first_data(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	(void)ctx;
	if (!hold || !to_responder || (data[0] & 0xc0) != 0x40)
		return true;
	held = p.packet[p.n_packets];
	held.data = malloc(len);
	memcpy(held.data, data, len);
	hold = false;
	return false;
}

/* As if `from` had sent all numbers below pn, and the other had them. */
static void skip_to(struct pair_end *from, uint64_t pn)
{
	struct rmdt_conn *c = from->conn;
	struct rmdt_acks *acks = &pair_other(&p, from)->conn->acks;

	assert_int_equal(rmdt_sentmap_count(&c->loss.map), 0);
	c->loss.map.base = c->loss.map.next = c->loss.scan = pn;
	c->skip_at = pn + 500;
	assert_int_equal(rmdt_acks_received(acks, p.now_us, &(struct rmdt_acks_packet){ .pn = pn - 1, .bytes = 100 }), 0);
	acks->floor = acks->report_floor = pn - 1;
}

static void begin(const struct pair_options *o, uint64_t pn, uint64_t off)
{
	uint8_t seed[32] = { 11 };

	pair_init(&p, o);
	rmdt_rng_init(&rng, seed);
	if (pn) {
		skip_to(&p.i, pn);
		skip_to(&p.r, pn);
	}
	pair_up(&p);
	p.i.sendbuf = rmdt_sendbuf_new(&p.i.pool, off, 16u << 20);
	assert_non_null(p.i.sendbuf);
}

/* Opens a flow that begins at `off`, sends len bytes through it, and ends it. */
static void transfer(uint64_t off, size_t len)
{
	size_t written = 0;

	assert_int_equal(pair_open(&p, &p.i, "long"), 0);
	for (int turn = 0; turn < 400 && p.r.read_off < off + len; turn++) {
		written += pair_write(&p, &p.i, len - written < 256 * KIB ? len - written : 256 * KIB);
		pair_run(&p, 100 * PAIR_MS);
	}
	pair_finish(&p, &p.i);
	pair_run(&p, 5 * PAIR_S);
	assert_true(p.r.read_off == off + len);
	assert_false(p.r.wrong);
	assert_true(p.i.out_flags & RMDT_OUT_DONE);
	assert_true(rmdt_conn_is_up(p.i.conn) && rmdt_conn_is_up(p.r.conn));
	assert_int_equal(rmdt_conn_counters(p.r.conn)->dropped_forged, 0);
	assert_int_equal(rmdt_conn_counters(p.i.conn)->dropped_forged, 0);
	assert_int_equal(rmdt_conn_counters(p.r.conn)->dropped_credit, 0);
}

static void end(void)
{
	assert_false(p.livelock);
	pair_fini(&p);
	rmdt_rng_fini(&rng);
}

static void test_packet_numbers_beyond_their_bits(void **state)
{
	(void)state;
	begin(NULL, PN_TURN - 400, 0);
	p.filter = rough;
	transfer(0, 1024 * KIB);
	assert_true(rmdt_loss_next_pn(&p.i.conn->loss) > PN_TURN + 200);
	assert_true(rmdt_acks_largest(&p.r.conn->acks) > PN_TURN + 200);
	end();
}

static void test_offsets_beyond_their_bits(void **state)
{
	static const uint64_t start[] = { OFF_TURN - 500 * KIB, OFF_TURN - 1, OFF_TURN, 5 * OFF_TURN - 400 * KIB,
					  OFF_TURN / 2 - 300 * KIB, (UINT64_C(1) << 61) - 1 };

	(void)state;
	for (size_t k = 0; k < sizeof(start) / sizeof(start[0]); k++) {
		struct pair_options o = { .common = { .cipher_none = k == 3 } };

		begin(&o, 0, start[k]);
		p.filter = rough;
		transfer(start[k], 1024 * KIB);
		end();
	}
}

static bool check_wide(void *ctx, bool to_responder, uint8_t *data, size_t len)
{
	(void)to_responder;
	if ((data[0] & 0xc0) != 0x40)
		return true;
	*(size_t *)ctx = len > *(size_t *)ctx ? len : *(size_t *)ctx;
	assert_int_equal(data[0] & 0x04, 0x04);
	assert_int_equal(rmdt_wire_load_u32(data + 9), 300);
	return true;
}

/* A large flow id makes longer headers, not longer packets. */
static void test_wide_flow_ids(void **state)
{
	size_t longest = 0;

	(void)state;
	begin(NULL, 0, 0);
	p.i.conn->next_out_id = 300;
	p.filter = check_wide;
	p.ctx = &longest;
	transfer(0, 1024 * KIB);
	assert_int_equal(longest, 1472);
	end();
}

/* A DATA packet that stays on the way while the receiver's numbers go on by `leap`. */
static void late(const struct pair_options *o, uint64_t leap)
{
	struct rmdt_conn *c;

	begin(o, 0, 0);
	assert_int_equal(pair_open(&p, &p.i, "late"), 0);
	pair_run(&p, PAIR_S);
	p.filter = take_first_data;
	hold = true;
	pair_write(&p, &p.i, 1000);
	pair_serve(&p, &p.i);
	assert_false(hold);
	c = p.r.conn;
	assert_int_equal(rmdt_acks_received(&c->acks, p.now_us, &(struct rmdt_acks_packet){
		.pn = rmdt_acks_largest(&c->acks) + leap, .bytes = 100 }), 0);
	pair_inject(&p, true, held.data, held.len, &held.from);
	free(held.data);
}

static void test_a_very_late_packet_is_refused(void **state)
{
	static const struct pair_options none = { .common = { .cipher_none = true } };

	(void)state;
	for (int k = 0; k < 2; k++) {
		/* Late, but not too late: its number is taken, and its bytes. */
		late(k ? &none : NULL, RMDT_ACKS_REACH_PKTS - 10);
		assert_int_equal(rmdt_conn_counters(p.r.conn)->dropped_replayed, 0);
		assert_int_equal(p.r.in->high_off, 1000);
		end();
		/* P9: too late to be sure where it belongs. */
		late(k ? &none : NULL, RMDT_ACKS_REACH_PKTS + 10);
		assert_int_equal(rmdt_conn_counters(p.r.conn)->dropped_replayed, 1);
		assert_int_equal(p.r.in->high_off, 0);
		end();
	}
	/* P8: half a turn late, its number is taken for a later one, and its tag says that it is not. */
	late(NULL, PN_TURN / 2 + 10);
	assert_int_equal(rmdt_conn_counters(p.r.conn)->dropped_forged, 1);
	assert_int_equal(p.r.in->high_off, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packet_numbers_beyond_their_bits), cmocka_unit_test(test_offsets_beyond_their_bits),
		cmocka_unit_test(test_wide_flow_ids), cmocka_unit_test(test_a_very_late_packet_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

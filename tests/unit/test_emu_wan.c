/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <string.h>

#include "tests/lab/emu_wan.h"

#define MS UINT64_C(1000000)
#define HOSTS 3
#define BYTES 60 /* 20 IP, 8 UDP, then the number of the packet */

struct sink {
	uint64_t count[HOSTS + 1], next[HOSTS + 1];
	bool ordered;
};

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void take(void *arg, int to, struct emu_out *out, size_t count)
{
	struct sink *sink = arg;

	for (size_t i = 0; i < count; i++) {
		uint64_t number;

		assert_int_equal(out[i].bytes, BYTES);
		assert_int_equal(out[i].pkt[19], to);
		memcpy(&number, out[i].pkt + 28, sizeof(number));
		if (number < sink->next[to])
			sink->ordered = false;
		sink->next[to] = number;
		sink->count[to]++;
	}
}

static void send_pkt(struct emu_wan *wan, int from, int to, uint64_t number, uint64_t now_ns)
{
	static struct emu_super super;

	super.bytes = BYTES;
	memset(super.pkt, 0, BYTES);
	super.pkt[0] = 0x45;
	put16(super.pkt + 2, BYTES);
	super.pkt[9] = 17;
	memcpy(super.pkt + 12, (uint8_t[]) { 10, 77, 0, (uint8_t)from, 10, 77, 0, (uint8_t)to }, 8);
	put16(super.pkt + 24, BYTES - 20);
	memcpy(super.pkt + 28, &number, sizeof(number));
	emu_wan_input(wan, from, &super, now_ns);
}

/* Every packet that passed arrives once, at its time, in order, at the right host. */
static void test_all_arrive(void **state)
{
	struct sink sink = { .ordered = true };
	struct emu_wan *wan = emu_wan_new(HOSTS, 1500, 1, take, &sink);
	struct emu_params params = { .delay_us = 20000, .dup = 0.1, .loss = 0.1 };
	uint64_t passed = 0;

	(void)state;
	for (int to = 2; to <= HOSTS; to++) {
		params.delay_us *= 2;
		emu_link_set(emu_wan_link(wan, 1, to), &params);
	}
	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t now = i * 10000;

		send_pkt(wan, 1, 2 + (int)(i % 2), i, now);
		emu_wan_run(wan, now);
		assert_true(emu_wan_next_ns(wan) > now);
	}
	emu_wan_run(wan, 1000 * MS);
	assert_int_equal(emu_wan_flying(wan), 0);
	assert_int_equal(emu_wan_next_ns(wan), UINT64_MAX);
	for (int to = 2; to <= HOSTS; to++) {
		const struct emu_counters *c = &emu_wan_link(wan, 1, to)->count;

		assert_int_equal(c->in_pkts, 10000);
		assert_int_equal(c->fate[EMU_PASS] + c->fate[EMU_LOST], 10000);
		assert_int_equal(sink.count[to], c->fate[EMU_PASS] + c->duplicated);
		assert_int_equal(sink.count[to], c->out_pkts);
		assert_true(c->duplicated > 500 && c->fate[EMU_LOST] > 500);
		passed += c->out_pkts;
	}
	assert_true(passed > 0 && sink.ordered);
	emu_wan_free(wan);
}

static void test_reorder(void **state)
{
	struct sink sink = { .ordered = true };
	struct emu_wan *wan = emu_wan_new(HOSTS, 1500, 1, take, &sink);

	(void)state;
	emu_link_set(emu_wan_link(wan, 1, 2),
	             &(struct emu_params) { .reorder = 0.1, .reorder_us = 5000 });
	for (uint64_t i = 0; i < 1000; i++) {
		send_pkt(wan, 1, 2, i, i * MS);
		emu_wan_run(wan, i * MS);
	}
	emu_wan_run(wan, 2000 * MS);
	assert_int_equal(sink.count[2], 1000);
	assert_false(sink.ordered);
	emu_wan_free(wan);
}

static void test_cut_under_way(void **state)
{
	struct sink sink = { .ordered = true };
	struct emu_wan *wan = emu_wan_new(HOSTS, 1500, 1, take, &sink);
	struct emu_link *link = emu_wan_link(wan, 1, 2);

	(void)state;
	emu_link_set(link, &(struct emu_params) { .delay_us = 10000 });
	send_pkt(wan, 1, 2, 0, 0);
	send_pkt(wan, 1, 3, 0, 0);
	emu_link_set(link, &(struct emu_params) { .delay_us = 10000, .cut = true });
	emu_wan_run(wan, 20 * MS);
	assert_int_equal(sink.count[2], 0);
	assert_int_equal(sink.count[3], 1);
	assert_int_equal(link->count.fate[EMU_DROP_CUT], 1);
	emu_wan_free(wan);
}

static void test_late(void **state)
{
	struct sink sink = { .ordered = true };
	struct emu_wan *wan = emu_wan_new(HOSTS, 1500, 1, take, &sink);

	(void)state;
	emu_wan_late_limit(wan, 5000);
	send_pkt(wan, 1, 2, 0, 0);
	emu_wan_run(wan, 5 * MS);
	assert_int_equal(emu_wan_overload(wan)->late, 0);
	send_pkt(wan, 1, 2, 1, 10 * MS);
	emu_wan_run(wan, 16 * MS);
	assert_int_equal(emu_wan_overload(wan)->late, 1);
	assert_int_equal(emu_wan_overload(wan)->late_max_us, 6000);
	emu_wan_free(wan);
}

static void test_strays(void **state)
{
	struct sink sink = { .ordered = true };
	struct emu_wan *wan = emu_wan_new(HOSTS, 1500, 1, take, &sink);
	struct emu_super super = { .bytes = 3 };

	(void)state;
	send_pkt(wan, 1, HOSTS + 1, 0, 0);
	send_pkt(wan, 1, 0, 0, 0);
	emu_wan_input(wan, 1, &super, 0);
	super.gso_bytes = 10;
	emu_wan_input(wan, 1, &super, 0);
	assert_int_equal(emu_wan_strays(wan), 4);
	assert_int_equal(emu_wan_flying(wan), 0);
	send_pkt(wan, 2, 2, 0, 0); /* left under way: free must take it */
	emu_wan_free(wan);
	emu_wan_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_arrive),    cmocka_unit_test(test_reorder),
		cmocka_unit_test(test_cut_under_way), cmocka_unit_test(test_late),
		cmocka_unit_test(test_strays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

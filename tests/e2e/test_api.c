/* SPDX-License-Identifier: Apache-2.0 */
/* The public interface between engines of one process, over loopback: flows and their members. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/e2e/kit.h"

#define MIB (UINT64_C(1) << 20)

static struct rmdt_member_info member(struct rmdt_out *out, struct rmdt_peer *peer)
{
	struct rmdt_member_info info;

	assert_int_equal(rmdt_out_member(out, peer, &info), 0);
	return info;
}

/* One buffer, three receivers, each gets every byte and confirms it. */
static void test_three_receivers(void **state)
{
	struct kit_node sender = { 0 }, receiver[3] = { 0 };
	struct rmdt_peer *peer[3];
	struct rmdt_out_info info;
	struct rmdt_out *out;

	(void)state;
	kit_start(&sender);
	out = kit_out(&sender, NULL);
	for (int i = 0; i < 3; i++) {
		kit_start(&receiver[i]);
		peer[i] = kit_connect(&sender, &receiver[i]);
		assert_int_equal(rmdt_out_join(out, peer[i], 0), 0);
		assert_int_equal(rmdt_out_join(out, peer[i], 0), -EEXIST);
	}
	kit_write(out, 20 * MIB + 12345);
	assert_int_equal(rmdt_out_finish(out), 0);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	rmdt_out_info(out, &info);
	assert_int_equal(info.members, 3);
	assert_int_equal(info.confirmed, 3);
	assert_int_equal(info.base_off, 20 * MIB + 12345);
	for (int i = 0; i < 3; i++) {
		struct rmdt_member_info m = member(out, peer[i]);

		assert_int_equal(m.state, RMDT_MEMBER_CONFIRMED);
		assert_int_equal(m.consumed_off, 20 * MIB + 12345);
		assert_int_equal(receiver[i].flow[0].bytes, 20 * MIB + 12345);
		assert_false(receiver[i].flow[0].bad);
		assert_string_equal(receiver[i].offer_name, "test");
		rmdt_peer_free(peer[i]);
	}
	rmdt_out_free(out);
	kit_stop(&sender);
	for (int i = 0; i < 3; i++)
		kit_stop(&receiver[i]);
}

/* An empty stream ends well, too. */
static void test_empty(void **state)
{
	struct kit_node a = { 0 }, b = { 0 };
	struct rmdt_out *out;

	(void)state;
	kit_start_all(&a, &b);
	out = kit_out(&a, NULL);
	assert_int_equal(rmdt_out_join(out, kit_connect(&a, &b), 0), 0);
	rmdt_out_finish(out);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	kit_await_confirmed(&b, 1);
	assert_int_equal(b.flow[0].bytes, 0);
	kit_stop_all(&a, &b);
}

/* Who does not want to hear of each ack does not. */
static void test_progress_is_told_if_wanted(void **state)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .name = "quiet", .no_progress = true };
	struct kit_node a = { 0 }, b = { 0 };
	struct rmdt_peer *peer;
	struct rmdt_out *out;

	(void)state;
	kit_start_all(&a, &b);
	peer = kit_connect_up(&a, &b);
	for (unsigned i = 0; i < 2; i++) {
		out = kit_out(&a, i == 0 ? &opt : NULL);
		assert_int_equal(rmdt_out_join(out, peer, 0), 0);
		kit_write(out, MIB);
		rmdt_out_finish(out);
		assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
		if (i == 0)
			assert_int_equal(kit_count(&a, RMDT_EVENT_OUT_PROGRESS), 0);
	}
	kit_await(&a, RMDT_EVENT_OUT_PROGRESS, 1);
	kit_stop_all(&a, &b);
}

/* What is held is there for who joins later; release lets it go. */
static void test_join_later(void **state)
{
	struct rmdt_out_options opt = { .purpose = RMDT_FS, .name = "log", .hold = true, .start_off = 1000,
					.meta = "generation 1", .meta_len = 12 };
	struct kit_node a = { 0 }, b = { 0 }, c = { 0 };
	struct rmdt_peer *pb, *pc;
	struct rmdt_out_info info;
	struct rmdt_out *out;

	(void)state;
	kit_start_all(&a, &b, &c);
	out = kit_out(&a, &opt);
	pb = kit_connect_up(&a, &b);
	assert_int_equal(rmdt_out_join(out, pb, 999), -ERANGE);
	assert_int_equal(rmdt_out_join(out, pb, 1001), -ERANGE);
	assert_int_equal(rmdt_out_join(out, pb, RMDT_OFF_LIVE), 0);
	kit_write(out, MIB);
	while (member(out, pb).consumed_off < 1000 + MIB)
		kit_await(&a, RMDT_EVENT_OUT_PROGRESS, kit_count(&a, RMDT_EVENT_OUT_PROGRESS));
	rmdt_out_info(out, &info);
	assert_int_equal(info.base_off, 1000);
	assert_int_equal(rmdt_out_release(out, pb, 5000), 0);
	rmdt_out_info(out, &info);
	assert_int_equal(info.base_off, 5000);

	pc = kit_connect_up(&a, &c);
	assert_int_equal(rmdt_out_join(out, pc, 4999), -ERANGE);
	assert_int_equal(rmdt_out_join(out, pc, 5000), 0);
	kit_await(&a, RMDT_EVENT_OUT_JOINED, 2);
	rmdt_out_finish(out);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	assert_int_equal(b.flow[0].bytes, MIB);
	assert_int_equal(c.flow[0].bytes, MIB + 1000 - 5000);
	assert_false(b.flow[0].bad || c.flow[0].bad);
	assert_string_equal(c.offer_meta, "generation 1");
	assert_int_equal(c.offer.purpose, RMDT_FS);
	kit_stop_all(&a, &b, &c);
}

/* Leaving lets the others go on, and the one that left learns why. */
static void test_leave(void **state)
{
	struct kit_node a = { 0 }, b = { 0 }, c = { .keep = true };
	struct rmdt_peer *pb, *pc;
	struct rmdt_out *out;

	(void)state;
	kit_start_all(&a, &b, &c);
	out = kit_out(&a, NULL);
	pb = kit_connect_up(&a, &b);
	pc = kit_connect_up(&a, &c);
	rmdt_out_join(out, pb, 0);
	rmdt_out_join(out, pc, 0);
	kit_write(out, MIB);
	kit_await(&c, RMDT_EVENT_IN_OPEN, 1);
	assert_int_equal(rmdt_out_leave(out, pc, 1234, "not you"), 0);
	kit_await(&a, RMDT_EVENT_OUT_LOST, 1);
	kit_await(&c, RMDT_EVENT_IN_RESET, 1);
	assert_int_equal(c.flow[0].code, 1234);
	assert_string_equal(c.flow[0].reason, "not you");
	kit_write(out, 8 * MIB);
	rmdt_out_finish(out);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	assert_int_equal(member(out, pb).state, RMDT_MEMBER_CONFIRMED);
	assert_int_equal(member(out, pc).state, RMDT_MEMBER_LOST);
	assert_int_equal(member(out, pc).code, 1234);
	assert_int_equal(b.flow[0].bytes, 9 * MIB);
	kit_stop_all(&a, &b, &c);
}

static void test_marks(void **state)
{
	struct kit_node a = { 0 }, b = { .keep = true };
	struct rmdt_peer *peer;
	struct rmdt_out *out;

	(void)state;
	kit_start_all(&a, &b);
	out = kit_out(&a, NULL);
	peer = kit_connect_up(&a, &b);
	rmdt_out_join(out, peer, 0);
	kit_write(out, 1000);
	kit_await(&b, RMDT_EVENT_IN_OPEN, 1);
	assert_int_equal(rmdt_in_mark(b.flow[0].in, 1, 700), 0);
	assert_int_equal(rmdt_in_mark(b.flow[0].in, 1, 600), 0);
	assert_int_equal(rmdt_in_mark(b.flow[0].in, RMDT_MARKS, 1), -EINVAL);
	kit_await(&a, RMDT_EVENT_OUT_MARK, 1);
	assert_int_equal(member(out, peer).mark_off[1], 700);
	assert_int_equal(rmdt_in_mark(b.flow[0].in, 3, 1000), 0);
	while (member(out, peer).mark_off[3] != 1000)
		kit_await(&a, RMDT_EVENT_OUT_MARK, 2);
	assert_int_equal(member(out, peer).mark_off[0], 0);
	kit_stop_all(&a, &b);
}

/* A flow back in answer to one, and each direction ends by itself. */
static void test_reverse(void **state)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .name = "back", .meta = "answer", .meta_len = 6 };
	struct kit_node a = { .keep = true }, b = { .keep = true };
	struct rmdt_out *there, *back;
	struct rmdt_in_info info;
	const uint8_t *meta;

	(void)state;
	kit_start_all(&a, &b);
	there = kit_out(&a, NULL);
	rmdt_out_join(there, kit_connect(&a, &b), 0);
	kit_write(there, 3 * MIB);
	rmdt_out_finish(there);
	kit_await(&b, RMDT_EVENT_IN_OPEN, 1);
	assert_int_equal(rmdt_in_meta(b.flow[0].in, &meta), 0);
	opt.reply_to = b.flow[0].in;
	back = kit_out(&b, &opt);
	rmdt_in_info(b.flow[0].in, &info);
	assert_int_equal(rmdt_out_join(back, info.peer, 0), 0);
	kit_write(back, 2 * MIB);
	kit_await(&a, RMDT_EVENT_IN_OPEN, 1);
	assert_true(a.offer.is_reply);
	assert_ptr_equal(a.offer.reply_to, there);
	assert_string_equal(a.offer_name, "back");
	assert_int_equal(rmdt_in_meta(a.flow[0].in, &meta), 6);
	assert_memory_equal(meta, "answer", 6);
	kit_read(&a);
	/* The way there ends while the way back is open. */
	kit_read(&b);
	assert_int_equal(rmdt_out_wait(there, KIT_WAIT_MS, NULL), 0);
	kit_write(back, MIB);
	rmdt_out_finish(back);
	assert_int_equal(rmdt_out_wait(back, KIT_WAIT_MS, NULL), 0);
	assert_int_equal(a.flow[0].bytes, 3 * MIB);
	assert_int_equal(b.flow[0].bytes, 3 * MIB);
	kit_stop_all(&a, &b);
}

static void test_priorities(void **state)
{
	struct kit_node a = { 0 }, b = { 0 };
	struct rmdt_out *out[3];
	struct rmdt_peer *peer;

	(void)state;
	kit_start_all(&a, &b);
	peer = kit_connect_up(&a, &b);
	for (unsigned i = 0; i < 3; i++) {
		struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .name = "p", .priority = i,
						.rate_bytes_per_s = i == 1 ? 20 * MIB : 0 };

		out[i] = kit_out(&a, &opt);
		assert_int_equal(rmdt_out_join(out[i], peer, 0), 0);
		kit_await(&b, RMDT_EVENT_IN_OPEN, i + 1);
		assert_int_equal(b.offer.priority, i);
	}
	for (unsigned i = 0; i < 3; i++) {
		kit_write(out[i], 4 * MIB);
		rmdt_out_finish(out[i]);
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rmdt_out_wait(out[i], KIT_WAIT_MS, NULL), 0);
		assert_int_equal(member(out[i], peer).state, RMDT_MEMBER_CONFIRMED);
	}
	kit_await_confirmed(&b, 3);
	kit_stop_all(&a, &b);
}

static void test_refusal(void **state)
{
	struct kit_node a = { 0 }, b = { .refuse_code = 2001, .refuse_reason = "not on a Sunday" };
	struct rmdt_peer *peer;
	struct rmdt_out *out;

	(void)state;
	kit_start_all(&a, &b);
	out = kit_out(&a, NULL);
	peer = kit_connect(&a, &b);
	rmdt_out_join(out, peer, 0);
	kit_write(out, 1000);
	rmdt_out_finish(out);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	assert_int_equal(member(out, peer).state, RMDT_MEMBER_LOST);
	assert_int_equal(member(out, peer).code, 2001);
	assert_string_equal(member(out, peer).reason, "not on a Sunday");
	kit_await(&a, RMDT_EVENT_OUT_LOST, 1);
	assert_int_equal(a.last[RMDT_EVENT_OUT_LOST].code, 2001);
	assert_int_equal(kit_count(&b, RMDT_EVENT_IN_OPEN), 0);
	kit_stop_all(&a, &b);
}

static void test_stop(void **state)
{
	struct kit_node a = { 0 }, b = { .keep = true };
	struct rmdt_peer *peer;
	struct rmdt_out *out;
	const uint8_t *ptr;

	(void)state;
	kit_start_all(&a, &b);
	out = kit_out(&a, NULL);
	peer = kit_connect(&a, &b);
	rmdt_out_join(out, peer, 0);
	kit_write(out, MIB);
	kit_await(&b, RMDT_EVENT_IN_OPEN, 1);
	assert_int_equal(rmdt_in_confirm(b.flow[0].in), -EAGAIN);
	assert_int_equal(rmdt_in_stop(b.flow[0].in, RMDT_CODE_OUTPUT, "disk full"), 0);
	kit_await(&a, RMDT_EVENT_OUT_LOST, 1);
	assert_int_equal(rmdt_out_wait(out, 0, NULL), 0);
	assert_int_equal(member(out, peer).code, RMDT_CODE_OUTPUT);
	assert_string_equal(member(out, peer).reason, "disk full");
	while (rmdt_in_peek(b.flow[0].in, &ptr, 0, NULL) > 0)
		rmdt_in_consume(b.flow[0].in, 1);
	assert_int_equal(rmdt_in_peek(b.flow[0].in, &ptr, 1000, NULL), -EPIPE);
	kit_stop_all(&a, &b);
}

static void test_reset(void **state)
{
	struct kit_node a = { 0 }, b = { .keep = true };
	struct rmdt_in_info info;
	struct rmdt_span span;
	struct rmdt_out *out;
	const uint8_t *ptr;

	(void)state;
	kit_start_all(&a, &b);
	out = kit_out(&a, NULL);
	rmdt_out_join(out, kit_connect(&a, &b), 0);
	kit_write(out, 1000);
	kit_await(&b, RMDT_EVENT_IN_READABLE, 1);
	assert_int_equal(rmdt_out_reset(out, 1001, "changed my mind"), 0);
	assert_int_equal(rmdt_out_reserve(out, 1, &span, 0, NULL), -EPIPE);
	kit_await(&b, RMDT_EVENT_IN_RESET, 1);
	assert_int_equal(b.last[RMDT_EVENT_IN_RESET].code, 1001);
	assert_string_equal(b.last[RMDT_EVENT_IN_RESET].reason, "changed my mind");
	rmdt_in_info(b.flow[0].in, &info);
	assert_true(info.broken);
	while (rmdt_in_peek(b.flow[0].in, &ptr, 0, NULL) > 0)
		rmdt_in_consume(b.flow[0].in, 1);
	assert_int_equal(rmdt_in_peek(b.flow[0].in, &ptr, -1, NULL), -EPIPE);
	kit_stop_all(&a, &b);
}

/* One receiver keeps up and the other reads nothing; what the sender finds when it need not wait for that one. */
static void lose_one(const char *policy, struct kit_node *a, struct kit_node *good, struct kit_node *bad,
		     uint64_t len, unsigned code)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .slow = policy };
	struct rmdt_peer *to_good, *to_bad;
	struct rmdt_out *out;

	bad->keep = true;
	kit_start_all(a, good, bad);
	out = kit_out(a, &opt);
	to_good = kit_connect_up(a, good);
	to_bad = kit_connect_up(a, bad);
	rmdt_out_join(out, to_good, 0);
	rmdt_out_join(out, to_bad, 0);
	kit_write(out, len);
	rmdt_out_finish(out);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	assert_int_equal(member(out, to_good).state, RMDT_MEMBER_CONFIRMED);
	assert_int_equal(member(out, to_bad).state, RMDT_MEMBER_LOST);
	assert_int_equal(member(out, to_bad).code, code);
}

/* A receiver that falls too far behind is named and sent away; the other gets everything at its own pace. */
static void test_policy_drop(void **state)
{
	struct kit_node a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	lose_one("drop:8M", &a, &b, &c, 100 * MIB, RMDT_CODE_BEHIND);
	kit_await(&c, RMDT_EVENT_IN_RESET, 1);
	assert_int_equal(c.flow[0].code, RMDT_CODE_BEHIND);
	assert_int_equal(b.flow[0].bytes, 100 * MIB);
	kit_stop_all(&a, &b, &c);
}

/* One of two is enough; the other gets the linger time and is then named. */
static void test_policy_quorum(void **state)
{
	struct kit_node a = { .settings = "linger=200ms" }, b = { 0 }, c = { 0 };

	(void)state;
	lose_one("quorum:1", &a, &b, &c, 2 * MIB, RMDT_CODE_LINGER);
	kit_stop_all(&a, &b, &c);
}

/* The far end goes away; the log is held, and the next association goes on where it was. */
static void test_join_again(void **state)
{
	struct rmdt_out_options opt = { .purpose = RMDT_FS, .name = "log", .hold = true };
	struct kit_node a = { 0 }, b = { .no_confirm = true }, again = { 0 };
	struct rmdt_peer *peer;
	struct rmdt_out *out;
	uint64_t consumed;

	(void)state;
	kit_start_all(&a, &b);
	out = kit_out(&a, &opt);
	peer = kit_connect_up(&a, &b);
	rmdt_out_join(out, peer, 0);
	kit_write(out, MIB);
	while (member(out, peer).consumed_off == 0)
		kit_await(&a, RMDT_EVENT_OUT_PROGRESS, kit_count(&a, RMDT_EVENT_OUT_PROGRESS));
	kit_stop(&b);
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 1);
	assert_int_equal(a.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_CLOSED);
	assert_int_equal(kit_count(&a, RMDT_EVENT_OUT_LOST), 1);
	consumed = member(out, peer).consumed_off;
	assert_true(consumed > 0);
	assert_int_equal(rmdt_out_join(out, peer, consumed), -ENOTCONN);
	rmdt_peer_free(peer);
	kit_write(out, MIB);

	again.port = b.port;
	snprintf(again.dir, sizeof(again.dir), "%s", "");
	kit_start(&again);
	peer = kit_connect(&a, &again);
	/* It has another key, and known_hosts says so. */
	rmdt_out_join(out, peer, consumed);
	kit_await(&a, RMDT_EVENT_PEER_DOWN, 2);
	assert_int_equal(a.last[RMDT_EVENT_PEER_DOWN].code, RMDT_CODE_KEY_CHANGED);
	kit_stop(&again);
	memset(&again, 0, sizeof(again));
	kit_start(&again);
	peer = kit_connect(&a, &again);
	rmdt_out_join(out, peer, consumed);
	rmdt_out_finish(out);
	assert_int_equal(rmdt_out_wait(out, KIT_WAIT_MS, NULL), 0);
	assert_int_equal(member(out, peer).state, RMDT_MEMBER_CONFIRMED);
	assert_int_equal(again.flow[0].start_off, consumed);
	assert_int_equal(again.flow[0].bytes, 2 * MIB - consumed);
	assert_false(again.flow[0].bad);
	kit_stop_all(&a, &again);
}

/* With an argument: only the tests whose name matches it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_receivers),
		cmocka_unit_test(test_empty), cmocka_unit_test(test_progress_is_told_if_wanted),
		cmocka_unit_test(test_join_later),
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_reverse),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_policy_drop),
		cmocka_unit_test(test_policy_quorum),
		cmocka_unit_test(test_join_again),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

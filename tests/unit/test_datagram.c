/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "tunnel/datagram.h"
#include "tunnel/joiner.h"

static const int owner_a, owner_b;

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + (i >> 8));
}

static void fill(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = pattern(i);
}

static bool is_filled(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != pattern(i))
			return false;
	return true;
}

static void test_messages(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int rc;
		struct datagram d;	/* data: not compared, len is */
	} rows[] = {
		{ "", 0, -EPROTO, { 0 } },
		{ "\0\1x", 3, -EPROTO, { 0 } },
		{ "\4\1x", 3, -EPROTO, { 0 } },
		{ "\1", 1, -EPROTO, { 0 } },
		{ "\1\5", 2, 0, { .kind = DATAGRAM_WHOLE, .session = 5 } },
		{ "\1\5xy", 4, 0, { .kind = DATAGRAM_WHOLE, .session = 5, .len = 2 } },
		{ "\1\x80\1", 3, 0, { .kind = DATAGRAM_WHOLE, .session = 128 } },
		{ "\1\x80\0", 3, -EPROTO, { 0 } },	/* 0 can be said shorter */
		{ "\1\x80", 2, -EPROTO, { 0 } },
		{ "\1\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, 0, { .kind = DATAGRAM_WHOLE, .session = INT64_MAX } },
		{ "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 11, -EPROTO, { 0 } },
		{ "\2\1\2\0\2x", 6, 0, { .kind = DATAGRAM_PIECE, .session = 1, .number = 2, .count = 2, .len = 1 } },
		{ "\2\1\2\1\2x", 6, 0, { .kind = DATAGRAM_PIECE, .session = 1, .number = 2, .index = 1, .count = 2, .len = 1 } },
		{ "\2\1\2\2\2x", 6, -EPROTO, { 0 } },
		{ "\2\1\2\0\1x", 6, -EPROTO, { 0 } },
		{ "\2\1\2\0\2", 5, -EPROTO, { 0 } },
		{ "\2\1\2\0", 4, -EPROTO, { 0 } },
		{ "\3\7", 2, 0, { .kind = DATAGRAM_OVER, .session = 7 } },
		{ "\3\7x", 3, -EPROTO, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct datagram d = { .session = 99 };
		uint8_t back[16];

		assert_int_equal(datagram_read(rows[i].bytes, rows[i].len, &d), rows[i].rc);
		if (rows[i].rc) {
			assert_int_equal(d.session, 99);
			continue;
		}
		assert_int_equal(d.kind, rows[i].d.kind);
		assert_int_equal(d.session, rows[i].d.session);
		assert_int_equal(d.number, rows[i].d.number);
		assert_int_equal(d.index, rows[i].d.index);
		assert_int_equal(d.count, rows[i].d.count);
		assert_int_equal(d.len, rows[i].d.len);
		assert_int_equal(datagram_write(&d, back, sizeof(back)), rows[i].len);
		assert_memory_equal(back, rows[i].bytes, rows[i].len);
		assert_int_equal(datagram_write(&d, back, rows[i].len - 1), -EMSGSIZE);
	}
}

/* Cuts, hands over in an order, joins; how many messages that took. */
static unsigned there_and_back(size_t len, size_t max, uint64_t session, bool backwards)
{
	uint8_t *data = malloc(len + 1),
		(*message)[2048] = malloc(DATAGRAM_PIECES_MAX * sizeof(*message));
	struct datagram whole = { .session = session, .number = 1000, .data = data, .len = len };
	size_t bytes[DATAGRAM_PIECES_MAX], n = 0, got = SIZE_MAX;
	const uint8_t *out = NULL;
	struct datagram_cut cut;
	struct joiner j = { 0 };
	struct datagram d;

	fill(data, len);
	assert_int_equal(datagram_cut_init(&cut, &whole, max), 0);
	while ((bytes[n] = datagram_cut_next(&cut, message[n], max)) > 0) {
		assert_true(bytes[n] <= max);
		n++;
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = backwards ? n - 1 - i : i;

		assert_int_equal(datagram_read(message[at], bytes[at], &d), 0);
		assert_int_equal(d.session, session);
		assert_null(out);
		if (d.kind == DATAGRAM_WHOLE) {
			assert_int_equal(n, 1);
			out = d.data;
			got = d.len;
		} else {
			assert_int_equal(d.count, n);
			out = joiner_add(&j, &owner_a, &d, 1, &got);
		}
	}
	assert_non_null(out);
	assert_int_equal(got, len);
	assert_true(is_filled(out, got));
	assert_int_equal(j.n, 0);
	assert_int_equal(j.bytes, 0);
	joiner_fini(&j);
	free(message);
	free(data);
	return (unsigned)n;
}

static void test_cut(void **state)
{
	struct datagram whole = { .session = 1, .data = (const uint8_t *)"", .len = DATAGRAM_BYTES };
	struct datagram_cut cut;

	(void)state;
	assert_int_equal(there_and_back(0, 1200, 1, false), 1);
	assert_int_equal(there_and_back(1, 1200, 1, false), 1);
	assert_int_equal(there_and_back(1198, 1200, 1, false), 1);
	assert_int_equal(there_and_back(1199, 1200, 1, false), 2);
	assert_int_equal(there_and_back(1197, 1200, 300, false), 1);
	assert_int_equal(there_and_back(1198, 1200, 300, true), 2);
	for (size_t len = 1; len < 3000; len += 13)
		for (size_t max = 30; max < 1500; max += 97)
			there_and_back(len, max, len * max, len % 2);
	assert_true(there_and_back(60000, 1170, 5, true) <= 52);
	assert_true(there_and_back(DATAGRAM_BYTES, 1170, UINT64_C(1) << 60, false) <= 57);
	/* More than 255 pieces, or no room for a header. */
	assert_int_equal(datagram_cut_init(&cut, &whole, 200), -EMSGSIZE);
	assert_int_equal(datagram_cut_init(&cut, &whole, 5), -EMSGSIZE);
	assert_int_equal(datagram_cut_init(&cut, &whole, 0), -EMSGSIZE);
}

static const uint8_t *add(struct joiner *j, const void *owner, uint64_t number, unsigned index,
			  unsigned count, size_t len,
			  uint64_t now_us)
{
	static uint8_t data[DATAGRAM_BYTES];
	struct datagram d = { .kind = DATAGRAM_PIECE, .number = number, .index = index, .count = count, .data = data, .len = len };
	size_t got;

	return joiner_add(j, owner, &d, now_us, &got);
}

static void test_bounds(void **state)
{
	struct joiner j = { 0 };

	(void)state;
	/*
	 * Eight of a session: the ninth takes the place of the oldest. Another session is another
	 * matter.
	 */
	for (uint64_t n = 0; n < 8; n++)
		assert_null(add(&j, &owner_a, n, 0, 2, 10, 1));
	assert_null(add(&j, &owner_b, 0, 0, 2, 10, 1));
	assert_int_equal(j.dropped, 0);
	assert_null(add(&j, &owner_a, 8, 0, 2, 10, 1));
	assert_int_equal(j.dropped, 1);
	assert_non_null(add(&j, &owner_a, 1, 1, 2, 10, 1));
	assert_non_null(add(&j, &owner_b, 0, 1, 2, 10, 1));
	/* The rest of what was dropped begins anew and waits in vain. */
	assert_null(add(&j, &owner_a, 0, 1, 2, 10, 2));
	assert_int_equal(j.n, 8);
	joiner_forget(&j, &owner_a);
	assert_int_equal(j.n, 0);
	assert_int_equal(j.bytes, 0);
	assert_int_equal(j.dropped, 1);
	/* Half a second is the end. */
	assert_null(add(&j, &owner_a, 1, 0, 2, 10, 1000));
	assert_null(add(&j, &owner_a, 2, 0, 2, 10, 2000));
	joiner_expire(&j, 1000 + JOINER_PATIENCE_US);
	assert_int_equal(j.n, 2);
	joiner_expire(&j, 1001 + JOINER_PATIENCE_US);
	assert_int_equal(j.n, 1);
	assert_int_equal(j.dropped, 2);
	/* The same piece again, pieces that disagree, and more than UDP can have. */
	assert_null(add(&j, &owner_a, 2, 0, 2, 10, 2001));
	assert_int_equal(j.dropped, 2);
	assert_null(add(&j, &owner_a, 2, 1, 3, 10, 2001));
	assert_int_equal(j.dropped, 3);
	assert_null(add(&j, &owner_a, 3, 0, 2, 65507, 2001));
	assert_null(add(&j, &owner_a, 3, 1, 2, 1, 2001));
	assert_int_equal(j.dropped, 4);
	assert_int_equal(j.n, 0);
	joiner_fini(&j);
}

/*
 * Whatever comes, memory stays within the bound, and nothing is lost that is whole within a moment.
 */
static void test_memory(void **state)
{
	struct joiner j = { 0 };
	int owners[100];
	uint64_t now_us = 0;

	(void)state;
	srand(11);
	for (uint64_t i = 0; i < 20000; i++) {
		const void *owner = &owners[rand() % 100];

		now_us += (uint64_t)rand() % 2000;
		assert_null(add(&j, owner, i, 0, 3 + (unsigned)rand() % 50,
				1 + (size_t)rand() % 5000, now_us));
		assert_true(j.bytes <= JOINER_BYTES_MAX + 8192);
		assert_true(j.n <= JOINER_MAX);
		if (i % 10)
			continue;
		assert_null(add(&j, owner, i + 100000, 0, 2, 30000, now_us));
		assert_non_null(add(&j, owner, i + 100000, 1, 2, 30000, now_us));
	}
	assert_true(j.dropped > 15000);
	joiner_fini(&j);
	assert_int_equal(j.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages), cmocka_unit_test(test_cut),
			cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_integers_are_big_endian(void **state)
{
	static const uint8_t want[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
					0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f };
	uint8_t buf[sizeof(want)];
	struct rmdt_wire_writer w;
	struct rmdt_wire_reader r;

	(void)state;
	rmdt_wire_writer_init(&w, buf, sizeof(buf));
	rmdt_wire_put_u8(&w, 0x01);
	rmdt_wire_put_u16(&w, 0x0203);
	rmdt_wire_put_u32(&w, 0x04050607);
	rmdt_wire_put_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
	assert_false(w.bad);
	assert_int_equal(rmdt_wire_written(&w), sizeof(want));
	assert_int_equal(rmdt_wire_space(&w), 0);
	assert_memory_equal(buf, want, sizeof(want));

	rmdt_wire_reader_init(&r, buf, sizeof(buf));
	assert_int_equal(rmdt_wire_get_u8(&r), 0x01);
	assert_int_equal(rmdt_wire_get_u16(&r), 0x0203);
	assert_int_equal(rmdt_wire_get_u32(&r), 0x04050607);
	assert_true(rmdt_wire_get_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
	assert_int_equal(rmdt_wire_remaining(&r), 0);
	assert_false(r.bad);
}

static void test_varint_rows(void **state)
{
	static const struct {
		uint64_t value;
		size_t len;
		uint8_t bytes[8];
	} rows[] = {
		{ 0, 1, { 0x00 } },
		{ 0x3f, 1, { 0x3f } },
		{ 0x40, 2, { 0x40, 0x40 } },
		{ 0x3fff, 2, { 0x7f, 0xff } },
		{ 0x4000, 4, { 0x80, 0x00, 0x40, 0x00 } },
		{ 0x3fffffff, 4, { 0xbf, 0xff, 0xff, 0xff } },
		{ 0x40000000, 8, { 0xc0, 0, 0, 0, 0x40, 0, 0, 0 } },
		{ RMDT_WIRE_VARINT_MAX, 8, { 255, 255, 255, 255, 255, 255, 255, 255 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t buf[8];
		struct rmdt_wire_writer w;
		struct rmdt_wire_reader r;

		assert_int_equal(rmdt_wire_varint_len(rows[i].value), rows[i].len);
		rmdt_wire_writer_init(&w, buf, rows[i].len);
		rmdt_wire_put_varint(&w, rows[i].value);
		assert_false(w.bad);
		assert_int_equal(rmdt_wire_written(&w), rows[i].len);
		assert_memory_equal(buf, rows[i].bytes, rows[i].len);

		rmdt_wire_reader_init(&r, buf, rows[i].len);
		assert_true(rmdt_wire_get_varint(&r) == rows[i].value);
		assert_false(r.bad);

		rmdt_wire_reader_init(&r, buf, rows[i].len - 1);
		assert_int_equal(rmdt_wire_get_varint(&r), 0);
		assert_true(r.bad);

		rmdt_wire_writer_init(&w, buf, rows[i].len - 1);
		rmdt_wire_put_varint(&w, rows[i].value);
		assert_true(w.bad);
		assert_int_equal(rmdt_wire_written(&w), 0);
	}
}

static void test_varint_too_large(void **state)
{
	uint8_t buf[16];
	struct rmdt_wire_writer w;

	(void)state;
	assert_int_equal(rmdt_wire_varint_len(RMDT_WIRE_VARINT_MAX + 1), 0);
	rmdt_wire_writer_init(&w, buf, sizeof(buf));
	rmdt_wire_put_varint(&w, UINT64_MAX);
	assert_true(w.bad);
	assert_int_equal(rmdt_wire_written(&w), 0);
}

static void test_reader_error_sticks(void **state)
{
	static const uint8_t data[] = { 1, 2, 3, 4 };
	uint8_t dst[4] = { 9, 9, 9, 9 };
	struct rmdt_wire_reader r;

	(void)state;
	rmdt_wire_reader_init(&r, data, sizeof(data));
	rmdt_wire_skip(&r, 1);
	assert_int_equal(rmdt_wire_get_u32(&r), 0);
	assert_true(r.bad);
	assert_int_equal(rmdt_wire_get_u8(&r), 0);
	assert_null(rmdt_wire_get_span(&r, 0));
	rmdt_wire_get_bytes(&r, dst, 1);
	assert_int_equal(dst[0], 9);
	assert_int_equal(rmdt_wire_remaining(&r), 0);

	rmdt_wire_reader_init(&r, data, sizeof(data));
	rmdt_wire_skip(&r, SIZE_MAX);
	assert_true(r.bad);
	rmdt_wire_reader_init(&r, NULL, 0);
	rmdt_wire_get_bytes(&r, dst, 0);
	assert_false(r.bad);
	assert_int_equal(rmdt_wire_get_varint(&r), 0);
	assert_true(r.bad);
}

static void test_sub_reader(void **state)
{
	static const uint8_t data[] = { 1, 2, 3, 4 };
	struct rmdt_wire_reader r, sub;

	(void)state;
	rmdt_wire_reader_init(&r, data, sizeof(data));
	sub = rmdt_wire_get_reader(&r, 3);
	assert_int_equal(rmdt_wire_remaining(&sub), 3);
	assert_int_equal(rmdt_wire_remaining(&r), 1);
	assert_int_equal(rmdt_wire_get_u16(&sub), 0x0102);
	assert_int_equal(rmdt_wire_get_u16(&sub), 0);
	assert_true(sub.bad);
	assert_false(r.bad);
	assert_int_equal(rmdt_wire_get_u8(&r), 4);
	sub = rmdt_wire_get_reader(&r, 1);
	assert_true(sub.bad);
	assert_true(r.bad);
}

static void test_writer_never_overruns(void **state)
{
	uint8_t buf[8];
	struct rmdt_wire_writer w;

	(void)state;
	memset(buf, 0xee, sizeof(buf));
	rmdt_wire_writer_init(&w, buf, 5);
	rmdt_wire_put_u32(&w, 1);
	rmdt_wire_put_u16(&w, 2);
	assert_true(w.bad);
	/* One byte would fit, but the frame is broken already. */
	rmdt_wire_put_u8(&w, 3);
	rmdt_wire_put_zeros(&w, 1);
	rmdt_wire_put_bytes(&w, "x", 1);
	assert_int_equal(rmdt_wire_written(&w), 4);
	assert_int_equal(rmdt_wire_space(&w), 0);
	assert_int_equal(buf[4], 0xee);
}

static void test_writer_rewinds(void **state)
{
	uint8_t buf[8];
	struct rmdt_wire_writer w;
	size_t mark;

	(void)state;
	rmdt_wire_writer_init(&w, buf, sizeof(buf));
	rmdt_wire_put_u16(&w, 0);
	mark = rmdt_wire_mark(&w);
	rmdt_wire_put_u32(&w, 7);
	rmdt_wire_put_u64(&w, 7);
	assert_true(w.bad);
	assert_true(rmdt_wire_mark(&w) == RMDT_WIRE_BAD_MARK);
	rmdt_wire_rewind(&w, RMDT_WIRE_BAD_MARK);
	assert_true(w.bad);
	rmdt_wire_rewind(&w, mark);
	assert_false(w.bad);
	assert_int_equal(rmdt_wire_written(&w), 2);
	rmdt_wire_put_bytes(&w, "abcdef", 6);
	rmdt_wire_patch_u16(&w, 0, 0x1234);
	assert_false(w.bad);
	assert_memory_equal(buf, "\x12\x34"
				 "abcdef",
			    8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers_are_big_endian),
		cmocka_unit_test(test_varint_rows),
		cmocka_unit_test(test_varint_too_large),
		cmocka_unit_test(test_reader_error_sticks),
		cmocka_unit_test(test_sub_reader),
		cmocka_unit_test(test_writer_never_overruns),
		cmocka_unit_test(test_writer_rewinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

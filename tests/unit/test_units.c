/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/units.h"

struct row {
	const char *text;
	int err;
	uint64_t value;
};

typedef int parser(const char *text, uint64_t *value, char *why, size_t why_bytes);

static void run(parser *parse, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = 4711;
		char why[256] = "";
		int err = parse(rows[i].text, &value, why, sizeof(why));

		if (err != rows[i].err || value != (err ? 4711 : rows[i].value))
			fail_msg("\"%s\" gives %d and %llu", rows[i].text, err,
				 (unsigned long long)value);
		if (err && (why[0] != '"' || !strstr(why, rows[i].text)))
			fail_msg("\"%s\" is not named: %s", rows[i].text, why);
	}
}

#define RUN(parse, rows) run(parse, rows, sizeof(rows) / sizeof((rows)[0]))

static void test_sizes(void **state)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "4096", 0, 4096 },
		{ "500M", 0, 500000000 },
		{ "64k", 0, 64000 },
		{ "64K", 0, 64000 },
		{ "64Ki", 0, 65536 },
		{ "1.5G", 0, 1500000000 },
		{ "1.5Gi", 0, 1610612736 },
		{ "2T", 0, 2000000000000 },
		{ "1Ti", 0, 1ull << 40 },
		{ "12B", 0, 12 },
		{ "12 MB", 0, 12000000 },
		{ "4MiB", 0, 4194304 },
		{ "0.001k", 0, 1 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "18446745T", -ERANGE, 0 },
		{ "0.0001k", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1  M", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "1.M", -EINVAL, 0 },
		{ ".5M", -EINVAL, 0 },
		{ "1.2.3M", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1e6", -EINVAL, 0 },
		{ "1m", -EINVAL, 0 },
		{ "1MM", -EINVAL, 0 },
		{ "M", -EINVAL, 0 },
		{ "1Mbit", -EINVAL, 0 },
		{ "1.0000000000000k", -EINVAL, 0 },
	};

	(void)state;
	RUN(rmdt_units_parse_size, rows);
}

static void test_rates(void **state)
{
	static const struct row rows[] = {
		{ "10G", 0, 10000000000 },
		{ "940M", 0, 940000000 },
		{ "2.5Gbit/s", 0, 2500000000 },
		{ "940 Mbit/s", 0, 940000000 },
		{ "100kbps", 0, 100000 },
		{ "7bit/s", 0, 7 },
		{ "7", 0, 7 },
		{ "7Mi", -EINVAL, 0 },
		{ "7MB/s", -EINVAL, 0 },
		{ "7/s", -EINVAL, 0 },
		{ "fast", -EINVAL, 0 },
	};

	(void)state;
	RUN(rmdt_units_parse_rate, rows);
}

static void test_durations(void **state)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "200us", 0, 200 },
		{ "50ms", 0, 50000 },
		{ "1.5s", 0, 1500000 },
		{ "10m", 0, 600000000 },
		{ "1h", 0, 3600000000 },
		{ "5 s", 0, 5000000 },
		{ "5", -EINVAL, 0 },
		{ "5S", -EINVAL, 0 },
		{ "5M", -EINVAL, 0 },
		{ "0.5us", -EINVAL, 0 },
		{ "5124095577h", -ERANGE, 0 },
	};

	(void)state;
	RUN(rmdt_units_parse_duration, rows);
}

static void test_percents(void **state)
{
	uint32_t ppm = 5;
	char why[128];

	(void)state;
	assert_int_equal(rmdt_units_parse_percent("10%", &ppm, why, sizeof(why)), 0);
	assert_int_equal(ppm, 100000);
	assert_int_equal(rmdt_units_parse_percent("0.5%", &ppm, why, sizeof(why)), 0);
	assert_int_equal(ppm, 5000);
	assert_int_equal(rmdt_units_parse_percent("100%", &ppm, why, sizeof(why)), 0);
	assert_int_equal(ppm, 1000000);
	assert_int_equal(rmdt_units_parse_percent("100.01%", &ppm, why, sizeof(why)), -ERANGE);
	assert_string_equal(why, "\"100.01%\" is more than 100%");
	assert_int_equal(rmdt_units_parse_percent("10", &ppm, why, sizeof(why)), -EINVAL);
	assert_int_equal(rmdt_units_parse_percent("99999999999%", &ppm, why, sizeof(why)), -ERANGE);
	assert_int_equal(ppm, 1000000);
}

static void test_messages(void **state)
{
	uint64_t value;
	char why[20];

	(void)state;
	assert_int_equal(rmdt_units_parse_size("12Q", &value, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "\"12Q\" is not a size");
	assert_int_equal(rmdt_units_parse_size("12Q", &value, NULL, 0), -EINVAL);
}

struct shown {
	uint64_t value;
	const char *text;
};

typedef char *formatter(uint64_t value, char *buf, size_t buf_bytes);

static void show(formatter *format, const struct shown *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char buf[RMDT_UNITS_TEXT_BYTES];

		assert_string_equal(format(rows[i].value, buf, sizeof(buf)), rows[i].text);
	}
}

#define SHOW(format, rows) show(format, rows, sizeof(rows) / sizeof((rows)[0]))

static void test_formats(void **state)
{
	static const struct shown sizes[] = {
		{ 0, "0 B" },
		{ 999, "999 B" },
		{ 1000, "1.00 kB" },
		{ 1234567, "1.23 MB" },
		{ 15000000, "15.0 MB" },
		{ 999499, "999 kB" },
		{ 999500, "1.00 MB" },
		{ 9994999, "9.99 MB" },
		{ 9995000, "10.0 MB" },
		{ 99950000, "100 MB" },
		{ 1500000000, "1.50 GB" },
		{ UINT64_MAX, "18446744 TB" },
	};
	static const struct shown rates[] = {
		{ 0, "0 bit/s" },
		{ 940000000, "940 Mbit/s" },
		{ 9870000000, "9.87 Gbit/s" },
	};
	static const struct shown times[] = {
		{ 0, "0 us" },
		{ 999, "999 us" },
		{ 1250, "1.25 ms" },
		{ 59400000, "59.4 s" },
		{ 59500000, "1m00s" },
		{ 90000000, "1m30s" },
		{ 3599499999, "59m59s" },
		{ 3600000000, "1h00m" },
		{ 7500000000, "2h05m" },
	};
	char buf[RMDT_UNITS_TEXT_BYTES];

	(void)state;
	SHOW(rmdt_units_format_size, sizes);
	SHOW(rmdt_units_format_rate, rates);
	SHOW(rmdt_units_format_duration, times);
	assert_string_equal(rmdt_units_format_percent(5000, buf, sizeof(buf)), "0.50%");
	assert_string_equal(rmdt_units_format_percent(123456, buf, sizeof(buf)), "12.3%");
	assert_string_equal(rmdt_units_format_percent(1000000, buf, sizeof(buf)), "100%");
	assert_string_equal(rmdt_units_format_size(1234567, buf, 4), "1.2");
}

static void test_exact(void **state)
{
	static const struct shown sizes[] = {
		{ 0, "0" }, { 4097, "4097" }, { 500000000, "500M" }, { 65536, "64Ki" },
		{ 1ull << 40, "1Ti" }, { 1024000, "1000Ki" },
	};
	static const struct shown times[] = {
		{ 0, "0" }, { 5000000, "5s" }, { 1500000, "1500ms" },
		{ 7200000000, "2h" }, { 7, "7us" },
	};

	(void)state;
	SHOW(rmdt_units_exact_size, sizes);
	SHOW(rmdt_units_exact_duration, times);
}

/* What is written exactly is read back the same. */
static void test_round_trip(void **state)
{
	uint64_t x = 88172645463325252ull;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char buf[RMDT_UNITS_TEXT_BYTES], why[64];
		uint64_t value, back;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		value = (x >> (x & 63)) * (i % 3 ? 1 : 1024000);
		rmdt_units_exact_size(value, buf, sizeof(buf));
		assert_int_equal(rmdt_units_parse_size(buf, &back, why, sizeof(why)), 0);
		assert_true(back == value);
		rmdt_units_exact_duration(value, buf, sizeof(buf));
		assert_int_equal(rmdt_units_parse_duration(buf, &back, why, sizeof(why)), 0);
		assert_true(back == value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_percents),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

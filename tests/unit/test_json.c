/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/json.h"

static void write_all(struct json *j)
{
	json_object(j, NULL);
	json_text(j, "a\"b", "x\\y\n\"\x01");
	json_number(j, "n", UINT64_MAX);
	json_array(j, "list");
	json_number(j, NULL, 1);
	json_object(j, NULL);
	json_flag(j, "yes", true);
	json_end(j);
	json_array(j, NULL);
	json_end(j);
	json_end(j);
	json_seconds(j, "s", 1500000);
	json_end(j);
}

static const char all[] = "{\"a\\\"b\":\"x\\\\y\\u000a\\\"\\u0001\",\"n\":18446744073709551615,"
	"\"list\":[1,{\"yes\":true},[]],\"s\":1.500000}";

static void test_write(void **state)
{
	char buf[256];
	struct json j;

	(void)state;
	json_init(&j, buf, sizeof(buf));
	write_all(&j);
	assert_false(j.cut);
	assert_string_equal(buf, all);
	assert_int_equal(j.len, strlen(all));
}

/* In every size: never beyond the end, and what is there is whole JSON (or nothing). */
static void test_cut(void **state)
{
	(void)state;
	for (size_t size = 1; size < sizeof(all) + 10; size++) {
		char *buf = malloc(size);
		struct json j;

		json_init(&j, buf, size);
		write_all(&j);
		assert_true(j.len < size);
		assert_int_equal(strlen(buf), j.len);
		if (j.len > 0)
			assert_int_equal(json_read(buf, j.len).len, j.len);
		if (j.cut)
			assert_true(size < sizeof(all) + 10);
		else
			assert_string_equal(buf, all);
		free(buf);
	}
}

static void test_read(void **state)
{
	static const char text[] = " { \"a\" : \"x\\u0041\\n\\\"\" , \"b\":[ 1 ,{\"c\":-2.5e3}, \"]\", [] ],\"d\":true , \"e\" : {} } ";
	struct json_value v = json_read(text, strlen(text)), list, at = { 0 };
	char buf[16];

	(void)state;
	assert_int_equal(*v.at, '{');
	assert_string_equal(json_get_text(json_member(v, "a"), buf, sizeof(buf)), "xA?\"");
	assert_string_equal(json_get_text(json_member(v, "a"), buf, 3), "xA");
	assert_true(json_get_flag(json_member(v, "d")));
	assert_int_equal(json_member(v, "x").len, 0);
	assert_int_equal(json_member(json_member(v, "e"), "x").len, 0);
	assert_string_equal(json_get_text(json_member(v, "x"), buf, sizeof(buf)), "");
	list = json_member(v, "b");
	at = json_next(list, at);
	assert_int_equal(json_get_number(at), 1);
	at = json_next(list, at);
	assert_int_equal(json_member(at, "c").len, 6);
	at = json_next(list, at);
	assert_string_equal(json_get_text(at, buf, sizeof(buf)), "]");
	at = json_next(list, at);
	assert_int_equal(at.len, 2);
	assert_int_equal(json_next(at, (struct json_value){ 0 }).len, 0);
	at = json_next(list, at);
	assert_int_equal(at.len, 0);
}

static void walk(struct json_value v, unsigned depth)
{
	char buf[32];

	json_get_text(v, buf, sizeof(buf));
	(void)json_get_number(v);
	(void)json_member(v, "n");
	if (depth > 4)
		return;
	for (struct json_value at = json_next(v, (struct json_value){ 0 }); at.len; at = json_next(v, at))
		walk(at, depth + 1);
	walk(json_member(v, "list"), depth + 1);
}

/* Anything may come, and nothing is read beyond its end. */
static void test_garbage(void **state)
{
	static const char *const bad[] = { "", "{", "[", "{\"a\"", "{\"a\":", "{\"a\":1", "[1,", "[1,]", "{,}", "{\"a\":1,}", "\"",
		"\"\\", "[\"\\", "}", "{a:1}", "[1 2]", "{\"a\" 1}" };
	char deep[200];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t len = strlen(bad[i]);
		char *copy = malloc(len + 1);

		memcpy(copy, bad[i], len);
		assert_int_equal(json_read(copy, len).len, 0);
		free(copy);
	}
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	assert_int_equal(json_read(deep, 200).len, 0);
	srand(5);
	for (int i = 0; i < 20000; i++) {
		size_t len = sizeof(all) - 1;
		char *copy = malloc(len);

		memcpy(copy, all, len);
		for (int k = 0; k < 1 + i % 5; k++)
			copy[(size_t)rand() % len] = "{}[]\",:\\1at u"[rand() % 13];
		walk(json_read(copy, len - (size_t)rand() % len), 0);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write), cmocka_unit_test(test_cut),
			cmocka_unit_test(test_read),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/text.h"

static void test_build(void **state)
{
	char buf[64];
	struct rmdt_text text;

	(void)state;
	rmdt_text_init(&text, buf, sizeof(buf));
	assert_string_equal(buf, "");
	rmdt_text_add(&text, "a ");
	rmdt_text_add_u64(&text, 0);
	rmdt_text_add_char(&text, ' ');
	rmdt_text_add_u64(&text, UINT64_MAX);
	assert_string_equal(buf, "a 0 18446744073709551615");
}

static void test_cut_off_and_terminated(void **state)
{
	char buf[8];
	struct rmdt_text text;

	(void)state;
	memset(buf, 'x', sizeof(buf));
	rmdt_text_init(&text, buf, 5);
	rmdt_text_add(&text, "abcdefgh");
	assert_string_equal(buf, "abcd");
	assert_int_equal(buf[5], 'x');
	rmdt_text_init(&text, buf, 0);
	rmdt_text_add(&text, "z");
	assert_string_equal(buf, "abcd");
	rmdt_text_init(&text, NULL, 0);
	rmdt_text_add_u64(&text, 1);
}

static void test_quoted(void **state)
{
	char buf[200], longer[100];
	struct rmdt_text text;

	(void)state;
	rmdt_text_init(&text, buf, sizeof(buf));
	rmdt_text_add_quoted(&text, "a\n\x1b\xff" "b", 5);
	assert_string_equal(buf, "\"a???b\"");
	memset(longer, 'y', sizeof(longer));
	rmdt_text_init(&text, buf, sizeof(buf));
	rmdt_text_add_quoted(&text, longer, sizeof(longer));
	assert_int_equal(strlen(buf), 64 + 5);
	assert_string_equal(buf + 65, "...\"");
	rmdt_text_fault(buf, sizeof(buf), "5x", "is odd");
	assert_string_equal(buf, "\"5x\" is odd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_cut_off_and_terminated),
		cmocka_unit_test(test_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

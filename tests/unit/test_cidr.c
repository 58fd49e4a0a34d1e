/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "core/cidr.h"

static struct rmdt_trust_addr addr(const char *text)
{
	struct rmdt_trust_addr a;

	assert_int_equal(rmdt_trust_addr_parse(text, &a), 0);
	return a;
}

static void test_match(void **state)
{
	static const struct {
		const char *cidr, *addr;
		bool has;
	} rows[] = {
		{ "192.0.2.0/24", "192.0.2.0", true },
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.0/24", "192.0.1.255", false },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.128/25", "192.0.2.128", true },
		{ "192.0.2.4/30", "192.0.2.7", true },
		{ "192.0.2.4/30", "192.0.2.8", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1/32", "192.0.2.0", false },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "192.0.2.1", false },
		{ "128.0.0.0/1", "128.0.0.0", true },
		{ "128.0.0.0/1", "127.255.255.255", false },
		{ "2001:db8::/32", "2001:db8:ffff::1", true },
		{ "2001:db8::/32", "2001:db9::", false },
		{ "2001:db8::/33", "2001:db8:8000::", false },
		{ "::1", "::1", true },
		{ "::1", "::2", false },
		/* Mapped addresses are the IPv4 addresses in them, in rules and in questions. */
		{ "192.0.2.0/24", "::ffff:192.0.2.9", true },
		{ "::ffff:192.0.2.0/120", "192.0.2.9", true },
		{ "::ffff:192.0.2.0/120", "192.0.3.9", false },
		{ "::ffff:0.0.0.0/96", "10.0.0.1", true },
		{ "::/0", "::ffff:192.0.2.9", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct rmdt_trust_addr a = addr(rows[i].addr);
		struct rmdt_trust_cidr c;

		assert_int_equal(rmdt_trust_cidr_parse(rows[i].cidr, strlen(rows[i].cidr), &c), 0);
		assert_int_equal(rmdt_trust_cidr_has(&c, &a), rows[i].has);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"", "/", "/8", "192.0.2", "192.0.2.256", "192.0.2.0/33", "192.0.2.0/", "host/24",
		"192.0.2.1/24", "192.0.2.0/-1", "192.0.2.0/+24", "192.0.2.0/024", "192.0.2.0/24/24",
		"192.0.2.0/ 24", " 192.0.2.0/24", "192.0.2.0/24x", "192.0.2.0/999999999999",
			"::/129",
		"2001:db8::1/32", "[::1]", "::1%lo", "0.0.0.1/0", "::ffff:192.0.2.0/90",
		"1111111111111111111111111111111111111111111111111111111111111111111111",
	};
	struct rmdt_trust_cidr c = { .bits = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(rmdt_trust_cidr_parse(bad[i], strlen(bad[i]), &c), -EINVAL);
	assert_int_equal(rmdt_trust_cidr_parse("10.0.0.0\0/8", 11, &c), -EINVAL);
	assert_int_equal(c.bits, 77);
	/* Only len bytes are looked at. */
	assert_int_equal(rmdt_trust_cidr_parse("10.0.0.0/8,x", 10, &c), 0);
	assert_int_equal(c.bits, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

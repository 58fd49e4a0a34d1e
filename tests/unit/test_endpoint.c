/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/endpoint.h"

#define BARE RMDT_ENDPOINT_BARE_PORT
#define NEED RMDT_ENDPOINT_NEED_HOST
#define EMPTY RMDT_ENDPOINT_EMPTY_OK

struct row {
	const char *text;
	unsigned flags;
	const char *host;		/* NULL: refused */
	uint16_t port;
	bool has_port;
};

static const struct row rows[] = {
	{ "host", 0, "host", 2312, false },
	{ "host1.example.org:99", 0, "host1.example.org", 99, true },
	{ "a_b-c", 0, "a_b-c", 2312, false },
	{ "example.org.", 0, "example.org.", 2312, false },
	{ "10.0.0.1", 0, "10.0.0.1", 2312, false },
	{ "10.0.0.1:65535", 0, "10.0.0.1", 65535, true },
	{ ":2312", 0, "", 2312, true },
	{ "::1", 0, "::1", 2312, false },
	{ "::", 0, "::", 2312, false },
	{ "fe80::1%eth0", 0, "fe80::1%eth0", 2312, false },
	{ "[::1]", 0, "::1", 2312, false },
	{ "[::1]:7", 0, "::1", 7, true },
	{ "[fe80::1%eth0.5]:7", 0, "fe80::1%eth0.5", 7, true },
	{ "::ffff:1.2.3.4", 0, "::ffff:1.2.3.4", 2312, false },
	{ "2202", BARE, "", 2202, true },
	{ "", EMPTY, "", 2312, false },
	{ "1host", 0, "1host", 2312, false },
	{ "2202", 0, NULL, 0, false },
	{ "2202:5", BARE, NULL, 0, false },
	{ "", 0, NULL, 0, false },
	{ "", EMPTY | NEED, NULL, 0, false },
	{ ":5", NEED, NULL, 0, false },
	{ "5", NEED | BARE, NULL, 0, false },
	{ "host:", 0, NULL, 0, false },
	{ ":", 0, NULL, 0, false },
	{ "host:0", 0, NULL, 0, false },
	{ "0", BARE, NULL, 0, false },
	{ "host:65536", 0, NULL, 0, false },
	{ "host:99999999999999999999", 0, NULL, 0, false },
	{ "host:-1", 0, NULL, 0, false },
	{ "host:ssh", 0, NULL, 0, false },
	{ "host name", 0, NULL, 0, false },
	{ "host/x", 0, NULL, 0, false },
	{ "a..b", 0, NULL, 0, false },
	{ ".", 0, NULL, 0, false },
	{ ".a", 0, NULL, 0, false },
	{ "-a", 0, NULL, 0, false },
	{ "a-.b", 0, NULL, 0, false },
	{ "10.0.0.256", 0, NULL, 0, false },
	{ "10.0.0", 0, NULL, 0, false },
	{ "host.1", 0, NULL, 0, false },
	{ "[::1", 0, NULL, 0, false },
	{ "[::1]7", 0, NULL, 0, false },
	{ "[::1]:", 0, NULL, 0, false },
	{ "[]", 0, NULL, 0, false },
	{ "[host]", 0, NULL, 0, false },
	{ "[1.2.3.4]", 0, NULL, 0, false },
	{ "::g", 0, NULL, 0, false },
	{ "1:2:3", 0, NULL, 0, false },
	{ "fe80::1%", 0, NULL, 0, false },
	{ "fe80::1%a b", 0, NULL, 0, false },
	{ "a,b", 0, NULL, 0, false },
	{ "h\xc3\xb6st", 0, NULL, 0, false },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rmdt_endpoint ep = { .port = 4711 };
		char why[256] = "";
		int err = rmdt_endpoint_parse(rows[i].text, rows[i].flags, 2312, &ep, why,
					      sizeof(why));

		if (err != (rows[i].host ? 0 : -EINVAL))
			fail_msg("\"%s\" gives %d %s", rows[i].text, err, why);
		if (err) {
			assert_int_equal(ep.port, 4711);
			assert_int_equal(why[0], '"');
			continue;
		}
		assert_string_equal(ep.host, rows[i].host);
		assert_int_equal(ep.port, rows[i].port);
		assert_int_equal(ep.has_port, rows[i].has_port);
	}
}

static void test_lengths(void **state)
{
	struct rmdt_endpoint ep;
	char name[1000], why[256];

	(void)state;
	/* Labels of 63, 63, 63 and 61 characters are 253 with the dots. */
	memset(name, 'a', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	name[253] = '\0';
	assert_int_equal(rmdt_endpoint_parse(name, 0, 1, &ep, why, sizeof(why)), 0);
	assert_string_equal(ep.host, name);
	name[253] = 'a';
	name[254] = '\0';
	assert_int_equal(rmdt_endpoint_parse(name, 0, 1, &ep, why, sizeof(why)), -EINVAL);
	memset(name, 'a', 64);
	name[64] = '\0';
	assert_int_equal(rmdt_endpoint_parse(name, 0, 1, &ep, why, sizeof(why)), -EINVAL);
	memset(name, 'a', sizeof(name));
	name[999] = '\0';
	assert_int_equal(rmdt_endpoint_parse(name, 0, 1, &ep, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "too long"));
}

static void test_lists(void **state)
{
	struct rmdt_endpoint at[3];
	struct rmdt_endpoint_list list = { .at = at, .max = 3, .n = 9, .flags = NEED,
					   .default_port = 2312 };
	char why[256];

	(void)state;
	assert_int_equal(rmdt_endpoint_parse_list("a,b:5,[::1]:6", &list, why, sizeof(why)), 0);
	assert_int_equal(list.n, 3);
	assert_string_equal(at[1].host, "b");
	assert_int_equal(at[0].port, 2312);
	assert_int_equal(at[2].port, 6);
	assert_int_equal(rmdt_endpoint_parse_list("a:1,a:2", &list, why, sizeof(why)), 0);
	assert_int_equal(list.n, 2);
	assert_int_equal(rmdt_endpoint_parse_list("a,b,a:2312", &list, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "\"a:2312\" is named twice");
	assert_int_equal(rmdt_endpoint_parse_list("a,b,c,d", &list, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "\"d\" is one destination too many");
	assert_int_equal(rmdt_endpoint_parse_list("a,b:x,c", &list, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "\"b:x\" has no port number after the colon");
	assert_int_equal(rmdt_endpoint_parse_list("a,,c", &list, why, sizeof(why)), -EINVAL);
	assert_int_equal(rmdt_endpoint_parse_list("a,", &list, why, sizeof(why)), -EINVAL);
	assert_int_equal(rmdt_endpoint_parse_list("", &list, why, sizeof(why)), -EINVAL);
	assert_int_equal(rmdt_endpoint_parse_list("a, b", &list, why, sizeof(why)), -EINVAL);
	assert_int_equal(list.n, 2);
}

static void test_format(void **state)
{
	char buf[RMDT_ENDPOINT_TEXT_BYTES], why[256];
	struct rmdt_endpoint ep;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rmdt_endpoint back;

		if (!rows[i].host)
			continue;
		rmdt_endpoint_parse(rows[i].text, rows[i].flags, 2312, &ep, why, sizeof(why));
		rmdt_endpoint_format(&ep, buf, sizeof(buf));
		assert_int_equal(rmdt_endpoint_parse(buf, 0, 1, &back, why, sizeof(why)), 0);
		assert_string_equal(back.host, ep.host);
		assert_int_equal(back.port, ep.port);
	}
	ep = (struct rmdt_endpoint){ .host = "::1", .port = 5 };
	assert_string_equal(rmdt_endpoint_format(&ep, buf, sizeof(buf)), "[::1]:5");
	ep = (struct rmdt_endpoint){ .host = "a" };
	assert_string_equal(rmdt_endpoint_format(&ep, buf, sizeof(buf)), "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rmdt/rmdt.h>

#include "tunnel/access.h"

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		return ss;
	}
	memset(&ss, 0, sizeof(ss));
	assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	v6->sin6_family = AF_INET6;
	return ss;
}

static bool allows(const struct access *access, const char *text)
{
	struct sockaddr_storage ss = address(text);

	return access_allows(access, (struct sockaddr *)&ss);
}

static void test_nobody_is_listed(void **state)
{
	struct access access = { 0 };

	(void)state;
	assert_true(allows(&access, "192.0.2.1"));
	assert_true(allows(&access, "2001:db8::1"));
}

static void test_networks(void **state)
{
	struct access access = { 0 };
	char err[RMDT_ERROR_BYTES];

	(void)state;
	assert_int_equal(access_add(&access, "192.0.2.0/24,198.51.100.7", err), 0);
	assert_int_equal(access_add(&access, "2001:db8::/33,10.0.0.0/9", err), 0);
	assert_int_equal(access.n, 4);
	assert_true(allows(&access, "192.0.2.0"));
	assert_true(allows(&access, "192.0.2.255"));
	assert_false(allows(&access, "192.0.3.0"));
	assert_false(allows(&access, "192.0.1.255"));
	assert_true(allows(&access, "198.51.100.7"));
	assert_false(allows(&access, "198.51.100.6"));
	assert_true(allows(&access, "10.127.255.255"));
	assert_false(allows(&access, "10.128.0.0"));
	assert_true(allows(&access, "2001:db8:7fff::1"));
	assert_false(allows(&access, "2001:db8:8000::1"));
	/* As a listener for both families sees it. */
	assert_true(allows(&access, "::ffff:192.0.2.9"));
	assert_false(allows(&access, "::ffff:192.0.3.9"));
}

static void test_all_of_a_family(void **state)
{
	struct access access = { 0 };
	char err[RMDT_ERROR_BYTES];

	(void)state;
	assert_int_equal(access_add(&access, "0.0.0.0/0", err), 0);
	assert_true(allows(&access, "203.0.113.9"));
	assert_false(allows(&access, "2001:db8::1"));
	assert_int_equal(access_add(&access, "::/0", err), 0);
	assert_true(allows(&access, "2001:db8::1"));
}

static void test_faults(void **state)
{
	static const char *const texts[] = { "", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
					     "host", "2001:db8::/129", "2001:db8::g", "1.2.3.4,",
						     "1.2.3.4 " };
	char err[RMDT_ERROR_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct access access = { 0 };

		if (access_add(&access, texts[i], err) != -EINVAL)
			fail_msg("\"%s\" was taken", texts[i]);
	}
}

static void test_same_host(void **state)
{
	struct sockaddr_storage a = address("192.0.2.1"), b = address("::ffff:192.0.2.1"),
		c = address("192.0.2.2");

	(void)state;
	((struct sockaddr_in *)&a)->sin_port = htons(7);
	assert_true(access_same_host((struct sockaddr *)&a, (struct sockaddr *)&b));
	assert_false(access_same_host((struct sockaddr *)&a, (struct sockaddr *)&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_is_listed),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_all_of_a_family),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_same_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

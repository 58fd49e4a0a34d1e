/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tunnel/target.h"

static struct target good(const char *text, bool is_local)
{
	char err[RMDT_ERROR_BYTES] = "";
	struct target t;

	if (target_parse(text, is_local, &t, err) < 0)
		fail_msg("%s: %s", text, err);
	assert_ptr_equal(t.text, text);
	return t;
}

static void is_place(const struct rmdt_endpoint *at, const char *host, uint16_t port)
{
	assert_string_equal(at->host, host);
	assert_int_equal(at->port, port);
}

static void test_one_place(void **state)
{
	static const struct {
		const char *text;
		bool is_local;
		enum target_scheme scheme;
		const char *host;
		uint16_t port;
	} rows[] = {
		{ "rmdt://cs-relay:4453", true, TARGET_RMDT, "cs-relay", 4453 },
		{ "rmdt://cs-relay", true, TARGET_RMDT, "cs-relay", 2312 },
		{ "rmdt://[2001:db8::1]:9", false, TARGET_RMDT, "2001:db8::1", 9 },
		{ "rmdt://2001:db8::1", false, TARGET_RMDT, "2001:db8::1", 2312 },
		{ "rmdt://", true, TARGET_RMDT, "", 2312 },
		{ "RMDT://a", true, TARGET_RMDT, "a", 2312 },
		{ "tcp://server:22", false, TARGET_TCP, "server", 22 },
		{ "tcp://:2202", true, TARGET_TCP, "", 2202 },
		{ "tcp://2202", true, TARGET_TCP, "", 2202 },
		{ "tcp://:22", false, TARGET_TCP, "localhost", 22 },
		{ "tcp://[::1]:22", false, TARGET_TCP, "::1", 22 },
		{ "udp://", true, TARGET_UDP, "", 2312 },
		{ "udp://53", true, TARGET_UDP, "", 53 },
		{ "udp://resolver", false, TARGET_UDP, "resolver", 2312 },
		{ "udp://", false, TARGET_UDP, "localhost", 2312 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct target t = good(rows[i].text, rows[i].is_local);

		assert_int_equal(t.scheme, rows[i].scheme);
		assert_int_equal(t.n, 1);
		is_place(&t.at[0], rows[i].host, rows[i].port);
	}
}

static void test_several_relays(void **state)
{
	struct target t = good("rmdt://a,b:5,rmdt://c,[::1]:7", false);

	(void)state;
	assert_int_equal(t.n, 4);
	is_place(&t.at[0], "a", 2312);
	is_place(&t.at[1], "b", 5);
	is_place(&t.at[2], "c", 2312);
	is_place(&t.at[3], "::1", 7);
}

static void test_faults_name_the_text(void **state)
{
	static const char *const texts[] = {
		"", "server:22", "tcp:server:22", "http://server", "tcp://", "tcp://host",
			"tcp://host:0",
		"tcp://host:65536", "tcp://host:ssh", "tcp://[::1:22", "tcp://ho st:1",
			"tcp://host:22/",
		"tcp://a:1,b:2", "udp://a:1,b:2", "rmdt://:99", "rmdt://a,,b", "rmdt://a,",
			"rmdt://a,A:2312",
		"rmdt://a,tcp://b:1", "rmdt://a/b", "udp://65536", "tcp://99999999999999999999",
		"rmdt://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char err[RMDT_ERROR_BYTES] = "", quoted[128];
		struct target t = { .n = 77 };

		if (target_parse(texts[i], true, &t, err) != -EINVAL)
			fail_msg("\"%s\" was taken", texts[i]);
		assert_int_equal(t.n, 77);
		snprintf(quoted, sizeof(quoted), "\"%s\"", texts[i]);
		if (strstr(err, quoted) == NULL)
			fail_msg("\"%s\" is not named: %s", texts[i], err);
	}
}

static void test_pair(void **state)
{
	struct target relay = good("rmdt://a", true), tcp = good("tcp://:1", true),
		udp = good("udp://", true);
	char err[RMDT_ERROR_BYTES];

	(void)state;
	assert_int_equal(target_check_pair(&relay, &tcp, err), 0);
	assert_int_equal(target_check_pair(&udp, &relay, err), 0);
	assert_int_equal(target_check_pair(&relay, &relay, err), -EINVAL);
	assert_int_equal(target_check_pair(&tcp, &udp, err), -EINVAL);
	assert_non_null(strstr(err, "\"tcp://:1\" and \"udp://\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_place),
		cmocka_unit_test(test_several_relays),
		cmocka_unit_test(test_faults_name_the_text),
		cmocka_unit_test(test_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

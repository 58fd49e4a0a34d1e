/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/policy.h"

struct row {
	const char *text;
	struct rmdt_policy policy;
	const char *back;		/* NULL: as text */
};

static void test_understood(void **state)
{
	static const struct row rows[] = {
		{ "block", { .kind = RMDT_POLICY_BLOCK }, NULL },
		{ "drop:64M", { .kind = RMDT_POLICY_DROP, .lag_bytes = 64000000 }, NULL },
		{ "drop:64Mi", { .kind = RMDT_POLICY_DROP, .lag_bytes = 64 << 20 }, NULL },
		{ "drop:100001", { .kind = RMDT_POLICY_DROP, .lag_bytes = 100001 }, NULL },
		{ "drop:5s", { .kind = RMDT_POLICY_DROP, .lag_us = 5000000 }, NULL },
		{ "drop:5m", { .kind = RMDT_POLICY_DROP, .lag_us = 300000000 }, NULL },
		{ "drop:1.5s", { .kind = RMDT_POLICY_DROP, .lag_us = 1500000 }, "drop:1500ms" },
		{ "quorum:1", { .kind = RMDT_POLICY_QUORUM, .quorum = 1 }, NULL },
		{ "quorum:1024", { .kind = RMDT_POLICY_QUORUM, .quorum = 1024 }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rmdt_policy policy;
		char why[256], back[RMDT_POLICY_TEXT_BYTES];

		assert_int_equal(rmdt_policy_parse(rows[i].text, &policy, why, sizeof(why)), 0);
		assert_int_equal(policy.kind, rows[i].policy.kind);
		assert_int_equal(policy.lag_bytes, rows[i].policy.lag_bytes);
		assert_int_equal(policy.lag_us, rows[i].policy.lag_us);
		assert_int_equal(policy.quorum, rows[i].policy.quorum);
		rmdt_policy_format(&policy, back, sizeof(back));
		assert_string_equal(back, rows[i].back ? rows[i].back : rows[i].text);
	}
}

static void test_faults(void **state)
{
	static const char *const rows[] = {
		"", "Block", "block ", "blocks", "drop", "drop:", "drop:x", "drop:0", "drop:0s",
		"drop:5", "drop:-5s", "drop:100us", "drop:5s ", "quorum", "quorum:",
		"quorum:0", "quorum:1025",
		"quorum:99999999999999999999", "quorum:2x", "quorum:-1", "quorum: 2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rmdt_policy policy = { .quorum = 77 };
		char why[256] = "";

		assert_int_equal(rmdt_policy_parse(rows[i], &policy, why, sizeof(why)), -EINVAL);
		assert_int_equal(policy.quorum, 77);
		assert_int_equal(why[0], '"');
		assert_non_null(strstr(why, rows[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_understood),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "io/config.h"

static char dir[] = "/tmp/rmdt-config-XXXXXX";
static char ini_path[128];

static struct rmdt_config *fresh(void)
{
	struct rmdt_config *cfg;

	assert_int_equal(rmdt_config_new(&cfg), 0);
	return cfg;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int load(struct rmdt_config *cfg, const char *text, char *err)
{
	write_file(ini_path, text);
	err[0] = '\0';
	return rmdt_config_load_file(cfg, ini_path, err);
}

static uint64_t number(const struct rmdt_config *cfg, const char *key)
{
	uint64_t value = UINT64_MAX;

	assert_int_equal(rmdt_config_number(cfg, key, &value), 0);
	return value;
}

static void assert_contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void test_defaults(void **state)
{
	struct rmdt_config_values v;

	(void)state;
	rmdt_config_values(NULL, &v);
	assert_int_equal(v.buffer_bytes, 500000000);
	assert_int_equal(v.mtu_bytes, 0);
	assert_true(v.mtu_probe);
	assert_int_equal(v.rate_bytes_per_s, 0);
	assert_string_equal(v.cc, "bbr");
	assert_string_equal(v.cipher, "aes-256-gcm");
	assert_int_equal(v.threads, 1);
	assert_string_equal(v.slow, "block");
	assert_int_equal(v.connect_timeout_us, 10000000);
	assert_int_equal(v.dead_after_us, 30000000);
	assert_int_equal(v.keepalive_us, 15000000);
	assert_int_equal(v.linger_us, 10000000);
	assert_string_equal(v.identity, "");
	assert_string_equal(v.psk, "");
	assert_false(v.strict);
	assert_int_equal(v.log_level, RMDT_LOG_WARNING);
	assert_true(v.gso);
}

/* Every setting's default is a legal value, and every key is shown by get. */
static void test_table_is_consistent(void **state)
{
	struct rmdt_config *cfg = fresh();
	char err[RMDT_ERROR_BYTES];
	const char *origin;
	size_t n;
	const struct rmdt_setting *settings = rmdt_settings(&n);

	(void)state;
	assert_true(n >= 20);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(rmdt_config_get(cfg, settings[i].key, &origin),
				    settings[i].value);
		assert_string_equal(origin, "built-in");
		assert_true(strlen(settings[i].help) > 0 && strlen(settings[i].kind) > 0);
		assert_int_equal(rmdt_config_set(cfg, settings[i].key, settings[i].value, "x", err),
				 0);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(settings[i].key, settings[j].key);
	}
	rmdt_config_free(cfg);
}

static void test_set_and_get(void **state)
{
	struct rmdt_config *cfg = fresh();
	char err[RMDT_ERROR_BYTES];
	const char *origin;
	struct rmdt_config_values v;

	(void)state;
	assert_int_equal(rmdt_config_set(cfg, "buffer", "64Mi", "--buffer", err), 0);
	assert_string_equal(rmdt_config_get(cfg, "buffer", &origin), "64Mi");
	assert_string_equal(origin, "--buffer");
	assert_int_equal(number(cfg, "buffer"), 64 << 20);
	assert_int_equal(rmdt_config_set(cfg, "Connect_Timeout", "1500ms", "x", err), 0);
	assert_int_equal(number(cfg, "connect-timeout"), 1500000);
	assert_int_equal(rmdt_config_set(cfg, "rate", "10M", "x", err), 0);
	assert_int_equal(number(cfg, "rate"), 1250000);
	assert_int_equal(rmdt_config_set(cfg, "rate", "none", "x", err), 0);
	assert_int_equal(number(cfg, "rate"), 0);
	assert_int_equal(rmdt_config_set(cfg, "mtu", "1500", "x", err), 0);
	assert_int_equal(number(cfg, "mtu"), 1500);
	assert_int_equal(rmdt_config_set(cfg, "strict", "ON", "x", err), 0);
	assert_int_equal(number(cfg, "strict"), 1);
	assert_int_equal(rmdt_config_set(cfg, "cc", "cubic", "x", err), 0);
	assert_int_equal(rmdt_config_set(cfg, "slow", "quorum:2", "x", err), 0);
	rmdt_config_values(cfg, &v);
	assert_string_equal(v.cc, "cubic");
	assert_string_equal(v.slow, "quorum:2");
	assert_true(v.strict);
	assert_int_equal(v.mtu_bytes, 1500);
	rmdt_config_free(cfg);
}

static void test_wrong_values(void **state)
{
	static const struct {
		const char *key, *value, *reason;
	} rows[] = {
		{ "buffer", "12x", "\"12x\"" },
		{ "buffer", "", "\"\"" },
		{ "buffer", "500", "must be from" },
		{ "buffer", "99T", "must be from" },
		{ "mtu", "1279", "must be from 1280 to 65535, or auto" },
		{ "mtu", "65536", "must be from" },
		{ "mtu", "0", "must be from" },
		{ "mtu", "big", "a number is wanted" },
		{ "mtu", "-1", "a number is wanted" },
		{ "rate", "fast", "\"fast\"" },
		{ "rate", "7992", "must be from" },
		{ "threads", "0", "must be from 1 to 16" },
		{ "threads", "17", "must be from 1 to 16" },
		{ "threads", "99999999999999999999999", "too large" },
		{ "cc", "reno", "must be one of bbr|cubic|fixed" },
		{ "cc", "bb", "must be one of" },
		{ "cipher", "rot13", "must be one of aes-256-gcm|chacha20-poly1305|none" },
		{ "slow", "sometimes", "\"sometimes\"" },
		{ "slow", "quorum:0", "\"" },
		{ "dead-after", "1", "\"1\"" },
		{ "dead-after", "100ms", "must be from 500ms to" },
		{ "strict", "perhaps", "must be yes or no" },
		{ "log-level", "loud", "must be one of" },
	};
	struct rmdt_config *cfg = fresh();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *before = rmdt_config_get(cfg, rows[i].key, NULL);
		char err[RMDT_ERROR_BYTES] = "";

		assert_int_equal(rmdt_config_set(cfg, rows[i].key, rows[i].value, "--it", err),
				 -EINVAL);
		assert_contains(err, "--it ");
		assert_contains(err, rows[i].value);
		assert_contains(err, rows[i].reason);
		assert_string_equal(rmdt_config_get(cfg, rows[i].key, NULL), before);
	}
	rmdt_config_free(cfg);
}

static void test_unknown_key(void **state)
{
	struct rmdt_config *cfg = fresh();
	char err[RMDT_ERROR_BYTES] = "";
	uint64_t value;

	(void)state;
	assert_int_equal(rmdt_config_set(cfg, "bufer", "1M", "x", err), -ENOENT);
	assert_contains(err, "\"bufer\"");
	assert_null(rmdt_config_get(cfg, "bufer", NULL));
	assert_int_equal(rmdt_config_number(cfg, "bufer", &value), -ENOENT);
	assert_int_equal(rmdt_config_number(cfg, "cc", &value), -EINVAL);
	assert_int_equal(rmdt_config_number(cfg, "psk", &value), -EINVAL);
	rmdt_config_free(cfg);
}

static void test_file(void **state)
{
	struct rmdt_config *cfg = fresh();
	char err[RMDT_ERROR_BYTES];
	const char *origin;

	(void)state;
	assert_int_equal(load(cfg, "# a comment\nmtu = 1500\n[pipeclone]\nBuffer = 64M ; the rest\n"
			      "dead_after=2s\n", err), 0);
	assert_int_equal(number(cfg, "mtu"), 1500);
	assert_int_equal(number(cfg, "buffer"), 64000000);
	assert_int_equal(number(cfg, "dead-after"), 2000000);
	rmdt_config_get(cfg, "buffer", &origin);
	assert_contains(origin, ini_path);
	assert_contains(origin, "[pipeclone]");
	assert_int_equal(load(cfg, "[general]\nmtu = 9000\n", err), 0);
	assert_int_equal(number(cfg, "mtu"), 9000);
	assert_int_equal(load(cfg, "", err), 0);
	rmdt_config_free(cfg);
}

static void test_wrong_files(void **state)
{
	static const struct {
		const char *text, *parts[3];
	} rows[] = {
		{ "[pipeclone]\nbufer = 1M\n", { "[pipeclone]", "bufer", "no such key" } },
		{ "bufer = 1M\n", { "bufer", "\"1M\"", "no such key" } },
		{ "[pipeclone]\nmtu = 99\n",
		  { "[pipeclone]", "mtu = \"99\"", "must be from 1280" } },
		{ "mtu = 99\n", { ": mtu = \"99\"", "must be from 1280", "99" } },
		{ "[pipeclone]\nmtu =\n", { "[pipeclone]", "mtu = \"\"", "a number is wanted" } },
		{ "[tunnel]\nmtu = 1500\n", { "[tunnel]", "no such section", "" } },
		{ "[tunnel]\n", { "[tunnel]", "no such section", "" } },
		{ "[pipeclone]\nmtu = 1500\nmtu = 1500\n", { "[pipeclone]", "\"mtu\"", "twice" } },
		{ "mtu = 1500\n[pipeclone]\nmtu = 1500\n", { "mtu", "1500", "twice" } },
		{ "[pipeclone]\ndead-after = 5s\ndead_after = 5s\n",
		  { "[pipeclone]", "dead", "twice" } },
		{ "[pipeclone]\nMTU = 1500\nmtu = 1500\n", { "[pipeclone]", "mtu", "twice" } },
		{ "[pipeclone\nmtu = 1500\n", { "not an ini file", "", "" } },
		{ "this is prose\n", { "not an ini file", "", "" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rmdt_config *cfg = fresh();
		char err[RMDT_ERROR_BYTES];

		if (load(cfg, rows[i].text, err) != -EINVAL)
			fail_msg("row %zu was taken", i);
		assert_contains(err, ini_path);
		for (size_t j = 0; j < 3; j++)
			assert_contains(err, rows[i].parts[j]);
		assert_null(strchr(err, '\n'));
		rmdt_config_free(cfg);
	}
}

static void test_file_kinds(void **state)
{
	struct rmdt_config *cfg = fresh();
	char err[RMDT_ERROR_BYTES] = "";

	(void)state;
	assert_int_equal(rmdt_config_load_file(cfg, "/nonexistent/x.ini", err), -ENOENT);
	assert_contains(err, "/nonexistent/x.ini");
	assert_int_equal(rmdt_config_load_file(cfg, dir, err), -EINVAL);
	assert_contains(err, "not a regular file");
	rmdt_config_free(cfg);
}

/* A line of any length, and bytes of any kind, end in an error or not, but never in a crash. */
static void test_odd_files(void **state)
{
	char *text = malloc(5001), err[RMDT_ERROR_BYTES];
	struct rmdt_config *cfg = fresh();

	(void)state;
	assert_non_null(text);
	for (int c = 1; c < 256; c++) {
		memset(text, c, 5000);
		text[5000] = '\0';
		(void)load(cfg, text, err);
		memcpy(text, "mtu=", 4);
		(void)load(cfg, text, err);
		memcpy(text, "[", 1);
		(void)load(cfg, text, err);
	}
	free(text);
	rmdt_config_free(cfg);
}

static void test_order_of_sources(void **state)
{
	struct rmdt_config *cfg = fresh();
	char err[RMDT_ERROR_BYTES], path[256];
	const char *origin;

	(void)state;
	snprintf(path, sizeof(path), "%s/.dexor", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/.dexor/pipeclone.ini", dir);
	write_file(path, "[pipeclone]\nmtu = 1400\nthreads = 3\n");
	setenv("HOME", dir, 1);
	setenv("RMDT_MTU", "1450", 1);
	setenv("RMDT_DEAD_AFTER", "7s", 1);
	assert_int_equal(rmdt_config_load_defaults(cfg, err), 0);
	assert_int_equal(number(cfg, "threads"), 3);
	assert_int_equal(number(cfg, "mtu"), 1450);
	assert_int_equal(number(cfg, "dead-after"), 7000000);
	rmdt_config_get(cfg, "mtu", &origin);
	assert_string_equal(origin, "RMDT_MTU");
	assert_int_equal(rmdt_config_set(cfg, "mtu", "auto", "--mtu", err), 0);
	assert_int_equal(number(cfg, "mtu"), 0);

	setenv("RMDT_MTU", "tiny", 1);
	assert_int_equal(rmdt_config_load_defaults(cfg, err), -EINVAL);
	assert_contains(err, "RMDT_MTU");
	assert_contains(err, "\"tiny\"");
	unsetenv("RMDT_MTU");
	unsetenv("RMDT_DEAD_AFTER");
	write_file(path, "[pipeclone]\nmtu = x\n");
	assert_int_equal(rmdt_config_load_defaults(cfg, err), -EINVAL);
	assert_contains(err, path);
	unlink(path);
	rmdt_config_free(cfg);
}

static void test_copy_is_separate(void **state)
{
	struct rmdt_config *cfg = fresh(), *copy;
	char err[RMDT_ERROR_BYTES];
	const char *origin;

	(void)state;
	assert_int_equal(rmdt_config_set(cfg, "mtu", "1400", "--mtu", err), 0);
	assert_int_equal(rmdt_config_copy(&copy, cfg), 0);
	assert_int_equal(rmdt_config_set(cfg, "mtu", "1300", "--mtu", err), 0);
	rmdt_config_free(cfg);
	assert_int_equal(number(copy, "mtu"), 1400);
	rmdt_config_get(copy, "mtu", &origin);
	assert_string_equal(origin, "--mtu");
	rmdt_config_free(copy);
	assert_int_equal(rmdt_config_copy(&copy, NULL), 0);
	assert_int_equal(number(copy, "buffer"), 500000000);
	rmdt_config_free(copy);
	rmdt_config_free(NULL);
}

static void test_keepalive_fits_dead_after(void **state)
{
	struct rmdt_config *cfg = fresh();
	struct rmdt_config_values v;
	char err[RMDT_ERROR_BYTES];

	(void)state;
	assert_int_equal(rmdt_config_set(cfg, "dead-after", "2s", "x", err), 0);
	rmdt_config_values(cfg, &v);
	assert_int_equal(v.keepalive_us, 1000000);
	rmdt_config_free(cfg);
}

static void test_parsers(void **state)
{
	struct rmdt_endpoint ep;
	char err[RMDT_ERROR_BYTES];
	uint64_t n;

	(void)state;
	assert_int_equal(rmdt_parse_size("2Ki", &n, err), 0);
	assert_int_equal(n, 2048);
	assert_int_equal(rmdt_parse_rate("9", &n, err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(rmdt_parse_duration("3m", &n, err), 0);
	assert_int_equal(n, 180000000);
	assert_int_equal(rmdt_parse_size("2Q", &n, err), -EINVAL);
	assert_contains(err, "\"2Q\"");
	assert_int_equal(rmdt_parse_size("99999999999999999999", &n, err), -EINVAL);
	assert_int_equal(rmdt_parse_endpoint("[::1]:99", 2312, &ep, err), 0);
	assert_string_equal(ep.host, "::1");
	assert_int_equal(ep.port, 99);
	assert_true(ep.has_port);
	assert_int_equal(rmdt_parse_endpoint("h", 2312, &ep, err), 0);
	assert_int_equal(ep.port, 2312);
	assert_false(ep.has_port);
	assert_int_equal(rmdt_parse_endpoint("h:99999", 2312, &ep, err), -EINVAL);
	assert_contains(err, "99999");
}

static int setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(ini_path, sizeof(ini_path), "%s/some.ini", dir);
	return 0;
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	unlink(ini_path);
	snprintf(path, sizeof(path), "%s/.dexor", dir);
	rmdir(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_table_is_consistent),
		cmocka_unit_test(test_set_and_get),
		cmocka_unit_test(test_wrong_values),
		cmocka_unit_test(test_unknown_key),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_wrong_files),
		cmocka_unit_test(test_file_kinds),
		cmocka_unit_test(test_odd_files),
		cmocka_unit_test(test_order_of_sources),
		cmocka_unit_test(test_copy_is_separate),
		cmocka_unit_test(test_keepalive_fits_dead_after),
		cmocka_unit_test(test_parsers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

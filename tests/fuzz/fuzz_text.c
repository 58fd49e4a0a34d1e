/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All parsers of what people write. The first byte chooses one, the rest is the text. A parser must
 * not crash, must say why it refuses, and must read back what is written of its result.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/endpoint.h"
#include "core/policy.h"
#include "core/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_why(int err, const char *why)
{
	assert(!err || (why[0] == '"' && strlen(why) > 2));
}

static void fuzz_size(const char *text)
{
	char why[RMDT_ERROR_BYTES] = "", buf[RMDT_UNITS_TEXT_BYTES];
	uint64_t value, back = 0;
	int err = rmdt_units_parse_size(text, &value, why, sizeof(why));

	check_why(err, why);
	if (err)
		return;
	rmdt_units_exact_size(value, buf, sizeof(buf));
	err = rmdt_units_parse_size(buf, &back, why, sizeof(why));
	assert(!err && back == value);
	rmdt_units_format_size(value, buf, sizeof(buf));
	err = rmdt_units_parse_size(buf, &back, why, sizeof(why));
	assert(!err || value > UINT64_MAX / 1001 * 1000);
}

static void fuzz_rate(const char *text)
{
	char why[RMDT_ERROR_BYTES] = "", buf[RMDT_UNITS_TEXT_BYTES];
	uint64_t value;
	int err = rmdt_units_parse_rate(text, &value, why, sizeof(why));

	check_why(err, why);
	if (!err)
		rmdt_units_format_rate(value, buf, sizeof(buf));
}

static void fuzz_duration(const char *text)
{
	char why[RMDT_ERROR_BYTES] = "", buf[RMDT_UNITS_TEXT_BYTES];
	uint64_t value, back = 0;
	int err = rmdt_units_parse_duration(text, &value, why, sizeof(why));

	check_why(err, why);
	if (err)
		return;
	rmdt_units_exact_duration(value, buf, sizeof(buf));
	err = rmdt_units_parse_duration(buf, &back, why, sizeof(why));
	assert(!err && back == value);
	rmdt_units_format_duration(value, buf, sizeof(buf));
}

static void fuzz_percent(const char *text)
{
	char why[RMDT_ERROR_BYTES] = "", buf[RMDT_UNITS_TEXT_BYTES];
	uint32_t ppm;
	int err = rmdt_units_parse_percent(text, &ppm, why, sizeof(why));

	check_why(err, why);
	if (err)
		return;
	assert(ppm <= 1000000);
	rmdt_units_format_percent(ppm, buf, sizeof(buf));
}

static void fuzz_policy(const char *text)
{
	char why[RMDT_ERROR_BYTES] = "", buf[RMDT_POLICY_TEXT_BYTES];
	struct rmdt_policy policy, back;
	int err = rmdt_policy_parse(text, &policy, why, sizeof(why));

	check_why(err, why);
	if (err)
		return;
	rmdt_policy_format(&policy, buf, sizeof(buf));
	err = rmdt_policy_parse(buf, &back, why, sizeof(why));
	assert(!err && back.kind == policy.kind && back.quorum == policy.quorum);
	assert(back.lag_bytes == policy.lag_bytes && back.lag_us == policy.lag_us);
}

static void fuzz_endpoint(const char *text, unsigned flags)
{
	char why[RMDT_ERROR_BYTES] = "", buf[RMDT_ENDPOINT_TEXT_BYTES];
	struct rmdt_endpoint ep, back;
	int err = rmdt_endpoint_parse(text, flags, 2312, &ep, why, sizeof(why));

	check_why(err, why);
	if (err)
		return;
	rmdt_endpoint_format(&ep, buf, sizeof(buf));
	err = rmdt_endpoint_parse(buf, 0, 1, &back, why, sizeof(why));
	assert(!err && back.port == ep.port && strcmp(back.host, ep.host) == 0);
}

static void fuzz_list(const char *text)
{
	char why[RMDT_ERROR_BYTES] = "";
	struct rmdt_endpoint at[4];
	struct rmdt_endpoint_list list = { .at = at, .max = 4, .default_port = 2312 };
	int err = rmdt_endpoint_parse_list(text, &list, why, sizeof(why));

	check_why(err, why);
	assert(err || (list.n >= 1 && list.n <= 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	assert(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 7) {
	case 0: fuzz_size(text); break;
	case 1: fuzz_rate(text); break;
	case 2: fuzz_duration(text); break;
	case 3: fuzz_percent(text); break;
	case 4: fuzz_policy(text); break;
	case 5: fuzz_endpoint(text, data[0] / 7 % 8); break;
	default: fuzz_list(text); break;
	}
	free(text);
	return 0;
}

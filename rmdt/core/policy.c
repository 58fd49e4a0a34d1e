/* SPDX-License-Identifier: Apache-2.0 */
#include "core/policy.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "core/units.h"
#include "rmdt.h"

#define SYNTAX "is not a policy; write block, drop:64M, drop:5s or quorum:2"

/*
 * A lag is a size when it reads as one, else a duration: "5M" is megabytes and "5m" minutes. The
 * least lag is more than jitter, and lets "drop:5", where seconds were meant, not pass as 5 bytes.
 */
static int parse_lag(const char *text, const char *lag, struct rmdt_policy *out, char *why,
		     size_t why_bytes)
{
	char ignored[RMDT_ERROR_BYTES];
	struct rmdt_policy policy = { .kind = RMDT_POLICY_DROP };

	if (rmdt_units_parse_size(lag, &policy.lag_bytes, ignored, sizeof(ignored)) < 0 &&
	    rmdt_units_parse_duration(lag, &policy.lag_us, ignored, sizeof(ignored)) < 0) {
		rmdt_text_fault(why, why_bytes, text,
				"has no lag; write bytes as in drop:64M, or time as in drop:5s");
		return -EINVAL;
	}
	if (policy.lag_bytes < RMDT_POLICY_LAG_MIN_BYTES &&
	    policy.lag_us < RMDT_POLICY_LAG_MIN_US) {
		rmdt_text_fault(why, why_bytes, text,
				"allows too little lag; the least is 64Ki bytes or 1ms, seconds "
				"are written as in drop:5s");
		return -EINVAL;
	}
	*out = policy;
	return 0;
}

static int parse_quorum(const char *text, const char *digits, struct rmdt_policy *out, char *why,
			size_t why_bytes)
{
	uint32_t k = 0;

	if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0') {
		rmdt_text_fault(why, why_bytes, text,
				"needs a number of receivers, as in quorum:2");
		return -EINVAL;
	}
	for (; *digits && k <= RMDT_POLICY_QUORUM_MAX; digits++)
		k = k * 10 + (uint32_t)(*digits - '0');
	if (k < 1 || k > RMDT_POLICY_QUORUM_MAX) {
		rmdt_text_fault(why, why_bytes, text, "must name 1 to 1024 receivers");
		return -EINVAL;
	}
	*out = (struct rmdt_policy){ .kind = RMDT_POLICY_QUORUM, .quorum = k };
	return 0;
}

int rmdt_policy_parse(const char *text, struct rmdt_policy *out, char *why, size_t why_bytes)
{
	if (strcmp(text, "block") == 0) {
		*out = (struct rmdt_policy){ .kind = RMDT_POLICY_BLOCK };
		return 0;
	}
	if (strncmp(text, "drop:", 5) == 0)
		return parse_lag(text, text + 5, out, why, why_bytes);
	if (strncmp(text, "quorum:", 7) == 0)
		return parse_quorum(text, text + 7, out, why, why_bytes);
	rmdt_text_fault(why, why_bytes, text, SYNTAX);
	return -EINVAL;
}

void rmdt_policy_format(const struct rmdt_policy *policy, char *buf, size_t buf_bytes)
{
	char lag[RMDT_UNITS_TEXT_BYTES];
	struct rmdt_text text;

	rmdt_text_init(&text, buf, buf_bytes);
	switch (policy->kind) {
	case RMDT_POLICY_BLOCK:
		rmdt_text_add(&text, "block");
		break;
	case RMDT_POLICY_DROP:
		rmdt_text_add(&text, "drop:");
		if (policy->lag_us)
			rmdt_units_exact_duration(policy->lag_us, lag, sizeof(lag));
		else
			rmdt_units_exact_size(policy->lag_bytes, lag, sizeof(lag));
		rmdt_text_add(&text, lag);
		break;
	case RMDT_POLICY_QUORUM:
		rmdt_text_add(&text, "quorum:");
		rmdt_text_add_u64(&text, policy->quorum);
		break;
	}
}

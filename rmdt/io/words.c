/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the public interface: version, errors, codes, limits, fingerprints. */
#define _GNU_SOURCE 1			/* strerrordesc_np */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/trust.h"
#include "rmdt.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

const char *rmdt_version(void)
{
	return PACKAGE_VERSION;
}

/* Those whose usual text says nothing to a user of this library. */
static const struct {
	int err;
	const char *text;
} errors[] = {
	{ 0, "no error" },
	{ EAGAIN, "nothing yet" },
	{ ETIMEDOUT, "time is over" },
	{ ECANCELED, "canceled" },
	{ EPIPE, "the flow has ended" },
	{ ENOTCONN, "the peer is not connected" },
	{ ERANGE, "the offset is not held any more, or not yet" },
	{ EEXIST, "exists already" },
	{ EADDRINUSE, "the port is taken" },
	{ ENOSPC, "more than the credit taken" },
	{ EMSGSIZE, "too long" },
};

const char *rmdt_strerror(int err)
{
	static _Thread_local char unknown[32];
	const char *name;

	if (err < 0)
		err = -err;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (errors[i].err == err)
			return errors[i].text;
	}
	name = strerrordesc_np(err);
	if (name)
		return name;
	snprintf(unknown, sizeof(unknown), "error %d", err);
	return unknown;
}

const char *rmdt_limit_text(enum rmdt_limit limit)
{
	static const char *const texts[] = {
		[RMDT_BY_APPLICATION] = "application", [RMDT_BY_CREDIT] = "credit",
		[RMDT_BY_CWND] = "cwnd",
		[RMDT_BY_PACING] = "pacing", [RMDT_BY_CPU] = "cpu",
	};

	return (unsigned)limit < sizeof(texts) / sizeof(texts[0]) ? texts[limit] : "unknown";
}

void rmdt_fingerprint(const uint8_t key[RMDT_KEY_BYTES], char out[RMDT_FINGERPRINT_BYTES])
{
	if (rmdt_trust_fingerprint(key, out))
		snprintf(out, RMDT_FINGERPRINT_BYTES, "SHA256:?");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of rmdt.h over those of the core. */
#include <errno.h>

#include <rmdt/rmdt.h>

#include "core/endpoint.h"
#include "core/units.h"

int rmdt_parse_size(const char *text, uint64_t *bytes, char *err)
{
	return rmdt_units_parse_size(text, bytes, err, RMDT_ERROR_BYTES) < 0 ? -EINVAL : 0;
}

int rmdt_parse_rate(const char *text, uint64_t *bytes_per_s, char *err)
{
	uint64_t bits_per_s;

	if (rmdt_units_parse_rate(text, &bits_per_s, err, RMDT_ERROR_BYTES) < 0)
		return -EINVAL;
	/* A rate that was asked for must not become "none" by rounding. */
	*bytes_per_s = (bits_per_s / 8) + (bits_per_s % 8 != 0);
	return 0;
}

int rmdt_parse_duration(const char *text, uint64_t *us, char *err)
{
	return rmdt_units_parse_duration(text, us, err, RMDT_ERROR_BYTES) < 0 ? -EINVAL : 0;
}

int rmdt_parse_endpoint(const char *text, uint16_t default_port, struct rmdt_endpoint *ep,
			char *err)
{
	return rmdt_endpoint_parse(text, 0, default_port, ep, err, RMDT_ERROR_BYTES);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/meter.h"

#define WINDOW_US 1e6

void meter_add(struct meter *meter, uint64_t bytes, uint64_t now_us)
{
	double span_us, share, rate;

	if (meter->last_us == 0 || bytes < meter->last_bytes) {
		*meter = (struct meter){ .last_us = now_us, .last_bytes = bytes };
		return;
	}
	if (now_us <= meter->last_us)
		return;
	span_us = (double)(now_us - meter->last_us);
	rate = (double)(bytes - meter->last_bytes) * 1e6 / span_us;
	share = meter->bytes_per_s == 0 || span_us >= WINDOW_US ? 1 : span_us / WINDOW_US;
	meter->bytes_per_s += (rate - meter->bytes_per_s) * share;
	meter->last_us = now_us;
	meter->last_bytes = bytes;
}

uint64_t meter_rate(const struct meter *meter)
{
	return (uint64_t)meter->bytes_per_s;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

char *text_count(uint64_t n, char buf[TEXT_BYTES])
{
	char digits[TEXT_BYTES];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *p = buf;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*p++ = ',';
		*p++ = digits[i];
	}
	*p = '\0';
	return buf;
}

/* Three figures with a decimal prefix. */
static void scaled(double value, const char *unit, char buf[TEXT_BYTES])
{
	static const char *const prefixes[] = { "", "k", "M", "G", "T", "P" };
	size_t i = 0;
	int digits;

	/* What would round to 1000 belongs to the next prefix. */
	while (value >= 999.5 && i + 1 < sizeof(prefixes) / sizeof(prefixes[0])) {
		value /= 1000;
		i++;
	}
	digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	if (i == 0)
		snprintf(buf, TEXT_BYTES, "%.0f %s", value, unit);
	else
		snprintf(buf, TEXT_BYTES, "%.*f %s%s", digits, value, prefixes[i], unit);
}

char *text_size(uint64_t bytes, char buf[TEXT_BYTES])
{
	scaled((double)bytes, "B", buf);
	return buf;
}

char *text_rate(uint64_t bytes_per_s, char buf[TEXT_BYTES])
{
	scaled((double)bytes_per_s * 8, "bit/s", buf);
	return buf;
}

char *text_seconds(uint64_t us, char buf[TEXT_BYTES])
{
	unsigned long long s = us / 1000000;

	if (s < 100)
		snprintf(buf, TEXT_BYTES, "%.2f s", (double)us / 1e6);
	else if (s < 3600)
		snprintf(buf, TEXT_BYTES, "%llu:%02llu", s / 60, s % 60);
	else
		snprintf(buf, TEXT_BYTES, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
	return buf;
}

char *text_rtt(uint64_t us, char buf[TEXT_BYTES])
{
	if (us >= 1000000)
		snprintf(buf, TEXT_BYTES, "%.2f s", (double)us / 1e6);
	else
		snprintf(buf, TEXT_BYTES, "%.1f ms", (double)us / 1e3);
	return buf;
}

char *text_percent(uint64_t part, uint64_t whole, char buf[TEXT_BYTES])
{
	double percent = whole > 0 ? 100.0 * (double)part / (double)whole : 0;

	snprintf(buf, TEXT_BYTES, "%.2f %%", percent < 100 ? percent : 100.0);
	return buf;
}

/* Also the 32 that UTF-8 writes in two bytes: terminals obey those as well. */
static void tame(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
		else if (*c < ' ' || *c == 0x7f)
			*c = '?';
	}
}

char *text_plain(const char *src, char *buf, size_t size)
{
	snprintf(buf, size, "%s", src);
	tame(buf);
	return buf;
}

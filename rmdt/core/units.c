/* SPDX-License-Identifier: Apache-2.0 */
#include "core/units.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/text.h"

/* Decimals that are read: with more, no unit that we know gives a whole number anyway. */
#define FRACTION_DIGITS 12

struct unit {
	const char *name;
	uint64_t factor;
};

/* Of several names of a unit the first one is written. */
static const struct unit size_units[] = {
	{ "", 1 },
	{ "k", 1000 },
	{ "K", 1000 },
	{ "M", 1000000 },
	{ "G", 1000000000 },
	{ "T", 1000000000000 },
	{ "Ki", 1ull << 10 },
	{ "ki", 1ull << 10 },
	{ "Mi", 1ull << 20 },
	{ "Gi", 1ull << 30 },
	{ "Ti", 1ull << 40 },
	{ NULL, 0 },
};

static const struct unit rate_units[] = {
	{ "", 1 },
	{ "k", 1000 },
	{ "K", 1000 },
	{ "M", 1000000 },
	{ "G", 1000000000 },
	{ "T", 1000000000000 },
	{ NULL, 0 },
};

static const struct unit time_units[] = {
	{ "us", 1 },
	{ "ms", 1000 },
	{ "s", 1000000 },
	{ "m", 60000000 },
	{ "h", 3600000000 },
	{ NULL, 0 },
};

static const struct unit percent_units[] = {
	{ "%", 10000 },
	{ NULL, 0 },
};

/* whole + fraction / scale, as written before a unit. */
struct number {
	uint64_t whole;
	uint64_t fraction;
	uint64_t scale;			/* a power of ten */
	const char *rest;		/* the unit */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int parse_fraction(const char *at, struct number *num)
{
	int digits = 0;

	for (; is_digit(*at); at++) {
		if (++digits > FRACTION_DIGITS)
			return -EINVAL;
		num->fraction = num->fraction * 10 + (uint64_t)(*at - '0');
		num->scale *= 10;
	}
	num->rest = at;
	return digits > 0 ? 0 : -EINVAL;
}

static int parse_number(const char *text, struct number *num)
{
	const char *at = text;
	int err;

	*num = (struct number){ .scale = 1 };
	for (; is_digit(*at); at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (num->whole > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		num->whole = num->whole * 10 + digit;
	}
	if (at == text)
		return -EINVAL;
	num->rest = at;
	if (*at == '.') {
		err = parse_fraction(at + 1, num);
		if (err)
			return err;
	}
	if (num->rest[0] == ' ' && num->rest[1] != '\0')
		num->rest++;
	return 0;
}

/* number * factor; -EINVAL when that is not whole, -ERANGE when it does not fit. */
static int multiply(const struct number *num, uint64_t factor, uint64_t *value)
{
	/* Fraction below 10^12 and factor up to 2^40 need 80 bits. */
	unsigned __int128 part = (unsigned __int128)num->fraction * factor;
	unsigned __int128 all = (unsigned __int128)num->whole * factor + part / num->scale;

	if (part % num->scale != 0)
		return -EINVAL;
	if (all > UINT64_MAX)
		return -ERANGE;
	*value = (uint64_t)all;
	return 0;
}

/* Whether unit is name, or name followed by one of the endings (separated by NUL, ended by two). */
static bool unit_matches(const char *unit, const char *name, const char *endings)
{
	size_t len = strlen(name);

	if (strncmp(unit, name, len) != 0)
		return false;
	unit += len;
	if (*unit == '\0')
		return true;
	for (; *endings; endings += strlen(endings) + 1)
		if (strcmp(unit, endings) == 0)
			return true;
	return false;
}

/* What a parser reads, and what it says when it cannot. */
struct kind {
	const struct unit *units;
	const char *endings;
	const char *syntax;
};

static const struct kind size_kind = {
	size_units, "B\0",
	"is not a size; write bytes as in 4096, 64k, 500M, 2G or 64Ki, 4Mi, 1Gi"
};
static const struct kind rate_kind = {
	rate_units, "bit/s\0bps\0",
	"is not a rate; write bits per second as in 500k, 940M or 10Gbit/s"
};
static const struct kind time_kind = {
	time_units, "",
	"is not a duration; write a number and us, ms, s, m or h, as in 500ms or 5s"
};
static const struct kind percent_kind = {
	percent_units, "",
	"is not a percentage; write 0% to 100%, as in 10% or 0.5%"
};

static int parse(const char *text, const struct kind *kind, uint64_t *value, char *why,
		 size_t why_bytes)
{
	struct number num;
	const struct unit *unit = kind->units;
	int err = parse_number(text, &num);

	if (!err) {
		while (unit->name && !unit_matches(num.rest, unit->name, kind->endings))
			unit++;
		err = unit->name ? multiply(&num, unit->factor, value) : -EINVAL;
	}
	if (err)
		rmdt_text_fault(why, why_bytes, text,
				err == -ERANGE ? "is too large" : kind->syntax);
	return err;
}

int rmdt_units_parse_size(const char *text, uint64_t *bytes, char *why, size_t why_bytes)
{
	return parse(text, &size_kind, bytes, why, why_bytes);
}

int rmdt_units_parse_rate(const char *text, uint64_t *bits_per_s, char *why, size_t why_bytes)
{
	return parse(text, &rate_kind, bits_per_s, why, why_bytes);
}

int rmdt_units_parse_duration(const char *text, uint64_t *us, char *why, size_t why_bytes)
{
	if (strcmp(text, "0") == 0) {
		*us = 0;
		return 0;
	}
	return parse(text, &time_kind, us, why, why_bytes);
}

int rmdt_units_parse_percent(const char *text, uint32_t *ppm, char *why, size_t why_bytes)
{
	uint64_t value;
	int err = parse(text, &percent_kind, &value, why, why_bytes);

	if (!err && value > 1000000) {
		rmdt_text_fault(why, why_bytes, text, "is more than 100%");
		err = -ERANGE;
	}
	if (!err)
		*ppm = (uint32_t)value;
	return err;
}

/* value / factor with three figures: 1.50, 15.0, 150. Four before the point stay four. */
static void add_figures(struct rmdt_text *text, uint64_t value, uint64_t factor)
{
	uint64_t whole = value / factor;
	unsigned decimals = factor == 1 || whole >= 100 ? 0 : whole >= 10 ? 1 : 2;
	uint64_t scale = decimals == 2 ? 100 : decimals == 1 ? 10 : 1;
	uint64_t scaled = (uint64_t)(((unsigned __int128)value * scale + factor / 2) / factor);

	/* Rounding may have made one figure more: 9.999 is 10.0, not 10.00. */
	if (decimals > 0 && scaled >= 1000) {
		scaled /= 10;
		scale /= 10;
		decimals--;
	}
	rmdt_text_add_u64(text, scaled / scale);
	if (decimals > 0) {
		rmdt_text_add_char(text, '.');
		if (decimals == 2)
			rmdt_text_add_char(text, (char)('0' + scaled % scale / 10));
		rmdt_text_add_char(text, (char)('0' + scaled % 10));
	}
}

/*
 * The largest unit of which value, once rounded to three figures, is one or more: 999,999 is
 * "1.00 M", not "1000 k".
 */
static const struct unit *pick(const struct unit *units, uint64_t value)
{
	const struct unit *best = units;

	for (const struct unit *unit = units; unit->name; unit++)
		if (value >= unit->factor - unit->factor / 2000)
			best = unit;
	return best;
}

static const struct unit size_steps[] = {
	{ " B", 1 },
	{ " kB", 1000 },
	{ " MB", 1000000 },
	{ " GB", 1000000000 },
	{ " TB", 1000000000000 },
	{ NULL, 0 },
};

static const struct unit rate_steps[] = {
	{ " bit/s", 1 },
	{ " kbit/s", 1000 },
	{ " Mbit/s", 1000000 },
	{ " Gbit/s", 1000000000 },
	{ " Tbit/s", 1000000000000 },
	{ NULL, 0 },
};

static const struct unit time_steps[] = {
	{ " us", 1 },
	{ " ms", 1000 },
	{ " s", 1000000 },
	{ NULL, 0 },
};

static char *format(const struct unit *units, uint64_t value, char *buf, size_t buf_bytes)
{
	const struct unit *unit = pick(units, value);
	struct rmdt_text text;

	rmdt_text_init(&text, buf, buf_bytes);
	add_figures(&text, value, unit->factor);
	rmdt_text_add(&text, unit->name);
	return buf;
}

char *rmdt_units_format_size(uint64_t bytes, char *buf, size_t buf_bytes)
{
	return format(size_steps, bytes, buf, buf_bytes);
}

char *rmdt_units_format_rate(uint64_t bits_per_s, char *buf, size_t buf_bytes)
{
	return format(rate_steps, bits_per_s, buf, buf_bytes);
}

/* "2h05m" or "1m30s". */
static void add_mixed(struct rmdt_text *text, uint64_t high, uint64_t low, const char *names)
{
	rmdt_text_add_u64(text, high);
	rmdt_text_add_char(text, names[0]);
	if (low < 10)
		rmdt_text_add_char(text, '0');
	rmdt_text_add_u64(text, low);
	rmdt_text_add_char(text, names[1]);
}

char *rmdt_units_format_duration(uint64_t us, char *buf, size_t buf_bytes)
{
	uint64_t seconds = us / 1000000 + (us % 1000000 >= 500000);
	uint64_t minutes = seconds / 60 + (seconds % 60 >= 30);
	struct rmdt_text text;

	if (seconds < 60)
		return format(time_steps, us, buf, buf_bytes);
	rmdt_text_init(&text, buf, buf_bytes);
	if (seconds < 3600)
		add_mixed(&text, seconds / 60, seconds % 60, "ms");
	else
		add_mixed(&text, minutes / 60, minutes % 60, "hm");
	return buf;
}

char *rmdt_units_format_percent(uint32_t ppm, char *buf, size_t buf_bytes)
{
	struct rmdt_text text;

	rmdt_text_init(&text, buf, buf_bytes);
	add_figures(&text, ppm, 10000);
	rmdt_text_add_char(&text, '%');
	return buf;
}

static char *exact(const struct unit *units, uint64_t value, char *buf, size_t buf_bytes)
{
	const struct unit *best = units;
	struct rmdt_text text;

	rmdt_text_init(&text, buf, buf_bytes);
	if (value == 0) {
		rmdt_text_add_char(&text, '0');
		return buf;
	}
	for (const struct unit *unit = units; unit->name; unit++)
		if (value % unit->factor == 0 && unit->factor > best->factor)
			best = unit;
	rmdt_text_add_u64(&text, value / best->factor);
	rmdt_text_add(&text, best->name);
	return buf;
}

char *rmdt_units_exact_size(uint64_t bytes, char *buf, size_t buf_bytes)
{
	return exact(size_units, bytes, buf, buf_bytes);
}

char *rmdt_units_exact_duration(uint64_t us, char *buf, size_t buf_bytes)
{
	return exact(time_units, us, buf, buf_bytes);
}

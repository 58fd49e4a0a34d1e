/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/emu_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Longest time that may be given: keeps every sum of nanoseconds far from overflow. */
#define MAX_US (3600 * UINT64_C(1000000))
/* Highest rate: bytes * 8 * 1e9 must stay in 64 bits and a packet must take at least some
 * nanoseconds. */
#define MAX_BPS (1000 * UINT64_C(1000000000))
/* Each packet of the others costs some nanoseconds, too. */
#define MAX_CROSS_BPS 10e9
#define MAX_QUEUE_BYTES (UINT64_C(1) << 40)

struct unit {
	const char *name;
	double factor;
};

static const struct unit time_units[] = { { "us", 1 }, { "ms", 1e3 }, { "s", 1e6 }, { NULL, 0 } };
static const struct unit size_units[] = {
	{ "", 1 }, { "k", 1e3 }, { "M", 1e6 }, { "G", 1e9 }, { NULL, 0 }
};
static const struct unit part_units[] = { { "", 1 }, { "%", 0.01 }, { NULL, 0 } };

/* Number and unit up to ':' or the end; *text moves behind. */
static int parse_number(const char **text, const struct unit *units, double most, double *out)
{
	char *end;

	if (!strchr("0123456789.", **text) || **text == '\0')
		return -EINVAL;
	double value = strtod(*text, &end);
	size_t len = strcspn(end, ":");

	for (; units->name; units++) {
		if (strlen(units->name) == len && strncmp(units->name, end, len) == 0)
			break;
	}
	if (!units->name && !(value == 0 && len == 0)) /* 0 needs no unit */
		return -EINVAL;
	if (units->name)
		value *= units->factor;
	if (!(value >= 0 && value <= most) || strcmp(end + len, ":") == 0)
		return -EINVAL;
	*out = value;
	*text = end + len + (end[len] == ':');
	return 0;
}

static int whole(const char *text, const struct unit *units, double most, double *out)
{
	double value;
	int err = parse_number(&text, units, most, &value);

	if (err || *text)
		return -EINVAL;
	*out = value;
	return 0;
}

static int set_u64(uint64_t *field, const char *text, const struct unit *units, double most)
{
	double value;
	int err = whole(text, units, most, &value);

	if (!err)
		*field = (uint64_t)(value + 0.5);
	return err;
}

static int set_bool(bool *field, const char *text)
{
	if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
		return -EINVAL;
	*field = *text == '1';
	return 0;
}

static int set_rate(struct emu_params *p, const char *text)
{
	struct emu_shape *shape = &p->shape;
	int err = set_u64(&shape->rate_bps, text, size_units, (double)MAX_BPS);

	if (!err && shape->rate_bps && !shape->queue_us && !shape->queue_bytes)
		shape->queue_us = EMU_DEFAULT_QUEUE_US;
	return err;
}

static int set_queue(struct emu_params *p, const char *text)
{
	uint64_t us = 0, bytes = 0;
	int err = set_u64(&us, text, time_units, (double)MAX_US);

	if (err) {
		us = 0;
		err = set_u64(&bytes, text, size_units, (double)MAX_QUEUE_BYTES);
	}
	if (err)
		return err;
	/* Not 0: a later "rate=" would take that for a queue that was never given. */
	p->shape.queue_us = us || bytes ? us : MAX_US;
	p->shape.queue_bytes = bytes;
	return 0;
}

static int set_reorder(struct emu_params *p, const char *text)
{
	double part, us;
	int err = parse_number(&text, part_units, 1, &part);

	if (err)
		return err;
	if (*text == '\0' && part == 0)
		us = 0;
	else if ((err = whole(text, time_units, (double)MAX_US, &us)) != 0)
		return err;
	p->reorder = part;
	p->reorder_us = (uint64_t)(us + 0.5);
	return 0;
}

/* Mean loss L in bursts of mean length N: leave = 1/N, and the part of time spent bad, enter /
 * (enter + leave), is L. */
static int set_burst(struct emu_params *p, const char *text)
{
	double loss, length = 1;
	int err = parse_number(&text, part_units, 0.9, &loss);

	if (!err && (loss > 0 || *text))
		err = whole(text, size_units, 1e6, &length);
	if (err)
		return err;
	if (length < 1)
		return -EINVAL;
	double enter = loss / (1 - loss) / length;

	if (enter > 1)
		return -EINVAL;
	p->ge_leave = loss > 0 ? 1 / length : 0;
	p->ge_enter = enter;
	p->ge_bad = loss > 0 ? 1 : 0;
	p->ge_good = 0;
	return 0;
}

static int set_ge(struct emu_params *p, const char *text)
{
	double value[4] = { 0, 0, 1, 0 };
	int n = 0;

	do {
		if (n == 4 || parse_number(&text, part_units, 1, &value[n++]))
			return -EINVAL;
	} while (*text);
	if (n < 2)
		return -EINVAL;
	p->ge_enter = value[0];
	p->ge_leave = value[1];
	p->ge_bad = value[2];
	p->ge_good = value[3];
	return 0;
}

static int set_delay(struct emu_params *p, const char *text)
{
	return set_u64(&p->delay_us, text, time_units, (double)MAX_US);
}

static int set_jitter(struct emu_params *p, const char *text)
{
	return set_u64(&p->jitter_us, text, time_units, (double)MAX_US);
}

static int set_ecn(struct emu_params *p, const char *text)
{
	return set_u64(&p->ecn_us, text, time_units, (double)MAX_US);
}

static int set_ect(struct emu_params *p, const char *text)
{
	static const char *const names[] = {
		[EMU_ECT_KEEP] = "keep", [EMU_ECT_BLEACH] = "bleach", [EMU_ECT_DROP] = "drop"
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			p->ect = (enum emu_ect)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_cross(struct emu_params *p, const char *text)
{
	double rate, on_us = 0, off_us = 0;
	int err = parse_number(&text, size_units, MAX_CROSS_BPS, &rate);

	if (!err && *text) {
		err = parse_number(&text, time_units, (double)MAX_US, &on_us);
		if (!err)
			err = whole(text, time_units, (double)MAX_US, &off_us);
		if (!err && (on_us < 1 || off_us < 1))
			err = -EINVAL;
	}
	if (!err)
		p->cross = (struct emu_cross) { .rate_bps = (uint64_t)(rate + 0.5), .on_us = (uint64_t)on_us,
			                        .off_us = (uint64_t)off_us };
	return err;
}

static int set_loss(struct emu_params *p, const char *text)
{
	return whole(text, part_units, 1, &p->loss);
}

static int set_dup(struct emu_params *p, const char *text)
{
	return whole(text, part_units, 1, &p->dup);
}

static int set_corrupt(struct emu_params *p, const char *text)
{
	return whole(text, part_units, 1, &p->corrupt);
}

static int set_fix(struct emu_params *p, const char *text)
{
	return set_bool(&p->corrupt_fix, text);
}

static int set_cut(struct emu_params *p, const char *text)
{
	return set_bool(&p->cut, text);
}

static int set_mtu(struct emu_params *p, const char *text)
{
	uint64_t mtu;
	int err = set_u64(&mtu, text, size_units, 65535);

	if (!err)
		p->mtu = (uint32_t)mtu;
	return err;
}

static const struct key {
	const char *name;
	int (*set)(struct emu_params *p, const char *text);
} keys[] = {
	{ "rate", set_rate },       { "queue", set_queue },     { "delay", set_delay },
	{ "jitter", set_jitter },   { "loss", set_loss },       { "burst", set_burst },
	{ "ge", set_ge },           { "reorder", set_reorder }, { "dup", set_dup },
	{ "corrupt", set_corrupt }, { "fix", set_fix },         { "ecn", set_ecn },
	{ "mtu", set_mtu },         { "cut", set_cut },         { "ect", set_ect },
	{ "cross", set_cross },
};

void emu_conf_defaults(struct emu_params *params)
{
	memset(params, 0, sizeof(*params));
	params->corrupt_fix = true;
}

int emu_conf_apply(struct emu_params *params, const char *word)
{
	size_t len = strcspn(word, "=");

	if (strcmp(word, "perfect") == 0) {
		emu_conf_defaults(params);
		return 0;
	}
	if (word[len] != '=')
		return -EINVAL;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strlen(keys[i].name) == len && strncmp(keys[i].name, word, len) == 0)
			return keys[i].set(params, word + len + 1);
	}
	return -EINVAL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_UNITS_H
#define RMDT_CORE_UNITS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Sizes, rates, durations and percents as people write them. Parsers are strict: digits, at most
 * one decimal point with digits on both sides, at most one space, a unit, and nothing else; the
 * result must be a whole number and fit. They return 0, or -EINVAL (not understood) or -ERANGE
 * (too large) with a sentence naming the text at fault in why (why_bytes long, always terminated;
 * RMDT_ERROR_BYTES of rmdt.h suits).
 */

/* Longest text of a formatter with its terminator. */
#define RMDT_UNITS_TEXT_BYTES 32u

/* 4096, 64k, 500M, 1.5G, 2T (decimal) or 64Ki, 4Mi, 1Gi, 1Ti (binary); a trailing B is allowed. */
int rmdt_units_parse_size(const char *text, uint64_t *bytes, char *why, size_t why_bytes);

/* 1000000, 940M, 10G, 2.5Gbit/s, 100kbps; bits per second, decimal. */
int rmdt_units_parse_rate(const char *text, uint64_t *bits_per_s, char *why, size_t why_bytes);

/* 200us, 50ms, 5s, 10m, 1h; 0 alone needs no unit. */
int rmdt_units_parse_duration(const char *text, uint64_t *us, char *why, size_t why_bytes);

/* 10%, 0.5%: 0 to 100 percent, in parts per million (1% is 10000). */
int rmdt_units_parse_percent(const char *text, uint32_t *ppm, char *why, size_t why_bytes);

/*
 * For people, three figures, rounded to nearest: "999 B", "1.50 GB", "940 Mbit/s", "1.25 ms",
 * "2h05m", "0.50%". The parsers read all of these except mixed durations. They return buf.
 */
char *rmdt_units_format_size(uint64_t bytes, char *buf, size_t buf_bytes);
char *rmdt_units_format_rate(uint64_t bits_per_s, char *buf, size_t buf_bytes);
char *rmdt_units_format_duration(uint64_t us, char *buf, size_t buf_bytes);
char *rmdt_units_format_percent(uint32_t ppm, char *buf, size_t buf_bytes);

/* Exact, in the largest unit that divides: "500M", "64Ki", "4097"; "5s", "1500ms", "0". */
char *rmdt_units_exact_size(uint64_t bytes, char *buf, size_t buf_bytes);
char *rmdt_units_exact_duration(uint64_t us, char *buf, size_t buf_bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Numbers as people read them. Each writes a terminated text into buf and returns buf. */

#define TEXT_BYTES 32			/* enough for every formatter here */

char *text_count(uint64_t n, char buf[TEXT_BYTES]);		/* "1,073,741,824" */
char *text_size(uint64_t bytes, char buf[TEXT_BYTES]);		/* "999 B", "1.07 GB" */
char *text_rate(uint64_t bytes_per_s, char buf[TEXT_BYTES]);	/* "2.68 Gbit/s" */
char *text_seconds(uint64_t us, char buf[TEXT_BYTES]);		/* "3.21 s", "2:05", "1:02:05" */
char *text_rtt(uint64_t us, char buf[TEXT_BYTES]);		/* "0.2 ms", "1.20 s" */
/* Part of whole: "0.00 %"; whole 0 counts as none lost. */
char *text_percent(uint64_t part, uint64_t whole, char buf[TEXT_BYTES]);

/* Copies src, cut to size, control characters as '?'. For what came from the far end. */
char *text_plain(const char *src, char *buf, size_t size);

#endif

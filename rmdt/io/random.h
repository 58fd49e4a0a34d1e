/* SPDX-License-Identifier: Apache-2.0 */
/* The one source of randomness of the shell: the kernel's. */
#ifndef RMDT_IO_RANDOM_H
#define RMDT_IO_RANDOM_H

#include <stddef.h>

/* Fills `out`. Cannot fail: aborts when the kernel refuses (no getrandom: an unusable machine). */
void rmdt_random_bytes(void *out, size_t len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* "WORD BASE64" inside a line, for the parsers of trust files. */
#ifndef RMDT_CORE_KEY_LINE_H
#define RMDT_CORE_KEY_LINE_H

#include <stdint.h>

#include "core/lines.h"
#include "core/trust.h"

/*
 * Cuts `word` and a key off *rest, which is then the comment. 0, or -EINVAL with the fault set;
 * the fault never shows a private key.
 */
int rmdt_key_line_parse(struct rmdt_span *rest, const char *word,
			uint8_t key[RMDT_TRUST_KEY_BYTES], struct rmdt_fault *fault);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of struct rmdt_cancel for the waits of the shell; the outside is in rmdt.h. */
#ifndef RMDT_IO_CANCEL_H
#define RMDT_IO_CANCEL_H

#include <stdbool.h>

#include "rmdt.h"

/* NULL has never been fired. */
bool rmdt_cancel_is_fired(const struct rmdt_cancel *c);
/* Readable for ever once fired; -1 for NULL. */
int rmdt_cancel_fd(const struct rmdt_cancel *c);

#endif

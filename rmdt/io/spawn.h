/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_IO_SPAWN_H
#define RMDT_IO_SPAWN_H

#include <pthread.h>

/*
 * Starts a thread that takes no signals: those are the application's. To be joined or detached.
 * Negative errno.
 */
int rmdt_spawn(pthread_t *id, void *(*run)(void *ctx), void *ctx);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/spawn.h"

#include <signal.h>

int rmdt_spawn(pthread_t *id, void *(*run)(void *ctx), void *ctx)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(id, NULL, run, ctx);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

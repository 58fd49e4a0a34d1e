/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_STOP_H
#define CLI_STOP_H

#include <stdbool.h>

#include <rmdt/rmdt.h>

/*
 * SIGINT, SIGTERM and SIGHUP as a request to end. Once per process; SIGPIPE is ignored from then
 * on.
 */

int stop_start(void);			/* 0 or negative errno */
bool stop_requested(void);
const char *stop_signal(void);		/* "SIGINT" ...; "" when none came */
int stop_fd(void); /* readable once a stop was requested; not to be read or closed */
struct rmdt_cancel *stop_cancel(void);	/* fired then; lives as long as the process */

#endif

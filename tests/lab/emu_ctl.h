/* SPDX-License-Identifier: Apache-2.0 */
/* emu_ctl: commands as text, from the command line, a file or a Unix socket. */
#ifndef LAB_EMU_CTL_H
#define LAB_EMU_CTL_H

#include "tests/lab/emu_lab.h"

#define EMU_COMMAND_MAX 4096

/*
 * Carry out one command; the answer, always at least a line, goes to `reply`. Returns 0, or -EINVAL
 * with a line that says what is wrong and nothing changed.
 *
 *     set PATH key=value...     keys of emu_conf.h
 *     cut PATH | heal PATH
 *     uplink A rate=R queue=Q   shared by all that A sends
 *     stats                     a line of JSON
 *     quit
 *
 * PATH is 'A>B' (one direction) or 'A B' (both); A or B may be '*'.
 */
int emu_ctl_command(struct emu_lab *lab, const char *text, FILE *reply);

/* A datagram socket at `path`, or negative errno. */
int emu_ctl_listen(const char *path);

/* Answer one command. Does not block: packets do not wait for a caller. */
void emu_ctl_serve(struct emu_lab *lab, int fd);

/* The other end: send a command, print the answer. Returns 0, -EINVAL when refused, or another
 * negative errno. */
int emu_ctl_call(const char *path, const char *text, FILE *out);

#endif

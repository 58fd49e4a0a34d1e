/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include <rmdt/rmdt.h>

#include "cli/json.h"

/*
 * The counters of a running program for `dexor status`: a Unix socket PID.sock (mode 0600) in a folder that is ours alone
 * (0700). Whoever connects is given one JSON object and is hung up on; nothing is read. Without threads and waits: any
 * event loop watches status_fd() and calls status_serve().
 *
 * The folder: $RUNTIME_DIRECTORY (of the service manager), $XDG_RUNTIME_DIR/dexor, for root /run/dexor, or else
 * $HOME/.dexor/run; the first in which a socket can be made.
 */

#define STATUS_BYTES 65536		/* longest document: the buffer of a fresh Unix socket takes it whole */

struct status_server;

/* Writes members of the outermost object, after "program", "version", "pid" and "what". */
typedef void status_write(void *ctx, struct json *json);

struct status_options {
	const char *program;		/* "dexor tunnel" */
	const char *what;		/* what it does, as the user would say it; both borrowed while it serves */
	status_write *write;
	void *ctx;
};

/* Negative errno with err (RMDT_ERROR_BYTES): a program can well go on without. */
int status_new(const struct status_options *opt, struct status_server **server, char *err);
void status_free(struct status_server *server);		/* removes the socket; NULL ok */
int status_fd(const struct status_server *server);	/* readable: somebody asks */
void status_serve(struct status_server *server);	/* answers all that ask now */

/* What every program has to tell: "engine" of an engine, and the members of one object of "peers". */
void status_write_engine(struct json *json, struct rmdt_engine *engine);
void status_write_peer(struct json *json, const struct rmdt_peer_info *info);

/* ---- asking ---- */

#define STATUS_PATH_BYTES 108		/* what the address of a Unix socket can name */
#define STATUS_FOLDERS 4

/* The folders in which sockets of this user may be; returns how many. */
size_t status_folders(char folder[STATUS_FOLDERS][STATUS_PATH_BYTES]);
/* The document of the server there, terminated: its length. -ECONNREFUSED: its program is gone; -EPROTO ... */
int status_ask(const char *path, char *buf, size_t size, int timeout_ms);

#endif

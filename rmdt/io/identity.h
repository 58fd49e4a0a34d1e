/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of trust, all in one directory: id (private key), authorized_keys, known_hosts.
 * Shell over core/trust.h, core/authorized.h and core/hosts.h.
 *
 * Errors: negative errno with a message in `err` that names file, line and text at fault.
 * Permissions are judged as ssh does: the private key must be ours (or root's) and closed to group
 * and others; the lists and the directory must be ours or root's and not writable by others.
 */
#ifndef RMDT_IO_IDENTITY_H
#define RMDT_IO_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/authorized.h"
#include "core/hosts.h"
#include "core/trust.h"

#define RMDT_IDENTITY_PATH_BYTES 4096
#define RMDT_IDENTITY_FILE_MAX_BYTES (16 << 20)	/* a larger list is surely the wrong file */
#define RMDT_IDENTITY_SYSTEM_DIR "/etc/dexor"

struct rmdt_identity {
	uint8_t priv[RMDT_TRUST_KEY_BYTES];
	uint8_t pub[RMDT_TRUST_KEY_BYTES];
	bool is_new;		/* made by this call */
};

/*
 * The directory to use: $HOME/.dexor, or /etc/dexor for daemons (`system`). -ENOENT when there is
 * no HOME, -ENAMETOOLONG.
 */
int rmdt_identity_dir(bool system, char *out, size_t out_cap, char err[RMDT_TRUST_ERR_BYTES]);

/*
 * Loads DIR/id; makes directory (0700) and file (0600) on first use. Two processes that come first
 * at the same moment end with the same key. The caller calls rmdt_identity_wipe.
 */
int rmdt_identity_load(const char *dir, struct rmdt_identity *id, char err[RMDT_TRUST_ERR_BYTES]);
void rmdt_identity_wipe(struct rmdt_identity *id);

/* DIR/authorized_keys. 0 with *out = NULL when there is no such file. */
int rmdt_identity_authorized(const char *dir, struct rmdt_authorized **out,
			     char err[RMDT_TRUST_ERR_BYTES]);

/* DIR/known_hosts. 0 with an empty list when there is no such file. */
int rmdt_identity_hosts(const char *dir, struct rmdt_hosts **out, char err[RMDT_TRUST_ERR_BYTES]);

/*
 * Appends a pin to DIR/known_hosts under a lock, durable on return. Looks again under the lock:
 * 0 and *added = false when the same pin is there already, -EKEYREJECTED when another process has
 * pinned another key.
 */
int rmdt_identity_pin(const char *dir, const char *host, uint16_t port,
		      const uint8_t pub[RMDT_TRUST_KEY_BYTES], bool *added,
		      char err[RMDT_TRUST_ERR_BYTES]);

/* The psk file of --psk; permissions as for a private key. */
int rmdt_identity_psk(const char *path, uint8_t psk[RMDT_TRUST_KEY_BYTES],
		      char err[RMDT_TRUST_ERR_BYTES]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine remembers of paths (core/paths.h), kept in the file `paths` beside its identity
 * from one process to the next. It is read at the start of an engine and written, if anything was
 * learned, at once, at most every RMDT_PATHBOX_EVERY_S, and at the end; by a thread of its own,
 * since a disk may take its time. No trouble with the file ever matters for a transfer; it is
 * logged.
 */
#ifndef RMDT_IO_PATHBOX_H
#define RMDT_IO_PATHBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/paths.h"
#include "io/identity.h"
#include "io/log.h"

/* A process that is killed forgets no more than it learned in that time. */
#define RMDT_PATHBOX_EVERY_S 30

struct rmdt_pathbox {
	bool on;				/* constant */
	char dir[RMDT_IDENTITY_PATH_BYTES];	/* constant */
	const struct rmdt_log *log;

	pthread_mutex_t lock;			/* leaf; of the rest */
	struct rmdt_paths paths;
	bool news;				/* something is not in the file */
	bool ending;
	pthread_cond_t changed;			/* news or ending */

	pthread_t writer;			/* of the first who learns, then of fini */
	bool writes;				/* there is a writer; under the lock */
};

/* With `on` false it finds nothing, learns nothing and touches no file. */
void rmdt_pathbox_init(struct rmdt_pathbox *box, const char *dir, bool on,
		       const struct rmdt_log *log);
/* Writes what is not in the file yet. */
void rmdt_pathbox_fini(struct rmdt_pathbox *box);

/*
 * Any thread. false: nothing is remembered of the path to that key at that address; its port does
 * not count.
 */
bool rmdt_pathbox_find(struct rmdt_pathbox *box, const uint8_t key[RMDT_TRUST_KEY_BYTES],
		       const struct rmdt_addr *addr,
		       uint64_t *rate, uint64_t *rtt_us);
void rmdt_pathbox_learn(struct rmdt_pathbox *box, const uint8_t key[RMDT_TRUST_KEY_BYTES],
			const struct rmdt_addr *addr, uint64_t rate, uint64_t rtt_us);

#endif

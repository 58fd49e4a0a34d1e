/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PIPE_H
#define CLI_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <rmdt/rmdt.h>

#include "cli/progress.h"
#include "cli/report.h"

/* What one run of pipeclone is to do, and what its two sides share. */

enum { PIPE_EXIT_OK = 0, PIPE_EXIT_FAILED = 1, PIPE_EXIT_USAGE = 2 };

#define PIPE_PROGRAM "pipeclone"
#define PIPE_TICK_MS 200		/* longest wait before the next look at the states */
#define PIPE_IO_BYTES (1 << 20)		/* most that one read(2) or write(2) is asked for */

struct pipe_status;

struct pipe_job {
	struct rmdt_config *config;
	struct rmdt_endpoint listen;	/* receiver */
	struct rmdt_endpoint *to;	/* sender: its receivers */
	size_t n;
	bool keep, quiet, progress;
	const char *json_path;		/* NULL: no report for programs */
	FILE *json;			/* opened before the transfer begins */
	struct progress *console;
	void *side;			/* the running side's own state, for callbacks */
	/* The i-th receiver, or the sender that is served, borrowed; NULL: none at present. */
	struct rmdt_peer *(*peer_at)(void *side, size_t i);
	struct pipe_status *status;	/* NULL: none can be asked for */
};

/* Both return the exit status. */
int pipe_send(struct pipe_job *job);
int pipe_receive(struct pipe_job *job);

/*
 * While an engine runs, `dexor status` can ask for its state; side and peer_at are set. Without a
 * folder for the socket it cannot.
 */
void pipe_status_start(struct pipe_job *job, struct rmdt_engine *engine);
void pipe_status_stop(struct pipe_job *job);
int pipe_status_fd(const struct pipe_job *job);	/* readable: somebody asks; -1: none */
void pipe_status_serve(struct pipe_job *job);	/* answers who asks now */

/* Monotonic clock. */
uint64_t pipe_now_us(void);
/* "host:2312", "[v6]:2312". Returns buf. */
char *pipe_endpoint_text(const struct rmdt_endpoint *to, char buf[REPORT_NAME_BYTES]);
/* A larger kernel buffer, where the descriptor is a pipe: fewer and larger reads and writes. */
void pipe_widen(int fd);
/* For struct rmdt_engine_options: lines of the engine go to the job's console. ctx is the job. */
void pipe_log(void *job, int level, const char *line);
/* What peer_info tells for a report. `remote` keeps what it had when the peer is gone. */
void pipe_note_peer(struct rmdt_peer *peer, struct report_remote *remote,
		    enum rmdt_limit *limited_by);
/*
 * Writes the JSON report where one was asked for, a line per call, and returns the exit status:
 * failure when it could not be written.
 */
int pipe_finish(struct pipe_job *job, const struct report *report);

#endif

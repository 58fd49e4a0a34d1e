/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_RELAY_H
#define TUNNEL_RELAY_H

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <rmdt/rmdt.h>

#include "tunnel/access.h"
#include "tunnel/target.h"

/*
 * The process's one object: loop, engine, options and counters. Everything below it lives on the loop's thread, except
 * what access and admission read on the engine's I/O threads.
 */

#define RELAY_NAME "dexor tunnel"	/* in front of every line for the operator */

struct relay_options {
	struct target local, remote;
	struct rmdt_config *config;	/* borrowed; settings of the engine */
	uint16_t port;			/* of our engine */
	uint64_t hold_us;		/* how long clients wait for an association */
	uint64_t drain_us;		/* how long streams may go on after SIGTERM */
	uint64_t udp_idle_us;
	bool fail_on_outage;		/* new clients are reset while there is no association */
	bool balance;			/* new streams in turn over all routes that are up */
	bool copy;			/* udp: each datagram to all routes that are up */
	struct access allow;		/* clients */
	FILE *json;			/* a line per event; NULL: none */
	bool quiet;			/* only what went wrong is told */
};

enum relay_role {
	RELAY_ENTRY,			/* LOCAL is tcp:// or udp://: clients come here */
	RELAY_EXIT,			/* REMOTE is: we connect to the server */
};

struct relay_counters {
	uint64_t streams;		/* in all */
	uint64_t refused_clients;	/* by --allow */
	uint64_t failed;		/* streams that never reached the server */
	uint64_t reset;			/* streams that ended with a reset, from either side */
	uint64_t up_bytes, down_bytes;	/* read from our sockets; written to them */
	uint32_t open_streams, waiting_streams;
	uint32_t most_streams;		/* open at once, since memory was given back */
};

struct routes;
struct streams;
struct entry;
struct exit_side;
struct report;
struct sessions;

struct relay {
	struct ev_loop *loop;
	struct rmdt_engine *engine;
	const struct relay_options *opt;
	enum relay_role role;
	struct routes *routes;
	struct streams *streams;	/* tcp */
	struct entry *entry;		/* tcp at the entry; NULL otherwise */
	struct exit_side *exit;		/* tcp at the exit; NULL otherwise */
	struct sessions *sessions;	/* udp; NULL otherwise */
	struct report *report;		/* while it runs */
	struct relay_counters count;
	atomic_bool is_ready;		/* all of the above is there, for callbacks on I/O threads */
	atomic_bool is_draining;	/* no new streams */
	uint64_t silence_us;		/* an association that has heard nothing for so long is out of order */
	int log_level;			/* lines above it are not told */
	int status;			/* what relay_run returns */
	uint64_t started_us;		/* CLOCK_MONOTONIC */
	struct ev_io events;
	struct ev_timer drain, trim;
	struct ev_signal term, interrupt, hangup;	/* drain; end; read the lists of keys again */
};

/* -EINVAL etc. with err (RMDT_ERROR_BYTES): nothing runs then. `opt` is borrowed for the life of the relay. */
int relay_new(const struct relay_options *opt, struct relay **relay, char *err);
void relay_free(struct relay *relay);
/* Until the relay was asked to stop and is drained: 0. -EINVAL: relay_fail was called, and has told why. */
int relay_run(struct relay *relay);
/* Asked once: no new streams, end when the last is over or drain_us has passed. Asked twice, or at_once: end now. */
void relay_stop(struct relay *relay, bool at_once);

/* A line on stderr; level as in rmdt_engine_options.log. From any thread. */
void relay_log(const struct relay *relay, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Tells why, and ends relay_run. */
void relay_fail(struct relay *relay, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line {"event": EVENT, "time": ..., KEY: VALUE} in opt->json. */
void relay_event(struct relay *relay, const char *event, const char *key, const char *value);
/* A stream is gone: a relay that drains looks whether it can end, any other whether it can do with less memory. */
void relay_on_stream_over(struct relay *relay);
uint64_t relay_now_us(void);		/* CLOCK_MONOTONIC */

#endif

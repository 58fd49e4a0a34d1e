/* SPDX-License-Identifier: Apache-2.0 */
/* Many flows on one association in virtual time: what is to happen, and the run that checks it. */
#ifndef TESTS_SIM_FLOWS_H
#define TESTS_SIM_FLOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "lab/emu_link.h"

#define FLOWS_MAX	48
#define FLOWS_START_US	1000000		/* virtual clock at the start */

/* ---- what is to happen ---- */

enum flow_ending { COMPLETE, RESET_MIDWAY, STOP_MIDWAY, REFUSED };

struct flow_plan {
	unsigned from;			/* side that sends: 0 the initiator */
	uint8_t priority;
	uint64_t start_us, bytes, rate;	/* rate: bytes/s cap, 0 none */
	enum flow_ending ending;
	uint64_t at_off;		/* of reset or stop */
	/* the reader frees the flow without waiting until it is gone */
	bool free_early;
	bool marks;
};

struct flows_plan {
	uint64_t seed;
	struct emu_params there, back;
	unsigned n_flows, messages;	/* messages: of either side */
	uint32_t max_flows;
	struct flow_plan flow[FLOWS_MAX];
	uint64_t limit_us;
};

/* ---- the run ---- */

struct flows_flow {
	const struct flow_plan *plan;
	unsigned index;
	struct rmdt_sendbuf *sendbuf;
	struct rmdt_outflow *out;
	struct rmdt_inflow *in;
	uint64_t written, read_off, marked;
	uint64_t end_us;		/* when the sender knew */
	uint64_t mark_seen[RMDT_MARKS];
	bool opened, finished, out_over, in_over, saw_end, done, broke_there, broke_here;
	unsigned code;			/* that the side which did not cause the end was told */
	uint16_t meta_len;
};

struct flows_packet {
	struct flows_packet *next;
	uint64_t due_us;
	unsigned to;
	size_t len;
	uint8_t data[];
};

struct flows_end {
	struct rmdt_conn *conn;
	struct rmdt_addr addr;
	struct rmdt_blocks pool;
	struct emu_link out_link;
	unsigned messages_sent, messages_heard, messages_refused;
	bool up;
};

struct flows_run {
	const struct flows_plan *plan;
	uint64_t now_us;
	struct flows_end end[2];
	struct flows_flow flow[FLOWS_MAX];
	struct flows_packet *air;		/* sorted by due_us */
	uint64_t dice;
	char broken[256];
};

/*
 * Runs a plan to its end. false: *run says in `broken` what went wrong. Everything is freed; the
 * figures stay.
 */
bool flows_run(const struct flows_plan *plan, struct flows_run *run);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One in-flow: its receive buffer, credit and marks. Used by its conn's thread, but for the
 * consumer's side of the buffer (rmdt_recvbuf_peek, rmdt_recvbuf_consume), which belongs to one
 * other thread.
 */
#ifndef RMDT_CORE_INFLOW_H
#define RMDT_CORE_INFLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/credit.h"
#include "core/recvbuf.h"
#include "rmdt.h"

struct rmdt_open;

enum rmdt_inflow_state {
	RMDT_INFLOW_OFFERED,		/* waits for accept or refuse */
	RMDT_INFLOW_LIVE,
	RMDT_INFLOW_DONE,		/* the application confirmed all; DONE is being said */
	RMDT_INFLOW_STOPPED,		/* refused or stopped here; STOP is being said */
	RMDT_INFLOW_BROKEN,		/* reset by the sender, or the conn is down */
};

struct rmdt_inflow {
	uint32_t id;
	enum rmdt_inflow_state state;
	struct rmdt_open *open;		/* owned */
	uint64_t start_off;
	struct rmdt_recvbuf *recvbuf;	/* owned; NULL before accept */
	struct rmdt_credit credit;
	void *user;			/* the owner's */
	/* end of the highest byte received: counts against the peer's credit */
	uint64_t high_off;
	uint64_t final_off;		/* UINT64_MAX unknown */
	uint64_t counted_off;		/* consumed bytes already given back to the peer's credit */
	uint64_t mark_off[RMDT_MARKS];
	unsigned code;
	char reason[RMDT_REASON_BYTES + 1];

	/* The conn's bookkeeping. */
	uint32_t due;
	unsigned event_flags;
	bool in_due, in_events;
	bool end_heard;			/* the far end has DONE or STOP */
	bool reset_seen;		/* and it has said how far it got: the credit is settled */
	bool freed;
	uint64_t said_consumed_off;
	struct rmdt_inflow *next_due, *prev_due, *next_event, *next_all, *prev_all;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One peer's side of an out-flow: what was sent to it, what it has, what must be repaired. Many outflows read one send
 * buffer; each is used by its conn's thread. Fields marked _Atomic are written there and may be read anywhere.
 */
#ifndef RMDT_CORE_OUTFLOW_H
#define RMDT_CORE_OUTFLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/pacer.h"
#include "core/ranges.h"
#include "core/repeat.h"
#include "core/sendbuf.h"
#include "core/tail.h"
#include "rmdt.h"

struct rmdt_open;

enum rmdt_outflow_state {
	RMDT_OUTFLOW_OPENING,		/* OPEN not answered yet; data may go within the initial credit */
	RMDT_OUTFLOW_LIVE,
	RMDT_OUTFLOW_DONE,		/* far application confirmed all */
	RMDT_OUTFLOW_BROKEN,		/* stopped by the far end, reset, or the conn is down */
};

struct rmdt_outflow {
	uint32_t id;
	uint8_t priority;
	enum rmdt_outflow_state state;
	struct rmdt_sendbuf *sendbuf;	/* borrowed; NULL once broken or done */
	struct rmdt_open *open;		/* owned; what OPEN says */
	void *user;			/* the owner's */

	uint64_t start_off;
	uint64_t next_off;		/* first offset never sent */
	uint64_t limit_off;		/* credit: offsets below it may be sent */
	uint64_t final_off;		/* as sent with FIN; UINT64_MAX before */
	struct rmdt_ranges acked;	/* above received_off */
	struct rmdt_ranges lost;	/* to be sent again */
	struct rmdt_ranges again;	/* and then once more: what was lost twice */
	struct rmdt_repeat repeat;	/* of repairs made after the end was sent */
	struct rmdt_tail tail;		/* before it was: the last small piece */
	uint64_t room_off;		/* sent so far, and the writer is told that there is room */
	struct rmdt_pacer pacer;	/* of the flow's own rate; used if has_rate */
	bool has_rate;

	_Atomic uint64_t sent_off;	/* = next_off */
	_Atomic uint64_t received_off;	/* far end has all below */
	_Atomic uint64_t consumed_off;	/* far application took all below */
	_Atomic uint64_t mark_off[RMDT_MARKS];
	_Atomic uint64_t chunk_bytes;	/* sent in all */
	_Atomic uint64_t repaired_bytes; /* sent again */
	unsigned code;			/* when broken */
	char reason[RMDT_REASON_BYTES + 1];

	/* The conn's bookkeeping. */
	uint32_t due;			/* control frames to be sent, see conn_impl.h */
	unsigned event_flags;		/* not yet pulled */
	int64_t deficit_bytes;		/* round robin */
	bool active, in_due, in_events;	/* member of the conn's lists */
	bool open_known, fin_known, reset_heard; /* the far end has OPEN, the end, RESET */
	bool open_doubled;		/* OPEN was said once, and is being said a second time */
	bool reset_waits;		/* for OPEN to be known: before, nobody could settle the credit */
	bool freed;			/* owner let go; only a RESET is still to be said */
	struct rmdt_outflow *next_active, *prev_active, *next_due, *prev_due, *next_event, *next_all, *prev_all;
};

int rmdt_outflow_new(struct rmdt_outflow **out, uint32_t id, struct rmdt_sendbuf *sendbuf, uint64_t start_off,
		     const struct rmdt_open *open);
void rmdt_outflow_free(struct rmdt_outflow *of);

/* A piece of the stream to be sent now. */
struct rmdt_chunk {
	uint64_t off;
	uint32_t len;			/* 0 only with fin */
	bool repair;
	bool repeat;			/* a repair for which no loss was seen */
	bool fin;			/* the stream ends with it */
	const uint8_t *ptr;		/* into the send buffer; valid until released */
};
/*
 * The next chunk of at most max bytes: repairs first, then new bytes within `credit` (of the peer) and the flow's
 * limit. false: nothing can be sent; *blocked (may be NULL) tells whether credit is what is missing.
 */
bool rmdt_outflow_next(struct rmdt_outflow *of, size_t max, uint64_t credit, struct rmdt_chunk *chunk, bool *blocked);
/*
 * When nothing is left to send: once the end has been sent, repairs once more before it is known whether they were lost,
 * too (core/repeat.h); in all at most a fiftieth of what was sent. false: not now; *wait_us (UINT64_MAX: never) says when
 * to ask again. And the small piece that rmdt_outflow_watch_tail named last, whether the end has been sent or not.
 */
bool rmdt_outflow_repeat(struct rmdt_outflow *of, size_t max, uint64_t rtt_us, uint64_t now_us, struct rmdt_chunk *chunk,
			 uint64_t *wait_us);
/* The last bytes have nothing behind them that would show their loss: they are as good as repaired. */
void rmdt_outflow_doubt_end(struct rmdt_outflow *of, uint64_t bytes);
/* This chunk, just sent for the first time, may have nothing behind it for long: it goes once more at due_us (core/tail.h). */
void rmdt_outflow_watch_tail(struct rmdt_outflow *of, const struct rmdt_chunk *chunk, uint64_t due_us);
void rmdt_outflow_on_sent(struct rmdt_outflow *of, const struct rmdt_chunk *chunk);
void rmdt_outflow_on_acked(struct rmdt_outflow *of, uint64_t off, uint32_t len);
void rmdt_outflow_on_lost(struct rmdt_outflow *of, uint64_t off, uint32_t len);
/* What was lost was a repair: the next one goes out twice. Call it after on_lost. */
void rmdt_outflow_insist(struct rmdt_outflow *of, uint64_t off, uint32_t len);
/*
 * The far end's positions. true: one advanced. Impossible positions (beyond what was sent, going back is ignored)
 * give -EPROTO.
 */
int rmdt_outflow_on_state(struct rmdt_outflow *of, uint64_t received_off, uint64_t consumed_off, uint64_t limit_off);
/* Oldest sent and unacknowledged chunk again, for a tail probe. false: none. */
bool rmdt_outflow_probe(struct rmdt_outflow *of, size_t max, struct rmdt_chunk *chunk);

#endif

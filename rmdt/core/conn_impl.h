/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of struct rmdt_conn, shared by conn*.c only. conn.c sequences, conn_recv.c hears, conn_send.c speaks. */
#ifndef RMDT_CORE_CONN_IMPL_H
#define RMDT_CORE_CONN_IMPL_H

#include "core/acks.h"
#include "core/cc.h"
#include "core/conn.h"
#include "core/ecn.h"
#include "core/handshake.h"
#include "core/idmap.h"
#include "core/keys.h"
#include "core/loss.h"
#include "core/pacer.h"
#include "core/pmtu.h"
#include "core/rate.h"
#include "core/rng.h"
#include "core/rtt.h"
#include "core/wire.h"

#define CONN_PRIORITIES		3
/*
 * Most packets in the books, those in flight and the lost ones that are remembered for two round trips: 10 Gbit/s over
 * 0.6 s in packets of 1200 bytes. Memory is taken as it is needed.
 */
#define CONN_MAX_SENT		(1u << 21)
#define CONN_SENT_RESERVE	4096	/* of these, for packets other than DATA and messages */
/* Nothing in flight for so long: the books give their memory back. */
#define CONN_IDLE_US		UINT64_C(5000000)
/* One flow's turn before the next of its priority gets one. */
#define CONN_QUANTUM_BYTES	65536
/* Ids of flows that have been opened here are kept as ranges; a peer that opens them in this disorder is broken. */
#define CONN_MAX_OPENED_RANGES	4096
/* Flows beyond max_flows that are being refused; an OPEN beyond these is left unheard, so its sender says it again. */
#define CONN_MAX_REFUSED	256
/* A flow begins below it: so that all its offsets and limits fit in a varint. */
#define CONN_MAX_START_OFF	(UINT64_C(1) << 61)
/* A packet number is left out about once in so many, P7. Rare enough that the acks it provokes cost nothing. */
#define CONN_SKIP_EVERY		16384u
/* Positions that changed but ride on no ack are said after this long at the latest, or after so many consumed bytes. */
#define CONN_STATE_DELAY_US	RMDT_ACKS_MAX_DELAY_US
#define CONN_STATE_EVERY_BYTES	262144u
/* Positions that only rode on acks are said once more when nothing newer was said for a round trip, or this long. */
#define CONN_STATE_SURE_US	UINT64_C(50000)
/* A tick this late means that the process did not run: no evidence of silence. */
#define CONN_STOPPED_US		UINT64_C(500000)
/* After this many probe timeouts in a row the path counts as silent. */
#define CONN_SILENT_PTOS	3
/* Packets looked at, at a probe timeout, for control frames that are worth saying again. */
#define CONN_PTO_LOOK		4096
#define CONN_HINT_EVERY_US	UINT64_C(1000000)
#define CONN_CLOSE_TIMES	3
/* A closed association answers stragglers no longer than this; a failed handshake just so long. */
#define CONN_DRAIN_US		UINT64_C(5000000)
#define CONN_GSO_SEGMENTS	64
/* A writer is told of room after so many bytes: a quarter of what it may be ahead. */
#define CONN_ROOM_BYTES		(RMDT_CREDIT_AHEAD_BYTES / 4)
/* On a path this long a round trip lost at the start costs more than a packet. */
#define CONN_LONG_RTT_US	UINT64_C(5000)
/*
 * On a path of that length which has lost something so lately, or is so new, what is little goes once more after this part
 * of a round trip, while no more than so much is on its way: then it costs next to nothing, and the flows that wait for it are few.
 */
#define CONN_LOSSY_US		UINT64_C(60000000)
#define CONN_TAIL_RTT_DIVISOR	8
#define CONN_THIN_BYTES		16384u
/* No more than this part of what the path carries, and bytes a second: many pieces one after the other are a stream. */
#define CONN_TAIL_PART		16
#define CONN_TAIL_RATE		UINT64_C(32768)
/* Chunks at the end of a flow whose loss nothing behind them would show. */
#define CONN_DOUBTED_CHUNKS	(RMDT_LOSS_PKT_THRESHOLD + 1)

/* Control frames a flow still has to say. SOFT ones ride on other packets; SURE ones did so and may have been lost. */
enum due {
	DUE_OPEN = 1, DUE_FIN = 2, DUE_RESET = 4, DUE_STATE = 8, DUE_STOP = 16, DUE_DONE = 32,
	DUE_MARK = 64,			/* << kind */
	DUE_SOFT_STATE = 64 << RMDT_MARKS, DUE_SURE_STATE = 128 << RMDT_MARKS,
	DUE_ANY_STATE = DUE_STATE | DUE_SOFT_STATE | DUE_SURE_STATE,
	DUE_HARD = DUE_SOFT_STATE - 1,
};
/* The same for the association itself. */
enum conn_due {
	CDUE_PING = 1, CDUE_CREDIT = 2, CDUE_REKEY = 4, CDUE_REKEY_ANSWER = 8, CDUE_CLOSE = 16,
};

/* What a CTRL packet said that must be said again if it is lost. */
struct token_item {
	uint32_t due;			/* enum due or enum conn_due */
	uint32_t flow;
	enum { OF_CONN, OF_OUT, OF_IN } whose;
};
struct token {
	uint64_t ack_largest;		/* of the ACK it carried; UINT64_MAX none */
	uint32_t count;
	struct token_item item[];
};

struct message {
	uint16_t len;
	uint8_t *data;			/* owned */
};
struct message_queue {
	struct message at[RMDT_CONN_MESSAGE_QUEUE];
	unsigned first, count;
	size_t bytes;
};

enum conn_state {
	CONN_HANDSHAKE, CONN_UP, CONN_CLOSING,	/* closing: says CLOSE, answers stragglers until drain_us */
	CONN_DRAINED,
};

struct rmdt_conn {
	struct rmdt_conn_config cfg;
	enum conn_state state;
	struct rmdt_rng rng;
	struct rmdt_handshake *hs;	/* NULL once it is not needed any more */
	struct rmdt_keys *keys;
	struct rmdt_params remote_params;
	uint8_t remote_key[32];
	uint32_t remote_cid;
	bool cipher_none;		/* as agreed */
	bool admit_asked;

	struct rmdt_addr remote;	/* proven path */
	struct {			/* L3: a path to be proven */
		struct rmdt_addr addr;	/* len 0: none */
		uint64_t nonce, next_us;
		unsigned tries;
		bool due;
	} candidate;
	struct {			/* a CHALLENGE to be answered to where it came from */
		struct rmdt_addr to;
		uint64_t nonce;
		bool due;
	} response;

	struct rmdt_acks acks;
	struct rmdt_rtt rtt;
	struct rmdt_loss loss;
	struct rmdt_rate rate;
	struct rmdt_rate_sample sample;	/* of the ACK being processed */
	struct rmdt_cc *cc;
	struct rmdt_pacer pacer;
	struct rmdt_pmtu pmtu;
	struct rmdt_ack *ack;		/* parsed ACK frame; allocated when up */
	uint32_t mtu;			/* what cc and pacer were told */
	struct rmdt_ecn_path ecn;
	bool probe_wait;		/* an MTU probe could not go at the last drain */
	bool wants_mtu;			/* has sent or will send something large */
	unsigned pto_count, probes;	/* probes: packets that may go beyond cwnd now */
	uint64_t pto_since_us;		/* when pto_count began to rise */
	uint64_t lossy_until_us;	/* the path has lost packets of late */
	struct rmdt_pacer tail_pacer;	/* of small pieces that go twice for it */
	uint64_t skip_at;		/* next packet number to leave out */
	bool cwnd_limited;		/* since the last ACK */
	enum rmdt_limit limited_by;

	struct rmdt_idmap outs, ins;
	struct rmdt_outflow *all_outs;	/* list */
	struct rmdt_inflow *all_ins;
	uint32_t next_out_id, n_ins;
	bool shares;			/* its flows are many and must leave room for each other: it is a tunnel */
	struct rmdt_ranges opened;	/* ids of in-flows ever offered */
	struct rmdt_outflow *active[CONN_PRIORITIES];	/* rings of flows that may have something to send */
	struct rmdt_outflow *due_outs;	/* lists of flows with due bits */
	struct rmdt_inflow *due_ins;
	unsigned hard_due;		/* flows with a hard due bit */
	uint32_t due;			/* enum conn_due */
	unsigned reliable_out;		/* tokens with items in flight */
	unsigned unheard;		/* flows whose end (DONE, STOP, RESET) is not known to be heard */
	uint32_t rekey_generation, answer_generation;
	uint8_t rekey_pub[32], answer_pub[32];

	uint64_t tx_limit, tx_used;	/* peer credit: bytes that may be and were first sent */
	uint64_t rx_high, rx_consumed;	/* sums over flows */
	struct rmdt_credit rx_credit;

	struct message_queue *tx_messages, *rx_messages;	/* NULL until used */

	struct rmdt_outflow *events_out, **events_out_tail;
	struct rmdt_inflow *events_in, **events_in_tail;
	bool asks;			/* an ADMIT or OFFER has not been pulled */
	bool ev_up, ev_down, ev_moved, ev_hint, rx_messages_news;
	unsigned down_code;
	char down_reason[RMDT_REASON_BYTES + 1];

	bool pending;			/* something may be sendable: drain again */
	uint64_t send_wait_us;		/* pacing: not before */
	uint64_t state_due_us;		/* SOFT and SURE positions are said for certain */
	uint64_t resumed_us;		/* RTTs of what was sent before are of no use: this process stood still */
	uint64_t last_heard_us, last_ping_us, up_us, last_sent_us, hint_us;
	uint64_t drain_us, close_us;	/* gives up answering; says CLOSE again */
	unsigned close_said;
	unsigned acks_unconfirmed;	/* sent since the last that asked to be acked */

	struct rmdt_conn_counters counters;
};

static inline uint64_t rmdt_conn_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* conn.c */
void rmdt_conn_break(struct rmdt_conn *c, uint64_t now_us, unsigned code, const char *reason, bool say);
void rmdt_conn_update_mtu(struct rmdt_conn *c, uint64_t now_us);
void rmdt_conn_due(struct rmdt_conn *c, uint32_t due);
void rmdt_conn_say_close(struct rmdt_conn *c);
uint64_t rmdt_conn_pto_us(const struct rmdt_conn *c);

/* conn_time.c */
void rmdt_conn_forgive_pause(struct rmdt_conn *c, uint64_t now_us);
void rmdt_conn_tick_handshake(struct rmdt_conn *c, uint64_t now_us);

/* conn_due.c */
void rmdt_conn_due_out(struct rmdt_conn *c, struct rmdt_outflow *of, uint32_t due);
void rmdt_conn_due_in(struct rmdt_conn *c, struct rmdt_inflow *in, uint32_t due);
void rmdt_conn_clear_out(struct rmdt_conn *c, struct rmdt_outflow *of, uint32_t due);
void rmdt_conn_clear_in(struct rmdt_conn *c, struct rmdt_inflow *in, uint32_t due);
/* A frame with this due bit was acked. */
void rmdt_conn_item_heard(struct rmdt_conn *c, const struct token_item *item);
void rmdt_conn_item_lost(struct rmdt_conn *c, const struct token_item *item);

/* conn_out.c */
void rmdt_conn_event_out(struct rmdt_conn *c, struct rmdt_outflow *of, unsigned flags);
void rmdt_conn_activate(struct rmdt_conn *c, struct rmdt_outflow *of);
void rmdt_conn_deactivate(struct rmdt_conn *c, struct rmdt_outflow *of);
void rmdt_conn_break_outs(struct rmdt_conn *c, unsigned code, const char *reason);
void rmdt_conn_free_outs(struct rmdt_conn *c);
/* The far end has OPEN: it need not be said any more, and what had to wait for it may go. */
void rmdt_conn_open_known(struct rmdt_conn *c, struct rmdt_outflow *of);
/* Frames with these due bits were acked (which may free it), or are lost. */
void rmdt_conn_out_heard(struct rmdt_conn *c, struct rmdt_outflow *of, uint32_t due);
void rmdt_conn_out_lost(struct rmdt_conn *c, struct rmdt_outflow *of, uint32_t due);

/* conn_in.c */
void rmdt_conn_event_in(struct rmdt_conn *c, struct rmdt_inflow *in, unsigned flags);
void rmdt_conn_break_ins(struct rmdt_conn *c, unsigned code, const char *reason);
void rmdt_conn_free_ins(struct rmdt_conn *c);
/* Bounds the window of a flow by what the others leave; before a limit of it is announced. */
void rmdt_conn_share(struct rmdt_conn *c, struct rmdt_inflow *in);
void rmdt_conn_account_consumed(struct rmdt_conn *c, uint64_t now_us, struct rmdt_inflow *in);
/* Frames with these due bits were acked. May free it. */
void rmdt_conn_in_heard(struct rmdt_conn *c, struct rmdt_inflow *in, uint32_t due);
/* RESET of this in-flow was heard and its credit settled. May free it. */
void rmdt_conn_reset_seen(struct rmdt_conn *c, struct rmdt_inflow *in);

/* conn_recv.c */
void rmdt_conn_receive_data(struct rmdt_conn *c, uint64_t now_us, uint8_t *buf, size_t len, unsigned ecn,
			    const struct rmdt_addr *from);
void rmdt_conn_receive_ctrl(struct rmdt_conn *c, uint64_t now_us, uint8_t *buf, size_t len, unsigned ecn,
			    const struct rmdt_addr *from);

/* Is it a sealed packet that says CLOSE? */
bool rmdt_conn_hears_close(struct rmdt_conn *c, uint64_t now_us, uint8_t *buf, size_t len);

/*
 * conn_frames.c: the frames of one opened CTRL packet. *eliciting is set as F2 says. -EPROTO: malformed; -EAGAIN: one of
 * them cannot be heard now, the packet must look lost, so that they are all said again (no harm: hearing twice is hearing).
 */
int rmdt_conn_frames(struct rmdt_conn *c, uint64_t now_us, const uint8_t *buf, size_t len,
		     const struct rmdt_addr *from, bool *eliciting);

bool rmdt_conn_in_final(struct rmdt_conn *c, struct rmdt_inflow *in, uint64_t off);

/* conn_path.c: the candidate has answered and becomes the path. */
void rmdt_conn_move(struct rmdt_conn *c, uint64_t now_us);
/* An authentic packet came from another address. */
void rmdt_conn_on_other_address(struct rmdt_conn *c, uint64_t now_us, const struct rmdt_addr *from, bool newest);

/* conn_message.c. push: -ENOBUFS full, -ENOMEM. pop frees the front. */
int rmdt_messages_push(struct message_queue **q, const void *data, size_t len);
const struct message *rmdt_messages_front(const struct message_queue *q);	/* NULL: empty */
void rmdt_messages_pop(struct message_queue *q);
void rmdt_messages_free(struct message_queue *q);

/* conn_send.c */
bool rmdt_conn_may_fly(const struct rmdt_conn *c);
void rmdt_conn_skip_some(struct rmdt_conn *c);
/* Enters a packet under the next number before it is sealed. As rmdt_loss_on_sent. */
int rmdt_conn_enter(struct rmdt_conn *c, uint64_t now_us, struct rmdt_sent *sent);

/* conn_data.c */
/* The pacer has not earned the next train: wait until send_wait_us, which is set. */
bool rmdt_conn_is_paced(struct rmdt_conn *c, uint64_t now_us);
bool rmdt_conn_send_data(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train);
/* The oldest unacknowledged chunk once more, beyond cwnd and pacing. */
bool rmdt_conn_send_oldest(struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train);

/* conn_recovery.c */
int rmdt_conn_on_ack(struct rmdt_conn *c, uint64_t now_us, const struct rmdt_ack *ack);
void rmdt_conn_detect(struct rmdt_conn *c, uint64_t now_us);
/* All that is in flight was dropped by the far end for a reason of its own: again from the start, and congestion control, too. */
void rmdt_conn_start_over(struct rmdt_conn *c, uint64_t now_us);
void rmdt_conn_on_pto(struct rmdt_conn *c, uint64_t now_us);
void rmdt_conn_forget_tokens(struct rmdt_conn *c, uint64_t now_us);

#endif

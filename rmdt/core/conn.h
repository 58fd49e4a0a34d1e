/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One association with one remote engine, without I/O: feed datagrams, drain datagrams, ask when next, pull events.
 *
 * A conn is used by one thread at a time. It never calls back: what happened is pulled with rmdt_conn_event(). After any
 * call that may have changed something, the owner pulls all events, drains rmdt_conn_send() and arms a timer for
 * rmdt_conn_deadline_us(). Only the positions in struct rmdt_outflow and struct rmdt_inflow marked _Atomic, and the
 * buffers by their own rules, may be touched by other threads.
 */
#ifndef RMDT_CORE_CONN_H
#define RMDT_CORE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/aead.h"
#include "core/blocks.h"
#include "core/inflow.h"
#include "core/outflow.h"
#include "core/packet.h"
#include "rmdt.h"

#define RMDT_CONN_NEVER		UINT64_MAX
#define RMDT_CONN_TRAIN_BYTES	65535	/* capacity that every train buffer has */
#define RMDT_CONN_MESSAGE_QUEUE	1024	/* messages kept per direction: about 50 ms of 1200 bytes at 200 Mbit/s */
#define RMDT_CONN_MESSAGE_BYTES	(2u << 20) /* and no more bytes: 32 of the largest, which fragments can carry on any path */

struct rmdt_conn;

/* What a conn is made with. Copied, but for pointers, which must outlive the conn. */
struct rmdt_conn_config {
	uint32_t local_cid;		/* chosen by the owner: unique here, encodes its thread */
	struct rmdt_addr remote;
	bool initiator;
	uint8_t static_private[32];
	uint8_t instance[RMDT_INSTANCE_BYTES];
	const uint8_t *psk;		/* 32 bytes or NULL */
	enum rmdt_suite suite;		/* initiator: offered; responder: what the first message says */
	bool cipher_none;		/* DATA payload in clear; both sides must want it */
	char name[RMDT_NAME_BYTES + 1];
	uint8_t role;			/* enum rmdt_purpose of the association as the initiator states it */

	const char *cc;			/* "bbr" ... */
	uint64_t fixed_rate, cap_rate;	/* bytes/s; 0: default, none */
	uint64_t connect_timeout_us, dead_after_us, keepalive_us;
	uint32_t mtu_max_bytes;		/* UDP payload: what interface and mtu= allow */
	bool mtu_fixed;			/* use mtu_max_bytes as it is, without probing */
	uint32_t max_flows;		/* open in-flows at once */
	uint64_t window_cap_bytes;	/* cap of the receive window of the peer and of a flow */
	struct rmdt_blocks *blocks;	/* for receive buffers */
	uint64_t rekey_packets, rekey_bytes, rekey_us;	/* 0: the built-in limits of core/keys.h */
	uint8_t seed[32];		/* of this conn's random generator: ephemeral keys, challenges. From the system's source */
};

/* Everything is lazily allocated; a half-open conn takes about 4 KiB. -ENOMEM, -EINVAL (unknown cc). */
int rmdt_conn_new(const struct rmdt_conn_config *cfg, uint64_t now_us, struct rmdt_conn **conn);
void rmdt_conn_free(struct rmdt_conn *conn);	/* flows of it, too; their buffers lose a reader, see outflow.h */

/*
 * A datagram for this conn (by its connection id), or, for a new responder, the INIT that the owner has vetted.
 * buf is clobbered: decryption of CTRL happens in place. Bad packets are counted and dropped.
 */
void rmdt_conn_receive(struct rmdt_conn *conn, uint64_t now_us, uint8_t *buf, size_t len, unsigned ecn,
		       const struct rmdt_addr *from);

/* Datagrams of equal size (the last may be shorter) for one destination. */
struct rmdt_train {
	uint8_t *buf;			/* the owner's, of RMDT_CONN_TRAIN_BYTES */
	size_t cap;			/* limit for this call; at least RMDT_CONN_TRAIN_BYTES or one mtu */
	size_t len;			/* filled, in all */
	size_t segment;			/* size of each datagram */
	struct rmdt_addr to;
	bool probe;			/* an MTU probe: EMSGSIZE is expected, see rmdt_conn_too_big */
	bool ect;			/* to be sent as ECN-capable, ECT(0); all others as not capable */
};
/* Fills one train; false: nothing to send now. The owner calls until false or its batch is full. */
bool rmdt_conn_send(struct rmdt_conn *conn, uint64_t now_us, struct rmdt_train *train);
/* The kernel refused a datagram of that size (EMSGSIZE). */
void rmdt_conn_too_big(struct rmdt_conn *conn, uint64_t now_us, size_t bytes);
/* Runs what is due (loss, probes, keepalive, death). Then drain again. */
void rmdt_conn_tick(struct rmdt_conn *conn, uint64_t now_us);
/* When rmdt_conn_tick or rmdt_conn_send should be called next; RMDT_CONN_NEVER. Never in the past after a drain. */
uint64_t rmdt_conn_deadline_us(const struct rmdt_conn *conn);

enum rmdt_conn_event_kind {
	RMDT_CONN_NONE = 0,
	RMDT_CONN_ADMIT,	/* remote key is proven: rmdt_conn_admit must be called before anything else happens */
	RMDT_CONN_UP,
	RMDT_CONN_DOWN,		/* code, reason; flows are all broken; only free is left */
	RMDT_CONN_MOVED,	/* remote address changed and was proven */
	RMDT_CONN_RESTART_HINT,	/* far end says it does not know us: the owner may try a new handshake (rate-limited here) */
	RMDT_CONN_MESSAGE,	/* rmdt_conn_message_take */
	RMDT_CONN_OFFER,	/* in: pending; rmdt_conn_accept or _refuse before any other call on the conn */
	RMDT_CONN_IN,		/* in: flags of enum rmdt_in_flag */
	RMDT_CONN_OUT,		/* out: flags of enum rmdt_out_flag */
};
enum rmdt_in_flag { RMDT_IN_READY = 1, RMDT_IN_FINAL = 2, RMDT_IN_BROKEN = 4,
	RMDT_IN_GONE = 8 };	/* the far end has heard our DONE or STOP: nothing more will come, rmdt_conn_in_free may follow */
enum rmdt_out_flag { RMDT_OUT_ACCEPTED = 1, RMDT_OUT_POSITION = 2, RMDT_OUT_MARKED = 4, RMDT_OUT_DONE = 8,
	RMDT_OUT_ROOM = 32,	/* much was sent since the last event: the buffer may take more, whatever is acknowledged */
	RMDT_OUT_BROKEN = 16 };	/* stopped by the far end, or the conn is down: outflow code and reason */

struct rmdt_conn_event {
	enum rmdt_conn_event_kind kind;
	struct rmdt_inflow *in;
	struct rmdt_outflow *out;
	unsigned flags;
	unsigned code;
	char reason[RMDT_REASON_BYTES + 1];
};
/* The next event, merged per flow; false: none. Pointers are valid until the flow is freed. */
bool rmdt_conn_event(struct rmdt_conn *conn, struct rmdt_conn_event *event);
/*
 * An ADMIT or OFFER waits among the events. Until it is answered, packets that build on the answer are dropped and must be
 * repaired: an owner that receives batches pulls at once when this is true.
 */
bool rmdt_conn_asks(const struct rmdt_conn *conn);

/* Answers RMDT_CONN_ADMIT: code 0 admits, else the handshake ends with a reject that names it. */
void rmdt_conn_admit(struct rmdt_conn *conn, uint64_t now_us, unsigned code, const char *reason);
/* What is remembered of the path to it, bytes/s and least RTT: before rmdt_conn_admit. It is believed only as it is confirmed. */
void rmdt_conn_set_hint(struct rmdt_conn *conn, uint64_t rate, uint64_t rtt_us);
/* Says CLOSE, breaks all flows; RMDT_CONN_DOWN follows at once, the conn lives on (3 PTO) to answer stragglers. */
void rmdt_conn_close(struct rmdt_conn *conn, uint64_t now_us, unsigned code, const char *reason);
bool rmdt_conn_is_up(const struct rmdt_conn *conn);
bool rmdt_conn_is_drained(const struct rmdt_conn *conn);	/* down and nothing left to say: may be freed */
/* Nothing reliable is waiting for an answer of the far end: closing now loses nothing. */
bool rmdt_conn_is_settled(const struct rmdt_conn *conn);

/* ---- flows ---------------------------------------------------------------------------------------------------- */

struct rmdt_open {
	uint8_t purpose, priority;
	uint32_t reply_to;		/* far end's flow id + 1; 0 none */
	char name[RMDT_NAME_BYTES + 1];
	uint16_t meta_len;
	uint8_t meta[RMDT_META_BYTES];
};
/*
 * Opens an out-flow that reads `sendbuf` from `start_off`. rate: bytes/s cap, 0 none. The outflow belongs to the conn;
 * rmdt_conn_out_free ends it (RESET with code unless done or broken) and from its return on the conn reads the buffer no more.
 * -ENOTCONN, -ENOMEM, -EINVAL (start_off above 2^61).
 */
int rmdt_conn_out_open(struct rmdt_conn *conn, struct rmdt_sendbuf *sendbuf, uint64_t start_off,
		       const struct rmdt_open *open, uint64_t rate, struct rmdt_outflow **out);
/* The buffer's head, final offset or the like changed: look again. */
void rmdt_conn_out_kick(struct rmdt_conn *conn, struct rmdt_outflow *out);
void rmdt_conn_out_free(struct rmdt_conn *conn, struct rmdt_outflow *out, unsigned code, const char *reason);

const struct rmdt_open *rmdt_inflow_open(const struct rmdt_inflow *in);	/* what its opener said */
/* Answers RMDT_CONN_OFFER. accept allocates; -ENOMEM refuses by itself (RMDT_CODE_INTERNAL). */
int rmdt_conn_accept(struct rmdt_conn *conn, struct rmdt_inflow *in);
void rmdt_conn_refuse(struct rmdt_conn *conn, struct rmdt_inflow *in, unsigned code, const char *reason);
/* The consumer consumed: recycle blocks, perhaps announce credit. */
void rmdt_conn_in_kick(struct rmdt_conn *conn, uint64_t now_us, struct rmdt_inflow *in);
/* Above 2^62 - 1 it counts as that. */
void rmdt_conn_in_mark(struct rmdt_conn *conn, struct rmdt_inflow *in, unsigned kind, uint64_t off);
/* All consumed and safe: DONE is said until heard. -EAGAIN: not all consumed. */
int rmdt_conn_in_done(struct rmdt_conn *conn, struct rmdt_inflow *in);
void rmdt_conn_in_stop(struct rmdt_conn *conn, struct rmdt_inflow *in, unsigned code, const char *reason);
/* Frees it; if it is neither done nor stopped nor broken it is stopped first. DONE and STOP are still said until heard. */
void rmdt_conn_in_free(struct rmdt_conn *conn, struct rmdt_inflow *in);

/* ---- messages ------------------------------------------------------------------------------------------------- */

int rmdt_conn_message_send(struct rmdt_conn *conn, const void *data, size_t len); /* -EMSGSIZE -EAGAIN -ENOTCONN */
size_t rmdt_conn_message_max(const struct rmdt_conn *conn);
int rmdt_conn_message_take(struct rmdt_conn *conn, void *buf, size_t size);	/* length, -EAGAIN, -EMSGSIZE */

/* ---- what it knows -------------------------------------------------------------------------------------------- */

struct rmdt_conn_counters {
	uint64_t packets_sent, packets_received, packets_lost, packets_spurious;
	uint64_t chunk_bytes_sent, chunk_bytes_repaired, feedback_bytes_sent;
	uint64_t dropped_malformed, dropped_forged, dropped_replayed, dropped_credit, dropped_unknown_flow;
	uint64_t messages_dropped, rekeys, moves, mtu_black_holes;
	uint64_t packets_marked;	/* with CE, of which the far end told and that were heeded */
};
const struct rmdt_conn_counters *rmdt_conn_counters(const struct rmdt_conn *conn);
const struct rmdt_addr *rmdt_conn_remote(const struct rmdt_conn *conn);
const uint8_t *rmdt_conn_remote_key(const struct rmdt_conn *conn);		/* 32 bytes, after ADMIT */
const uint8_t *rmdt_conn_remote_instance(const struct rmdt_conn *conn);	/* after UP */
const char *rmdt_conn_remote_name(const struct rmdt_conn *conn);
uint8_t rmdt_conn_role(const struct rmdt_conn *conn);			/* as the initiator stated it */
uint32_t rmdt_conn_local_cid(const struct rmdt_conn *conn);
bool rmdt_conn_used_psk(const struct rmdt_conn *conn);
/* Fills rtt, rate, cwnd, mtu, cc, limit and packet counts; names and addresses are left to the owner. */
void rmdt_conn_info(const struct rmdt_conn *conn, uint64_t now_us, struct rmdt_peer_info *info);
/* What is worth remembering of its path for the next time; false: it has not been seen what the path carries. */
bool rmdt_conn_path(const struct rmdt_conn *conn, uint64_t *rate, uint64_t *rtt_us);
void rmdt_conn_set_cap_rate(struct rmdt_conn *conn, uint64_t bytes_per_s);	/* share of an uplink; 0 none */

#endif

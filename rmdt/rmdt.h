/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RMDT: reliable, encrypted transport of one sender's bytes to many receivers over UDP.
 *
 * Objects: an engine owns sockets, threads and an identity; a peer is one remote engine; an out-flow is one ordered
 * byte stream to a set of peers (one shared buffer, a position and a fate per peer); an in-flow is one ordered byte
 * stream from one peer; a message is a small unreliable datagram on a peer.
 *
 * Errors: functions that return int give 0 or a positive count on success and a negative errno on failure;
 * rmdt_strerror() names it. What happens to a remote is never an error return but an event. Outputs are written only
 * on success. A text error goes to a caller's buffer of RMDT_ERROR_BYTES and names the text at fault.
 *
 * Threads: every function may be called from any thread unless it says otherwise. A handle (engine, peer, out, in) is
 * the caller's until the caller frees it; freeing a handle while another thread is inside a call on it is a bug.
 *
 * Waits: a function that may wait takes (timeout_ms, cancel). timeout_ms: -1 for ever, 0 not at all. It ends with
 * -ETIMEDOUT (-EAGAIN when timeout_ms was 0) or, once rmdt_cancel_fire() was called on `cancel`, with -ECANCELED.
 * `cancel` may be NULL.
 *
 * Handlers: when an engine is given a handler, it runs on an I/O thread. It may call every function of this header
 * with timeout_ms 0 and none that waits; it must return soon.
 * With threads > 1 it may run on several of them at once, for different peers and also for one out-flow.
 */
#ifndef RMDT_RMDT_H
#define RMDT_RMDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RMDT_DEFAULT_PORT	2312
#define RMDT_ERROR_BYTES	256	/* size of every `err` buffer */
#define RMDT_NAME_BYTES		64	/* longest flow or engine name, without NUL */
#define RMDT_META_BYTES		1024	/* longest opening metadata of a flow */
#define RMDT_REASON_BYTES	128	/* longest reason text that travels, without NUL */
#define RMDT_KEY_BYTES		32	/* X25519 public key */
#define RMDT_FINGERPRINT_BYTES	52	/* "SHA256:" + 43 characters + NUL, rounded up */
#define RMDT_INSTANCE_BYTES	16
#define RMDT_MARKS		4	/* kinds of marks a receiver may set on a flow */
#define RMDT_OFF_LIVE		UINT64_MAX /* rmdt_out_join: begin at the oldest byte still retained */

const char *rmdt_version(void);			/* "0.1.0" */
const char *rmdt_strerror(int err);		/* err: negative or positive errno; never NULL */

/* ---- reasons and codes ---------------------------------------------------------------------------------------- */

/* Why a peer or a flow ended. Codes from RMDT_CODE_APP up are the application's own. They travel on the wire. */
enum rmdt_code {
	RMDT_CODE_NONE = 0,		/* ended well */
	RMDT_CODE_CLOSED = 1,		/* closed by the application at the far end */
	RMDT_CODE_INTERNAL = 2,		/* far end is out of memory or broken */
	RMDT_CODE_PROTOCOL = 3,		/* a rule of the protocol was broken */
	RMDT_CODE_TIMEOUT = 4,		/* no word for dead_after, or no answer within connect_timeout */
	RMDT_CODE_REFUSED = 5,		/* the application there did not want it */
	RMDT_CODE_UNAUTHORISED = 6,	/* key not listed there */
	RMDT_CODE_PSK = 7,		/* pre-shared keys differ, or one side has none */
	RMDT_CODE_KEY_CHANGED = 8,	/* known_hosts holds another key for this host */
	RMDT_CODE_VERSION = 9,		/* no common protocol version */
	RMDT_CODE_SUITE = 10,		/* cipher suites differ */
	RMDT_CODE_BUSY = 11,		/* a maximum (peers, flows) is reached, or another sender is being served */
	RMDT_CODE_RESTARTED = 12,	/* the far engine is a new instance; its state is gone */
	RMDT_CODE_REPLACED = 13,	/* a newer association of the same key, role and name took its place */
	RMDT_CODE_BEHIND = 14,		/* policy drop: lag limit passed; quorum: needs bytes already released */
	RMDT_CODE_LINGER = 15,		/* policy quorum: the others finished and linger time is over */
	RMDT_CODE_ADDRESS = 16,		/* name did not resolve or no route */
	RMDT_CODE_LEFT = 17,		/* rmdt_out_leave or rmdt_peer_free here */
	RMDT_CODE_OUTPUT = 18,		/* the receiving application could not write its output */
	RMDT_CODE_LIMIT = 19,		/* key usage limit reached and no rekey succeeded */
	RMDT_CODE_APP = 1000,
};
const char *rmdt_code_text(unsigned code);	/* "no word for the dead-after time" ...; never NULL */

/* ---- configuration -------------------------------------------------------------------------------------------- */

/*
 * Text settings. Sources in order, later wins: built-in, /etc/dexor/pipeclone.ini, $HOME/.dexor/pipeclone.ini,
 * environment (RMDT_<KEY>), rmdt_config_set(). Every value is checked when it is set.
 */
struct rmdt_config;

struct rmdt_setting {
	const char *key;		/* "mtu", "buffer", "connect-timeout" ... ('_' and '-' are the same) */
	const char *value;		/* default value as text */
	const char *kind;		/* "size", "rate", "duration", "number", "flag", "text", "one of a|b" */
	const char *help;
};
const struct rmdt_setting *rmdt_settings(size_t *n);	/* static table of all keys */

int rmdt_config_new(struct rmdt_config **cfg);
void rmdt_config_free(struct rmdt_config *cfg);
/* Reads both ini files (absent ones are skipped) and the environment. -EINVAL: err names file, section, key, value. */
int rmdt_config_load_defaults(struct rmdt_config *cfg, char *err);
int rmdt_config_load_file(struct rmdt_config *cfg, const char *path, char *err);
/* origin: where the value came from, for rmdt_config_get, e.g. "--mtu". -EINVAL, -ENOENT (no such key). */
int rmdt_config_set(struct rmdt_config *cfg, const char *key, const char *value, const char *origin, char *err);
/* Effective value as text; *origin (may be NULL) tells where it came from, "built-in" for a default. NULL when there is no such key. */
const char *rmdt_config_get(const struct rmdt_config *cfg, const char *key, const char **origin);
/* The value as a number: bytes, bytes per second, microseconds, count or 0/1. -ENOENT, -EINVAL (a text). */
int rmdt_config_number(const struct rmdt_config *cfg, const char *key, uint64_t *value);

/* Parsers of user text that front ends share. 0 or -EINVAL with err naming the text at fault. */
int rmdt_parse_size(const char *text, uint64_t *bytes, char *err);
int rmdt_parse_rate(const char *text, uint64_t *bytes_per_s, char *err);
int rmdt_parse_duration(const char *text, uint64_t *us, char *err);

struct rmdt_endpoint {
	char host[256];			/* "" means any address */
	uint16_t port;			/* default_port when none was given */
	bool has_port;
};
/* HOST, HOST:PORT, :PORT, [v6]:PORT, v6. */
int rmdt_parse_endpoint(const char *text, uint16_t default_port, struct rmdt_endpoint *ep, char *err);
/* "SHA256:..." of a public key into out. */
void rmdt_fingerprint(const uint8_t key[RMDT_KEY_BYTES], char out[RMDT_FINGERPRINT_BYTES]);

/* ---- cancellation --------------------------------------------------------------------------------------------- */

struct rmdt_cancel;
int rmdt_cancel_new(struct rmdt_cancel **c);
void rmdt_cancel_fire(struct rmdt_cancel *c);	/* async-signal-safe; stays fired; ends every wait that was given it */
void rmdt_cancel_free(struct rmdt_cancel *c);

/* ---- engine --------------------------------------------------------------------------------------------------- */

struct rmdt_engine;
struct rmdt_peer;
struct rmdt_out;
struct rmdt_in;

enum rmdt_purpose { RMDT_PIPE = 1, RMDT_TUNNEL = 2, RMDT_FS = 3, RMDT_OTHER = 4 };

/* A flow that a peer wants to open here; nothing has been allocated for it yet. Borrowed during the call. */
struct rmdt_offer {
	struct rmdt_peer *peer;
	const uint8_t *key;		/* the peer's proven static key */
	enum rmdt_purpose purpose;
	unsigned priority;		/* 0 highest .. 2 */
	const char *name;		/* NUL-terminated */
	const uint8_t *meta;
	size_t meta_len;
	uint64_t start_off;
	bool is_reply;			/* opened in answer to one of our out-flows ... */
	struct rmdt_out *reply_to;	/* ... this one (NULL when it is gone) */
};

/* A peer that has proven its key. Borrowed during the call. */
struct rmdt_candidate {
	const uint8_t *key;
	const char *fingerprint;
	const struct sockaddr *addr;
	const char *name;		/* the engine name it states */
	bool inbound;
	bool listed;			/* inbound: authorized_keys allows it; outbound: known_hosts has it */
	bool psk;			/* a pre-shared key was used and matched */
	const char *allowed;		/* options of its authorized_keys line: "only=pipe,fs dir=/srv", or "" */
	const char *host;		/* outbound: name that was asked for */
};

struct rmdt_event;
struct rmdt_engine_options {
	struct rmdt_config *config;	/* copied; NULL: built-in values */
	struct rmdt_endpoint listen;	/* host "" and port 0: any free port */
	const char *name;		/* stated to peers; with key and role it identifies an association; may be NULL */
	bool accept_unlisted;		/* admit inbound peers whose key no authorized_keys lists (none exists, not strict) */
	/* `admit` is asked about inbound peers whose key is not listed, also where an authorized_keys exists (not strict). */
	bool ask_unlisted;
	void *ctx;
	/*
	 * Inbound flow: return 0 to accept it (RMDT_EVENT_IN_OPEN follows) or an rmdt_code to refuse it; `reason` may be
	 * filled. NULL refuses all. On an I/O thread.
	 */
	unsigned (*accept)(void *ctx, const struct rmdt_offer *offer, char reason[RMDT_REASON_BYTES + 1]);
	/*
	 * Second opinion on a proven peer after the rules of authorized_keys and known_hosts allowed it (or it is unlisted
	 * and accept_unlisted or ask_unlisted): 0 or a code to refuse. NULL: 0. On an I/O thread.
	 */
	unsigned (*admit)(void *ctx, const struct rmdt_candidate *candidate);
	/* Events are delivered here, on the I/O threads, instead of being queued. NULL: rmdt_engine_next_event(). */
	void (*handler)(void *ctx, const struct rmdt_event *event);
	/* Lines for the operator (warnings with fingerprints, pins); level 0 error, 1 warning, 2 info, 3 debug. NULL: none. */
	void (*log)(void *ctx, int level, const char *line);
};

/* -EADDRINUSE when the port is taken, -EINVAL, -EACCES (identity not readable) ...; err says more. */
int rmdt_engine_new(const struct rmdt_engine_options *opt, struct rmdt_engine **engine, char *err);
/*
 * Tells every peer goodbye, ends the threads, frees what the application has not freed. Handles become invalid.
 * Waits until a handler has returned and calls it no more; accept, admit and log may be called until this returns.
 * Not from a callback.
 */
void rmdt_engine_free(struct rmdt_engine *engine);
uint16_t rmdt_engine_port(const struct rmdt_engine *engine);
void rmdt_engine_key(const struct rmdt_engine *engine, uint8_t key[RMDT_KEY_BYTES]);
/* Read authorized_keys and known_hosts again; live peers and the own identity stay. */
int rmdt_engine_reload(struct rmdt_engine *engine, char *err);
/*
 * The rule of first use for a peer that dialled us; may be called in `admit`. 0: known_hosts holds this key for the host and
 * port, or none, and then it is pinned (with a line in the log). -EKEYREJECTED: it holds another, or none and `strict` is
 * set; err says what to check, and where. -EINVAL: the host has no name.
 */
int rmdt_engine_pin(struct rmdt_engine *engine, const struct rmdt_endpoint *host, const uint8_t key[RMDT_KEY_BYTES],
		    char *err);

struct rmdt_engine_stats {
	uint64_t datagrams_in, datagrams_out, bytes_in, bytes_out;
	uint64_t dropped_malformed, dropped_unknown, dropped_forged, dropped_replayed, dropped_credit;
	uint64_t handshakes_started, handshakes_done, handshakes_rejected, retries_sent, hints_sent;
	uint64_t buffer_used_bytes, buffer_cap_bytes;
	uint32_t peers, out_flows, in_flows, half_open;
	bool gso, gro;			/* in use now */
	const char *aead;		/* "openssl", "ipsec-mb" */
};
void rmdt_engine_stats(struct rmdt_engine *engine, struct rmdt_engine_stats *stats);

/* ---- events --------------------------------------------------------------------------------------------------- */

enum rmdt_event_kind {
	RMDT_EVENT_NONE = 0,
	RMDT_EVENT_PEER_UP,		/* peer: handshake done */
	RMDT_EVENT_PEER_DOWN,		/* peer: code, reason; last event of a peer */
	RMDT_EVENT_PEER_MOVED,		/* peer: its address changed and was proven */
	RMDT_EVENT_MESSAGE,		/* peer: rmdt_message_recv has something */
	RMDT_EVENT_IN_OPEN,		/* in: a new in-flow; the application owns the handle from now on */
	RMDT_EVENT_IN_READABLE,		/* in: bytes or the end can be read; told again once peek or read gave -EAGAIN */
	RMDT_EVENT_IN_RESET,		/* in: broken by the sender or with its peer: code, reason */
	RMDT_EVENT_OUT_ROOM,		/* out: room came free after a call had returned -EAGAIN */
	RMDT_EVENT_OUT_JOINED,		/* out, peer: the far end accepted */
	RMDT_EVENT_OUT_PROGRESS,	/* out, peer: received or consumed position advanced */
	RMDT_EVENT_OUT_MARK,		/* out, peer: a mark advanced */
	RMDT_EVENT_OUT_BEHIND,		/* out, peer: lag passed half of what the policy allows */
	RMDT_EVENT_OUT_CONFIRMED,	/* out, peer: the far application confirmed the whole stream */
	RMDT_EVENT_OUT_LOST,		/* out, peer: member ended otherwise: code, reason */
	RMDT_EVENT_OUT_DRY,		/* out: its source had nothing and rests until rmdt_out_poke() */
};

struct rmdt_event {
	enum rmdt_event_kind kind;
	struct rmdt_peer *peer;		/* may be NULL where not named above */
	struct rmdt_out *out;
	struct rmdt_in *in;
	unsigned code;			/* enum rmdt_code or the application's */
	char reason[RMDT_REASON_BYTES + 1];
};

/*
 * Events about one object are merged, so the queue is bounded by the number of objects. 0, or as every wait. What an event
 * names stays valid until the next call, so one thread at a time should take events.
 */
int rmdt_engine_next_event(struct rmdt_engine *engine, struct rmdt_event *event, int timeout_ms,
			   struct rmdt_cancel *cancel);
/* Readable while events are queued; for any event loop. Not to be read or closed by the caller. */
int rmdt_engine_fd(const struct rmdt_engine *engine);

/* ---- peers ---------------------------------------------------------------------------------------------------- */

struct rmdt_connect_options {
	struct rmdt_endpoint to;	/* the name is resolved to all its addresses, which are tried in turn, v6 and v4 */
	enum rmdt_purpose purpose;	/* role of the association */
	void *user;			/* rmdt_peer_user */
};
/* Starts a handshake and returns at once; PEER_UP or PEER_DOWN follows (connect-timeout at the latest). */
int rmdt_connect(struct rmdt_engine *engine, const struct rmdt_connect_options *opt, struct rmdt_peer **peer);
/* Closes towards the far end (code, reason travel); PEER_DOWN follows. */
void rmdt_peer_close(struct rmdt_peer *peer, unsigned code, const char *reason);
void rmdt_peer_free(struct rmdt_peer *peer);	/* gives the handle back; closes it first if it is up */
/* Another handle on the same peer; events and offers only lend theirs. */
struct rmdt_peer *rmdt_peer_ref(struct rmdt_peer *peer);
void *rmdt_peer_user(const struct rmdt_peer *peer);
void rmdt_peer_set_user(struct rmdt_peer *peer, void *user);

/*
 * What holds a sender up. RMDT_BY_CPU: for 10 ms there was more to send than the I/O thread got sent, and nothing else
 * in the way.
 */
enum rmdt_limit { RMDT_BY_APPLICATION, RMDT_BY_CREDIT, RMDT_BY_CWND, RMDT_BY_PACING, RMDT_BY_CPU };
const char *rmdt_limit_text(enum rmdt_limit limit);

struct rmdt_peer_info {
	bool up, inbound;
	char host[256];			/* as asked for, or the numeric address */
	char address[64];		/* numeric address and port in use */
	char name[RMDT_NAME_BYTES + 1];
	char fingerprint[RMDT_FINGERPRINT_BYTES];
	uint8_t key[RMDT_KEY_BYTES];
	uint8_t instance[RMDT_INSTANCE_BYTES];
	uint64_t rtt_us, min_rtt_us;
	uint64_t rate_bytes_per_s;	/* delivery rate as congestion control sees it */
	uint64_t pacing_bytes_per_s;
	uint64_t cwnd_bytes, in_flight_bytes;
	uint32_t mtu_bytes;		/* UDP payload in use */
	uint64_t packets_sent, packets_lost, packets_received;
	uint64_t chunk_bytes_sent;	/* flow bytes in DATA, repairs included */
	uint64_t chunk_bytes_repaired;
	uint64_t feedback_bytes_sent;	/* bytes of packets that carry no flow bytes */
	uint64_t age_us, silent_us;	/* since up; since the last packet heard */
	const char *cc;			/* "bbr" ... */
	const char *cc_state;		/* "startup" ... */
	enum rmdt_limit limited_by;
	uint64_t rekeys, moves;
};
int rmdt_peer_info(struct rmdt_peer *peer, struct rmdt_peer_info *info);

/* Unreliable, unordered, congestion-controlled datagrams. -EMSGSIZE above rmdt_message_max(), -EAGAIN when the bounded
 * queue is full, -ENOTCONN. */
int rmdt_message_send(struct rmdt_peer *peer, const void *data, size_t len);
size_t rmdt_message_max(struct rmdt_peer *peer);
int rmdt_message_recv(struct rmdt_peer *peer, void *buf, size_t size);	/* length, -EAGAIN, -EMSGSIZE (kept) */

/* ---- out-flows ------------------------------------------------------------------------------------------------ */

struct rmdt_out_options {
	enum rmdt_purpose purpose;
	const char *name;		/* up to RMDT_NAME_BYTES; may be NULL */
	const void *meta;		/* opening metadata; copied */
	size_t meta_len;
	unsigned priority;		/* 0 highest .. 2; default class is 1 */
	uint64_t rate_bytes_per_s;	/* cap per member, 0 none */
	uint64_t start_off;		/* offset of the first byte that will be written */
	const char *slow;		/* policy: "block", "drop:64M", "drop:5s", "quorum:2"; NULL: from configuration */
	uint64_t buffer_bytes;		/* size of this flow's buffer; 0: follows the network, up to the engine's */
	bool hold;			/* bytes are kept per member until rmdt_out_release, also after consumption */
	bool no_progress;		/* RMDT_EVENT_OUT_PROGRESS is not wanted: each ack would wake who waits for events */
	struct rmdt_in *reply_to;	/* reverse flow of this in-flow, for the far end's offer; may be NULL */
	void *user;
	/*
	 * A source in place of a writer; may be NULL. Called on an I/O thread when a member has next to nothing left to
	 * send, so that bytes are still in that processor's cache when they are sealed: fills up to `size` bytes at buf and
	 * returns how many. It must not wait (for a disk, say): all peers of that thread would. It is first called after
	 * rmdt_out_poke(); after it returned 0, RMDT_EVENT_OUT_DRY follows, and it rests until the next poke. Only while it
	 * rests may others write. Never called twice at once; it may call what a handler may, but nothing of this out-flow.
	 */
	size_t (*fill)(void *user, void *buf, size_t size);
};
int rmdt_out_new(struct rmdt_engine *engine, const struct rmdt_out_options *opt, struct rmdt_out **out, char *err);
/* The source has bytes (again). */
void rmdt_out_poke(struct rmdt_out *out);
/* Members that have not finished are reset (RMDT_CODE_CLOSED). `fill` is called no more once this returns. */
void rmdt_out_free(struct rmdt_out *out);
void *rmdt_out_user(const struct rmdt_out *out);

/*
 * Adds a peer at `off` (>= oldest retained offset, <= head; RMDT_OFF_LIVE: the oldest retained). The peer need not be
 * up yet; while it is not, it holds the buffer as policy says. -ERANGE: bytes at off are gone; -EEXIST; -ENOTCONN.
 */
int rmdt_out_join(struct rmdt_out *out, struct rmdt_peer *peer, uint64_t off);
int rmdt_out_leave(struct rmdt_out *out, struct rmdt_peer *peer, unsigned code, const char *reason);

struct rmdt_span {
	uint8_t *ptr;
	size_t len;
	uint64_t off;			/* stream offset of ptr */
};
/*
 * Reserve up to `want` contiguous bytes (at least 1) of the send buffer, fill them, then commit. Several threads may hold
 * reservations; bytes appear to receivers in the order of reservation. Only the newest reservation may be committed
 * short (also with 0). -EPIPE after rmdt_out_finish or reset; waits as every wait.
 */
int rmdt_out_reserve(struct rmdt_out *out, size_t want, struct rmdt_span *span, int timeout_ms,
		     struct rmdt_cancel *cancel);
int rmdt_out_commit(struct rmdt_out *out, const struct rmdt_span *span, size_t used);
/* Copies all of it, or what fitted before the wait ended: bytes written (> 0) or the error. */
ssize_t rmdt_out_write(struct rmdt_out *out, const void *data, size_t len, int timeout_ms, struct rmdt_cancel *cancel);
/*
 * Credit: room taken in advance (waits). Placing `len` bytes within the credit never waits and never fails for want of
 * room: it fixes their place in the order; spans (at most max) are then filled and committed one by one.
 * rmdt_out_place returns the number of spans. -ENOSPC: len exceeds the credit; -E2BIG: max too small.
 */
int rmdt_out_take_credit(struct rmdt_out *out, size_t len, int timeout_ms, struct rmdt_cancel *cancel);
void rmdt_out_return_credit(struct rmdt_out *out, size_t len);
int rmdt_out_place(struct rmdt_out *out, size_t len, struct rmdt_span *spans, int max);

int rmdt_out_finish(struct rmdt_out *out);	/* no more bytes: half-close */
int rmdt_out_reset(struct rmdt_out *out, unsigned code, const char *reason);
/* hold: bytes of this member below off may be released. */
int rmdt_out_release(struct rmdt_out *out, struct rmdt_peer *peer, uint64_t off);

struct rmdt_out_info {
	uint64_t base_off;		/* oldest byte retained */
	uint64_t head_off;		/* end of what was committed */
	uint64_t limit_bytes;		/* room the buffer may take now */
	bool finished;
	uint32_t members, confirmed, lost;	/* members: joined so far */
};
int rmdt_out_info(struct rmdt_out *out, struct rmdt_out_info *info);

enum rmdt_member_state {
	RMDT_MEMBER_CONNECTING,		/* peer not up, or not accepted yet */
	RMDT_MEMBER_LIVE,
	RMDT_MEMBER_CONFIRMED,
	RMDT_MEMBER_LOST,		/* code and reason say why */
};
struct rmdt_member_info {
	enum rmdt_member_state state;
	uint64_t sent_off, received_off, consumed_off, released_off;
	uint64_t mark_off[RMDT_MARKS];
	uint64_t repaired_bytes;	/* sent again */
	uint64_t chunk_bytes;		/* sent in all */
	uint64_t joined_us, ended_us;	/* engine clock (CLOCK_MONOTONIC); ended 0 while live */
	unsigned code;
	char reason[RMDT_REASON_BYTES + 1];
};
int rmdt_out_member(struct rmdt_out *out, struct rmdt_peer *peer, struct rmdt_member_info *info);
/* Waits until no member is connecting or live: 0. */
int rmdt_out_wait(struct rmdt_out *out, int timeout_ms, struct rmdt_cancel *cancel);

/* ---- in-flows ------------------------------------------------------------------------------------------------- */

struct rmdt_in_info {
	struct rmdt_peer *peer;		/* borrowed */
	enum rmdt_purpose purpose;
	char name[RMDT_NAME_BYTES + 1];
	uint64_t start_off, received_off, consumed_off;
	uint64_t final_off;		/* UINT64_MAX while unknown */
	bool ended;			/* all bytes up to final_off were received in order */
	bool broken;			/* reset, stopped, or its peer is down */
	unsigned code;
	char reason[RMDT_REASON_BYTES + 1];
};
/*
 * Contiguous bytes that are ready: length > 0 and *ptr, valid until consumed. 0: complete end of stream (all consumed).
 * -EPIPE: broken (rmdt_in_info says why) and all ready bytes were consumed. Waits as every wait.
 */
ssize_t rmdt_in_peek(struct rmdt_in *in, const uint8_t **ptr, int timeout_ms, struct rmdt_cancel *cancel);
/* len at most what peek gave. This is what the sender sees as consumed. */
int rmdt_in_consume(struct rmdt_in *in, size_t len);
ssize_t rmdt_in_read(struct rmdt_in *in, void *buf, size_t len, int timeout_ms, struct rmdt_cancel *cancel);
/* Sets mark `kind` (0 .. RMDT_MARKS-1) to off (never goes back); the sender gets RMDT_EVENT_OUT_MARK. */
int rmdt_in_mark(struct rmdt_in *in, unsigned kind, uint64_t off);
/* All is taken and the output is safe: the sender's member becomes CONFIRMED. -EAGAIN: not ended. */
int rmdt_in_confirm(struct rmdt_in *in);
/* No more bytes are wanted: the sender's member becomes LOST with this code and reason. */
int rmdt_in_stop(struct rmdt_in *in, unsigned code, const char *reason);
int rmdt_in_info(struct rmdt_in *in, struct rmdt_in_info *info);
/* Its opening metadata, as the offer had it; *meta is valid as long as the handle. How many bytes. */
size_t rmdt_in_meta(const struct rmdt_in *in, const uint8_t **meta);
void *rmdt_in_user(const struct rmdt_in *in);
void rmdt_in_set_user(struct rmdt_in *in, void *user);
void rmdt_in_free(struct rmdt_in *in);		/* stops it (RMDT_CODE_CLOSED) unless ended and confirmed */

#ifdef __cplusplus
}
#endif
#endif

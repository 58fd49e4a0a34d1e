/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two conns and the wire between them, for tests: virtual time, fixed seeds, every datagram in the test's hands. The
 * applications are simple: offers are accepted, what arrives is read and checked, the end is confirmed.
 */
#ifndef TESTS_UNIT_CONN_PAIR_H
#define TESTS_UNIT_CONN_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/conn.h"

#define PAIR_MS		UINT64_C(1000)
#define PAIR_S		UINT64_C(1000000)
#define PAIR_PACKETS	1024		/* under way at once; what is over is lost */
#define PAIR_DRAIN	20000		/* so many trains at one instant are a livelock */

struct pair_packet {
	uint8_t *data;			/* owned; NULL: taken away */
	size_t len;
	uint64_t due_us;
	bool to_responder;
	struct rmdt_addr from;
};

struct pair_end {
	struct rmdt_conn *conn;
	struct rmdt_addr addr;		/* where it is now */
	uint32_t cid;
	struct rmdt_blocks pool;
	struct rmdt_sendbuf *sendbuf;	/* of its out-flow */
	struct rmdt_outflow *out;	/* as opened by pair_open; NULL once freed */
	struct rmdt_inflow *in;		/* last accepted */
	struct rmdt_inflow *offered;	/* when offers are held: waits for the test */

	/* What its application does. */
	unsigned admit_code;		/* answer to ADMIT */
	unsigned refuse_code;		/* answer to offers; 0 accepts */
	bool hold_offers;		/* neither: the test answers `offered` */
	bool hold_reading;		/* takes nothing */
	bool hold_done;			/* does not confirm the end */

	/* What it has seen. */
	unsigned admits, ups, downs, moves, hints, offers, messages;
	unsigned in_flags, out_flags;	/* all together */
	unsigned down_code;
	char down_reason[RMDT_REASON_BYTES + 1];
	uint64_t read_off;		/* checked bytes */
	bool wrong;			/* a byte was not what had been written */
	uint64_t packets, bytes;	/* sent */
};

struct pair {
	struct pair_end i, r;		/* initiator, responder */
	uint64_t now_us, delay_us;	/* of the wire, one way */
	struct pair_packet packet[PAIR_PACKETS];
	unsigned n_packets;
	/* Sees each datagram before it flies and may change it; false: it is lost. NULL: none. */
	bool (*filter)(void *ctx, bool to_responder, uint8_t *data, size_t len);
	void *ctx;
	bool livelock, late_timer;
};

struct pair_options {
	struct rmdt_conn_config common;	/* 0 and NULL: defaults of the fixture */
	const uint8_t *psk_i, *psk_r;
	uint64_t pool_bytes;
};

/* options NULL: defaults. The responder's conn is made here, too; nothing has been sent. */
void pair_init(struct pair *p, const struct pair_options *options);
void pair_fini(struct pair *p);

/* The byte that every stream of the tests has at off. */
uint8_t pair_byte(uint64_t off);

/* Asserts that the books of a conn agree with each other and keep their bounds. */
void pair_check(struct rmdt_conn *c);
/* One end: tick, events, application, drain to the wire, pair_check. */
void pair_serve(struct pair *p, struct pair_end *e);
/* Hands over what is due at now_us. True: something was. */
bool pair_deliver(struct pair *p);
/* Goes on to now_us + us, from deadline to deadline. */
void pair_run(struct pair *p, uint64_t us);
/* Both up; asserts it. */
void pair_up(struct pair *p);

/* A datagram of the test's own. */
void pair_inject(struct pair *p, bool to_responder, const uint8_t *data, size_t len, const struct rmdt_addr *from);
struct pair_end *pair_other(struct pair *p, struct pair_end *e);

/* Opens an out-flow of e on its send buffer, which is made on first use and then shared. -errno. */
int pair_open(struct pair *p, struct pair_end *e, const char *name);
/* Writes the next bytes; fewer than len when there is no room. */
size_t pair_write(struct pair *p, struct pair_end *e, size_t len);
void pair_finish(struct pair *p, struct pair_end *e);

/*
 * Seals frames (or a chunk) as `from` would, with its keys and next packet number, and hands it over at once: what a
 * peer with the right keys and bad manners can do.
 */
void pair_say(struct pair *p, struct pair_end *from, const uint8_t *frames, size_t len);
struct pair_chunk {
	uint32_t flow;
	uint64_t off;
	size_t len;
	bool open, fin;
};
void pair_say_data(struct pair *p, struct pair_end *from, const struct pair_chunk *chunk);
struct rmdt_addr pair_address(unsigned host, unsigned port);

#endif

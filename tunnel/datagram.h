/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_DATAGRAM_H
#define TUNNEL_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A UDP datagram inside messages of the engine. Pure: bytes in, bytes out.
 *
 *     whole    1, session, bytes
 *     piece    2, session, datagram number, index (1 byte), count (1 byte), bytes
 *     over     3, session
 *
 * Sessions and numbers are varints: seven bits a byte, the lowest first, the high bit says that more follow; at most 63
 * bits, never with a final byte of 0 beyond the first.
 */

#define DATAGRAM_BYTES		65507	/* largest that UDP over IPv4 has */
#define DATAGRAM_PIECES_MAX	255
#define DATAGRAM_HEADER_BYTES	21	/* longest header: kind, two varints, index, count */

enum datagram_kind { DATAGRAM_WHOLE = 1, DATAGRAM_PIECE = 2, DATAGRAM_OVER = 3 };

struct datagram {
	enum datagram_kind kind;
	uint64_t session;
	uint64_t number;		/* of a piece: which datagram */
	unsigned index, count;		/* of a piece; count at least 2 */
	const uint8_t *data;		/* borrowed */
	size_t len;
};

/* What a message says; data points into it. -EPROTO: nothing that we know, *d is not written. */
int datagram_read(const void *message, size_t len, struct datagram *d);
/* The message of d, at most size bytes: its length, or -EMSGSIZE. */
int datagram_write(const struct datagram *d, void *message, size_t size);

/* A datagram on its way into messages. Everything is borrowed. */
struct datagram_cut {
	struct datagram d;		/* of the next message */
	const uint8_t *next, *end;
	size_t piece_bytes;
};
/* len bytes of a session; `number` is used when they must be cut for messages of max_bytes. -EMSGSIZE: they cannot be. */
int datagram_cut_init(struct datagram_cut *cut, const struct datagram *whole, size_t max_bytes);
/* The next message into `message` (max_bytes long): its length; 0 when all is said. */
size_t datagram_cut_next(struct datagram_cut *cut, void *message, size_t max_bytes);

#endif

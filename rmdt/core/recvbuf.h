/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_RECVBUF_H
#define RMDT_CORE_RECVBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/blocks.h"

/*
 * The receive buffer of one in-flow. One producer (the peer's I/O thread) and one consumer (an
 * application thread), without a lock.
 *
 *      consumed <= ready <= highest <= limit        stream offsets
 *
 * [consumed, ready) can be read; above are islands and holes up to highest; limit is the credit
 * given to the sender, and nothing at or beyond it is stored.
 *
 * A packet is handled in three steps: claim before it is decrypted; decrypt (all packets of a
 * batch, before the first commit or write of that batch); then commit or unclaim, or write.
 * Memory is only allocated by commit and write, which the caller reaches only with authenticated
 * bytes: a forged packet costs nothing.
 */

/* Claims open at once, i.e. packets in one decryption batch; more are sent through scratch. */
#define RMDT_RECVBUF_CLAIMS 64u

/*
 * Islands of received bytes: at least so many (64 KiB of ranges), or one for each so many bytes
 * from the first missing one to the highest, which is one lost packet of six at an MTU of 1500. A
 * packet that would make one more is dropped.
 */
#define RMDT_RECVBUF_RANGES 4096u
#define RMDT_RECVBUF_ISLAND_BYTES 8192u

enum rmdt_recvbuf_result {
	RMDT_RECVBUF_PLACE = 0,	/* claim: decrypt into *dst, then commit or unclaim */
	RMDT_RECVBUF_STORED,	/* commit, write: new bytes are in; acknowledge */
	RMDT_RECVBUF_DUPLICATE,	/* wholly there already: authenticate, then acknowledge */
	RMDT_RECVBUF_SCRATCH,	/* claim: decrypt elsewhere, then write */
	RMDT_RECVBUF_BEYOND,	/* outside start, limit or final: drop, do not acknowledge */
	RMDT_RECVBUF_NOBLOCK,	/* no memory or too many islands: drop, do not acknowledge */
};

/* Producer's counters. */
struct rmdt_recvbuf_stats {
	uint64_t stored_bytes;		/* new bytes, placed and copied */
	uint64_t copied_bytes;		/* of these, through scratch */
	uint64_t duplicate_bytes;	/* authenticated bytes that were there already */
	uint64_t noblock_pkts;		/* authenticated packets dropped as NOBLOCK */
};

struct rmdt_recvbuf;

/*
 * A buffer for a stream that begins at start_off. The limit starts at start_off + window_bytes
 * and can never be more than max_bytes beyond consumed. pool is borrowed. NULL: no memory.
 */
struct rmdt_recvbuf *rmdt_recvbuf_new(struct rmdt_blocks *pool, uint64_t start_off,
				      uint64_t window_bytes, uint64_t max_bytes);

/* Gives all blocks back. Both sides must have stopped. NULL ok. */
void rmdt_recvbuf_free(struct rmdt_recvbuf *rb);

/* ---- producer ---- */

/*
 * Where to decrypt the len bytes at off. PLACE only when all are missing, unclaimed, and inside
 * one block that is already allocated; *dst is set only then and the claim stays open until
 * commit or unclaim. PLACE, DUPLICATE, SCRATCH or BEYOND (also for len > RMDT_BLOCK_BYTES).
 * len 0 (a bare FIN) is DUPLICATE from start up to and including the limit.
 */
enum rmdt_recvbuf_result rmdt_recvbuf_claim(struct rmdt_recvbuf *rb, uint64_t off, size_t len,
					    uint8_t **dst);

/*
 * Closes a claim whose bytes are authentic: marks them received and moves ready. STORED, DUPLICATE
 * (another packet of the batch was first), or NOBLOCK (too many islands).
 */
enum rmdt_recvbuf_result rmdt_recvbuf_commit(struct rmdt_recvbuf *rb, uint64_t off, size_t len);

/* Closes a claim whose packet was not authentic. Nothing is marked. */
void rmdt_recvbuf_unclaim(struct rmdt_recvbuf *rb, uint64_t off, size_t len);

/*
 * Stores authentic bytes from scratch, copying only what is missing; allocates the blocks (at
 * most 2). STORED, DUPLICATE, BEYOND or NOBLOCK.
 */
enum rmdt_recvbuf_result rmdt_recvbuf_write(struct rmdt_recvbuf *rb, uint64_t off,
					    const uint8_t *data, size_t len);

/*
 * Raises the limit to limit_off; a lower one is ignored. 0, or -EINVAL: more than max_bytes beyond
 * consumed. Recycles first.
 */
int rmdt_recvbuf_set_limit(struct rmdt_recvbuf *rb, uint64_t limit_off);
uint64_t rmdt_recvbuf_limit(const struct rmdt_recvbuf *rb);

/*
 * The stream ends at off. 0 (also when repeated), or -EPROTO: contradicts bytes received or an
 * earlier end.
 */
int rmdt_recvbuf_set_final(struct rmdt_recvbuf *rb, uint64_t off);

/* Frees the blocks that are wholly consumed; returns how many. Call it after the consumer moved. */
uint32_t rmdt_recvbuf_recycle(struct rmdt_recvbuf *rb);

/*
 * For a flow that has been quiet: recycles, and when all that came has been consumed frees the
 * last block and one kept ahead too. Claims must be closed. The next packet goes through scratch.
 */
void rmdt_recvbuf_idle(struct rmdt_recvbuf *rb);

/* End of the highest bytes received. */
uint64_t rmdt_recvbuf_highest(const struct rmdt_recvbuf *rb);

/* Borrowed; valid as long as rb. */
const struct rmdt_recvbuf_stats *rmdt_recvbuf_stats(const struct rmdt_recvbuf *rb);

/* ---- consumer ---- */

/*
 * Bytes readable at consumed without a break (up to the end of a block), 0 when there are none;
 * *ptr is set when that is more than 0 and stays valid until they are consumed.
 */
size_t rmdt_recvbuf_peek(const struct rmdt_recvbuf *rb, const uint8_t **ptr);

/* As peek, `skip` bytes further on, for reading several blocks at once. */
size_t rmdt_recvbuf_peek_at(const struct rmdt_recvbuf *rb, uint64_t skip, const uint8_t **ptr);

/* The consumer is done with n bytes. 0, or -EINVAL: more than are ready. */
int rmdt_recvbuf_consume(struct rmdt_recvbuf *rb, uint64_t n);

/* ---- both sides, any thread ---- */

uint64_t rmdt_recvbuf_ready(const struct rmdt_recvbuf *rb);
uint64_t rmdt_recvbuf_consumed(const struct rmdt_recvbuf *rb);

/* Whether the end is known, and then its offset in *off (off may be NULL). */
bool rmdt_recvbuf_final(const struct rmdt_recvbuf *rb, uint64_t *off);

/* Whether all bytes up to the final offset are there (what FIN seen means). */
bool rmdt_recvbuf_complete(const struct rmdt_recvbuf *rb);

/* Whether the consumer has had them all. */
bool rmdt_recvbuf_drained(const struct rmdt_recvbuf *rb);

#endif

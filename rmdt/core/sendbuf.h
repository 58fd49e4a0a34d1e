/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_SENDBUF_H
#define RMDT_CORE_SENDBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/blocks.h"
#include "rmdt.h"

/*
 * The one send buffer of an out-flow, shared by all its receivers.
 *
 *      base <= head <= tail        offsets in the stream, 64 bits, from start_off on
 *
 * Bytes below base are gone, [base, head) may be read, [head, tail) is reserved and being filled.
 *
 * Threads. Calls of the *owner side* are serialised by the owner's lock. Bytes inside a reserved
 * span are filled without the lock, by any thread. Calls of the *reader side* need no lock.
 *
 * The rule that makes this safe: nobody views below base, and the owner releases only what every
 * attached reader has passed and said so (through a lock, or an atomic read with acquire). A
 * reader that is to be left behind is first told to stop and confirms; only then may the
 * bytes that it had not passed be released.
 */

/* "No such offset"; no stream gets this far. */
#define RMDT_OFF_NONE UINT64_MAX

/* Reservations that may be open at once: one per thread that fills, with ample room. */
#define RMDT_SENDBUF_RESERVATIONS 64u
/* Placements that may be open besides, one per thread too: reserve cannot crowd them out. */
#define RMDT_SENDBUF_PLACEMENTS 192u

/* A span (rmdt.h) is len writable bytes at ptr for the stream from off on, until its commit. */

struct rmdt_sendbuf;

/*
 * A buffer whose first byte has offset start_off, holding at most max_bytes (at least one block is
 * granted). The soft limit starts at max_bytes. pool is borrowed until free. NULL: no memory.
 */
struct rmdt_sendbuf *rmdt_sendbuf_new(struct rmdt_blocks *pool, uint64_t start_off,
				      uint64_t max_bytes);

/* Gives all blocks back. No reader may be attached. NULL ok. */
void rmdt_sendbuf_free(struct rmdt_sendbuf *sb);

/* ---- owner side: writing ---- */

/*
 * Reserves 1 to want contiguous bytes at the tail, never beyond the end of a block. Several
 * reservations may be open and be filled in any order by different threads.
 * 0; -EAGAIN no room until something is released; -ENOBUFS the pool is empty; -EBUSY too many are
 * open; -ENOMEM; -EPIPE finished; -EINVAL want is 0. *out is written only on 0.
 */
int rmdt_sendbuf_reserve(struct rmdt_sendbuf *sb, size_t want, struct rmdt_span *out);

/*
 * Commits the reserved or placed span that begins at off, of which the first `used` bytes are
 * filled. head moves when all earlier ones are committed: bytes appear in the order of placement.
 * Fewer than reserved only for the last one at the tail (used may be 0): the rest is returned.
 * 0, or -EINVAL: no open span begins there, used is too large, or short and not the last.
 */
int rmdt_sendbuf_commit(struct rmdt_sendbuf *sb, uint64_t off, size_t used);

/* Bytes that reserve would grant in all now by limit and credit; the pool may have less. */
uint64_t rmdt_sendbuf_room(const struct rmdt_sendbuf *sb);

/* Sets the soft limit, clamped to [one block, max_bytes]. Lowering it frees nothing by itself. */
void rmdt_sendbuf_set_limit(struct rmdt_sendbuf *sb, uint64_t bytes);
uint64_t rmdt_sendbuf_limit(const struct rmdt_sendbuf *sb);

/*
 * Takes credit: room and blocks for `bytes` that later placements use, so that these cannot fail.
 * Asking for more than the soft limit succeeds when nothing else is buffered.
 * 0; -EAGAIN no room yet; -ENOBUFS the pool is empty; -EMSGSIZE more than max_bytes; -ENOMEM;
 * -EPIPE finished.
 */
int rmdt_sendbuf_take_credit(struct rmdt_sendbuf *sb, uint64_t bytes);

/* Returns unused credit; more than is held is a programming error (asserted). */
void rmdt_sendbuf_give_back(struct rmdt_sendbuf *sb, uint64_t bytes);

/* Credit held now, by all takers together. */
uint64_t rmdt_sendbuf_credit(const struct rmdt_sendbuf *sb);

/* Spans that a placement of `bytes` can need. */
#define RMDT_SENDBUF_SPANS(bytes) ((size_t)((bytes) / RMDT_BLOCK_BYTES) + 2u)

/*
 * Places `bytes` (> 0) at the tail, out of credit: *n spans, consecutive in the stream, one more
 * for each end of block crossed. Each is filled and committed by itself, in any order.
 * Fails only for programming errors, and then places nothing: -EINVAL bytes is 0; -ENOSPC more
 * than the credit; -E2BIG max_spans is too small; -EBUSY too many are open; -EPIPE finished.
 */
int rmdt_sendbuf_place(struct rmdt_sendbuf *sb, size_t bytes, struct rmdt_span *spans,
		       size_t max_spans, size_t *n);

/*
 * The stream ends at the tail; credit still held is void. 0 (also when repeated), or -EBUSY: a
 * reservation is open.
 */
int rmdt_sendbuf_finish(struct rmdt_sendbuf *sb);

/* ---- owner side: release ---- */

/*
 * Forgets all bytes below off and frees the blocks wholly below; when nothing is left and nothing
 * reserved, the last partly filled block too, so that an idle flow holds no memory.
 * 0 (below base: nothing to do), or -EINVAL: off is beyond head.
 */
int rmdt_sendbuf_release(struct rmdt_sendbuf *sb, uint64_t off);

/* End of everything reserved so far. */
uint64_t rmdt_sendbuf_tail(const struct rmdt_sendbuf *sb);

/* ---- reader side: any thread, no lock ---- */

/* The oldest offset still kept. */
uint64_t rmdt_sendbuf_base(const struct rmdt_sendbuf *sb);

/* End of the committed prefix. */
uint64_t rmdt_sendbuf_head(const struct rmdt_sendbuf *sb);

/*
 * Bytes readable at off without a break, at most max, not beyond the end of a block or head;
 * *ptr is set when that is more than 0, and stays valid until the reader has passed them.
 * off must not be below base.
 */
size_t rmdt_sendbuf_view(const struct rmdt_sendbuf *sb, uint64_t off, size_t max,
			 const uint8_t **ptr);

/* Whether the stream is finished, and then where it ends in *off (off may be NULL). */
bool rmdt_sendbuf_final(const struct rmdt_sendbuf *sb, uint64_t *off);

#endif

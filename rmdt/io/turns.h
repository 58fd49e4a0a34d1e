/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending: the touched associations of an I/O thread take turns, a few trains each, into a batch that goes with one call.
 * Receivers that keep in step so get the same bytes one after the other, while these are in the cache.
 */
#ifndef RMDT_IO_TURNS_H
#define RMDT_IO_TURNS_H

struct rmdt_thread;

/* A bounded part of what the thread's associations have to send; until none has anything, or the socket is full (blocked). */
void rmdt_turns_play(struct rmdt_thread *t);

#endif

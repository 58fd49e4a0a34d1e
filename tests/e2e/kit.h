/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines in one process for tests of rmdt.h: each node has an engine with its own identity in a
 * temporary folder, and a thread that takes its events, counts them, and reads every in-flow,
 * checking its bytes against the pattern.
 */
#ifndef TESTS_E2E_KIT_H
#define TESTS_E2E_KIT_H

#include <pthread.h>
#include <rmdt/rmdt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIT_KINDS	16
#define KIT_FLOWS	64
#define KIT_WAIT_MS	20000		/* what a test waits for an event at most */

/* Byte `off` of every stream of these tests. */
static inline uint8_t kit_byte(uint64_t off)
{
	return (uint8_t)(off * 31 >> 3 ^ off >> 16);
}

struct kit_flow {
	struct rmdt_in *in;		/* NULL once given back */
	char name[RMDT_NAME_BYTES + 1];
	uint64_t bytes;			/* read and right */
	uint64_t start_off;
	bool ended, confirmed, reset, bad;
	unsigned priority;
	unsigned code;
	char reason[RMDT_REASON_BYTES + 1];
};

struct kit_node {
	/* Set before kit_start. */
	const char *settings;		/* "key=value key=value" */
	const char *name;
	bool manual;			/* nobody takes events: the test does */
	bool handler;			/* events come to a handler */
	bool keep;			/* flows are not read until kit_read */
	bool no_confirm;		/* nor confirmed */
	bool refuse_unlisted;
	unsigned refuse_code, admit_code;	/* answers to offers and candidates; 0 takes them */
	const char *refuse_reason;
	uint16_t port;

	struct rmdt_engine *engine;
	char dir[64];
	pthread_t thread;
	bool running;
	struct rmdt_cancel *cancel;

	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t changed;
	unsigned count[KIT_KINDS];
	struct rmdt_event last[KIT_KINDS];
	struct kit_flow flow[KIT_FLOWS];
	unsigned n_flows;
	struct rmdt_offer offer;	/* the last; its pointers are not to be used */
	char offer_name[RMDT_NAME_BYTES + 1], offer_meta[RMDT_META_BYTES + 1];
	struct rmdt_peer *inbound;	/* the newest inbound peer, with a handle of ours */
};

void kit_start(struct kit_node *n);
void kit_stop(struct kit_node *n);
/* One after the other: kit_start_all(&a, &b). */
#define kit_start_all(...)	kit_start_each((struct kit_node *[]){ __VA_ARGS__, NULL })
#define kit_stop_all(...)	kit_stop_each((struct kit_node *[]){ __VA_ARGS__, NULL })
void kit_start_each(struct kit_node **nodes);
void kit_stop_each(struct kit_node **nodes);
void kit_remove_dir(const char *path);
/* Waits until `count` events of that kind have come in all; fails the test when they do not. */
void kit_await(struct kit_node *n, enum rmdt_event_kind kind, unsigned count);
/* Waits until so many flows were confirmed here. */
void kit_await_confirmed(struct kit_node *n, unsigned count);
/* Reads on what was kept. */
void kit_read(struct kit_node *n);
unsigned kit_count(struct kit_node *n, enum rmdt_event_kind kind);

struct rmdt_peer *kit_connect(struct kit_node *from, struct kit_node *to);
/* And waits until it is up. */
struct rmdt_peer *kit_connect_up(struct kit_node *from, struct kit_node *to);
struct rmdt_out *kit_out(struct kit_node *n, const struct rmdt_out_options *opt);
/* The pattern, from the head on; len bytes. */
void kit_write(struct rmdt_out *out, uint64_t len);
void kit_fill(const struct rmdt_span *span);

#endif

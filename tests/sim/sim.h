/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: one sender and up to SIM_MAX receivers, whole associations of rmdt/core over emulated paths in virtual
 * time. A plan says everything; one seed repeats a run exactly. sim_run checks the invariants at every step and says in
 * words which one broke.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "core/fanout.h"
#include "lab/emu_link.h"

#define SIM_MAX		100
#define SIM_NEVER	UINT64_MAX

/* One receiver and its path. Times are virtual microseconds since the start; SIM_NEVER: does not happen. */
struct sim_receiver_plan {
	struct emu_params there, back;		/* sender to receiver, receiver to sender */
	uint64_t consume_rate;			/* bytes/s the application takes; 0: at once */
	uint64_t pause_us, resume_us;		/* stands still (as by SIGSTOP) in between */
	uint64_t die_us;			/* falls silent for good */
	uint64_t restart_us;			/* loses all its state and listens again */
	uint64_t cut_us, heal_us;		/* the path carries nothing in between */
	uint64_t shrink_us;			/* from then on packets above shrink_mtu vanish */
	uint32_t shrink_mtu;
	uint64_t move_us;			/* its address changes */
	bool wrong_psk;
};

struct sim_plan {
	uint64_t seed;
	uint64_t bytes;				/* length of the stream */
	uint64_t write_rate;			/* bytes/s the writer offers; 0: as fast as there is room */
	unsigned receivers;
	struct sim_receiver_plan receiver[SIM_MAX];
	struct rmdt_policy policy;
	uint64_t linger_us, dead_after_us, keepalive_us, connect_timeout_us;
	uint64_t buffer_bytes;
	const char *cc;
	uint64_t fixed_rate;
	enum rmdt_suite suite;
	bool cipher_none, psk;
	uint32_t mtu;				/* UDP payload of the interface */
	uint64_t rekey_packets;			/* 0: built-in */
	struct emu_shape uplink;		/* shared by all paths out of the sender; rate 0: none */
	uint64_t limit_us;			/* it must all be over by then */
};

enum sim_fate { SIM_RUNNING, SIM_CONFIRMED, SIM_LOST };

struct sim_receiver_result {
	enum sim_fate fate;
	unsigned code;
	char reason[RMDT_REASON_BYTES + 1];
	uint64_t end_us;			/* when its fate was known to the sender */
	uint64_t delivered_bytes;		/* read and found right by its application */
	bool saw_end;				/* its application saw the complete end */
	uint64_t chunk_bytes, repaired_bytes;	/* sent to it */
	uint64_t feedback_bytes;		/* sent by it */
	uint64_t idle_packets;			/* sent by both after the end of the stream was confirmed, see quiet */
	uint64_t queue_max_us;
};

struct sim_result {
	bool ok;
	char broken[256];			/* the invariant, when not ok */
	uint64_t end_us;
	uint64_t steps, datagrams;
	uint64_t peak_send_blocks;
	struct sim_receiver_result receiver[SIM_MAX];
};

/* Sane defaults: one receiver, 1 MB, 100 Mbit/s, 20 ms, no loss. */
void sim_plan_init(struct sim_plan *plan, uint64_t seed);
void sim_run(const struct sim_plan *plan, struct sim_result *result);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: one sender and up to SIM_MAX receivers, whole associations of rmdt/core over
 * emulated paths in virtual time. A plan says everything, so a plan repeats a run exactly. sim_run
 * checks the invariants that hold for every plan and says in words which one broke; sim_expect
 * (sim_expect.h) knows which fate each receiver must have.
 *
 * Invariants of sim_run: every byte is read once, in order and right; no false end; nothing
 * confirmed that was not read to its end; neither pool above its cap, and all blocks back at the
 * end; the books of sent packets bounded; no timer in the past; nobody asleep who has something to
 * say; no livelock; over within limit_us; quiet when all is done; and when the sender closes,
 * everybody hears of it.
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

/*
 * One receiver and its path. Times are virtual microseconds since the start; SIM_NEVER: does not
 * happen.
 */
struct sim_receiver_plan {
	struct emu_params there, back;		/* sender to receiver, receiver to sender */
	uint64_t consume_rate;			/* bytes/s the application takes; 0: at once */
	uint64_t pause_us, resume_us;		/* stands still (as by SIGSTOP) in between */
	uint64_t die_us;			/* falls silent for good */
	uint64_t restart_us;			/* loses all its state and listens again */
	uint64_t cut_us, heal_us;		/* the path carries nothing in between */
	/* from then on IP packets above shrink_mtu vanish */
	uint64_t shrink_us;
	uint32_t shrink_mtu;
	uint64_t move_us;			/* its address changes */
	bool wrong_psk;
};

struct sim_plan {
	uint64_t seed;
	uint64_t bytes;				/* length of the stream */
	/* bytes/s the writer offers; 0: as fast as there is room */
	uint64_t write_rate;
	uint64_t write_us;			/* the writer begins then; 0: at once */
	unsigned receivers;
	struct sim_receiver_plan receiver[SIM_MAX];
	struct rmdt_policy policy;
	uint64_t linger_us, dead_after_us, keepalive_us, connect_timeout_us;
	uint64_t buffer_bytes;
	const char *cc;
	uint64_t fixed_rate;
	/* what the sender remembers of every path; 0: nothing */
	uint64_t hint_rate, hint_rtt_us;
	enum rmdt_suite suite;
	bool cipher_none, psk;
	bool ecn;				/* the paths mark instead of only dropping */
	uint32_t mtu;				/* UDP payload of the interface */
	uint64_t rekey_packets;			/* 0: built-in */
	/* shared by all paths out of the sender; rate 0: none */
	struct emu_shape uplink;
	uint64_t sender_pause_us, sender_resume_us, sender_die_us;
	/* after a pause timers run before what waited in the socket is read */
	bool timers_first;
	/* when the applications have read so much is noted; 0: not */
	uint64_t measure_from_off, measure_until_off;
	uint64_t limit_us;			/* every fate must be known by then */
	/* how long to watch that it is quiet afterwards; 0: not at all */
	uint64_t idle_us;
};

enum sim_fate { SIM_RUNNING, SIM_CONFIRMED, SIM_LOST };

struct sim_receiver_result {
	enum sim_fate fate;			/* as the sender knows it */
	unsigned code;
	char reason[RMDT_REASON_BYTES + 1];
	uint64_t end_us;			/* when it was known to the sender */
	uint64_t delivered_bytes;		/* read and found right by its application */
	uint64_t first_byte_us;			/* when its application read the first */
	uint64_t last_byte_us;			/* and the newest so far */
	/* when it had read measure_from_off and measure_until_off bytes */
	uint64_t measure_from_us, measure_until_us;
	/* when a byte was last sent that had not been sent before */
	uint64_t last_sent_us;
	bool saw_end;				/* its application saw the complete end */
	/* its application saw the flow break, at broke_us with broke_code */
	bool broke;
	unsigned broke_code;
	uint64_t broke_us;
	uint64_t chunk_bytes, repaired_bytes;	/* sent to it */
	/* UDP payload sent by it until its fate was known */
	uint64_t feedback_bytes;
	uint64_t rekeys, moves, black_holes;	/* of the sender's association */
	uint64_t marked_pkts;			/* marks of congestion that it heeded */
	bool ecn_off;				/* it has given up marking */
	uint32_t mtu_bytes;			/* in use at the end */
	size_t peak_books;			/* most packets in the books of either end */
};

struct sim_result {
	bool ok;
	char broken[256];			/* the invariant, when not ok */
	uint64_t end_us;			/* when the last fate was known */
	uint64_t steps, datagrams;
	/* of all ends together during idle_us, no outage at that time */
	uint64_t idle_datagrams;
	uint32_t peak_send_blocks, peak_recv_blocks;
	struct sim_receiver_result receiver[SIM_MAX];
};

/* Sane defaults: one receiver, 1 MB, 100 Mbit/s, 20 ms, no loss. */
void sim_plan_init(struct sim_plan *plan, uint64_t seed);
void sim_run(const struct sim_plan *plan, struct sim_result *result);

#endif

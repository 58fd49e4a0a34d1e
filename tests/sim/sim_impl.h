/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the simulator: sim_net.c carries packets, sim_app.c plays the applications, sim.c moves time on. */
#ifndef TESTS_SIM_SIM_IMPL_H
#define TESTS_SIM_SIM_IMPL_H

#include "sim/sim.h"

#define SIM_START_US		1000000		/* virtual clock at the start: 0 means "never was" in places */
#define SIM_POLL_US		1000		/* how often a slow writer or reader acts */
#define SIM_IP_UDP_BYTES	28

struct sim_flight {			/* a datagram under way */
	unsigned path;			/* index of the receiver */
	bool there;			/* towards the receiver */
	struct rmdt_addr from, to;
	unsigned ecn;
	uint32_t len;
	uint8_t data[];
};

struct sim_due {			/* times stand in the heap itself, so that sorting does not touch the datagrams */
	uint64_t due_us, order;
	struct sim_flight *flight;
};

struct sim_side {			/* one end of one association */
	struct rmdt_conn *conn;
	struct rmdt_addr addr;
	uint32_t cid;
	uint64_t deadline_us;		/* as it said when it was last drained */
	uint64_t awake_us;		/* stands still until then */
	bool touched;			/* something happened to it: must run now */
	bool dead;
	bool down;			/* its association has ended */
};

struct sim_pair {
	const struct sim_receiver_plan *plan;
	struct sim_receiver_result *result;
	unsigned index;
	struct sim_side sender, receiver;
	struct emu_link there, back;
	struct rmdt_outflow *out;
	struct rmdt_inflow *in;
	struct rmdt_fanout_member member;
	uint64_t read_off;		/* what the application has read */
	uint64_t sent_off;		/* what was sent to it at least once */
	uint64_t read_credit_us;	/* when consume_rate last gave credit */
	uint64_t unknown_us;		/* no further UNKNOWN before */
	uint64_t datagrams;		/* sent by both ends */
	unsigned generation;		/* restarts */
	bool ended, moved, restarted, shrunk;
};

struct sim_world {
	const struct sim_plan *plan;
	struct sim_result *result;
	uint64_t now_us;
	struct sim_pair pair[SIM_MAX];
	struct rmdt_blocks send_pool, recv_pool[SIM_MAX];
	struct rmdt_sendbuf *sendbuf;
	struct rmdt_fanout fanout;
	struct emu_queue uplink;
	uint64_t written;
	uint64_t judge_us, write_us;	/* when to judge, to write */
	bool finished, writer_waits;
	struct sim_due *heap;
	size_t heap_count, heap_cap;
	uint64_t order;
	uint8_t train[65536];
};

/* The first complaint counts. */
void sim_broken(struct sim_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* sim_net.c */
struct rmdt_addr sim_address(unsigned host, unsigned port);
void sim_make_conn(struct sim_world *w, struct sim_pair *p, bool initiator);
/* ecn: the two bits it leaves with. */
void sim_fly(struct sim_world *w, struct sim_pair *p, bool there, const struct rmdt_addr *to, const uint8_t *data,
	     size_t len, unsigned ecn);
void sim_deliver_due(struct sim_world *w);
uint64_t sim_next_arrival_us(const struct sim_world *w);
void sim_drop_all(struct sim_world *w);

/* sim_app.c */
void sim_write(struct sim_world *w);
void sim_read(struct sim_world *w, struct sim_pair *p);
uint64_t sim_next_read_us(const struct sim_world *w, const struct sim_pair *p);
void sim_sender_event(struct sim_world *w, struct sim_pair *p, const struct rmdt_conn_event *e);
void sim_receiver_event(struct sim_world *w, struct sim_pair *p, const struct rmdt_conn_event *e);
void sim_judge(struct sim_world *w);

/* sim_check.c: what must hold for one end after it was drained. */
void sim_check_side(struct sim_world *w, struct sim_pair *p, bool is_sender);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/stall.h"

#include "tunnel/relay.h"
#include "tunnel/stream.h"
#include "tunnel/streams.h"

#define TICK_S 1.0
#define STALLED_US 10000000		/* so long without a byte: a reader that is merely slow takes some */
#define RESETS_A_TICK 8			/* gives back 2 MiB at least; the rest may go on until it is needed, too */
#define FREE_LEAST_BYTES (1u << 20)	/* less than this, and what arrives for others may have to be dropped */

static uint64_t stuck_since(const struct stream *s)
{
	uint64_t up = s->up_stuck_us, down = s->down_stuck_us;

	if (up == 0 || down == 0)
		return up + down;
	return up < down ? up : down;
}

static struct stream *find_oldest(const struct streams *streams)
{
	struct stream *oldest = NULL;

	for (struct stream *s = streams->first; s != NULL; s = s->next) {
		if (stuck_since(s) != 0 && s->state != STREAM_LAST &&
		    (oldest == NULL || stuck_since(s) < stuck_since(oldest)))
			oldest = s;
	}
	return oldest;
}

static bool is_short_of_memory(const struct stall *stall, uint64_t now_us)
{
	struct rmdt_engine_stats stats;

	if (stall->starved_us != 0 && now_us - stall->starved_us < 2 * (uint64_t)(TICK_S * 1e6))
		return true;
	rmdt_engine_stats(stall->streams->relay->engine, &stats);
	return stats.buffer_cap_bytes - stats.buffer_used_bytes < FREE_LEAST_BYTES;
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct stall *stall = timer->data;
	struct stream *s = find_oldest(stall->streams);
	uint64_t now_us = relay_now_us();

	(void)revents;
	if (s == NULL) {
		ev_timer_stop(loop, timer);
		return;
	}
	if (!is_short_of_memory(stall, now_us))
		return;
	for (int i = 0; i < RESETS_A_TICK && s != NULL && now_us - stuck_since(s) >= STALLED_US; i++) {
		relay_log(stall->streams->relay, 1, "client %s: reset, nothing of it was taken for %llu s and memory is short",
			  s->client, (unsigned long long)((now_us - stuck_since(s)) / 1000000));
		stream_abort(s, STREAM_RESET, "nothing was taken for long, and memory is short");
		s = find_oldest(stall->streams);
	}
}

void stall_on_stuck(struct stall *stall, uint64_t *since_us)
{
	if (*since_us != 0)
		return;
	*since_us = relay_now_us();
	if (!ev_is_active(&stall->tick))
		ev_timer_again(stall->streams->relay->loop, &stall->tick);
}

void stall_on_no_room(struct stall *stall, struct stream *s)
{
	struct rmdt_out_info info;

	if (rmdt_out_info(s->out, &info) == 0 && info.base_off == info.head_off)
		stall->starved_us = relay_now_us();
	else
		stall_on_stuck(stall, &s->up_stuck_us);
}

void stall_init(struct stall *stall, struct streams *streams)
{
	*stall = (struct stall){ .streams = streams };
	ev_init(&stall->tick, on_tick);
	stall->tick.repeat = TICK_S;
	stall->tick.data = stall;
}

void stall_fini(struct stall *stall)
{
	ev_timer_stop(stall->streams->relay->loop, &stall->tick);
}

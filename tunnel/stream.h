/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_STREAM_H
#define TUNNEL_STREAM_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include <rmdt/rmdt.h>

/*
 * One TCP connection of this relay with its two flows. Bytes go up from the socket into the out-flow and down from the
 * in-flow into the socket. At the entry the out-flow is the request and the in-flow the reply; at the exit the other way round.
 * request.c begins them, pump.c moves their bytes, stream.c ends them.
 */

struct link;
struct attempt;
struct streams;

/* Codes of flows, on the wire. */
enum stream_code {
	STREAM_RESET = RMDT_CODE_APP + 1,
	STREAM_REFUSED = RMDT_CODE_APP + 2,
	STREAM_TIMEOUT = RMDT_CODE_APP + 3,
	STREAM_UNREACHABLE = RMDT_CODE_APP + 4,
	STREAM_NO_NAME = RMDT_CODE_APP + 5,
	STREAM_GONE = RMDT_CODE_APP + 6,	/* nothing more can be taken, but the other way was finished before */
};

#define STREAM_VERSION 1		/* first byte of a request's metadata */

enum stream_state {
	STREAM_WAITING,			/* entry: no association yet; nothing is read */
	STREAM_OPENING,			/* entry: the request is open, the reply has not come */
	STREAM_CONNECTING,		/* exit: fd is -1, the in-flow waits */
	STREAM_OPEN,
	STREAM_LAST,			/* the reset comes once the socket has taken the last bytes */
};

enum stream_way {
	WAY_OPEN,
	WAY_FINISHED,			/* up only: the end was told, its confirmation is awaited */
	WAY_DONE,
};

struct stream {
	struct stream *next, *prev;	/* of all */
	struct stream *next_number;	/* of its bucket; entry only */
	struct stream *next_turn;	/* of those that used up their turn */
	struct streams *home;
	uint32_t number;		/* given by the entry; stands in the names of both flows */
	enum stream_state state;
	enum stream_way up, down;
	int fd;				/* -1: not yet, or no more */
	bool can_read, can_write, has_end;	/* what edges have told; has_end: FIN or worse is in the queue */
	bool is_broken;			/* our socket was reset; what it took in before is still read */
	bool no_end;			/* an end that reading finds is that reset */
	bool in_turn;
	bool reset_comes;		/* the far socket is gone: reset ours when `down` is done */
	int last_unsent;		/* STREAM_LAST: what the socket still had */
	unsigned last_ticks;
	bool is_taken;			/* entry: the far relay has accepted the request */
	struct link *link;		/* NULL: none yet, or gone */
	struct rmdt_out *out;
	struct rmdt_in *in;
	struct ev_timer timer;
	struct attempt *attempt;	/* of tunnel/exit; NULL */
	char client[64];		/* "address:port", of the client */
	uint64_t up_bytes, down_bytes;
	uint64_t up_stuck_us, down_stuck_us;	/* since when that way has not moved although it wants to; 0: it moves */
	uint64_t started_us;
};

/* Takes a connected socket; -errno: it has been closed. */
int stream_adopt(struct stream *stream, int fd);
/* Move what can be moved, at most a turn's worth. The stream may be gone after it. */
void stream_pump(struct stream *stream);
/* The socket told something. The stream may be gone after it. */
void stream_on_socket(void *stream, uint32_t events);
/* One of its flows did. The stream may be gone after it. */
void stream_on_event(const struct rmdt_event *event);

/* Ends both ways at once, on both sides, with resets. The stream is gone. */
void stream_abort(struct stream *stream, unsigned code, const char *reason);
/* The own socket broke. The stream may be gone after it. */
void stream_on_broken(struct stream *stream, int error);
/* Frees the stream when both ways are done; false then. */
bool stream_goes_on(struct stream *stream);
void stream_close_socket(struct stream *stream, bool with_reset);
/* Resets the socket once it has delivered what it holds. */
void stream_reset_later(struct stream *stream);
/* Gives back what it has; flows that have not ended are reset by that. */
void stream_free(struct stream *stream);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeclone's sender: standard input into one out-flow, its receivers watched until each has a
 * fate.
 */
#define _GNU_SOURCE			/* preadv2 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cli/meter.h"
#include "cli/pipe.h"
#include "cli/stop.h"

#define MOST_THREADS 4		/* chosen without being asked */

/*
 * So much of a regular input is read by us at first, and whenever the page cache ran dry: twice as
 * much each time, up to the second.
 */
#define OWN_BYTES	(UINT64_C(1) << 20)
#define OWN_MOST_BYTES	(UINT64_C(64) << 20)

struct receiver {
	struct rmdt_peer *peer;		/* NULL: could not even be begun */
	struct meter meter;
	enum rmdt_limit limited_by;
	bool connecting;
	uint64_t lag_bytes;
};

struct sender {
	struct pipe_job *job;
	struct rmdt_engine *engine;
	struct rmdt_out *out;
	struct receiver *receivers;	/* job->n of each */
	struct report_remote *remotes;
	struct progress_row *rows;
	uint64_t start_us;
	uint64_t looked_us;		/* when the states were last looked at */
	_Atomic uint64_t head_off;	/* bytes read so far */
	bool lends;			/* a file for one receiver: the I/O thread may read it */
	_Atomic bool never;		/* no, its file system cannot do that */
	bool theirs;			/* the I/O threads read now, not we */
	uint64_t own_bytes, own_left;	/* what we read before they do (again): next time, now */
	uint64_t input_bytes;		/* size of a regular input; UINT64_MAX: not known */
	bool at_end;			/* the input has ended, and well */
	char error[RMDT_ERROR_BYTES];	/* our own failure */
};

static void lose(struct report_remote *remote, unsigned code, const char *reason)
{
	if (remote->fate != REPORT_PENDING)
		return;
	remote->fate = REPORT_LOST;
	remote->code = code;
	snprintf(remote->reason, sizeof(remote->reason), "%s", reason);
}

/* ---- looking at the receivers ---------------------------------------------------------------- */

static void note_member(struct sender *s, size_t i, uint64_t now_us)
{
	struct receiver *receiver = &s->receivers[i];
	struct report_remote *remote = &s->remotes[i];
	struct rmdt_member_info info;

	if (receiver->peer == NULL || remote->fate != REPORT_PENDING ||
	    rmdt_out_member(s->out, receiver->peer, &info) < 0)
		return;
	pipe_note_peer(receiver->peer, remote, &receiver->limited_by);
	remote->bytes = info.consumed_off;
	remote->repaired_bytes = info.repaired_bytes;
	remote->chunk_bytes = info.chunk_bytes;
	remote->time_us = (info.ended_us > 0 ? info.ended_us : now_us) - info.joined_us;
	receiver->connecting = info.state == RMDT_MEMBER_CONNECTING;
	receiver->lag_bytes = s->head_off > info.consumed_off ? s->head_off - info.consumed_off : 0;
	meter_add(&receiver->meter, info.consumed_off, now_us);
	if (info.state == RMDT_MEMBER_CONFIRMED)
		remote->fate = REPORT_COMPLETE;
	else if (info.state == RMDT_MEMBER_LOST)
		lose(remote, info.code, info.reason);
}

static uint64_t eta_us(const struct sender *s, size_t i)
{
	uint64_t rate = meter_rate(&s->receivers[i].meter), left;

	if (s->input_bytes == UINT64_MAX || rate == 0 || s->input_bytes < s->remotes[i].bytes)
		return UINT64_MAX;
	left = s->input_bytes - s->remotes[i].bytes;
	return (uint64_t)((double)left / (double)rate * 1e6);
}

static void draw(struct sender *s, uint64_t now_us)
{
	for (size_t i = 0; i < s->job->n; i++) {
		const struct receiver *receiver = &s->receivers[i];

		s->rows[i] = (struct progress_row){
			.remote = &s->remotes[i],
			.rate_bytes_per_s = meter_rate(&receiver->meter),
			.lag_bytes = receiver->lag_bytes,
			.eta_us = eta_us(s, i),
			.note = receiver->connecting ? "connecting" :
						       rmdt_limit_text(receiver->limited_by),
		};
	}
	progress_draw(s->job->console, s->rows, s->job->n, now_us);
}

static void look(struct sender *s)
{
	uint64_t now_us = pipe_now_us();

	s->looked_us = now_us;
	for (size_t i = 0; i < s->job->n; i++)
		note_member(s, i, now_us);
	draw(s, now_us);
	pipe_status_serve(s->job);
}

static struct rmdt_peer *peer_at(void *side, size_t i)
{
	return ((struct sender *)side)->receivers[i].peer;
}

static void look_if_due(struct sender *s)
{
	if (pipe_now_us() - s->looked_us >= PIPE_TICK_MS * UINT64_C(1000))
		look(s);
}

static bool all_decided(const struct sender *s)
{
	for (size_t i = 0; i < s->job->n; i++) {
		if (s->remotes[i].fate == REPORT_PENDING)
			return false;
	}
	return true;
}

/* The peer's own end is the member's end too, whichever of the two events is seen. */
static void peer_down(struct sender *s, const struct rmdt_event *event)
{
	for (size_t i = 0; i < s->job->n; i++) {
		if (s->receivers[i].peer == event->peer && event->peer != NULL) {
			note_member(s, i, pipe_now_us());
			lose(&s->remotes[i], event->code, event->reason);
		}
	}
}

/* Waits up to timeout_ms for one event, then takes all that are there. */
static void take_events(struct sender *s, int timeout_ms)
{
	struct rmdt_event event;

	while (rmdt_engine_next_event(s->engine, &event, timeout_ms, stop_cancel()) == 0) {
		if (event.kind == RMDT_EVENT_PEER_DOWN)
			peer_down(s, &event);
		if (event.kind == RMDT_EVENT_OUT_DRY)
			s->theirs = false;
		if (event.kind == RMDT_EVENT_OUT_LOST || event.kind == RMDT_EVENT_OUT_CONFIRMED)
			look(s);
		/* Progress of many receivers may never run dry. */
		look_if_due(s);
		timeout_ms = 0;
		if (all_decided(s))
			break;
	}
	look_if_due(s);
}

/* ---- the input ------------------------------------------------------------------------------- */

/*
 * The flow's source, on an I/O thread: what the page cache has is read just before it is sealed, on
 * the same processor. What would have to be waited for, the end and errors are left to feed().
 */
static size_t fill(void *user, void *buf, size_t size)
{
	struct sender *s = user;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	ssize_t n = preadv2(STDIN_FILENO, &iov, 1, -1, RWF_NOWAIT);

	if (n > 0) {
		s->head_off += (uint64_t)n;
		return (size_t)n;
	}
	if (n < 0 && errno != EAGAIN)
		s->never = true;
	return 0;
}

/* We have read n bytes; enough to let the I/O threads go on? */
static void hand_over(struct sender *s, size_t n)
{
	s->own_left -= n < s->own_left ? n : s->own_left;
	if (!s->lends || s->own_left > 0 || s->never)
		return;
	if (s->own_bytes < OWN_MOST_BYTES)
		s->own_bytes *= 2;
	s->own_left = s->own_bytes;
	s->theirs = true;
	rmdt_out_poke(s->out);
}

/* Waits for input, an event, a signal or the next tick. True when the input can be read. */
static bool await_input(struct sender *s)
{
	struct pollfd fds[] = {
		{ .fd = s->theirs ? -1 : STDIN_FILENO, .events = POLLIN },
		{ .fd = rmdt_engine_fd(s->engine), .events = POLLIN },
		{ .fd = stop_fd(), .events = POLLIN },
	};

	if (poll(fds, 3, PIPE_TICK_MS) <= 0)
		return false;
	if (fds[1].revents != 0)
		take_events(s, 0);
	return fds[0].revents != 0;
}

/* One read(2) straight into the send buffer. False when there is nothing more to feed. */
static bool feed(struct sender *s)
{
	struct rmdt_span span;
	ssize_t n;
	int ret, read_errno;

	ret = rmdt_out_reserve(s->out, PIPE_IO_BYTES, &span, PIPE_TICK_MS, stop_cancel());
	if (ret == -ETIMEDOUT || ret == -EAGAIN || ret == -ECANCELED) {
		take_events(s, 0);
		return true;
	}
	if (ret < 0) {
		/* Broken under us: with its members gone it says so itself, through their fates. */
		look(s);
		if (!all_decided(s))
			snprintf(s->error, sizeof(s->error), "send buffer: %s", rmdt_strerror(ret));
		return false;
	}
	n = read(STDIN_FILENO, span.ptr, span.len);
	read_errno = errno;
	rmdt_out_commit(s->out, &span, n > 0 ? (size_t)n : 0);
	if (n > 0) {
		s->head_off += (uint64_t)n;
		hand_over(s, (size_t)n);
	}
	s->at_end = n == 0;
	if (n >= 0 || read_errno == EINTR || read_errno == EAGAIN)
		return n != 0;
	snprintf(s->error, sizeof(s->error), "standard input: %s", strerror(read_errno));
	return false;
}

static bool is_over(const struct sender *s)
{
	return stop_requested() || all_decided(s);
}

static void transfer(struct sender *s)
{
	bool more = true;

	look(s);
	while (more && !is_over(s)) {
		if (await_input(s) && !is_over(s))
			more = feed(s);
		look_if_due(s);
	}
	if (s->at_end)
		rmdt_out_finish(s->out);
	else if (s->error[0] != '\0')
		rmdt_out_reset(s->out, RMDT_CODE_CLOSED, s->error);
	else if (stop_requested())
		rmdt_out_reset(s->out, RMDT_CODE_CLOSED, "the sender was interrupted");
	while (s->at_end && !is_over(s))
		take_events(s, PIPE_TICK_MS);
	if (s->at_end && stop_requested())
		rmdt_out_reset(s->out, RMDT_CODE_CLOSED, "the sender was interrupted");
	/*
	 * What was reset by us is told as ours, so there is no look after it: all undecided stay
	 * so.
	 */
	if (s->at_end && !stop_requested())
		look(s);
}

/* ---- begin and end --------------------------------------------------------------------------- */

/*
 * An association keeps to one thread of the engine, and a fast network keeps that busy: several
 * want several.
 */
static void choose_threads(struct sender *s)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t n = s->job->n < MOST_THREADS ? s->job->n : MOST_THREADS;
	char text[8], err[RMDT_ERROR_BYTES];
	const char *origin;

	rmdt_config_get(s->job->config, "threads", &origin);
	if (cores < 1 || strcmp(origin, "built-in") != 0)
		return;
	snprintf(text, sizeof(text), "%zu", n < (size_t)cores ? n : (size_t)cores);
	rmdt_config_set(s->job->config, "threads", text, "number of receivers", err);
}

static bool open_flow(struct sender *s)
{
	struct rmdt_engine_options engine = {
		.config = s->job->config,
		.name = PIPE_PROGRAM,
		.ctx = s->job,
		.log = pipe_log,
	};
	struct rmdt_out_options out = {
		.purpose = RMDT_PIPE,
		.name = "stdin",
		.priority = 1,
		.user = s,
		.fill = s->lends ? fill : NULL,
	};
	char why[RMDT_ERROR_BYTES] = "";
	int ret;

	choose_threads(s);
	ret = rmdt_engine_new(&engine, &s->engine, why);
	if (ret == 0)
		ret = rmdt_out_new(s->engine, &out, &s->out, why);
	if (ret < 0)
		snprintf(s->error, sizeof(s->error), "%s",
			 why[0] != '\0' ? why : rmdt_strerror(ret));
	return ret == 0;
}

static void join(struct sender *s, size_t i)
{
	struct rmdt_connect_options options = { .to = s->job->to[i], .purpose = RMDT_PIPE };
	struct receiver *receiver = &s->receivers[i];
	int ret = rmdt_connect(s->engine, &options, &receiver->peer);

	if (ret == 0)
		ret = rmdt_out_join(s->out, receiver->peer, 0);
	if (ret < 0)
		lose(&s->remotes[i], RMDT_CODE_INTERNAL, rmdt_strerror(ret));
	receiver->connecting = true;
}

/* How many receivers must complete for the whole to count as done. */
static size_t required(const struct sender *s)
{
	const char *slow = rmdt_config_get(s->job->config, "slow", NULL);
	unsigned long quorum;

	if (strncmp(slow, "quorum:", strlen("quorum:")) != 0)
		return s->job->n;
	quorum = strtoul(slow + strlen("quorum:"), NULL, 10);
	return quorum < s->job->n ? quorum : s->job->n;
}

static int conclude(struct sender *s)
{
	struct report report = {
		.sending = true,
		.bytes = s->head_off,
		.time_us = pipe_now_us() - s->start_us,
		.remotes = s->remotes,
		.n = s->job->n,
		.error = s->error[0] != '\0' ? s->error : NULL,
	};
	char line[REPORT_LINE_BYTES];
	size_t complete = 0;

	progress_clear(s->job->console);
	for (size_t i = 0; i < s->job->n; i++) {
		bool is_good = s->remotes[i].fate == REPORT_COMPLETE;

		complete += is_good;
		if (s->engine != NULL && !(is_good && s->job->quiet))
			progress_say(s->job->console, "%s",
				     report_receiver_line(&s->remotes[i], line));
	}
	if (s->error[0] != '\0')
		progress_say(s->job->console, "%s", s->error);
	report.complete = s->at_end && complete >= required(s);
	report.exit_status = report.complete ? PIPE_EXIT_OK : PIPE_EXIT_FAILED;
	return pipe_finish(s->job, &report);
}

/* False when there can be no input at all. */
static bool prepare(struct sender *s)
{
	struct stat st;
	off_t at;

	s->input_bytes = UINT64_MAX;
	s->start_us = pipe_now_us();
	for (size_t i = 0; i < s->job->n; i++)
		pipe_endpoint_text(&s->job->to[i], s->remotes[i].name);
	if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode)) {
		at = lseek(STDIN_FILENO, 0, SEEK_CUR);
		s->input_bytes = st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
		/* For several receivers that is slower: doc/performance.md. */
		s->lends = s->job->n == 1;
		s->own_bytes = s->own_left = OWN_BYTES;
	}
	pipe_widen(STDIN_FILENO);
	if (fstat(STDIN_FILENO, &st) == 0 && S_ISDIR(st.st_mode)) {
		snprintf(s->error, sizeof(s->error), "standard input: %s", strerror(EISDIR));
		return false;
	}
	return true;
}

int pipe_send(struct pipe_job *job)
{
	struct sender s = { .job = job };
	int status = PIPE_EXIT_FAILED;

	job->side = &s;
	job->peer_at = peer_at;
	s.receivers = calloc(job->n, sizeof(*s.receivers));
	s.remotes = calloc(job->n, sizeof(*s.remotes));
	s.rows = calloc(job->n, sizeof(*s.rows));
	if (s.receivers == NULL || s.remotes == NULL || s.rows == NULL) {
		progress_say(job->console, "out of memory");
		goto out;
	}
	if (prepare(&s) && open_flow(&s)) {
		for (size_t i = 0; i < job->n; i++)
			join(&s, i);
		pipe_status_start(job, s.engine);
		transfer(&s);
		pipe_status_stop(job);
	}
	status = conclude(&s);
	/* The engine says goodbye to all peers at once and frees them. */
	if (s.out != NULL)
		rmdt_out_free(s.out);
	if (s.engine != NULL)
		rmdt_engine_free(s.engine);
out:
	free(s.receivers);
	free(s.remotes);
	free(s.rows);
	return status;
}

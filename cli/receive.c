/* SPDX-License-Identifier: Apache-2.0 */
/* pipeclone's receiver: one in-flow to standard output; with --keep, one after another. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "cli/meter.h"
#include "cli/pipe.h"
#include "cli/stop.h"

/* Most that one write(2) is asked for: a slow consumer shows as progress in steps of this size. */
#define WRITE_BYTES (256 << 10)

struct receiver {
	struct pipe_job *job;
	struct rmdt_engine *engine;
	atomic_bool is_taken; /* a sender is served; set by an I/O thread, cleared by us */
	struct rmdt_peer *_Atomic taken_by;	/* only compared */
	struct rmdt_in *in;	/* being taken; NULL: none */
	bool output_failed;
	char error[RMDT_ERROR_BYTES];
};

/* One stream being taken. */
struct stream {
	struct receiver *r;
	struct rmdt_in *in;
	struct report_remote remote;
	struct meter meter;
	uint64_t start_us;
	uint64_t lag_bytes;		/* received and not yet written out */
};

/* ---- on the I/O threads ---------------------------------------------------------------------- */

static unsigned refuse(char *reason, unsigned code, const char *text)
{
	snprintf(reason, RMDT_REASON_BYTES + 1, "%s", text);
	return code;
}

static unsigned accept_flow(void *ctx, const struct rmdt_offer *offer,
			    char reason[RMDT_REASON_BYTES + 1])
{
	struct receiver *r = ((struct pipe_job *)ctx)->side;
	bool idle = false;

	if (offer->purpose != RMDT_PIPE)
		return refuse(reason, RMDT_CODE_REFUSED, "this is pipeclone, it takes pipes only");
	if (offer->start_off != 0)
		return refuse(reason, RMDT_CODE_REFUSED,
			      "the stream does not begin at its beginning");
	if (!atomic_compare_exchange_strong(&r->is_taken, &idle, true))
		return refuse(reason, RMDT_CODE_BUSY, "another sender is being served");
	atomic_store(&r->taken_by, offer->peer);
	return RMDT_CODE_NONE;
}

/* ---- waiting for a sender -------------------------------------------------------------------- */

/* Until there is an event or a signal; who asks for our state is answered meanwhile. */
static void await_event(const struct receiver *r)
{
	struct pollfd fds[] = {
		{ .fd = rmdt_engine_fd(r->engine), .events = POLLIN },
		{ .fd = stop_fd(), .events = POLLIN },
		{ .fd = pipe_status_fd(r->job), .events = POLLIN },
	};

	while (poll(fds, 3, -1) > 0 && fds[0].revents == 0 && fds[1].revents == 0)
		pipe_status_serve(r->job);
}

/* The next stream, or NULL: a signal came, or the engine failed (error says so). */
static struct rmdt_in *await_stream(struct receiver *r)
{
	struct rmdt_event event;

	while (!stop_requested()) {
		int ret;

		await_event(r);
		ret = rmdt_engine_next_event(r->engine, &event, 0, stop_cancel());
		if (ret == -EAGAIN)
			continue;
		if (ret == -ECANCELED)
			break;
		if (ret < 0) {
			snprintf(r->error, sizeof(r->error), "engine: %s", rmdt_strerror(ret));
			break;
		}
		if (event.kind == RMDT_EVENT_IN_OPEN)
			return event.in;
		/*
		 * A sender that was accepted and died before its flow was open must not lock out
		 * the next.
		 */
		if (event.kind == RMDT_EVENT_PEER_DOWN && event.peer == atomic_load(&r->taken_by)) {
			atomic_store(&r->taken_by, NULL);
			atomic_store(&r->is_taken, false);
		}
	}
	return NULL;
}

/* ---- taking a stream ------------------------------------------------------------------------- */

static void look(struct stream *st)
{
	uint64_t now_us = pipe_now_us();
	struct progress_row row = { .remote = &st->remote, .eta_us = UINT64_MAX };
	struct rmdt_in_info info;
	enum rmdt_limit unused;

	if (rmdt_in_info(st->in, &info) == 0) {
		pipe_note_peer(info.peer, &st->remote, &unused);
		/*
		 * Our packets to the sender are acknowledgements: their loss says little about the
		 * stream.
		 */
		st->remote.packets_sent = 0;
		st->remote.packets_lost = 0;
		st->lag_bytes = info.received_off - info.consumed_off;
	}
	snprintf(st->remote.name, sizeof(st->remote.name), "%s",
		 st->remote.address[0] != '\0' ? st->remote.address : "sender");
	st->remote.time_us = now_us - st->start_us;
	meter_add(&st->meter, st->remote.bytes, now_us);
	row.rate_bytes_per_s = meter_rate(&st->meter);
	row.lag_bytes = st->lag_bytes;
	progress_draw(st->r->job->console, &row, 1, now_us);
	pipe_status_serve(st->r->job);
}

static struct rmdt_peer *peer_at(void *side, size_t i)
{
	const struct receiver *r = side;
	struct rmdt_in_info info;

	(void)i;
	return r->in != NULL && rmdt_in_info(r->in, &info) == 0 ? info.peer : NULL;
}

static void lose(struct stream *st, unsigned code, const char *reason)
{
	st->remote.fate = REPORT_LOST;
	st->remote.code = code;
	snprintf(st->remote.reason, sizeof(st->remote.reason), "%s", reason);
}

/* Our own output failed: the sender is told why. */
static void lose_output(struct stream *st, int err)
{
	char reason[RMDT_REASON_BYTES + 1];

	snprintf(reason, sizeof(reason), "output: %s", strerror(err));
	lose(st, RMDT_CODE_OUTPUT, reason);
	rmdt_in_stop(st->in, RMDT_CODE_OUTPUT, reason);
	st->r->output_failed = true;
}

/* Waits until the output takes bytes: true; false when a signal came. Draws meanwhile. */
static bool await_output(struct stream *st)
{
	struct pollfd fds[] = {
		{ .fd = STDOUT_FILENO, .events = POLLOUT },
		{ .fd = stop_fd(), .events = POLLIN },
	};

	while (!stop_requested()) {
		if (poll(fds, 2, PIPE_TICK_MS) > 0 && fds[0].revents != 0)
			return true;
		look(st);
	}
	return false;
}

/* False when the stream can go no further. */
static bool put(struct stream *st, const uint8_t *data, size_t len)
{
	ssize_t n;

	if (!await_output(st))
		return false;
	n = write(STDOUT_FILENO, data, len < WRITE_BYTES ? len : WRITE_BYTES);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n < 0) {
		lose_output(st, errno);
		return false;
	}
	rmdt_in_consume(st->in, (size_t)n);
	st->remote.bytes += (uint64_t)n;
	return true;
}

static void note_broken(struct stream *st)
{
	struct rmdt_in_info info = { .code = RMDT_CODE_INTERNAL };

	rmdt_in_info(st->in, &info);
	/* A goodbye without a complaint, but before the end. */
	if (info.code == RMDT_CODE_NONE && info.reason[0] == '\0')
		lose(st, RMDT_CODE_CLOSED, "the sender went away");
	else
		lose(st, info.code, info.reason);
}

/* True when the whole stream has been written. */
static bool copy(struct stream *st)
{
	uint64_t looked_us = 0;

	while (!stop_requested()) {
		const uint8_t *data;
		ssize_t n = rmdt_in_peek(st->in, &data, PIPE_TICK_MS, stop_cancel());

		if (n == 0)
			return true;
		if (n > 0 && !put(st, data, (size_t)n))
			return false;
		if (n < 0 && n != -ETIMEDOUT && n != -EAGAIN && n != -ECANCELED) {
			note_broken(st);
			return false;
		}
		if (pipe_now_us() - looked_us >= PIPE_TICK_MS * UINT64_C(1000)) {
			look(st);
			looked_us = pipe_now_us();
		}
	}
	return false;
}

/*
 * Some filesystems tell of a full disk only at the close. With --keep the output stays open, and
 * closing a copy of the descriptor has the same effect. Otherwise /dev/null takes its place, lest a
 * socket gets the number of standard output.
 */
static int close_output(bool keep)
{
	int copy_fd, null_fd;

	if (keep) {
		copy_fd = dup(STDOUT_FILENO);
		return copy_fd < 0 || close(copy_fd) < 0 ? -errno : 0;
	}
	/*
	 * The number must never be free, so the new file is opened first; dup2 would hide the
	 * error of its close.
	 */
	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	copy_fd = dup(STDOUT_FILENO);
	if (null_fd < 0 || copy_fd < 0 || dup2(null_fd, STDOUT_FILENO) < 0)
		return -errno;
	close(null_fd);
	return close(copy_fd) < 0 ? -errno : 0;
}

static void end_stream(struct stream *st, bool is_whole)
{
	struct receiver *r = st->r;
	int ret = is_whole ? close_output(r->job->keep) : 0;

	look(st);
	/* Free for the next sender before this one hears the result: the next may come at once. */
	if (r->job->keep && (!is_whole || ret == 0) && !r->output_failed)
		atomic_store(&r->is_taken, false);
	if (ret < 0) {
		lose_output(st, -ret);
	} else if (is_whole) {
		ret = rmdt_in_confirm(st->in);
		if (ret == 0)
			st->remote.fate = REPORT_COMPLETE;
		else
			lose(st, RMDT_CODE_INTERNAL, rmdt_strerror(ret));
	} else if (st->remote.fate == REPORT_PENDING) {
		rmdt_in_stop(st->in, RMDT_CODE_CLOSED, "the receiver was interrupted");
	}
	rmdt_in_free(st->in);
}

static int conclude(const struct receiver *r, const struct stream *st)
{
	struct report report = { .error = r->error[0] != '\0' ? r->error : NULL };

	if (st != NULL) {
		report.complete = st->remote.fate == REPORT_COMPLETE;
		report.bytes = st->remote.bytes;
		report.time_us = st->remote.time_us;
		report.remotes = &st->remote;
		report.n = 1;
	}
	report.exit_status = report.complete ? PIPE_EXIT_OK : PIPE_EXIT_FAILED;
	return pipe_finish(r->job, &report);
}

static int take(struct receiver *r, struct rmdt_in *in)
{
	struct stream st = { .r = r, .in = in, .start_us = pipe_now_us() };
	char line[REPORT_LINE_BYTES];

	r->in = in;
	look(&st);
	end_stream(&st, copy(&st));
	r->in = NULL;
	progress_clear(r->job->console);
	if (!r->job->quiet || st.remote.fate != REPORT_COMPLETE)
		progress_say(r->job->console, "%s", report_sender_line(&st.remote, line));
	return conclude(r, &st);
}

static int serve(struct receiver *r)
{
	int status = PIPE_EXIT_OK;
	struct rmdt_in *in;

	do {
		in = await_stream(r);
		if (in != NULL && take(r, in) != PIPE_EXIT_OK)
			status = PIPE_EXIT_FAILED;
	} while (in != NULL && r->job->keep && !r->output_failed && !stop_requested());
	if (r->error[0] != '\0')
		progress_say(r->job->console, "%s", r->error);
	if (in != NULL || (r->job->keep && r->error[0] == '\0'))
		return status;
	/* A single stream was wanted and none came. */
	if (stop_requested() && !r->job->quiet)
		progress_say(r->job->console, "ended by %s before a sender came", stop_signal());
	return conclude(r, NULL);
}

int pipe_receive(struct pipe_job *job)
{
	struct receiver r = { .job = job };
	uint64_t strict = 0;
	struct rmdt_engine_options options = {
		.config = job->config,
		.listen = job->listen,
		.name = PIPE_PROGRAM,
		.ctx = job,
		.accept = accept_flow,
		.log = pipe_log,
	};
	char err[RMDT_ERROR_BYTES] = "";
	int ret, status;

	job->side = &r;
	job->peer_at = peer_at;
	rmdt_config_number(job->config, "strict", &strict);
	options.accept_unlisted = strict == 0;
	pipe_widen(STDOUT_FILENO);
	ret = rmdt_engine_new(&options, &r.engine, err);
	if (ret < 0) {
		snprintf(r.error, sizeof(r.error), "%s", err[0] != '\0' ? err : rmdt_strerror(ret));
		progress_say(job->console, "%s", r.error);
		return conclude(&r, NULL);
	}
	pipe_status_start(job, r.engine);
	status = serve(&r);
	pipe_status_stop(job);
	rmdt_engine_free(r.engine);
	return status;
}

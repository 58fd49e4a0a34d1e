/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE			/* F_SETPIPE_SZ */
#include "cli/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

uint64_t pipe_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

char *pipe_endpoint_text(const struct rmdt_endpoint *to, char buf[REPORT_NAME_BYTES])
{
	const char *format = strchr(to->host, ':') != NULL ? "[%s]:%u" : "%s:%u";

	snprintf(buf, REPORT_NAME_BYTES, format, to->host, to->port);
	return buf;
}

void pipe_widen(int fd)
{
	/* Fails for everything but a pipe, and where the user's quota of pipe pages is used up. */
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_IO_BYTES);
}

void pipe_log(void *ctx, int level, const char *line)
{
	struct pipe_job *job = ctx;

	if (level > 0 && job->quiet)
		return;
	progress_say(job->console, "%s%s", level == 1 ? "warning: " : "", line);
}

void pipe_note_peer(struct rmdt_peer *peer, struct report_remote *remote,
		    enum rmdt_limit *limited_by)
{
	struct rmdt_peer_info info;

	if (peer == NULL || rmdt_peer_info(peer, &info) < 0)
		return;
	if (info.address[0] != '\0')
		snprintf(remote->address, sizeof(remote->address), "%s", info.address);
	if (info.fingerprint[0] != '\0')
		snprintf(remote->fingerprint, sizeof(remote->fingerprint), "%s", info.fingerprint);
	if (info.rtt_us > 0)
		remote->rtt_us = info.rtt_us;
	if (info.packets_sent >= remote->packets_sent) {
		remote->packets_sent = info.packets_sent;
		remote->packets_lost = info.packets_lost;
	}
	*limited_by = info.limited_by;
}

int pipe_finish(struct pipe_job *job, const struct report *report)
{
	bool failed;

	if (job->json == NULL)
		return report->exit_status;
	report_write_json(report, job->json);
	failed = fflush(job->json) != 0 || ferror(job->json);
	if (!failed)
		return report->exit_status;
	progress_say(job->console, "--json \"%s\": %s", job->json_path, strerror(errno));
	return report->exit_status != PIPE_EXIT_OK ? report->exit_status : PIPE_EXIT_FAILED;
}

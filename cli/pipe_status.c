/* SPDX-License-Identifier: Apache-2.0 */
/* What pipeclone tells `dexor status`: its engine and the peers that it has at the moment. */
#include <stdlib.h>

#include "cli/pipe.h"
#include "cli/status.h"

#define PEER_BYTES 2048			/* room that one peer may need, and the end of the document */

struct pipe_status {
	struct pipe_job *job;
	struct rmdt_engine *engine;
	struct status_server *server;
	char what[REPORT_NAME_BYTES + 64];
};

static void write_peer(struct json *json, struct rmdt_peer *peer)
{
	struct rmdt_peer_info info;

	if (peer == NULL || rmdt_peer_info(peer, &info) < 0 || !info.up || json_room(json) < PEER_BYTES)
		return;
	json_object(json, NULL);
	status_write_peer(json, &info);
	json_end(json);
}

static void write_members(void *ctx, struct json *json)
{
	const struct pipe_status *status = ctx;
	const struct pipe_job *job = status->job;

	status_write_engine(json, status->engine);
	json_array(json, "peers");
	for (size_t i = 0; i < (job->n > 0 ? job->n : 1); i++)
		write_peer(json, job->peer_at(job->side, i));
	json_end(json);
}

static void describe(struct pipe_status *status)
{
	const struct pipe_job *job = status->job;
	char at[REPORT_NAME_BYTES];

	pipe_endpoint_text(job->n > 0 ? &job->to[0] : &job->listen, at);
	if (job->n > 1)
		snprintf(status->what, sizeof(status->what), "-s %s and %zu more", at, job->n - 1);
	else
		snprintf(status->what, sizeof(status->what), "%s %s", job->n > 0 ? "-s" : "-l", at);
}

/* A pipe can well do without. */
void pipe_status_start(struct pipe_job *job, struct rmdt_engine *engine)
{
	struct pipe_status *status = calloc(1, sizeof(*status));
	struct status_options opt = { .program = PIPE_PROGRAM, .write = write_members, .ctx = status };
	char err[RMDT_ERROR_BYTES];

	if (status == NULL)
		return;
	status->job = job;
	status->engine = engine;
	describe(status);
	opt.what = status->what;
	if (status_new(&opt, &status->server, err) < 0)
		free(status);
	else
		job->status = status;
}

void pipe_status_stop(struct pipe_job *job)
{
	if (job->status == NULL)
		return;
	status_free(job->status->server);
	free(job->status);
	job->status = NULL;
}

int pipe_status_fd(const struct pipe_job *job)
{
	return job->status != NULL ? status_fd(job->status->server) : -1;
}

void pipe_status_serve(struct pipe_job *job)
{
	if (job->status != NULL)
		status_serve(job->status->server);
}

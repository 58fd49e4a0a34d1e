/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receives one stream and writes it to a file or to standard output. The sender is told "confirmed"
 * only when the last byte was written and the file was closed.
 *
 *     cc receive.c $(pkg-config --cflags --libs rmdt) -o receive
 *     ./receive [:PORT] [FILE]
 */
#include <rmdt/rmdt.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct rmdt_cancel *interrupted;

static void on_signal(int sig)
{
	(void)sig;
	rmdt_cancel_fire(interrupted);
}

static void on_log(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	fprintf(stderr, "receive: %s\n", line);
}

/* One stream is all we want; a second sender is told so. */
static unsigned on_offer(void *ctx, const struct rmdt_offer *offer, char *reason)
{
	int *busy = ctx;

	if (offer->purpose != RMDT_PIPE)
		return RMDT_CODE_REFUSED;
	if (*busy) {
		snprintf(reason, RMDT_REASON_BYTES + 1, "another sender is being served");
		return RMDT_CODE_BUSY;
	}
	*busy = 1;
	return 0;
}

/* The in-flow once there is one. NULL: interrupted. */
static struct rmdt_in *wait_for_sender(struct rmdt_engine *engine)
{
	struct rmdt_event event;
	int rc;

	while ((rc = rmdt_engine_next_event(engine, &event, -1, interrupted)) == 0) {
		if (event.kind == RMDT_EVENT_IN_OPEN)
			return event.in;
	}
	fprintf(stderr, "receive: %s\n", rmdt_strerror(rc));
	return NULL;
}

static int copy(struct rmdt_in *in, FILE *out)
{
	const unsigned char *ptr;
	struct rmdt_in_info info;
	ssize_t n;

	while ((n = rmdt_in_peek(in, &ptr, -1, interrupted)) > 0) {
		if (fwrite(ptr, 1, (size_t)n, out) != (size_t)n) {
			rmdt_in_stop(in, RMDT_CODE_OUTPUT, "cannot write the output");
			perror("receive");
			return -1;
		}
		rmdt_in_consume(in, (size_t)n);
	}
	if (n == 0)
		return 0;
	rmdt_in_info(in, &info);
	fprintf(stderr, "receive: broken off after %llu bytes: %s %s\n",
		(unsigned long long)info.consumed_off,
		info.broken ? rmdt_code_text(info.code) : rmdt_strerror((int)n), info.reason);
	return -1;
}

int main(int argc, char **argv)
{
	int busy = 0, status = 1;
	struct rmdt_engine_options opt = { .ctx = &busy, .accept = on_offer, .log = on_log, .accept_unlisted = true };
	const char *where = argc > 1 ? argv[1] : ":2312", *path = argc > 2 ? argv[2] : NULL;
	struct rmdt_engine *engine;
	struct rmdt_in *in;
	char err[RMDT_ERROR_BYTES];
	FILE *out = path ? fopen(path, "wb") : stdout;

	if (!out) {
		perror(path);
		return 1;
	}
	if (rmdt_cancel_new(&interrupted) ||
	    rmdt_parse_endpoint(where, RMDT_DEFAULT_PORT, &opt.listen, err) ||
	    rmdt_config_new(&opt.config) || rmdt_config_load_defaults(opt.config, err) ||
	    rmdt_engine_new(&opt, &engine, err)) {
		fprintf(stderr, "receive: %s\n", err);
		return 1;
	}
	rmdt_config_free(opt.config);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	in = wait_for_sender(engine);
	if (in && copy(in, out) == 0 && fclose(out) == 0)
		status = rmdt_in_confirm(in) == 0 ? 0 : 1;
	rmdt_in_free(in);
	/* Stays until the sender has heard it, but not for ever. */
	rmdt_engine_free(engine);
	rmdt_cancel_free(interrupted);
	return status;
}

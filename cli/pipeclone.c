/* SPDX-License-Identifier: Apache-2.0 */
/* pipeclone: the command line becomes a job, and the job is run. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/pipe.h"
#include "cli/settings.h"
#include "cli/stop.h"

#define RECEIVERS_MAX 1024		/* what one command line can sensibly name */

enum {
	OPT_LISTEN, OPT_SEND, OPT_KEEP, OPT_QUIET, OPT_PROGRESS, OPT_JSON, OPT_CONFIG, OPT_HELP,
	OPT_VERSION,
};

static const struct options_entry table[] = {
	{ OPT_LISTEN, 'l', "listen", OPTIONS_ARG_OPTIONAL, "[HOST]:PORT", "receive (:2312)" },
	{ OPT_SEND, 's', "send", OPTIONS_ARG_NEEDED, "HOST[:PORT],..", "send to these receivers" },
	{ OPT_KEEP, 'k', "keep", OPTIONS_ARG_NONE, NULL, "receive from one sender after another" },
	{ OPT_QUIET, 'q', "quiet", OPTIONS_ARG_NONE, NULL, "tell only what went wrong" },
	{ OPT_PROGRESS, '\0', "progress", OPTIONS_ARG_NONE, NULL,
	  "show progress even without a terminal" },
	{ OPT_JSON, '\0', "json", OPTIONS_ARG_NEEDED, "FILE", "write the result for programs" },
	{ OPT_CONFIG, '\0', "config", OPTIONS_ARG_NEEDED, "FILE",
	  "read settings from this file too" },
	{ OPT_HELP, 'h', "help", OPTIONS_ARG_OPTIONAL, "all",
	  "this text; all: with every setting" },
	{ OPT_VERSION, 'V', "version", OPTIONS_ARG_NONE, NULL, "print the version" },
	{ .name = NULL },
};

/* The settings that belong on the first screen. */
static const char *const common[] = { "buffer", "mtu", "rate", "slow", "dead-after", "psk", NULL };

struct command {
	struct pipe_job job;
	bool is_listening, is_sending;
	struct settings settings;
	char err[RMDT_ERROR_BYTES];
};

static void print_help(bool all)
{
	puts("pipeclone copies its input to the output of many receivers over UDP, encrypted.\n");
	puts("  pipeclone -l :2312 > FILE               on each receiver, first");
	puts("  pipeclone -s host1,host2 < FILE         on the sender");
	puts("  tar c DIR | pipeclone -s host1,host2    any stream will do\n");
	options_print(table, stdout);
	if (all)
		puts("\nSettings, also for ~/.dexor/pipeclone.ini and, as RMDT_KEY, the shell:");
	else
		puts("Settings, also for ~/.dexor/pipeclone.ini (--help all shows every one):");
	options_print_settings(all ? NULL : common, stdout);
}

/* ---- receivers and the address to listen on -------------------------------------------------- */

static bool is_number(const char *text)
{
	return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static int set_listen(struct command *c, const char *text)
{
	char port[16];

	if (c->is_listening) {
		snprintf(c->err, sizeof(c->err), "\"%.64s\": there is a place to listen at already",
			 text);
		return -EINVAL;
	}
	c->is_listening = true;
	/* As with other programs that listen, a bare number is a port. */
	if (is_number(text) && strlen(text) < sizeof(port) - 1) {
		snprintf(port, sizeof(port), ":%s", text);
		text = port;
	}
	return rmdt_parse_endpoint(text, RMDT_DEFAULT_PORT, &c->job.listen, c->err);
}

static int add_receiver(struct command *c, const char *text)
{
	struct pipe_job *job = &c->job;
	struct rmdt_endpoint to, *grown;
	int ret = rmdt_parse_endpoint(text, RMDT_DEFAULT_PORT, &to, c->err);

	if (ret == 0 && to.host[0] == '\0') {
		snprintf(c->err, sizeof(c->err), "\"%.64s\": a receiver needs a host", text);
		ret = -EINVAL;
	}
	for (size_t i = 0; ret == 0 && i < job->n; i++) {
		if (strcasecmp(job->to[i].host, to.host) == 0 && job->to[i].port == to.port) {
			snprintf(c->err, sizeof(c->err), "\"%.64s\": named twice", text);
			ret = -EINVAL;
		}
	}
	if (ret == 0 && job->n >= RECEIVERS_MAX) {
		snprintf(c->err, sizeof(c->err), "\"%.64s\": more than %d receivers", text,
			 RECEIVERS_MAX);
		ret = -EINVAL;
	}
	if (ret < 0)
		return ret;
	grown = realloc(job->to, (job->n + 1) * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	job->to = grown;
	job->to[job->n++] = to;
	return 0;
}

static int add_receivers(struct command *c, const char *list)
{
	char *copy = strdup(list), *rest = copy, *item;
	int ret = copy == NULL ? -ENOMEM : 0;

	c->is_sending = true;
	while (ret == 0 && (item = strsep(&rest, ",")) != NULL) {
		if (item[0] == '\0') {
			snprintf(c->err, sizeof(c->err), "\"%.64s\": a receiver has no name", list);
			ret = -EINVAL;
		} else {
			ret = add_receiver(c, item);
		}
	}
	free(copy);
	return ret;
}

/* An operand that begins with its port has no host to send to, so it is a place to listen at. */
static int take_operand(struct command *c, const char *text)
{
	if (text[0] == ':' && text[1] != ':')
		return set_listen(c, text);
	if (c->is_listening && !c->is_sending && c->job.n == 0) {
		snprintf(c->err, sizeof(c->err), "\"%.64s\": a receiver takes no further address",
			 text);
		return -EINVAL;
	}
	return add_receivers(c, text);
}

/* ---- options --------------------------------------------------------------------------------- */

static int show_help(struct command *c, const char *value)
{
	if (value != NULL && strcmp(value, "all") != 0) {
		snprintf(c->err, sizeof(c->err), "\"--help %.64s\": only all is known", value);
		return -EINVAL;
	}
	print_help(value != NULL);
	return 1;
}

/* 0 to go on, 1 when the work is done, negative on a fault. */
static int take_option(struct command *c, const struct options_match *match)
{
	switch (match->option->id) {
	case OPT_LISTEN: return set_listen(c, match->value != NULL ? match->value : ":2312");
	case OPT_SEND: return add_receivers(c, match->value);
	case OPT_KEEP: c->job.keep = true; return 0;
	case OPT_QUIET: c->job.quiet = true; return 0;
	case OPT_PROGRESS: c->job.progress = true; return 0;
	case OPT_JSON: c->job.json_path = match->value; return 0;
	case OPT_CONFIG: c->settings.path = match->value; return 0;
	case OPT_HELP: return show_help(c, match->value);
	case OPT_VERSION: printf("pipeclone %s\n", rmdt_version()); return 1;
	default: return -EINVAL;
	}
}

static int read_arguments(struct command *c, char **argv)
{
	struct options_match match;
	struct options options;
	int ret;

	options_init(&options, table, argv);
	while ((ret = options_next(&options, &match, c->err)) > 0) {
		if (match.option != NULL)
			ret = take_option(c, &match);
		else if (match.setting != NULL)
			ret = settings_add(&c->settings, &match);
		else
			ret = take_operand(c, match.value);
		if (ret != 0)
			return ret;
	}
	return ret;
}

static int check_sides(struct command *c)
{
	const char *fault = NULL;

	if (c->is_listening && c->is_sending)
		fault = "either -l or -s, not both";
	else if (!c->is_listening && !c->is_sending)
		fault = "nothing to do: give -l to receive or -s HOST to send";
	else if (c->is_sending && c->job.keep)
		fault = "\"--keep\" is for receivers";
	else if (c->is_listening && c->job.json_path != NULL && strcmp(c->job.json_path, "-") == 0)
		fault = "\"--json -\": a receiver's standard output is for the stream";
	if (fault == NULL)
		return 0;
	snprintf(c->err, sizeof(c->err), "%s", fault);
	return -EINVAL;
}

/* ---- settings -------------------------------------------------------------------------------- */

static int check_settings(struct command *c)
{
	const char *slow = rmdt_config_get(c->job.config, "slow", NULL);
	uint64_t rate = 0;

	rmdt_config_number(c->job.config, "rate", &rate);
	if (c->is_sending && rate == 0 &&
	    strcmp(rmdt_config_get(c->job.config, "cc", NULL), "fixed") == 0) {
		snprintf(c->err, sizeof(c->err), "cc \"fixed\" needs a rate: add --rate");
		return -EINVAL;
	}
	if (c->is_sending && strncmp(slow, "quorum:", 7) == 0 &&
	    strtoul(slow + 7, NULL, 10) > c->job.n) {
		snprintf(c->err, sizeof(c->err), "slow \"%.40s\": there are only %zu receivers",
			 slow, c->job.n);
		return -EINVAL;
	}
	return 0;
}

static int load_settings(struct command *c)
{
	int ret = settings_load(&c->settings, &c->job.config, c->err);

	return ret == 0 ? check_settings(c) : ret;
}

/* ---- run ------------------------------------------------------------------------------------- */

/*
 * The engine's sockets must not get the numbers of standard input, output or error. What the job
 * needs has to be there; the rest is filled up.
 */
static int check_descriptors(struct command *c)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (fd == (c->is_sending ? STDIN_FILENO : STDOUT_FILENO)) {
			snprintf(c->err, sizeof(c->err), "standard %s is closed",
				 c->is_sending ? "input" : "output");
			return -EBADF;
		}
		/* The lowest free number is this one. */
		if (open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) < 0)
			return -errno;
	}
	return 0;
}

static int open_json(struct command *c)
{
	struct pipe_job *job = &c->job;

	if (job->json_path == NULL)
		return 0;
	job->json = strcmp(job->json_path, "-") == 0 ? stdout : fopen(job->json_path, "we");
	if (job->json != NULL)
		return 0;
	snprintf(c->err, sizeof(c->err), "--json \"%.150s\": %s", job->json_path, strerror(errno));
	return -EIO;
}

static int run(struct command *c)
{
	int status, ret = check_descriptors(c);

	if (ret == 0)
		ret = progress_new(&c->job.console, PIPE_PROGRAM, c->job.quiet, c->job.progress);
	if (ret == 0)
		ret = stop_start();
	if (ret == 0)
		ret = open_json(c);
	if (ret < 0) {
		fprintf(stderr, PIPE_PROGRAM ": %s\n",
			c->err[0] != '\0' ? c->err : rmdt_strerror(ret));
		progress_free(c->job.console);
		return PIPE_EXIT_FAILED;
	}
	status = c->is_sending ? pipe_send(&c->job) : pipe_receive(&c->job);
	if (c->job.json != NULL && c->job.json != stdout)
		fclose(c->job.json);
	progress_free(c->job.console);
	return status;
}

int main(int argc, char **argv)
{
	struct command c = { 0 };
	const char *hint = "; try pipeclone --help";
	int status = PIPE_EXIT_OK, ret;

	ret = read_arguments(&c, argv + (argc > 0));
	if (ret == 0)
		ret = check_sides(&c);
	if (ret == 0) {
		hint = "";
		ret = load_settings(&c);
	}
	if (ret == 0) {
		status = run(&c);
	} else if (ret < 0) {
		fprintf(stderr, PIPE_PROGRAM ": %s%s\n",
			c.err[0] != '\0' ? c.err : rmdt_strerror(ret), hint);
		status = PIPE_EXIT_USAGE;
	}
	if (fflush(stdout) != 0 && status == PIPE_EXIT_OK)
		status = PIPE_EXIT_FAILED;
	rmdt_config_free(c.job.config);
	free(c.job.to);
	settings_fini(&c.settings);
	return status;
}

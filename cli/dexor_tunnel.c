/* SPDX-License-Identifier: Apache-2.0 */
/* dexor tunnel: the command line becomes the options of a relay, and the relay runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dexor.h"
#include "cli/options.h"
#include "cli/settings.h"
#include "cli/text.h"
#include "tunnel/relay.h"

#define PROGRAM "dexor tunnel"
#define TIME_MOST_US (UINT64_C(86400) * 1000000)
#define KEEPALIVE_US 2000000		/* how soon a relay that was started again is noticed by an idle one */

enum {
	OPT_PORT, OPT_HOLD, OPT_ON_OUTAGE, OPT_DRAIN, OPT_ALLOW, OPT_BALANCE, OPT_COPY, OPT_UDP_IDLE, OPT_QUIET,
	OPT_JSON, OPT_CONFIG, OPT_HELP, OPT_VERSION,
};

static const struct options_entry table[] = {
	{ OPT_PORT, 'p', "port", OPTIONS_ARG_NEEDED, "PORT", "own UDP port (2312)" },
	{ OPT_ALLOW, '\0', "allow", OPTIONS_ARG_NEEDED, "CIDR,..", "only these clients may connect" },
	{ OPT_HOLD, '\0', "hold", OPTIONS_ARG_NEEDED, "TIME",
	  "outage that connections outlive, and new ones wait (60s)" },
	{ OPT_ON_OUTAGE, '\0', "on-outage", OPTIONS_ARG_NEEDED, "wait|fail",
	  "what new connections do without a relay" },
	{ OPT_DRAIN, '\0', "drain", OPTIONS_ARG_NEEDED, "TIME",
	  "time for connections to end after SIGTERM (10s)" },
	{ OPT_BALANCE, '\0', "balance", OPTIONS_ARG_NONE, NULL, "several remotes: take them in turn" },
	{ OPT_COPY, '\0', "copy", OPTIONS_ARG_NONE, NULL, "several remotes, udp: send to all of them" },
	{ OPT_UDP_IDLE, '\0', "udp-idle", OPTIONS_ARG_NEEDED, "TIME", "silence that ends a UDP client (60s)" },
	{ OPT_QUIET, 'q', "quiet", OPTIONS_ARG_NONE, NULL, "tell only what went wrong" },
	{ OPT_JSON, '\0', "json", OPTIONS_ARG_NEEDED, "FILE", "write a line per event for programs" },
	{ OPT_CONFIG, '\0', "config", OPTIONS_ARG_NEEDED, "FILE", "read settings from this file too" },
	{ OPT_HELP, 'h', "help", OPTIONS_ARG_OPTIONAL, "all", "this text; all: with every setting" },
	{ OPT_VERSION, 'V', "version", OPTIONS_ARG_NONE, NULL, "print the version" },
	{ .name = NULL },
};

/* The settings that belong on the first screen. */
static const char *const common[] = { "buffer", "mtu", "rate", "psk", "strict", NULL };

struct command {
	struct relay_options relay;
	struct settings settings;
	unsigned operands;
	bool has_hold;
	const char *json_path;
	char err[RMDT_ERROR_BYTES];
};

static void print_help(bool all)
{
	puts("dexor tunnel LOCAL REMOTE carries TCP and UDP between two relays over RMDT.\n");
	puts("  dexor tunnel rmdt://cs-relay tcp://server:22     near the server");
	puts("  dexor tunnel tcp://:2202 rmdt://ss-relay         near the client: ssh -p 2202 cs-relay");
	puts("  dexor tunnel udp://:53 rmdt://ss-relay           the same for UDP\n");
	puts("LOCAL listens, REMOTE is connected to; one of the two is rmdt://HOST[:PORT], where the other");
	puts("relay is found; the other is tcp://[HOST]:PORT or udp://[HOST][:PORT]. Both relays dial, so that");
	puts("one that can be reached is enough. rmdt:// alone waits to be dialled.\n");
	options_print(table, stdout);
	if (all)
		puts("\nSettings, also for ~/.dexor/pipeclone.ini and, as RMDT_KEY, the shell:");
	else
		puts("Settings, also for ~/.dexor/pipeclone.ini (--help all shows every one):");
	options_print_settings(all ? NULL : common, stdout);
}

/* ---- values ---- */

static int fault(struct command *c, const char *option, const char *value, const char *why)
{
	snprintf(c->err, sizeof(c->err), "%s \"%.64s\": %s", option, value, why);
	return -EINVAL;
}

static int set_port(struct command *c, const char *value)
{
	char *end;
	unsigned long port = strtoul(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end != '\0' || port == 0 || port > 65535)
		return fault(c, "--port", value, "a port is a number from 1 to 65535");
	c->relay.port = (uint16_t)port;
	return 0;
}

static int set_time(struct command *c, const char *option, const char *value, uint64_t least_us, uint64_t *us)
{
	char why[RMDT_ERROR_BYTES];
	uint64_t found;

	if (rmdt_parse_duration(value, &found, why) < 0) {
		snprintf(c->err, sizeof(c->err), "%s %.200s", option, why);
		return -EINVAL;
	}
	if (found < least_us || found > TIME_MOST_US)
		return fault(c, option, value, least_us > 0 ? "must be from 0.5s to 1d" : "must be at most 1d");
	*us = found;
	return 0;
}

static int set_on_outage(struct command *c, const char *value)
{
	c->relay.fail_on_outage = strcmp(value, "fail") == 0;
	if (!c->relay.fail_on_outage && strcmp(value, "wait") != 0)
		return fault(c, "--on-outage", value, "must be wait or fail");
	return 0;
}

static int set_allow(struct command *c, const char *value)
{
	char why[RMDT_ERROR_BYTES];
	int ret = access_add(&c->relay.allow, value, why);

	if (ret == -EINVAL)
		snprintf(c->err, sizeof(c->err), "--allow %.200s", why);
	return ret;
}

static int show_help(struct command *c, const char *value)
{
	if (value != NULL && strcmp(value, "all") != 0)
		return fault(c, "--help", value, "only all is known");
	print_help(value != NULL);
	return 1;
}

static int take_operand(struct command *c, const char *text)
{
	int ret;

	if (c->operands >= 2) {
		snprintf(c->err, sizeof(c->err), "\"%.64s\": only LOCAL and REMOTE are wanted", text);
		return -EINVAL;
	}
	ret = target_parse(text, c->operands == 0, c->operands == 0 ? &c->relay.local : &c->relay.remote, c->err);
	c->operands++;
	return ret;
}

/* 0 to go on, 1 when the work is done, negative on a fault. */
static int take_option(struct command *c, int id, const char *value)
{
	switch (id) {
	case OPT_PORT: return set_port(c, value);
	case OPT_HOLD: c->has_hold = true; return set_time(c, "--hold", value, 500000, &c->relay.hold_us);
	case OPT_ON_OUTAGE: return set_on_outage(c, value);
	case OPT_DRAIN: return set_time(c, "--drain", value, 0, &c->relay.drain_us);
	case OPT_ALLOW: return set_allow(c, value);
	case OPT_BALANCE: c->relay.balance = true; return 0;
	case OPT_COPY: c->relay.copy = true; return 0;
	case OPT_UDP_IDLE: return set_time(c, "--udp-idle", value, 500000, &c->relay.udp_idle_us);
	case OPT_QUIET: c->relay.quiet = true; return 0;
	case OPT_JSON: c->json_path = value; return 0;
	case OPT_CONFIG: c->settings.path = value; return 0;
	case OPT_HELP: return show_help(c, value);
	case OPT_VERSION: printf("dexor %s\n", rmdt_version()); return 1;
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
			ret = take_option(c, match.option->id, match.value);
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
	const struct relay_options *relay = &c->relay;
	const char *why = NULL;
	int ret = 0;

	if (c->operands < 2)
		why = "LOCAL and REMOTE are wanted, as in dexor tunnel tcp://:2202 rmdt://relay";
	else
		ret = target_check_pair(&relay->local, &relay->remote, c->err);
	if (why == NULL && ret == 0) {
		if (relay->copy && relay->local.scheme != TARGET_UDP)
			why = "\"--copy\" is for a LOCAL of udp://";
		else if (relay->balance && relay->local.scheme == TARGET_RMDT)
			why = "\"--balance\" is for a REMOTE of rmdt://";
		else if (relay->allow.n > 0 && relay->local.scheme == TARGET_RMDT)
			why = "\"--allow\" is for a LOCAL of tcp:// or udp:// (relays are told by their keys)";
	}
	if (why != NULL)
		snprintf(c->err, sizeof(c->err), "%s", why);
	return why != NULL ? -EINVAL : ret;
}

/* ---- settings ---- */

/* --hold is the time after which the far relay counts as dead, unless that was set by its own name. */
static int settle_hold(struct command *c)
{
	struct rmdt_config *config = c->relay.config;
	char text[32];
	int ret;

	snprintf(text, sizeof(text), "%llums", (unsigned long long)(c->relay.hold_us / 1000));
	ret = c->has_hold ? rmdt_config_set(config, "dead-after", text, "--hold", c->err) :
			    settings_default(config, "dead-after", text, c->err);
	if (ret == 0)
		ret = rmdt_config_number(config, "dead-after", &c->relay.hold_us);
	return ret;
}

/* What suits a tunnel, where nobody has said otherwise. */
static int load_settings(struct command *c)
{
	char keepalive[32];
	int ret = settings_load(&c->settings, &c->relay.config, c->err);

	if (ret == 0)
		ret = settle_hold(c);
	if (ret < 0)
		return ret;
	snprintf(keepalive, sizeof(keepalive), "%llums",
		 (unsigned long long)(c->relay.hold_us / 4 < KEEPALIVE_US ? c->relay.hold_us / 4 : KEEPALIVE_US) / 1000);
	ret = settings_default(c->relay.config, "keepalive", keepalive, c->err);
	/* An attempt that ends is followed by another, with the name looked up again. */
	if (ret == 0)
		ret = settings_default(c->relay.config, "connect-timeout", "3s", c->err);
	if (ret == 0)
		ret = settings_default(c->relay.config, "max-flows", "65536", c->err);
	return ret;
}

/* ---- run ---- */

/* The sockets must not get the numbers of standard input, output or error. */
static void fill_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static int open_json(struct command *c)
{
	if (c->json_path == NULL)
		return 0;
	c->relay.json = strcmp(c->json_path, "-") == 0 ? stdout : fopen(c->json_path, "ae");
	if (c->relay.json != NULL)
		return 0;
	snprintf(c->err, sizeof(c->err), "--json \"%.150s\": %s", c->json_path, strerror(errno));
	return -EIO;
}

/* What was typed is quoted, and must not steer a terminal. */
static void complain(const char *why, const char *hint)
{
	char plain[RMDT_ERROR_BYTES];

	fprintf(stderr, PROGRAM ": %s%s\n", text_plain(why, plain, sizeof(plain)), hint);
}

static int run(struct command *c)
{
	struct relay *relay = NULL;
	int ret;

	fill_descriptors();
	ret = open_json(c);
	if (ret == 0)
		ret = relay_new(&c->relay, &relay, c->err);
	if (ret < 0) {
		complain(c->err, "");
		return DEXOR_EXIT_FAILED;
	}
	ret = relay_run(relay);
	relay_free(relay);
	if (c->relay.json != NULL && c->relay.json != stdout)
		fclose(c->relay.json);
	return ret < 0 ? DEXOR_EXIT_FAILED : DEXOR_EXIT_OK;
}

int dexor_tunnel_main(int argc, char **argv)
{
	struct command c = { .relay = { .port = RMDT_DEFAULT_PORT, .hold_us = 60000000, .drain_us = 10000000,
					.udp_idle_us = 60000000 } };
	const char *hint = "; try " PROGRAM " --help";
	int status = DEXOR_EXIT_OK, ret;

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
		complain(c.err[0] != '\0' ? c.err : rmdt_strerror(ret), hint);
		status = DEXOR_EXIT_USAGE;
	}
	rmdt_config_free(c.relay.config);
	settings_fini(&c.settings);
	return status;
}

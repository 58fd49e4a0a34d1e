/* SPDX-License-Identifier: Apache-2.0 */
/* labemu: a wide-area network between network namespaces. See doc/lab.md. */
#include "tests/lab/emu_conf.h"
#include "tests/lab/emu_ctl.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define COMMANDS_MAX 256
#define DEFAULT_MTU 1500
#define DEFAULT_LATE_MS 5

struct options {
	const char *netns[EMU_HOSTS_MAX + 1];
	const char *commands[COMMANDS_MAX];
	int command_count;
	const char *socket, *call;
	unsigned mtu;
	uint64_t seed, late_ms;
	bool plain, offload;
};

static const char usage[] =
	"usage: labemu -H NAME=NETNS... [options]      emulate, until 'quit', SIGTERM or the end "
        "of the parent\n"
	"       labemu -C SOCKET COMMAND...            send a command to a running one\n"
	"  -H NAME=NETNS  a host; the first gets 10.77.0.1 and fd77::1. NETNS is a path, empty = "
        "this namespace\n"
	"  -l COMMAND     a command at the start, e.g. 'a>b rate=500M delay=50ms' ('set' is "
        "understood)\n"
	"  -c SOCKET      listen for commands here\n"
	"  -m MTU         of all hosts (1500)\n"
	"  -s SEED        of all chance (1)\n"
	"  -L MS          what counts as a late delivery (5)\n"
	"  -G             without super-packets: a system call for each packet\n"
	"  -n             without priority over the hosts\n"
	"Prints 'ready' when all devices are up, and its statistics at the end.\n";

static struct emu_lab lab;

static void on_signal(int signo)
{
	(void)signo;
	lab.stop = true;
}

static int die(const char *what, const char *text, int err)
{
	fprintf(stderr, "labemu: %s '%s'%s%s\n", what, text, err ? ": " : "",
	        err ? strerror(-err) : "");
	return 1;
}

static int usage_error(const char *what, const char *text)
{
	die(what, text, 0);
	fputs(usage, stderr);
	return 2;
}

static bool parse_count(const char *text, uint64_t most, uint64_t *out)
{
	char *end;

	errno = 0;
	uint64_t value = strtoull(text, &end, 10);

	if (errno || end == text || *end || value > most || *text == '-')
		return false;
	*out = value;
	return true;
}

static bool add_host(struct options *o, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text || (size_t)(equals - text) >= EMU_NAME_MAX ||
	    lab.hosts == EMU_HOSTS_MAX)
		return false;
	*equals = '\0';
	if (strpbrk(text, " >*\"\\") || emu_lab_host(&lab, text))
		return false;
	lab.hosts++;
	strcpy(lab.host[lab.hosts].name, text);
	o->netns[lab.hosts] = equals[1] ? equals + 1 : NULL;
	return true;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	uint64_t n = 0;
	int c;

	while ((c = getopt(argc, argv, "+H:l:c:C:m:s:L:Gnh")) != -1) {
		bool good = c != '?';

		if (c == 'H')
			good = add_host(o, optarg);
		else if (c == 'l' && (good = o->command_count < COMMANDS_MAX))
			o->commands[o->command_count++] = optarg;
		else if (c == 'c')
			o->socket = optarg;
		else if (c == 'C')
			o->call = optarg;
		else if (c == 'm' && (good = parse_count(optarg, 65535, &n) && n >= 1280))
			o->mtu = (unsigned)n;
		else if (c == 's')
			good = parse_count(optarg, UINT64_MAX, &o->seed);
		else if (c == 'L')
			good = parse_count(optarg, 10000, &o->late_ms);
		else if (c == 'G')
			o->offload = false;
		else if (c == 'n')
			o->plain = true;
		else if (c == 'h')
			return fputs(usage, stdout), -1;
		if (!good)
			return usage_error("bad option or value:",
			                   c == '?' ? argv[optind - 1] : optarg);
	}
	return 0;
}

static int call_main(const char *path, char **words)
{
	char text[EMU_COMMAND_MAX] = "";
	int err;

	for (; *words; words++) {
		if (strlen(text) + strlen(*words) + 2 > sizeof(text))
			return usage_error("the command is too long at", *words);
		strcat(strcat(text, *words), " ");
	}
	err = emu_ctl_call(path, text, stdout);
	return err == -EINVAL ? 1 : err ? die("no answer from", path, err) : 0;
}

/* A command at the start is mostly "set", so the word may be left out. What it answers is shown
 * only when it fails. */
static int start_command(const char *text)
{
	char with_set[EMU_COMMAND_MAX], *reply = NULL;
	bool path = memchr(text, '>', strcspn(text, " ")) != NULL;
	size_t bytes = 0;
	FILE *f = open_memstream(&reply, &bytes);

	if (!f)
		return -ENOMEM;
	snprintf(with_set, sizeof(with_set), "%s%s", path ? "set " : "", text);
	int err = emu_ctl_command(&lab, with_set, f);

	fclose(f);
	if (err)
		fprintf(stderr, "labemu: %s", reply);
	free(reply);
	return err;
}

static int start(const struct options *o)
{
	lab.wan = emu_wan_new(lab.hosts, o->mtu, o->seed, emu_lab_deliver, &lab);
	if (!lab.wan)
		return die("no memory for", "the links", 0);
	lab.limit_us = o->late_ms * 1000;
	emu_wan_late_limit(lab.wan, lab.limit_us);
	for (int a = 1; a <= lab.hosts; a++) {
		for (int b = 1; b <= lab.hosts; b++)
			emu_conf_defaults(&emu_wan_link(lab.wan, a, b)->params);
	}
	for (int i = 1; i <= lab.hosts; i++) {
		int err = emu_tun_open(&lab.host[i].tun, o->netns[i], o->mtu, o->offload);

		if (err)
			return die("cannot make the device of host", lab.host[i].name, err);
	}
	for (int i = 0; i < o->command_count; i++) {
		if (start_command(o->commands[i]))
			return 2;
	}
	return 0;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t wanted;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* never outlive the test */
}

/* The network must not become slower because the hosts are busy: where two cores are shared, it
 * goes first. */
static void set_priority(const struct options *o)
{
	struct sched_param param = { .sched_priority = 1 };

	lab.realtime = !o->plain && sched_setscheduler(0, SCHED_FIFO, &param) == 0;
	if (!o->plain && !lab.realtime)
		(void)!setpriority(PRIO_PROCESS, 0, -20);
	prctl(PR_SET_TIMERSLACK,
	      1000UL); /* ns; without real time the kernel would round up by 50 us */
}

static int run(const struct options *o)
{
	int ctl_fd = -1, err;

	if (o->socket && (ctl_fd = emu_ctl_listen(o->socket)) < 0)
		return die("cannot listen at", o->socket, ctl_fd);
	set_priority(o);
	lab.start_ns = emu_now_ns();
	puts("ready");
	fflush(stdout);
	err = emu_lab_run(&lab, ctl_fd);
	if (o->socket)
		unlink(o->socket);
	emu_lab_stats(&lab, stdout);
	fflush(stdout);
	return err ? die("stopped by", "the loop", err) : 0;
}

int main(int argc, char **argv)
{
	struct options o = {
		.mtu = DEFAULT_MTU, .seed = 1, .late_ms = DEFAULT_LATE_MS, .offload = true
	};
	int status = parse_options(argc, argv, &o);

	if (status)
		return status < 0 ? 0 : status;
	if (o.call)
		return call_main(o.call, argv + optind);
	if (optind < argc)
		return usage_error("what is", argv[optind]);
	if (lab.hosts == 0)
		return usage_error("no host:", "-H is missing");
	for (int i = 1; i <= lab.hosts; i++)
		lab.host[i].tun.fd = lab.host[i].tun.dev_fd = -1;
	catch_signals();
	status = start(&o);
	if (!status)
		status = run(&o);
	for (int i = 1; i <= lab.hosts; i++)
		emu_tun_close(&lab.host[i].tun);
	emu_wan_free(lab.wan);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/emu_ctl.h"
#include "tests/lab/emu_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define WORDS_MAX 32

/* The statistics of all pairs of EMU_HOSTS_MAX hosts, about 400 bytes each. */
#define REPLY_MAX (2 << 20)

/* An emulator that lives answers within milliseconds. */
#define CALL_PATIENCE_S 10

/* ---- commands ---- */

/* Which hosts a name stands for: first..last. */
struct span {
	int first, last;
};

static bool find_hosts(const struct emu_lab *lab, const char *name, struct span *out)
{
	if (strcmp(name, "*") == 0) {
		*out = (struct span) { 1, lab->hosts };
		return true;
	}
	int host = emu_lab_host(lab, name);

	*out = (struct span) { host, host };
	return host != 0;
}

static int refuse(FILE *reply, const char *what, const char *text)
{
	fprintf(reply, "error: %s '%s'\n", what, text);
	return -EINVAL;
}

static void set_links(struct emu_lab *lab, struct span from, struct span to, char **words)
{
	for (int a = from.first; a <= from.last; a++) {
		for (int b = to.first; b <= to.last; b++) {
			struct emu_link *link = emu_wan_link(lab->wan, a, b);
			struct emu_params params = link->params;

			for (char **w = words; *w; w++)
				emu_conf_apply(&params, *w);
			emu_link_set(link, &params);
		}
	}
}

/* words: PATH in one or two words, then keys and values. */
static int cmd_set(struct emu_lab *lab, char **words, FILE *reply)
{
	struct emu_params scratch;
	struct span from, to;
	const char *a = words[0], *b = words[0] ? words[1] : NULL;
	char *arrow = a ? strchr(words[0], '>') : NULL;
	bool both = !arrow;

	if (arrow) {
		*arrow = '\0';
		b = arrow + 1;
	}
	if (!a || !b)
		return refuse(reply, "two hosts are wanted, not", a ? a : "");
	if (!find_hosts(lab, a, &from))
		return refuse(reply, "no such host:", a);
	if (!find_hosts(lab, b, &to))
		return refuse(reply, "no such host:", b);
	words += both ? 2 : 1;
	emu_conf_defaults(&scratch);
	for (char **w = words; *w; w++) {
		if (emu_conf_apply(&scratch, *w))
			return refuse(reply, "not understood:", *w);
	}
	set_links(lab, from, to, words);
	if (both)
		set_links(lab, to, from, words);
	fputs("ok\n", reply);
	return 0;
}

static int set_with(struct emu_lab *lab, char **words, char *word, FILE *reply)
{
	int n = 0;

	while (words[n])
		n++;
	if (n > 2)
		return refuse(reply, "too many words at", words[2]);
	words[n] = word;
	words[n + 1] = NULL;
	return cmd_set(lab, words, reply);
}

static int cmd_cut(struct emu_lab *lab, char **words, FILE *reply)
{
	return set_with(lab, words, (char[]) { "cut=1" }, reply);
}

static int cmd_heal(struct emu_lab *lab, char **words, FILE *reply)
{
	return set_with(lab, words, (char[]) { "cut=0" }, reply);
}

static int cmd_uplink(struct emu_lab *lab, char **words, FILE *reply)
{
	struct emu_params params;
	struct span hosts;

	if (!words[0] || !find_hosts(lab, words[0], &hosts))
		return refuse(reply, "no such host:", words[0] ? words[0] : "");
	emu_conf_defaults(&params);
	params.shape = emu_wan_uplink(lab->wan, hosts.first)->shape;
	for (char **w = words + 1; *w; w++) {
		if ((strncmp(*w, "rate=", 5) != 0 && strncmp(*w, "queue=", 6) != 0) ||
		    emu_conf_apply(&params, *w))
			return refuse(reply, "not understood:", *w);
	}
	for (int i = hosts.first; i <= hosts.last; i++)
		emu_wan_uplink(lab->wan, i)->shape = params.shape;
	fputs("ok\n", reply);
	return 0;
}

static int cmd_stats(struct emu_lab *lab, char **words, FILE *reply)
{
	(void)words;
	emu_lab_stats(lab, reply);
	return 0;
}

static int cmd_quit(struct emu_lab *lab, char **words, FILE *reply)
{
	(void)words;
	lab->stop = true;
	fputs("ok\n", reply);
	return 0;
}

static const struct command {
	const char *name;
	int (*run)(struct emu_lab *lab, char **words, FILE *reply);
} commands[] = {
	{ "set", cmd_set },       { "cut", cmd_cut },     { "heal", cmd_heal },
	{ "uplink", cmd_uplink }, { "stats", cmd_stats }, { "quit", cmd_quit },
};

int emu_ctl_command(struct emu_lab *lab, const char *text, FILE *reply)
{
	char copy[EMU_COMMAND_MAX], *words[WORDS_MAX + 2], *save;
	int n = 0;

	if (strlen(text) >= sizeof(copy))
		return refuse(reply, "the command is too long:", "");
	strcpy(copy, text);
	for (char *w = strtok_r(copy, " \t\n", &save); w; w = strtok_r(NULL, " \t\n", &save)) {
		if (n == WORDS_MAX)
			return refuse(reply, "too many words at", w);
		words[n++] = w;
	}
	words[n] = NULL;
	for (size_t i = 0; n && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(words[0], commands[i].name) == 0)
			return commands[i].run(lab, words + 1, reply);
	}
	return refuse(reply, "no such command:", n ? words[0] : "");
}

/* ---- the socket ---- */

static int make_address(const char *path, struct sockaddr_un *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	strcpy(addr->sun_path, path);
	return 0;
}

int emu_ctl_listen(const char *path)
{
	struct sockaddr_un addr;
	int room = REPLY_MAX;
	int err = make_address(path, &addr);

	if (err)
		return err;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

void emu_ctl_serve(struct emu_lab *lab, int fd)
{
	char text[EMU_COMMAND_MAX], *reply = NULL;
	struct sockaddr_un caller;
	socklen_t caller_bytes = sizeof(caller);
	size_t bytes = 0;
	ssize_t n =
		recvfrom(fd, text, sizeof(text) - 1, 0, (struct sockaddr *)&caller, &caller_bytes);
	FILE *f = n < 0 ? NULL : open_memstream(&reply, &bytes);

	if (!f)
		return;
	text[n] = '\0';
	emu_ctl_command(lab, text, f);
	fclose(f);
	/* Nobody waits for a caller that has gone or does not listen. */
	(void)!sendto(fd, reply, bytes, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&caller,
	              caller_bytes);
	free(reply);
}

static int call(int fd, const struct sockaddr_un *addr, const char *text, char *reply, size_t room)
{
	struct sockaddr_un own = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = CALL_PATIENCE_S };

	/* An address of the family alone asks the kernel for a name to be answered at. */
	if (bind(fd, (struct sockaddr *)&own, sizeof(own.sun_family)) < 0 ||
	    connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return -errno;
	ssize_t n = recv(fd, reply, room - 1, 0);

	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	reply[n] = '\0';
	return 0;
}

int emu_ctl_call(const char *path, const char *text, FILE *out)
{
	struct sockaddr_un addr;
	int err = make_address(path, &addr);

	if (err)
		return err;
	char *reply = malloc(REPLY_MAX);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	err = !reply ? -ENOMEM : fd < 0 ? -errno : call(fd, &addr, text, reply, REPLY_MAX);
	if (!err) {
		fputs(reply, out);
		err = strncmp(reply, "error: ", 7) == 0 ? -EINVAL : 0;
	}
	if (fd >= 0)
		close(fd);
	free(reply);
	return err;
}

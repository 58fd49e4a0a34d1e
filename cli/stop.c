/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE			/* pipe2 */
#include "cli/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t stopped_by;
static int wake[2] = { -1, -1 };
static struct rmdt_cancel *cancel;

/*
 * A read(2) or write(2) that blocks just after stopped_by was looked at would miss the signal, so
 * SIGALRM repeats the interruption every second until the process has ended.
 */
static void on_signal(int number)
{
	int saved = errno;

	if (stopped_by == 0 && number != SIGALRM) {
		stopped_by = number;
		rmdt_cancel_fire(cancel);
		if (write(wake[1], "", 1) < 0)
			errno = 0;	/* full: it is readable already */
	}
	if (stopped_by != 0)
		alarm(1);
	errno = saved;
}

int stop_start(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM };
	/* No SA_RESTART: blocked calls must end. */
	struct sigaction action = { .sa_handler = on_signal };
	int ret;

	ret = rmdt_cancel_new(&cancel);
	if (ret < 0)
		return ret;
	if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction old;

		/* nohup and background jobs of a shell keep what they were given. */
		if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN &&
		    numbers[i] != SIGALRM)
			continue;
		sigaction(numbers[i], &action, NULL);
	}
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	return 0;
}

bool stop_requested(void)
{
	return stopped_by != 0;
}

const char *stop_signal(void)
{
	switch (stopped_by) {
	case 0: return "";
	case SIGINT: return "SIGINT";
	case SIGTERM: return "SIGTERM";
	default: return "SIGHUP";
	}
}

int stop_fd(void)
{
	return wake[0];
}

struct rmdt_cancel *stop_cancel(void)
{
	return cancel;
}

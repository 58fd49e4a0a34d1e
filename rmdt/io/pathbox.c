/* SPDX-License-Identifier: Apache-2.0 */
#include "io/pathbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/address.h"
#include "io/random.h"
#include "io/spawn.h"

#define FILE_NAME "paths"
/* Of a millisecond: longer than any other takes that is not stuck. */
#define LOCK_TRIES 100
/* A path of ours and a name in it. */
#define PATH_BYTES (RMDT_IDENTITY_PATH_BYTES + 32)

static uint64_t now_s(void)
{
	time_t now = time(NULL);

	return now > 0 ? (uint64_t)now : 0;
}

/* ---- the file ---- */

/*
 * What may be in it: ours or root's, a plain file that others cannot write, no larger than we would
 * write.
 */
static bool is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_uid == geteuid() || st.st_uid == 0) &&
	       !(st.st_mode & 022) && st.st_size <= RMDT_PATHS_TEXT_BYTES;
}

static ssize_t read_text(int fd, char *text)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n != 0 && len < RMDT_PATHS_TEXT_BYTES) {
		n = read(fd, text + len, RMDT_PATHS_TEXT_BYTES - len);
		if (n < 0 && errno != EINTR)
			return -1;
		len += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)len;
}

/* Adds what the file holds; `complain`: says what is wrong with it. */
static void load(const struct rmdt_pathbox *box, struct rmdt_paths *paths, char *text,
		 bool complain)
{
	static const struct rmdt_log silent;
	const struct rmdt_log *log = complain ? box->log : &silent;
	char file[PATH_BYTES], err[RMDT_TRUST_ERR_BYTES];
	ssize_t len = -1;
	unsigned bad;
	int fd;

	snprintf(file, sizeof(file), "%s/" FILE_NAME, box->dir);
	/* O_NONBLOCK: a fifo in this place must not hang us. */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		if (errno != ENOENT)
			rmdt_log(log, RMDT_LOG_WARNING, "%s: cannot open: %s", file,
				 strerror(errno));
		return;
	}
	if (is_ours(fd))
		len = read_text(fd, text);
	close(fd);
	if (len < 0) {
		rmdt_log(log, RMDT_LOG_WARNING,
			 "%s: not a file that we could have written; it is not read", file);
		return;
	}
	bad = rmdt_paths_parse(paths, file, text, (size_t)len, now_s(), err);
	if (bad > 0)
		rmdt_log(log, RMDT_LOG_WARNING, "%s; %u such line%s left out", err, bad,
			 bad == 1 ? "" : "s");
}

static bool write_text(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return true;
}

/*
 * A file of its own that then takes the name: whoever reads finds the old text or the new one. Not
 * synced: a crash of the machine may cost what was learned, but waiting for a disk would cost every
 * end.
 */
static int replace(const char *dir, const char *text, size_t len)
{
	char tmp[PATH_BYTES], file[PATH_BYTES];
	uint64_t unique;
	int fd, rc = 0;

	rmdt_random_bytes(&unique, sizeof(unique));
	snprintf(tmp, sizeof(tmp), "%s/." FILE_NAME ".%016" PRIx64, dir, unique);
	snprintf(file, sizeof(file), "%s/" FILE_NAME, dir);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (!write_text(fd, text, len))
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(tmp, file) < 0)
		rc = -errno;
	if (rc < 0)
		(void)unlink(tmp);
	return rc;
}

/*
 * Others may have written meanwhile: the newer memory of a path counts, and of two of one second
 * ours.
 */
static void merge(struct rmdt_pathbox *box, struct rmdt_paths *all)
{
	pthread_mutex_lock(&box->lock);
	for (size_t i = 0; i < box->paths.n; i++)
		rmdt_paths_put(all, &box->paths.at[i]);
	box->news = false;
	pthread_mutex_unlock(&box->lock);
}

/*
 * Both ends of an association may be on one machine and learn of its end at the same moment. A lock
 * of the directory, since the file is replaced; without it, or when whoever has it sleeps, it is
 * better to write than to wait. To be closed; or -1.
 */
static int lock_dir(const char *dir)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
		nanosleep(&pause, NULL);
	return fd;
}

static void save(struct rmdt_pathbox *box)
{
	struct rmdt_paths *all = calloc(1, sizeof(*all));
	char *text = malloc(RMDT_PATHS_TEXT_BYTES);
	int lock = lock_dir(box->dir), rc = -ENOMEM;

	if (all && text) {
		load(box, all, text, false);
		merge(box, all);
		rc = replace(box->dir, text, rmdt_paths_format(all, text));
	}
	free(all);
	free(text);
	if (lock >= 0)
		close(lock);
	if (rc == 0)
		return;
	pthread_mutex_lock(&box->lock);
	box->news = true;	/* to be tried again */
	pthread_mutex_unlock(&box->lock);
	rmdt_log(box->log, RMDT_LOG_INFO, "%s/" FILE_NAME ": cannot write: %s", box->dir,
		 strerror(-rc));
}

/* ---- the writer ---- */

/*
 * With the lock held: waits until there is something to write, but not before `at`. False: the end.
 */
static bool await_news(struct rmdt_pathbox *box, const struct timespec *at)
{
	int rc = 0;

	while (!box->ending && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&box->changed, &box->lock, at);
	while (!box->ending && !box->news)
		pthread_cond_wait(&box->changed, &box->lock);
	return !box->ending;
}

static void *write_now_and_then(void *ctx)
{
	struct rmdt_pathbox *box = ctx;
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	pthread_mutex_lock(&box->lock);
	while (await_news(box, &at)) {
		pthread_mutex_unlock(&box->lock);
		save(box);
		clock_gettime(CLOCK_MONOTONIC, &at);
		at.tv_sec += RMDT_PATHBOX_EVERY_S;
		pthread_mutex_lock(&box->lock);
	}
	pthread_mutex_unlock(&box->lock);
	return NULL;
}

/* With the lock held. Without a thread the end must do. */
static void wake_writer(struct rmdt_pathbox *box)
{
	if (!box->writes)
		box->writes = rmdt_spawn(&box->writer, write_now_and_then, box) == 0;
	pthread_cond_signal(&box->changed);
}

static void end_writer(struct rmdt_pathbox *box)
{
	pthread_mutex_lock(&box->lock);
	box->ending = true;
	pthread_cond_signal(&box->changed);
	pthread_mutex_unlock(&box->lock);
	if (box->writes)
		pthread_join(box->writer, NULL);
}

static void init_changed(pthread_cond_t *changed)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(changed, &attr);
	pthread_condattr_destroy(&attr);
}

/* ---- the box ---- */

void rmdt_pathbox_init(struct rmdt_pathbox *box, const char *dir, bool on,
		       const struct rmdt_log *log)
{
	char *text;

	memset(box, 0, sizeof(*box));
	box->log = log;
	snprintf(box->dir, sizeof(box->dir), "%s", dir);
	pthread_mutex_init(&box->lock, NULL);
	init_changed(&box->changed);
	box->on = on;
	text = on ? malloc(RMDT_PATHS_TEXT_BYTES) : NULL;
	if (text)
		load(box, &box->paths, text, true);
	free(text);
}

void rmdt_pathbox_fini(struct rmdt_pathbox *box)
{
	end_writer(box);
	if (box->news)
		save(box);
	pthread_cond_destroy(&box->changed);
	pthread_mutex_destroy(&box->lock);
}

bool rmdt_pathbox_find(struct rmdt_pathbox *box, const uint8_t key[RMDT_TRUST_KEY_BYTES],
		       const struct rmdt_addr *addr,
		       uint64_t *rate, uint64_t *rtt_us)
{
	char text[RMDT_ADDRESS_TEXT_BYTES];
	const struct rmdt_path *path;
	struct rmdt_trust_addr plain;
	bool found;

	if (!box->on)
		return false;
	rmdt_address_trust(addr, &plain);
	pthread_mutex_lock(&box->lock);
	path = rmdt_paths_find(&box->paths, key, &plain, now_s());
	found = path != NULL;
	if (found) {
		*rate = path->rate;
		*rtt_us = path->rtt_us;
	}
	pthread_mutex_unlock(&box->lock);
	if (found)
		rmdt_log(box->log, RMDT_LOG_INFO,
			 "the path to %s is remembered: %.1f Mbit/s, %.1f ms",
			 rmdt_address_format(addr, text), (double)*rate * 8e-6,
				 (double)*rtt_us / 1e3);
	return found;
}

void rmdt_pathbox_learn(struct rmdt_pathbox *box, const uint8_t key[RMDT_TRUST_KEY_BYTES],
			const struct rmdt_addr *addr, uint64_t rate, uint64_t rtt_us)
{
	struct rmdt_path path = { .rate = rate, .rtt_us = rtt_us, .seen_s = now_s() };

	if (!box->on || rtt_us < RMDT_PATHS_LEAST_RTT_US)
		return;
	memcpy(path.key, key, sizeof(path.key));
	rmdt_address_trust(addr, &path.addr);
	pthread_mutex_lock(&box->lock);
	rmdt_paths_put(&box->paths, &path);
	box->news = true;
	wake_writer(box);
	pthread_mutex_unlock(&box->lock);
}

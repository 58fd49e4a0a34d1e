/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE	/* accept4 */
#include "cli/status.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 8
#define ANSWERS_MAX 16			/* per call: who asks faster waits for the next turn of the loop */

struct status_server {
	struct status_options opt;
	int fd;
	struct sockaddr_un at;
	char document[STATUS_BYTES];
};

/* ---- folders --------------------------------------------------------------------------------- */

static size_t add_folder(char folder[STATUS_FOLDERS][STATUS_PATH_BYTES], size_t n, const char *base, const char *rest)
{
	int len;

	if (!base || base[0] != '/' || strchr(base, ':'))
		return n;
	len = snprintf(folder[n], STATUS_PATH_BYTES, "%s%s", base, rest);
	if (len < 0 || len >= STATUS_PATH_BYTES)
		return n;
	for (size_t i = 0; i < n; i++)
		if (strcmp(folder[i], folder[n]) == 0)
			return n;
	return n + 1;
}

size_t status_folders(char folder[STATUS_FOLDERS][STATUS_PATH_BYTES])
{
	size_t n = 0;

	n = add_folder(folder, n, getenv("RUNTIME_DIRECTORY"), "");
	n = add_folder(folder, n, getenv("XDG_RUNTIME_DIR"), "/dexor");
	if (geteuid() == 0)
		n = add_folder(folder, n, "/run", "/dexor");
	return add_folder(folder, n, getenv("HOME"), "/.dexor/run");
}

/* Makes a folder and the one above it; both are ours alone. What is there must be ours and nobody else's to write. */
static int make_folder(const char folder[STATUS_PATH_BYTES])
{
	char above[STATUS_PATH_BYTES];
	struct stat st;
	char *slash;

	memcpy(above, folder, sizeof(above));
	slash = strrchr(above, '/');
	if (slash && slash != above) {
		*slash = '\0';
		if (mkdir(above, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(folder, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : -EPERM;
}

/* ---- the server ------------------------------------------------------------------------------ */

static int bind_in(struct status_server *s, const char folder[STATUS_PATH_BYTES])
{
	int len, rc = make_folder(folder);

	if (rc)
		return rc;
	s->at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	len = snprintf(s->at.sun_path, sizeof(s->at.sun_path), "%s/%ld.sock", folder, (long)getpid());
	if (len < 0 || (size_t)len >= sizeof(s->at.sun_path))
		return -ENAMETOOLONG;
	/* Our number was another's before, who left it behind. */
	if (unlink(s->at.sun_path) < 0 && errno != ENOENT)
		return -errno;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	/* The mode that the file will have, whatever the umask leaves of it. */
	(void)fchmod(s->fd, 0600);
	if (bind(s->fd, (struct sockaddr *)&s->at, sizeof(s->at)) == 0) {
		if (listen(s->fd, BACKLOG) == 0)
			return 0;
		rc = -errno;
		(void)unlink(s->at.sun_path);
	} else {
		rc = -errno;
	}
	close(s->fd);
	return rc;
}

int status_new(const struct status_options *opt, struct status_server **server, char *err)
{
	char folder[STATUS_FOLDERS][STATUS_PATH_BYTES];
	size_t n = status_folders(folder);
	struct status_server *s = calloc(1, sizeof(*s));
	int rc = s ? -ENOENT : -ENOMEM;

	snprintf(err, RMDT_ERROR_BYTES, "no folder for the status socket");
	for (size_t i = 0; s && i < n; i++) {
		rc = bind_in(s, folder[i]);
		if (rc == 0) {
			s->opt = *opt;
			*server = s;
			return 0;
		}
		snprintf(err, RMDT_ERROR_BYTES, "no status socket in \"%.107s\": %s", folder[i], rmdt_strerror(rc));
	}
	free(s);
	return rc;
}

void status_free(struct status_server *s)
{
	if (!s)
		return;
	(void)unlink(s->at.sun_path);
	close(s->fd);
	free(s);
}

int status_fd(const struct status_server *s)
{
	return s->fd;
}

static size_t write_document(struct status_server *s)
{
	struct json json;

	json_init(&json, s->document, sizeof(s->document) - 1);
	json_object(&json, NULL);
	json_text(&json, "program", s->opt.program);
	json_text(&json, "version", rmdt_version());
	json_number(&json, "pid", (uint64_t)getpid());
	json_text(&json, "what", s->opt.what);
	s->opt.write(s->opt.ctx, &json);
	json_end(&json);
	s->document[json.len] = '\n';
	return json.len + 1;
}

void status_serve(struct status_server *s)
{
	for (int i = 0; i < ANSWERS_MAX; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		/* A fresh socket takes it whole, so nobody who does not read can hold us up. */
		(void)send(fd, s->document, write_document(s), MSG_NOSIGNAL | MSG_DONTWAIT);
		close(fd);
	}
}

/* ---- what every program tells ---------------------------------------------------------------- */

void status_write_engine(struct json *json, struct rmdt_engine *engine)
{
	struct rmdt_engine_stats st;

	rmdt_engine_stats(engine, &st);
	json_object(json, "engine");
	json_number(json, "port", rmdt_engine_port(engine));
	json_number(json, "peers", st.peers);
	json_number(json, "out_flows", st.out_flows);
	json_number(json, "in_flows", st.in_flows);
	json_number(json, "bytes_in", st.bytes_in);
	json_number(json, "bytes_out", st.bytes_out);
	json_number(json, "datagrams_in", st.datagrams_in);
	json_number(json, "datagrams_out", st.datagrams_out);
	json_number(json, "buffer_used_bytes", st.buffer_used_bytes);
	json_number(json, "buffer_cap_bytes", st.buffer_cap_bytes);
	json_number(json, "dropped_malformed", st.dropped_malformed);
	json_number(json, "dropped_unknown", st.dropped_unknown);
	json_number(json, "dropped_forged", st.dropped_forged);
	json_number(json, "dropped_replayed", st.dropped_replayed);
	json_number(json, "dropped_credit", st.dropped_credit);
	json_number(json, "handshakes_done", st.handshakes_done);
	json_number(json, "handshakes_rejected", st.handshakes_rejected);
	json_flag(json, "gso", st.gso);
	json_flag(json, "gro", st.gro);
	json_text(json, "aead", st.aead ? st.aead : "");
	json_end(json);
}

void status_write_peer(struct json *json, const struct rmdt_peer_info *info)
{
	json_text(json, "host", info->host);
	json_text(json, "address", info->address);
	json_text(json, "name", info->name);
	json_text(json, "key", info->fingerprint);
	json_flag(json, "up", info->up);
	json_flag(json, "inbound", info->inbound);
	json_seconds(json, "seconds", info->age_us);
	json_number(json, "rtt_us", info->rtt_us);
	json_number(json, "min_rtt_us", info->min_rtt_us);
	json_number(json, "bits_per_second", info->rate_bytes_per_s * 8);
	json_number(json, "cwnd_bytes", info->cwnd_bytes);
	json_number(json, "in_flight_bytes", info->in_flight_bytes);
	json_number(json, "mtu_bytes", info->mtu_bytes);
	json_number(json, "packets_sent", info->packets_sent);
	json_number(json, "packets_lost", info->packets_lost);
	json_number(json, "packets_received", info->packets_received);
	json_number(json, "chunk_bytes", info->chunk_bytes_sent);
	json_number(json, "repaired_bytes", info->chunk_bytes_repaired);
	json_number(json, "moves", info->moves);
	json_text(json, "limited_by", rmdt_limit_text(info->limited_by));
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int read_all(int fd, char *buf, size_t size, int timeout_ms)
{
	size_t len = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int ready = poll(&p, 1, timeout_ms);
		ssize_t n;

		if (ready == 0)
			return -ETIMEDOUT;
		n = ready < 0 ? -1 : read(fd, buf + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		buf[len] = '\0';
		if (n == 0)
			return (int)len;
		if (len == size - 1)
			return -EMSGSIZE;
	}
}

int status_ask(const char *path, char *buf, size_t size, int timeout_ms)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, rc;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	/* A program that is stopped has a full backlog at some time: no reason to wait for it. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : read_all(fd, buf, size, timeout_ms);
	close(fd);
	return rc;
}

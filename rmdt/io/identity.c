/* SPDX-License-Identifier: Apache-2.0 */
#include "io/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "core/text.h"
#include "core/x25519.h"
#include "io/random.h"

/* ---- saying what is wrong */

/* "PATH: WHAT", cut off when it is too long; what is ours or a parser's. Returns r. */
static int fault(char *err, const char *path, const char *what, int r)
{
	struct rmdt_text t;

	rmdt_text_init(&t, err, RMDT_TRUST_ERR_BYTES);
	rmdt_text_add(&t, path);
	rmdt_text_add(&t, ": ");
	rmdt_text_add(&t, what);
	return r;
}

/* "PATH: cannot DO: REASON" from errno. Returns -errno. */
static int fault_errno(char *err, const char *path, const char *verb)
{
	int r = -errno;
	struct rmdt_text t;

	rmdt_text_init(&t, err, RMDT_TRUST_ERR_BYTES);
	rmdt_text_add(&t, path);
	rmdt_text_add(&t, ": cannot ");
	rmdt_text_add(&t, verb);
	rmdt_text_add(&t, ": ");
	rmdt_text_add(&t, strerror(-r));
	return r;
}

static int path_make(const char *dir, const char *name, char out[RMDT_IDENTITY_PATH_BYTES],
		     char *err)
{
	int n = snprintf(out, RMDT_IDENTITY_PATH_BYTES, "%s/%s", dir, name);

	return n < RMDT_IDENTITY_PATH_BYTES ? 0 : fault(err, dir, "the path is too long",
							-ENAMETOOLONG);
}

/* ---- permissions */

/* Ours or root's, and none of the mode bits in `closed`. */
static int owner_check(const struct stat *st, mode_t closed, const char *path, char *err)
{
	char what[128];

	if (st->st_uid != geteuid() && st->st_uid != 0) {
		snprintf(what, sizeof what, "belongs to user %u, not to us or root",
			 (unsigned)st->st_uid);
		return fault(err, path, what, -EPERM);
	}
	if (st->st_mode & closed) {
		snprintf(what, sizeof what, "mode %04o is too open; do: chmod %s",
			 (unsigned)(st->st_mode & 07777), closed == 077 ? "go=" : "go-w");
		return fault(err, path, what, -EPERM);
	}
	return 0;
}

enum secrecy {
	IS_PRIVATE = 077,	/* closed to group and others */
	IS_LIST = 022,		/* not writable by them */
};

/* ---- files */

struct content {
	char *p;
	size_t len;
};

static void content_wipe(struct content *c)
{
	if (c->p)
		OPENSSL_cleanse(c->p, c->len);
	free(c->p);
	*c = (struct content){ NULL, 0 };
}

static int read_all(int fd, struct content *c, const char *path, char *err)
{
	size_t done = 0;
	ssize_t n = 1;

	while (done < c->len && n != 0) {
		n = pread(fd, c->p + done, c->len - done, (off_t)done);
		if (n < 0 && errno != EINTR)
			return fault_errno(err, path, "read");
		if (n > 0)
			done += (size_t)n;
	}
	c->len = done;	/* shorter when it was cut meanwhile */
	return 0;
}

/* Checks and reads an open file. The caller wipes the content, also after failure. */
static int file_read(int fd, enum secrecy secrecy, const char *path, struct content *c, char *err)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return fault_errno(err, path, "look at it");
	if (!S_ISREG(st.st_mode))
		return fault(err, path, "not a regular file", -EINVAL);
	r = owner_check(&st, secrecy, path, err);
	if (r < 0)
		return r;
	if (st.st_size > RMDT_IDENTITY_FILE_MAX_BYTES)
		return fault(err, path, "too large for such a file", -EFBIG);
	c->len = (size_t)st.st_size;
	c->p = malloc(c->len + 1);
	if (!c->p)
		return fault(err, path, "out of memory", -ENOMEM);
	return read_all(fd, c, path, err);
}

/* -ENOENT, with err set like any other, when there is no such file. */
static int path_read(const char *path, enum secrecy secrecy, struct content *c, char *err)
{
	/* O_NONBLOCK: a fifo in this place must not hang us; file_read refuses it. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return fault_errno(err, path, "open");
	r = file_read(fd, secrecy, path, c, err);
	close(fd);
	if (r < 0)
		content_wipe(c);
	return r;
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* ---- directory */

int rmdt_identity_dir(bool system, char *out, size_t out_cap, char err[RMDT_TRUST_ERR_BYTES])
{
	const char *home = getenv("HOME");
	int n;

	if (!system && (!home || home[0] == '\0'))
		return fault(err, "HOME", "is not set, so there is no ~/.dexor", -ENOENT);
	n = system ? snprintf(out, out_cap, "%s", RMDT_IDENTITY_SYSTEM_DIR) :
		     snprintf(out, out_cap, "%s/.dexor", home);
	if (n < 0 || (size_t)n >= out_cap)
		return fault(err, system ? RMDT_IDENTITY_SYSTEM_DIR : home,
			     "the path is too long", -ENAMETOOLONG);
	return 0;
}

/* Who may write to the directory may replace the key and the lists. */
static int dir_check(const char *dir, char *err)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return fault_errno(err, dir, "look at it");
	if (!S_ISDIR(st.st_mode))
		return fault(err, dir, "not a directory", -ENOTDIR);
	return owner_check(&st, IS_LIST, dir, err);
}

static int dir_make(const char *dir, char *err)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return fault_errno(err, dir, "make the directory");
	return 0;
}

/* A new name in it survives a crash. Some file systems refuse to sync one: then so be it. */
static void dir_sync(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

/* ---- the private key */

/* The text of a new identity into a file of its own. */
static int id_write(const char *tmp, char *err)
{
	char text[256];
	uint8_t priv[RMDT_TRUST_KEY_BYTES];
	int fd, len, r = 0;

	rmdt_random_bytes(priv, sizeof priv);
	len = rmdt_trust_id_format(priv, "private key of RMDT, keep it secret", text, sizeof text);
	OPENSSL_cleanse(priv, sizeof priv);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		r = fault_errno(err, tmp, "create");
	else if (write_all(fd, text, (size_t)len) < 0 || fsync(fd) < 0)
		r = fault_errno(err, tmp, "write");
	if (fd >= 0)
		close(fd);
	OPENSSL_cleanse(text, sizeof text);
	return r;
}

/*
 * The finished file gets its name by link(2), which never replaces: of two processes at once one
 * wins and both then read the same file. *made says whether it was us.
 */
static int id_make(const char *dir, const char *path, bool *made, char *err)
{
	char tmp[RMDT_IDENTITY_PATH_BYTES], name[64];
	uint64_t unique;
	int r = dir_make(dir, err);

	rmdt_random_bytes(&unique, sizeof unique);
	snprintf(name, sizeof name, ".id.%016" PRIx64, unique);
	if (r == 0)
		r = dir_check(dir, err);
	if (r == 0)
		r = path_make(dir, name, tmp, err);
	if (r < 0)
		return r;
	r = id_write(tmp, err);
	*made = r == 0 && link(tmp, path) == 0;
	if (r == 0 && !*made && errno != EEXIST)
		r = fault_errno(err, path, "create");
	(void)unlink(tmp);
	if (*made)
		dir_sync(dir);
	return r;
}

static int id_parse(const struct content *c, const char *path, struct rmdt_identity *id, char *err)
{
	char what[RMDT_TRUST_ERR_BYTES] = "out of memory";
	int r = rmdt_trust_id_parse(c->p, c->len, id->priv, what);

	if (r == 0)
		r = rmdt_x25519_public(id->priv, id->pub);
	return r < 0 ? fault(err, path, what, r) : 0;
}

int rmdt_identity_load(const char *dir, struct rmdt_identity *id, char err[RMDT_TRUST_ERR_BYTES])
{
	char path[RMDT_IDENTITY_PATH_BYTES];
	struct rmdt_identity found = { .is_new = false };
	struct content c = { NULL, 0 };
	int r = path_make(dir, "id", path, err);

	if (r < 0)
		return r;
	r = path_read(path, IS_PRIVATE, &c, err);
	if (r == -ENOENT) {
		r = id_make(dir, path, &found.is_new, err);
		if (r == 0)
			r = path_read(path, IS_PRIVATE, &c, err);
	}
	if (r == 0)
		r = dir_check(dir, err);
	if (r == 0)
		r = id_parse(&c, path, &found, err);
	if (r == 0)
		*id = found;
	content_wipe(&c);
	rmdt_identity_wipe(&found);
	return r;
}

void rmdt_identity_wipe(struct rmdt_identity *id)
{
	OPENSSL_cleanse(id, sizeof *id);
}

int rmdt_identity_psk(const char *path, uint8_t psk[RMDT_TRUST_KEY_BYTES],
		      char err[RMDT_TRUST_ERR_BYTES])
{
	char what[RMDT_TRUST_ERR_BYTES] = "out of memory";
	struct content c = { NULL, 0 };
	int r = path_read(path, IS_PRIVATE, &c, err);

	if (r < 0)
		return r;
	r = rmdt_trust_psk_parse(c.p, c.len, psk, what);
	if (r < 0)
		fault(err, path, what, r);
	content_wipe(&c);
	return r;
}

/* ---- the lists */

/* 1 when the file was read, 0 when there is none. */
static int list_read(const char *dir, const char *name, char path[RMDT_IDENTITY_PATH_BYTES],
		     struct content *c, char *err)
{
	int r = path_make(dir, name, path, err);

	if (r < 0)
		return r;
	r = path_read(path, IS_LIST, c, err);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = dir_check(dir, err);
	if (r < 0)
		content_wipe(c);
	return r < 0 ? r : 1;
}

int rmdt_identity_authorized(const char *dir, struct rmdt_authorized **out,
			     char err[RMDT_TRUST_ERR_BYTES])
{
	char path[RMDT_IDENTITY_PATH_BYTES];
	struct content c = { NULL, 0 };
	int r = list_read(dir, "authorized_keys", path, &c, err);

	if (r == 0)
		*out = NULL;
	if (r <= 0)
		return r;
	r = rmdt_authorized_parse(path, c.p, c.len, out, err);
	content_wipe(&c);
	return r == -ENOMEM ? fault(err, path, "out of memory", r) : r;
}

int rmdt_identity_hosts(const char *dir, struct rmdt_hosts **out, char err[RMDT_TRUST_ERR_BYTES])
{
	char path[RMDT_IDENTITY_PATH_BYTES];
	struct content c = { NULL, 0 };
	int r = list_read(dir, "known_hosts", path, &c, err);

	if (r < 0)
		return r;
	r = rmdt_hosts_parse(path, c.p, c.len, out, err);
	content_wipe(&c);
	return r == -ENOMEM ? fault(err, path, "out of memory", r) : r;
}

/* ---- pinning */

struct pin {
	const char *host;
	uint16_t port;
	const uint8_t *pub;
};

/* 1: to be added, 0: there already, -EKEYREJECTED: another key is there. */
static int pin_judge(const struct content *c, const char *path, const struct pin *pin, char *err)
{
	struct rmdt_hosts *hosts;
	enum rmdt_hosts_verdict verdict;
	char what[128];
	unsigned line;
	int r = rmdt_hosts_parse(path, c->p, c->len, &hosts, err);

	if (r < 0)
		return r == -ENOMEM ? fault(err, path, "out of memory", r) : r;
	verdict = rmdt_hosts_check(hosts, pin->host, pin->port, pin->pub, &line);
	rmdt_hosts_free(hosts);
	if (verdict != RMDT_HOSTS_CHANGED)
		return verdict == RMDT_HOSTS_UNKNOWN;
	snprintf(what, sizeof what, "line %u has another key for this host", line);
	return fault(err, path, what, -EKEYREJECTED);
}

/* One write at the end of the file; a torn one is taken back, for it would spoil the whole file. */
static int pin_append(int fd, const struct content *c, const char *path, const struct pin *pin,
		      char *err)
{
	char line[1 + RMDT_HOSTS_LINE_BYTES] = "\n";
	bool unfinished = c->len > 0 && c->p[c->len - 1] != '\n';
	int len = rmdt_hosts_format(pin->host, pin->port, pin->pub, line + 1, sizeof line - 1);
	int r;

	if (len < 0)
		return fault(err, path, "this host name cannot be written there", len);
	if (write_all(fd, line + !unfinished, (size_t)len + unfinished) == 0 && fsync(fd) == 0)
		return 0;
	r = fault_errno(err, path, "write");
	if (ftruncate(fd, (off_t)c->len) < 0)
		return fault(err, path, "cannot take back half a line", r);
	return r;
}

static int pin_locked(int fd, const char *path, const struct pin *pin, bool *added, char *err)
{
	struct content c = { NULL, 0 };
	int r = file_read(fd, IS_LIST, path, &c, err);

	if (r == 0)
		r = pin_judge(&c, path, pin, err);
	if (r == 1) {
		r = pin_append(fd, &c, path, pin, err);
		*added = r == 0;
	}
	content_wipe(&c);
	return r;
}

int rmdt_identity_pin(const char *dir, const char *host, uint16_t port,
		      const uint8_t pub[RMDT_TRUST_KEY_BYTES], bool *added,
		      char err[RMDT_TRUST_ERR_BYTES])
{
	const struct pin pin = { host, port, pub };
	char path[RMDT_IDENTITY_PATH_BYTES];
	bool done = false, is_new;
	int fd, r = path_make(dir, "known_hosts", path, err);

	if (r == 0)
		r = dir_make(dir, err);
	if (r == 0)
		r = dir_check(dir, err);
	if (r < 0)
		return r;
	is_new = access(path, F_OK) < 0;
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
	if (fd < 0)
		return fault_errno(err, path, "open");
	while ((r = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
		;
	r = r < 0 ? fault_errno(err, path, "lock") : pin_locked(fd, path, &pin, &done, err);
	close(fd);
	if (r < 0)
		return r;
	if (is_new)
		dir_sync(dir);
	*added = done;
	return 0;
}

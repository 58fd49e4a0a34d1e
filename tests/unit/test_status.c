/* SPDX-License-Identifier: Apache-2.0 */
/* The status socket of a program, and word to the service manager, in a folder of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/notify.h"
#include "cli/status.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/rmdt-status-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	unsetenv("RUNTIME_DIRECTORY");
	setenv("XDG_RUNTIME_DIR", dir, 1);
	setenv("HOME", dir, 1);
	return 0;
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/dexor", dir);
	rmdir(path);
	return rmdir(dir);
}

static void write_members(void *ctx, struct json *json)
{
	json_number(json, "answer", *(unsigned *)ctx);
}

/* Serves what comes until `turns` clients have been answered. */
struct serving {
	struct status_server *server;
	unsigned turns;
};

static void *serve(void *arg)
{
	struct serving *s = arg;

	for (unsigned i = 0; i < s->turns; i++) {
		struct pollfd p = { .fd = status_fd(s->server), .events = POLLIN };

		if (poll(&p, 1, 5000) > 0)
			status_serve(s->server);
	}
	return NULL;
}

static void test_serve(void **state)
{
	unsigned answer = 42;
	struct status_options opt = { .program = "dexor tunnel", .what = "a \"b\"", .write = write_members, .ctx = &answer };
	char err[RMDT_ERROR_BYTES], path[160], *buf = malloc(STATUS_BYTES), text[32];
	struct serving s = { .turns = 1 };
	struct json_value v;
	pthread_t thread;
	struct stat st;
	int n;

	(void)state;
	assert_int_equal(status_new(&opt, &s.server, err), 0);
	snprintf(path, sizeof(path), "%s/dexor", dir);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/dexor/%ld.sock", dir, (long)getpid());
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	status_serve(s.server);		/* nobody is there: no wait */
	pthread_create(&thread, NULL, serve, &s);
	n = status_ask(path, buf, STATUS_BYTES, 5000);
	pthread_join(thread, NULL);
	assert_true(n > 0);
	v = json_read(buf, (size_t)n);
	assert_int_equal(json_get_number(json_member(v, "answer")), 42);
	assert_int_equal(json_get_number(json_member(v, "pid")), getpid());
	assert_string_equal(json_get_text(json_member(v, "what"), text, sizeof(text)), "a \"b\"");
	status_free(s.server);
	assert_int_equal(lstat(path, &st), -1);
	assert_int_equal(status_ask(path, buf, STATUS_BYTES, 100), -ENOENT);
	free(buf);
}

/* A socket that a dead program left is named as such, and our own number takes its place. */
static void test_stale(void **state)
{
	unsigned answer = 1;
	struct status_options opt = { .program = "p", .what = "", .write = write_members, .ctx = &answer };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char err[RMDT_ERROR_BYTES], buf[64], path[96];
	struct status_server *server;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(path, sizeof(path), "%s/dexor", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/dexor/%ld.sock", dir, (long)getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
	assert_int_equal(status_ask(at.sun_path, buf, sizeof(buf), 100), -ECONNREFUSED);
	assert_int_equal(status_new(&opt, &server, err), 0);
	status_free(server);
}

/* A folder that others may write to is not used. */
static void test_open_folder(void **state)
{
	unsigned answer = 1;
	struct status_options opt = { .program = "p", .what = "", .write = write_members, .ctx = &answer };
	char err[RMDT_ERROR_BYTES], path[96];
	struct status_server *server;

	(void)state;
	snprintf(path, sizeof(path), "%s/dexor", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0777), 0);
	unsetenv("HOME");
	if (geteuid() == 0)
		return;		/* root goes on to /run */
	assert_int_equal(status_new(&opt, &server, err), -EPERM);
	assert_non_null(strstr(err, path));
}

static void test_notify(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char buf[64] = "";

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_send("READY=1"), 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	assert_int_equal(notify_send("READY=1"), 1);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 7);
	assert_string_equal(buf, "READY=1");
	close(fd);
	unlink(at.sun_path);
	assert_int_equal(notify_send("STOPPING=1"), -ENOENT);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(notify_send("READY=1"), -EINVAL);

	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	memset(&at, 0, sizeof(at));
	at.sun_family = AF_UNIX;
	snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "rmdt-test-%ld", (long)getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&at,
			      (socklen_t)(offsetof(struct sockaddr_un,
						   sun_path) + 1 + strlen(at.sun_path + 1))), 0);
	at.sun_path[0] = '@';
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	assert_int_equal(notify_send("READY=1"), 1);
	close(fd);
	unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_serve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_notify, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

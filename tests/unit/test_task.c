/* SPDX-License-Identifier: Apache-2.0 */
#include "io/task.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct thing {
	struct rmdt_task task;
	struct rmdt_mailbox *m;
	unsigned runs, bits;
	bool again;
};

static void run(struct rmdt_task *task, unsigned bits)
{
	struct thing *t = (struct thing *)task;

	t->runs++;
	t->bits |= bits;
	if (t->again) {
		t->again = false;
		assert_true(rmdt_mailbox_post(t->m, task, 64));
	}
}

static void thing_init(struct thing *t, struct rmdt_mailbox *m)
{
	*t = (struct thing){ .task.run = run, .m = m };
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void test_merge(void **state)
{
	struct rmdt_mailbox m;
	struct thing a, b;

	(void)state;
	assert_int_equal(rmdt_mailbox_init(&m), 0);
	thing_init(&a, &m);
	thing_init(&b, &m);
	assert_true(rmdt_mailbox_post(&m, &a.task, 1));
	assert_false(rmdt_mailbox_post(&m, &a.task, 4));
	assert_true(rmdt_mailbox_post(&m, &b.task, 2));
	assert_int_equal(rmdt_mailbox_run(&m), 2);
	assert_int_equal(a.runs, 1);
	assert_int_equal(a.bits, 5);
	assert_int_equal(b.bits, 2);
	assert_int_equal(rmdt_mailbox_run(&m), 0);
	/* From inside its own run it is queued for the next one. */
	a.again = true;
	assert_true(rmdt_mailbox_post(&m, &a.task, 1));
	assert_int_equal(rmdt_mailbox_run(&m), 1);
	assert_int_equal(rmdt_mailbox_run(&m), 1);
	assert_int_equal(a.runs, 3);
	assert_int_equal(a.bits, 69);
	rmdt_mailbox_fini(&m);
}

/* The descriptor is written once per sleep, and only then. */
static void test_wake(void **state)
{
	struct rmdt_mailbox m;
	struct thing a;

	(void)state;
	assert_int_equal(rmdt_mailbox_init(&m), 0);
	thing_init(&a, &m);
	rmdt_mailbox_post(&m, &a.task, 1);
	assert_false(is_readable(m.fd));
	assert_false(rmdt_mailbox_may_sleep(&m));
	rmdt_mailbox_run(&m);
	assert_true(rmdt_mailbox_may_sleep(&m));
	rmdt_mailbox_post(&m, &a.task, 1);
	assert_true(is_readable(m.fd));
	rmdt_mailbox_wake(&m);
	rmdt_mailbox_clear(&m);
	assert_false(is_readable(m.fd));
	rmdt_mailbox_run(&m);
	rmdt_mailbox_poke(&m);
	assert_false(rmdt_mailbox_may_sleep(&m));
	assert_true(rmdt_mailbox_may_sleep(&m));
	rmdt_mailbox_poke(&m);
	assert_true(is_readable(m.fd));
	rmdt_mailbox_fini(&m);
}

struct poster {
	struct rmdt_mailbox *m;
	struct thing *things;
	_Atomic unsigned posted;
};

static void *post_all(void *ctx)
{
	struct poster *p = ctx;

	for (unsigned i = 0; i < 30000; i++) {
		if (rmdt_mailbox_post(p->m, &p->things[i % 7].task, 1u << i % 5))
			atomic_fetch_add(&p->posted, 1);
	}
	return NULL;
}

/* Three posters, one runner that sleeps when it can: every post that queued is run once. */
static void test_threads(void **state)
{
	struct rmdt_mailbox m;
	struct thing things[7];
	struct poster p = { .m = &m, .things = things };
	pthread_t id[3];
	unsigned runs = 0, idle = 0;

	(void)state;
	assert_int_equal(rmdt_mailbox_init(&m), 0);
	for (unsigned i = 0; i < 7; i++)
		thing_init(&things[i], &m);
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&id[i], NULL, post_all, &p);
	while (idle < 2) {
		if (rmdt_mailbox_may_sleep(&m)) {
			struct pollfd fd = { .fd = m.fd, .events = POLLIN };

			idle = poll(&fd, 1, 200) == 1 ? 0 : idle + 1;
			rmdt_mailbox_wake(&m);
			rmdt_mailbox_clear(&m);
		}
		rmdt_mailbox_run(&m);
	}
	for (unsigned i = 0; i < 3; i++)
		pthread_join(id[i], NULL);
	for (unsigned i = 0; i < 7; i++)
		runs += things[i].runs;
	assert_int_equal(runs, atomic_load(&p.posted));
	rmdt_mailbox_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

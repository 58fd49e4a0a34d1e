/* SPDX-License-Identifier: Apache-2.0 */
#include "io/wait.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/cancel.h"
#include "io/clock.h"

/* A condition with its waiters. */
struct box {
	pthread_mutex_t lock;
	struct rmdt_waiters waiters;
	unsigned tokens;
	unsigned order[16], n_order;
};

static void box_init(struct box *b)
{
	*b = (struct box){ .n_order = 0 };
	pthread_mutex_init(&b->lock, NULL);
}

static int take(struct box *b, unsigned name, int timeout_ms, struct rmdt_cancel *cancel)
{
	struct rmdt_patience p;
	struct rmdt_waiter me;
	int rc = 0;

	rmdt_patience_init(&p, timeout_ms, cancel);
	pthread_mutex_lock(&b->lock);
	rmdt_waiters_enter(&b->waiters, &me);
	while (!(b->tokens && b->waiters.first == &me) && !rc)
		rc = rmdt_waiter_sleep(&me, &b->lock, &p);
	if (!rc) {
		b->tokens--;
		b->order[b->n_order++] = name;
	}
	rmdt_waiters_leave(&b->waiters, &me);
	rmdt_waiters_wake_first(&b->waiters);
	pthread_mutex_unlock(&b->lock);
	return rc;
}

static void give(struct box *b, unsigned tokens)
{
	pthread_mutex_lock(&b->lock);
	b->tokens += tokens;
	rmdt_waiters_wake_first(&b->waiters);
	pthread_mutex_unlock(&b->lock);
}

static void test_ends(void **state)
{
	struct rmdt_cancel *cancel;
	struct box b;
	uint64_t t0;

	(void)state;
	box_init(&b);
	assert_int_equal(take(&b, 0, 0, NULL), -EAGAIN);
	t0 = rmdt_clock_us();
	assert_int_equal(take(&b, 0, 20, NULL), -ETIMEDOUT);
	assert_true(rmdt_clock_us() - t0 >= 20000);
	assert_int_equal(rmdt_cancel_new(&cancel), 0);
	assert_false(rmdt_cancel_is_fired(cancel));
	assert_int_equal(take(&b, 0, 10, cancel), -ETIMEDOUT);
	rmdt_cancel_fire(cancel);
	assert_int_equal(take(&b, 0, -1, cancel), -ECANCELED);
	assert_int_equal(take(&b, 0, 0, cancel), -ECANCELED);
	/* What is there already needs no wait, so it cannot be canceled. */
	give(&b, 1);
	assert_int_equal(take(&b, 7, -1, cancel), 0);
	assert_int_equal(b.order[0], 7);
	rmdt_cancel_free(cancel);
	rmdt_cancel_free(NULL);
	assert_false(rmdt_cancel_is_fired(NULL));
}

/* Who slept once and now wakes itself, as a side effect of its own look, sleeps all the same. */
static void test_own_wake(void **state)
{
	struct rmdt_patience p;
	struct rmdt_waiter me;
	struct box b;

	(void)state;
	box_init(&b);
	pthread_mutex_lock(&b.lock);
	rmdt_waiters_enter(&b.waiters, &me);
	rmdt_patience_init(&p, 1, NULL);
	assert_int_equal(rmdt_waiter_sleep(&me, &b.lock, &p), -ETIMEDOUT);
	rmdt_waiters_wake_first(&b.waiters);
	rmdt_patience_init(&p, 20, NULL);
	assert_int_equal(rmdt_waiter_sleep(&me, &b.lock, &p), -ETIMEDOUT);
	rmdt_waiters_leave(&b.waiters, &me);
	pthread_mutex_unlock(&b.lock);
}

struct thread_arg {
	struct box *b;
	unsigned name;
	struct rmdt_cancel *cancel;
	int rc;
};

static void *take_thread(void *ctx)
{
	struct thread_arg *a = ctx;

	a->rc = take(a->b, a->name, -1, a->cancel);
	return NULL;
}

static void await_waiters(struct box *b, unsigned count)
{
	unsigned n = 0;

	while (n < count) {
		n = 0;
		pthread_mutex_lock(&b->lock);
		for (struct rmdt_waiter *w = b->waiters.first; w; w = w->next)
			n += w->fd >= 0;
		pthread_mutex_unlock(&b->lock);
	}
}

/* First come, first served. */
static void test_order(void **state)
{
	struct thread_arg arg[5];
	pthread_t id[5];
	struct box b;

	(void)state;
	box_init(&b);
	for (unsigned i = 0; i < 5; i++) {
		arg[i] = (struct thread_arg){ .b = &b, .name = i };
		pthread_create(&id[i], NULL, take_thread, &arg[i]);
		await_waiters(&b, i + 1);
	}
	give(&b, 2);
	give(&b, 3);
	for (unsigned i = 0; i < 5; i++) {
		pthread_join(id[i], NULL);
		assert_int_equal(arg[i].rc, 0);
	}
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(b.order[i], i);
	assert_null(b.waiters.first);
}

static struct rmdt_cancel *signal_cancel;

static void on_signal(int sig)
{
	(void)sig;
	rmdt_cancel_fire(signal_cancel);
}

/* One cancel ends many waits; a signal handler may fire it; errno survives. */
static void test_cancel_many(void **state)
{
	struct thread_arg arg[3];
	pthread_t id[3];
	struct box b;

	(void)state;
	box_init(&b);
	assert_int_equal(rmdt_cancel_new(&signal_cancel), 0);
	for (unsigned i = 0; i < 3; i++) {
		arg[i] = (struct thread_arg){ .b = &b, .cancel = signal_cancel };
		pthread_create(&id[i], NULL, take_thread, &arg[i]);
	}
	await_waiters(&b, 3);
	signal(SIGUSR1, on_signal);
	errno = ENOENT;
	raise(SIGUSR1);
	assert_int_equal(errno, ENOENT);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(id[i], NULL);
		assert_int_equal(arg[i].rc, -ECANCELED);
	}
	rmdt_cancel_free(signal_cancel);
}

/* A great many wakes from one thread to another: none is lost. */
static void *giver(void *ctx)
{
	for (unsigned i = 0; i < 20000; i++)
		give(ctx, 1);
	return NULL;
}

static void test_no_lost_wake(void **state)
{
	struct box b;
	pthread_t id;

	(void)state;
	box_init(&b);
	pthread_create(&id, NULL, giver, &b);
	for (unsigned i = 0; i < 20000; i++) {
		b.n_order = 0;
		assert_int_equal(take(&b, 0, 5000, NULL), 0);
	}
	pthread_join(id, NULL);
	assert_int_equal(b.tokens, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_own_wake),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_cancel_many),
		cmocka_unit_test(test_no_lost_wake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/alarms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define N 200

struct bell {
	struct rmdt_alarm alarm;
	uint64_t set_us;		/* of the model */
	unsigned rings;
	uint64_t repeat_us;
};

static struct rmdt_alarms alarms;
static uint64_t last_rung_us;

static void ring(struct rmdt_alarm *alarm, uint64_t now_us)
{
	struct bell *b = (struct bell *)alarm;

	assert_true(alarm->at_us <= now_us);
	assert_true(alarm->at_us >= last_rung_us);
	last_rung_us = alarm->at_us;
	b->rings++;
	b->set_us = RMDT_ALARM_NEVER;
	if (b->repeat_us) {
		b->set_us = now_us + b->repeat_us;
		rmdt_alarms_set(&alarms, alarm, b->set_us);
	}
}

static void test_few(void **state)
{
	struct bell a = { .alarm.ring = ring }, b = { .alarm.ring = ring, .repeat_us = 10 };

	(void)state;
	assert_int_equal(rmdt_alarms_next_us(&alarms), RMDT_ALARM_NEVER);
	rmdt_alarms_set(&alarms, &a.alarm, 50);
	rmdt_alarms_set(&alarms, &b.alarm, 20);
	rmdt_alarms_set(&alarms, &a.alarm, 10);
	assert_int_equal(rmdt_alarms_next_us(&alarms), 10);
	rmdt_alarms_set(&alarms, &a.alarm, RMDT_ALARM_NEVER);
	assert_int_equal(rmdt_alarms_next_us(&alarms), 20);
	rmdt_alarms_ring(&alarms, 19);
	assert_int_equal(b.rings, 0);
	rmdt_alarms_ring(&alarms, 20);
	assert_int_equal(b.rings, 1);
	assert_int_equal(rmdt_alarms_next_us(&alarms), 30);
	rmdt_alarms_clear(&alarms, &b.alarm);
	rmdt_alarms_clear(&alarms, &b.alarm);
	assert_int_equal(rmdt_alarms_next_us(&alarms), RMDT_ALARM_NEVER);
}

static uint64_t model_next(const struct bell *bells)
{
	uint64_t next = RMDT_ALARM_NEVER;

	for (unsigned i = 0; i < N; i++)
		next = bells[i].set_us < next ? bells[i].set_us : next;
	return next;
}

/* Against a plain array. */
static void test_model(void **state)
{
	static struct bell bells[N];
	unsigned seed = 1;
	uint64_t now = 0;

	(void)state;
	last_rung_us = 0;
	for (unsigned i = 0; i < N; i++)
		bells[i] = (struct bell){ .alarm.ring = ring, .set_us = RMDT_ALARM_NEVER };
	for (unsigned step = 0; step < 50000; step++) {
		struct bell *b = &bells[(unsigned)rand_r(&seed) % N];

		switch ((unsigned)rand_r(&seed) % 4) {
		case 0:
			b->set_us = RMDT_ALARM_NEVER;
			rmdt_alarms_clear(&alarms, &b->alarm);
			break;
		case 1:
			now += (unsigned)rand_r(&seed) % 30;
			rmdt_alarms_ring(&alarms, now);
			assert_true(model_next(bells) > now);
			break;
		default:
			b->set_us = now + 1 + (unsigned)rand_r(&seed) % 500;
			rmdt_alarms_set(&alarms, &b->alarm, b->set_us);
		}
		assert_int_equal(rmdt_alarms_next_us(&alarms), model_next(bells));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

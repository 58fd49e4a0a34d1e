/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/cookie.h"

#define BUCKET RMDT_COOKIE_BUCKET_US
#define START (UINT64_C(1000) * BUCKET)

static const uint8_t secrets[4][RMDT_COOKIE_SECRET_BYTES] = { { 1 }, { 2 }, { 3 }, { 4 } };

struct parts {
	uint8_t addr[6];
	uint8_t message[40];
	uint8_t cid[8];
};

static const struct parts usual = { { 192, 0, 2, 1, 9, 8 }, "first message", "cid" };

static struct rmdt_cookie_bind bind_of(const struct parts *p)
{
	return (struct rmdt_cookie_bind){
		p->addr, sizeof p->addr, p->message, sizeof p->message, p->cid, sizeof p->cid,
	};
}

static void test_good(void **state)
{
	const struct rmdt_cookie_bind bind = bind_of(&usual);
	uint8_t cookie[RMDT_COOKIE_BYTES];
	struct rmdt_cookie c;

	(void)state;
	rmdt_cookie_init(&c, secrets[0], START);
	assert_int_equal(rmdt_cookie_make(&c, &bind, START, cookie), 0);
	assert_true(rmdt_cookie_verify(&c, &bind, START, cookie, sizeof cookie));
	/* Good to the end of the next bucket, stale after, and not from the future. */
	assert_true(rmdt_cookie_verify(&c, &bind, START + 2 * BUCKET - 1, cookie, sizeof cookie));
	assert_false(rmdt_cookie_verify(&c, &bind, START + 2 * BUCKET, cookie, sizeof cookie));
	assert_false(rmdt_cookie_verify(&c, &bind, START + 1000 * BUCKET, cookie, sizeof cookie));
	assert_false(rmdt_cookie_verify(&c, &bind, START - 1, cookie, sizeof cookie));
	rmdt_cookie_fini(&c);
}

static void test_tampering(void **state)
{
	const struct rmdt_cookie_bind bind = bind_of(&usual);
	uint8_t cookie[RMDT_COOKIE_BYTES + 1];
	struct rmdt_cookie c;

	(void)state;
	rmdt_cookie_init(&c, secrets[0], START);
	assert_int_equal(rmdt_cookie_make(&c, &bind, START, cookie), 0);
	for (size_t i = 0; i < 8 * RMDT_COOKIE_BYTES; i++) {
		cookie[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_false(rmdt_cookie_verify(&c, &bind, START, cookie, RMDT_COOKIE_BYTES));
		assert_false(rmdt_cookie_verify(&c, &bind, START + BUCKET, cookie,
						RMDT_COOKIE_BYTES));
		cookie[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t len = 0; len <= sizeof cookie; len++)
		assert_int_equal(rmdt_cookie_verify(&c, &bind, START, cookie, len),
				 len == RMDT_COOKIE_BYTES);
	rmdt_cookie_fini(&c);
}

/* Each byte of address, message and id counts, and so does where one ends and the next begins. */
static void test_binding(void **state)
{
	const struct rmdt_cookie_bind bind = bind_of(&usual);
	struct rmdt_cookie_bind other;
	uint8_t cookie[RMDT_COOKIE_BYTES];
	struct parts changed = usual;
	uint8_t *bytes = (uint8_t *)&changed;
	struct rmdt_cookie c, d;

	(void)state;
	rmdt_cookie_init(&c, secrets[0], START);
	assert_int_equal(rmdt_cookie_make(&c, &bind, START, cookie), 0);
	for (size_t i = 0; i < sizeof changed; i++) {
		bytes[i] ^= 1;
		other = bind_of(&changed);
		assert_false(rmdt_cookie_verify(&c, &other, START, cookie, sizeof cookie));
		bytes[i] ^= 1;
	}
	other = bind;
	other.addr_len--;
	assert_false(rmdt_cookie_verify(&c, &other, START, cookie, sizeof cookie));
	/* The same bytes in a row, cut elsewhere: addr and cid are neighbours in the HMAC. */
	other = bind;
	{
		uint8_t row[sizeof usual.addr + sizeof usual.cid];

		memcpy(row, usual.addr, sizeof usual.addr);
		memcpy(row + sizeof usual.addr, usual.cid, sizeof usual.cid);
		other.addr = row;
		other.addr_len = sizeof usual.addr + 1;
		other.cid = row + other.addr_len;
		other.cid_len = sizeof usual.cid - 1;
		assert_false(rmdt_cookie_verify(&c, &other, START, cookie, sizeof cookie));
	}
	rmdt_cookie_init(&d, secrets[1], START);
	assert_false(rmdt_cookie_verify(&d, &bind, START, cookie, sizeof cookie));
}

static void test_rotation(void **state)
{
	const struct rmdt_cookie_bind bind = bind_of(&usual);
	const uint64_t later = START + RMDT_COOKIE_SECRET_US;
	uint8_t old[RMDT_COOKIE_BYTES], fresh[RMDT_COOKIE_BYTES];
	struct rmdt_cookie c;

	(void)state;
	rmdt_cookie_init(&c, secrets[0], START);
	assert_false(rmdt_cookie_wants_secret(&c, later - 1));
	assert_true(rmdt_cookie_wants_secret(&c, later));
	assert_int_equal(rmdt_cookie_make(&c, &bind, later, old), 0);
	rmdt_cookie_rotate(&c, secrets[1], later);
	assert_false(rmdt_cookie_wants_secret(&c, later));
	assert_int_equal(rmdt_cookie_make(&c, &bind, later, fresh), 0);
	assert_memory_not_equal(old, fresh, sizeof old);
	assert_true(rmdt_cookie_verify(&c, &bind, later, old, sizeof old));
	assert_true(rmdt_cookie_verify(&c, &bind, later, fresh, sizeof fresh));
	rmdt_cookie_rotate(&c, secrets[2], later);
	assert_false(rmdt_cookie_verify(&c, &bind, later, old, sizeof old));
	assert_true(rmdt_cookie_verify(&c, &bind, later, fresh, sizeof fresh));
	rmdt_cookie_fini(&c);
}

/* Before the first rotation the slot of the last secret holds zeros: nobody may use them. */
static void test_no_last_secret(void **state)
{
	static const uint8_t zeros[RMDT_COOKIE_SECRET_BYTES];
	const struct rmdt_cookie_bind bind = bind_of(&usual);
	uint8_t cookie[RMDT_COOKIE_BYTES];
	struct rmdt_cookie forger, c;

	(void)state;
	rmdt_cookie_init(&forger, zeros, START);
	forger.number = UINT32_MAX;
	memcpy(forger.secret[1], zeros, sizeof zeros);
	assert_int_equal(rmdt_cookie_make(&forger, &bind, START, cookie), 0);
	rmdt_cookie_init(&c, secrets[0], START);
	assert_false(rmdt_cookie_verify(&c, &bind, START, cookie, sizeof cookie));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_tampering),
		cmocka_unit_test(test_binding),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_no_last_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets over loopback: batches, segmentation, refusals; and addresses and names, which they are opened with. */
#include "io/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/address.h"
#include "io/resolve.h"
#include "io/route.h"

static struct rmdt_addr v4(const char *text, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct rmdt_addr addr;

	assert_int_equal(inet_pton(AF_INET, text, &sin.sin_addr), 1);
	assert_true(rmdt_address_set(&addr, (struct sockaddr *)&sin, sizeof(sin)));
	return addr;
}

static struct rmdt_addr v6(const char *text, uint16_t port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_flowinfo = 77 };
	struct rmdt_addr addr;

	assert_int_equal(inet_pton(AF_INET6, text, &sin6.sin6_addr), 1);
	assert_true(rmdt_address_set(&addr, (struct sockaddr *)&sin6, sizeof(sin6)));
	return addr;
}

static void test_address(void **state)
{
	struct rmdt_addr a = v4("192.0.2.7", 2312), mapped = v6("::ffff:192.0.2.7", 2312), b = v6("2001:db8::1", 1);
	char text[RMDT_ADDRESS_TEXT_BYTES];
	struct sockaddr_storage ss;
	struct rmdt_trust_addr trust;

	(void)state;
	assert_true(rmdt_addr_equal(&a, &mapped));
	assert_memory_equal(&a, &mapped, sizeof(a));
	assert_string_equal(rmdt_address_format(&a, text), "192.0.2.7:2312");
	assert_string_equal(rmdt_address_format(&b, text), "[2001:db8::1]:1");
	assert_int_equal(rmdt_address_port(&b), 1);
	assert_int_equal(rmdt_address_overhead(&a), 28);
	assert_int_equal(rmdt_address_payload_max(&b), 65487);
	assert_int_equal(rmdt_address_get(&b, AF_INET, &ss), 0);
	assert_int_equal(rmdt_address_get(&a, AF_INET6, &ss), sizeof(struct sockaddr_in6));
	assert_true(rmdt_address_set(&b, (struct sockaddr *)&ss, sizeof(ss)));
	assert_true(rmdt_addr_equal(&a, &b));
	rmdt_address_trust(&a, &trust);
	assert_int_equal(trust.version, 4);
	assert_memory_equal(trust.bytes, "\xc0\x00\x02\x07", 4);
	ss.ss_family = AF_UNIX;
	assert_false(rmdt_address_set(&b, (struct sockaddr *)&ss, sizeof(ss)));
}

struct pair {
	struct rmdt_udp a, b;
	struct rmdt_addr to_b;
	struct rmdt_outbox out;
	struct rmdt_inbox in;
	unsigned ecn;			/* two bits that must arrive */
};

static void open_pair(struct pair *p, bool gso, bool gro)
{
	struct rmdt_udp_options opt = { .buffer_bytes = 4 << 20, .gso = gso, .gro = gro };

	assert_int_equal(rmdt_udp_open(&p->a, &opt), 0);
	assert_int_equal(rmdt_udp_open(&p->b, &opt), 0);
	assert_int_not_equal(p->a.port, 0);
	p->to_b = v4("127.0.0.1", p->b.port);
	assert_int_equal(rmdt_outbox_init(&p->out), 0);
	assert_int_equal(rmdt_inbox_init(&p->in), 0);
	p->ecn = 0;
}

static void close_pair(struct pair *p)
{
	rmdt_outbox_fini(&p->out);
	rmdt_inbox_fini(&p->in);
	rmdt_udp_close(&p->a);
	rmdt_udp_close(&p->b);
}

static struct rmdt_train *load(struct pair *p, size_t len, size_t segment)
{
	struct rmdt_train *t = &p->out.train[p->out.n++];

	for (size_t i = 0; i < len; i++)
		t->buf[i] = (uint8_t)(i + p->out.n);
	t->len = len;
	t->segment = segment;
	t->to = p->to_b;
	t->ect = p->ecn != 0;
	return t;
}

/* Receives until so many bytes came; how many datagrams they were. Checks sender and content of whole trains. */
static size_t collect(struct pair *p, size_t bytes)
{
	struct pollfd fd = { .fd = p->b.fd, .events = POLLIN };
	struct rmdt_addr from = v4("127.0.0.1", p->a.port);
	size_t got = 0, datagrams = 0;

	while (got < bytes) {
		assert_int_equal(poll(&fd, 1, 5000), 1);
		for (size_t i = 0, n = rmdt_udp_receive(&p->b, &p->in); i < n; i++) {
			assert_true(rmdt_addr_equal(&p->in.got[i].from, &from));
			assert_int_equal(p->in.got[i].ecn, p->ecn);
			datagrams += (p->in.got[i].len + p->in.got[i].segment - 1) / p->in.got[i].segment;
			got += p->in.got[i].len;
		}
	}
	assert_int_equal(got, bytes);
	assert_int_equal(rmdt_udp_receive(&p->b, &p->in), 0);
	return datagrams;
}

static void transfer(bool gso, bool gro)
{
	struct pair p;

	open_pair(&p, gso, gro);
	load(&p, 63 * 1000 + 17, 1000);
	load(&p, 1200, 1200);
	load(&p, 5, 9);
	load(&p, 20000, 200);		/* more segments than one call takes */
	load(&p, 65507, 65507);
	assert_int_equal(rmdt_udp_send(&p.a, &p.out), 0);
	for (size_t i = 0; i < p.out.n; i++)
		assert_int_equal(p.out.error[i], 0);
	assert_int_equal(collect(&p, 63017 + 1200 + 5 + 20000 + 65507), 64 + 1 + 1 + 100 + 1);
	close_pair(&p);
}

/* Marked and not marked, in one call; segmented and not; to an IPv4 and an IPv6 address from one socket. */
static void test_marks(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		struct pair p;

		(void)state;
		open_pair(&p, i & 1, i & 2);
		if (i & 4)
			p.to_b = v6("::1", p.b.port);
		for (unsigned ect = 0; ect < 3; ect++) {
			load(&p, 2500, 1000)->ect = ect == 1;
			load(&p, 700, 700)->ect = ect == 1;
		}
		assert_int_equal(rmdt_udp_send(&p.a, &p.out), 0);
		for (unsigned got = 0, ecn; got < 3 * 3200;) {
			struct pollfd fd = { .fd = p.b.fd, .events = POLLIN };

			assert_int_equal(poll(&fd, 1, 5000), 1);
			for (size_t k = 0, n = rmdt_udp_receive(&p.b, &p.in); k < n; k++) {
				ecn = got >= 3200 && got < 6400 ? 2 : 0;
				assert_int_equal(p.in.got[k].ecn, ecn);
				got += (unsigned)p.in.got[k].len;
			}
		}
		close_pair(&p);
	}
}

static void test_transfer(void **state)
{
	(void)state;
	transfer(true, true);
	transfer(true, false);
	transfer(false, true);
	transfer(false, false);
}

static void exchange(struct rmdt_udp *from, struct rmdt_outbox *out, const struct rmdt_addr *at, struct rmdt_udp *to,
		     struct rmdt_inbox *in)
{
	struct pollfd fd = { .fd = to->fd, .events = POLLIN };

	rmdt_outbox_clear(out);
	out->n = 1;
	out->train[0].len = 2500;
	out->train[0].segment = 1000;
	out->train[0].to = *at;
	assert_int_equal(rmdt_udp_send(from, out), 0);
	assert_int_equal(out->error[0], 0);
	assert_int_equal(poll(&fd, 1, 5000), 1);
	assert_int_equal(rmdt_udp_receive(to, in), 1);
}

/* A small one: who does the other end see? */
static struct rmdt_addr sender_of_one(struct rmdt_udp *from, const struct rmdt_addr *at, struct rmdt_udp *to,
				      struct rmdt_inbox *in)
{
	struct pollfd fd = { .fd = to->fd, .events = POLLIN };

	assert_int_equal(rmdt_udp_send_one(from, "reject", 6, at), 0);
	assert_int_equal(poll(&fd, 1, 5000), 1);
	assert_int_equal(rmdt_udp_receive(to, in), 1);
	return in->got[0].from;
}

/* An answer leaves from the address that was asked, of an IPv6 and of an IPv4 socket; from any when that has gone. */
static void test_local_address(void **state)
{
	struct sockaddr_in any = { .sin_family = AF_INET };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct rmdt_udp_options opt = { .buffer_bytes = 1 << 20, .gso = true, .gro = true };
		struct rmdt_addr asked, answer, seen;
		struct rmdt_udp b;
		struct pair p;

		open_pair(&p, true, true);
		if (i == 1)
			opt.bind = (struct sockaddr *)&any;
		assert_int_equal(rmdt_udp_open(&b, &opt), 0);
		asked = v4("127.0.0.77", b.port);
		exchange(&p.a, &p.out, &asked, &b, &p.in);
		answer = p.in.got[0].from;
		exchange(&b, &p.out, &answer, &p.a, &p.in);
		assert_true(rmdt_addr_equal(&p.in.got[0].from, &asked));
		seen = sender_of_one(&b, &answer, &p.a, &p.in);
		assert_true(rmdt_addr_equal(&seen, &asked));

		memcpy(answer.local + 12, "\xc0\x00\x02\x09", 4);
		exchange(&b, &p.out, &answer, &p.a, &p.in);
		assert_false(rmdt_addr_equal(&p.in.got[0].from, &asked));
		memcpy(answer.local + 12, "\xc0\x00\x02\x09", 4);
		seen = sender_of_one(&b, &answer, &p.a, &p.in);
		assert_false(rmdt_addr_equal(&seen, &asked));
		rmdt_udp_close(&b);
		close_pair(&p);
	}
}

/* Segmentation that the kernel refuses on this socket (it will not do it without checksums) costs nothing but itself. */
static void test_refused(void **state)
{
	struct pair p;
	int one = 1;

	(void)state;
	open_pair(&p, true, true);
	assert_true(atomic_load(&p.a.gso));
	assert_int_equal(setsockopt(p.a.fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one)), 0);
	load(&p, 1200, 1200);
	load(&p, 63 * 1000 + 17, 1000);
	load(&p, 3000, 1000);
	assert_int_equal(rmdt_udp_send(&p.a, &p.out), 0);
	for (size_t i = 0; i < p.out.n; i++)
		assert_int_equal(p.out.error[i], 0);
	assert_int_equal(collect(&p, 1200 + 63017 + 3000), 1 + 64 + 3);
	assert_false(atomic_load(&p.a.gso));
	close_pair(&p);
}

/* One train that cannot go does not hold up the others, and segmentation stays in use. */
static void test_too_big(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, true, true);
	load(&p, 3000, 1000);
	load(&p, 65530, 65530);
	load(&p, 3000, 1000);
	load(&p, 500, 500)->to = v4("255.255.255.255", 9);	/* needs a permission that the socket lacks */
	load(&p, 3000, 1000);
	assert_int_equal(rmdt_udp_send(&p.a, &p.out), 0);
	assert_int_equal(p.out.error[0], 0);
	assert_int_equal(p.out.error[1], -EMSGSIZE);
	assert_int_equal(p.out.error[2], 0);
	assert_int_not_equal(p.out.error[3], 0);
	assert_int_equal(p.out.error[4], 0);
	assert_int_equal(collect(&p, 9000), 9);
	close_pair(&p);
}

/* A full socket says so, and the rest goes later; nothing is sent twice. */
static void test_blocked(void **state)
{
	size_t bytes = 0, datagrams = 0, got = 0;
	struct pair p;
	bool more = true;

	(void)state;
	open_pair(&p, true, true);
	while (more || p.out.at < p.out.n) {
		if (p.out.at == p.out.n) {
			rmdt_outbox_clear(&p.out);
			while (p.out.n < RMDT_OUTBOX_TRAINS) {
				load(&p, 60000, 1000);
				bytes += 60000;
			}
			more = bytes < 3000000;
		}
		(void)rmdt_udp_send(&p.a, &p.out);
		for (size_t n = 1; n > 0;) {
			n = rmdt_udp_receive(&p.b, &p.in);
			for (size_t i = 0; i < n; i++) {
				got += p.in.got[i].len;
				datagrams += p.in.got[i].len / p.in.got[i].segment;
			}
		}
	}
	assert_int_equal(got, bytes);
	assert_int_equal(datagrams, bytes / 1000);
	close_pair(&p);
}

static void test_port_taken(void **state)
{
	struct rmdt_udp a, b;
	struct rmdt_udp_options opt = { .buffer_bytes = 1 << 20 };

	(void)state;
	assert_int_equal(rmdt_udp_open(&a, &opt), 0);
	opt.port = a.port;
	assert_int_equal(rmdt_udp_open(&b, &opt), -EADDRINUSE);
	rmdt_udp_close(&a);
	opt.shared = true;
	assert_int_equal(rmdt_udp_open(&a, &opt), 0);
	assert_int_equal(rmdt_udp_open(&b, &opt), 0);
	opt.shared = false;
	rmdt_udp_close(&b);
	assert_int_equal(rmdt_udp_open(&b, &opt), -EADDRINUSE);
	rmdt_udp_close(&a);
}

/* The top byte of the connection id picks the socket. */
static void test_steer(void **state)
{
	struct rmdt_udp_options opt = { .buffer_bytes = 1 << 20 };
	struct rmdt_udp s[3], from;
	struct rmdt_outbox out;
	struct rmdt_inbox in;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rmdt_udp_open(&s[i], &opt), 0);
		if (i == 0)
			assert_int_equal(rmdt_udp_share(&s[0]), 0);
		opt.port = s[0].port;
		opt.shared = true;
	}
	if (rmdt_udp_steer(&s[0], 3))
		skip();
	assert_int_equal(rmdt_outbox_init(&out), 0);
	assert_int_equal(rmdt_inbox_init(&in), 0);
	opt = (struct rmdt_udp_options){ .buffer_bytes = 1 << 20 };
	assert_int_equal(rmdt_udp_open(&from, &opt), 0);
	for (unsigned cid = 0; cid < 7; cid++) {
		unsigned want = cid ? (cid - 1) % 3 : 5 % 3;
		struct rmdt_train *t = &out.train[0];
		struct pollfd fd = { .fd = s[want].fd, .events = POLLIN };

		memset(t->buf, 0, 40);
		t->buf[1] = (uint8_t)cid;
		t->buf[8] = 5;
		t->len = t->segment = 40;
		t->to = v4("127.0.0.1", s[0].port);
		out.n = 1;
		assert_int_equal(rmdt_udp_send(&from, &out), 0);
		rmdt_outbox_clear(&out);
		assert_int_equal(poll(&fd, 1, 5000), 1);
		assert_int_equal(rmdt_udp_receive(&s[want], &in), 1);
	}
	for (int i = 0; i < 3; i++)
		rmdt_udp_close(&s[i]);
	rmdt_udp_close(&from);
	rmdt_outbox_fini(&out);
	rmdt_inbox_fini(&in);
}

static void test_route(void **state)
{
	struct rmdt_addr lo = v4("127.0.0.1", 9);
	uint32_t mtu = 0;

	(void)state;
	assert_int_equal(rmdt_route_mtu(&lo, &mtu), 0);
	assert_in_range(mtu, 1280, 65536);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void on_done(void *ctx)
{
	pthread_mutex_lock(&lock);
	++*(unsigned *)ctx;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

static void test_resolve(void **state)
{
	struct rmdt_resolve_result result;
	struct rmdt_addr want = v4("127.0.0.1", 99);
	struct rmdt_resolve *r;
	unsigned done = 0;

	(void)state;
	/* A number is answered before start returns. */
	assert_int_equal(rmdt_resolve_start("127.0.0.1", 99, on_done, &done, &r), 0);
	assert_int_equal(done, 1);
	rmdt_resolve_result(r, &result);
	assert_int_equal(result.n, 1);
	assert_true(rmdt_addr_equal(&result.addr[0], &want));
	rmdt_resolve_cancel(r);
	assert_int_equal(rmdt_resolve_start("localhost", 99, on_done, &done, &r), 0);
	pthread_mutex_lock(&lock);
	while (done < 2)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	rmdt_resolve_result(r, &result);
	assert_true(result.n >= 1);
	rmdt_resolve_cancel(r);
	/* Canceled before it is answered: never called. */
	assert_int_equal(rmdt_resolve_start("no-such-host.invalid", 99, on_done, &done, &r), 0);
	rmdt_resolve_cancel(r);
	rmdt_resolve_cancel(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_transfer),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_local_address),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_port_taken),
		cmocka_unit_test(test_steer),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_resolve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

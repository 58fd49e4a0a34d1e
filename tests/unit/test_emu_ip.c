/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "tests/lab/emu_ip.h"
#include "tests/lab/emu_link.h"

#define UDP 17
#define TCP 6
#define MTU 1500

static uint64_t rng = 5;

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Written another way than in the code under test: byte by byte. */
static uint16_t sum_of(const uint8_t *p, size_t bytes, uint32_t sum)
{
	for (size_t i = 0; i < bytes; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum > 0xffff)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

static size_t l4_of(const uint8_t *pkt)
{
	return pkt[0] >> 4 == 4 ? 20 : 40;
}

/* The whole checksum over pseudo header and layer 4 is all ones when it is right. */
static bool csum_good(const uint8_t *pkt, size_t bytes)
{
	size_t l4 = l4_of(pkt);
	uint32_t pseudo = l4 == 20 ? sum_of(pkt + 12, 8, pkt[9]) : sum_of(pkt + 8, 32, pkt[6]);

	if (l4 == 20 && sum_of(pkt, 20, 0) != 0xffff)
		return false;
	return sum_of(pkt + l4, bytes - l4, pseudo + (uint32_t)(bytes - l4)) == 0xffff;
}

/* A packet from host 1 to host 2 with random payload and an open checksum, as the kernel hands it
 * over. */
static size_t make(uint8_t *pkt, int version, int proto, size_t payload, struct emu_csum *csum)
{
	size_t l4 = version == 4 ? 20 : 40, header = proto == UDP ? 8 : 32,
	       bytes = l4 + header + payload;

	memset(pkt, 0, l4 + header);
	if (version == 4) {
		pkt[0] = 0x45;
		put16(pkt + 2, bytes);
		put16(pkt + 4, 0xfffe);
		put16(pkt + 6, 0x4000);
		pkt[8] = 64;
		pkt[9] = (uint8_t)proto;
		memcpy(pkt + 12, (uint8_t[]) { 10, 77, 0, 1, 10, 77, 0, 2 }, 8);
		put16(pkt + 10, (uint16_t)~sum_of(pkt, 20, 0));
	} else {
		pkt[0] = 0x60;
		put16(pkt + 4, bytes - 40);
		pkt[6] = (uint8_t)proto;
		pkt[7] = 64;
		pkt[8] = pkt[24] = 0xfd;
		pkt[9] = pkt[25] = 0x77;
		pkt[23] = 1;
		pkt[39] = 2;
	}
	put16(pkt + l4, 1111);
	put16(pkt + l4 + 2, 2222);
	if (proto == UDP) {
		put16(pkt + l4 + 4, 8 + payload);
	} else {
		memset(pkt + l4 + 4, 0xff, 4); /* the sequence number wraps */
		pkt[l4 + 12] = 8 << 4;
		pkt[l4 + 13] = 0x10;
	}
	for (size_t i = l4 + header; i < bytes; i++)
		pkt[i] = (uint8_t)emu_random(&rng);
	uint32_t pseudo = version == 4 ? sum_of(pkt + 12, 8, (uint32_t)proto)
	                               : sum_of(pkt + 8, 32, (uint32_t)proto);

	*csum = (struct emu_csum) { (uint16_t)l4, proto == UDP ? 6 : 16 };
	put16(pkt + l4 + csum->offset, sum_of(NULL, 0, pseudo + (uint32_t)(bytes - l4)));
	return bytes;
}

static void test_parse(void **state)
{
	uint8_t pkt[MTU];
	struct emu_csum csum;
	struct emu_ip ip;

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		size_t to = version == 4 ? 19 : 39, bytes = make(pkt, version, UDP, 100, &csum);

		assert_int_equal(emu_ip_parse(pkt, bytes, &ip), 0);
		assert_int_equal(ip.version, version);
		assert_int_equal(ip.to, 2);
		assert_int_equal(ip.payload_off, l4_of(pkt) + 8);
		assert_int_equal(emu_ip_parse(pkt, bytes - 1, &ip), -EBADMSG);
		assert_int_equal(emu_ip_parse(pkt, bytes + 1, &ip), -EBADMSG);
		assert_int_equal(emu_ip_parse(pkt, 0, &ip), -EBADMSG);
		pkt[to] = 0;
		assert_int_equal(emu_ip_parse(pkt, bytes, &ip), 0);
		assert_int_equal(ip.to, -1);
		pkt[to] = EMU_HOSTS_MAX + 1;
		assert_int_equal(emu_ip_parse(pkt, bytes, &ip), 0);
		assert_int_equal(ip.to, -1);
		pkt[to] = 3;
		pkt[to - (version == 4 ? 1 : 2)] = 9; /* another address of host 3 */
		assert_int_equal(emu_ip_parse(pkt, bytes, &ip), 0);
		assert_int_equal(ip.to, 3);
		pkt[to - 1 - (size_t)(version == 4)] ^= 1;
		assert_int_equal(emu_ip_parse(pkt, bytes, &ip), 0);
		assert_int_equal(ip.to, -1);
	}
	make(pkt, 4, UDP, 100, &csum);
	pkt[6] = 0x20; /* the first fragment shows ports, but its checksum is of more than is there
	                */
	assert_int_equal(emu_ip_parse(pkt, 128, &ip), 0);
	assert_int_equal(ip.payload_off, ip.l4_off);
}

static void test_parse_garbage(void **state)
{
	struct emu_ip ip;
	struct emu_csum csum;
	struct emu_split split;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		size_t bytes = emu_random(&rng) % 80;
		uint8_t *pkt = malloc(bytes + 1),
			out[MTU]; /* its own block, so that an overrun shows */

		for (size_t k = 0; k < bytes; k++)
			pkt[k] = (uint8_t)emu_random(&rng);
		if (bytes > 40) { /* often nearly right */
			pkt[0] = i & 1 ? 0x45 : 0x60;
			put16(pkt + (i & 1 ? 2 : 4), i & 1 ? bytes : bytes - 40);
			pkt[i & 1 ? 9 : 6] = i & 2 ? UDP : TCP;
			put16(pkt + 6, i & 1 ? 0 : pkt[6] << 8);
		}
		if (emu_ip_parse(pkt, bytes, &ip) == 0) {
			assert_true(ip.l4_off <= ip.payload_off && ip.payload_off <= bytes);
			emu_ip_set_ecn(pkt, &ip, 3);
			csum = (struct emu_csum) { 0, 0 };
			emu_ip_corrupt(pkt, bytes, &csum, true, (uint64_t)i);
			if (emu_split_init(&split, pkt, bytes, 7) == 0) {
				while (emu_split_next(&split, out, sizeof(out), &csum) > 0)
					;
			}
		}
		free(pkt);
	}
}

static void test_mark(void **state)
{
	uint8_t pkt[MTU];
	struct emu_csum csum;
	struct emu_ip ip;

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		size_t bytes = make(pkt, version, UDP, 50, &csum);

		assert_int_equal(emu_ip_parse(pkt, bytes, &ip), 0);
		assert_int_equal(ip.ecn, 0);
		emu_ip_set_ecn(pkt, &ip, 3);
		assert_int_equal(emu_ip_parse(pkt, bytes, &ip), 0);
		assert_int_equal(ip.ecn, 3);
		emu_ip_set_ecn(pkt, &ip, 1);
		assert_int_equal(emu_ip_parse(pkt, bytes, &ip), 0);
		assert_int_equal(ip.ecn, 1);
		emu_ip_csum_finish(pkt, bytes, &csum);
		assert_true(csum_good(pkt, bytes));
	}
}

static void test_corrupt(void **state)
{
	uint8_t pkt[MTU], before[MTU];
	struct emu_csum csum;

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		int version = i & 1 ? 4 : 6, proto = i & 2 ? UDP : TCP;
		bool fix = i & 4;
		size_t bytes = make(pkt, version, proto, 1 + i % 1400, &csum);
		size_t payload = l4_of(pkt) + (proto == UDP ? 8 : 32);
		int bits = 0;

		memcpy(before, pkt, bytes);
		assert_true(emu_ip_corrupt(pkt, bytes, &csum, fix, i));
		assert_int_equal(csum.start, 0);
		assert_memory_equal(pkt, before, l4_of(pkt) + 4);
		for (size_t k = payload; k < bytes; k++)
			bits += __builtin_popcount(pkt[k] ^ before[k]);
		assert_in_range(bits, 1, 8);
		assert_int_equal(csum_good(pkt, bytes), fix && proto == UDP);
	}
	size_t bytes = make(pkt, 4, UDP, 0, &csum);

	assert_false(emu_ip_corrupt(pkt, bytes, &csum, true, 1));
}

/* Cut a super-packet, check every part as a receiver would, and join the parts again: the payload
 * is the same. */
static void split_and_join(int version, int proto, size_t payload, uint16_t gso_bytes)
{
	static uint8_t super[70000], parts[64][MTU], back[70000];
	struct emu_csum csum, csums[64];
	size_t bytes[64], n = 0, total = 0,
			  super_bytes = make(super, version, proto, payload, &csum);
	size_t header = l4_of(super) + (proto == UDP ? 8 : 32), at = 0;
	struct emu_split split;
	struct emu_join join;
	int len;

	if (proto == TCP)
		super[l4_of(super) + 13] |= 0x88; /* PSH is for the last, CWR for the first */
	assert_int_equal(emu_split_init(&split, super, super_bytes, gso_bytes), 0);
	while ((len = emu_split_next(&split, parts[n], MTU, &csums[n])) > 0) {
		struct emu_ip ip;
		struct emu_csum open = csums[n];
		uint8_t whole[MTU];

		bytes[n] = (size_t)len;
		assert_int_equal(emu_ip_parse(parts[n], bytes[n], &ip), 0);
		memcpy(whole, parts[n], bytes[n]);
		emu_ip_csum_finish(whole, bytes[n], &open);
		assert_true(csum_good(whole, bytes[n]));
		if (proto == TCP) {
			assert_int_equal(whole[l4_of(whole) + 13] & 0x80, n == 0 ? 0x80 : 0);
			assert_int_equal(whole[l4_of(whole) + 13] & 0x08,
			                 total + bytes[n] - header == payload ? 8 : 0);
			parts[n][l4_of(whole) + 13] &= 0x7f; /* it would stand alone */
		}
		total += bytes[n] - header;
		n++;
	}
	assert_int_equal(len, 0);
	assert_int_equal(total, payload);
	assert_int_equal(n, (payload + gso_bytes - 1) / gso_bytes);

	assert_true(emu_join_first(&join, parts[0], bytes[0], &csums[0]));
	for (size_t i = 1; i < n; i++)
		assert_true(emu_join_next(&join, parts[i], bytes[i], &csums[i]));
	emu_join_finish(&join);
	assert_int_equal(join.payload_bytes, payload);
	assert_int_equal(join.gso_bytes, n > 1 ? gso_bytes : payload);
	memcpy(back, join.header, header);
	for (size_t i = 0; i < n; i++) {
		memcpy(back + header + at, parts[i] + header, bytes[i] - header);
		at += bytes[i] - header;
	}
	if (proto == TCP)
		super[l4_of(super) + 13] &= 0x7f;
	assert_memory_equal(back, super, super_bytes);
}

static void test_split_and_join(void **state)
{
	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		for (int proto = TCP; proto <= UDP; proto += UDP - TCP) {
			split_and_join(version, proto, 1, 1000);
			split_and_join(version, proto, 999, 1000);
			split_and_join(version, proto, 2000, 1000);
			split_and_join(version, proto, 2001, 1000);
			split_and_join(version, proto, 64000, 1400);
			split_and_join(version, proto, 64, 1);
		}
	}
}

static void test_split_room(void **state)
{
	uint8_t pkt[4000], out[MTU];
	struct emu_csum csum;
	struct emu_split split;
	size_t bytes = make(pkt, 4, UDP, 3000, &csum);

	(void)state;
	assert_int_equal(emu_split_init(&split, pkt, bytes, 0), -EBADMSG);
	assert_int_equal(emu_split_init(&split, pkt, bytes, 1473), 0);
	assert_int_equal(emu_split_next(&split, out, sizeof(out), &csum), -EMSGSIZE);
}

/* What must keep two packets apart. */
static void test_join_refuses(void **state)
{
	static const size_t udp_bytes[] = {
		1, 8, 12, 15, 19, 20, 22
	}; /* tos, ttl, addresses, ports */
	uint8_t a[MTU], b[MTU];
	struct emu_csum csum, none = { 0, 0 };
	struct emu_join join;
	size_t bytes = make(a, 4, UDP, 500, &csum);

	(void)state;
	memcpy(b, a, bytes);
	assert_false(emu_join_first(&join, a, bytes, &none));
	for (size_t i = 0; i < sizeof(udp_bytes) / sizeof(udp_bytes[0]); i++) {
		assert_true(emu_join_first(&join, a, bytes, &csum));
		b[udp_bytes[i]] ^= 0x40;
		assert_false(emu_join_next(&join, b, bytes, &csum));
		b[udp_bytes[i]] ^= 0x40;
		assert_false(emu_join_next(&join, b, bytes, &none));
		assert_true(emu_join_next(&join, b, bytes, &csum));
	}
	size_t longer = make(b, 4, UDP, 501, &csum), shorter;

	assert_true(emu_join_first(&join, a, bytes, &csum));
	assert_false(emu_join_next(&join, b, longer, &csum));
	shorter = make(b, 4, UDP, 499, &csum);
	assert_true(emu_join_next(&join, b, shorter, &csum)); /* the last may be short */
	assert_false(emu_join_next(&join, a, bytes, &csum));

	bytes = make(a, 6, TCP, 500, &csum);
	assert_true(emu_join_first(&join, a, bytes, &csum));
	assert_false(
		emu_join_next(&join, a, bytes, &csum)); /* the same sequence number: a repeat */
	a[40 + 13] |= 1;
	assert_false(emu_join_first(&join, a, bytes, &csum)); /* FIN */
	bytes = make(a, 6, TCP, 0, &csum);
	assert_false(emu_join_first(&join, a, bytes, &csum)); /* a pure ACK */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),          cmocka_unit_test(test_parse_garbage),
		cmocka_unit_test(test_mark),           cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_split_and_join), cmocka_unit_test(test_split_room),
		cmocka_unit_test(test_join_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

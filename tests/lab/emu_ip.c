/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/emu_ip.h"
#include "tests/lab/emu_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define V4_HEADER 20
#define V6_HEADER 40
#define UDP_HEADER 8
#define TCP_HEADER 20
#define UDP_CSUM 6
#define TCP_CSUM 16
#define TCP_SEQ 4
#define TCP_FLAGS 13
#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_ECE 0x40
#define TCP_CWR 0x80

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value & 0xffff);
}

/* Ones' complement sum of big-endian words, folded to 16 bits. */
static uint16_t sum16(const uint8_t *p, size_t bytes, uint32_t start)
{
	uint64_t sum = start;

	for (; bytes > 1; bytes -= 2, p += 2)
		sum += get16(p);
	if (bytes)
		sum += (uint32_t)p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void v4_csum_set(uint8_t *pkt)
{
	put16(pkt + 10, 0);
	put16(pkt + 10, (uint16_t)~sum16(pkt, (size_t)(pkt[0] & 15) * 4, 0));
}

static int host_of(const uint8_t *pkt, unsigned version)
{
	static const uint8_t v6_net[12] = { 0xfd, 0x77 };
	const uint8_t *addr = pkt + (version == 4 ? 16 : 24);
	int host = version == 4 ? addr[3] : addr[15];
	bool ours = version == 4 ? addr[0] == 10 && addr[1] == 77
	                         : memcmp(addr, v6_net, sizeof(v6_net)) == 0 && addr[14] == 0;

	return ours && host >= 1 && host <= EMU_HOSTS_MAX ? host : -1;
}

static int parse_network(const uint8_t *pkt, size_t bytes, struct emu_ip *ip)
{
	memset(ip, 0, sizeof(*ip));
	if (bytes >= V4_HEADER && pkt[0] >> 4 == 4) {
		ip->version = 4;
		ip->l4_off = (uint16_t)((pkt[0] & 15) * 4);
		ip->ecn = pkt[1] & 3;
		if ((get16(pkt + 6) & 0x3fff) ==
		    0) /* a fragment shows no ports, or only some of its payload */
			ip->proto = pkt[9];
		if (get16(pkt + 2) != bytes || ip->l4_off < V4_HEADER || ip->l4_off > bytes)
			return -EBADMSG;
	} else if (bytes >= V6_HEADER && pkt[0] >> 4 == 6) {
		ip->version = 6;
		ip->l4_off = V6_HEADER;
		ip->ecn = (pkt[1] >> 4) & 3;
		ip->proto = pkt[6];
		if ((size_t)get16(pkt + 4) + V6_HEADER != bytes)
			return -EBADMSG;
	} else {
		return -EBADMSG;
	}
	ip->to = host_of(pkt, ip->version);
	return 0;
}

int emu_ip_parse(const uint8_t *pkt, size_t bytes, struct emu_ip *out)
{
	struct emu_ip ip;
	int err = parse_network(pkt, bytes, &ip);

	if (err)
		return err;
	size_t left = bytes - ip.l4_off, header = 0;

	if (ip.proto == IPPROTO_UDP && left >= UDP_HEADER)
		header = UDP_HEADER;
	else if (ip.proto == IPPROTO_TCP && left >= TCP_HEADER)
		header = (size_t)(pkt[ip.l4_off + 12] >> 4) * 4;
	else if (ip.proto == IPPROTO_UDP || ip.proto == IPPROTO_TCP)
		return -EBADMSG;
	if (header > left || (ip.proto == IPPROTO_TCP && header < TCP_HEADER))
		return -EBADMSG;
	ip.payload_off = (uint16_t)(ip.l4_off + header);
	*out = ip;
	return 0;
}

void emu_ip_set_ecn(uint8_t *pkt, const struct emu_ip *ip, unsigned ecn)
{
	if (ip->version == 6) {
		pkt[1] = (uint8_t)((pkt[1] & ~0x30u) | ecn << 4);
		return;
	}
	pkt[1] = (uint8_t)((pkt[1] & ~3u) | ecn);
	v4_csum_set(pkt);
}

void emu_ip_csum_finish(uint8_t *pkt, size_t bytes, struct emu_csum *csum)
{
	if (csum->start == 0)
		return;
	uint16_t sum = (uint16_t)~sum16(pkt + csum->start, bytes - csum->start, 0);

	put16(pkt + csum->start + csum->offset, sum ? sum : 0xffff);
	csum->start = 0;
}

/* The sum of the pseudo header: addresses, protocol, length of layer 4. */
static uint16_t pseudo_sum(const uint8_t *pkt, const struct emu_ip *ip, size_t l4_bytes)
{
	uint32_t start = (uint32_t)l4_bytes + ip->proto;

	return ip->version == 4 ? sum16(pkt + 12, 8, start) : sum16(pkt + 8, 32, start);
}

static uint16_t csum_offset(const struct emu_ip *ip)
{
	return ip->proto == IPPROTO_UDP ? UDP_CSUM : TCP_CSUM;
}

static void csum_open(uint8_t *pkt, const struct emu_ip *ip, size_t l4_bytes)
{
	put16(pkt + ip->l4_off + csum_offset(ip), pseudo_sum(pkt, ip, l4_bytes));
}

bool emu_ip_corrupt(uint8_t *pkt, size_t bytes, struct emu_csum *csum, bool fix, uint64_t seed)
{
	struct emu_ip ip;

	if (emu_ip_parse(pkt, bytes, &ip) || ip.payload_off == ip.l4_off || ip.payload_off == bytes)
		return false;
	/* An open checksum would be trusted by the receiver whatever the payload. */
	emu_ip_csum_finish(pkt, bytes, csum);

	size_t bits = (bytes - ip.payload_off) * 8;
	size_t first = emu_random(&seed) %
	               bits; /* a short burst, as damage comes; never the same bit twice */
	unsigned count = 1 + (unsigned)(emu_random(&seed) % 8);

	for (size_t bit = first; bit < first + count && bit < bits; bit++)
		pkt[ip.payload_off + bit / 8] ^= (uint8_t)(1 << bit % 8);
	if (fix && ip.proto == IPPROTO_UDP && get16(pkt + ip.l4_off + UDP_CSUM) != 0) {
		csum_open(pkt, &ip, bytes - ip.l4_off);
		*csum = (struct emu_csum) { ip.l4_off, UDP_CSUM };
		emu_ip_csum_finish(pkt, bytes, csum);
	}
	return true;
}

/* ---- cutting ---- */

/* Fills the length fields and the open checksum of a header that precedes `payload` bytes. */
static void lengths_set(uint8_t *header, const struct emu_ip *ip, size_t payload)
{
	size_t l4_bytes = ip->payload_off - ip->l4_off + payload;

	if (ip->version == 4)
		put16(header + 2, ip->l4_off + l4_bytes);
	else
		put16(header + 4, l4_bytes);
	if (ip->proto == IPPROTO_UDP)
		put16(header + ip->l4_off + 4, l4_bytes);
	csum_open(header, ip, l4_bytes);
	if (ip->version == 4)
		v4_csum_set(header);
}

int emu_split_init(struct emu_split *split, const uint8_t *pkt, size_t bytes, uint16_t gso_bytes)
{
	memset(split, 0, sizeof(*split));
	if (gso_bytes == 0 || emu_ip_parse(pkt, bytes, &split->ip) ||
	    split->ip.payload_off == split->ip.l4_off)
		return -EBADMSG;
	split->pkt = pkt;
	split->bytes = bytes;
	split->gso_bytes = gso_bytes;
	split->next_off = split->ip.payload_off;
	return 0;
}

int emu_split_next(struct emu_split *split, uint8_t *out, size_t room, struct emu_csum *csum)
{
	const struct emu_ip *ip = &split->ip;
	size_t done = split->next_off - ip->payload_off;
	size_t part = split->bytes - split->next_off;
	bool last = part <= split->gso_bytes;

	if (part == 0)
		return 0;
	if (!last)
		part = split->gso_bytes;
	if (ip->payload_off + part > room)
		return -EMSGSIZE;
	memcpy(out, split->pkt, ip->payload_off);
	memcpy(out + ip->payload_off, split->pkt + split->next_off, part);
	if (ip->version == 4)
		put16(out + 4, get16(out + 4) + done / split->gso_bytes);
	if (ip->proto == IPPROTO_TCP) {
		uint8_t *tcp = out + ip->l4_off;

		put32(tcp + TCP_SEQ, get32(tcp + TCP_SEQ) + (uint32_t)done);
		if (!last)
			tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		if (done)
			tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	}
	lengths_set(out, ip, part);
	*csum = (struct emu_csum) { ip->l4_off, csum_offset(ip) };
	split->next_off += part;
	return (int)(ip->payload_off + part);
}

/* ---- joining ---- */

/* Payload, or 0 when this packet stands alone. */
static size_t joinable(const uint8_t *pkt, size_t bytes, const struct emu_csum *csum,
                       struct emu_ip *ip)
{
	if (csum->start == 0 || emu_ip_parse(pkt, bytes, ip) || ip->payload_off == ip->l4_off)
		return 0;
	if (ip->version == 4 && ip->l4_off != V4_HEADER)
		return 0;
	if (ip->proto == IPPROTO_TCP &&
	    (pkt[ip->l4_off + TCP_FLAGS] & (uint8_t) ~(TCP_PSH | TCP_ECE)) != TCP_ACK)
		return 0;
	return bytes - ip->payload_off;
}

/* All that must be equal in a flow; lengths, id, checksums, the sequence number and PSH may differ.
 */
static bool same_flow(const uint8_t *a, const uint8_t *b, const struct emu_ip *ip)
{
	const uint8_t *x = a + ip->l4_off, *y = b + ip->l4_off;
	bool same = ip->version == 4 ? get16(a) == get16(b) && memcmp(a + 6, b + 6, 4) == 0 &&
	                                       memcmp(a + 12, b + 12, 8) == 0
	                             : get32(a) == get32(b) && memcmp(a + 6, b + 6, 34) == 0;

	if (!same || get32(x) != get32(y)) /* ports */
		return false;
	if (ip->proto == IPPROTO_UDP)
		return true;
	return get32(x + 8) == get32(y + 8) && x[12] == y[12] &&
	       ((x[TCP_FLAGS] ^ y[TCP_FLAGS]) & (uint8_t)~TCP_PSH) == 0 &&
	       get16(x + 14) == get16(y + 14) &&
	       memcmp(x + TCP_HEADER, y + TCP_HEADER,
	              (size_t)(ip->payload_off - ip->l4_off - TCP_HEADER)) == 0;
}

bool emu_join_first(struct emu_join *join, const uint8_t *pkt, size_t bytes,
                    const struct emu_csum *csum)
{
	struct emu_ip ip;
	size_t payload = joinable(pkt, bytes, csum, &ip);

	if (payload == 0)
		return false;
	memcpy(join->header, pkt, ip.payload_off);
	join->ip = ip;
	join->gso_bytes = (uint16_t)payload;
	join->payload_bytes = payload;
	join->pkts = 1;
	join->closed = ip.proto == IPPROTO_TCP && (pkt[ip.l4_off + TCP_FLAGS] & TCP_PSH);
	return true;
}

bool emu_join_next(struct emu_join *join, const uint8_t *pkt, size_t bytes,
                   const struct emu_csum *csum)
{
	struct emu_ip ip;
	size_t payload = joinable(pkt, bytes, csum, &ip);
	uint8_t *tcp = join->header + join->ip.l4_off;
	const uint8_t *next = pkt + join->ip.l4_off;

	if (payload == 0 || join->closed || payload > join->gso_bytes ||
	    join->pkts == EMU_JOIN_PKTS_MAX || join->payload_bytes + payload > EMU_JOIN_BYTES_MAX)
		return false;
	if (ip.version != join->ip.version || ip.proto != join->ip.proto ||
	    ip.payload_off != join->ip.payload_off || !same_flow(join->header, pkt, &ip))
		return false;
	if (ip.proto == IPPROTO_TCP) {
		if (get32(next + TCP_SEQ) != get32(tcp + TCP_SEQ) + (uint32_t)join->payload_bytes)
			return false;
		tcp[TCP_FLAGS] |= next[TCP_FLAGS] & TCP_PSH;
		join->closed = next[TCP_FLAGS] & TCP_PSH;
	}
	join->payload_bytes += payload;
	join->pkts++;
	join->closed |= payload < join->gso_bytes;
	return true;
}

void emu_join_finish(struct emu_join *join)
{
	lengths_set(join->header, &join->ip, join->payload_bytes);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emu_ip: IPv4 and IPv6 packets as bytes: where they go, ECN, damage, and the large packets
 * ("super-packets") that a kernel hands over or takes whole: one header and up to 64 KiB of
 * payload, to be cut every gso_bytes. Pure, no allocation.
 */
#ifndef LAB_EMU_IP_H
#define LAB_EMU_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Hosts are numbered from 1; the number is the last byte of the address: 10.77.ALIAS.HOST and
 * fd77::ALIAS:HOST. */
#define EMU_HOSTS_MAX 64

/* Longest TCP/IP header: 40 + 60. */
#define EMU_HEADER_MAX 100

struct emu_ip {
	uint8_t version; /* 4 or 6 */
	uint8_t proto;   /* of layer 4; 0 where that cannot be seen (fragments, IPv6 extension
	                    headers) */
	uint8_t ecn;     /* 0 not capable, 1 or 2 capable, 3 congestion experienced */
	uint16_t l4_off;
	uint16_t payload_off; /* behind the UDP or TCP header; = l4_off for other protocols */
	int to;               /* host number of the destination, -1 = outside of the lab */
};

/* The checksum that the kernel has left open: to be summed from start to the end and stored at
 * start + offset. start 0 = the checksum is complete. */
struct emu_csum {
	uint16_t start, offset;
};

/* 0, or -EBADMSG when it is no whole IP packet of exactly `bytes`. */
int emu_ip_parse(const uint8_t *pkt, size_t bytes, struct emu_ip *out);

/* Set the ECN bits, and mend the IPv4 header checksum. */
void emu_ip_set_ecn(uint8_t *pkt, const struct emu_ip *ip, unsigned ecn);

/* Finish an open checksum in place; csum->start becomes 0. */
void emu_ip_csum_finish(uint8_t *pkt, size_t bytes, struct emu_csum *csum);

/*
 * Flip one to eight bits of the payload of UDP or TCP (false: there is none). With `fix` the
 * checksum of UDP is right again afterwards; otherwise, and for TCP always, the receiving kernel
 * will drop the packet.
 */
bool emu_ip_corrupt(uint8_t *pkt, size_t bytes, struct emu_csum *csum, bool fix, uint64_t seed);

/* Cuts a super-packet. The packet is borrowed until the last emu_split_next(). */
struct emu_split {
	const uint8_t *pkt;
	size_t bytes, next_off;
	uint16_t gso_bytes;
	struct emu_ip ip;
};

/* 0, or -EBADMSG when it is not UDP or TCP or gso_bytes is 0. */
int emu_split_init(struct emu_split *split, const uint8_t *pkt, size_t bytes, uint16_t gso_bytes);

/* Write the next packet and its open checksum; returns its length, 0 at the end, -EMSGSIZE when it
 * does not fit in `room`. */
int emu_split_next(struct emu_split *split, uint8_t *out, size_t room, struct emu_csum *csum);

/*
 * The way back: a run of packets that a network card would have joined before handing them to the
 * kernel. header is the header of the super-packet, parts of the payload stay in the packets.
 */
struct emu_join {
	uint8_t header[EMU_HEADER_MAX];
	struct emu_ip ip;
	uint16_t gso_bytes; /* payload of every packet but the last */
	size_t payload_bytes;
	unsigned pkts;
	bool closed; /* nothing may follow: the last was short or asked to be pushed */
};

#define EMU_JOIN_PKTS_MAX 64     /* a UDP super-packet that Linux takes back */
#define EMU_JOIN_BYTES_MAX 65000 /* with header within the 16-bit length */

/* Start with a packet. False: it cannot be joined to anything (not UDP or TCP, no payload, checksum
 * not open). */
bool emu_join_first(struct emu_join *join, const uint8_t *pkt, size_t bytes,
                    const struct emu_csum *csum);

/* Add the packet if it follows the last one in the same flow with the same header. False: it does
 * not, join unchanged. */
bool emu_join_next(struct emu_join *join, const uint8_t *pkt, size_t bytes,
                   const struct emu_csum *csum);

/* Make join->header right for all that was added; the checksum is open at ip.l4_off. */
void emu_join_finish(struct emu_join *join);

#endif

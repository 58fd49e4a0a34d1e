/* SPDX-License-Identifier: Apache-2.0 */
/* Packet headers and the bodies of handshake packets: protocol.md, "Packets" and "Handshake". */
#ifndef RMDT_CORE_PACKET_H
#define RMDT_CORE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMDT_VERSION_1			1u
#define RMDT_DATA_HEADER_MIN_BYTES	15	/* flow ids below RMDT_WIDE_FLOW */
#define RMDT_DATA_HEADER_MAX_BYTES	18
#define RMDT_WIDE_FLOW			256u
#define RMDT_CTRL_HEADER_BYTES		9
#define RMDT_HANDSHAKE_HEADER_BYTES	16
#define RMDT_TAG_BYTES			16
#define RMDT_BASE_BYTES			1200	/* every path must carry this UDP payload */
#define RMDT_PN_MAX			((UINT64_C(1) << 56) - 1)
#define RMDT_PN_BITS			32	/* of these, on the wire (P8) */
#define RMDT_OFF_BITS			40	/* of an offset, on the wire (P9) */
#define RMDT_FLOW_REACH_BYTES		(UINT64_C(1) << 38)	/* no limit is farther beyond what was consumed (P9) */
#define RMDT_COOKIE_MAX			64
#define RMDT_NOISE_MESSAGE_MAX		1024	/* bytes of one Noise message with its payload */

enum rmdt_form { RMDT_FORM_BAD, RMDT_FORM_DATA, RMDT_FORM_CTRL, RMDT_FORM_HANDSHAKE };

enum rmdt_handshake_type {
	RMDT_HS_INIT = 1, RMDT_HS_REPLY, RMDT_HS_FINISH, RMDT_HS_RETRY, RMDT_HS_REJECT, RMDT_HS_VERSIONS,
	RMDT_HS_UNKNOWN,
};

#define RMDT_HS_FLAG_PSK 1

/* Cheap look at a datagram for demultiplexing: its form, and the receiver's connection id when not RMDT_FORM_BAD. */
enum rmdt_form rmdt_packet_form(const uint8_t *buf, size_t len, uint32_t *cid);

/* The number nearest to `expected` of those whose low `bits` (below 64) are `low`. */
uint64_t rmdt_packet_expand(uint64_t low, unsigned bits, uint64_t expected);

/* Written are the low bits of pn and off, and only those are read: the receiver expands them. */
struct rmdt_data_header {
	bool phase, open, fin;
	uint32_t cid, flow;
	uint64_t pn, off;
};
static inline size_t rmdt_data_header_bytes(uint32_t flow)
{
	return flow < RMDT_WIDE_FLOW ? RMDT_DATA_HEADER_MIN_BYTES : RMDT_DATA_HEADER_MAX_BYTES;
}
/* rmdt_data_header_bytes(h->flow), which is how much it wrote. */
size_t rmdt_data_header_write(uint8_t out[RMDT_DATA_HEADER_MAX_BYTES], const struct rmdt_data_header *h);
/* Bytes of the header. 0: reserved bits are set, it is cut short, or a small flow id takes four bytes. */
size_t rmdt_data_header_read(const uint8_t *buf, size_t len, struct rmdt_data_header *h);

struct rmdt_ctrl_header {
	bool phase;
	uint32_t cid;
	uint64_t pn;		/* as above */
};
void rmdt_ctrl_header_write(uint8_t out[RMDT_CTRL_HEADER_BYTES], const struct rmdt_ctrl_header *h);
/* buf has at least the header (rmdt_packet_form said CTRL). false: reserved bits are set. */
bool rmdt_ctrl_header_read(const uint8_t *buf, struct rmdt_ctrl_header *h);

/* A handshake packet. Pointers are into the packet that was read, or the caller's when writing. */
struct rmdt_handshake_packet {
	enum rmdt_handshake_type type;
	uint8_t suite, flags;
	uint32_t version;
	uint32_t dcid, scid;
	const uint8_t *cookie;		/* INIT, RETRY */
	size_t cookie_len;
	const uint8_t *noise;		/* INIT, REPLY, FINISH */
	size_t noise_len;
	unsigned code;			/* REJECT */
	const char *reason;		/* not terminated */
	size_t reason_len;
	const uint8_t *proof;		/* RMDT_TAG_BYTES; NULL when writing: zeros */
	size_t proven_len;		/* when read: bytes from the start that the proof covers */
	uint32_t versions[8];		/* VERSIONS */
	unsigned n_versions;
};
/* -EBADMSG malformed (P1). Other versions are read too as far as type, version and ids; then the rest is empty. */
int rmdt_handshake_read(const uint8_t *buf, size_t len, struct rmdt_handshake_packet *p);
/* Bytes written; 0 if it does not fit. INIT and REPLY are padded to RMDT_BASE_BYTES. */
size_t rmdt_handshake_write(uint8_t *buf, size_t size, const struct rmdt_handshake_packet *p);

/* Transport parameters in the encrypted payloads (H3, H12). */
struct rmdt_params {
	uint8_t instance[16];
	uint32_t cid;
	uint64_t max_payload_bytes;
	bool cipher_none;
	uint64_t peer_credit_bytes, flow_credit_bytes, max_flows, keepalive_us;
	uint8_t role;
	char name[64 + 1];
	char software[32 + 1];
};
size_t rmdt_params_write(uint8_t *buf, size_t size, const struct rmdt_params *p);	/* 0: does not fit */
/* -EPROTO malformed, -ENOTSUP an unknown critical parameter. Absent ones get their defaults. */
int rmdt_params_read(const uint8_t *buf, size_t len, struct rmdt_params *p);

#endif

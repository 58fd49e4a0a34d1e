/* SPDX-License-Identifier: Apache-2.0 */
/* Packet headers and the bodies of handshake packets: protocol.md, "Packets" and "Handshake". */
#ifndef RMDT_CORE_PACKET_H
#define RMDT_CORE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMDT_VERSION_1			1u
#define RMDT_DATA_HEADER_BYTES		28
#define RMDT_CTRL_HEADER_BYTES		16
#define RMDT_HANDSHAKE_HEADER_BYTES	24
#define RMDT_TAG_BYTES			16
#define RMDT_BASE_BYTES			1200	/* every path must carry this UDP payload */
#define RMDT_PN_MAX			((UINT64_C(1) << 56) - 1)
#define RMDT_COOKIE_MAX			64
#define RMDT_NOISE_MESSAGE_MAX		1024	/* bytes of one Noise message with its payload */

enum rmdt_form { RMDT_FORM_BAD, RMDT_FORM_DATA, RMDT_FORM_CTRL, RMDT_FORM_HANDSHAKE };

enum rmdt_handshake_type {
	RMDT_HS_INIT = 1, RMDT_HS_REPLY, RMDT_HS_FINISH, RMDT_HS_RETRY, RMDT_HS_REJECT, RMDT_HS_VERSIONS,
	RMDT_HS_UNKNOWN,
};

#define RMDT_HS_FLAG_PSK 1

/* Cheap look at a datagram for demultiplexing: its form, and the receiver's connection id when not RMDT_FORM_BAD. */
enum rmdt_form rmdt_packet_form(const uint8_t *buf, size_t len, uint64_t *cid);

struct rmdt_data_header {
	bool phase, open, fin;
	uint64_t pn, cid, off;
	uint32_t flow;
};
void rmdt_data_header_write(uint8_t out[RMDT_DATA_HEADER_BYTES], const struct rmdt_data_header *h);
/* buf has at least the header (rmdt_packet_form said DATA). false: reserved bits set. */
bool rmdt_data_header_read(const uint8_t *buf, struct rmdt_data_header *h);

struct rmdt_ctrl_header {
	bool phase;
	uint64_t pn, cid;
};
void rmdt_ctrl_header_write(uint8_t out[RMDT_CTRL_HEADER_BYTES], const struct rmdt_ctrl_header *h);
bool rmdt_ctrl_header_read(const uint8_t *buf, struct rmdt_ctrl_header *h);

/* A handshake packet. Pointers are into the packet that was read, or the caller's when writing. */
struct rmdt_handshake_packet {
	enum rmdt_handshake_type type;
	uint8_t suite, flags;
	uint32_t version;
	uint64_t dcid, scid;
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
	uint64_t cid;
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

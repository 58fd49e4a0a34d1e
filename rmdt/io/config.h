/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_IO_CONFIG_H
#define RMDT_IO_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <rmdt/rmdt.h>

/*
 * Settings of an engine. One table (setting.h) names every key with its default, kind, range and
 * help; it drives the ini files, the environment, rmdt_config_set() and the options of the
 * programs. rmdt.h holds the text interface; this header adds what the shell needs: the values in
 * their own types.
 */

enum rmdt_log_level { RMDT_LOG_ERROR, RMDT_LOG_WARNING, RMDT_LOG_INFO, RMDT_LOG_DEBUG };

/*
 * Every key, typed. Texts are borrowed from the configuration until it changes or is freed; "" is
 * not set.
 */
struct rmdt_config_values {
	uint64_t buffer_bytes;		/* buffer = 500M: cap of all buffers of the engine */
	/* mtu = auto: largest IP packet; 0: what the path carries */
	uint32_t mtu_bytes;
	bool mtu_probe;			/* mtu-probe = yes; no: mtu_bytes as it is, 1280 for 0 */
	uint64_t rate_bytes_per_s;	/* rate = 0: cap in all, rate of cc "fixed"; 0 none */
	const char *cc;			/* cc = bbr: a name that rmdt_cc_find() knows */
	/* remember = yes: rates of paths in the file `paths` beside the identity */
	bool remember;
	const char *cipher;		/* cipher = aes-256-gcm | chacha20-poly1305 | none */
	unsigned threads;		/* threads = 1: I/O threads, 1 .. 16 */
	const char *slow;		/* slow = block: text for core/policy.h; has been checked */
	uint64_t connect_timeout_us;	/* connect-timeout = 10s */
	uint64_t dead_after_us;		/* dead-after = 30s */
	uint64_t keepalive_us;		/* keepalive = 15s; never more than half of dead_after_us */
	uint64_t linger_us;		/* linger = 10s */
	const char *identity;		/* identity: folder of trust; "" is the standard one */
	const char *psk;		/* psk: file of the pre-shared key; "" is none */
	bool strict;			/* strict = no; yes: only listed and known keys */
	unsigned max_peers;		/* max-peers = 1024 */
	unsigned max_flows;		/* max-flows = 4096: open flows of the engine */
	unsigned max_half_open;		/* max-half-open = 256: handshakes not finished */
	uint64_t rekey_packets;		/* rekey-packets = 0: what the cipher allows */
	uint64_t rekey_after_us;	/* rekey-after = 2m: age that a key may reach */
	uint32_t socket_buffer_bytes;	/* socket-buffer = 8M: asked of the kernel, each way */
	bool gso, gro;			/* gso, gro = yes: used where the kernel takes them */
	enum rmdt_log_level log_level;	/* log-level = warning */
};

/* cfg NULL: built-in values. Cannot fail: every value was checked when it was set. */
void rmdt_config_values(const struct rmdt_config *cfg, struct rmdt_config_values *v);

/* A copy of cfg (NULL: of the built-in values). -ENOMEM. */
int rmdt_config_copy(struct rmdt_config **copy, const struct rmdt_config *cfg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_IO_SETTING_H
#define RMDT_IO_SETTING_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What can be set: keys, defaults, ranges, and how the text of one value is read. rmdt_settings()
 * of rmdt.h shows the table.
 */

/*
 * The table of all settings: S(id, key, default, kind, kind in words, least, most, help). Least and
 * most are in bytes, bytes per second, microseconds or a count. A choice lists its words after "one
 * of ". Only setting.c knows what a kind, a second and a day are.
 */
#define RMDT_SETTINGS(S) \
	S(BUFFER, "buffer", "500M", SIZE, "size", 1 << 20, UINT64_C(1) << 42, \
	  "most memory for data on its way") \
	S(MTU, "mtu", "auto", MTU, "one of auto|BYTES", 1280, 65535, \
	  "largest IP packet; auto finds it") \
	S(MTU_PROBE, "mtu-probe", "yes", FLAG, "flag", 0, 1, \
	  "find the path MTU; no: take mtu as it is") \
	S(RATE, "rate", "0", RATE, "rate", 1000, UINT64_C(1) << 50, \
	  "most bits per second in all; 0 is no limit") \
	S(CC, "cc", "bbr", CHOICE, "one of bbr|cubic|fixed", 0, 0, \
	  "congestion control") \
	S(REMEMBER, "remember", "yes", FLAG, "flag", 0, 1, \
	  "remember what a path carries") \
	S(CIPHER, "cipher", "aes-256-gcm", CHOICE, \
	  "one of aes-256-gcm|chacha20-poly1305|none", 0, 0, \
	  "encryption") \
	S(THREADS, "threads", "1", NUMBER, "number", 1, 16, \
	  "network threads") \
	S(SLOW, "slow", "block", POLICY, "one of block|drop:LAG|quorum:K", 0, 0, \
	  "for slow receivers") \
	S(CONNECT_TIMEOUT, "connect-timeout", "10s", DURATION, "duration", SECOND / 10, DAY, \
	  "how long a receiver may take to answer") \
	S(DEAD_AFTER, "dead-after", "30s", DURATION, "duration", SECOND / 2, DAY, \
	  "silence after which the far end is dead") \
	S(KEEPALIVE, "keepalive", "15s", DURATION, "duration", SECOND / 10, DAY, \
	  "silence after which a sign of life is sent") \
	S(LINGER, "linger", "10s", DURATION, "duration", 0, DAY, \
	  "time for the rest once a quorum is done") \
	S(IDENTITY, "identity", "", TEXT, "text", 0, 0, \
	  "folder of id, authorized_keys, known_hosts") \
	S(PSK, "psk", "", TEXT, "text", 0, 0, \
	  "file with a secret that both ends share") \
	S(STRICT, "strict", "no", FLAG, "flag", 0, 1, \
	  "refuse keys that are not listed or known") \
	S(MAX_PEERS, "max-peers", "1024", NUMBER, "number", 1, 65536, \
	  "most peers at a time") \
	S(MAX_FLOWS, "max-flows", "4096", NUMBER, "number", 1, 1 << 20, \
	  "most open flows at a time") \
	S(MAX_HALF_OPEN, "max-half-open", "256", NUMBER, "number", 1, 65536, \
	  "most unfinished handshakes at a time") \
	S(REKEY_PACKETS, "rekey-packets", "0", NUMBER, "number", 0, UINT64_C(1) << 36, \
	  "renew keys after so many; 0: as is needed") \
	S(REKEY_AFTER, "rekey-after", "2m", DURATION, "duration", SECOND, DAY, \
	  "age at which keys are renewed") \
	S(SOCKET_BUFFER, "socket-buffer", "8M", SIZE, "size", 65536, 1 << 30, \
	  "socket buffer asked of the kernel") \
	S(GSO, "gso", "yes", FLAG, "flag", 0, 1, \
	  "send in batches where the kernel can") \
	S(GRO, "gro", "yes", FLAG, "flag", 0, 1, \
	  "receive in batches where the kernel can") \
	S(LOG_LEVEL, "log-level", "warning", CHOICE, "one of error|warning|info|debug", 0, 0, \
	  "messages")


#define RMDT_SETTING_AS_ID(id, key, def, kind, words, least, most, help) RMDT_SETTING_##id,
enum rmdt_setting_id { RMDT_SETTINGS(RMDT_SETTING_AS_ID) RMDT_SETTING_COUNT };

/* '_' in a key is as good as '-', and case does not matter. false: no such key. */
bool rmdt_setting_find(const char *key, enum rmdt_setting_id *found);
const char *rmdt_setting_key(enum rmdt_setting_id id);
const char *rmdt_setting_default(enum rmdt_setting_id id);
/* Does its value mean something as a number? */
bool rmdt_setting_is_number(enum rmdt_setting_id id);
/*
 * Checks text as a value of this setting. *number: bytes, bytes per second, microseconds, a count,
 * a flag, or the index of a choice; 0 for a text. -EINVAL; err (RMDT_ERROR_BYTES) then tells text
 * and reason.
 */
int rmdt_setting_parse(enum rmdt_setting_id id, const char *text, uint64_t *number, char *err);

#endif

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The two example programs do together what they say.
set -u
. "$(dirname "$0")/lib.sh"

tmpdir
export HOME=$TMP
send=$(built send_buffer)
receive=$(built receive)
make_data "$TMP/data" 3000000

hosts=()
pids=()
for i in 1 2 3; do
	port=$(free_udp_port)
	start_bg "$receive" ":$port" "$TMP/out$i" 2>"$TMP/err$i"
	pids+=("$BG_PID")
	hosts+=("127.0.0.1:$port")
done
for i in 1 2 3; do
	wait_for "grep -q ':$(printf %04X "${hosts[i - 1]##*:}") ' /proc/net/udp /proc/net/udp6"
done
expect_exit 0 "$send" "$TMP/data" "${hosts[@]}" >"$TMP/report"
for i in 1 2 3; do
	wait_exit "${pids[i - 1]}" 10 || fail "receiver $i: exit $?"
	assert_same_sha "$TMP/data" "$TMP/out$i"
	assert_contains "$TMP/report" "${hosts[i - 1]}: confirmed 3000000 bytes"
done

# A host that does not answer is named, and the exit status tells.
printf '[pipeclone]\nconnect-timeout = 300ms\n' >"$TMP/.dexor/pipeclone.ini"
port=$(free_udp_port)
expect_exit 1 "$send" "$TMP/data" "127.0.0.1:$port" >"$TMP/report"
assert_contains "$TMP/report" "127.0.0.1:$port: "
expect_exit 2 "$send" 2>"$TMP/usage"

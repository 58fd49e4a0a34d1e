#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# More readers that do not read than there is memory for: a new connection gets through all the same.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/tunnel.sh
. "$(dirname "$0")/tunnel.sh"

READERS=100
LISTEN=$(free_tcp_port)
SERVER=$(free_tcp_port)
start_bg socat "TCP-LISTEN:$SERVER,bind=127.0.0.1,reuseaddr,fork" OPEN:/dev/zero,rdonly 2>/dev/null
wait_for "tcp_port_used $SERVER"
exit_relay exit "tcp://127.0.0.1:$SERVER" --buffer 8M
entry_relay entry "tcp://127.0.0.1:$LISTEN" --buffer 8M
await_up
for ((i = 0; i < READERS; i++)); do
	exec {stalled}<>"/dev/tcp/127.0.0.1/$LISTEN"
done

# All that can move has moved when what is held has stayed the same for some time.
held=0 same=0
is_still() {
	local now
	now=$(HOME=$(home_of exit) "$dexor" status --json | grep -o '"buffer_used_bytes":[0-9]*' | tr '\n' ' ')
	[[ $now == "$held" ]] && ((++same)) || same=0
	held=$now
	((same >= 10))
}
wait_for is_still
bytes=$(timeout 40 socat -u "TCP:127.0.0.1:$LISTEN" STDOUT 2>/dev/null | head -c 10000000 | wc -c)
[[ $bytes == 10000000 ]] || fail "only $bytes bytes beside readers that do not read"
# Some may have had to go, if it found no memory at once, but not all.
reset=$(cat "$TMP/exit.err" "$TMP/entry.err" | grep -c "memory is short")
((reset < READERS)) || fail "all were reset"
echo "$reset of $READERS were reset"
exit 0

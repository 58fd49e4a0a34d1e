#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A thousand connections at once with random lengths, half-closes and resets, and ten thousand one after another: every byte exact,
# every end what it was, and nothing left behind. The seed is printed, so that a failure can be had again.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tunnel.sh"

tcp_server load
LISTEN=$(free_tcp_port)
exit_relay exit "tcp://127.0.0.1:$SERVER"
entry_relay entry "tcp://127.0.0.1:$LISTEN"
await_up

fresh=$(rss_of entry)
seed=${TEST_SEED:-$SRANDOM}
run() {
	timeout 120 "$tcpload" run 127.0.0.1 "$LISTEN" "$1" "$2" "$seed" >"$TMP/run" 2>&1 ||
		fail "seed $seed: $(head -5 "$TMP/run")"
}
settled() {
	(($(fds_of "$1") <= $2))
}

run 50 10
wait_for "settled entry 40 && settled exit 40"
entry_fds=$(fds_of entry) exit_fds=$(fds_of exit)
run 3000 1000
run "${SHORT:-10000}" 50
wait_for "settled entry $entry_fds && settled exit $exit_fds"
# Memory is given back, but for some blocks of the engine and what is too little to matter.
small() {
	(($(rss_of "$1") < 50000))
}
# A build with sanitizers is large from the start, and keeps what was freed.
((fresh > 15000)) || wait_for "small entry && small exit"
status=0
stop_bg "$SERVER_PID" || status=$?
((status == 0)) || fail "server, seed $seed: $(head -5 "$TMP/server.err")"
for name in entry exit; do
	kill "${PID[$name]}"
	ends "$name" 0
done
exit 0

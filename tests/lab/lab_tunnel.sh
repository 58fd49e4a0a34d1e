#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A tunnel over 50 ms with loss and reordering: a thousand connections, a cut, a change of address, a restart.
set -u
# shellcheck source=tests/lab/lab.sh
source "$(dirname "$0")/lab.sh"
# shellcheck source=tests/e2e/tunnel.sh
source "$(dirname "$0")/../e2e/tunnel.sh"
requires_root
requires_tun

lab_start near far
lab_link near far rate=500M delay=25ms loss=2% reorder=1%:5ms

LISTEN=2202
on() {
	local host=$1 name=$2
	shift 2
	HOME=$(home_of "$name") lab_bg "$host" "${default_signals[@]}" "$dexor" tunnel "$@" 2>>"$TMP/$name.err"
	PID[$name]=$BG_PID
}
start_exit() {
	on far exit "rmdt://$(lab_ip near)" tcp://127.0.0.1:7000
}

lab_bg far "$tcpload" serve 7000 >"$TMP/server.out" 2>"$TMP/server.err"
server=$BG_PID
start_exit
on near entry "tcp://127.0.0.1:$LISTEN" "rmdt://$(lab_ip far)"
await_up

seed=${TEST_SEED:-$SRANDOM}
run() {
	lab_exec near timeout 200 "$tcpload" run 127.0.0.1 "$LISTEN" "$@" >"$TMP/run" 2>&1 ||
		fail "seed $seed: $(head -5 "$TMP/run")"
	cat "$TMP/run"
}

settled() {
	(($(fds_of "$1") <= $2))
}
# A build with sanitizers is large from the start, and keeps what was freed.
small() {
	((fresh > 15000 || $(rss_of "$1") < 50000))
}

fresh=$(rss_of entry)
run 50 10 "$seed"
wait_for "settled entry 40 && settled exit 40"
entry_fds=$(fds_of entry) exit_fds=$(fds_of exit)
run "${CONNECTIONS:-1000}" 1000 "$seed"
wait_for "settled entry $entry_fds && settled exit $exit_fds" 20
wait_for "small entry && small exit" 20
echo "after the crowd: $entry_fds and $exit_fds descriptors, $(rss_of entry) and $(rss_of exit) KiB; $fresh KiB at first"

# A cut of some seconds, and another address afterwards, cost nothing but time.
lab_exec near timeout 100 "$tcpload" run 127.0.0.1 "$LISTEN" 300 50 "$seed" clean 1000000 >"$TMP/run2" 2>&1 &
client=$!
sleep 0.5
lab_cut near far
sleep "${CUT_S:-5}"
lab_heal near far
sleep 0.5
lab_move near 1
wait "$client" || fail "seed $seed: $(head -5 "$TMP/run2")"
cat "$TMP/run2"

status=0
stop_bg "$server" || status=$?
((status == 0)) || fail "server, seed $seed: $(head -5 "$TMP/server.err")"
for name in entry exit; do
	kill "${PID[$name]}"
	ends "$name" 0
done
exit 0

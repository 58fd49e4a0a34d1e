#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A relay that is killed with many connections open: each of them ends with a reset on both sides, none with an end that would
# make what arrived look whole, and none hangs. The other relay keeps nothing of them, and all goes on with the next one.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tunnel.sh"

LISTEN=$(free_tcp_port)
seed=${TEST_SEED:-$SRANDOM}
settled() {
	(($(fds_of "$1") <= $2))
}
start() {
	if [[ $1 == exit ]]; then
		exit_relay exit "tcp://127.0.0.1:$SERVER"
	else
		entry_relay entry "tcp://127.0.0.1:$LISTEN"
	fi
}

for killed in exit entry; do
	tcp_server load
	start exit
	start entry
	await_up
	timeout 60 "$tcpload" run 127.0.0.1 "$LISTEN" 400 200 "$seed" clean 16000000 >"$TMP/run" 2>&1 &
	client=$!
	# Of four hundred connections two hundred are open at a time.
	wait_for '(($(fds_of entry) > 150 && $(fds_of exit) > 150))'
	sleep 0.3
	kill -KILL "${PID[$killed]}"
	ends "$killed" 137
	start "$killed"
	wait "$client"
	assert_contains "$TMP/run" "reset instead of an end"
	assert_lacks "$TMP/run" "the end came too early"
	wait_for "tcp_port_used $LISTEN"
	timeout 20 "$tcpload" run 127.0.0.1 "$LISTEN" 50 50 "$seed" >"$TMP/run" 2>&1 || fail "seed $seed, afterwards: $(head -5 "$TMP/run")"
	stop_bg "$SERVER_PID" || :
	assert_lacks "$TMP/server.err" "the end came too early"
	assert_lacks "$TMP/server.err" "was never ended"
	wait_for "settled entry 40 && settled exit 40"
	for name in entry exit; do
		kill "${PID[$name]}"
		ends "$name" 0
		: >"$TMP/$name.err"
	done
done
exit 0

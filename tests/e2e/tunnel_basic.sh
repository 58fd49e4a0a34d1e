#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bytes both ways through two relays, in either order of starting; outage, restart, refusal, drain.
set -u
. "$(dirname "$0")/lib.sh"
requires socat
. "$(dirname "$0")/tunnel.sh"

make_data "$TMP/data" 3000000
tcp_server echo
LISTEN=$(free_tcp_port)

through() {
	timeout 20 socat -t 10 - "TCP:127.0.0.1:$LISTEN" <"$TMP/data" >"$TMP/back" || fail "socat: exit $?"
	assert_same_sha "$TMP/data" "$TMP/back"
}

# The client comes before the far relay, and waits for it. All that arrives was sent, and the end is an end.
entry_relay entry "tcp://127.0.0.1:$LISTEN"
wait_for "tcp_port_used $LISTEN"
through &
client=$!
wait_for 'grep -q "cannot be reached yet\|from tcp" "$TMP/entry.err"'
exit_relay exit "tcp://127.0.0.1:$SERVER" --json "$TMP/exit.json"
wait "$client" || fail "the client that waited"
await_up
through

# Killed and started again: new connections work soon, an old one ends with a reset and not with a hang.
mkfifo "$TMP/fifo"
exec 8<>"$TMP/fifo"
start_bg timeout 30 socat -t 0.5 "OPEN:$TMP/fifo,rdonly!!CREATE:$TMP/old" "TCP:127.0.0.1:$LISTEN" 2>"$TMP/old.err"
old=$BG_PID
echo before >&8
wait_for '[[ -s $TMP/old ]]'
kill -KILL "${PID[exit]}"
ends exit 137
exit_relay exit "tcp://127.0.0.1:$SERVER"
through
status=0
wait_exit "$old" 20 || status=$?
((status != 124)) || fail "the old connection hangs"
exec 8>&-

# A server that is not there: the client is reset, and both relays say why. The tunnel goes on.
kill "$SERVER_PID"
wait "$SERVER_PID" 2>/dev/null
wait_for "! tcp_port_used $SERVER"
timeout 10 "$tcpload" run 127.0.0.1 "$LISTEN" 1 1 1 clean >"$TMP/err" 2>&1 && fail "no server, and no reset"
assert_contains "$TMP/err" "reset"
says exit "cannot connect to 127.0.0.1:$SERVER: Connection refused"
says entry "cannot connect to 127.0.0.1:$SERVER: Connection refused"

# SIGTERM waits for what is open; twice does not.
tcp_server echo
kill "${PID[exit]}"
ends exit 0
wait_for 'grep -q "is down: closed by the far end" "$TMP/entry.err"'
exit_relay exit "tcp://127.0.0.1:$SERVER" --drain 60s
through
exec 8<>"$TMP/fifo"
start_bg timeout 30 socat -t 0.5 "OPEN:$TMP/fifo,rdonly!!CREATE:$TMP/last" "TCP:127.0.0.1:$LISTEN" 2>"$TMP/last.err"
last=$BG_PID
echo one >&8
wait_for 'grep -qs one "$TMP/last"'
kill "${PID[exit]}"
wait_for 'grep -q "ending: 1 connections" "$TMP/exit.err"'
echo two >&8
wait_for 'grep -q two "$TMP/last"'
kill "${PID[exit]}"
ends exit 0
status=0
wait_exit "$last" 20 || status=$?
((status != 124)) || fail "the last connection hangs"

# No association: at once, if so wished.
kill "${PID[entry]}"
ends entry 0
entry_relay entry "tcp://127.0.0.1:$LISTEN" --on-outage fail --hold 5s
wait_for "tcp_port_used $LISTEN"
timeout 3 "$tcpload" run 127.0.0.1 "$LISTEN" 1 1 1 clean >"$TMP/err" 2>&1 && fail "no relay, and no reset"
says entry "no relay can be reached"
assert_contains "$TMP/exit.json" '"event":"up"'

# A relay that has fallen silent is none, long before --hold is over; and it is one again when it is heard.
kill "${PID[entry]}"
ends entry 0
: >"$TMP/entry.err"
: >"$TMP/exit.err"
exit_relay exit "tcp://127.0.0.1:$SERVER"
entry_relay entry "tcp://127.0.0.1:$LISTEN" --on-outage fail --keepalive 0.5s
await_up
works() {
	local got
	got=$(timeout 10 socat -t 8 - "TCP:127.0.0.1:$LISTEN" <<<"hello" 2>"$TMP/err") || return
	[[ $got == hello ]]
}
works || fail "$(cat "$TMP/err")"
kill -STOP "${PID[exit]}"
status=0
works || status=$?
((status == 1)) || fail "exit $status instead of a reset: $(cat "$TMP/err")"
says entry "the relay does not answer"
wait_for '! works && grep -q "no relay can be reached" "$TMP/entry.err"'
kill -CONT "${PID[exit]}"
wait_for works
exit 0

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Several remotes: the first that is up, another when it is gone, all in turn; and a reader that does not read holds up
# nobody else.
set -u
. "$(dirname "$0")/lib.sh"
requires socat
. "$(dirname "$0")/tunnel.sh"

LISTEN=$(free_tcp_port)
PORT[first]=${PORT[exit]}
PORT[second]=$(free_udp_port)
# Each server says who it is.
for name in first second; do
	server=$(free_tcp_port)
	start_bg socat "TCP-LISTEN:$server,bind=127.0.0.1,reuseaddr,fork" "SYSTEM:echo $name; cat"
	wait_for "tcp_port_used $server"
	exit_relay "$name" "tcp://127.0.0.1:$server"
done
who() {
	timeout 10 socat -t 5 - "TCP:127.0.0.1:$LISTEN" </dev/null 2>/dev/null
}
both="127.0.0.1:${PORT[first]},127.0.0.1:${PORT[second]}"
both_up() {
	(($(grep -c " is up" "$TMP/entry.err") >= 2))
}

FAR=$both entry_relay entry "tcp://127.0.0.1:$LISTEN"
wait_for both_up
[[ $(who) == first && $(who) == first ]] || fail "the first remote was not preferred"
kill "${PID[first]}"
ends first 0
wait_for 'grep -q "is down" "$TMP/entry.err"'
[[ $(who) == second ]] || fail "no fail-over"
kill "${PID[entry]}"
ends entry 0

: >"$TMP/first.err" >"$TMP/entry.err"
server=$(free_tcp_port)
start_bg socat "TCP-LISTEN:$server,bind=127.0.0.1,reuseaddr,fork" "SYSTEM:echo first; cat"
wait_for "tcp_port_used $server"
exit_relay first "tcp://127.0.0.1:$server"
FAR=$both entry_relay entry "tcp://127.0.0.1:$LISTEN" --balance
wait_for both_up
[[ $(for _ in 1 2 3 4; do who; done | sort | uniq -c | tr -s ' \n' ' ') == " 2 first 2 second " ]] || fail "not in turn"

# ---- readers that do not read
for name in first second entry; do
	kill "${PID[$name]}"
	ends "$name" 0
	: >"$TMP/$name.err"
done
PORT[exit]=$(free_udp_port)
source=$(free_tcp_port)
start_bg socat "TCP-LISTEN:$source,bind=127.0.0.1,reuseaddr,fork" OPEN:/dev/zero,rdonly 2>/dev/null
wait_for "tcp_port_used $source"
exit_relay exit "tcp://127.0.0.1:$source"
entry_relay entry "tcp://127.0.0.1:$LISTEN"
await_up
for _ in 1 2 3 4 5; do
	exec {stalled}<>"/dev/tcp/127.0.0.1/$LISTEN"
done
# As much as a stalled one can have in all buffers, and much more, through another.
bytes=$(timeout 30 socat -u "TCP:127.0.0.1:$LISTEN" STDOUT 2>/dev/null | head -c 1000000000 | wc -c)
[[ $bytes == 1000000000 ]] || fail "only $bytes bytes beside readers that do not read"
for name in entry exit; do
	(($(rss_of "$name") < 700000)) || fail "memory of the $name: $(rss_of "$name") KiB"
	echo "$name: $(rss_of "$name") KiB"
done
exit 0

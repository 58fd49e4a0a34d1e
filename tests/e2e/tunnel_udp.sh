#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# UDP through two relays on loopback: DNS with a real server and a real client, boundaries, large datagrams, idle sessions,
# who may send, and what dexor status says of it all.
set -uo pipefail
source "${0%/*}/lib.sh"
requires dnsmasq dig socat ip

# A network of our own: every port is free, and nobody else's relays are seen.
if [[ ${TUNNEL_UDP_INSIDE:-} != yes ]]; then
	unshare --user --map-root-user --net --mount true 2>/dev/null || skip "no network namespaces here"
	TUNNEL_UDP_INSIDE=yes exec unshare --user --map-root-user --net --mount "$BASH" "$0" "$@"
fi
ip link set lo up && mount -t tmpfs none /run || fail "no loopback, or no /run of our own"
tmpdir
export HOME=$TMP
dexor=$(built dexor) || exit 1
export XDG_RUNTIME_DIR=$TMP/run
mkdir -m 700 "$TMP/run" "$TMP/entry" "$TMP/exit"

# relays OPTIONS... LOCAL REMOTE: clients at LOCAL, with options, the server at REMOTE. Packets have at most 1500 bytes, so that
# what is larger must be cut. $more_remotes: one further relay for the entry, ",HOST:PORT".
relays() {
	local n=$# up=2
	[[ -z ${more_remotes:-} ]] || up=4
	local local_side=${*:n-1:1} remote_side=${*:n:1}
	HOME=$TMP/entry start_bg "$dexor" tunnel --port 4453 --mtu 1500 "${@:1:n-2}" "$local_side" "rmdt://127.0.0.1:4436${more_remotes:-}" 2>>"$TMP/entry.log"
	entry=$BG_PID
	HOME=$TMP/exit start_bg "$dexor" tunnel --port 4436 --mtu 1500 rmdt://127.0.0.1:4453 "$remote_side" 2>>"$TMP/exit.log"
	exit_relay=$BG_PID
	# Up for good: of two associations that crossed, one has gone.
	wait_for '[[ $("$dexor" status --json | grep -o "\"up\":true,\"since" | wc -l) == $up ]]' 20
}

end_relays() {
	stop_bg "$entry"
	stop_bg "$exit_relay"
	# What ended by itself leaves no socket behind.
	[[ -z $(ls -A "$TMP/run/dexor") ]] || fail "status sockets were left behind"
}

# counter ROLE KEY: a number out of the sessions of that relay.
counter() {
	"$dexor" status --json | grep "\"role\":\"$1\"" | sed "s/.*\"sessions\":{[^}]*\"$2\":\([0-9]*\).*/\1/"
}

# ---- DNS

start_bg dnsmasq --no-daemon --no-resolv --no-hosts --port=5353 --listen-address=127.0.0.1 --bind-interfaces --user= \
	--conf-file=/dev/null --pid-file= --edns-packet-max=4096 --address=/there.example/192.0.2.7 \
	$(for i in {1..60}; do echo "--txt-record=long.example,$i-$(printf 'x%.0s' {1..40})"; done) >"$TMP/dns.log" 2>&1
relays udp://:5300 udp://localhost:5353
wait_for 'dig +short +tries=1 +timeout=1 -p 5353 @127.0.0.1 there.example | grep -q 192.0.2.7'
[[ $(dig +short +tries=1 -p 5300 @127.0.0.1 there.example) == 192.0.2.7 ]] || fail "no answer through the tunnel"
[[ $(dig +short +tries=1 -p 5300 @::1 there.example) == 192.0.2.7 ]] || fail "no answer over IPv6"
# An answer of some 3,000 bytes, in one datagram.
[[ $(dig +short +ignore +bufsize=4096 +tries=1 -p 5300 @127.0.0.1 TXT long.example | wc -l) == 60 ]] || fail "the long answer is not whole"
for i in {1..50}; do
	dig +short +tries=1 -p 5300 @127.0.0.1 "$i.there.example" >"$TMP/dig.$i" &
	dig_pids+=($!)
done
wait "${dig_pids[@]}"
[[ $(cat "$TMP"/dig.* | grep -c '^192.0.2.7$') == 50 ]] || fail "of 50 questions at once not all were answered"
(($(counter entry open) >= 50)) || fail "there are not as many sessions as clients"
end_relays

# ---- boundaries, size and idle sessions

start_bg socat -b 65536 UDP4-RECVFROM:7007,bind=127.0.0.1,fork PIPE
start_bg socat -u "UNIX-RECV:$TMP/notify" "OPEN:$TMP/notified,creat,append"
wait_for '[[ -S $TMP/notify ]]'
NOTIFY_SOCKET=$TMP/notify relays --udp-idle 2s --json "$TMP/events" udp://127.0.0.1:7000 udp://127.0.0.1:7007
wait_for 'grep -q "READY=1.*STATUS=1 of 1" "$TMP/notified"'
# echo_once BYTES: one datagram there and back, and nothing else with it.
echo_once() {
	make_data "$TMP/datagram" "$1"
	socat -b 65536 -t 3 -T 3 - UDP4:127.0.0.1:7000,shut-none <"$TMP/datagram" >"$TMP/answer" &
	local pid=$!
	wait_for "[[ \$(stat -c %s '$TMP/answer') -ge $1 ]]" 5
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	assert_same_sha "$TMP/datagram" "$TMP/answer"
}
for bytes in 1 1200 1473 9000 60000 65507; do
	echo_once $bytes
done
(($(counter exit written_datagrams) == 6)) || fail "datagrams were split or joined: $(counter exit written_datagrams)"
wait_for '(($(counter entry open) == 0 && $(counter exit open) == 0))' 10	# the entry says so to the exit
end_relays
grep '"event":"report"' "$TMP/events" | grep -q '"read_datagrams":6,.*"peers":' || fail "no report in $(cat "$TMP/events")"
wait_for 'grep -q STOPPING=1 "$TMP/notified"'

# ---- who may

relays --allow 192.0.2.0/24 udp://127.0.0.1:7000 udp://127.0.0.1:7007
echo x | socat - UDP4:127.0.0.1:7000
wait_for '(($(counter entry refused_datagrams) == 1))'
(($(counter entry total) == 0)) || fail "a client that is not allowed got a session"
end_relays

# ---- copies to all

mkdir -m 700 "$TMP/second"
HOME=$TMP/second start_bg "$dexor" tunnel --port 4437 rmdt://127.0.0.1:4453 udp://127.0.0.1:7007 2>>"$TMP/second.log"
second=$BG_PID
more_remotes=,127.0.0.1:4437 relays --copy udp://127.0.0.1:7000 udp://127.0.0.1:7007
echo copied | socat -t 2 - UDP4:127.0.0.1:7000,shut-none >"$TMP/copies"
[[ $(cat "$TMP/copies") == copied$'\n'copied ]] || fail "instead of two answers: $(cat "$TMP/copies")"
stop_bg "$second"
end_relays

# ---- what dexor status says when nothing runs, and of a program that was killed

[[ $("$dexor" status) == "no program of yours is running" ]] || fail "something runs that should not"
relays udp://127.0.0.1:7000 udp://127.0.0.1:7007
kill -KILL "$entry" "$exit_relay"
wait "$entry" "$exit_relay" 2>/dev/null
[[ $("$dexor" status) == "no program of yours is running" ]] || fail "the dead are listed"
[[ -z $(ls -A "$TMP/run/dexor") ]] || fail "sockets of the dead were not removed"
exit 0

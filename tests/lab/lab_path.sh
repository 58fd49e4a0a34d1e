#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Paths that change under a transfer: cut and healed, packets of a size that vanish, addresses that
# move, a rate that falls.
set -u
# shellcheck source=tests/lab/pipe_lab.sh
source "$(dirname "$0")/pipe_lab.sh"
requires_tun

lab_start s good r
make_data "$TMP/data" 10000000

# begin MBIT [OPTION...]: both receivers and the sender; returns when r is midway
begin() {
	local mbit=$1
	shift
	lab_link s good perfect "rate=${mbit}M" delay=20ms
	lab_link s r perfect "rate=${mbit}M" delay=20ms
	receive_on good good
	receive_on r r
	send_from s "${TO:-${AT[r]}}" "${AT[good]}" "$@" <"$TMP/data"
	wait_for "received r 2000000"
	event=$(now_us)
}

# completes MOST: all have the whole stream within so many seconds of the event
completes() {
	local took line
	ends sender 0 60
	took=$(awk -v us=$(($(now_us) - event)) 'BEGIN { printf "%.2f", us / 1e6 }')
	line=$(grep -F "${TO:-${AT[r]}}" "$TMP/sender.err" | grep -o 'in [0-9.]* s,.*')
	echo "$what: done $took s after it; $line"
	ends r 0
	ends good 0
	same r good
	between "$took" 0 "$1" || lab_overloaded || fail "$what: it took $took s, more than $1"
}

# Healed before anybody counts as dead. What is left takes 1.6 s; the next probe comes 1 s after the
# healing at most.
what="cut for 5 s"
begin 40
lab_cut s r
sleep 5
lab_heal s r
completes 8.8

# Again and again, for a moment.
what="cut 5 times for 0.3 s"
begin 40
for ((i = 0; i < 5; i++)); do
	lab_cut s r
	sleep 0.3
	lab_heal s r
	sleep 0.2
done
completes 9

# Large packets vanish from now on, in silence, as behind a tunnel whose ICMP is filtered.
for path in 's>r' 's r'; do
	what="black hole ($path)"
	begin 40
	# shellcheck disable=SC2086 # a pair of hosts is two words
	lab_set $path mtu=1300
	completes 5
	(($(lab_count 's>r' drop_mtu) > 0)) || fail "nothing was too large for the black hole"
done

# The same from the start, and with a path that carries no more than what everything must carry.
what="black hole from the start"
lab_link s r perfect
for mtu in 1400 1280; do
	lab_link s good perfect rate=40M delay=20ms
	lab_link s r perfect rate=40M delay=20ms mtu=$mtu
	receive_on good good
	receive_on r r
	event=$(now_us)
	send_from s "${AT[r]}" "${AT[good]}" <"$TMP/data"
	completes 6
done

# The rate falls to a tenth, and the path becomes longer.
what="a tenth of the rate"
begin 100
lab_set s r rate=10M delay=60ms
completes 14

# Another way: the same rate, but so long that what filled the old one leaves it nearly empty.
what="seven times as long"
begin 40
lab_set s r delay=140ms
completes 9

# The receiver gets another address while it receives.
what="receiver moves"
begin 40
lab_move r 7
completes 6
lab_move r 0

# So does the sender.
what="sender moves"
begin 40
lab_move s 8
completes 6
lab_move s 0

# IPv6, and moving there.
what="IPv6"
TO="[$(lab_ip6 r)]:2312"
begin 40
completes 6
what="IPv6, receiver moves"
begin 40
lab_move r 9
completes 6

# A receiver with two addresses answers from the one that is asked: of the other its sender takes nothing.
what="two addresses"
lab_move r 0
lab_exec r ip address add 10.77.9.3/16 dev "$LAB_DEVICE"
lab_exec s sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter; ip route add blackhole 10.77.0.3'
TO=10.77.9.3:2312
begin 40
completes 8.8
exit 0

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TCP and UDP through a tunnel. Cases, each peer in turns:
#
#   bulk     one connection, loopback: dexor tunnel, kcptun, a plain socat relay, TCP itself
#   path     one connection over 100 ms, 500 Mbit/s, 1 % loss: dexor tunnel, TCP cubic, pipeclone, kcptun
#   echo     round trips of 100 bytes, loopback: each as soon as the last is back, and a thousand a second
#   far      the same, ten a second on each connection, over 100 ms with 1 % loss in both directions: twenty connections in a
#            tunnel, and twenty tunnels with one each
#   stalled  what three readers get in $STALL_S seconds, loopback and a path of 20 ms and 500 Mbit/s, alone
#            and beside one that does not read; memory then
#   udp      iperf3 -u at 200 Mbit/s, loopback and a path of 20 ms: what was lost
#
#     CASES="bulk path echo far stalled udp" RUNS=5 BYTES=2000000000 SLOW_BYTES=200000000 PATH_BYTES=200000000
#     STALL_S=30 UDP_S=10 tests/bench/tunnel.sh
# shellcheck disable=SC2034,SC2086,SC2154 # peers read variables of ours; lists are words
set -uo pipefail
# shellcheck source=tests/bench/bench.sh
source "$(dirname "$0")/bench.sh"
requires_tun

CASES=${CASES-bulk path echo far stalled udp}
BYTES=${BYTES:-2000000000} SLOW_BYTES=${SLOW_BYTES:-200000000} PATH_BYTES=${PATH_BYTES:-200000000}
STALL_S=${STALL_S:-30} UDP_S=${UDP_S:-10} PEERS=${PEERS-}
echo_program=$(BUILT_DIRS=$top_builddir/tests/bench built tunnel_echo) || exit 1

bench_open tunnel
on_loopback() {
	bench_host s 127.0.0.1
	bench_host r 127.0.0.1
}

on_path() {
	if ((${#LAB_HOSTS[@]} == 0)); then
		lab_start s r
		lab_tcp_bbr s
		lab_tcp_bbr r
	fi
	bench_lab_host s r
	lab_link s r perfect "$@"
}

wants() {
	[[ " $CASES " == *" $1 "* ]]
}

# ---- one connection

bulk() {
	local peer run bytes
	on_loopback
	bench_data "$BYTES"
	for ((run = 1; run <= RUNS; run++)); do
		for peer in "${BENCH_PEERS[@]}"; do
			[[ " $1 " == *" $peer "* ]] || continue
			bytes=$BYTES
			[[ $peer != kcptun ]] || bytes=$SLOW_BYTES
			LIMIT=${LIMIT:-30} bench_run "$peer" "$bytes" s r
			bench_result "$peer" case=bulk size="$bytes" run="$run"
		done
	done
}

# False: the lab was too slow.
once() {
	bench_lab_mark
	LIMIT=${LIMIT:-20} bench_run "$1" "$PATH_BYTES" s r
	! bench_lab_overload
}

over_path() {
	local peer run
	on_path rate=500M delay=50ms queue=100ms
	lab_path 's>r' loss=1%
	bench_data "$PATH_BYTES"
	PATH_LOSS=1
	for ((run = 1; run <= RUNS; run++)); do
		for peer in "${BENCH_PEERS[@]}"; do
			[[ " $1 " == *" $peer "* ]] || continue
			once "$peer" || once "$peer" || MORE+=(overloaded=1)
			bench_result "$peer" case=path size="$PATH_BYTES" run="$run" rate_mbit=500 rtt_ms=100 loss_pct=1 queue_ms=100
		done
	done
	PATH_LOSS=0
}

# ---- round trips

# echo_case PEER CASE CONNS EACH EVERY_US [KEY=VALUE...]: through what PEER needs, from s to a server at r; $TUNNELS: so many
# tunnels, among which the connections are dealt out
echo_case() {
	local peer=$1 case=$2 port at found server k ports
	MORE=() WHY='' HELPERS=()
	port=$(bench_port r)
	bench_helper r "$echo_program" serve "$port"
	server=$BG_PID
	bench_wait_listens r tcp "$port" "$server"
	at="$(bench_ip r) $port"
	case $peer in
	dexor)
		for ((k = 0; k < ${TUNNELS:-1}; k++)); do
			dexor_relays s r "127.0.0.1:$port" tcp "$k" || break
			ports+=,$dexor_in
		done
		at="127.0.0.1 ${ports#,}" ;;
	relay) relay_start r "127.0.0.1:$port" && at="$(bench_ip r) $relay_in" ;;
	esac
	[[ $WHY ]] || found=$(bench_exec s "$echo_program" run $at "$3" "$4" "$5" 100 2>&1) || WHY=$found
	bench_stop
	if [[ $WHY ]]; then
		bench_row "$peer" case="$case" connections="$3" "${@:6}" failed="$WHY"
	else
		bench_row "$peer" case="$case" connections="$3" "${@:6}" $found "${MORE[@]}"
	fi
}

echo_near() {
	local peer run
	on_loopback
	for ((run = 1; run <= RUNS; run++)); do
		for peer in socat relay dexor; do
			echo_case "$peer" echo 1 5000 0 every_us=0 run="$run"
			echo_case "$peer" echo 1 2000 1000 every_us=1000 run="$run"
		done
	done
}

# Loss both ways: an echo is lost as easily as what it answers.
echo_far() {
	local peer run
	on_path delay=50ms rate=500M queue=100ms loss=1%
	for ((run = 1; run <= RUNS; run++)); do
		for peer in dexor socat; do
			echo_case "$peer" far 20 100 100000 tunnels=1 every_us=100000 rtt_ms=100 loss_pct=1 run="$run"
		done
		TUNNELS=20 echo_case dexor far 20 100 100000 tunnels=20 every_us=100000 rtt_ms=100 loss_pct=1 run="$run"
	done
}

# ---- one that does not read

# Bytes that the readers have had so far.
readers_have() {
	local pid n=0 key value
	for pid; do
		while read -r key value; do
			[[ $key != wchar: ]] || ((n += value))
		done <"/proc/$pid/io"
	done
	echo "$n"
}

resident_mb() {
	awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"
}

reader() {
	bench_helper s socat -u -b 262144 "TCP4:127.0.0.1:$dexor_in" OPEN:/dev/null
}

# readers_get SECONDS PID...: Mbit/s of all together, into $mbit
readers_get() {
	local seconds=$1 began a b
	shift
	began=$(bench_now_us) a=$(readers_have "$@")
	bench_pause "$seconds"
	b=$(readers_have "$@")
	mbit=$(bench_mbit $((b - a)) "$(bench_seconds $(($(bench_now_us) - began)))")
}

# stalled_case RTT RUN
stalled_case() {
	local k port pids=() mbit
	MORE=() WHY='' HELPERS=()
	port=$(bench_port r)
	bench_helper r socat -u -b 262144 OPEN:/dev/zero,rdonly "TCP4-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork"
	bench_wait_listens r tcp "$port" "$BG_PID" || return
	dexor_relays s r "127.0.0.1:$port" || return
	for k in 1 2 3; do
		reader
		pids+=("$BG_PID")
	done
	bench_pause 1
	readers_get 8 "${pids[@]}"
	bench_row dexor case=stalled stalled=0 rtt_ms="$1" run="$2" mbit="$mbit"
	reader
	bench_pause 0.5
	kill -STOP "$BG_PID"
	readers_get "$STALL_S" "${pids[@]}"
	bench_row dexor case=stalled stalled=1 rtt_ms="$1" run="$2" mbit="$mbit" entry_mb="$(resident_mb "$dexor_entry")" \
		exit_mb="$(resident_mb "$dexor_exit")"
	kill -CONT "$BG_PID"
	bench_stop
}

stalled() {
	local run
	for ((run = 1; run <= RUNS; run++)); do
		on_loopback
		stalled_case 0 "$run"
		on_path delay=10ms rate=500M queue=100ms
		stalled_case 20 "$run"
	done
}

# ---- datagrams

# iperf3 wants a TCP connection beside its datagrams, to the same port.
udp_case() {
	local peer=$1 port lost at
	MORE=() WHY='' HELPERS=()
	port=$(bench_port r)
	bench_helper r iperf3 -s -1 -p "$port"
	bench_wait_listens r tcp "$port" "$BG_PID" || return
	at=$(bench_ip r)
	if [[ $peer == dexor ]]; then
		dexor_relays s r "127.0.0.1:$port" && DEXOR_IN=$dexor_in dexor_relays s r "127.0.0.1:$port" udp
		at=127.0.0.1 port=$dexor_in
	fi
	bench_exec s iperf3 -u -c "$at" -p "$port" -b 200M -l 1200 -t "$UDP_S" -J >"$TMP/iperf.json" 2>&1 || WHY="iperf3: exit $?"
	bench_stop
	lost=$(sed -n '/"sum"/,$s/.*"lost_percent":[^0-9]*\([0-9.e-]*\).*/\1/p' "$TMP/iperf.json" | tail -n 1)
	lost=$(awk -v x="$lost" 'BEGIN { printf "%.4f", x }')
	bench_row "$peer" case=udp "${@:2}" asked_mbit=200 lost_pct="${WHY:+}${lost}" failed="$WHY"
}

udp() {
	local peer run
	for ((run = 1; run <= RUNS; run++)); do
		for peer in dexor socat; do
			on_loopback
			udp_case "$peer" rtt_ms=0 run="$run"
			on_path delay=10ms rate=500M queue=100ms
			udp_case "$peer" rtt_ms=20 run="$run"
		done
	done
}

bench_peer ${PEERS:-dexor kcptun relay socat-cubic pipeclone}
! wants bulk || bulk "dexor kcptun relay socat-cubic"
! wants path || over_path "dexor socat-cubic pipeclone kcptun"
! wants echo || echo_near
! wants far || echo_far
! wants stalled || stalled
! wants udp || udp
exit 0

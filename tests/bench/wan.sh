#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One receiver behind a long path of the lab, to the last byte: every RTT with every loss, pipeclone on a path it has never
# seen and on one it remembers, beside TCP BBR in turns; and, at 100 ms, the other peers.
#
#     RTTS="10 100 300" LOSSES="0 0.1 1 5 10" QUEUE=100 RATE=500 BYTES=200000000 RUNS=5 LIMIT=20 tests/bench/wan.sh
#     OTHERS="socat-cubic udt ..." OTHER_RUNS=1; PEERS="pipeclone socat-bbr"; EXTRA=0: without the cells outside the grid
# shellcheck disable=SC2034,SC2086 # peers read variables of ours; lists are words
set -uo pipefail
# shellcheck source=tests/bench/bench.sh
source "$(dirname "$0")/bench.sh"
requires_tun

RTTS=${RTTS-10 100 300} LOSSES=${LOSSES-0 0.1 1 5 10} QUEUE=${QUEUE:-100} RATE=${RATE:-500} BYTES=${BYTES:-200000000}
PEERS=${PEERS-pipeclone pipeclone-known socat-bbr}
OTHERS=${OTHERS-socat-cubic udt srt kcptun ngtcp2 uftp udpcast} OTHER_RUNS=${OTHER_RUNS:-1}

bench_open wan
lab_start s r
lab_tcp_bbr s
lab_tcp_bbr r
bench_lab_host s r
bench_data "$BYTES"

# cell RTT LOSS QUEUE RUN PEER...: each peer once, and once more when the lab could not keep up
cell() {
	local rtt=$1 loss=$2 queue=$3 run=$4 peer
	shift 4
	PATH_LOSS=$loss
	lab_link s r perfect "rate=${RATE}M" "delay=$((rtt * 500))us" "queue=${queue}ms"
	lab_path 's>r' "loss=$loss%"
	for peer; do
		[[ " ${BENCH_PEERS[*]} " == *" $peer "* ]] || continue
		once "$peer" "$rtt" || once "$peer" "$rtt" || MORE+=(overloaded=1)
		bench_result "$peer" run="$run" rate_mbit="$RATE" rtt_ms="$rtt" loss_pct="$loss" queue_ms="$queue"
	done
}

# False: the lab was too slow.
once() {
	bench_lab_mark
	LIMIT=${LIMIT:-20} bench_run "$1" "$BYTES" s r
	! bench_lab_overload || return
	MORE+=(feedback_bytes="$(bench_lab_since 'r>s' out_bytes)" wire_bytes="$(bench_lab_since 's>r' in_bytes)")
}

# For those that must be told: what the link carries beside headers.
UFTP_KBIT=$((RATE * 940)) UDPCAST_RATE=$((RATE * 94 / 100))m
bench_peer $PEERS $OTHERS
for rtt in $RTTS; do
	for loss in $LOSSES; do
		for ((run = 1; run <= RUNS; run++)); do
			cell "$rtt" "$loss" "$QUEUE" "$run" $PEERS
			((rtt == 100 && run <= OTHER_RUNS)) && cell "$rtt" "$loss" "$QUEUE" "$run" $OTHERS
		done
	done
done
[[ ${EXTRA:-1} == 1 ]] || exit 0
for ((run = 1; run <= RUNS; run++)); do
	cell 100 1 10 "$run" $PEERS
	LIMIT=${LIMIT:-40} cell 1000 5 "$QUEUE" "$run" $PEERS
done
exit 0

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One receiver behind a long path of the lab, to the last byte: every RTT with every loss, pipeclone on a path it has never
# seen and on one it remembers, beside TCP BBR in turns; and, at 100 ms, the other peers.
#
#     RTTS="10 100 300" LOSSES="0 0.1 1 5 10" QUEUE=100 RATE=500 BYTES=200000000 RUNS=5 LIMIT=20 tests/bench/wan.sh
#     OTHERS="socat-cubic udt ..." OTHER_RUNS=1 OTHER_LIMIT=15; PEERS="pipeclone socat-bbr"; EXTRA=0: without the cells outside the grid;
#     JOBS=2: so many cells of PEERS at a time, on a machine with processors to spare
# shellcheck disable=SC2034,SC2086 # peers read variables of ours; lists are words
set -uo pipefail
# shellcheck source=tests/bench/bench.sh
source "$(dirname "$0")/bench.sh"
requires_tun

RTTS=${RTTS-10 100 300} LOSSES=${LOSSES-0 0.1 1 5 10} QUEUE=${QUEUE:-100} RATE=${RATE:-500} BYTES=${BYTES:-200000000}
PEERS=${PEERS-pipeclone pipeclone-known socat-bbr}
OTHERS=${OTHERS-socat-cubic udt srt kcptun ngtcp2 uftp udpcast} OTHER_RUNS=${OTHER_RUNS:-1} OTHER_LIMIT=${OTHER_LIMIT:-15}
EXTRA=${EXTRA:-1} FAR_RUNS=${FAR_RUNS:-3}

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
		once "$peer" || once "$peer" || MORE+=(overloaded=1)
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
UDPCAST_MORE="--full-duplex --fec 8x8/128 --min-slice-size 1024 --max-slice-size 1024"

# The rate between half and nine tenths of the bytes: that of the path, without start and tail.
steady() {
	awk -v bytes="$1" '
		$3 >= bytes / 2 && !t { t = $1; b = $3 }
		$3 <= bytes * 0.9 { t2 = $1; b2 = $3 }
		END { if (t2 > t) printf "%.1f", (b2 - b) * 8 / (t2 - t) / 1e3 }' "$TMP/samples"
}

# Long enough to have a steady state.
far_cell() {
	local peer
	lab_link s r perfect "rate=${RATE}M" delay=500ms "queue=${QUEUE}ms"
	lab_path 's>r' loss=5%
	BYTES=$((BYTES * 5))
	bench_data "$BYTES"
	for peer in $PEERS; do
		[[ " ${BENCH_PEERS[*]} " == *" $peer "* ]] || continue
		bench_samples "$TMP/samples"
		LIMIT=40 once "$peer" || MORE+=(overloaded=1)
		((STOPPED)) || MORE+=(steady_mbit="$(steady "$BYTES")")
		bench_result "$peer" run="$1" size="$BYTES" rate_mbit="$RATE" rtt_ms=1000 loss_pct=5 queue_ms="$QUEUE"
	done
	bench_samples ''
	BYTES=$((BYTES / 5))
}

# Copies of this script, each with some of the losses; they write to the same file.
in_parallel() {
	local job k list pids=() losses
	read -ra losses <<<"$LOSSES"
	for ((job = 0; job < JOBS; job++)); do
		list=()
		for ((k = job; k < ${#losses[@]}; k += JOBS)); do
			list+=("${losses[k]}")
		done
		start_bg env JOBS=1 OTHERS= "LOSSES=${list[*]}" EXTRA=$((job == JOBS - 1 ? EXTRA : 0)) \
			BENCH_ROWS="$BENCH_ROWS" bash "$0"
		pids+=("$BG_PID")
	done
	for k in "${pids[@]}"; do
		wait_exit "$k" 7200
	done
	PEERS='' EXTRA=0
}

[[ ${JOBS:-1} == 1 ]] || in_parallel
bench_peer $PEERS $OTHERS
for rtt in $RTTS; do
	for loss in $LOSSES; do
		for ((run = 1; run <= RUNS; run++)); do
			cell "$rtt" "$loss" "$QUEUE" "$run" $PEERS
			((rtt == 100 && run <= OTHER_RUNS)) &&
				LIMIT=$OTHER_LIMIT cell "$rtt" "$loss" "$QUEUE" "$run" $OTHERS
		done
	done
done
[[ $EXTRA == 1 ]] || exit 0
for ((run = 1; run <= RUNS; run++)); do
	cell 100 1 10 "$run" $PEERS
	((run > FAR_RUNS)) || far_cell "$run"
done
exit 0

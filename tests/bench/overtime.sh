#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The rate over time of one long transfer at 100 ms and 1 % of loss: what a user sees. A line has
# `series`, the milliseconds and the bytes that the receiver has had by then.
#
#     SECONDS_LONG=12 RUNS=3 RTT=100 LOSS=1 PEERS="pipeclone socat-bbr socat-cubic" tests/bench/overtime.sh
# shellcheck disable=SC2034,SC2086
set -uo pipefail
# shellcheck source=tests/bench/bench.sh
source "$(dirname "$0")/bench.sh"
requires_tun

RATE=${RATE:-500} RTT=${RTT:-100} LOSS=${LOSS:-1} QUEUE=${QUEUE:-100} SECONDS_LONG=${SECONDS_LONG:-12}
PEERS=${PEERS-pipeclone socat-bbr socat-cubic}
SAMPLE_MS=100
BYTES=$((RATE * 125000 * SECONDS_LONG))

bench_open overtime
lab_start s r
lab_tcp_bbr s
lab_tcp_bbr r
bench_lab_host s r
bench_data "$BYTES"
bench_peer $PEERS
lab_link s r perfect "rate=${RATE}M" "delay=$((RTT * 500))us" "queue=${QUEUE}ms"
lab_path 's>r' "loss=$LOSS%"

once() {
	bench_samples "$TMP/samples"
	bench_lab_mark
	LIMIT=$SECONDS_LONG bench_run "$1" "$BYTES" s r
	! bench_lab_overload || MORE+=(overloaded=1)
	MORE+=("series:=[$(awk '{ printf "%s[%d,%d]", (NR > 1 ? "," : ""), $1, $3 }' "$TMP/samples")]")
	bench_result "$1" run="$2" rate_mbit="$RATE" rtt_ms="$RTT" loss_pct="$LOSS" queue_ms="$QUEUE"
}

# Three are enough to choose the one in the middle, which the plot shows.
for ((run = 1; run <= RUNS && run <= 3; run++)); do
	for peer in "${BENCH_PEERS[@]}"; do
		once "$peer" "$run"
	done
done
exit 0

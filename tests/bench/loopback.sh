#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One receiver over loopback, file to /dev/null, in turns, so that a machine whose speed drifts drifts for all.
#
#     BYTES=2000000000 SLOW_BYTES=500000000 RUNS=5 PEERS="pipeclone socat" SLOW="udt" tests/bench/loopback.sh
# shellcheck disable=SC2034,SC2086
set -uo pipefail
# shellcheck source=tests/bench/bench.sh
source "$(dirname "$0")/bench.sh"

BYTES=${BYTES:-2000000000} SLOW_BYTES=${SLOW_BYTES:-500000000}
PEERS=${PEERS-pipeclone socat pipeclone-none socat-cubic socat-bbr mbuffer ssh iperf3-cubic iperf3-bbr}
SLOW=${SLOW-ngtcp2 kcptun udt srt uftp udpcast}		# those which need ten times as long get less to do

bench_open loopback
bench_host s 127.0.0.1
bench_host r 127.0.0.1
bench_data "$BYTES"
bench_peer $PEERS $SLOW
for ((run = 1; run <= RUNS; run++)); do
	for peer in "${BENCH_PEERS[@]}"; do
		bytes=$BYTES
		[[ " $SLOW " != *" $peer "* ]] || bytes=$SLOW_BYTES
		LIMIT=${LIMIT:-30} bench_run "$peer" "$bytes" s r
		bench_result "$peer" run="$run" size="$bytes"
	done
done
exit 0

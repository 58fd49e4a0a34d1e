#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One sender and four receivers across veth pairs and a bridge at MTU 1500: pipeclone beside mbuffer with an -O for each, which is
# TCP without encryption, in turns.
#
#     BYTES=1000000000 RECEIVERS=4 RUNS=5 PEERS="pipeclone pipeclone-none mbuffer" tests/bench/fanout.sh
# shellcheck disable=SC2086
set -uo pipefail
# shellcheck source=tests/bench/bench.sh
source "$(dirname "$0")/bench.sh"
# shellcheck source=tests/bench/wire.sh
source "$(dirname "$0")/wire.sh"

BYTES=${BYTES:-1000000000} RECEIVERS=${RECEIVERS:-4} PEERS=${PEERS-pipeclone mbuffer pipeclone-none}

bench_open fanout
hosts=()
for ((k = 1; k <= RECEIVERS; k++)); do
	hosts+=("r$k")
done
wire_start s "${hosts[@]}"
bench_data "$BYTES"
bench_peer $PEERS
for ((run = 1; run <= RUNS; run++)); do
	for peer in "${BENCH_PEERS[@]}"; do
		LIMIT=${LIMIT:-30} bench_run "$peer" "$BYTES" s "${hosts[@]}"
		bench_each_result "$peer" run="$run" receivers="$RECEIVERS"
	done
done
exit 0

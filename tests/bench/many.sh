#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a receiver more costs the sender: CPU seconds of the sender for a delivered gigabyte with one receiver and with ten, over
# loopback (case loopback) and across veth pairs and a bridge (case bridge).
#
#     BYTES=300000000 RECEIVERS="1 10" RUNS=5 CASES="bridge loopback" PEERS=pipeclone tests/bench/many.sh
# shellcheck disable=SC2086
set -uo pipefail
# shellcheck source=tests/bench/bench.sh
source "$(dirname "$0")/bench.sh"
# shellcheck source=tests/bench/wire.sh
source "$(dirname "$0")/wire.sh"

BYTES=${BYTES:-300000000} RECEIVERS=${RECEIVERS:-1 10} CASES=${CASES:-bridge loopback} PEERS=${PEERS-pipeclone}

bench_open many
hosts=()
for ((k = 1; k <= 10; k++)); do
	hosts+=("r$k")
done
bench_data $((BYTES * 4))
bench_peer $PEERS

# One receiver gets more bytes, so that the clock of processors, which ticks 100 times a second, is fine enough.
measure() {
	local case=$1 n=$2 run=$3 peer bytes=$BYTES
	((n > 1)) || bytes=$((BYTES * 4))
	for peer in "${BENCH_PEERS[@]}"; do
		LIMIT=${LIMIT:-30} bench_run "$peer" "$bytes" s "${hosts[@]:0:n}"
		MORE+=(cpu_per_gb="$(awk -v c="$CPU_SEND" -v b="$bytes" -v n="$n" 'BEGIN { printf "%.4f", c / (b * n / 1e9) }')")
		bench_result "$peer" run="$run" case="$case" receivers="$n"
	done
}

for case in $CASES; do
	if [[ $case == loopback ]]; then
		for host in s "${hosts[@]}"; do
			bench_host "$host" 127.0.0.1
		done
	else
		wire_start s "${hosts[@]}"
	fi
	for ((run = 1; run <= RUNS; run++)); do
		for n in $RECEIVERS; do
			measure "$case" "$n" "$run"
		done
	done
done
exit 0

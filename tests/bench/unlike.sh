#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Receivers behind unlike paths: what the good ones get.
#
# three: 500 Mbit/s 20 ms 0 % (r1), 200 Mbit/s 150 ms 1 % (r2), 50 Mbit/s 300 ms 3 % (r3), RTTs, in the lab. Together under
#     quorum:2 and drop, until r1 and r2 have all; and r1 and r2 alone, in turns.
# four: r1 to r3 across veth pairs and a bridge, r4 through the lab, 1 % and 50 ms of RTT; pipeclone with quorum:3 and mbuffer
#     with TCP cubic and bbr, until r1 to r3 have all.
#
#     BYTES=200000000 FOUR_BYTES=1000000000 RUNS=5 CASES="three four" LAG=300M tests/bench/unlike.sh
# shellcheck disable=SC2034,SC2317
set -uo pipefail
# shellcheck source=tests/bench/bench.sh
source "$(dirname "$0")/bench.sh"
# shellcheck source=tests/bench/wire.sh
source "$(dirname "$0")/wire.sh"
requires_tun

BYTES=${BYTES:-200000000} FOUR_BYTES=${FOUR_BYTES:-1000000000} CASES=${CASES:-three four} LAG=${LAG:-300M}

bench_open unlike

# alone HOST RUN: Mbit/s of one receiver alone, to $ALONE[HOST]
declare -A ALONE=()
alone() {
	bench_run pipeclone "$BYTES" s "$1"
	ALONE[$1]=$(bench_mbit "${GOT[$1]}" "${TOOK[$1]}")
}

together() {
	local policy=$1 run=$2 host
	bench_lab_mark
	PIPECLONE_SEND_ARGS="--slow $policy" NEEDED="r1 r2" bench_run pipeclone "$BYTES" s r1 r2 r3
	! bench_lab_overload || MORE+=(overloaded=1)
	for host in r1 r2; do
		ALONE_MBIT[$host]=${ALONE[$host]}
	done
	bench_each_result pipeclone run="$run" case=three policy="${policy%:*}"
}

three() {
	local run policy
	lab_start s r1 r2 r3
	bench_lab_host s r1 r2 r3
	lab_link s r1 rate=500M delay=10ms
	lab_link s r2 rate=200M delay=75ms
	lab_link s r3 rate=50M delay=150ms
	lab_path 's>r2' loss=1%
	lab_path 's>r3' loss=3%
	bench_data "$BYTES"
	for ((run = 1; run <= RUNS; run++)); do
		alone r1
		alone r2
		for policy in quorum:2 "drop:$LAG"; do
			together "$policy" "$run"
		done
	done
	lab_stop
}

# mbuffer knows no congestion control; its namespace does, and what a namespace may have is told for all of them.
tcp_is() {
	local file=/proc/sys/net/ipv4/tcp_allowed_congestion_control old
	old=$(<"$file")
	if [[ " $old " != *" $1 "* ]]; then
		echo "$old $1" >"$file" && cleanup_add bench_sysctl_back "$file" "$old"
	fi
	bench_exec s sh -c "echo $1 >/proc/sys/net/ipv4/tcp_congestion_control"
}

four_by() {
	local peer=$1 name=$2 policy=$3 run=$4
	bench_lab_mark
	NEEDED="r1 r2 r3" bench_run "$peer" "$FOUR_BYTES" s r1 r2 r3 r4
	! bench_lab_overload || MORE+=(overloaded=1)
	bench_each_result "$name" run="$run" case=four policy="$policy"
}

four() {
	local run tcp
	lab_start s r4
	lab_tcp_bbr s
	lab_tcp_bbr r4
	wire_start s r1 r2 r3
	bench_lab_host r4
	lab_link s r4 delay=25ms
	lab_path 's>r4' loss=1%
	bench_data "$FOUR_BYTES"
	bench_peer mbuffer
	for ((run = 1; run <= RUNS; run++)); do
		PIPECLONE_SEND_ARGS="--slow quorum:3" four_by pipeclone pipeclone quorum "$run"
		for tcp in cubic bbr; do
			[[ " ${BENCH_PEERS[*]} " == *" mbuffer "* ]] || continue
			tcp_is "$tcp"
			LIMIT=${MBUFFER_LIMIT:-8} four_by mbuffer "mbuffer-$tcp" all "$run"
		done
	done
}

LIMIT=${LIMIT:-30}
bench_peer pipeclone
for case in $CASES; do
	"$case"
	ALONE_MBIT=()
done
exit 0

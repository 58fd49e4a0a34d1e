#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pipeclone against TCP BBR (socat, large buffers) over the same path of the lab, in turns: seconds
# until the receiver has all, medians. Fails when pipeclone is slower at 1 % of loss.
#
#     RUNS=5 BYTES=200000000 LOSSES="0 0.1 1 5" RATE=500M DELAY=50ms QUEUE=100ms tests/bench/wan.sh
set -u
# shellcheck source=tests/lab/pipe_lab.sh
source "$(dirname "$0")/../lab/pipe_lab.sh"
requires_tun
requires socat

RUNS=${RUNS:-5} BYTES=${BYTES:-200000000} LOSSES=${LOSSES:-0 0.1 1 5}
RATE=${RATE:-500M} DELAY=${DELAY:-50ms} QUEUE=${QUEUE:-100ms}

lab_start s r
lab_tcp_bbr s
lab_tcp_bbr r
make_data "$TMP/data" "$BYTES"
RECEIVE_TO=/dev/null

seconds() {
	awk -v us=$(($(now_us) - began)) 'BEGIN { printf "%.2f\n", us / 1e6 }'
}

by_pipeclone() {
	receive_on r r "$@"
	began=$(now_us)
	send_from s -q "${AT[r]}" "$@" <"$TMP/data"
	wait_exit "${PID[r]}" 120 || fail "$(cat "$TMP/r.err" "$TMP/sender.err")"
	taken=$(seconds)
	ends sender 0
}

tcp_listens() {
	lab_exec r grep -q ':1388 0*:0000 0A' /proc/net/tcp
}

by_tcp() {
	local receiver
	lab_bg r socat -u -b 262144 TCP4-LISTEN:5000,reuseaddr OPEN:/dev/null
	receiver=$BG_PID
	wait_for tcp_listens
	began=$(now_us)
	lab_bg s socat -u -b 262144 "OPEN:$TMP/data" "TCP4:$(lab_ip r):5000"
	wait_exit "$receiver" 300 || fail "socat: exit $?"
	taken=$(seconds)
	wait_exit "$BG_PID" 300 || fail "socat: exit $?"
}

median() {
	printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

echo "$BYTES bytes, $RATE, $DELAY each way, queue $QUEUE, median of $RUNS runs; seconds"
printf '%6s  %9s  %9s  %6s   %s\n' loss pipeclone "TCP BBR" ratio "all runs"
slower=
for loss in $LOSSES; do
	lab_link s r perfect "rate=$RATE" "delay=$DELAY" "queue=$QUEUE"
	lab_path 's>r' "loss=$loss%"
	ours=() theirs=()
	for ((run = 0; run < RUNS; run++)); do
		by_pipeclone
		ours+=("$taken")
		by_tcp
		theirs+=("$taken")
	done
	a=$(median "${ours[@]}")
	b=$(median "${theirs[@]}")
	ratio=$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", a / b }')
	printf '%5s%%  %9s  %9s  %6s   %s / %s\n' "$loss" "$a" "$b" "$ratio" \
		"${ours[*]}" "${theirs[*]}"
	[[ $loss != 1 ]] || between "$a" 0 "$b" || slower=1
done
if lab_overloaded; then
	echo "The lab was overloaded: these figures mean nothing."
elif [[ -n $slower ]]; then
	fail "slower than TCP BBR at 1 % of loss"
fi
exit 0

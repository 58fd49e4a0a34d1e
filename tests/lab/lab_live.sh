#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Interactive use over a path of 100 ms: a byte that is typed arrives within half a round trip and
# 5 ms; a pipe where nobody types stays up at a few packets a minute.
#
#     FULL=1      three minutes of silence instead of a third of one
set -u
# shellcheck source=tests/lab/pipe_lab.sh
source "$(dirname "$0")/pipe_lab.sh"
requires_tun

lab_start s r
mkfifo "$TMP/typed" "$TMP/seen"
exec 7<>"$TMP/typed"

# Says when each byte came. The clock is the same on both hosts.
clock_bytes() {
	while IFS= read -r -N 1 _; do
		echo "${EPOCHREALTIME/[.,]/}"
	done
}

open_pipe() {
	: >"$TMP/times"
	clock_bytes <"$TMP/seen" >"$TMP/times" &
	reader=$!
	RECEIVE_TO=$TMP/seen receive_on r r
	send_from s "${AT[r]}" < <(exec cat "$TMP/typed" 7<&-)
	printf x >&7
	wait_for '[[ -s $TMP/times ]]'
}

close_pipe() {
	kill -TERM "${PID[sender]}"
	ends sender 1
	ends r 1
	wait "$reader"
}

# type_bytes COUNT PAUSE: prints the delays in us, sorted
type_bytes() {
	local i sent=() before
	before=$(wc -l <"$TMP/times")
	for ((i = 0; i < $1; i++)); do
		sleep "$2"
		sent+=("${EPOCHREALTIME/[.,]/}")
		printf y >&7
	done
	wait_for "((\$(wc -l <'$TMP/times') >= before + $1))" >&2
	tail -n "$1" "$TMP/times" | paste -d ' ' <(printf '%s\n' "${sent[@]}") - |
		awk '{ print $2 - $1 }' | sort -n
}

# at_most PERCENT BOUND_US: of the delays given
at_most() {
	local delays what=$3
	mapfile -t delays <"$TMP/delays"
	local value=${delays[$((${#delays[@]} * $1 / 100))]}
	echo "$what: least ${delays[0]} us, $1 % below $value us, most ${delays[-1]} us"
	((value <= $2)) || lab_overloaded || fail "$what: $value us instead of $2: ${delays[*]}"
}

lab_link s r rate=100M delay=50ms
open_pipe
# One at a time, as a person types; then faster than a round trip.
type_bytes 20 0.15 >"$TMP/delays"
at_most 50 55000 "typed slowly"
type_bytes 100 0.01 >"$TMP/delays"
at_most 50 55000 "typed fast"

# Quiet but for a sign of life and its answer, every keepalive, from each side.
sleep 1
before=$(($(lab_count 's>r' in_pkts) + $(lab_count 'r>s' in_pkts)))
silence=${FULL:+180}
silence=${silence:-20}
sleep "$silence"
packets=$(($(lab_count 's>r' in_pkts) + $(lab_count 'r>s' in_pkts) - before))
echo "silent for $silence s: $packets packets in both directions"
((packets <= silence * 16 / 60 + 4)) || fail "$packets packets in $silence s of silence"

# The first byte after the silence is as quick.
type_bytes 1 0 >"$TMP/delays"
at_most 0 60000 "after the silence"

# Lost bytes are repaired at once, without anything behind them that would show the hole.
lab_link s r rate=100M delay=50ms loss=5%
type_bytes 60 0.05 >"$TMP/delays"
at_most 50 55000 "typed with 5 % of loss"
at_most 98 600000 "typed with 5 % of loss"
close_pipe

# Nothing typed at all is a stream too.
RECEIVE_TO='' receive_on r r
send_from s "${AT[r]}" </dev/null
ends sender 0
ends r 0
[[ ! -s $TMP/r.out ]] || fail "something came out of nothing"
exec 7<&-
exit 0

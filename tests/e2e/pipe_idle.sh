#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Interactive use: what is typed arrives at once, and an idle pipe stays up.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipe.sh"

mkfifo "$TMP/fifo"
exec 7<>"$TMP/fifo"
receive r --dead-after 1s --keepalive 300ms
# The shell itself holds the writing end, so that a line can be written without starting a program.
send_bg "${AT[r]}" --dead-after 1s --keepalive 300ms < <(exec cat "$TMP/fifo" 7<&-)
printf x >&7
wait_for "received r 1"

# The median of some bytes, seen by a reader that polls every millisecond or so.
times=()
for ((i = 2; i <= 12; i++)); do
	before=${EPOCHREALTIME/[.,]/}
	printf y >&7
	until received r "$i"; do
		((${EPOCHREALTIME/[.,]/} - before < 2000000)) || fail "a byte took longer than 2 s"
	done
	times+=($((${EPOCHREALTIME/[.,]/} - before)))
done
mapfile -t sorted < <(printf '%s\n' "${times[@]}" | sort -n)
((sorted[5] < 25000)) || fail "half of the bytes took longer than ${sorted[5]} us: ${times[*]}"

# Idle for longer than dead-after: both sides stay.
sleep 2.5
test_runs "${PID[r]}" || fail "the receiver ended: $(cat "$TMP/r.err")"
printf z >&7
wait_for "received r 13"

kill -TERM "${PID[sender]}"
ends sender 1
ends r 1
exec 7<&-
exit 0

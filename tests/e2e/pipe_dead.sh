#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sides that pause, die or are ended: within the time set, with the right exit status, and with names.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipe.sh"

make_data "$TMP/data" 6000000
slowly=(--rate 64M --dead-after 2s)	# about 1.5 s for two receivers

# A receiver is killed midway: named, after dead-after; the other completes.
receive good "${slowly[@]}"
receive dying "${slowly[@]}"
send_bg -s "${AT[good]},${AT[dying]}" "${slowly[@]}" <"$TMP/data"
wait_for "received dying 500000"
kill -KILL "${PID[dying]}"
ends dying 137
ends sender 1 12
ends good 0
same good
says sender "${AT[dying]}" LOST "${AT[good]}: complete"

# A receiver that pauses for less than dead-after goes on.
receive good "${slowly[@]}"
receive pausing "${slowly[@]}"
send_bg -s "${AT[good]},${AT[pausing]}" "${slowly[@]}" <"$TMP/data"
wait_for "received pausing 500000"
kill -STOP "${PID[pausing]}"
sleep 1
kill -CONT "${PID[pausing]}"
ends sender 0 20
ends good 0
ends pausing 0
same good pausing

# One that pauses for longer is dead to the sender, and learns it when it wakes up.
receive good "${slowly[@]}"
receive pausing "${slowly[@]}"
send_bg -s "${AT[good]},${AT[pausing]}" "${slowly[@]}" <"$TMP/data"
wait_for "received pausing 500000"
kill -STOP "${PID[pausing]}"
ends sender 1 12
ends good 0
same good
says sender "${AT[pausing]}" LOST
kill -CONT "${PID[pausing]}"
ends pausing 1 10
says pausing "NOT complete"

# The sender is killed midway.
receive r "${slowly[@]}"
send_bg "${AT[r]}" "${slowly[@]}" <"$TMP/data"
wait_for "received r 500000"
kill -KILL "${PID[sender]}"
ends sender 137
ends r 1 6
says r "NOT complete"

# The sender is interrupted: its receivers are told at once, and both report.
for signal in INT TERM HUP; do
	receive r
	send_bg "${AT[r]}" --rate 16M <"$TMP/data"
	wait_for "received r 300000"
	kill "-$signal" "${PID[sender]}"
	ends sender 1 4
	ends r 1 4
	says sender "${AT[r]}: NOT COMPLETE"
	says r "NOT complete" "the sender was interrupted"
done

# A sender that waits for input is interrupted.
receive r
mkfifo "$TMP/fifo"
exec 7<>"$TMP/fifo"
send_bg "${AT[r]}" <"$TMP/fifo"
printf hello >&7
wait_for "received r 5"
kill -INT "${PID[sender]}"
ends sender 1 4
ends r 1 4
exec 7<&-

# The receiver is interrupted: the sender names it.
receive good
receive r
send_bg -s "${AT[good]},${AT[r]}" --rate 32M <"$TMP/data"
wait_for "received r 300000"
kill -INT "${PID[r]}"
ends r 1 4
ends sender 1 10
ends good 0
same good
says sender "${AT[r]}" LOST interrupted
says r "NOT complete"

# A receiver that is killed and started again on the same port is a new one: the old stream is not its.
receive r --dead-after 5s
send_bg "${AT[r]}" --rate 16M --dead-after 5s <"$TMP/data"
wait_for "received r 300000"
kill -KILL "${PID[r]}"
ends r 137
mv "$TMP/r.out" "$TMP/old.out"
receive r
ends sender 1 8
says sender "${AT[r]}" LOST
[[ ! -s $TMP/r.out ]] || fail "the new receiver got the rest of an old stream"
send_bg "${AT[r]}" <"$TMP/data"
ends sender 0
ends r 0
same r
exit 0

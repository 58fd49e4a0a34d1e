#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Receivers and senders that are not there, or die, at the end of a long path: named within the
# time set, while the other receivers complete.
set -u
# shellcheck source=tests/lab/pipe_lab.sh
source "$(dirname "$0")/pipe_lab.sh"
requires_tun

lab_start s good bad
lab_link s good rate=40M delay=25ms
lab_link s bad rate=40M delay=25ms
make_data "$TMP/data" 6000000	# 1.3 s

# begin [OPTION...]: both receivers and the sender; returns when the bad one is midway
begin() {
	receive_on good good "$@"
	receive_on bad bad "$@"
	send_from s "${AT[good]},${AT[bad]}" "$@" <"$TMP/data"
	wait_for "received bad 1000000"
	event=$(now_us)
}

# after NAME LEAST MOST: it ended so many seconds after the event
after() {
	local took
	took=$(awk -v us=$((${ENDED[$1]} - event)) 'BEGIN { printf "%.2f", us / 1e6 }')
	echo "$what: $1 ended after $took s"
	between "$took" "$2" "$3" || lab_overloaded ||
		fail "$what: $1 ended $took s after it, not within $2 to $3"
}

declare -A ENDED=()
over() {
	ends "$1" "$2" "${3:-30}"
	ENDED[$1]=$(now_us)
}

# Nobody has the port, and the host says so. That is no proof, so the whole time is waited for.
what="nobody at the port"
receive_on good good
event=$(now_us)
send_from s "${AT[good]}" "$(lab_ip bad):2400" --connect-timeout 3s <"$TMP/data"
over sender 1
after sender 2.5 4.8
ends good 0
same good
says sender "$(lab_ip bad):2400" LOST "${AT[good]}: complete"

# Nobody answers at all.
what="host down"
receive_on good good
event=$(now_us)
send_from s "${AT[good]}" 10.77.0.200 --connect-timeout 3s <"$TMP/data"
over sender 1
after sender 2.5 4.8
ends good 0
same good
says sender "10.77.0.200:2312: LOST: " "${AT[good]}: complete"

# Killed: its host refuses the port, but that could be said by anyone.
what="receiver killed"
begin --dead-after 2s
kill -KILL "${PID[bad]}"
over bad 137
over sender 1
after sender 0 6
ends good 0
same good
says sender "${AT[bad]}: LOST: " "${AT[good]}: complete"

# The sender is killed.
what="sender killed"
begin --dead-after 2s
kill -KILL "${PID[sender]}"
over sender 137
over bad 1
after bad 0 6
over good 1
after good 0 6
says good "NOT complete"
says bad "NOT complete"

# The line is cut for good: both ends name it.
what="line cut"
begin --dead-after 2s
lab_cut s bad
over sender 1
after sender 1.5 5
over bad 1
after bad 1.5 5
ends good 0
same good
says sender "${AT[bad]}: LOST: no word for" "${AT[good]}: complete"
says bad "NOT complete"
lab_heal s bad

# One direction only.
for path in 's>bad' 'bad>s'; do
	what="$path cut"
	begin --dead-after 2s
	lab_cut "$path"
	over sender 1
	after sender 1.5 6
	over bad 1
	after bad 1.5 6
	ends good 0
	same good
	says sender "${AT[bad]}: LOST: no word for" "${AT[good]}: complete"
	says bad "NOT complete"
	lab_heal "$path"
done

# A pause that is longer than dead-after, by the one whose kernel still takes the packets.
what="receiver paused for long"
begin --dead-after 2s
kill -STOP "${PID[bad]}"
over sender 1
after sender 1.5 6
kill -CONT "${PID[bad]}"
over bad 1
ends good 0
same good
says sender "${AT[bad]}: LOST: no word for" "${AT[good]}: complete"
says bad "NOT complete"

what="receiver paused"
begin --dead-after 3s
kill -STOP "${PID[bad]}"
sleep 1.5
kill -CONT "${PID[bad]}"
over sender 0
after sender 1.5 5
ends bad 0
ends good 0
same good bad

what="sender paused for longer than its receivers wait"
begin --dead-after 2s
kill -STOP "${PID[sender]}"
over bad 1
after bad 1.5 5
over good 1
says good "NOT complete"
kill -CONT "${PID[sender]}"
over sender 1
says sender "${AT[good]}: LOST: " "${AT[bad]}: LOST: "
exit 0

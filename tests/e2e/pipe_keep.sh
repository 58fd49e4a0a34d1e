#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A receiver serves one sender: a second is told that it is busy. With --keep the next is served when the first is done.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipe.sh"

# One after another, at once: the streams follow each other.
make_data "$TMP/one" 3000000
make_data "$TMP/two" 50000
: >"$TMP/three"
make_data "$TMP/four" 1
receive r -k --json "$TMP/r.json"
for part in one two three four; do
	send_bg "${AT[r]}" <"$TMP/$part"
	ends sender 0
done
cat "$TMP"/{one,two,three,four} >"$TMP/data"
same r

# A sender that breaks off does not end the service, though the exit status remembers it.
send_bg "${AT[r]}" < <(cat "$TMP/two"; sleep 30)
wait_for "received r $((3000001 + 50000 + 50000))"
kill -KILL "${PID[sender]}"
ends sender 137
send_bg "${AT[r]}" --connect-timeout 20s <"$TMP/four"
# The dead sender holds the place until it is declared dead, or its successor proves that it is gone.
status=0
wait_exit "${PID[sender]}" 40 || status=$?
if ((status != 0)); then
	says sender "another sender is being served"
	wait_for "grep -q BROKEN '$TMP/r.err'" 40
	send_bg "${AT[r]}" <"$TMP/four"
	ends sender 0
fi
says r "NOT complete"
stop_bg "${PID[r]}" TERM
[[ $? == 1 ]] || fail "a broken stream was forgotten"
[[ $(wc -l <"$TMP/r.json") == 6 ]] || fail "not a line per stream: $(cat "$TMP/r.json")"

# An idle one that has done well ends with 0.
receive r -k
send_bg "${AT[r]}" <"$TMP/two"
ends sender 0
stop_bg "${PID[r]}" INT || fail "exit $? after a good stream"

# Without a sender, a plain receiver has failed when it is ended.
receive r
stop_bg "${PID[r]}" INT && fail "nothing came, and yet exit 0"
says r "SIGINT"

# Two senders at a time: the second is refused by name, the first is not disturbed.
make_data "$TMP/data" 4000000
mkfifo "$TMP/fifo"
receive r
send_bg "${AT[r]}" < <(cat "$TMP/data" "$TMP/fifo")
first=${PID[sender]}	# its report goes where the other's will
wait_for "received r 4000000"
send_bg "${AT[r]}" --identity "$(home_of other)" <"$TMP/two"
ends sender 1 5
says sender "${AT[r]}" "another sender is being served"
: >"$TMP/fifo"
PID[sender]=$first
ends sender 0
ends r 0
same r
exit 0

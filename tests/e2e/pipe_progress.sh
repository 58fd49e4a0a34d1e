#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The live table on a terminal, plain lines where progress is asked for without one, and silence where it is not.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipe.sh"
requires script

mkfifo "$TMP/fifo"

# on_terminal COMMAND: what it writes to a terminal of 100 columns goes to $TMP/screen
on_terminal() {
	HOME=$(home_of sender) TERM=xterm start_bg script -qefc "stty cols 100 rows 24; $1" "$TMP/screen" >/dev/null
	PID[sender]=$BG_PID
}

receive a
receive b
on_terminal "'$pipeclone' -s ${AT[a]},${AT[b]} <'$TMP/fifo'"
exec 7>"$TMP/fifo"
printf 0123456789 >&7
wait_for "received a 10 && received b 10"
wait_for "grep -q '${AT[b]}.* 10 B .*rtt .*lag ' '$TMP/screen'"
# Redrawn in place: up by the two rows that stand there.
wait_for "grep -q \$'\\033\\\\[2A' '$TMP/screen'"
exec 7>&-
ends sender 0
ends a 0
ends b 0
# What remains is the report.
tail -n 5 "$TMP/screen" >"$TMP/sender.err"
says sender "${AT[a]}: complete, 10 bytes" "${AT[b]}: complete, 10 bytes"

# NO_COLOR and a dumb terminal.
receive a
NO_COLOR=1 on_terminal "'$pipeclone' -s ${AT[a]} </dev/null"
ends sender 0
ends a 0
assert_lacks "$TMP/screen" $'\033[32m'

# --progress without a terminal: lines without control characters.
receive a
exec 7<>"$TMP/fifo"
send_bg "${AT[a]}" --progress <"$TMP/fifo"
printf 0123456789 >&7
wait_for "grep -q 'rtt' '$TMP/sender.err'" 15
exec 7>&-
ends sender 0
ends a 0
assert_lacks "$TMP/sender.err" $'\033'

# Neither: only the report.
receive a
exec 7<>"$TMP/fifo"
send_bg "${AT[a]}" <"$TMP/fifo"
printf 0123456789 >&7
wait_for "received a 10"
exec 7>&-
ends sender 0
ends a 0
assert_lacks "$TMP/sender.err" "lag "
exit 0

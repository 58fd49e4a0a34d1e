#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One sender, many receivers: all the same bytes; each policy says who must finish.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipe.sh"

make_data "$TMP/data" 20000000
names=(a b c d e f)
for name in "${names[@]}"; do
	receive "$name"
done
send_bg -s "${AT[a]},${AT[b]},${AT[c]}" "${AT[d]}" "${AT[e]},${AT[f]}" --json "$TMP/s.json" <"$TMP/data"
ends sender 0
for name in "${names[@]}"; do
	ends "$name" 0
	says sender "${AT[$name]}: complete, 20,000,000 bytes"
done
same "${names[@]}"
[[ $(grep -o '"result":"complete"' "$TMP/s.json" | wc -l) == 6 ]] || fail "$(cat "$TMP/s.json")"

# block: an absent receiver is named, the others complete, and the whole has failed.
absent=127.0.0.1:$(free_udp_port)
receive a
receive b
send_bg -s "${AT[a]},$absent,${AT[b]}" --connect-timeout 1s <"$TMP/data"
ends sender 1 10
ends a 0
ends b 0
same a b
says sender "$absent" LOST "${AT[a]}: complete" "${AT[b]}: complete"

# quorum: the two that are there suffice.
receive a
receive b
send_bg -s "${AT[a]},$absent,${AT[b]}" --slow quorum:2 --connect-timeout 1s --linger 1s <"$TMP/data"
ends sender 0 10
ends a 0
ends b 0
same a b
says sender "$absent" LOST

# quorum: one is missing to make two.
receive a
send_bg -s "${AT[a]},$absent" --slow quorum:2 --connect-timeout 1s --linger 1s <"$TMP/data"
ends sender 1 10
ends a 0
same a

# drop: a receiver whose consumer takes nothing falls behind and is dropped; the other gets it all.
mkfifo "$TMP/fifo"
exec 7<>"$TMP/fifo"
for lag in 1s 4M; do
	receive a
	RECEIVE_TO=$TMP/fifo receive slow
	send_bg -s "${AT[a]},${AT[slow]}" --slow "drop:$lag" --rate 200M <"$TMP/data"
	ends sender 1 20
	ends a 0
	same a
	says sender "${AT[slow]}" LOST
	# It is blocked in a write, and yet it ends: it has been told, or is told by a signal.
	kill -TERM "${PID[slow]}" 2>/dev/null
	ends slow 1 5
	says slow "NOT complete"
done
exec 7<&-

# All receivers lost: the sender stops reading and ends though its input never does.
mkfifo "$TMP/endless"
exec 8<>"$TMP/endless"
send_bg -s "$absent" --connect-timeout 500ms <"$TMP/endless"
ends sender 1 5
says sender "$absent" LOST
exit 0

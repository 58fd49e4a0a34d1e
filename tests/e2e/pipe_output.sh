#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A receiver that cannot write its output says so at both ends; the other receivers complete.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipe.sh"

make_data "$TMP/data" 10000000

# A full disk.
receive good
RECEIVE_TO=/dev/full receive full
send_bg -s "${AT[good]},${AT[full]}" <"$TMP/data"
ends sender 1 10
ends good 0
ends full 1
same good
says sender "${AT[full]}" "No space left on device" "${AT[good]}: complete"
says full "No space left on device" "NOT complete"

# The same on a filesystem that fills up midway.
if [[ $(id -u) == 0 ]] && mkdir "$TMP/small" && mount -t tmpfs -o size=1m tmpfs "$TMP/small" 2>/dev/null; then
	cleanup_add umount "$TMP/small"
	receive good
	RECEIVE_TO=$TMP/small/out receive full
	send_bg -s "${AT[good]},${AT[full]}" <"$TMP/data"
	ends sender 1 10
	ends good 0
	ends full 1
	same good
	says sender "No space left on device"
	between "$(stat -c %s "$TMP/small/out")" 1000000 1048576 || fail "$(stat -c %s "$TMP/small/out") bytes were written"
fi

# The consumer goes away.
mkfifo "$TMP/fifo"
head -c 1000 <"$TMP/fifo" >/dev/null &
receive good
RECEIVE_TO=$TMP/fifo receive closed
send_bg -s "${AT[good]},${AT[closed]}" <"$TMP/data"
ends sender 1 10
ends good 0
ends closed 1
same good
says sender "${AT[closed]}" "Broken pipe"
says closed "Broken pipe" "NOT complete"

# An empty stream to a full disk writes nothing, so nothing fails.
RECEIVE_TO=/dev/full receive full
send_bg "${AT[full]}" </dev/null
ends sender 0
ends full 0

# With --keep, an output that has failed ends the service.
RECEIVE_TO=/dev/full receive full -k
send_bg "${AT[full]}" <"$TMP/data"
ends sender 1 10
ends full 1

# An input that cannot be read is no empty stream.
receive r
send_bg "${AT[r]}" <"$TMP"
ends sender 1 2
says sender "standard input: Is a directory"
send_bg "${AT[r]}" <"$TMP/data"
ends sender 0
ends r 0
same r
exit 0

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A stranger's garbage at the receiver's port, 100,000 datagrams during a transfer, changes nothing but the rate.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipe.sh"
requires socat

# garbage BYTES: datagrams of that size, random from the first byte on
garbage() {
	start_bg sh -c "head -c $((50000 * $1)) /dev/urandom | socat -u -b$1 - UDP4:${AT[r]}"
	GARBAGE+=("$BG_PID")
}

# The data in pieces, for as long as there is garbage.
pieces() {
	local i
	for ((i = 0; i < 20; i++)); do
		dd if="$TMP/data" bs=1000000 skip="$i" count=1 2>/dev/null
		((i >= 18)) || sleep 0.1
		while ((i == 18)) && [[ ! -e $TMP/go ]]; do
			sleep 0.05
		done
	done
}

make_data "$TMP/data" 20000000
GARBAGE=()
receive r
send_bg "${AT[r]}" < <(pieces)
wait_for "received r 1000000"
garbage 1200
garbage 60
for pid in "${GARBAGE[@]}"; do
	wait_exit "$pid" 60 || fail "the garbage was not sent"
done
: >"$TMP/go"
ends sender 0 60
ends r 0
same r

# The same at a receiver that waits: it is still there for a sender afterwards.
GARBAGE=()
receive r
garbage 1200
garbage 60
for pid in "${GARBAGE[@]}"; do
	wait_exit "$pid" 60 || true
done
send_bg "${AT[r]}" <"$TMP/data"
ends sender 0
ends r 0
same r
exit 0

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dexor status shows the pipes that run, with their peers, and nothing is left of them afterwards.
set -u
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/pipe.sh
. "$(dirname "$0")/pipe.sh"
dexor=$(built dexor) || exit 1

# One folder for all, of this test alone.
export XDG_RUNTIME_DIR=$TMP/run
unset RUNTIME_DIRECTORY
mkdir -m 0700 "$XDG_RUNTIME_DIR"
sockets() {
	find "$XDG_RUNTIME_DIR" -name '*.sock' | wc -l
}

mkfifo "$TMP/fifo"
exec 7<>"$TMP/fifo"
receive r
"$dexor" status >"$TMP/status" || fail "status: $(cat "$TMP/status")"
assert_contains "$TMP/status" "(nobody)"
assert_contains "$TMP/status" "-l ${AT[r]}"
send_bg "${AT[r]}" < <(exec cat "$TMP/fifo" 7<&-)
printf x >&7
wait_for "received r 1"
"$dexor" status >"$TMP/status" || fail "status: $(cat "$TMP/status")"
assert_contains "$TMP/status" "-s ${AT[r]}"
[[ $(grep -c "pipeclone .* 127.0.0.1:" "$TMP/status") == 2 ]] || fail "not both with their peers: $(cat "$TMP/status")"
[[ $(sockets) == 2 ]] || fail "$(sockets) sockets"
exec 7<&-
kill -TERM "${PID[sender]}"
ends sender 1
ends r 1
[[ $(sockets) == 0 ]] || fail "$(sockets) sockets are left"

# Where no socket can be made a pipe does without.
chmod 0777 "$XDG_RUNTIME_DIR/dexor"
receive r
send_bg "${AT[r]}" <"$0"
ends sender 0
ends r 0
cmp -s "$0" "$TMP/r.out" || fail "not the same"
exit 0

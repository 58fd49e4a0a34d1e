#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who may: clients by address, relays by name, key or secret.
set -u
. "$(dirname "$0")/lib.sh"
requires socat
. "$(dirname "$0")/tunnel.sh"

tcp_server echo
LISTEN=$(free_tcp_port)
works() {
	[[ $(echo hello | timeout 10 socat -t 5 - "TCP:127.0.0.1:$LISTEN" 2>/dev/null) == hello ]]
}
# Sockets for status are of this test alone.
export XDG_RUNTIME_DIR=$TMP/run
mkdir -m 0700 "$XDG_RUNTIME_DIR"
rejected() {
	"$dexor" status --json | grep -o '"handshakes_rejected":[0-9]*' | awk -F: '{ n += $2 } END { print n + 0 }'
}
restart() {
	local name
	for name in entry exit; do
		[[ -z ${PID[$name]:-} ]] || { kill "${PID[$name]}" && ends "$name" 0; }
		: >"$TMP/$name.err"
	done
}

# First use: each pins the other under the name it was given.
exit_relay exit "tcp://127.0.0.1:$SERVER"
entry_relay entry "tcp://127.0.0.1:$LISTEN" --allow 10.0.0.0/8,127.0.0.0/8
await_up
works || fail "first use"
grep -q . "$TMP/home.entry/.dexor/known_hosts" || fail "the entry has pinned nothing"
grep -q . "$TMP/home.exit/.dexor/known_hosts" || fail "the exit has pinned nothing"
# Another one in the place of the entry: another key.
restart
rm -r "$TMP/home.entry"
exit_relay exit "tcp://127.0.0.1:$SERVER"
entry_relay entry "tcp://127.0.0.1:$LISTEN"
wait_for 'grep -q "refused 127.0.0.1\|has changed" "$TMP/exit.err"'
wait_for 'grep -q "cannot be reached yet" "$TMP/entry.err"'
is_up entry && fail "a changed key was let in"

# A relay that no name leads to: refused without a list, taken with one.
restart
rm -rf "$TMP/home.exit/.dexor/known_hosts"
FAR='' relay exit rmdt:// "tcp://127.0.0.1:$SERVER"
entry_relay entry "tcp://127.0.0.1:$LISTEN"
wait_for 'grep -q "neither is its key listed" "$TMP/exit.err"'
wait_for 'grep -q "cannot be reached yet" "$TMP/entry.err"'
# It goes on knocking, and is named once.
wait_for '(($(rejected) >= 5))'
[[ $(grep -c "refused 127.0.0.1" "$TMP/exit.err") == 1 ]] || fail "more than one line: $(cat "$TMP/exit.err")"
restart
# The secret does as well as a list.
head -c 32 /dev/urandom | base64 >"$TMP/psk"
chmod 600 "$TMP/psk"
relay exit rmdt:// "tcp://127.0.0.1:$SERVER" --psk "$TMP/psk"
entry_relay entry "tcp://127.0.0.1:$LISTEN" --psk "$TMP/psk"
await_up
works || fail "with the secret"

# A client from elsewhere is reset and counted.
restart
relay exit rmdt:// "tcp://127.0.0.1:$SERVER" --psk "$TMP/psk"
entry_relay entry "tcp://127.0.0.1:$LISTEN" --psk "$TMP/psk" --allow 192.0.2.0/24
await_up
works && fail "a client that is not allowed was let in"
exit 0

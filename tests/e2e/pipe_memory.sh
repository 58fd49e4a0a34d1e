#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The file of remembered paths: it is read, its bad lines are named, and whatever it holds, no transfer fails by it.
# (tests/lab/lab_memory.sh has paths long enough to be remembered.)
set -u
umask 022
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipe.sh"

make_data "$TMP/data" 300000
paths=$(home_of sender)/.dexor/paths

# works OPTION...: one transfer, with what the sender says in $TMP/sender.err
works() {
	receive r
	send_bg "${AT[r]}" --log-level info "$@" <"$TMP/data"
	ends sender 0
	ends r 0
	same r
}

# Loopback is too short to be worth a line.
works
[[ ! -e $paths ]] || fail "a path of no length was remembered: $(cat "$paths")"

# As an earlier process would have left it: the key is what known_hosts has of the receiver.
key=$(grep -o 'rmdt-x25519 [^ ]*' "$(home_of sender)/.dexor/known_hosts" | head -n 1)
echo "127.0.0.1 $key rate=50000000 rtt=20000 seen=$(date +%s)" >"$paths"
works
says sender 'is remembered: 400.0 Mbit/s, 20.0 ms'

works --no-remember
assert_lacks "$TMP/sender.err" remembered

printf '%s\n' 'not a path' "127.0.0.1 $key rate=50000000 rtt=20000 seen=$(date +%s)" >"$paths"
works
says sender "$paths:1: \"not\"" 'is remembered: 400.0 Mbit/s'

# Too old, and of nonsense.
echo "127.0.0.1 $key rate=50000000 rtt=20000 seen=1000000000" >"$paths"
works
assert_lacks "$TMP/sender.err" remembered
head -c 100000 /dev/urandom >"$paths"
works
rm "$paths"
mkdir "$paths"
works

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who may talk to whom: pins, changed keys, lists, strictness, shared secrets.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipe.sh"

make_data "$TMP/data" 100000
receiver_home=$(home_of r)
sender_home=$(home_of sender)

works() {
	local options=("$@")
	receive r "${receiver_options[@]}"
	send_bg "${AT[r]}" "${options[@]}" <"$TMP/data"
	ends sender 0
	ends r 0
	same r
}
# refused TEXT OPTION...: the sender is told, and the receiver, which goes on listening, has taken nothing.
refused() {
	local text=$1
	shift
	receive r "${receiver_options[@]}"
	send_bg "${AT[r]}" --connect-timeout 2s "$@" <"$TMP/data"
	ends sender 1 6
	says sender "${AT[r]}" LOST "$text"
	stop_bg "${PID[r]}" TERM
	[[ ! -s $TMP/r.out ]] || fail "a refused sender wrote $(stat -c %s "$TMP/r.out") bytes"
}
receiver_options=()

# First use: keys are made, private; the receiver is pinned and the sender warned about, each with its fingerprint.
works
for home in "$sender_home" "$receiver_home"; do
	[[ $(stat -c %a "$home/.dexor/id") == 600 ]] || fail "$home/.dexor/id has mode $(stat -c %a "$home/.dexor/id")"
done
says sender SHA256:
says r warning SHA256:
[[ -s $sender_home/.dexor/known_hosts ]] || fail "the receiver was not pinned"

# Second use: known, so nothing is said of it.
works
assert_lacks "$TMP/sender.err" SHA256:

# Strict sender: the pinned one is fine, another is not.
works --strict
PORT[r]=$(free_udp_port)
refused "" --strict
works

# Another key at the same place.
mv "$receiver_home/.dexor/id" "$TMP/id"
refused "key"
assert_contains "$TMP/sender.err" known_hosts
mv "$TMP/id" "$receiver_home/.dexor/id"
works

# Strict receiver: nobody is listed.
receiver_options=(--strict)
refused ""
receiver_options=()

# A list of others shuts us out, and listing us lets us in.
sender_key=$("$pipeclone" --version >/dev/null; grep -o 'SHA256:[A-Za-z0-9+/]*' "$TMP/r.err" | head -n 1)
[[ -n $sender_key ]] || fail "the receiver did not name the sender's fingerprint: $(cat "$TMP/r.err")"
: >"$receiver_home/.dexor/authorized_keys"
chmod 600 "$receiver_home/.dexor/authorized_keys"
refused ""
rm "$receiver_home/.dexor/authorized_keys"

# A shared secret.
head -c 32 /dev/urandom | base64 >"$TMP/psk1"
head -c 32 /dev/urandom | base64 >"$TMP/psk2"
chmod 600 "$TMP/psk1" "$TMP/psk2"
receiver_options=(--psk "$TMP/psk1")
works --psk "$TMP/psk1"
refused "pre-shared" --psk "$TMP/psk2"
refused "pre-shared"
receiver_options=()
refused "pre-shared" --psk "$TMP/psk1"

# Secrets that others can read, or that are too short, are no secrets.
receive r
chmod 644 "$TMP/psk1"
send_bg "${AT[r]}" --psk "$TMP/psk1" <"$TMP/data"
ends sender 1 5
says sender "$TMP/psk1"
printf 'short' >"$TMP/psk1"
chmod 600 "$TMP/psk1"
send_bg "${AT[r]}" --psk "$TMP/psk1" <"$TMP/data"
ends sender 1 5
says sender "$TMP/psk1"
send_bg "${AT[r]}" --psk "$TMP/nowhere" <"$TMP/data"
ends sender 1 5
says sender "$TMP/nowhere"

# None of these has disturbed the receiver. cipher none holds only where both ends ask for it.
send_bg "${AT[r]}" --cipher none <"$TMP/data"
ends sender 0
ends r 0
same r
exit 0

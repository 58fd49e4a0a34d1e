#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What one process learned of a path, the next one knows: a transfer over a long path writes it down, the second reads it and
# begins with it, and when the path has got much slower the third one comes through well and corrects it.
set -u
# shellcheck source=tests/lab/pipe_lab.sh
source "$(dirname "$0")/pipe_lab.sh"
requires_tun

lab_start s r
make_data "$TMP/data" 20000000
paths=$(home_of sender)/.dexor/paths

# transfer OPTION...: $took seconds
transfer() {
	receive_on r r
	began=$(now_us)
	send_from s "${AT[r]}" --log-level info "$@" <"$TMP/data"
	wait_exit "${PID[r]}" 60 || fail "$(cat "$TMP/r.err" "$TMP/sender.err")"
	took=$(awk -v us=$(($(now_us) - began)) 'BEGIN { printf "%.2f", us / 1e6 }')
	ends sender 0
	same r
}

# rate LEAST MOST: what is remembered, in Mbit/s
remembers() {
	local rate
	rate=$(sed -n "s/^$(lab_ip r) .* rate=\([0-9]*\) .*/\1/p" "$paths")
	[[ -n $rate ]] || fail "nothing is remembered: $(cat "$paths")"
	rate=$((rate * 8 / 1000000))
	echo "$1: $took s; remembered $rate Mbit/s"
	between "$rate" "$2" "$3" || lab_overloaded || fail "$1: $rate Mbit/s instead of $2 to $3"
}

lab_link s r perfect rate=100M delay=25ms queue=50ms
transfer
assert_lacks "$TMP/sender.err" remembered
remembers "the first time" 70 101
[[ $(stat -c %a "$paths") == 600 ]] || fail "$paths has mode $(stat -c %a "$paths")"

transfer
says sender "the path to ${AT[r]} is remembered"
remembers "the second time" 70 101

lab_link s r perfect rate=10M delay=25ms queue=50ms
transfer
between "$took" 0 24 || lab_overloaded || fail "a tenth as fast: $took s"
remembers "a tenth as fast" 5 11

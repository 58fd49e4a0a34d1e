#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A stranger sends 100,000 datagrams of garbage to the ports of a transfer: it goes on, nothing is
# believed, and hardly anything is answered. Part of it looks like packets of each form.
set -u
# shellcheck source=tests/lab/pipe_lab.sh
source "$(dirname "$0")/pipe_lab.sh"
requires_tun

DATAGRAMS=100000
lab_start s r good stranger
lab_link s r rate=40M delay=10ms
lab_link s good rate=40M delay=10ms
udpblast=$(built udpblast) || exit 1
make_data "$TMP/data" 30000000

sender_port() {
	lab_exec s cat /proc/net/udp /proc/net/udp6 |
		sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) .*/\1/p' | head -n 1
}

# blast HOST PORT COUNT RATE [OPTION...]
blast() {
	local host=$1 port=$2 count=$3 rate=$4
	shift 4
	lab_bg stranger "$udpblast" -r "$rate" -t 60 -n "$count" "$@" "$(lab_ip "$host")" "$port" \
		>>"$TMP/blast"
	BLASTS+=("$BG_PID")
}

receive_on r r
receive_on good good
BLASTS=()
: >"$TMP/blast"
send_from s "${AT[r]}" "${AT[good]}" <"$TMP/data"
wait_for "received r 500000"
# Half of it is noise; the rest begins as DATA, CTRL, what no version knows, and, complete but for a
# key agreed upon, INIT.
init=c1010000000000010000000000000000112233445566778800000020
blast r 2312 $((DATAGRAMS / 2)) 10M -s 100
blast r 2312 $((DATAGRAMS / 8)) 4M -s 100 -p 40 -S 2
blast r 2312 $((DATAGRAMS / 8)) 4M -s 100 -p 80 -S 3
blast r 2312 $((DATAGRAMS / 8)) 30M -s 1300 -p $init -S 4
blast r 2312 $((DATAGRAMS / 8)) 30M -s 0 -p c0 -S 5
blast s $((16#$(sender_port))) $((DATAGRAMS / 8)) 30M -s 0 -S 6
ends sender 0 60
ends r 0
ends good 0
same r good
echo "with garbage: $(grep -F "${AT[r]}" "$TMP/sender.err")"
assert_lacks "$TMP/r.err" FAIL

# An idle receiver stands the rest of it, and serves afterwards.
receive_on r r
memory=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/${PID[r]}/status")
blast r 2312 20000 50M -s 1300 -p $init -S 7
for pid in "${BLASTS[@]}"; do
	wait_exit "$pid" 60 || fail "udpblast: exit $?"
done
test_runs "${PID[r]}" || fail "the receiver ended: $(cat "$TMP/r.err")"
grown=$(($(awk '$1 == "VmRSS:" { print $2 }' "/proc/${PID[r]}/status") - memory))
((grown < 40000)) || fail "the receiver grew by $grown kB"
sent=$(sed -n 's/.*"sent":\([0-9]*\).*/\1/p' "$TMP/blast" | awk '{ n += $1 } END { print n }')
arrived=$(($(lab_count 'stranger>r' out_pkts) + $(lab_count 'stranger>s' out_pkts)))
answered=$(($(lab_count 'r>stranger' out_bytes) + $(lab_count 's>stranger' out_bytes)))
blasted=$(($(lab_count 'stranger>r' out_bytes) + $(lab_count 'stranger>s' out_bytes)))
echo "$sent sent, $arrived arrived, $blasted bytes drew $answered; the receiver grew by $grown kB"
((arrived >= DATAGRAMS)) || lab_overloaded || fail "only $arrived datagrams arrived"
((answered < blasted * 3)) || fail "$blasted bytes drew $answered"
send_from s "${AT[r]}" <"$TMP/data"
ends sender 0 60
ends r 0
same r
exit 0

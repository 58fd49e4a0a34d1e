#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ports that are taken, names that do not resolve, hosts where nobody listens.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipe.sh"

make_data "$TMP/data" 1000000

# A port serves one program: the second says so, and takes nothing from the first.
receive r
HOME=$(home_of second) expect_exit 1 "$pipeclone" -l "${AT[r]}" 2>"$TMP/second.err" >/dev/null
says second "${PORT[r]}"
HOME=$(home_of second) expect_exit 1 "$pipeclone" -l ":${PORT[r]}" 2>"$TMP/second.err" >/dev/null
says second "${PORT[r]}"
HOME=$(home_of second) expect_exit 1 "$pipeclone" -l ":${PORT[r]}" --threads 4 2>"$TMP/second.err" >/dev/null
says second "${PORT[r]}"
send_bg "${AT[r]}" <"$TMP/data"
ends sender 0
ends r 0
same r

# A name that does not resolve is named; the others complete.
receive r
send_bg -s "no-such-host.invalid,${AT[r]}" --connect-timeout 5s <"$TMP/data"
ends sender 1 15
ends r 0
same r
says sender "no-such-host.invalid:2312" LOST "${AT[r]}: complete"

# Nobody there: refused by the kernel or not answered, within the time that was given.
absent=127.0.0.1:$(free_udp_port)
send_bg "$absent" --connect-timeout 1s <"$TMP/data"
ends sender 1 4
says sender "$absent" LOST

# An address that is not ours cannot be listened at.
HOME=$(home_of second) expect_exit 1 "$pipeclone" -l "192.0.2.1:2312" 2>"$TMP/second.err" >/dev/null
says second "192.0.2.1"
HOME=$(home_of second) expect_exit 1 "$pipeclone" -l "no-such-host.invalid:2312" 2>"$TMP/second.err" >/dev/null
says second "no-such-host.invalid"

# The receiver comes later than the sender, within connect-timeout.
port=$(free_udp_port)
PORT[r]=$port
send_bg "127.0.0.1:$port" --connect-timeout 20s <"$TMP/data"
sleep 0.5
receive r
ends sender 0
ends r 0
same r
exit 0

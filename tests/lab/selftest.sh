#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The lab measured from its hosts: does a path do to packets what it was told to?
# Bounds are generous: machines are shared.

source "$(dirname "$0")/lab.sh"
requires_tun
tmpdir
PING=$(built udpping) || exit 1
BLAST=$(built udpblast) || exit 1

# value KEY: of the last result
value() {
	sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$TMP/result"
}

# expect KEY LEAST MOST
expect() {
	between "$(value "$1")" "$2" "$3" || fail "$what: $1 is not $2..$3: $(cat "$TMP/result")"
}

# serve -e|-q on b: sets $port and $server
serve() {
	: >"$TMP/served"
	lab_bg b "$PING" "$1" >"$TMP/served"
	server=$BG_PID
	wait_for "[[ -s \$TMP/served ]]"
	read -r port <"$TMP/served"
}

# Ends a counting server: its result becomes the last one.
count_end() {
	stop_bg "$server" || fail "udpping ended with $?"
	tail -n 1 "$TMP/served" >"$TMP/result"
}

ping_b() {
	lab_exec a "$PING" "$@" "$to" "$port" >"$TMP/result" || fail "$what: udpping"
}

lab_start a b c
[[ $(lab_ip b) == 10.77.0.2 && $(lab_ip6 c) == fd77::3 ]] || fail "addresses"
serve -e

for to in "$(lab_ip b)" "$(lab_ip6 b)"; do
	what="perfect wire to $to"
	lab_set '*' '*' perfect
	ping_b -n 100 -i 1
	expect received 100 100
	expect rtt_min_us 1 5000

	what="delay to $to"
	lab_link a b delay=20ms
	ping_b -n 50 -i 2
	expect received 50 50
	expect rtt_min_us 40000 42000
	expect rtt_avg_us 40000 60000

	what="other hosts keep their wire"
	[[ $(lab_count 'a>c' in_pkts) == 0 ]] || fail "$what"

	what="cut to $to"
	lab_cut 'a>b'
	ping_b -n 5 -i 1 -w 100
	expect received 0 0
	lab_heal 'a>b'
	ping_b -n 5 -i 1
	expect received 5 5

	what="black hole to $to"
	lab_set 'a>b' mtu=1400
	ping_b -n 5 -i 1 -s 1300
	expect received 5 5
	ping_b -n 5 -i 1 -s 1400 -w 200
	expect received 0 0

	what="damage that the kernel sees, to $to"
	lab_link a b perfect
	lab_path 'a>b' corrupt=100% fix=0
	ping_b -n 20 -i 1 -s 1000 -w 200
	expect received 0 0
	what="damage that the application sees, to $to"
	lab_path 'a>b' fix=1
	ping_b -n 20 -i 1 -s 1000
	expect received 20 20
	expect damaged 20 20

	what="duplicates to $to"
	lab_link a b perfect
	lab_path 'a>b' dup=50%
	ping_b -n 200 -i 1 -w 200
	expect received 250 350
	expect duplicates 50 150

	what="order to $to"
	lab_path 'a>b' perfect reorder=10%:20ms
	ping_b -n 300 -i 1
	expect received 300 300
	expect reordered 5 60

	what="jitter to $to"
	lab_path 'a>b' perfect delay=10ms jitter=20ms
	ping_b -n 300 -i 1
	expect reordered 0 0
	expect rtt_min_us 10000 20000
	expect rtt_max_us 20000 80000
	lab_link a b perfect
done

what="both addresses after a move"
lab_move b 5
to=10.77.5.2
ping_b -n 5 -i 1
expect received 5 5
to=fd77::5:2
ping_b -n 5 -i 1
expect received 5 5
lab_move b 0
stop_bg "$server"
to=$(lab_ip b)

what="loss"
serve -q
lab_path 'a>b' perfect loss=5%
ping_b -n 10000 -i 0.05 -o
lab_path 'a>b' perfect
count_end
expect received 9300 9700
[[ $(lab_count 'a>b' in_pkts) -ge 10000 ]] || fail "$what: the counter"

what="UDP super-packets"
for to in "$(lab_ip b)" "$(lab_ip6 b)"; do
	serve -q
	lab_path 'a>b' loss=5% rate=2G queue=1s
	ping_b -n 10000 -i 0.05 -s 1400 -g 40 -o
	lab_path 'a>b' perfect
	wait_for "[[ \$(lab_stats flying) == 0 ]]"
	count_end
	expect received 9300 9700
	expect damaged 0 0
	expect reordered 0 0
done
to=$(lab_ip b)

what="rate"
serve -q
lab_path 'a>b' rate=20M queue=20ms
lab_exec a "$BLAST" -r 40M -t 1 -s 1372 "$to" "$port" >"$TMP/blast"
between "$(sed 's/.*"sent":\([0-9]*\).*/\1/' "$TMP/blast")" 3000 4000 ||
	fail "udpblast: $(cat "$TMP/blast")"
lab_path 'a>b' perfect
count_end
expect bit_per_s 18000000 20500000 # 1372 of 1400 bytes are payload

what="marks"
serve -q
lab_path 'a>b' rate=5M queue=1s ecn=5ms
ping_b -n 200 -i 0 -s 1000 -E -o
lab_path 'a>b' perfect
wait_for "[[ \$(lab_stats flying) == 0 ]]"
count_end
expect received 200 200
expect marked 150 199

what="paths that dislike ECN"
serve -q
lab_path 'a>b' ect=drop
ping_b -n 20 -i 0 -s 1000 -E -o
[[ $(lab_count 'a>b' drop_ect) == 20 ]] || fail "$what: the counter"
lab_path 'a>b' rate=5M queue=1s ecn=1us ect=bleach
ping_b -n 50 -i 0 -s 1000 -E -o
lab_path 'a>b' perfect
wait_for "[[ \$(lab_stats flying) == 0 ]]"
count_end
expect received 50 50
expect marked 0 0

what="traffic of others"
serve -q
lab_path 'a>b' rate=20M queue=20ms cross=40M
lab_exec a "$BLAST" -r 40M -t 1 -s 1372 "$to" "$port" >"$TMP/blast"
lab_path 'a>b' perfect
count_end
expect received 500 1200 # a burst loses more of its packets than what comes evenly
cross=$(lab_count 'a>b' cross_pkts)
between $(($(value received) + cross)) 1500 1900 || fail "$what: $cross of them beside ours"

what="shared uplink"
lab_uplink a rate=10M queue=10s
lab_exec a "$BLAST" -r 0 -n 100 -s 1222 "$(lab_ip b)" 9 >/dev/null # 1250 bytes of IP: 1 ms each
lab_exec a "$BLAST" -r 0 -n 100 -s 1222 "$(lab_ip c)" 9 >/dev/null
start=${EPOCHREALTIME/[.,]/}
wait_for "[[ \$(lab_stats flying) == 0 ]]"
took_us=$((${EPOCHREALTIME/[.,]/} - start))
between "$took_us" 80000 400000 || fail "$what: $took_us us"
lab_uplink a rate=0

what="TCP through super-packets"
if type -P socat >/dev/null && type -P ss >/dev/null; then
	make_data "$TMP/data" 20000000
	for family in 4 6; do
		lab_link a b perfect rate=200M delay=5ms
		lab_path 'a>b' loss=0.1%
		lab_bg b socat -u "TCP$family-LISTEN:5000,reuseaddr" "OPEN:$TMP/copy,creat,trunc"
		receiver=$BG_PID
		wait_for "lab_exec b ss -ltn | grep -q :5000"
		to=$(lab_ip b)
		[[ $family == 4 ]] || to="[$(lab_ip6 b)]"
		lab_exec a socat -b 65536 -u "OPEN:$TMP/data" "TCP$family:$to:5000" ||
			fail "$what: socat"
		wait_exit "$receiver" 60 || fail "$what: the receiver"
		assert_same_sha "$TMP/data" "$TMP/copy"
	done
fi

what="nonsense is refused"
for bad in "set a>b rate=x" "set a>d loss=1%" "set a" "hop" "cut" "uplink a loss=1%"; do
	# shellcheck disable=SC2086 # words
	expect_exit 1 "$LAB_EMU" -C "$TMP/lab.ctl" $bad >"$TMP/result"
	assert_contains "$TMP/result" "error: "
done

lab_overloaded && echo "NOTE: the lab was overloaded" >&2

what="nothing is left behind"
names=$(lab_ns '')
lab_stop
ip netns list | grep -q "^$names" && fail "$what"
exit 0

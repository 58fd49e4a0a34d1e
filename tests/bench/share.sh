#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who gets how much of one bottleneck: pipeclone alone, and beside TCP cubic, TCP BBR and another pipeclone, from one host of the
# lab to another, through one queue. Payload that the receivers wrote, in Mbit/s, over SHARE_S seconds from when both have begun,
# and the delay that the queue adds, the median of a look each second.
#
#     AGAINST="alone cubic bbr pipeclone" SHARE_S=60 RUNS=5 RATE=500 RTT=100 QUEUE=100 tests/bench/share.sh
#
# HEAD_START=5 lets the other side begin so many seconds before. SAMPLES=FILE keeps what each had after each second. Rows as in
# bench.sh are added to $BENCH_ROWS.
set -u
# shellcheck source=tests/lab/pipe_lab.sh
source "$(dirname "$0")/../lab/pipe_lab.sh"
requires_tun
requires socat

AGAINST=${AGAINST:-alone cubic bbr pipeclone} SHARE_S=${SHARE_S:-60} RUNS=${RUNS:-5} HEAD_START=${HEAD_START:-0}
RATE=${RATE:-500} RTT=${RTT:-100} QUEUE=${QUEUE:-100}
BENCH_ROWS=${BENCH_ROWS:-/dev/null} SAMPLES=${SAMPLES:-/dev/null}
RECEIVE_TO=/dev/null
udpping=$(built udpping) || exit 1

lab_start s r
lab_tcp_bbr s
lab_tcp_bbr r
lab_link s r "rate=${RATE}M" "delay=$(awk -v ms="$RTT" 'BEGIN { print ms / 2 }')ms" "queue=${QUEUE}ms"
lab_bg r "$udpping" -e >"$TMP/echo"
wait_for 'test -s "$TMP/echo"'
echo_port=$(head -n 1 "$TMP/echo")

tcp_listens() {
	lab_exec r grep -q ':1388 0*:0000 0A' /proc/net/tcp
}

# Endless; the pids of both ends in $sender and $receiver. TCP_CONGESTION is option 13 of TCP (6).
start_tcp() {
	lab_bg r socat -u -b 262144 TCP4-LISTEN:5000,reuseaddr OPEN:/dev/null
	receiver=$BG_PID
	wait_for tcp_listens
	lab_bg s socat -u -b 262144 OPEN:/dev/zero "TCP4:$(lab_ip r):5000,setsockopt-string=6:13:$1"
	sender=$BG_PID
}

start_ours() {
	PORT[$1]=$2
	receive_on r "$1"
	SENDER=$1-sender send_from s -q "${AT[$1]}" </dev/zero
	receiver=${PID[$1]} sender=${PID[$1-sender]}
}

written() {
	awk '$1 == "wchar:" { print $2 }' "/proc/$1/io"
}

has_begun() {
	(($(written "$receiver") > 0))
}

# Milliseconds that the queue adds now: the mean of a few datagrams through it.
queue_delay() {
	lab_exec s "$udpping" -n 5 -i 4 -w 500 "$(lab_ip r)" "$echo_port" |
		sed -n 's/.*"rtt_avg_us":\([0-9.]*\).*/\1/p' | awk -v rtt="$RTT" '{ printf "%.1f\n", $1 / 1000 - rtt }'
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

mbit() {
	awk -v bytes="$1" -v us="$2" 'BEGIN { printf "%.1f\n", bytes * 8 / us }'
}

row() {
	printf '{"scenario":"share","peer":"%s","against":"%s","run":%d,"date":"%s","seconds":%d,"mbit":%s,"share_pct":%s,' \
		"$1" "$2" "$run" "$(date -u +%FT%TZ)" "$SHARE_S" "$3" "$4" >>"$BENCH_ROWS"
	printf '"queue_delay_ms":%s,"rate_mbit":%s,"rtt_ms":%s,"queue_ms":%s,"loss_pct":0%s}\n' "$queue" "$RATE" "$RTT" \
		"$QUEUE" "$overloaded" >>"$BENCH_ROWS"
}

# The share is of the payload that the link could carry: 1427 bytes of 1500.
percent() {
	awk -v mbit="$1" -v rate="$RATE" 'BEGIN { printf "%.1f\n", 100 * mbit / (rate * 1427 / 1500) }'
}

# Their bytes: 0 when there is nobody.
theirs_written() {
	if [[ $their_receiver ]]; then written "$their_receiver"; else echo 0; fi
}

measure() {
	local began ours theirs i us a b
	began=$(now_us) ours=$(written "$receiver") theirs=$(theirs_written)
	: >"$TMP/queue"
	for ((i = 1; i <= SHARE_S; i++)); do
		queue_delay >>"$TMP/queue"
		us=$(($(now_us) - began))
		((us >= i * 1000000)) || sleep "$(awk -v us=$((i * 1000000 - us)) 'BEGIN { print us / 1e6 }')"
		a=$(($(written "$receiver") - ours)) b=$(($(theirs_written) - theirs))
		us=$(($(now_us) - began))
		echo "$against $i $(mbit $a $us) $(mbit $b $us) $(tail -n 1 "$TMP/queue")" >>"$SAMPLES"
	done
	our_mbit=$(mbit $a $us) their_mbit=$(mbit $b $us)
}

share() {
	local their_receiver='' their_sender='' queue overloaded=''
	case $against in
	alone) ;;
	pipeclone) start_ours other 2313 ;;
	*) start_tcp "$against" ;;
	esac
	if [[ $against != alone ]]; then
		their_receiver=$receiver their_sender=$sender
		wait_for has_begun
		sleep "$HEAD_START"
	fi
	start_ours r 2312
	wait_for has_begun
	measure
	{
		stop_bg "$sender" KILL
		stop_bg "$receiver" KILL
		[[ -z $their_sender ]] || stop_bg "$their_sender" KILL
		[[ -z $their_receiver ]] || stop_bg "$their_receiver" KILL
	} 2>/dev/null
	queue=$(median <"$TMP/queue")
	! lab_overloaded || overloaded=',"overloaded":1'
	printf '%-9s  %9s %5s%%  %9s %5s%%  %8s%s\n' "$against" "$our_mbit" "$(percent "$our_mbit")" "$their_mbit" \
		"$(percent "$their_mbit")" "$queue" "${overloaded:+  overloaded}"
	row pipeclone "$against" "$our_mbit" "$(percent "$our_mbit")"
	[[ $against == alone ]] ||
		row "${against/#[cb]/socat-&}" pipeclone "$their_mbit" "$(percent "$their_mbit")"
}

echo "pipeclone beside others, $RATE Mbit/s, $RTT ms, queue $QUEUE ms, $SHARE_S s; Mbit/s of payload, share, queue delay (ms)"
printf '%-9s  %9s %6s  %9s %6s  %8s\n' against pipeclone "" other "" queue
for ((run = 1; run <= RUNS; run++)); do
	for against in $AGAINST; do
		share
	done
done
exit 0

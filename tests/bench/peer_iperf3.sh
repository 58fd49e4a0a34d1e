# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# iperf3 over TCP: iperf3-cubic, iperf3-bbr. It sends zeros from memory and reads no file: what the kernel can do at most.

iperf3_needs() {
	bench_missing iperf3
	grep -qw "${1#*-}" /proc/sys/net/ipv4/tcp_available_congestion_control || echo "the kernel has no ${1#*-}"
}

iperf3_receive() {
	iperf3_port=$(bench_port "$4")
	bench_receiver "$4" iperf3 -s -1 -p "$iperf3_port" -B "$(bench_ip "$4")"
	bench_wait_listens "$4" tcp "$iperf3_port" "${RECV[$4]}"
}

iperf3_send() {
	bench_start "$3" /dev/null "$TMP/iperf3.json" iperf3 -J -c "$(bench_ip "$4")" -p "$iperf3_port" -n "$2" -l 1M \
		-C "${1#*-}" ${IPERF3_TIME:+-t "$IPERF3_TIME"}
	SEND=$BG_PID
}

# Nothing is written, so its own report counts: the receiver's rate, for it stops counting a little before the end.
iperf3_watch() {
	local host=$3 rate
	test_ends_within "$SEND" "${LIMIT:-60}" || { WHY="longer than ${LIMIT:-60} s"; return; }
	rate=$(tr -d ' \n\t' <"$TMP/iperf3.json" | sed -n 's/.*"sum_received":{[^}]*"bits_per_second":\([0-9]*\).*/\1/p')
	[[ -n $rate ]] || { WHY="no report"; return; }
	GOT[$host]=$1 TOOK[$host]=$(($1 * 8000000 / rate))
	MORE+=(note="zeros from memory")
}

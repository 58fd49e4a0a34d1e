# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Plain TCP by socat, one receiver: socat with the congestion control that the machine has, socat-cubic, socat-bbr. Socket buffers are left to the kernel, whose limits the lab
# raises to 256 MB (lab_tcp_bbr): a fixed SO_RCVBUF would turn its tuning off.

socat_needs() {
	bench_missing socat
	[[ $1 == socat ]] || grep -qw "${1#*-}" /proc/sys/net/ipv4/tcp_available_congestion_control || echo "the kernel has no ${1#*-}"
}

# A socket option by number: 6 is TCP, 13 is TCP_CONGESTION.
socat_control() {
	[[ $1 == socat ]] || echo ",setsockopt-string=6:13:${1#*-}"
}

socat_receive() {
	local host=$4
	socat_port=$(bench_port "$host")
	bench_receiver "$host" socat -u -b 262144 "TCP4-LISTEN:$socat_port,bind=$(bench_ip "$host"),reuseaddr" STDOUT
	bench_wait_listens "$host" tcp "$socat_port" "${RECV[$host]}"
}

socat_send() {
	bench_sender "$3" "$(bench_file "$2")" socat -u -b 262144 STDIN \
		"TCP4:$(bench_ip "$4"):$socat_port$(socat_control "$1")"
}

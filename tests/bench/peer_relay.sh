# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# A plain TCP relay (socat) between two socats, one receiver.

relay_needs() {
	bench_missing socat
}

# relay_start HOST TARGET: clients at $relay_in of all addresses
relay_start() {
	relay_in=$(bench_port "$1")
	bench_helper "$1" socat -b 262144 "TCP4-LISTEN:$relay_in,reuseaddr,fork,nodelay" "TCP4:$2,nodelay"
	bench_wait_listens "$1" tcp "$relay_in" "$BG_PID"
}

relay_receive() {
	local host=$4 sink
	sink=$(bench_port "$host")
	bench_receiver "$host" socat -u -b 262144 "TCP4-LISTEN:$sink,bind=127.0.0.1,reuseaddr" STDOUT
	bench_wait_listens "$host" tcp "$sink" "${RECV[$host]}" || return
	relay_start "$host" "127.0.0.1:$sink"
}

relay_send() {
	bench_sender "$3" "$(bench_file "$2")" socat -u -b 262144 STDIN "TCP4:$(bench_ip "$4"):$relay_in"
}

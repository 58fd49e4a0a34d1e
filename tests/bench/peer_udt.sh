# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# UDT 4 by udtpipe.cc, one receiver, not encrypted: 64 MB buffers and a window of 65536 packets, 8 MB for the UDP sockets.

udt_needs() {
	bench_missing g++
	[[ -e /usr/include/udt/udt.h || -e /usr/include/udt.h ]] || echo "libudt-dev is not installed"
}

udt_receive() {
	if [[ ! -e $TMP/udtpipe ]]; then
		g++ -O2 -o "$TMP/udtpipe" "$bench_dir/udtpipe.cc" -ludt -lpthread 2>/dev/null ||
			{ WHY="udtpipe.cc does not compile"; return 1; }
	fi
	udt_port=$(bench_port "$4")
	bench_receiver "$4" "$TMP/udtpipe" "$udt_port"
	bench_wait_listens "$4" udp "$udt_port" "${RECV[$4]}"
}

udt_send() {
	bench_sender "$3" "$(bench_file "$2")" "$TMP/udtpipe" "$(bench_ip "$4")" "$udt_port"
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# srt-file-transmit, one receiver, not encrypted: file mode, a window of 256k packets, 256 MB buffers, 8 MB for the UDP
# sockets. Blocks of 1456 bytes are what one packet carries.

srt_needs() {
	bench_missing srt-file-transmit
}

srt_options='fc=262144&sndbuf=268435456&rcvbuf=268435456&udp_sndbuf=8388608&udp_rcvbuf=8388608'

srt_receive() {
	srt_port=$(bench_port "$4")
	mkdir -p "$TMP/srt"
	bench_receiver "$4" srt-file-transmit -q -sf "srt://:$srt_port?mode=listener&$srt_options" "file://$TMP/srt"
	bench_wait_listens "$4" udp "$srt_port" "${RECV[$4]}"
}

# Without a name in the address the tool's own way of telling the file name is sometimes too late.
srt_send() {
	bench_sender "$3" /dev/null srt-file-transmit -q "file://$(bench_file "$2")" \
		"srt://$(bench_ip "$4"):$srt_port?mode=caller&streamid=data&$srt_options"
}

srt_more() {
	rm -rf "$TMP/srt"
}

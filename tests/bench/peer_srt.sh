# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# srt-file-transmit, one receiver, not encrypted: file mode, a window of 65536 packets and 64 MB buffers. More of either, or
# larger UDP buffers, made it slower on a path of 100 ms.

srt_needs() {
	bench_missing srt-file-transmit
}

srt_options='fc=65536&sndbuf=67108864&rcvbuf=67108864'

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

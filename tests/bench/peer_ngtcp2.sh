# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# The example server and client of ngtcp2 (QUIC, HTTP/3): the receiver downloads a file. Congestion control is BBR as in the
# library's second version, windows of 256 MB.

ngtcp2_needs() {
	bench_missing gtlsclient gtlsserver openssl
}

ngtcp2_receive() {
	local from=$3
	mkdir -p "$TMP/ngtcp2/in"
	[[ -e $TMP/ngtcp2/key ]] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj /CN=bench -keyout "$TMP/ngtcp2/key" -out "$TMP/ngtcp2/cert" 2>/dev/null
	rm -f "$TMP/ngtcp2/"*.bin
	ln "$(bench_file "$2")" "$TMP/ngtcp2/$2.bin"
	ngtcp2_port=$(bench_port "$from")
	bench_helper "$from" gtlsserver -q --no-quic-dump --no-http-dump --cc "${NGTCP2_CC:-bbr2}" -d "$TMP/ngtcp2" \
		"$(bench_ip "$from")" "$ngtcp2_port" "$TMP/ngtcp2/key" "$TMP/ngtcp2/cert"
	bench_wait_listens "$from" udp "$ngtcp2_port" "$BG_PID"
}

ngtcp2_send() {
	bench_receiver "$4" gtlsclient -q --no-quic-dump --no-http-dump --exit-on-all-streams-close \
		--download="$TMP/ngtcp2/in" --max-data=256M --max-stream-data-bidi-local=256M --max-window=256M \
		--max-stream-window=256M "$(bench_ip "$3")" "$ngtcp2_port" "https://bench/$2.bin"
}

ngtcp2_more() {
	rm -f "$TMP/ngtcp2/in/"*
}

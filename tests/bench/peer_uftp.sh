# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# uftp: multicast file transfer. Here to the one address of one receiver, encrypted (AES-256-GCM) as its manual advises,
# 100 MB socket buffers. It has no congestion control for fast paths (tfmcc is made for slow ones), so it is told the rate of
# the link, UFTP_KBIT, which nobody else here is told.

uftp_needs() {
	bench_missing uftp uftpd
}

uftp_receive() {
	local host=$4
	uftp_port=$(bench_port "$host")
	rm -rf "$TMP/uftp"
	mkdir -p "$TMP/uftp/in" "$TMP/uftp/temp"
	bench_receiver "$host" uftpd -d -q -t -p "$uftp_port" -B 104857600 -U 0x0000000B -D "$TMP/uftp/in" -M 230.4.4.1 \
		-I "$(bench_ip "$host")" -L "$TMP/uftp/log"
	bench_wait_listens "$host" udp "$uftp_port" "${RECV[$host]}"
}

uftp_send() {
	bench_sender "$3" /dev/null uftp -q -p "$uftp_port" -B 104857600 -b 1400 -R "${UFTP_KBIT:--1}" -Y aes256-gcm \
		-M "$(bench_ip "$4")" -I "$(bench_ip "$3")" -r 0.1:0.01:1 -s 10 "$(bench_file "$2")"
}

uftp_more() {
	rm -rf "$TMP/uftp"
}

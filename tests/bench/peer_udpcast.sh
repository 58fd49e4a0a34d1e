# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# udpcast (udp-sender, udp-receiver), point to point, not encrypted. It is told the rate of the link, UDPCAST_RATE, and on a
# long path it has the largest slices and repairs ahead, UDPCAST_MORE: without them it waits for a round trip too often.

udpcast_needs() {
	bench_missing udp-sender udp-receiver
}

udpcast_interface() {
	bench_exec "$1" ip -o address show | awk -v a="$(bench_ip "$1")/" 'index($4, a) == 1 { print $2; exit }'
}

udpcast_receive() {
	local host=$4
	udpcast_port=$(bench_port "$host")
	udpcast_port=$((udpcast_port & ~1))
	bench_receiver "$host" udp-receiver --nokbd --no-progress --portbase "$udpcast_port" \
		--interface "$(udpcast_interface "$host")" --mcast-rdv-address "$(bench_ip "$3")" --rcvbuf 67108864 \
		--ttl 8
}

udpcast_send() {
	bench_sender "$3" /dev/null udp-sender --nokbd --no-progress --file "$(bench_file "$2")" --portbase "$udpcast_port" \
		--interface "$(udpcast_interface "$3")" --pointopoint --min-receivers 1 ${UDPCAST_MORE:---full-duplex} \
		--max-bitrate "${UDPCAST_RATE:-900m}" --mcast-rdv-address "$(bench_ip "$4")" --ttl 8
}

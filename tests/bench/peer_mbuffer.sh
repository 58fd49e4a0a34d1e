# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# mbuffer over plain TCP, one -O for each receiver, 1 MB blocks. More memory than 16 MB only falls out of the cache: 64 and 256 MB
# were slower.

mbuffer_needs() {
	bench_missing mbuffer
}

mbuffer_options=(-q -s 1M -m "${MBUFFER_MEMORY:-16M}")

mbuffer_receive() {
	local host port
	mbuffer_at=()
	for host in "${@:4}"; do
		port=$(bench_port "$host")
		bench_receiver "$host" mbuffer "${mbuffer_options[@]}" -4 -I "$port"
		bench_wait_listens "$host" tcp "$port" "${RECV[$host]}" || return
		mbuffer_at+=(-O "$(bench_ip "$host"):$port")
	done
}

mbuffer_send() {
	bench_sender "$3" "$(bench_file "$2")" mbuffer "${mbuffer_options[@]}" -4 "${mbuffer_at[@]}"
}

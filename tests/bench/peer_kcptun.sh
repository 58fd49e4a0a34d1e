# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# kcptun between two socats, one receiver: AES-128, the fastest profile, windows and buffers for a gigabit at 300 ms, no
# compression. Its shards of 10+3 stay: they are what it is used for on a lossy path. Without loss it does without.

kcptun_needs() {
	bench_missing kcptun-client kcptun-server socat
}

kcptun_options=(--key bench --crypt aes-128 --mode fast3 --mtu 1400 --sndwnd 32768 --rcvwnd 32768 --nocomp
	--sockbuf 16777216 --smuxver 2 --smuxbuf 67108864 --streambuf 67108864 --quiet)

kcptun_receive() {
	local from=$3 host=$4 sink out options=("${kcptun_options[@]}")
	sink=$(bench_port "$host")
	kcptun_in=$(bench_port "$from")
	out=$(bench_port "$host")
	[[ ${PATH_LOSS:-0} != 0 ]] || options+=(--datashard 0 --parityshard 0)
	bench_receiver "$host" socat -u -b 262144 "TCP4-LISTEN:$sink,bind=127.0.0.1,reuseaddr" STDOUT
	bench_wait_listens "$host" tcp "$sink" "${RECV[$host]}" || return
	bench_helper "$host" kcptun-server --listen ":$out" --target "127.0.0.1:$sink" "${options[@]}"
	bench_wait_listens "$host" udp "$out" "$BG_PID" || return
	bench_helper "$from" kcptun-client --localaddr "127.0.0.1:$kcptun_in" --remoteaddr "$(bench_ip "$host"):$out" \
		--conn 1 "${options[@]}"
	bench_wait_listens "$from" tcp "$kcptun_in" "$BG_PID"
}

kcptun_send() {
	bench_sender "$3" "$(bench_file "$2")" socat -u -b 262144 STDIN "TCP4:127.0.0.1:$kcptun_in"
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# dexor tunnel between two socats, one receiver: relays with new homes, whose association is up before the sender starts, as
# kcptun's is. DEXOR_ARGS: more options for both relays.
#
#   dexor_relays FROM HOST TARGET [SCHEME [NUMBER]]
#       clients at 127.0.0.1:$dexor_in of FROM, the server at TARGET of HOST; SCHEME: tcp or udp; NUMBER: of many such pairs

dexor_needs() {
	bench_missing socat
}

# Beside pipeclone, and like it not libtool's wrapper.
dexor_program() {
	echo "${PIPECLONE%/*}/dexor"
}

dexor_relay() {
	local host=$1 home=$2
	shift 2
	rm -rf "$home"
	mkdir -p "$home"
	# shellcheck disable=SC2086
	HOME=$home bench_helper "$host" "$(dexor_program)" tunnel "$@" ${DEXOR_ARGS:-}
}

dexor_relays() {
	local from=$1 host=$2 target=$3 scheme=${4:-tcp} number=${5:-} near far k
	dexor_in=${DEXOR_IN:-$(bench_port "$from")}
	near=$(bench_port "$from")
	far=$(bench_port "$host")
	dexor_relay "$host" "$TMP/home.exit.$scheme$number" --port "$far" "rmdt://$(bench_ip "$from"):$near" "$scheme://$target"
	dexor_exit=$BG_PID
	dexor_relay "$from" "$TMP/home.entry.$scheme$number" --port "$near" "$scheme://127.0.0.1:$dexor_in" "rmdt://$(bench_ip "$host"):$far"
	dexor_entry=$BG_PID
	for ((k = 0; k < 500; k++)); do
		grep -qs ' is up' "$TMP/said.$dexor_entry" && grep -qs ' is up' "$TMP/said.$dexor_exit" && return
		bench_pause 0.02
	done
	WHY="the relays do not find each other"
	return 1
}

dexor_receive() {
	local from=$3 host=$4 sink
	sink=$(bench_port "$host")
	bench_receiver "$host" socat -u -b 262144 "TCP4-LISTEN:$sink,bind=127.0.0.1,reuseaddr" STDOUT
	bench_wait_listens "$host" tcp "$sink" "${RECV[$host]}" || return
	dexor_relays "$from" "$host" "127.0.0.1:$sink"
}

dexor_send() {
	bench_sender "$3" "$(bench_file "$2")" socat -u -b 262144 STDIN "TCP4:127.0.0.1:$dexor_in"
}

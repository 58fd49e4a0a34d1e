# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# pipeclone: pipeclone (aes-256-gcm), pipeclone-none (--cipher none), pipeclone-known: with the homes of the run before, so
# that keys and paths are remembered. All others begin with new, empty homes. PIPECLONE_ARGS, PIPECLONE_SEND_ARGS: more
# options for both ends and for the sender.

pipeclone_needs() {
	:
}

pipeclone_options() {
	case $1 in
	*-none) echo "--cipher none ${PIPECLONE_ARGS:-}" ;;
	*) echo "${PIPECLONE_ARGS:-}" ;;
	esac
}

pipeclone_home() {
	[[ $1 == *-known ]] || rm -rf "$TMP/home.$2"
	mkdir -p "$TMP/home.$2"
}

pipeclone_receive() {
	local peer=$1 from=$3 host port
	pipeclone_at=
	pipeclone_home "$peer" "$from"
	for host in "${@:4}"; do
		pipeclone_home "$peer" "$host"
		port=$(bench_port "$host")
		# shellcheck disable=SC2046
		HOME=$TMP/home.$host bench_receiver "$host" "$PIPECLONE" -q -l "$(bench_ip "$host"):$port" \
			$(pipeclone_options "$peer")
		bench_wait_listens "$host" udp "$port" "${RECV[$host]}" || return
		pipeclone_at+=,$(bench_ip "$host"):$port
	done
}

pipeclone_send() {
	# shellcheck disable=SC2046,SC2086
	HOME=$TMP/home.$3 bench_sender "$3" "$(bench_file "$2")" "$PIPECLONE" -q --json "$TMP/pipeclone.json" \
		-s "${pipeclone_at#,}" $(pipeclone_options "$1") ${PIPECLONE_SEND_ARGS:-}
}

# What the report says of all receivers together.
pipeclone_more() {
	local key sum
	if [[ -s $TMP/pipeclone.json ]]; then
		for key in chunk_bytes:sent_bytes repaired_bytes:repaired_bytes; do
			sum=$(grep -o "\"${key%:*}\":[0-9]*" "$TMP/pipeclone.json" | awk -F: '{ n += $2 } END { print n + 0 }')
			MORE+=("${key#*:}=$sum")
		done
	fi
	rm -f "$TMP/pipeclone.json"
}

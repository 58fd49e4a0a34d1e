# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Words for scripts that run pipeclone over loopback; to be sourced after lib.sh. Each side has a home of its own.
#
#   receive NAME [OPTION...]      start a receiver: $TMP/NAME.out, $TMP/NAME.err; its pid in ${PID[NAME]}, its address
#                                 in ${AT[NAME]}; returns when it listens
#   send_bg [OPTION...] < FILE    start a sender in the background: $TMP/sender.err, pid in ${PID[sender]}
#   quick SECONDS COMMAND...      fails when the command takes longer
#   received NAME BYTES           true once the receiver has written that much

tmpdir
pipeclone=$(built pipeclone) || exit 1
unset "${!RMDT_@}"
declare -A AT=() PORT=()
# A shell without job control makes what it starts in the background ignore SIGINT.
default_signals=(env --default-signal=INT)
# What a receiver's standard output is; a script may set it before `receive`.
RECEIVE_TO=

home_of() {
	mkdir -p "$TMP/home.$1"
	echo "$TMP/home.$1"
}

receive() {
	local name=$1 port to
	shift
	port=${PORT[$name]:-$(free_udp_port)} || exit 1
	to=${RECEIVE_TO:-$TMP/$name.out}
	HOME=$(home_of "$name") start_bg "${default_signals[@]}" "$pipeclone" -l "127.0.0.1:$port" "$@" >"$to" 2>"$TMP/$name.err"
	PID[$name]=$BG_PID
	PORT[$name]=$port
	AT[$name]=127.0.0.1:$port
	until test_udp_port_used "$port"; do
		test_runs "$BG_PID" || fail "$name ended: $(cat "$TMP/$name.err")"
		sleep 0.02
	done
}

# Standard input goes by way of descriptor 9: what a shell starts in the background reads /dev/null. Scripts hold the
# writing ends of their fifos at 7 and 8; a sender that had them too would never see the end of its input.
send_bg() {
	# shellcheck disable=SC2016
	HOME=$(home_of sender) start_bg "${default_signals[@]}" sh -c 'exec "$@" <&9 9<&- 8<&- 7<&-' sh "$pipeclone" "$@" \
		9<&0 2>"$TMP/sender.err"
	PID[sender]=$BG_PID
}

quick() {
	local limit=$1 before=${EPOCHREALTIME/[.,]/}
	shift
	"$@"
	(((${EPOCHREALTIME/[.,]/} - before) <= limit * 1000000)) || fail "took longer than $limit s: $*"
}

received() {
	[[ -e $TMP/$1.out ]] && (($(stat -c %s "$TMP/$1.out") >= $2))
}

same() {
	local name
	for name; do
		assert_same_sha "$TMP/data" "$TMP/$name.out"
	done
}

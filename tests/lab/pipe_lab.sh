# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Words for tests that run pipeclone between the hosts of a lab; to be sourced by bash instead of
# lab.sh, which it brings with it, as it does tests/e2e/pipe.sh (ends, says, same, received).
#
#   receive_on HOST NAME [OPTION...]  start a receiver there, at port ${PORT[NAME]:-2312}; its
#                                     address is in ${AT[NAME]}
#   send_from HOST [OPTION...] < FILE start a sender there, called ${SENDER:-sender}
#   json NAME KEY                     one number or word of $TMP/NAME.json
#   json_of NAME ADDRESS KEY          the same of one receiver in a sender's report
#   now_us                            what the clock says

# shellcheck source=tests/lab/lab.sh
source "$(dirname "${BASH_SOURCE[0]}")/lab.sh"
# shellcheck source=tests/e2e/pipe.sh
source "$(dirname "${BASH_SOURCE[0]}")/../e2e/pipe.sh"

now_us() {
	echo "${EPOCHREALTIME/[.,]/}"
}

lab_port_used() {
	local hex
	printf -v hex ':%04X ' "$2"
	lab_exec "$1" grep -q "^ *[0-9]*: [0-9A-F]*$hex" /proc/net/udp /proc/net/udp6
}

receive_on() {
	local host=$1 name=$2 port to
	shift 2
	port=${PORT[$name]:-2312}
	to=${RECEIVE_TO:-$TMP/$name.out}
	HOME=$(home_of "$name") lab_bg "$host" "${default_signals[@]}" "$pipeclone" -l ":$port" \
		--json "$TMP/$name.json" "$@" >"$to" 2>"$TMP/$name.err"
	PID[$name]=$BG_PID
	# shellcheck disable=SC2034
	AT[$name]=$(lab_ip "$host"):$port
	until lab_port_used "$host" "$port"; do
		test_runs "$BG_PID" || fail "$name ended: $(cat "$TMP/$name.err")"
		sleep 0.02
	done
}

# Standard input goes by way of descriptor 9, as in pipe.sh.
send_from() {
	local host=$1 name=${SENDER:-sender}
	shift
	# shellcheck disable=SC2016
	HOME=$(home_of "$name") lab_bg "$host" "${default_signals[@]}" \
		sh -c 'exec "$@" <&9 9<&- 8<&- 7<&-' sh "$pipeclone" --json "$TMP/$name.json" "$@" \
		9<&0 2>"$TMP/$name.err"
	PID[$name]=$BG_PID
}

json() {
	sed 's/"receivers":.*//; s/"senders":.*//' "$TMP/$1.json" | json_value "$2"
}

json_of() {
	assert_contains "$TMP/$1.json" "{\"name\":\"$2\""
	grep -o "{\"name\":\"${2//./\\.}\"[^}]*}" "$TMP/$1.json" | json_value "$3"
}

json_value() {
	sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Words for scripts that run two relays over loopback; to be sourced after lib.sh. Each relay has a home of its own.
#
#   exit_relay NAME TARGET [OPTION...]    `dexor tunnel rmdt://ENTRY TARGET`; port ${PORT[NAME]}
#   entry_relay NAME TARGET [OPTION...]   `dexor tunnel TARGET rmdt://EXIT`; port ${PORT[NAME]}
#                                         the far relay is ${FAR:-127.0.0.1:PORT of exit or entry}
#   is_up NAME                            true once its association is up
#   await_up                              entry and exit are up
#   free_tcp_port                         print a TCP port that nobody has
#   fds_of NAME / rss_of NAME             descriptors, KiB of memory
#   tcp_server KIND                       echo, or load (tcpload serve); its port is $SERVER, its pid $SERVER_PID
#   ssh_many N                            so many `through_ssh true` at once, a function of the caller; all have to end well

tmpdir
dexor=$(built dexor) || exit 1
tcpload=$(built tcpload) || exit 1
unset "${!RMDT_@}"
unset NOTIFY_SOCKET RUNTIME_DIRECTORY XDG_RUNTIME_DIR
declare -A PORT=()
PORT[exit]=$(free_udp_port) || exit 1
PORT[entry]=$(free_udp_port) || exit 1
default_signals=(env --default-signal=INT)

free_tcp_port() {
	local port hex
	for ((;;)); do
		port=$((20000 + SRANDOM % 12000))
		printf -v hex ':%04X ' "$port"
		grep -q "^ *[0-9]*: [0-9A-F]*$hex" /proc/net/tcp /proc/net/tcp6 2>/dev/null || break
	done
	echo "$port"
}

home_of() {
	mkdir -p "$TMP/home.$1"
	echo "$TMP/home.$1"
}

# relay NAME LOCAL REMOTE [OPTION...]
relay() {
	local name=$1
	shift
	HOME=$(home_of "$name") start_bg "${default_signals[@]}" "$dexor" tunnel --port "${PORT[$name]}" "$@" \
		2>>"$TMP/$name.err"
	PID[$name]=$BG_PID
}

exit_relay() {
	local name=$1 target=$2
	shift 2
	relay "$name" "rmdt://${FAR:-127.0.0.1:${PORT[entry]}}" "$target" "$@"
}

entry_relay() {
	local name=$1 target=$2
	shift 2
	relay "$name" "$target" "rmdt://${FAR:-127.0.0.1:${PORT[exit]}}" "$@"
}

is_up() {
	grep -q " is up" "$TMP/$1.err"
}

await_up() {
	wait_for "is_up entry && is_up exit"
}

fds_of() {
	find "/proc/${PID[$1]}/fd" -mindepth 1 | wc -l
}

rss_of() {
	awk '/^VmRSS/ { print $2 }' "/proc/${PID[$1]}/status"
}

tcp_port_used() {
	local hex
	printf -v hex ':%04X 0' "$1"
	grep -q "^ *[0-9]*: [0-9A-F]*$hex[^ ]* *[0-9A-F:]* 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

tcp_server() {
	SERVER=$(free_tcp_port)
	if [[ $1 == load ]]; then
		start_bg "$tcpload" serve "$SERVER" >"$TMP/server.out" 2>"$TMP/server.err"
	else
		start_bg socat "TCP-LISTEN:$SERVER,bind=127.0.0.1,reuseaddr,fork" EXEC:cat 2>"$TMP/server.err"
	fi
	SERVER_PID=$BG_PID
	wait_for "tcp_port_used $SERVER"
}

ssh_many() {
	local i pid pids=()
	for ((i = 0; i < $1; i++)); do
		through_ssh true &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "one of $1: exit $?: $(tail -n 3 "$TMP/sshd.err")"
	done
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Words for tests with hosts in network namespaces; to be sourced by bash. See doc/lab.md.
# Brings tests/e2e/lib.sh with it.
#
#   requires_root / requires_tun  skip the test (77) where it cannot run
#   lab_start HOST...             make the hosts, joined by perfect wires; LAB_ARGS: labemu options
#   lab_link A B key=value...     both directions
#   lab_path 'A>B' key=value...   one direction
#   lab_set PATH key=value...     PATH: A B or 'A>B', a host may be '*'
#   lab_uplink A rate=R queue=Q   shared by all that A sends
#   lab_cut PATH / lab_heal PATH
#   lab_exec HOST COMMAND...      run it there
#   lab_bg HOST COMMAND...        start it there, its pid in $BG_PID
#   lab_ip HOST / lab_ip6 HOST    print the address
#   lab_move HOST ALIAS           exchange its addresses for 10.77.ALIAS.N and fd77::ALIAS:N
#   lab_stats [KEY]               all counters as JSON, or one of the lab
#   lab_count 'A>B' KEY           one counter of one direction
#   lab_overloaded                true: the lab itself was too slow, what it measured means nothing
#   lab_tcp_bbr HOST              TCP with BBR and large buffers, for a fair comparison
#   lab_stop                      end all, also what start_bg has started; also at the end of a test

# shellcheck source=tests/e2e/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"

LAB_HOSTS=()
LAB_DEVICE=lab0
lab_emu_pid=

requires_root() {
	[[ $(id -u) == 0 ]] || skip "only root can make network namespaces"
	requires ip
}

# Asks for what will be done: containers often show the file and refuse its use.
requires_tun() {
	requires_root
	[[ -c /dev/net/tun ]] || skip "/dev/net/tun is missing"
	ip netns add "labtry$$" 2>/dev/null || skip "cannot make a network namespace"
	local good=1
	ip -n "labtry$$" tuntap add mode tun name lab0 2>/dev/null || good=0
	ip netns del "labtry$$"
	((good)) || skip "cannot make a TUN device in a network namespace"
}

lab_ns() {
	echo "lab$$-$1"
}

lab_number() {
	local i
	for i in "${!LAB_HOSTS[@]}"; do
		if [[ ${LAB_HOSTS[i]} == "$1" ]]; then
			echo $((i + 1))
			return
		fi
	done
	echo "FAIL: the lab has no host '$1'" >&2
	return 1
}

lab_ip() {
	local n
	n=$(lab_number "$1") && echo "10.77.0.$n"
}

# Written as in the address, the number is hexadecimal.
lab_ip6() {
	local n
	n=$(lab_number "$1") && printf 'fd77::%x\n' "$n"
}

lab_start() {
	local host args=() ready
	tmpdir
	LAB_HOSTS=("$@")
	LAB_EMU=$(built labemu) || exit 1
	cleanup_add lab_stop
	for host; do
		ip netns add "$(lab_ns "$host")" || fail "cannot make the namespace of '$host'"
		# No link-local addresses: their chatter would disturb counters.
		lab_exec "$host" sh -c \
			'echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode' 2>/dev/null || :
		args+=(-H "$host=/run/netns/$(lab_ns "$host")")
	done
	mkfifo "$TMP/lab.out"
	# shellcheck disable=SC2086 # options are words
	"$LAB_EMU" "${args[@]}" -c "$TMP/lab.ctl" ${LAB_ARGS:-} >"$TMP/lab.out" &
	lab_emu_pid=$!
	exec {lab_out}<"$TMP/lab.out"
	# Comes at once, or the end of the file when the emulator gives up.
	IFS= read -r -u "$lab_out" ready || :
	[[ $ready == ready ]] || fail "the emulator did not start"
	for host; do
		lab_configure "$host"
	done
}

# Duplicate address detection would keep the IPv6 address from use for a second.
lab_configure() {
	local ns
	ns=$(lab_ns "$1")
	ip -n "$ns" -batch - <<-EOF || fail "cannot configure '$1'"
		link set lo up
		address add $(lab_ip "$1")/16 dev $LAB_DEVICE
		address add $(lab_ip6 "$1")/64 dev $LAB_DEVICE nodad
	EOF
}

lab_move() {
	local ns n
	ns=$(lab_ns "$1")
	n=$(lab_number "$1") || exit 1
	ip -n "$ns" -batch - <<-EOF || fail "cannot move '$1'"
		address flush dev $LAB_DEVICE
		address add 10.77.$2.$n/16 dev $LAB_DEVICE
		address add $(printf 'fd77::%x:%x' "$2" "$n")/64 dev $LAB_DEVICE nodad
	EOF
}

lab_command() {
	local reply
	reply=$("$LAB_EMU" -C "$TMP/lab.ctl" "$@") || fail "lab: $*: $reply"
	[[ $reply == ok ]] || printf '%s\n' "$reply"
}

lab_link() {
	lab_command set "$@"
}

lab_path() {
	lab_command set "$@"
}

lab_set() {
	lab_command set "$@"
}

lab_uplink() {
	lab_command uplink "$@"
}

lab_cut() {
	lab_command cut "$@"
}

lab_heal() {
	lab_command heal "$@"
}

lab_exec() {
	local host=$1
	shift
	ip netns exec "$(lab_ns "$host")" "$@"
}

# `ip netns exec` becomes the command, so the pid is that of the command.
lab_bg() {
	local host=$1
	shift
	start_bg ip netns exec "$(lab_ns "$host")" "$@"
}

lab_stats() {
	if (($# == 0)); then
		lab_command stats
		return
	fi
	lab_command stats | sed -n "s/.*\"$1\":\([0-9a-z]*\),.*\"hosts\".*/\1/p"
}

# Nothing sent yet over this link: 0.
lab_count() {
	local value
	value=$(lab_command stats | grep -o "{[^{]*\"link\":\"$1\"" |
		sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p") || :
	echo "${value:-0}"
}

lab_overloaded() {
	[[ $(lab_stats overload) == true ]]
}

# Every TCP connection of this host from now on, of any program.
lab_tcp_bbr() {
	lab_exec "$1" sh -c '
		cd /proc/sys/net/ipv4 || exit
		echo bbr >tcp_congestion_control &&
		echo "4096 1048576 268435456" >tcp_rmem &&
		echo "4096 1048576 268435456" >tcp_wmem' ||
		skip "this kernel has no TCP BBR (modprobe tcp_bbr)"
}

lab_stop() {
	local host pids last
	[[ ${#LAB_HOSTS[@]} -gt 0 ]] || return 0
	test_end_all
	if [[ -n $lab_emu_pid ]]; then
		kill -TERM "$lab_emu_pid" 2>/dev/null
		# The last words, empty when it has crashed.
		while IFS= read -r -t 10 -u "$lab_out" last; do
			LAB_LAST=$last
		done
		test_ends_within "$lab_emu_pid" 3 || kill -KILL "$lab_emu_pid"
		wait "$lab_emu_pid" || echo "the emulator ended with $?" >&2
		exec {lab_out}<&-
		[[ ${LAB_LAST:-} != '{"overload":true'* ]] ||
			echo "NOTE: the lab was overloaded: $LAB_LAST" >&2
	fi
	for host in "${LAB_HOSTS[@]}"; do
		pids=$(ip netns pids "$(lab_ns "$host")" 2>/dev/null)
		# shellcheck disable=SC2086 # numbers of what runs in our namespace
		[[ -z $pids ]] || kill -KILL $pids 2>/dev/null
		ip netns del "$(lab_ns "$host")" 2>/dev/null
	done
	rm -f "$TMP/lab.out" "$TMP/lab.ctl"
	lab_emu_pid=
	LAB_HOSTS=()
	LAB_LAST=
}

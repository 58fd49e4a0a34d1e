# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Hosts joined by veth pairs and a bridge, for speeds that the lab cannot carry; to be sourced after bench.sh.
#
#   wire_start HOST...            make the hosts (a host of the lab is taken as it is), MTU 1500, addresses 10.79.0.N; each
#                                 becomes a bench_host with that address

wire_hosts=()

wire_ns() {
	echo "wire$$-$1"
}

wire_stop() {
	local host
	bench_stop
	for host in "${wire_hosts[@]}" bridge; do
		ip netns del "$(wire_ns "$host")" 2>/dev/null
	done
	return 0
}

# The bridge has a namespace of its own, so that it is gone with it whatever happens.
wire_start() {
	local host ns bridge n=0
	requires_root
	bridge=$(wire_ns bridge)
	wire_hosts=("$@")
	cleanup_add wire_stop
	ip netns add "$bridge" || fail "cannot make a network namespace"
	ip -n "$bridge" link add br0 type bridge || skip "no bridge in this kernel"
	ip -n "$bridge" link set br0 up
	for host; do
		n=$((n + 1)) ns=$(wire_ns "$host")
		if [[ " ${LAB_HOSTS[*]} " == *" $host "* ]]; then
			ns=$(lab_ns "$host")
		else
			ip netns add "$ns" || fail "cannot make a network namespace"
			ip -n "$ns" link set lo up
		fi
		ip -n "$bridge" link add "v$n" type veth peer name wire0 netns "$ns" || skip "no veth in this kernel"
		ip -n "$bridge" link set "v$n" master br0 up
		ip -n "$ns" address add "10.79.0.$n/24" dev wire0
		ip -n "$ns" link set wire0 up
		bench_host "$host" "10.79.0.$n" ip netns exec "$ns"
	done
	for host; do
		wait_for "bench_exec $host ip link show wire0 | grep -q LOWER_UP"
	done
}

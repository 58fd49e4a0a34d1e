#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Marks of congestion between real sockets: they arrive and keep a queue low that nothing else would, and paths that bleach
# or drop what is ECN-capable carry everything all the same.

source "$(dirname "$0")/pipe_lab.sh"
requires_tun
lab_start a b
make_data "$TMP/data" 30000000

# The longest wait at the bottleneck, looked at every now and then while the sender runs.
watch_queue() {
	local wait_us
	longest_us=0
	while test_runs "${PID[sender]}"; do
		wait_us=$(lab_count 'a>b' wait_us)
		((wait_us <= longest_us)) || longest_us=$wait_us
		sleep 0.05
	done
}

# transfer WHAT [OPTION...]: the data from a to b, over IPv4 or, with TO6=1, IPv6
transfer() {
	what=$1
	shift
	receive_on b recv
	to=${AT[recv]}
	((!${TO6:-0})) || to="[$(lab_ip6 b)]:2312"
	send_from a "$@" "$to" <"$TMP/data"
	watch_queue
	ends sender 0
	ends recv 0
	assert_same_sha "$TMP/data" "$TMP/recv.out"
}

# A queue of a second, which cubic fills unless something tells it not to.
for TO6 in 0 1; do
	lab_link a b perfect rate=100M delay=10ms queue=1s
	lab_path 'a>b' ecn=5ms
	before=$(lab_count 'a>b' marked)
	transfer "marks" --cc cubic
	marked=$(($(lab_count 'a>b' marked) - before))
	echo "$what: $marked marks, longest queue $longest_us us"
	((marked > 0)) || fail "$what: none"
	((longest_us < 300000)) || lab_overloaded || fail "$what: the queue was $longest_us us long"
done

# Nothing of it is noticed but that marking ends.
lab_path 'a>b' ect=bleach
before=$(lab_count 'a>b' marked)
transfer "bleached" --cc cubic
marked=$(($(lab_count 'a>b' marked) - before))
((marked <= 10)) || fail "$what: $marked packets were marked"

lab_link a b perfect rate=100M delay=10ms
lab_path 'a>b' ect=drop
transfer "dropped"
dropped=$(lab_count 'a>b' drop_ect)
between "$dropped" 1 30 || fail "$what: $dropped packets were sent as ECN-capable"

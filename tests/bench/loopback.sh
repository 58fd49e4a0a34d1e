#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One receiver over loopback: pipeclone (encrypted) beside plain TCP (socat), a UDT pipe and srt-file-transmit, run in turn so
# that a machine whose speed drifts drifts for all. Prints each one's runs, medians, ratios, and memory of pipeclone.
#
#   BYTES=2000000000 RUNS=5 tests/bench/loopback.sh      (SLOW_BYTES: for UDT and SRT, which take ten times as long)
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"

bytes=${BYTES:-2000000000}
slow_bytes=${SLOW_BYTES:-500000000}
runs=${RUNS:-5}
requires socat openssl awk
tmpdir
export HOME=$TMP
pipeclone=$(built pipeclone) || exit 1
# The real program behind libtool's wrapper, whose start would be measured too.
if [[ -x ${pipeclone%/*}/.libs/pipeclone ]]; then
	export LD_LIBRARY_PATH=$(cd "${pipeclone%/*}/.." && pwd)/.libs
	pipeclone=${pipeclone%/*}/.libs/pipeclone
fi
make_data "$TMP/in" "$bytes"
head -c "$slow_bytes" "$TMP/in" >"$TMP/slow"
cat "$TMP/in" "$TMP/slow" >/dev/null

# timed FILE COMMAND...: seconds, with FILE as stdin.
timed() {
	local file=$1 started
	shift
	started=$(date +%s%N)
	"$@" <"$file" >/dev/null 2>"$TMP/err" || { cat "$TMP/err" >&2; fail "$1 failed"; }
	awk -v ns=$(($(date +%s%N) - started)) 'BEGIN { print ns / 1e9 }'
}

# listening udp|tcp PORT
listening() {
	local hex
	hex=$(printf ':%04X ' "$2")
	grep -qs "^ *[0-9]*: [0-9A-F]*$hex" "/proc/net/$1" "/proc/net/${1}6"
}

# gbit BYTES SECONDS
gbit() {
	awk -v b="$1" -v s="$2" 'BEGIN { printf "%.3f\n", b * 8 / s / 1e9 }'
}

peak_kb() {
	awk '/VmHWM/ { print $2 }' "/proc/$1/status" 2>/dev/null
}

run_pipeclone() {
	local port s
	port=$(free_udp_port)
	start_bg "$pipeclone" -q -l "127.0.0.1:$port" >/dev/null
	wait_for "listening udp $port"
	"$pipeclone" -q -s "127.0.0.1:$port" <"$TMP/in" &
	local sender=$! started receiver=$BG_PID rss_s=0 rss_r=0 k
	started=$(date +%s%N)
	while kill -0 "$sender" 2>/dev/null; do
		k=$(peak_kb "$sender"); [[ -n $k ]] && rss_s=$k
		k=$(peak_kb "$receiver"); [[ -n $k ]] && rss_r=$k
		sleep 0.01
	done
	wait "$sender" || fail "pipeclone failed"
	s=$(awk -v ns=$(($(date +%s%N) - started)) 'BEGIN { print ns / 1e9 }')
	wait_exit "$receiver"
	gbit "$bytes" "$s" >>"$TMP/pipeclone"
	echo "$rss_s" >>"$TMP/rss_sender"
	echo "$rss_r" >>"$TMP/rss_receiver"
}

run_socat() {
	local port
	port=$(free_udp_port)
	start_bg socat -u -b 262144 "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr" OPEN:/dev/null
	wait_for "listening tcp $port"
	gbit "$bytes" "$(timed "$TMP/in" socat -u -b 262144 STDIN "TCP:127.0.0.1:$port")" >>"$TMP/socat"
	wait_exit "$BG_PID"
}

run_udt() {
	local port
	port=$(free_udp_port)
	start_bg "$TMP/udtpipe" "$port" >/dev/null
	wait_for "listening udp $port"
	gbit "$slow_bytes" "$(timed "$TMP/slow" "$TMP/udtpipe" 127.0.0.1 "$port")" >>"$TMP/udt"
	wait_exit "$BG_PID" 60
}

# The sender returns before all is written: the time counts until the file is whole.
run_srt() {
	local port started k got=$TMP/srt/slow
	port=$(free_udp_port)
	mkdir -p "$TMP/srt"
	start_bg srt-file-transmit -q "srt://:$port?mode=listener&rcvbuf=67108864&fc=65536" "file://$TMP/srt" \
		>/dev/null 2>&1
	wait_for "listening udp $port"
	started=$(date +%s%N)
	srt-file-transmit -q "file://$TMP/slow" "srt://127.0.0.1:$port?mode=caller&fc=65536" \
		>/dev/null 2>&1 || fail "srt-file-transmit failed"
	for ((k = 0; k < 200; k++)); do
		[[ $(stat -c %s "$got" 2>/dev/null) == "$slow_bytes" ]] && break
		sleep 0.05
	done
	if ((k == 200)); then
		echo "SRT lost the end of the file; this run counts as 0"
		echo 0 >>"$TMP/srt.out"
	else
		gbit "$slow_bytes" "$(awk -v ns=$(($(date +%s%N) - started)) 'BEGIN { print ns / 1e9 }')" >>"$TMP/srt.out"
	fi
	stop_bg "$BG_PID" >/dev/null
	rm -rf "$TMP/srt"
}

median() {
	sort -g "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

peers="pipeclone socat"
if command -v g++ >/dev/null && g++ -O2 -o "$TMP/udtpipe" "$top_srcdir/tests/bench/udtpipe.cc" -ludt -lpthread 2>/dev/null; then
	peers+=" udt"
else
	echo "no UDT: it needs g++ and libudt-dev"
fi
if command -v srt-file-transmit >/dev/null; then
	peers+=" srt.out"
else
	echo "no SRT: it needs srt-tools"
fi

for ((i = 0; i < runs; i++)); do
	for peer in $peers; do
		"run_${peer%.out}"
	done
done

echo "loopback, one receiver, $bytes bytes ($slow_bytes for UDT and SRT), $runs runs, Gbit/s"
mine=$(median "$TMP/pipeclone")
for peer in $peers; do
	m=$(median "$TMP/$peer")
	printf '%-10s median %7.3f  (%s)  pipeclone/%s %.2f\n' "${peer%.out}" "$m" "$(tr '\n' ' ' <"$TMP/$peer")" "${peer%.out}" \
		"$(awk -v a="$mine" -v b="$m" 'BEGIN { print b ? a / b : 999 }')"
done
printf 'peak memory of pipeclone: sender %s kB, receiver %s kB\n' "$(sort -n "$TMP/rss_sender" | tail -1)" \
	"$(sort -n "$TMP/rss_receiver" | tail -1)"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One sender, one receiver: streams of many lengths, from files and pipes, in every way of naming the two sides.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipe.sh"

for bytes in 0 1 1399 65536 1048577 20000000; do
	make_data "$TMP/data" "$bytes"
	receive r --json "$TMP/r.json"
	send_bg -s "${AT[r]}" --json "$TMP/s.json" <"$TMP/data"
	ends sender 0
	ends r 0
	same r
	says sender "${AT[r]}" complete "loss 0.00 %"
	says r complete
	assert_contains "$TMP/s.json" "\"complete\":true,\"exit_status\":0,\"error\":\"\",\"bytes\":$bytes,"
	assert_contains "$TMP/r.json" "\"role\":\"receiver\",\"complete\":true,\"exit_status\":0,\"error\":\"\",\"bytes\":$bytes,"
done

# A file that the page cache has not got, one that is mostly a hole, one whose beginning another program has read.
make_data "$TMP/data" 30000000
sync "$TMP/data"
dd of="$TMP/data" oflag=nocache conv=notrunc,fdatasync count=0 status=none
receive r
send_bg "${AT[r]}" <"$TMP/data"
ends sender 0
ends r 0
same r
truncate -s 300M "$TMP/data"
receive r
send_bg "${AT[r]}" <"$TMP/data"
ends sender 0
ends r 0
same r
make_data "$TMP/whole" 9000000
tail -c +1000001 "$TMP/whole" >"$TMP/data"
receive r
{ dd of=/dev/null bs=1000000 count=1 status=none; send_bg "${AT[r]}"; } <"$TMP/whole"
ends sender 0
ends r 0
same r

# A file that is cut under way ends where it was cut, or where it was read to.
make_data "$TMP/data" 30000000
receive r
send_bg -s "${AT[r]}" --rate 80M <"$TMP/data"
wait_for "received r 2000000"
truncate -s 8000000 "$TMP/data"
ends sender 0
ends r 0
bytes=$(stat -c %s "$TMP/r.out")
((bytes >= 8000000 && bytes < 30000000)) || fail "of a file cut to 8 MB $bytes bytes came"
cmp -n 8000000 "$TMP/data" "$TMP/r.out" || fail "other bytes came"

# From a pipe that gives small pieces, to a pipe.
make_data "$TMP/data" 3000000
RECEIVE_TO=$TMP/fifo
mkfifo "$TMP/fifo"
dd bs=7001 <"$TMP/fifo" >"$TMP/r.out" 2>/dev/null &
dd=$!
receive r
send_bg "${AT[r]}" < <(dd if="$TMP/data" bs=997 2>/dev/null)
ends sender 0
ends r 0
wait "$dd"
same r
RECEIVE_TO=

# A sender that is quiet says nothing when all is well; its receiver may be named by a host name.
make_data "$TMP/data" 100000
receive r -q
send_bg -q "localhost:${PORT[r]}" <"$TMP/data"
ends sender 0
ends r 0
same r
assert_lacks "$TMP/sender.err" complete
[[ ! -s $TMP/r.err ]] || fail "a quiet receiver said: $(cat "$TMP/r.err")"

# :PORT receives, on IPv6 too.
port=$(free_udp_port)
HOME=$(home_of r) start_bg "$pipeclone" ":$port" >"$TMP/r.out" 2>"$TMP/r.err"
PID[r]=$BG_PID
wait_for "test_udp_port_used $port"
to=127.0.0.1:$port
[[ -e /proc/net/if_inet6 ]] && grep -q ' lo$' /proc/net/if_inet6 && to="[::1]:$port"
send_bg "$to" <"$TMP/data"
ends sender 0
ends r 0
same r

# Other ciphers and controllers carry the same bytes.
for options in "--cipher chacha20-poly1305" "--cipher none" "--cc cubic" "--cc fixed --rate 400M" "--threads 2" \
	"--no-gso --no-gro" "--mtu 1280" "--mtu 1500 --no-mtu-probe"; do
	make_data "$TMP/data" 2000000
	# shellcheck disable=SC2086
	receive r $options
	# shellcheck disable=SC2086
	send_bg -s "${AT[r]}" $options <"$TMP/data"
	ends sender 0
	ends r 0
	same r
done

# Settings of both ends come from their own ini files.
mkdir -p "$TMP/home.sender/.dexor"
printf '[pipeclone]\nrate = 8M\n' >"$TMP/home.sender/.dexor/pipeclone.ini"
make_data "$TMP/data" 1000000
receive r
before=${EPOCHREALTIME/[.,]/}
send_bg "${AT[r]}" <"$TMP/data"
ends sender 0
ends r 0
same r
took_ms=$(((${EPOCHREALTIME/[.,]/} - before) / 1000))
((took_ms >= 700)) || fail "8 Mbit/s was the cap, but 1 MB took $took_ms ms"
exit 0

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is typed wrong is named in one line and ends with exit status 2; help fits a screen.
set -u
. "$(dirname "$0")/lib.sh"
tmpdir

pipeclone=$(built pipeclone) || exit 1
mkdir -p "$TMP/home/.dexor"
export HOME=$TMP/home
unset "${!RMDT_@}"

# wrong TEXT-AT-FAULT ARGUMENT...
wrong() {
	local part=$1 status=0
	shift
	"$pipeclone" "$@" >"$TMP/out" 2>"$TMP/err" </dev/null || status=$?
	[[ $status == 2 ]] || fail "exit $status instead of 2: pipeclone $*"
	[[ $(wc -l <"$TMP/err") == 1 ]] || fail "not one line: pipeclone $*: $(cat "$TMP/err")"
	[[ ! -s $TMP/out ]] || fail "output: pipeclone $*"
	assert_contains "$TMP/err" "pipeclone: "
	assert_contains "$TMP/err" "$part"
}

# ---- command line
wrong 'nothing to do'
wrong '"--frobnicate"' --frobnicate
wrong 'try pipeclone --help' --frobnicate
wrong '"-x"' -x
wrong '"-x"' -kx
wrong '"--keep"' --keep=yes -l
wrong '"-s" wants a value' -s
wrong '"--mtu" wants a value' host --mtu
wrong '"--json" wants a value' -l --json
wrong '"--help everything"' --help everything
wrong '"a,,b"' -s a,,b
wrong '"a"' -s a,b,a
wrong '"A:2312"' a A:2312
wrong '":99"' -s :99
wrong 'host:99999' host:99999
wrong 'host:0' host:0
wrong 'host:x' host:x
wrong '[::1' '[::1:5'
wrong 'ho st' 'ho st'
wrong ':99999' :99999
wrong '":98"' -l :97 :98
wrong '"other"' -l :97 other
wrong 'not both' -l -s host
wrong '"--keep"' --keep host
wrong '"--json -"' -l --json -
wrong 'quorum:3' --slow quorum:3 a b
wrong '"fixed" needs a rate' --cc fixed a

# ---- every setting refuses nonsense, and says what was wrong with which option
for key in buffer mtu rate cc remember cipher threads slow connect-timeout dead-after keepalive linger strict max-peers max-flows \
	max-half-open rekey-packets rekey-after socket-buffer gso gro mtu-probe log-level; do
	wrong "--$key \"nonsense\"" "--$key=nonsense" host
done
wrong '--mtu "1279"' --mtu 1279 host
wrong '--mtu "65536"' --mtu=65536 host
wrong '--buffer "1"' --buffer 1 host
wrong '--buffer "12Q"' --buffer 12Q host
wrong '--rate "1Zbit"' --rate 1Zbit host
wrong '--threads "17"' --threads 17 host
wrong '--slow "drop:"' --slow drop: host
wrong '--slow "quorum:0"' --slow quorum:0 host
wrong '--dead-after "1ms"' --dead-after 1ms host
wrong '--dead-after "5"' --dead-after 5 host

# ---- environment
RMDT_MTU=12 wrong 'RMDT_MTU="12"' host
RMDT_DEAD_AFTER=soon wrong 'RMDT_DEAD_AFTER="soon"' host

# ---- ini files: file, section, key, value
ini=$HOME/.dexor/pipeclone.ini
wrong_ini() {
	local text=$1 part
	shift
	printf '%b' "$text" >"$ini"
	for part in "$ini" "$@"; do
		wrong "$part" host
	done
}
wrong_ini '[pipeclone]\nbufer = 1G\n' '[pipeclone]' bufer '"1G"'
wrong_ini '[pipeclone]\nbuffer = 1\n' '[pipeclone]' buffer '"1"'
wrong_ini '[tunnel]\nbuffer = 1G\n' '[tunnel]'
wrong_ini 'mtu = 1500\nmtu = 1400\n' '"mtu"' twice
wrong_ini 'mtu = 1500\n[pipeclone]\nmtu = 1400\n' '[pipeclone]' mtu '"1400"' twice
wrong_ini 'a heap of words\n' 'not an ini file'
rm "$ini"
printf '[pipeclone]\ncolour = red\n' >"$TMP/mine.ini"
wrong "$TMP/mine.ini" --config "$TMP/mine.ini" host
wrong "colour" --config "$TMP/mine.ini" host
wrong "$TMP/none.ini" --config "$TMP/none.ini" host
wrong "$TMP" --config "$TMP" host

# ---- help and version
for option in --help -h; do
	expect_exit 0 "$pipeclone" $option >"$TMP/out" 2>"$TMP/err"
	[[ ! -s $TMP/err ]] || fail "help on stderr"
	read -r lines width < <(wc -lL <"$TMP/out")
	((lines <= 24 && width <= 80)) || fail "help has $lines lines, $width columns"
done
assert_contains "$TMP/out" 'pipeclone -l :2312 > FILE'
assert_contains "$TMP/out" 'pipeclone -s host1,host2 < FILE'
assert_contains "$TMP/out" 'tar c DIR | pipeclone -s host1,host2'
expect_exit 0 "$pipeclone" --help all >"$TMP/out"
assert_contains "$TMP/out" --rekey-packets
for option in --version -V; do
	expect_exit 0 "$pipeclone" $option >"$TMP/out"
	grep -Eqx 'pipeclone [0-9]+\.[0-9]+\.[0-9]+' "$TMP/out" || fail "version: $(cat "$TMP/out")"
done
expect_exit 1 "$pipeclone" --version >/dev/full 2>/dev/null

# ---- what the transfer needs must be there
expect_exit 1 "$pipeclone" host <&- 2>"$TMP/err"
assert_contains "$TMP/err" 'standard input is closed'
expect_exit 1 "$pipeclone" -l ":$(free_udp_port)" >&- 2>"$TMP/err"
assert_contains "$TMP/err" 'standard output is closed'
expect_exit 1 "$pipeclone" --json /nonexistent/x host </dev/null 2>"$TMP/err"
assert_contains "$TMP/err" '--json "/nonexistent/x": No such file or directory'
exit 0

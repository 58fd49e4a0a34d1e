#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is typed wrong is named in one line and ends with exit status 2; what cannot be had, in one line and with 1.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tunnel.sh"
export HOME=$TMP/home
mkdir -p "$HOME"

# refuses STATUS TEXT-AT-FAULT ARGUMENT...
refuses() {
	local want=$1 part=$2 status=0
	shift 2
	timeout 20 "$dexor" "$@" >"$TMP/out" 2>"$TMP/err" </dev/null || status=$?
	[[ $status == "$want" ]] || fail "exit $status instead of $want: dexor $*: $(cat "$TMP/err")"
	[[ $(grep -vc ': from ' "$TMP/err") == 1 ]] || fail "not one line: dexor $*: $(cat "$TMP/err")"
	[[ ! -s $TMP/out ]] || fail "output: dexor $*"
	assert_contains "$TMP/err" "$part"
}
wrong() {
	refuses 2 "$1" tunnel "${@:2}"
}

refuses 2 'nothing to do'
refuses 2 '"frobnicate"' frobnicate
wrong 'LOCAL and REMOTE are wanted'
wrong 'LOCAL and REMOTE are wanted' tcp://:22
wrong '"tcp://:3"' tcp://:1 rmdt://a tcp://:3
wrong '"http://a"' http://a rmdt://b
wrong '"server:22"' server:22 rmdt://b
wrong '"tcp:/a:22"' rmdt://a tcp:/a:22
wrong '"tcp://"' tcp:// rmdt://b
wrong '"tcp://host"' rmdt://a tcp://host
wrong '"tcp://host:0"' rmdt://a tcp://host:0
wrong '"tcp://host:65536"' rmdt://a tcp://host:65536
wrong '"tcp://host:ssh"' rmdt://a tcp://host:ssh
wrong '"tcp://[::1:22"' rmdt://a 'tcp://[::1:22'
wrong '"tcp://host:22/"' rmdt://a tcp://host:22/
wrong '"tcp://a:1,b:2"' tcp://a:1,b:2 rmdt://b
wrong '"rmdt://:99"' rmdt://:99 tcp://a:1
wrong '"rmdt://a,,b"' tcp://:1 rmdt://a,,b
wrong '"rmdt://a,a:2312"' tcp://:1 rmdt://a,a:2312
wrong '"rmdt://a?b"' tcp://:1 $'rmdt://a\nb'
wrong 'one of the two must be rmdt://' tcp://:1 tcp://a:1
wrong 'one of the two must be rmdt://' rmdt://a rmdt://b
wrong '--port "0"' --port 0 tcp://:1 rmdt://a
wrong '--port "65536"' --port 65536 tcp://:1 rmdt://a
wrong '--port "x"' --port x tcp://:1 rmdt://a
wrong '"--port" wants a value' tcp://:1 rmdt://a --port
wrong '--hold "0.1s"' --hold 0.1s tcp://:1 rmdt://a
wrong '--hold "soon"' --hold soon tcp://:1 rmdt://a
wrong '--drain "x"' --drain x tcp://:1 rmdt://a
wrong '--on-outage "wiat"' --on-outage wiat tcp://:1 rmdt://a
wrong '--allow "10.0.0.0/33"' --allow 10.0.0.0/33 tcp://:1 rmdt://a
wrong '--allow "10.0.0"' --allow 10.0.0 tcp://:1 rmdt://a
wrong '--allow' --allow 10.0.0.0/8 rmdt://a tcp://b:1
wrong '--copy' --copy tcp://:1 rmdt://a
wrong '--balance' --balance rmdt://a tcp://b:1
wrong '"--frobnicate"' --frobnicate
wrong '--mtu "1"' --mtu 1 tcp://:1 rmdt://a
wrong 'try dexor tunnel --help' tcp://:1

# ---- what cannot be had
port=$(free_tcp_port)
start_bg "$tcpload" serve "$port" 2>/dev/null >/dev/null
wait_for "tcp_port_used $port"
refuses 1 "tcp://127.0.0.1:$port\": Address already in use" tunnel --port "${PORT[entry]}" "tcp://127.0.0.1:$port" rmdt://127.0.0.1
refuses 1 'name "no-such-host.invalid"' tunnel --port "${PORT[entry]}" tcp://no-such-host.invalid:1 rmdt://127.0.0.1
refuses 1 'name "no-such-host.invalid"' tunnel --port "${PORT[entry]}" "tcp://127.0.0.1:$(free_tcp_port)" rmdt://no-such-host.invalid
refuses 1 'name "no-such-host.invalid"' tunnel --port "${PORT[entry]}" rmdt://127.0.0.1 tcp://no-such-host.invalid:22
refuses 1 'fe80::1%no-such-link' tunnel --port "${PORT[entry]}" "tcp://127.0.0.1:$port" 'rmdt://[fe80::1%no-such-link]'
refuses 1 '"fe80::1": an address of a link needs its interface' tunnel --port "${PORT[entry]}" "tcp://127.0.0.1:$port" 'rmdt://[fe80::1]'
refuses 1 /nonexistent/x tunnel --json /nonexistent/x tcp://:1 rmdt://a
refuses 1 /nonexistent/psk tunnel --psk /nonexistent/psk --port "${PORT[entry]}" rmdt://127.0.0.1 tcp://127.0.0.1:1
# A second instance.
exit_relay exit tcp://127.0.0.1:1
wait_for 'grep -q "from rmdt" "$TMP/exit.err"'
refuses 1 "${PORT[exit]}" tunnel --port "${PORT[exit]}" rmdt://127.0.0.1 tcp://127.0.0.1:1

# ---- help
for words in --help "tunnel --help" "tunnel --help all" --version "tunnel --version"; do
	# shellcheck disable=SC2086
	"$dexor" $words >"$TMP/out" 2>"$TMP/err" || fail "dexor $words: exit $?"
	[[ -s $TMP/out && ! -s $TMP/err ]] || fail "dexor $words"
done
"$dexor" tunnel --help >"$TMP/out"
(($(wc -l <"$TMP/out") <= 40)) || fail "the help has $(wc -l <"$TMP/out") lines"
[[ $(awk 'length > 100' "$TMP/out") == "" ]] || fail "the help is too wide: $(awk 'length > 100' "$TMP/out")"
exit 0

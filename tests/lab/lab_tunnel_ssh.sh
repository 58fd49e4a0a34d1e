#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# OpenSSH from a client through two relays to a server, each a host of its own, with the commands of the manual as they are typed:
# a session with a terminal, SOCKS, new keys on the way, many at once; scp both ways at once over a cut and a change of address; a
# relay that is killed and started again.
#
#     SCP_BYTES=1000000000 CUT_S=20 SSH_COUNT=200 tests/lab/lab_tunnel_ssh.sh
set -u
# shellcheck source=tests/lab/lab.sh
source "$(dirname "$0")/lab.sh"
# shellcheck source=tests/e2e/tunnel.sh
source "$(dirname "$0")/../e2e/tunnel.sh"
requires_root
requires_tun
requires ssh scp ssh-keygen script socat
[[ -x /usr/sbin/sshd ]] || skip "sshd is not installed"

SCP_BYTES=${SCP_BYTES:-50000000} CUT_S=${CUT_S:-5} SSH_COUNT=${SSH_COUNT:-20}

lab_start client cs-relay ss-relay server
lab_link cs-relay ss-relay rate=500M delay=10ms loss=0.5%

# ---- the hosts: a wire on either side, and names

# wire HOST ADDRESS HOST ADDRESS
wire() {
	ip link add wire0 netns "$(lab_ns "$1")" type veth peer name wire0 netns "$(lab_ns "$3")" || skip "no veth here"
	ip -n "$(lab_ns "$1")" address add "$2/24" dev wire0
	ip -n "$(lab_ns "$3")" address add "$4/24" dev wire0
	ip -n "$(lab_ns "$1")" link set wire0 up
	ip -n "$(lab_ns "$3")" link set wire0 up
}

# names HOST "ADDRESS NAME"...: ip netns exec puts the file in the place of /etc/hosts
names() {
	local dir
	dir=/etc/netns/$(lab_ns "$1")
	mkdir -p "$dir" && cleanup_add rm -rf "$dir"
	printf '%s\n' '127.0.0.1 localhost' "${@:2}" >"$dir/hosts"
}

if [[ ! -d /etc/netns ]]; then
	mkdir /etc/netns && cleanup_add rmdir --ignore-fail-on-non-empty /etc/netns
fi
wire client 192.168.1.1 cs-relay 192.168.1.2
wire ss-relay 192.168.2.1 server 192.168.2.2
names client "192.168.1.2 cs-relay"
names cs-relay "$(lab_ip ss-relay) ss-relay"
names ss-relay "$(lab_ip cs-relay) cs-relay" "192.168.2.2 server"

# ---- ssh

ssh-keygen -q -t ed25519 -N '' -f "$TMP/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$TMP/key"
cat >"$TMP/sshd_config" <<END
Port 22
HostKey $TMP/host_key
AuthorizedKeysFile $TMP/key.pub
PidFile none
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 1000
UsePAM no
SetEnv HOME=$TMP
Subsystem sftp internal-sftp
END
[[ -d /run/sshd ]] || { mkdir -m 755 /run/sshd && cleanup_add rmdir --ignore-fail-on-non-empty /run/sshd; }
lab_bg server /usr/sbin/sshd -D -e -f "$TMP/sshd_config" 2>"$TMP/sshd.err"
cat >"$TMP/ssh_config" <<END
User root
IdentityFile $TMP/key
StrictHostKeyChecking no
UserKnownHostsFile $TMP/known
LogLevel ERROR
BatchMode yes
ControlMaster no
END

through_ssh() {
	lab_exec client timeout 60 ssh -F "$TMP/ssh_config" -p 2202 cs-relay "$@"
}
through_scp() {
	lab_exec client timeout 300 scp -q -F "$TMP/ssh_config" -P 2202 "$@"
}

# on HOST ARGUMENT...: `dexor tunnel ARGUMENT...`
on() {
	local host=$1
	shift
	: >"$TMP/$host.err"
	HOME=$(home_of "$host") lab_bg "$host" "${default_signals[@]}" "$dexor" tunnel "$@" 2>>"$TMP/$host.err"
	PID[$host]=$BG_PID
}
end_relays() {
	local host
	for host in cs-relay ss-relay; do
		kill "${PID[$host]}"
		ends "$host" 0
	done
}
now_ms() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# The commands, with ports and without, in either order. The client need not wait for them to be up.
on ss-relay --port 4436 rmdt://cs-relay:4453 tcp://server:22
on cs-relay --port 4453 tcp://:2202 rmdt://ss-relay:4436
wait_for 'grep -q "from tcp" "$TMP/cs-relay.err"'
[[ $(through_ssh echo hello) == hello ]] || fail "with ports: $(cat "$TMP"/*-relay.err "$TMP/sshd.err")"
end_relays
on cs-relay tcp://:2202 rmdt://ss-relay
wait_for 'grep -q "from tcp" "$TMP/cs-relay.err"'
through_ssh echo hello >"$TMP/hello" &
client=$!
wait_for 'grep -q "cannot be reached yet" "$TMP/cs-relay.err"'
on ss-relay rmdt://cs-relay tcp://server:22
wait "$client" || fail "without ports: exit $?: $(cat "$TMP"/*-relay.err "$TMP/sshd.err")"
[[ $(<"$TMP/hello") == hello ]] || fail "without ports: $(<"$TMP/hello")"

# A session: what is typed second depends on what was answered first.
mkfifo "$TMP/keys"
exec {keys}<>"$TMP/keys"
# shellcheck disable=SC2016
lab_bg client sh -c 'exec timeout 60 script -qefc "ssh -F $1/ssh_config -p 2202 cs-relay" "$1/screen" <"$1/keys" >/dev/null' sh "$TMP"
session=$BG_PID
# Not before the prompt: what comes while ssh makes its terminal raw is lost, without a tunnel too.
wait_for 'tail -n 1 "$TMP/screen" 2>/dev/null | grep -q "[#\$] *\$"' 20
echo 'stty cols $((120 + 3)); echo is it $((40 + 2)); tty' >&"$keys"
wait_for 'grep -qs "is it 42" "$TMP/screen" && grep -q "/dev/pts/" "$TMP/screen"' 20
echo 'stty size; exit 3' >&"$keys"
status=0
wait_exit "$session" 20 || status=$?
exec {keys}>&-
((status == 3)) || fail "the session: exit $status: $(cat "$TMP/screen")"
grep -q "[0-9] 123" "$TMP/screen" || fail "no terminal: $(cat "$TMP/screen")"

# New keys every megabyte.
make_data "$TMP/some" 10000000
lab_exec client timeout 60 ssh -v -F "$TMP/ssh_config" -o LogLevel=DEBUG1 -o RekeyLimit=1M -p 2202 cs-relay cat <"$TMP/some" >"$TMP/some.back" \
	2>"$TMP/rekeyed" || fail "ssh with new keys: $(tail -n 3 "$TMP/rekeyed")"
assert_same_sha "$TMP/some" "$TMP/some.back"
(($(grep -c NEWKEYS "$TMP/rekeyed") >= 10)) || fail "the keys were not renewed: $(grep -c NEWKEYS "$TMP/rekeyed")"

# SOCKS: a web server that only the server sees.
if type -P curl >/dev/null; then
	cat >"$TMP/web" <<-END
		while read -r line && [ \${#line} -gt 1 ]; do :; done
		printf 'HTTP/1.0 200 OK\r\n\r\n'
		cat $TMP/some
	END
	lab_bg server socat TCP-LISTEN:8080,bind=127.0.0.1,reuseaddr,fork "EXEC:sh $TMP/web"
	lab_bg client ssh -F "$TMP/ssh_config" -N -D 1080 -p 2202 cs-relay
	socks=$BG_PID
	wait_for 'lab_exec client grep -q ":0438 .* 0A " /proc/net/tcp' 20
	for i in 1 2 3 4; do
		lab_exec client timeout 60 curl -sS -o "$TMP/got.$i" --socks5-hostname 127.0.0.1:1080 http://127.0.0.1:8080/ &
		pids[i]=$!
	done
	for i in 1 2 3 4; do
		wait "${pids[i]}" || fail "curl through ssh -D: exit $?"
		assert_same_sha "$TMP/some" "$TMP/got.$i"
		rm "$TMP/got.$i"
	done
	stop_bg "$socks" || :
else
	echo "NOTE: curl is not installed, ssh -D was left out"
fi

began=$(now_ms)
ssh_many "$SSH_COUNT"
echo "$SSH_COUNT times ssh at once: $(($(now_ms) - began)) ms"

# Both ways at once; in the middle the path is cut, and the client's relay has another address afterwards.
make_data "$TMP/up" "$SCP_BYTES"
make_data "$TMP/down" "$SCP_BYTES"
began=$(now_ms)
through_scp "$TMP/up" "cs-relay:$TMP/up.there" &
up=$!
through_scp "cs-relay:$TMP/down" "$TMP/down.here" &
down=$!
size_of() {
	stat -c %s "$1" 2>/dev/null || echo 0
}
wait_for '(($(size_of "$TMP/up.there") > SCP_BYTES / 4 && $(size_of "$TMP/down.here") > SCP_BYTES / 4))' 120
lab_cut cs-relay ss-relay
(($(size_of "$TMP/up.there") < SCP_BYTES || $(size_of "$TMP/down.here") < SCP_BYTES)) || fail "cut too late"
lab_move cs-relay 1
sleep "$CUT_S"
lab_heal cs-relay ss-relay
wait "$up" || fail "scp up: exit $?"
wait "$down" || fail "scp down: exit $?"
echo "scp of $SCP_BYTES bytes each way, cut of $CUT_S s: $(($(now_ms) - began)) ms"
assert_same_sha "$TMP/up" "$TMP/up.there"
assert_same_sha "$TMP/down" "$TMP/down.here"
rm "$TMP"/{up,down}*
ip -n "$(lab_ns cs-relay)" address add "$(lab_ip cs-relay)/16" dev lab0

# A relay is killed and started again: what it had ends and does not hang, and it serves new clients.
lab_bg client timeout 60 ssh -F "$TMP/ssh_config" -p 2202 cs-relay 'echo here; sleep 50' >"$TMP/old" 2>"$TMP/old.err"
old=$BG_PID
wait_for '[[ -s $TMP/old ]]'
kill -KILL "${PID[ss-relay]}"
ends ss-relay 137
on ss-relay rmdt://cs-relay tcp://server:22
began=$(now_ms)
[[ $(through_ssh echo again) == again ]] || fail "after the restart: $(cat "$TMP"/*-relay.err)"
echo "served again after $(($(now_ms) - began)) ms"
status=0
wait_exit "$old" 20 || status=$?
((status == 255)) || fail "the old session: exit $status: $(cat "$TMP/old.err")"
echo "the old session ended after $(($(now_ms) - began)) ms at most: $(tail -n 1 "$TMP/old.err")"
end_relays
exit 0

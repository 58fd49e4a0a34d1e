#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A real OpenSSH client and server through two relays.
set -u
. "$(dirname "$0")/lib.sh"
requires ssh scp ssh-keygen
[[ -x /usr/sbin/sshd ]] || skip "sshd is not installed"
[[ $(id -u) == 0 ]] || skip "sshd as another user than root serves only that user, by PAM's leave"
. "$(dirname "$0")/tunnel.sh"

SERVER=$(free_tcp_port)
LISTEN=$(free_tcp_port)
ssh-keygen -q -t ed25519 -N '' -f "$TMP/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$TMP/key"
cp "$TMP/key.pub" "$TMP/authorized_keys"
chmod 600 "$TMP/authorized_keys"
cat >"$TMP/sshd_config" <<END
Port $SERVER
ListenAddress 127.0.0.1
HostKey $TMP/host_key
AuthorizedKeysFile $TMP/authorized_keys
PidFile $TMP/sshd.pid
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 1000
UsePAM no
Subsystem sftp internal-sftp
END
mkdir -p /run/sshd
start_bg /usr/sbin/sshd -D -e -f "$TMP/sshd_config" 2>"$TMP/sshd.err"
wait_for "tcp_port_used $SERVER"

exit_relay exit "tcp://127.0.0.1:$SERVER"
entry_relay entry "tcp://$LISTEN"
await_up

options=(-F none -i "$TMP/key" -o StrictHostKeyChecking=no -o UserKnownHostsFile="$TMP/known" -o LogLevel=ERROR
	-o ControlMaster=no -o BatchMode=yes)
through_ssh() {
	timeout 60 ssh "${options[@]}" -p "$LISTEN" root@127.0.0.1 "$@"
}

[[ $(through_ssh echo hello) == hello ]] || fail "ssh: $(cat "$TMP/sshd.err")"
status=0
through_ssh 'exit 7' || status=$?
((status == 7)) || fail "the exit status of the far command: $status"
# A terminal.
[[ $(through_ssh -tt 'tty; exit' </dev/null | head -1) == /dev/* ]] || fail "no terminal"

# Both ways at once, and keys renewed on the way.
make_data "$TMP/up" 30000000
make_data "$TMP/down" 30000000
timeout 100 scp -q "${options[@]}" -o RekeyLimit=4M -P "$LISTEN" "$TMP/up" "root@127.0.0.1:$TMP/up.there" &
up=$!
timeout 100 scp -q "${options[@]}" -o RekeyLimit=4M -P "$LISTEN" "root@127.0.0.1:$TMP/down" "$TMP/down.here" || fail "scp down"
wait "$up" || fail "scp up"
assert_same_sha "$TMP/up" "$TMP/up.there"
assert_same_sha "$TMP/down" "$TMP/down.here"

ssh_many "${SSH_COUNT:-30}"
exit 0

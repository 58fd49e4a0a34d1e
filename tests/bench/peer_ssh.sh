# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# OpenSSH, one receiver: aes128-gcm@openssh.com, its fastest cipher here; a server of its own on a free port with keys of
# this run only, and no configuration or agent of the user.

ssh_needs() {
	bench_missing ssh ssh-keygen
	[[ -x /usr/sbin/sshd ]] || echo "sshd is not installed"
	[[ $(id -u) == 0 ]] || echo "only root can run its sshd"
}

ssh_receive() {
	local dir=$TMP/ssh
	if [[ ! -d $dir ]]; then
		mkdir -m 700 "$dir"
		ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
		ssh-keygen -q -t ed25519 -N '' -f "$dir/user"
		cp "$dir/user.pub" "$dir/authorized"
		[[ -d /run/sshd ]] || { mkdir -m 755 /run/sshd && cleanup_add rmdir /run/sshd; }
	fi
	ssh_port=$(bench_port "$4")
	bench_helper "$4" /usr/sbin/sshd -D -e -f /dev/null -p "$ssh_port" -h "$dir/host" -o "PidFile none" \
		-o "AuthorizedKeysFile $dir/authorized" -o "StrictModes no" -o "UsePAM no" -o "PermitRootLogin prohibit-password" \
		-o "ListenAddress $(bench_ip "$4")" -o "Ciphers aes128-gcm@openssh.com"
	bench_wait_listens "$4" tcp "$ssh_port" "$BG_PID"
}

ssh_send() {
	bench_sender "$3" "$(bench_file "$2")" ssh -F /dev/null -i "$TMP/ssh/user" -p "$ssh_port" -o BatchMode=yes \
		-o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
		-o Ciphers=aes128-gcm@openssh.com -o Compression=no "root@$(bench_ip "$4")" "cat >/dev/null"
}

# The far end is the server's child: that the client ends well says that it has taken all.
ssh_watch() {
	local now
	test_ends_within "$SEND" "${LIMIT:-60}" || { WHY="longer than ${LIMIT:-60} s"; return; }
	now=${EPOCHREALTIME/[.,]/}
	bench_status "$SEND" || WHY="ssh: exit $?: $(tail -n 1 "$TMP/said.$SEND")"
	TOOK[$3]=$((now - $2)) GOT[$3]=$1
}

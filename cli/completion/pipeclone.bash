# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of pipeclone for bash. The words stand here so that nothing has to run while one types;
# tests/e2e/docs.sh holds them against the program.

_pipeclone() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local options='--listen --send --keep --quiet --progress --json --config --help --version
		--buffer --mtu --mtu-probe --rate --cc --remember --cipher --threads --slow --connect-timeout --dead-after
		--keepalive --linger --identity --psk --strict --max-peers --max-flows --max-half-open --rekey-packets --rekey-after
		--socket-buffer --gso --gro --log-level'
	local flags='--no-mtu-probe --no-remember --no-strict --no-gso --no-gro'

	# bash splits words at '=' and ':'.
	[[ $cur == = ]] && cur=
	[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	COMPREPLY=()
	case $prev in
	--cc) mapfile -t COMPREPLY < <(compgen -W 'bbr cubic fixed' -- "$cur") ;;
	--cipher) mapfile -t COMPREPLY < <(compgen -W 'aes-256-gcm chacha20-poly1305 none' -- "$cur") ;;
	--slow) mapfile -t COMPREPLY < <(compgen -W 'block drop: quorum:' -- "$cur") ;;
	--log-level) mapfile -t COMPREPLY < <(compgen -W 'error warning info debug' -- "$cur") ;;
	--mtu) mapfile -t COMPREPLY < <(compgen -W 'auto 1500 9000' -- "$cur") ;;
	--help | -h) mapfile -t COMPREPLY < <(compgen -W 'all' -- "$cur") ;;
	--json | --config | --psk) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--identity) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	--send | -s) mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur") ;;
	--buffer | --rate | --threads | --connect-timeout | --dead-after | --keepalive | --linger | --max-* | --rekey-* | \
		--socket-buffer) ;;
	*)
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$options $flags" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur")
		fi
		;;
	esac
}
complete -F _pipeclone pipeclone

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of dexor for bash. The words stand here so that nothing has to run while one types;
# tests/e2e/tunnel_docs.sh holds them against the program.

_dexor() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
	local tunnel='--port --allow --hold --on-outage --drain --balance --copy --udp-idle --quiet --json --config --help
		--version'
	local settings='--buffer --mtu --mtu-probe --rate --cc --remember --cipher --threads --slow --connect-timeout --dead-after
		--keepalive --linger --identity --psk --strict --max-peers --max-flows --max-half-open --rekey-packets
		--rekey-after --socket-buffer --gso --gro --log-level'

	# bash splits words at '=' and ':'.
	[[ $cur == = ]] && cur=
	[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W 'tunnel status --help --version' -- "$cur")
		return
	fi
	if [[ $command == status ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$cur")
		return
	fi
	case $prev in
	--on-outage) mapfile -t COMPREPLY < <(compgen -W 'wait fail' -- "$cur") ;;
	--cc) mapfile -t COMPREPLY < <(compgen -W 'bbr cubic fixed' -- "$cur") ;;
	--cipher) mapfile -t COMPREPLY < <(compgen -W 'aes-256-gcm chacha20-poly1305 none' -- "$cur") ;;
	--log-level) mapfile -t COMPREPLY < <(compgen -W 'error warning info debug' -- "$cur") ;;
	--help | -h) mapfile -t COMPREPLY < <(compgen -W 'all' -- "$cur") ;;
	--json | --config | --psk) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--identity) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	--port | -p | --allow | --hold | --drain | --udp-idle | --buffer | --mtu | --rate | --threads | --*-after | --*-timeout | \
		--keepalive | --linger | --max-* | --rekey-* | --socket-buffer) ;;
	*)
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$tunnel $settings" -- "$cur")
		else
			compopt -o nospace 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -W 'rmdt:// tcp:// udp://' -- "$cur")
		fi
		;;
	esac
}
complete -F _dexor dexor

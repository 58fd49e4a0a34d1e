#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every option of dexor tunnel stands in the manual and the completion, and nothing is promised that does not exist.
set -u
. "$(dirname "$0")/lib.sh"
tmpdir

dexor=$(built dexor) || exit 1
export HOME=$TMP
"$dexor" tunnel --help all >"$TMP/help" || fail "--help all"
mapfile -t settings < <(sed '1,/^Settings/d' "$TMP/help" | grep -oE -- '^ +--[a-z-]+' | grep -oE -- '--[a-z-]+')
mapfile -t options < <(sed '/^Settings/,$d' "$TMP/help" | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+')
((${#options[@]} >= 13 && ${#settings[@]} >= 20)) || fail "${#options[@]} options, ${#settings[@]} settings were found"

completion=$top_srcdir/cli/completion/dexor.bash
# A dash in a manual page is written \-.
sed 's/\\-/-/g' "$top_srcdir/doc/dexor-tunnel.1" >"$TMP/man"
for option in "${options[@]}"; do
	grep -qE -- "$option([^a-z-]|\$)" "$TMP/man" || fail "$option is not in dexor-tunnel.1"
done
for option in "${options[@]}" "${settings[@]}"; do
	grep -qE -- "$option([^a-z-]|\$)" "$completion" || fail "$option is not in the completion"
done
for option in $(grep -hoE -- '--[a-z][a-z-]*' "$completion" "$TMP/man" | grep -vE -- '-$' | sort -u); do
	[[ " ${options[*]} ${settings[*]} " == *" $option "* ]] || fail "$option does not exist"
done
for command in $("$dexor" --help | sed -n 's/^  dexor \([a-z]*\) .*/\1/p'); do
	grep -q "^\.B $command\$" "$top_srcdir/doc/dexor.1" || fail "$command is not in dexor.1"
	grep -qE "'[a-z ]*$command[a-z -]*'" "$completion" || fail "$command is not in the completion"
done
if type -P groff >/dev/null; then
	for page in "$top_srcdir"/doc/dexor{,-tunnel}.1; do
		groff -man -Tutf8 -ww "$page" >/dev/null 2>"$TMP/lint"
		[[ ! -s $TMP/lint ]] || fail "$(cat "$TMP/lint")"
	done
fi

. "$completion"
completes() {
	local want=$1
	shift
	COMP_WORDS=(dexor "$@")
	COMP_CWORD=$#
	_dexor
	[[ ${COMPREPLY[*]} == "$want" ]] || fail "completion of $*: ${COMPREPLY[*]}"
}
completes tunnel tu
completes --on-outage tunnel --on
completes fail tunnel --on-outage f
completes tcp:// tunnel tc
exit 0

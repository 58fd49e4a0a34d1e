#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every long option and setting of pipeclone stands in the manual, the completion and the example, with its default.
set -u
. "$(dirname "$0")/lib.sh"
tmpdir

pipeclone=$(built pipeclone) || exit 1
export HOME=$TMP
"$pipeclone" --help all >"$TMP/help" || fail "--help all"
mapfile -t options < <(grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' "$TMP/help" | grep -oE -- '--[a-z-]+')
((${#options[@]} >= 30)) || fail "only ${#options[@]} options were found"
mapfile -t settings < <(sed '1,/^Settings/d' "$TMP/help" | grep -oE -- '^ +--[a-z-]+' | grep -oE -- '[a-z][a-z-]*')

# A dash in a manual page is written \-.
sed 's/\\-/-/g' "$top_srcdir/doc/pipeclone.1" >"$TMP/man1"
sed 's/\\-/-/g' "$top_srcdir/doc/pipeclone.ini.5" >"$TMP/man5"
completion=$top_srcdir/cli/completion/pipeclone.bash
example=$top_srcdir/examples/pipeclone.ini

for option in "${options[@]}"; do
	grep -qE -- "$option([^a-z-]|\$)" "$TMP/man1" || fail "$option is not in pipeclone.1"
	grep -qE -- "$option([^a-z-]|\$)" "$completion" || fail "$option is not in the completion"
done
# Nothing is promised that does not exist.
for option in $(grep -hoE -- '--[a-z][a-z-]*' "$completion" "$TMP/man1" | grep -vE -- '-$' | sort -u); do
	bare=${option/#--no-/--}
	[[ " ${options[*]} " == *" $option "* || " ${settings[*]} " == *" ${bare#--} "* ]] || fail "$option does not exist"
done
for key in "${settings[@]}"; do
	grep -qE "^\.BR $key " "$TMP/man5" || fail "$key is not in pipeclone.ini.5"
	grep -qE "^;$key = " "$example" || fail "$key is not in examples/pipeclone.ini"
done

# The example shows the built-in values: all of them taken at once change nothing that can be seen.
sed 's/^;\([a-z-]* = \)/\1/; /^identity/d; /^psk/d' "$example" >"$TMP/all.ini"
expect_exit 1 "$pipeclone" --config "$TMP/all.ini" --json /nonexistent/x host </dev/null 2>"$TMP/err"
assert_contains "$TMP/err" /nonexistent/x
while read -r key _ value; do
	# A default is shown in parentheses, or as the first of the choices.
	grep -E -- "--$key " "$TMP/help" | grep -qE -- "(\($value\)|: $value\|)" ||
		fail "examples/pipeclone.ini has $key = $value: $(grep -E -- "--$key " "$TMP/help")"
done < <(grep -E '^[a-z-]+ = ' "$TMP/all.ini")

if type -P mandoc >/dev/null; then
	for page in "$top_srcdir"/doc/pipeclone.{1,ini.5}; do
		mandoc -T lint -W error "$page" >"$TMP/lint" 2>&1 || fail "$(cat "$TMP/lint")"
	done
fi
if type -P groff >/dev/null; then
	for page in "$top_srcdir"/doc/pipeclone.{1,ini.5}; do
		groff -man -Tutf8 -ww "$page" >/dev/null 2>"$TMP/lint"
		[[ ! -s $TMP/lint ]] || fail "$(cat "$TMP/lint")"
	done
fi

# The completion works where bash is.
. "$completion"
COMP_WORDS=(pipeclone --ci)
COMP_CWORD=1
_pipeclone
[[ ${COMPREPLY[*]} == --cipher ]] || fail "completion of --ci: ${COMPREPLY[*]}"
COMP_WORDS=(pipeclone --cipher = ch)
COMP_CWORD=3
_pipeclone
[[ ${COMPREPLY[*]} == chacha20-poly1305 ]] || fail "completion of --cipher=ch: ${COMPREPLY[*]}"
exit 0

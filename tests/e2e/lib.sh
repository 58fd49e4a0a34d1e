# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Words for test scripts; to be sourced by bash, with or without set -euo pipefail.
# Exit status of a test: 0 good, 77 skipped, anything else bad.
#
#   tmpdir                        make $TMP, a private folder, removed at the end
#   cleanup_add COMMAND...        run at the end, last added first, also after a failure or a signal
#   fail MESSAGE / skip REASON    end the test
#   requires PROGRAM...           skip unless all are there
#   built NAME                    print the path of a program of this tree
#   start_bg COMMAND...           start it, its pid in $BG_PID; ended at the end of the test
#   stop_bg PID [SIGNAL]          end it (TERM) and wait; its exit status
#   wait_exit PID [SECONDS]       wait until it ends by itself; its exit status; fails after SECONDS
#   wait_for COMMAND [SECONDS]    repeat a shell command until it is true; fails after SECONDS (10)
#   expect_exit CODE COMMAND...   fails the test unless the command ends so
#   free_udp_port                 print a UDP port that nobody has
#   make_data FILE BYTES          write bytes that do not compress and differ from run to run
#   assert_same_sha FILE FILE
#   assert_contains FILE TEXT / assert_lacks FILE TEXT
#   between VALUE LEAST MOST      true for LEAST <= VALUE <= MOST, with fractions
#
# Of a program that has a name, its pid in ${PID[NAME]} and its standard error in $TMP/NAME.err:
#   ends NAME STATUS [SECONDS]    wait until it has ended, and judge its exit status
#   says NAME TEXT...             its standard error has each of these

[[ -n ${TEST_LIB_LOADED:-} ]] && return
TEST_LIB_LOADED=1

: "${top_srcdir:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${top_builddir:=$top_srcdir}"

declare -A PID=()
test_cleanups=()
test_pids=()
test_ends_all=0

test_end() {
	local status=$? i
	# A child that gets a signal between fork and exec comes here too: this is not its own.
	[[ $BASHPID == "$$" ]] || return
	trap - EXIT
	trap '' INT TERM HUP
	for ((i = ${#test_cleanups[@]} - 1; i >= 0; i--)); do
		eval "${test_cleanups[i]}" || echo "cleanup failed: ${test_cleanups[i]}" >&2
	done
	exit "$status"
}
trap test_end EXIT
# A shell that dies by a signal would leave processes and namespaces behind.
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP

cleanup_add() {
	local quoted
	printf -v quoted '%q ' "$@"
	test_cleanups+=("$quoted")
}

fail() {
	echo "FAIL: $* (${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]})" >&2
	exit 1
}

skip() {
	echo "SKIP: $*" >&2
	exit 77
}

requires() {
	local program
	for program; do
		type -P "$program" >/dev/null || skip "$program is not installed"
	done
}

tmpdir() {
	[[ -n ${TMP:-} && -d $TMP && ${test_tmp_made:-} == "$TMP" ]] && return
	TMP=$(mktemp -d "${TMPDIR:-/tmp}/rmdt-test.XXXXXX") || fail "mktemp"
	test_tmp_made=$TMP
	cleanup_add rm -rf "$TMP"
}

# Front ends stand in cli, and programs for tests in the folder of their tests.
built() {
	local dir
	for dir in ${BUILT_DIRS:-} "$top_builddir"/{cli,tests/lab,tests/e2e,examples}; do
		if [[ -x $dir/$1 && ! -d $dir/$1 ]]; then
			echo "$dir/$1"
			return
		fi
	done
	echo "FAIL: $1 has not been built" >&2
	return 1
}

# ---- processes

start_bg() {
	"$@" &
	BG_PID=$!
	test_pids+=("$BG_PID")
	((test_ends_all)) || cleanup_add test_end_all
	test_ends_all=1
}

test_forget() {
	local pid kept=()
	for pid in "${test_pids[@]}"; do
		[[ $pid == "$1" ]] || kept+=("$pid")
	done
	test_pids=("${kept[@]}")
}

# Ends processes of ours: first politely, then not.
test_end_all() {
	local pid
	for pid in "${test_pids[@]}"; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in "${test_pids[@]}"; do
		test_ends_within "$pid" 3 || kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	test_pids=()
	return 0
}

# A zombie has ended: only its parent, this shell, still has to ask for its status.
test_runs() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	stat=${stat##*) }
	[[ ${stat%% *} != [ZX] ]]
}

test_ends_within() {
	local until=$((${EPOCHREALTIME/[.,]/} + $2 * 1000000))
	while test_runs "$1"; do
		((${EPOCHREALTIME/[.,]/} < until)) || return 1
		sleep 0.02
	done
}

stop_bg() {
	kill "-${2:-TERM}" "$1" 2>/dev/null || :
	wait_exit "$1" 10
}

wait_exit() {
	local status=0
	test_ends_within "$1" "${2:-30}" || fail "process $1 still runs after ${2:-30} s"
	wait "$1" || status=$?
	test_forget "$1"
	return "$status"
}

wait_for() {
	local limit=${2:-10} until
	until=$((${EPOCHREALTIME/[.,]/} + limit * 1000000))
	while ! eval "$1"; do
		((${EPOCHREALTIME/[.,]/} < until)) || fail "not true within $limit s: $1"
		sleep 0.02
	done
}

expect_exit() {
	local want=$1 status=0
	shift
	"$@" || status=$?
	[[ $status == "$want" ]] || fail "exit $status instead of $want: $*"
}

# ---- things to test with

# At random, so that two tests at once hardly ever try the same.
free_udp_port() {
	local try port
	for ((try = 0; try < 200; try++)); do
		port=$((20000 + SRANDOM % 12000))
		if ! test_udp_port_used "$port"; then
			echo "$port"
			return
		fi
	done
	echo "FAIL: no free UDP port" >&2
	return 1
}

test_udp_port_used() {
	local hex files=(/proc/net/udp)
	printf -v hex ':%04X ' "$1"
	[[ -r /proc/net/udp6 ]] && files+=(/proc/net/udp6)
	grep -q "^ *[0-9]*: [0-9A-F]*$hex" "${files[@]}"
}

make_data() {
	head -c "$2" /dev/urandom >"$1" || fail "cannot write '$1'"
}

# ---- judgements

assert_same_sha() {
	local a b
	a=$(sha256sum <"$1") || fail "cannot read '$1'"
	b=$(sha256sum <"$2") || fail "cannot read '$2'"
	[[ $a == "$b" ]] ||
		fail "'$1' ($(stat -c %s "$1") bytes) and '$2' ($(stat -c %s "$2") bytes) differ"
}

assert_contains() {
	grep -qF -e "$2" "$1" || fail "'$1' does not contain '$2': $(head -c 2000 "$1")"
}

assert_lacks() {
	[[ -r $1 ]] || fail "cannot read '$1'"
	! grep -qF -e "$2" "$1" || fail "'$1' contains '$2': $(head -c 2000 "$1")"
}

between() {
	awk -v x="$1" -v a="$2" -v b="$3" 'BEGIN { exit !(x + 0 >= a + 0 && x + 0 <= b + 0) }'
}

ends() {
	local status=0
	wait_exit "${PID[$1]}" "${3:-20}" || status=$?
	[[ $status == "$2" ]] || fail "$1: exit $status instead of $2: $(cat "$TMP/$1.err")"
}

says() {
	local name=$1 text
	shift
	for text; do
		assert_contains "$TMP/$name.err" "$text"
	done
}

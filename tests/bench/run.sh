#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything side by side on this machine, then the tables and plots of doc/bench. `make bench` runs this.
#
#     BENCH="loopback wan overtime share fanout unlike many tunnel" RUNS=5 BENCH_DIR=doc/bench tests/bench/run.sh
#
# A scenario that was not run keeps its figures of before. The machine should do nothing else. See doc/benchmarks.md.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${top_srcdir:=$(cd "$here/../.." && pwd)}"
: "${top_builddir:=$top_srcdir}"
export top_srcdir top_builddir
export RUNS=${RUNS:-5}
BENCH=${BENCH:-aead loopback wan overtime share fanout unlike many tunnel}
BENCH_DIR=${BENCH_DIR:-$top_srcdir/doc/bench}
# What a reader needs to do the same.
BENCH_COMMAND="make bench BENCH=\"$BENCH\" RUNS=$RUNS"
for name in JOBS OTHERS OTHER_RUNS FAR_RUNS PEERS SLOW RTTS LOSSES LIMIT AGAINST SHARE_S CASES BYTES STALL_S EXTRA; do
	[[ -z ${!name+set} ]] || BENCH_COMMAND+=" $name=\"${!name}\""
done
export BENCH_COMMAND

# Into tables and plots after every scenario: what was measured is not lost when a later one is broken off.
report() {
	python3 -B "$here/report.py" "$BENCH_DIR" "$BENCH_ROWS"
}

type -P python3 >/dev/null || { echo "python3 is missing: install-deps --bench" >&2; exit 1; }
BENCH_ROWS=$(mktemp "${TMPDIR:-/tmp}/rmdt-rows.XXXXXX") || exit 1
export BENCH_ROWS
trap 'rm -f "$BENCH_ROWS"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
began=$SECONDS bad=0
for scenario in $BENCH; do
	echo "== $scenario"
	if [[ $scenario == aead ]]; then
		"$top_builddir/tests/bench/bench_aead" || bad=1
		continue
	fi
	: >"$BENCH_ROWS"
	bash "$here/$scenario.sh"
	case $? in
	0) ;;
	77) continue ;;
	*) echo "$scenario: broken off" >&2; bad=1 ;;
	esac
	[[ ! -s $BENCH_ROWS ]] || report || bad=1
done
echo "== $(((SECONDS - began + 30) / 60)) minutes; see $BENCH_DIR/README.md"
exit $bad

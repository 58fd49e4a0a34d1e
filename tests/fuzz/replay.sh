#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gives every fuzz target the files of its corpus once. FUZZ_PROGRAMS names the targets (make check sets it); the
# corpus of tests/fuzz/fuzz_NOUN is tests/fuzz/corpus/NOUN.
# One target alone: tests/fuzz/fuzz_NOUN -runs=0 tests/fuzz/corpus/NOUN
set -euo pipefail

if [ -z "${FUZZ_PROGRAMS:-}" ]; then
	echo "no fuzz targets are built"
	exit 77
fi

failed=0
for program in $FUZZ_PROGRAMS; do
	noun=${program##*/fuzz_}
	corpus=$top_srcdir/tests/fuzz/corpus/$noun
	if [ ! -d "$corpus" ]; then
		echo "$program: no corpus in '$corpus'" >&2
		failed=1
	elif ! "$top_builddir/$program" -runs=0 "$corpus"; then
		echo "$program: failed on its corpus" >&2
		failed=1
	fi
done
exit $failed

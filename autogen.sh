#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes ./configure. Needed only in a checkout; a release tarball has it.
set -eu
cd "$(dirname "$0")"
for tool in autoconf automake libtoolize pkg-config; do
	command -v "$tool" >/dev/null || {
		echo "autogen.sh: '$tool' is not installed; ./install-deps installs all that is needed" >&2
		exit 1
	}
done
mkdir -p m4
exec autoreconf --install --force --warnings=all,no-portability

#!/usr/bin/env bash
# Prints what a binary built from this tree says of itself: version, commit, and
# the commit's date.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(git describe --tags --always --dirty --match 'v*')
TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format="$version %H %cd"

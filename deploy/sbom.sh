#!/usr/bin/env bash
# Writes to $1 what cmd/batch is linked from, as CycloneDX has it, by a tool that
# deploy/go.mod pins. Its time is the commit's, so that it is the same again.
set -euo pipefail
to=$(realpath "$1")
cd "$(dirname "$0")/.."
stamp=$(deploy/stamp.sh)
CGO_ENABLED=0 go -C deploy tool cyclonedx-gomod app -json -licenses -noserial -main cmd/batch .. 2> >(grep ERR >&2) |
	sed "s/\"timestamp\": \"[^\"]*\"/\"timestamp\": \"${stamp##* }\"/" >"$to"

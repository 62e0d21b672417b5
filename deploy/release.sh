#!/usr/bin/env bash
# Builds dist/: a binary for each platform, an SBOM, and their checksums. From a
# clean tree only, and the same commit gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0

if [ -n "$(git status --porcelain)" ]; then
	echo "release: the tree has changes: commit or stash them first" >&2
	exit 1
fi
stamp=$(deploy/stamp.sh)
version=${stamp%% *}
rm -rf dist
mkdir dist
for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do
	GOOS=${platform%/*} GOARCH=${platform#*/} CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata \
		-ldflags "-s -w -X 'main.linked=$stamp'" -o "dist/batch_${version}_${platform/\//_}" ./cmd/batch
done
# What cmd/batch is linked from: all platforms' modules are the same. Without a
# serial number and a time, so that it too is the same again.
go run "$sbom" app -json -licenses -noserial -main cmd/batch -output "dist/batch_$version.cdx.json" . 2>dist/sbom.log ||
	{ cat dist/sbom.log >&2; exit 1; }
rm dist/sbom.log
cd dist
sha256sum -- * >SHA256SUMS
cat SHA256SUMS

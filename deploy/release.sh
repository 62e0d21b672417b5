#!/usr/bin/env bash
# Builds dist/: a binary for each platform, an SBOM, and their checksums. From a
# clean tree only, and the same commit gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.7.0

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
# What cmd/batch is linked from, by a tool that deploy/go.mod pins. Its time is the
# commit's, so that it too is the same again.
sbom=$PWD/dist/batch_$version.cdx.json
CGO_ENABLED=0 go -C deploy tool cyclonedx-gomod app -json -licenses -noserial -main cmd/batch .. 2>/dev/null |
	sed "s/\"timestamp\": \"[^\"]*\"/\"timestamp\": \"${stamp##* }\"/" >"$sbom"
cd dist
sha256sum -- * >SHA256SUMS
cat SHA256SUMS

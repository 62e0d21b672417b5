#!/usr/bin/env bash
# Builds dist/: an archive for each platform, an SBOM, and their checksums. From a
# clean tree only, and the same commit gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "$(git status --porcelain)" ]; then
	echo "release: the tree has changes: commit or stash them first" >&2
	exit 1
fi
stamp=$(deploy/stamp.sh)
version=${stamp%% *}
rm -rf dist
mkdir dist
epoch=$(git log -1 --format=%ct) # of every file in the archives
for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do
	name=billonce_${version}_${platform/\//_}
	mkdir "dist/$name"
	GOOS=${platform%/*} GOARCH=${platform#*/} CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata \
		-ldflags "-s -w -X 'main.linked=$stamp'" -o "dist/$name/batch" ./cmd/batch
	cp LICENSE README.md CHANGELOG.md .env.example "dist/$name"
	tar -C dist --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - "$name" |
		gzip -n >"dist/$name.tar.gz"
	rm -r "dist/$name"
done
deploy/sbom.sh "dist/billonce_$version.cdx.json"
cd dist
sha256sum -- * >SHA256SUMS
cat SHA256SUMS

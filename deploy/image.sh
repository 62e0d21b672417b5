#!/usr/bin/env bash
# Builds the image $1 from deploy/Dockerfile: with docker where one answers, else
# with buildah (Debian packages buildah and busybox-static), which needs neither
# a daemon nor, here, a registry.
set -euo pipefail
image=$1
cd "$(dirname "$0")/.."

stamp=$(deploy/stamp.sh)
trap 'rm -f batch.cdx.json' EXIT
deploy/sbom.sh batch.cdx.json
epoch=$(git log -1 --format=%ct) # of every file in the image: same commit, same digest

if docker info >/dev/null 2>&1; then
	SOURCE_DATE_EPOCH=$epoch docker build -q -f deploy/Dockerfile --build-arg STAMP="$stamp" -t "$image" .
	exit
fi

command -v buildah >/dev/null && [ -x /bin/busybox ] && [ -d /usr/share/ca-certificates/mozilla ] || {
	echo "image: no docker answers, and buildah needs more: apt-get install buildah runc busybox-static ca-certificates" >&2
	exit 1
}

# A base to build in, out of this machine: its Go, a shell, Debian's
# certificates. (Not /etc/ssl/certs: that can hold a company's own.)
export BUILDAH_ISOLATION=chroot
builder=localhost/billonce-builder:$(go env GOVERSION)
if ! buildah inspect --type image "$builder" >/dev/null 2>&1; then
	certificates=$(mktemp)
	trap 'rm -f batch.cdx.json "$certificates"' EXIT
	cat /usr/share/ca-certificates/mozilla/*.crt >"$certificates"
	c=$(buildah from scratch)
	buildah copy -q "$c" "$(go env GOROOT)" /usr/local/go >/dev/null
	buildah copy -q "$c" /bin/busybox /bin/sh >/dev/null
	buildah copy -q --chmod 0644 "$c" "$certificates" /etc/ssl/certs/ca-certificates.crt >/dev/null
	buildah config --env PATH=/usr/local/go/bin:/bin --env GOTOOLCHAIN=local --env TMPDIR=/ "$c"
	buildah commit -q --rm "$c" "$builder" >/dev/null
fi

# Modules come from this machine's cache; go.sum vouches for them.
go mod download
buildah bud -q -f deploy/Dockerfile --timestamp "$epoch" --layers=false \
	--volume "$(go env GOMODCACHE)/cache/download:/modules:ro" \
	--build-arg GO_IMAGE="$builder" --build-arg GOPROXY=file:///modules \
	--build-arg STAMP="$stamp" -t "$image" .

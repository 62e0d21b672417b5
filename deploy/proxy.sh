#!/usr/bin/env bash
# Builds image $1: oauth2-proxy, an authenticating proxy, for the test of the page behind one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
GOBIN=$folder CGO_ENABLED=0 go install -ldflags "-s -w" "github.com/oauth2-proxy/oauth2-proxy/v7@${PROXY_VERSION:-v7.15.6}"
printf 'FROM scratch\nCOPY oauth2-proxy /oauth2-proxy\nUSER 65532:65532\nENTRYPOINT ["/oauth2-proxy"]\n' >"$folder/Dockerfile"
if docker info >/dev/null 2>&1; then
	docker build -q -t "$1" "$folder"
else
	buildah bud -q --isolation chroot -f "$folder/Dockerfile" -t "$1" "$folder"
fi

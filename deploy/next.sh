#!/usr/bin/env bash
# Builds image $2: image $1 with the program of a next version, whose ledger has
# one migration more. For the test of an upgrade.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$folder"
number=$(printf '%03d' $(($(ls sql/migrations/*.sql | wc -l) + 1)))
cat >"$folder/sql/migrations/${number}_next.sql" <<SQL
alter table {{.schema}}.deliveries add column next_version text;

---- create above / drop below ----

alter table {{.schema}}.deliveries drop column next_version;
SQL
(cd "$folder" && CGO_ENABLED=0 go build -buildvcs=false -ldflags "-s -w -X 'main.linked=next next next'" -o image/batch ./cmd/batch)
printf 'FROM %s\nCOPY batch /batch\n' "$1" >"$folder/Dockerfile"
if docker info >/dev/null 2>&1; then
	docker build -q -f "$folder/Dockerfile" -t "$2" "$folder/image"
else
	buildah bud -q --isolation chroot -f "$folder/Dockerfile" -t "$2" "$folder/image"
fi

-- Purpose: the last reconciliations, the youngest first.
-- Locks: none. By reconciliations_made_at_idx, or by the primary key.
-- Flags: one ($1 is its id, with what it found), else $1 is how many.
select reconciliation_id::text, made_at, made_by, file, encode(file_sha256, 'hex'), since, until, coalesce(decided, ''),
       coalesce((figures ->> 'lines')::bigint, 0), coalesce((figures ->> 'agreed')::bigint, 0), coalesce((figures ->> 'differ')::bigint, 0),
       coalesce((figures -> 'decided' ->> 'done')::bigint, 0),
       {{if .Has.one}}figures::text{{else}}''{{end}}
from {{.Schema}}.reconciliations
{{- if .Has.one}}
where reconciliation_id = $1::uuid
{{- else}}
order by made_at desc
limit $1
{{- end}}

-- Purpose: the last reconciliation, for `status`.
-- Locks: none. By reconciliations_made_at_idx.
select made_at, made_by, file, encode(file_sha256, 'hex'), coalesce(decided, ''),
       coalesce((figures ->> 'lines')::bigint, 0), coalesce((figures ->> 'agreed')::bigint, 0), coalesce((figures ->> 'differ')::bigint, 0),
       coalesce((figures -> 'decided' ->> 'done')::bigint, 0)
from {{.Schema}}.reconciliations
order by made_at desc
limit 1

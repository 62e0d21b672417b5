-- Purpose: when a file was last reconciled, and by whom.
-- Locks: none.
select made_at, made_by
from {{.Schema}}.reconciliations
where file_sha256 = $1 and reconciliation_id <> $2
order by made_at desc
limit 1

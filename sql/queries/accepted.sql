-- Purpose: the databases that the ledger has trusted, the oldest first, and who says so.
-- Locks: none.
select accepted_before || case when accepted_at is null then '[]' else jsonb_build_array(jsonb_build_object(
    'identity', accepted_identity, 'at', accepted_at, 'by', accepted_by, 'reason', accepted_reason)) end
from {{.Schema}}.ledger
where only_row

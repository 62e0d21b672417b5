-- Purpose: a request of this run was accepted: its settings are not new any more, and
--   the API asks nobody to wait.
-- Locks: the run's own row; the ledger's row where a wait stands in it, for an instant.
with asked as (
    update {{.Schema}}.ledger set not_before = null where not_before is not null
)
update {{.Schema}}.runs
set accepted_at = coalesce(accepted_at, now())
where run_id = $1

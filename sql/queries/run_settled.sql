-- Purpose: this run has settled a delivery: people's commands hold their SQL against its.
-- Locks: the run's own row.
update {{.Schema}}.runs
set settled_at = now()
where run_id = $1
  and settled_at is null

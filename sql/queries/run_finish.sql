-- Purpose: record how a run ended. A run without this line was killed.
-- $4 to $6: what is open, in groups, and when it was counted; null where it was not.
-- Locks: the run's own row, which nobody else writes.
update {{.Schema}}.runs
set finished_at = now(), exit_code = $2, summary = $3,
    open_count = $4, open_groups = $5, open_at = $6
where run_id = $1

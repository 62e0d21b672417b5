-- Purpose: record how a run ended. A run without this line was killed.
-- Locks: the run's own row, which nobody else writes.
update {{.Schema}}.runs
set finished_at = now(), exit_code = $2, summary = $3
where run_id = $1

-- Purpose: record what this run's test of the look-up came to.
-- Locks: the run's own row, which nobody else writes.
update {{.Schema}}.runs
set lookup_test = $2
where run_id = $1

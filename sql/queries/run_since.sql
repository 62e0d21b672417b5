-- Purpose: after the run lock was lost and taken again, whether another run has
--   had it in between: its application and its id.
-- Locks: none; this run holds the run lock again.
-- Shape: whoever takes the run lock records its run, numbered, before it does
--   anything, and lets the lock go only after that. We hold the lock, so whoever
--   had it since has a higher number than we have, committed, or has died without
--   having done anything. Numbers and not times: a clock can be set back.
-- $3: the kinds of run lock that ours keeps away.
select application, run_id::text
from {{.Schema}}.runs
where name = $2
  and run_lock = any ($3::text[])
  and number > coalesce((select number from {{.Schema}}.runs where run_id = $1), 0)
order by number
limit 1

-- Purpose: the applications of the runs that have not said that they ended: whoever else
--   holds an invoice's advisory lock is none of ours.
-- Locks: none.
select distinct application
from {{.Schema}}.runs
where finished_at is null

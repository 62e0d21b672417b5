-- Purpose: the last runs, for `status`.
-- Locks: none.
select run_id::text, name, lock_strategy, run_lock, application, version,
       started_at, finished_at, exit_code, coalesce(summary, 'null'), written_off_at, coalesce(settings, 'null'), identity
from {{.Schema}}.runs
order by started_at desc
limit $1

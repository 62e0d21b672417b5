-- Purpose: who is in the way of a session of ours that waits for a lock: the holders
--   first, then who waits before us.
-- Locks: none of its own; pg_blocking_pids looks at the lock table as a whole, so it is
--   asked only while something waits.
-- $1: the waiting backend; 0: whichever of our application name waits, since a pooler
--   does not tell which it is.
-- A prepared transaction has no session: its pid is 0.
select distinct coalesce(h.application_name, ''), coalesce(h.usename, ''), b.pid
from pg_stat_activity w
cross join lateral unnest(pg_blocking_pids(w.pid)) as b (pid)
left join pg_stat_activity h on h.pid = b.pid
where w.datname = current_database()
  and (w.pid = $1
       or ($1 = 0 and w.wait_event_type = 'Lock' and w.application_name = current_setting('application_name')))
order by 3
limit 3

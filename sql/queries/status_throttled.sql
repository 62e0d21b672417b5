-- Purpose: how many deliveries wait since the API asked the runs that are under way for a
--   slower pace.
-- Locks: none.
-- Shape: deliveries_open_idx finds those that wait, and at most $1 of them are looked at.
-- A throttled reply takes no attempt of its run, whatever its status is. Nor does a 401 whose
--   credentials were replaced.
select count(*)
from (select run_id, run_attempt, http_status from {{.Schema}}.deliveries where open_state = 'retry' limit $1) d
where (http_status = 429 or run_attempt = 0 and http_status <> 401)
  and run_id in (select run_id from {{.Schema}}.runs where finished_at is null and written_off_at is null)

-- Purpose: what is usual: of the last ten Jobs (without JOB_NAME: runs) that sent
--   anything, and whose first run counted what could be sent: how many they are, and the
--   median of what they could send as they began.
-- Locks: none.
-- $1: this run's Job, or nothing: what it could send as it began is no measure of itself.
select count(*), coalesce(percentile_cont(0.5) within group (order by could_send), 0)::float8
from (
    select (array_agg(could_send order by number))[1] as could_send
    from {{.Schema}}.runs
    where job is distinct from nullif($1, '') or job is null
    group by coalesce(job, run_id::text)
    having bool_or(accepted_at is not null) and (array_agg(could_send order by number))[1] is not null
    order by max(number) desc
    limit 10
) j

-- Purpose: what the runs of the last thirty days came to, a row for each day.
-- Locks: none.
select date_trunc('day', started_at), count(*), coalesce(sum((summary->>'sent')::bigint), 0)::bigint,
       max(coalesce(exit_code, case when finished_at is null and started_at > now() - interval '1 day' then 0 else 1 end))
from {{.Schema}}.runs
where started_at >= date_trunc('day', now()) - interval '29 days'
group by 1
order by 1

-- Purpose: how many the runs that ended since midnight have sent, by their own
--   summaries. For ledgers that are too large to count.
-- Locks: none. By runs_started_at_idx: a run of more than a week is not seen.
select coalesce(sum((summary ->> 'sent')::bigint), 0)::bigint
from {{.Schema}}.runs
where started_at >= date_trunc('day', now()) - interval '7 days'
  and finished_at >= date_trunc('day', now())

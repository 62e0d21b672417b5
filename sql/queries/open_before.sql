-- Purpose: what was open as the last run ended, and what was decided since.
-- Locks: none. By runs_open_idx and history_decided_idx.
select r.run_id::text, r.open_at, r.open_count, coalesce(r.open_groups, '[]'),
       (select count(distinct h.invoice_id) filter (where h.state <> 'cancelled')
             - count(distinct h.invoice_id) filter (where h.state = 'cancelled')
        from {{.Schema}}.history h
        where h.kind = 'decision' and h.recorded_at > r.open_at)
from {{.Schema}}.runs r
where r.open_at is not null
order by r.open_at desc
limit 1

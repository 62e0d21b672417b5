-- Purpose: the unfinished runs that may still have something to write again after a
--   fail-over: they have seen another timeline last; and those that have told on this one,
--   finished or not, since the ledger trusted a database, that more was lost than they
--   remember (second column).
-- Locks: none.
-- $1: this run; $2: the timeline; $3: the one that they have seen last; empty: any other.
select application || ' (' || run_id || ')', lost
from {{.Schema}}.runs, lateral (select coalesce(identity ->> 'timeline' = $2 and (identity ->> 'lost')::timestamptz
    > coalesce((select accepted_at from {{.Schema}}.ledger where only_row), '-infinity'), false)) told (lost)
where run_id <> $1::text::uuid
  and (finished_at is null and written_off_at is null
       and case when $3 = '' then identity ->> 'timeline' is distinct from $2 else identity ->> 'timeline' = $3 end
       or lost)
order by lost desc

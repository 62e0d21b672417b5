-- Purpose: the unfinished runs that may still have something to write again after a
--   fail-over: they have seen another timeline last.
-- Locks: none.
-- $1: this run; $2: the timeline; $3: the one that they have seen last; empty: any other.
select application || ' (' || run_id || ')'
from {{.Schema}}.runs
where finished_at is null
  and written_off_at is null
  and run_id <> $1::text::uuid
  and case when $3 = '' then identity ->> 'timeline' is distinct from $2 else identity ->> 'timeline' = $3 end

-- Purpose: write off each run that was killed: it is unfinished, and can no longer act.
--   A run that could not settle everything, or left some `sending` until their requests
--   can no longer arrive, is taken with them: what it left is looked for in the same way.
-- Locks: FOR NO KEY UPDATE on those runs' rows.
-- Shape: under an exclusive run lock no other run of its name can act, unless that one
--   takes no lock. Of others, a run that holds a run lock has a connection, and every
--   runner's connections bear its name (a pooler may add to it). One that is cut off
--   may still have a request on its way: not before its last deadline is it written off.
-- $1: this run; $2: its name; $3: whether it holds the run lock exclusively.
update {{.Schema}}.runs as r
set written_off_at = now(), written_off_by = $1::text
where r.written_off_at is null
  and r.run_id <> $1::text::uuid
  and case
          when r.finished_at is not null then
              coalesce((r.summary ->> 'not_settled')::bigint > 0, false) or coalesce((r.summary ->> 'left_sending')::boolean, false)
          when $3 and r.name = $2 and r.run_lock <> 'off' then true
          when exists (select from pg_stat_activity a where starts_with(a.application_name, r.application)) then false
          else not exists (
              select from {{.Schema}}.deliveries d
              where d.run_id = r.run_id and d.state = 'sending' and d.deadline_at >= now()
          )
      end
returning r.run_id::text, r.application

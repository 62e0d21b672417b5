-- Purpose: what a person's decision about a delivery depends on beside the delivery.
-- Locks: none.
-- Shape: an older program does not write key_use: of its attempts only a single one that
--   was answered is certain. It knows the first version of a key alone.
-- Of runs only the unfinished ones are read, by runs_unfinished_idx.
select d.key_version,
       coalesce(extract(epoch from now() - coalesce(d.retry_since, d.updated_at)), 0)::float8,
       coalesce((select h.state from {{.Schema}}.history h
                 where h.invoice_id = d.invoice_id and h.kind = 'decision' and h.decision = 'cancelled'
                 order by h.entry desc limit 1), ''),
       not d.doubtful and case
           when d.key_version = 1 and exists (
               select from {{.Schema}}.runs r
               where r.program is null
                 and (r.run_id = d.run_id
                      or r.run_id in (select h.run_id from {{.Schema}}.history h where h.invoice_id = d.invoice_id and h.kind = 'attempt')))
           then d.attempt = 1
           else d.key_use > 0
       end,
       coalesce((select r.application from {{.Schema}}.runs r
                 where r.finished_at is null and r.written_off_at is null and r.program is null
                 order by r.number limit 1), ''),
       coalesce(extract(epoch from now() - d.submitted_at), 0)::float8
from {{.Schema}}.deliveries d
where d.invoice_id = $1::{{.KeyType}}

-- Purpose: deliveries with what is known about them, for people.
-- Locks: none.
-- Flags: open (all in the open state $1, oldest first, by deliveries_open_idx), else
--   those of the ids in $1, in their order; an id without a delivery has no state.
-- Shape: an attempt began as the one before it was superseded. A run that has not ended is
--   gone where it was written off, or where nobody is connected under its name.
with connected as materialized (
    select distinct application_name from pg_stat_activity
)
select {{if .Has.open}}d.invoice_id{{else}}k.id{{end}}::text,
       coalesce(d.state, ''),
       coalesce(d.attempt, 0),
       d.idempotency_key,
       d.body_sha256,
       coalesce(d.doubtful, false),
       d.first_sent_at,
       d.updated_at,
       d.deadline_at,
       coalesce(extract(epoch from d.deadline_at - now()), 0)::float8,
       coalesce(extract(epoch from now() - d.updated_at), 0)::float8,
       d.due_at,
       coalesce(d.http_status, 0),
       coalesce(d.error, ''),
       d.run_id,
       coalesce(r.application, ''),
       coalesce(d.reply_id, ''),
       d.amount::text,
       d.currency,
       case when d.attempt = 1 then d.first_sent_at
            else (select max(h.recorded_at) from {{.Schema}}.history h
                  where h.invoice_id = d.invoice_id and h.kind = 'attempt' and h.attempt = d.attempt - 1) end,
       r.finished_at,
       case when r.finished_at is not null then null
            when r.written_off_at is not null then r.written_off_at
            when d.state = 'in_doubt'
             and not exists (select from connected c where starts_with(c.application_name, r.application)) then d.updated_at end
{{- if .Has.open}}
from {{.Schema}}.deliveries d
{{- else}}
from unnest($1::{{.KeyType}}[]) with ordinality as k (id, n)
left join {{.Schema}}.deliveries d on d.invoice_id = k.id
{{- end}}
left join {{.Schema}}.runs r on r.run_id = d.run_id
{{- if .Has.open}}
where d.open_state = $1
order by d.updated_at, d.invoice_id
{{- else}}
order by k.n
{{- end}}

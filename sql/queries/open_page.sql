-- Purpose: a part of what waits for a person for one kind of reason, the most money first.
-- Locks: none.
-- Shape: deliveries_open_idx has each kind's in this order, so that a part costs as much
--   as there is in it, however many there are. (In a ledger from before 1.0 they are read
--   and sorted.) It is cut before anything else is asked: the last column says of each
--   whether it is open, and for a reason like the wanted one, and the next part begins
--   behind the last one, whether or not it is. INVOICES_PENDING is asked of this part alone.
-- Flags: retry, failed, pending_again, set_aside (each kind but those whose open state says
--   it all); after (behind $4, $5); failing (INVOICES_PENDING fails on one of them: all
--   count as pending).
-- $1: the kind; $2: how many; $3: a pattern of the reason, or null; $4, $5: a place.
with part as materialized (
    select * from (
{{- if or .Has.pending_again .Has.set_aside}}
        select f.invoice_id, d.state, d.attempt, f.reason, f.since, d.amount, d.currency, d.idempotency_key, d.reply_id,
               coalesce(-d.amount, 1e30) as place,
               {{if .Has.set_aside}}coalesce(d.state, 'retry') = 'retry'{{else}}d.state = 'sent'{{end}} as open
        from {{.Schema}}.{{if .Has.set_aside}}set_aside{{else}}pending_again{{end}} f
        left join {{.Schema}}.deliveries d on d.invoice_id = f.invoice_id
{{- else}}
        select d.invoice_id, d.state, d.attempt, coalesce(d.error, 'HTTP ' || d.http_status, 'no reply') as reason,
               {{if .Has.retry}}d.retry_since{{else}}d.updated_at{{end}} as since, d.amount, d.currency, d.idempotency_key, d.reply_id,
               coalesce(-d.amount, 1e30) as place,
               {{if .Has.retry}}d.retry_since < now() - interval '2 days'{{else}}true{{end}} as open
        from {{.Schema}}.deliveries d
        where d.open_state = $1
{{- end}}
    ) o
{{- if .Has.after}}
    where (o.place, o.invoice_id) > ($4::numeric, $5::text::{{.KeyType}})
{{- end}}
    order by o.place, o.invoice_id
    limit $2
)
select part.invoice_id::text, $1::text, part.state, part.attempt, left(part.reason, 1000), part.since, part.amount::text, part.currency,
       coalesce(part.idempotency_key::text, ''), coalesce(part.reply_id, ''), part.place::text,
       coalesce(part.open and ($3::text is null or part.reason like $3)
{{- if and (not .Has.failing) (or .Has.failed .Has.pending_again .Has.set_aside)}}
           and part.invoice_id in (
               select {{.ID}} from {{.Invoices}}
               where {{.ID}} = any (array(select part.invoice_id from part))
                 and ({{.Pending}}
                 )
           )
{{- end}}, false)
from part
order by part.place, part.invoice_id

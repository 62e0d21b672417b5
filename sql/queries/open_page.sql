-- Purpose: a page of what waits for a person for one kind of reason, the most money first.
-- Locks: none.
-- Shape: deliveries_open_idx finds the kind's, however large the ledger is. The page is cut
--   before INVOICES_PENDING is asked, of the page alone: so the last column says of each
--   whether it is still open, and the next page begins behind the last one, open or not.
-- Flags: retry, pending_again, set_aside (the kinds that are not an open state alone); first
--   (any of them, in no order: to see whether there are many); failing (INVOICES_PENDING
--   fails on one of them: all count as pending).
-- $1: the kind; $2: how many; $3: a pattern of the reason, or null; $4, $5: behind which
--   amount and key, or null.
with page as materialized (
    select o.*
    from (
{{- if or .Has.pending_again .Has.set_aside}}
        select p.invoice_id, d.state, d.attempt, p.reason, p.since, d.amount, d.currency
        from {{.Schema}}.{{if .Has.set_aside}}set_aside{{else}}pending_again{{end}} p
        left join {{.Schema}}.deliveries d on d.invoice_id = p.invoice_id
        where {{if .Has.set_aside}}coalesce(d.state, 'retry') = 'retry'{{else}}d.state = 'sent'{{end}}
{{- else}}
        select d.invoice_id, d.state, d.attempt, coalesce(d.error, 'HTTP ' || d.http_status, 'no reply') as reason,
               {{if .Has.retry}}d.retry_since{{else}}d.updated_at{{end}} as since, d.amount, d.currency
        from {{.Schema}}.deliveries d
        where d.open_state = $1
{{- if .Has.retry}} and d.retry_since < now() - interval '2 days'{{end}}
{{- end}}
    ) o
    where ($3::text is null or o.reason like $3)
      and ($5::text is null or coalesce(o.amount, '-1e99') < $4::numeric
           or coalesce(o.amount, '-1e99') = $4::numeric and o.invoice_id > $5::text::{{.KeyType}})
{{- if not .Has.first}}
    order by coalesce(o.amount, '-1e99') desc, o.invoice_id
{{- end}}
    limit $2
)
select page.invoice_id::text, $1::text, page.state, page.attempt, page.reason, page.since,
       page.amount::text, page.currency, coalesce(page.amount, '-1e99')::text,
{{- if or .Has.failing (not (or .Has.failed .Has.pending_again .Has.set_aside))}}
       true
{{- else}}
       page.invoice_id in (
           select {{.ID}} from {{.Invoices}}
           where {{.ID}} = any (array(select page.invoice_id from page))
             and ({{.Pending}}
             )
       )
{{- end}}
from page
{{- if not .Has.first}}
order by coalesce(page.amount, '-1e99') desc, page.invoice_id
{{- end}}

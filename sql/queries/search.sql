-- Purpose: the invoices of which the API's id, or the idempotency key, is given: of their
--   delivery, or of an earlier attempt.
-- Locks: none.
-- Shape: it reads the whole ledger, unless somebody has made an index, and shows as it
--   reads. Nobody waits for it: it has a connection of its own, one at a time.
-- Flags: key ($1 is an idempotency key), else the API's id.
-- $2: how many at most.
select invoice_id::text, state, attempt, false
from {{.Schema}}.deliveries
where {{if .Has.key}}idempotency_key = $1::uuid{{else}}reply_id = $1::text{{end}}
union all
select h.invoice_id::text, coalesce(d.state, ''), h.attempt, true
from {{.Schema}}.history h
left join {{.Schema}}.deliveries d on d.invoice_id = h.invoice_id
where {{if .Has.key}}h.idempotency_key = $1::uuid{{else}}h.reply_id = $1::text{{end}}
limit $2

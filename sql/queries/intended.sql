-- Purpose: after a commit whose fate is unknown (the connection broke), which
--   of the intents are in the ledger as this run's own.
-- Locks: none. It runs after the intents were tried again, and that waited for
--   the first try's transaction to end.
select d.invoice_id::text
from unnest($1::{{.KeyType}}[], $2::integer[]) as s (id, attempt)
join {{.Schema}}.deliveries d on d.invoice_id = s.id
where d.state = 'sending' and d.attempt = s.attempt and d.run_id = $3

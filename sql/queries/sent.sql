-- Purpose: what was sent, by one run or since a time, for people.
-- Locks: none.
-- Shape: no index has it, since each delivery would enter it: the whole ledger is read,
--   and shown as it is read.
-- Flags: run ($1 is its id), else $1 is the time.
select invoice_id::text, attempt, updated_at, coalesce(http_status, 0), coalesce(reply_id, ''), amount::text, currency
from {{.Schema}}.deliveries
where state = 'sent'
{{- if .Has.run}} and run_id = $1::uuid{{else}} and updated_at >= $1::timestamptz{{end}}

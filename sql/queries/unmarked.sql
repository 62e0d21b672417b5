-- Purpose: deliveries that the API accepted and whose invoices could not be marked, a
--   page at a time, for another try.
-- Locks: none. Settling them is guarded.
-- Shape: by deliveries_open_idx, which has few of them.
-- $1: the id to go on after (null: from the beginning); $2: rows in the page.
select d.invoice_id::text, d.run_id, d.attempt, d.run_attempt, d.doubtful, coalesce(d.http_status, 0), coalesce(d.reply_id, ''), d.reply
from {{.Schema}}.deliveries d
where d.open_state = 'unmarked'
  and ($1::text is null or d.invoice_id > $1::text::{{.KeyType}})
order by d.invoice_id
limit $2

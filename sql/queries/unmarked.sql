-- Purpose: deliveries that the API accepted and whose invoices could not be marked, a
--   page at a time, for another try.
-- Locks: none. Settling them is guarded.
-- Shape: by deliveries_open_idx, which has few of them.
-- $1: the id to go on after (null: from the beginning); $2: rows in the page.
select invoice_id::text, run_id, attempt, run_attempt, doubtful, coalesce(http_status, 0), coalesce(reply_id, ''), reply
from {{.Schema}}.deliveries
where open_state = 'unmarked'
  and ($1::text is null or invoice_id > $1::text::{{.KeyType}})
order by invoice_id
limit $2
